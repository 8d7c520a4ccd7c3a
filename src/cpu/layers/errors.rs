//! Sizes of quantities and bounds of their errors, lane by lane, as [`crate::engine::Rounding`] needs them.

use crate::cpu::derivatives::Smooth;
use crate::cpu::lanes::Doubles;
use crate::cpu::terms::growth;
use crate::engine::UNIT;

use super::sums::dot;

/// The size of a quantity, a norm or a magnitude, and a bound of its error.
#[derive(Clone, Copy)]
pub(super) struct Bounded<F> {
    pub(super) size: F,
    pub(super) error: F,
}

impl<F: Doubles> Bounded<F> {
    /// |values|, whose entries are off by `errors`.
    #[inline(always)]
    pub(super) fn norm(values: &[F], errors: &[F]) -> Self {
        Self { size: dot(values, values).sqrt(), error: dot(errors, errors).sqrt() }
    }

    /// A product of two quantities whose products add up in sums of at most `terms`.
    #[inline(always)]
    pub(super) fn times(self, other: Self, terms: usize) -> Self {
        let size = self.size * other.size;
        let rounded = F::splat((terms + 1) as f64 * UNIT) * size;
        let moved = self.error.mul_add(other.size + other.error, self.size * other.error);
        Self { size, error: moved + rounded }
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        let size = self.size + other.size;
        Self { size, error: F::splat(UNIT).mul_add(size, self.error + other.error) }
    }
}

/// The errors of f, f' and f'' at a y that is off by up to `error`, the functions' own errors included.
#[inline(always)]
pub(super) fn unit_errors<F: Doubles, A: Smooth>(y: F, error: F, [value, df, ddf]: [F; 3]) -> [F; 3] {
    let ([d1, d2, d3], rate) = A::envelopes(y, [value, df, ddf]);
    let function = A::units(y) * F::splat(UNIT);
    let moved = error * growth(rate * error, y.abs() - error, A::LIMIT);
    [
        d1.mul_add(moved, function * value.abs()),
        d2.mul_add(moved, function * d1),
        d3.mul_add(moved, function * d2),
    ]
}
