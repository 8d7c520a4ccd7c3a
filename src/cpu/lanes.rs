//! Vectors with one number for each of several networks: what kernels compute with.
//!
//! A kernel is written once against [`Vectors`] and compiled once for each instruction set ([`super::InstructionSet`]).
//! Lanes never mix, so a network's values do not depend on its lane or on its neighbours.

/// Operators of a vector type, each by its expression in `a` and `b`, and `+=` by its `+`.
macro_rules! operators {
    ($vector:ty: $($operator:ident $method:ident |$a:ident, $b:ident| $result:expr;)+) => {
        $(impl $operator for $vector {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $result
            }
        })+

        impl AddAssign for $vector {
            #[inline(always)]
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod portable;

use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// A vector of floating-point numbers, one lane per network.
///
/// Only [`super::InstructionSet::dispatch`] picks an implementation, after checking that the processor supports it.
pub(super) trait Lanes:
    bytemuck::Pod + Add<Output = Self> + AddAssign + Sub<Output = Self> + Mul<Output = Self> + Send + Sync
{
    /// What one lane holds.
    type Scalar: bytemuck::Pod;

    /// The number of networks side by side.
    const COUNT: usize;

    /// `value` in every lane.
    fn splat(value: Self::Scalar) -> Self;

    /// self a + b, in one rounding where the instruction set has a fused operation.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// b - self a, likewise.
    fn neg_mul_add(self, a: Self, b: Self) -> Self;

    /// The smaller of self and `bound`; NaN in self stays NaN.
    fn at_most(self, bound: Self) -> Self;

    /// The larger of self and `bound`; NaN in self stays NaN.
    fn at_least(self, bound: Self) -> Self;

    /// |self|.
    fn abs(self) -> Self;

    /// `negative` where self < 0, `otherwise` elsewhere (also for NaN).
    fn where_negative(self, negative: Self, otherwise: Self) -> Self;

    /// `positive` where self > 0, `otherwise` elsewhere (also for NaN).
    fn where_positive(self, positive: Self, otherwise: Self) -> Self;

    /// The lanes as numbers.
    fn values(&self) -> &[Self::Scalar] {
        bytemuck::cast_slice(std::slice::from_ref(self))
    }

    /// The lanes as numbers to write.
    fn values_mut(&mut self) -> &mut [Self::Scalar] {
        bytemuck::cast_slice_mut(std::slice::from_mut(self))
    }
}

/// Lanes of f32: what training computes with.
pub(super) trait Singles: Lanes<Scalar = f32> {
    /// 1 / self for 2^-125 <= |self| <= 2^125: relative error below 1.2e-7 (2^-23).
    fn reciprocal(self) -> Self;

    /// 2^self for self <= 125: relative error below 2.5e-7 from -125 up. Below, it keeps falling and is 0 from -150 at
    /// the latest. NaN stays NaN.
    fn exp2(self) -> Self;

    /// (2^self, 2^self - 1) for self <= 125, the second with a relative error below 3e-7 near 0 too; NaN stays NaN.
    fn exp2_and_minus_one(self) -> (Self, Self);

    /// 1 / (1 + 2^self), the logistic function of -self ln 2: relative error below 5e-7 for self < 125. Above, it keeps
    /// falling and is 0 from 128 at the latest. NaN stays NaN.
    fn one_over_one_plus_exp2(self) -> Self;

    /// Whether every lane is at least `low` and finite.
    fn all_finite_and_at_least(self, low: Self) -> bool;
}

/// Lanes of f64: what closed forms and spectra are computed with.
pub(super) trait Doubles: Lanes<Scalar = f64> + Div<Output = Self> {
    /// The square root of self >= 0, correctly rounded.
    fn sqrt(self) -> Self;

    /// The whole number nearest to self, for |self| < 2^50.
    fn round(self) -> Self;

    /// 2^self for a whole number self from -1023 to 1023; 0 for -1023.
    fn power_of_two(self) -> Self;
}

/// The vectors of one instruction set.
pub(super) trait Vectors {
    /// Its lanes of f32.
    type Singles: Singles;
    /// Its lanes of f64, of which there may be fewer.
    type Doubles: Doubles;
}

/// A computation that [`super::InstructionSet::dispatch`] compiles for every instruction set.
pub(super) trait LaneTask {
    /// The result.
    type Output;

    /// Runs with the vectors `V`. Implementations are `#[inline(always)]`, and so is everything hot that they call:
    /// only what is inlined into the dispatching function is compiled for its instruction set.
    fn run<V: Vectors>(self) -> Self::Output;
}

/// Constants of the exponentials. Polynomials start with the lowest power, each a minimax fit of the relative error.
mod coefficients {
    /// 1.5 2^52: adding it leaves a whole number in the low bits of an f64.
    pub(super) const WHOLE_NUMBERS: f64 = 6_755_399_441_055_744.0;
    /// 2^x on [0, 1], 7.5e-8.
    #[cfg(target_arch = "x86_64")]
    pub(super) const EXP2_UNIT: [f32; 6] =
        [0.999_999_94, 0.693_153_1, 0.240_153_63, 0.055_826_318, 0.008_989_34, 0.001_877_576_8];
    /// 2^x on [-1/2, 1/2], 7.5e-8.
    pub(super) const EXP2_CENTRED: [f32; 6] =
        [1.000_000_1, 0.693_146_94, 0.240_221_2, 0.055_507_135, 0.009_675_541, 0.001_327_647_2];
    /// (2^x - 1) / x on [-1/2, 1/2], 1.1e-8.
    pub(super) const EXP2_MINUS_ONE: [f32; 6] =
        [std::f32::consts::LN_2, 0.240_226_5, 0.055_503_573, 0.009_618_238, 0.001_339_073_5, 0.000_154_035_12];
}

/// The polynomial with `coefficients`, lowest power first, at x.
#[inline(always)]
pub(super) fn polynomial<F: Lanes, const TERMS: usize>(x: F, coefficients: [F::Scalar; TERMS]) -> F {
    let mut sum = F::splat(coefficients[TERMS - 1]);
    for k in (0..TERMS - 1).rev() {
        sum = sum.mul_add(x, F::splat(coefficients[k]));
    }
    sum
}
