//! The five activation functions and the logistic output in lanes.
//!
//! Errors are stated against the f64 values at the same f32 input, and tested over all of f32.

use std::f32::consts::{LN_2, LOG2_E};

use super::lanes::{Lanes, polynomial};

/// Exponents of two beyond this are cut: 2^60 + 1 is 2^60 in f32 long before, and products of two such small numbers stay normal.
const SATURATION: f32 = 60.0;

/// An activation function f of the hidden units, of the pre-activation y times [`UnitFunction::SCALE`].
///
/// Scaling once a step by what the exponential wants saves a multiplication at every sample.
pub(super) trait UnitFunction {
    /// What pre-activations are multiplied by before they come here.
    const SCALE: f32;

    /// Whether f'(y) is had from f(y) alone, so that training need not keep both.
    const FIRST_FROM_VALUE: bool;

    /// f(y) and f'(y).
    fn value_and_first<F: Lanes>(scaled: F) -> (F, F);

    /// f'(y) from f(y), where [`UnitFunction::FIRST_FROM_VALUE`]. Its absolute error is that of f, its relative error may be large.
    fn first_from_value<F: Lanes>(value: F) -> F;

    /// f(y), f'(y) and f''(y); no relative error grows where a unit saturates.
    fn derivatives<F: Lanes>(scaled: F) -> [F; 3];
}

/// f(y) = y: exact.
pub(super) struct Linear;

/// f(y) = 1 / (1 + exp(-y)): relative error below 1e-6 for |y| < 40, absolute below 1e-6 everywhere.
pub(super) struct Sigmoid;

/// f(y) = tanh(y): relative error below 1e-6, near 0 too.
pub(super) struct Tanh;

/// f(y) = ln(1 + exp(y)).
pub(super) struct Softplus;

/// f(y) = y G(y).
pub(super) struct Gelu;

impl UnitFunction for Linear {
    const SCALE: f32 = 1.0;
    const FIRST_FROM_VALUE: bool = true;

    #[inline(always)]
    fn value_and_first<F: Lanes>(scaled: F) -> (F, F) {
        (scaled, F::splat(1.0))
    }

    #[inline(always)]
    fn first_from_value<F: Lanes>(_value: F) -> F {
        F::splat(1.0)
    }

    #[inline(always)]
    fn derivatives<F: Lanes>(scaled: F) -> [F; 3] {
        [scaled, F::splat(1.0), F::splat(0.0)]
    }
}

impl UnitFunction for Sigmoid {
    const SCALE: f32 = -LOG2_E;
    const FIRST_FROM_VALUE: bool = true;

    #[inline(always)]
    fn value_and_first<F: Lanes>(scaled: F) -> (F, F) {
        let value = one_over_one_plus_exp2(scaled);
        (value, Self::first_from_value(value))
    }

    #[inline(always)]
    fn first_from_value<F: Lanes>(value: F) -> F {
        value.neg_mul_add(value, value)
    }

    #[inline(always)]
    fn derivatives<F: Lanes>(scaled: F) -> [F; 3] {
        let exponential = scaled.at_most(F::splat(SATURATION)).exp2();
        let value = (exponential + F::splat(1.0)).reciprocal();
        let complement = exponential * value;
        let first = value * complement;
        [value, first, (complement - value) * first]
    }
}

impl UnitFunction for Tanh {
    const SCALE: f32 = 2.0 * LOG2_E;
    const FIRST_FROM_VALUE: bool = true;

    #[inline(always)]
    fn value_and_first<F: Lanes>(scaled: F) -> (F, F) {
        let (_, minus_one) = scaled.at_most(F::splat(SATURATION)).exp2_and_minus_one();
        let value = minus_one * (minus_one + F::splat(2.0)).reciprocal();
        (value, Self::first_from_value(value))
    }

    #[inline(always)]
    fn first_from_value<F: Lanes>(value: F) -> F {
        value.neg_mul_add(value, F::splat(1.0))
    }

    #[inline(always)]
    fn derivatives<F: Lanes>(scaled: F) -> [F; 3] {
        // With E = exp(2y): f = (E - 1) / (E + 1) and f' = 4 E / (E + 1)^2.
        let (exponential, minus_one) = scaled.at_most(F::splat(SATURATION)).exp2_and_minus_one();
        let reciprocal = (minus_one + F::splat(2.0)).reciprocal();
        let value = minus_one * reciprocal;
        let half_first = F::splat(2.0) * exponential * reciprocal * reciprocal;
        let first = half_first + half_first;
        [value, first, F::splat(-2.0) * value * first]
    }
}

impl UnitFunction for Softplus {
    const SCALE: f32 = LOG2_E;
    const FIRST_FROM_VALUE: bool = false;

    #[inline(always)]
    fn value_and_first<F: Lanes>(scaled: F) -> (F, F) {
        let [value, first, _] = Self::derivatives(scaled);
        (value, first)
    }

    #[inline(always)]
    fn first_from_value<F: Lanes>(_value: F) -> F {
        unreachable!("softplus keeps its derivative")
    }

    #[inline(always)]
    fn derivatives<F: Lanes>(scaled: F) -> [F; 3] {
        let Softened { value, large, small } = soften(scaled);
        [value, scaled.where_negative(small, large), large * small]
    }
}

impl UnitFunction for Gelu {
    const SCALE: f32 = 1.0;
    const FIRST_FROM_VALUE: bool = false;

    #[inline(always)]
    fn value_and_first<F: Lanes>(scaled: F) -> (F, F) {
        let [value, first, _] = Self::derivatives(scaled);
        (value, first)
    }

    #[inline(always)]
    fn first_from_value<F: Lanes>(_value: F) -> F {
        unreachable!("GELU keeps its derivative")
    }

    #[inline(always)]
    fn derivatives<F: Lanes>(y: F) -> [F; 3] {
        // Beyond these the tails are 0 in f32, and y itself may be too large to multiply them with.
        let above = y.at_least(F::splat(-TAIL));
        let bounded = above.at_most(F::splat(TAIL));
        let (density, tail) = normal_density_and_tail(bounded);
        let distribution = y.where_negative(tail, F::splat(1.0) - tail);
        let curvature = bounded.neg_mul_add(bounded, F::splat(2.0));
        [above * distribution, bounded.mul_add(density, distribution), density * curvature]
    }
}

/// Where the standard normal density has become 2^-86: nothing beyond matters in f32.
const TAIL: f32 = 10.9;

/// Q(a) / g(a) divided by t = 1 / (1 + 0.3 a), a polynomial in t: a minimax fit for 0 <= a <= 14 with relative error 1.5e-7.
const MILLS_RATIO: [f32; 8] = [
    0.299_866_18,
    0.302_685_28,
    0.250_445_98,
    0.322_256_17,
    -0.134_564_87,
    0.517_251_43,
    -0.394_049_64,
    0.089_423_384,
];

/// g(y) and Q(|y|) for |y| <= [`TAIL`]: the standard normal density and the probability beyond |y|, Q(a) = G(-a). Relative errors
/// below 1e-6 (1 + y^2 / 2), absolute error of Q below 2e-7.
#[inline(always)]
fn normal_density_and_tail<F: Lanes>(y: F) -> (F, F) {
    let exponential = (y * y * F::splat(-0.5 * LOG2_E)).exp2();
    let density = exponential * F::splat(0.398_942_28);
    let t = y.abs().mul_add(F::splat(0.3), F::splat(1.0)).reciprocal();
    (density, density * t * polynomial(t, MILLS_RATIO))
}

/// 1 / (1 + 2^t): the logistic function of -t ln 2. Relative error below 5e-7 for t < 60, and 2^-60 beyond; NaN stays NaN.
#[inline(always)]
pub(super) fn one_over_one_plus_exp2<F: Lanes>(t: F) -> F {
    (t.at_most(F::splat(SATURATION)).exp2() + F::splat(1.0)).reciprocal()
}

/// ln(1 + e^y) and the two values of the logistic function at +-y, of y log2(e).
pub(super) struct Softened<F> {
    /// ln(1 + e^y), relative error below 1e-6.
    pub(super) value: F,
    /// sigmoid(|y|).
    pub(super) large: F,
    /// sigmoid(-|y|), with a small relative error.
    pub(super) small: F,
}

/// (ln(1 + x) / u) for u = x / (2 + x), a polynomial in u^2: a minimax fit for 0 <= x <= 1 with relative error 4e-9.
const LOG_ONE_PLUS: [f32; 5] = [2.0, 0.666_663_17, 0.400_249_1, 0.279_606_03, 0.281_783_34];

/// [`Softened`] of y = `scaled` ln 2, without overflow or cancellation.
#[inline(always)]
pub(super) fn soften<F: Lanes>(scaled: F) -> Softened<F> {
    let exponential = (F::splat(0.0) - scaled.abs()).exp2();
    let large = (exponential + F::splat(1.0)).reciprocal();
    let u = exponential * (exponential + F::splat(2.0)).reciprocal();
    let log = u * polynomial(u * u, LOG_ONE_PLUS);
    Softened {
        value: scaled.at_least(F::splat(0.0)).mul_add(F::splat(LN_2), log),
        large,
        small: exponential * large,
    }
}
