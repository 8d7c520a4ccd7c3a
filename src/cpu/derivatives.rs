//! The activation functions with two derivatives, and the logistic output, in lanes of f64.
//!
//! Nothing overflows or cancels, and a value that falls towards 0 reaches 0. Relative errors are a few units of f64,
//! tested over its range against the reference's functions.

use super::lanes::{Doubles, polynomial};
use crate::engine::UNIT;

/// An activation function f of the hidden units. src/reference/rounding.rs derives the errors.
pub(super) trait UnitDerivatives {
    /// f(y), f'(y) and f''(y); no relative error grows where a unit saturates.
    fn derivatives<F: Doubles>(y: F) -> [F; 3];

    /// The errors of `derivatives`, those at y, if y is off by up to `error`; with the functions' own errors.
    fn errors<F: Doubles>(y: F, error: F, derivatives: [F; 3]) -> [F; 3];
}

/// A smooth f, whose errors follow from the mean value theorem.
trait Smooth {
    /// The |y| from which f', f'' and f''' are constant in f64.
    const LIMIT: f64;

    /// As in [`UnitDerivatives`].
    fn derivatives<F: Doubles>(y: F) -> [F; 3];

    /// Upper bounds of |f'|, |f''| and |f'''|, and the rate at which they change: within an error e of y, they grow by
    /// less than the factor 1 + 2 rate e as long as rate e < 1/2. `derivatives` are those at y.
    fn envelopes<F: Doubles>(y: F, derivatives: [F; 3]) -> ([F; 3], F);

    /// The relative error of f, f' and f'' as they are computed, in units of f64.
    fn units<F: Doubles>(_y: F) -> F {
        F::splat(8.0)
    }

    /// The error of f as it is computed; `function` is the relative one of f', whose bound is `d1`.
    #[inline(always)]
    fn value_error<F: Doubles>(value: F, function: F, _d1: F) -> F {
        function * value.abs()
    }
}

impl<A: Smooth> UnitDerivatives for A {
    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        <A as Smooth>::derivatives(y)
    }

    #[inline(always)]
    fn errors<F: Doubles>(y: F, error: F, [value, df, ddf]: [F; 3]) -> [F; 3] {
        let ([d1, d2, d3], rate) = A::envelopes(y, [value, df, ddf]);
        let function = A::units(y) * F::splat(UNIT);
        let moved = error * growth(rate * error, y.abs() - error, A::LIMIT);
        [
            d1.mul_add(moved, A::value_error(value, function, d1)),
            d2.mul_add(moved, function * d1),
            d3.mul_add(moved, function * d2),
        ]
    }
}

/// The factor by which derivatives may grow within an error of `steps`, the error times the rate of their logarithm:
/// less than 1 + 2 `steps` below half a step. Otherwise it is 1 if `nearest`, the smallest |y| within the error, is
/// beyond `limit`, from where the function is constant; elsewhere there is no bound.
#[inline(always)]
pub(super) fn growth<F: Doubles>(steps: F, nearest: F, limit: f64) -> F {
    let constant = (F::splat(limit) - nearest).where_negative(F::splat(1.0), F::splat(f64::INFINITY));
    (steps - F::splat(0.5)).where_negative(F::splat(1.0) + (steps + steps), constant)
}

/// f(y) = y: exact.
pub(super) struct Linear;

/// f(y) = 1 / (1 + exp(-y)).
pub(super) struct Sigmoid;

/// f(y) = tanh(y).
pub(super) struct Tanh;

/// f(y) = ln(1 + exp(y)).
pub(super) struct Softplus;

/// f(y) = y G(y).
pub(super) struct Gelu;

/// f(y) = max(y, 0).
pub(super) struct Relu;

/// f(y) = y / (1 + exp(-y)).
pub(super) struct Silu;

/// f(y) = erf(y).
pub(super) struct Erf;

/// f(y) = y^2.
pub(super) struct Square;

impl Smooth for Linear {
    const LIMIT: f64 = 0.0;

    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        [y, F::splat(1.0), F::splat(0.0)]
    }

    #[inline(always)]
    fn envelopes<F: Doubles>(_y: F, _derivatives: [F; 3]) -> ([F; 3], F) {
        let zero = F::splat(0.0);
        ([F::splat(1.0), zero, zero], zero)
    }
}

impl Smooth for Sigmoid {
    const LIMIT: f64 = LOGISTIC_LIMIT;

    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        let Logistic { large, small, .. } = logistic(y);
        let (value, complement) = (y.where_negative(small, large), y.where_negative(large, small));
        let df = large * small;
        [value, df, (complement - value) * df]
    }

    #[inline(always)]
    fn envelopes<F: Doubles>(_y: F, [_, df, _]: [F; 3]) -> ([F; 3], F) {
        ([df, df, df], F::splat(1.0))
    }
}

impl Smooth for Tanh {
    const LIMIT: f64 = LOGISTIC_LIMIT / 2.0;

    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        // With E = exp(-2|y|): |f| = (1 - E) / (1 + E) and f' = 4 E / (1 + E)^2.
        let (exponential, minus_one) = exp_and_minus_one(F::splat(-2.0) * y.abs());
        let inverse = F::splat(1.0) / (F::splat(1.0) + exponential);
        let negative = minus_one * inverse;
        let value = y.where_negative(negative, F::splat(0.0) - negative);
        let df = F::splat(4.0) * exponential * inverse * inverse;
        [value, df, F::splat(-2.0) * value * df]
    }

    #[inline(always)]
    fn envelopes<F: Doubles>(_y: F, [_, df, _]: [F; 3]) -> ([F; 3], F) {
        ([df, F::splat(2.0) * df, F::splat(4.0) * df], F::splat(2.0))
    }
}

impl Smooth for Softplus {
    const LIMIT: f64 = LOGISTIC_LIMIT;

    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        let Logistic { large, small, exponential } = logistic(y);
        [softplus(y, exponential), y.where_negative(small, large), large * small]
    }

    #[inline(always)]
    fn envelopes<F: Doubles>(_y: F, [_, df, ddf]: [F; 3]) -> ([F; 3], F) {
        ([df, ddf, ddf], F::splat(1.0))
    }
}

impl Smooth for Gelu {
    const LIMIT: f64 = 39.0;

    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        let bounded = y.at_least(F::splat(-TAIL)).at_most(F::splat(TAIL));
        let (density, tail) = normal_density_and_tail(bounded.abs());
        let distribution = y.where_negative(tail, F::splat(1.0) - tail);
        let curvature = bounded.neg_mul_add(bounded, F::splat(2.0));
        [y * distribution, bounded.mul_add(density, distribution), density * curvature]
    }

    #[inline(always)]
    fn envelopes<F: Doubles>(y: F, [_, df, _]: [F; 3]) -> ([F; 3], F) {
        let size = y.abs().at_most(F::splat(TAIL));
        let (beyond, square) = (F::splat(1.0) + size, size * size);
        let (density, _) = exp_and_minus_one(F::splat(-0.5) * square);
        let bell = density * beyond;
        let envelopes = [df.abs() + bell, bell * (F::splat(2.0) + square), bell * (F::splat(4.0) + square)];
        // The density changes at the rate |y|, and the polynomials beside it at less than 2.5 in all.
        (envelopes, F::splat(3.0) * beyond)
    }

    /// The exponent of the density is rounded before the exponential magnifies the error.
    #[inline(always)]
    fn units<F: Doubles>(y: F) -> F {
        let size = y.abs().at_most(F::splat(TAIL));
        size.mul_add(size, F::splat(8.0))
    }
}

impl UnitDerivatives for Relu {
    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        [y.at_least(F::splat(0.0)), y.where_positive(F::splat(1.0), F::splat(0.0)), F::splat(0.0)]
    }

    #[inline(always)]
    fn errors<F: Doubles>(y: F, error: F, _derivatives: [F; 3]) -> [F; 3] {
        // Where the sign of y is uncertain, so is f'; where y is certainly negative, f is exactly 0.
        let (reach, zero) = (F::splat(1.01) * error, F::splat(0.0));
        let [highest, nearest] = [y + reach, y.abs() - reach];
        [highest.where_negative(zero, error), nearest.where_negative(F::splat(1.0), zero), zero]
    }
}

impl UnitDerivatives for Square {
    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        [y * y, y + y, F::splat(2.0)]
    }

    #[inline(always)]
    fn errors<F: Doubles>(_y: F, error: F, [value, df, _]: [F; 3]) -> [F; 3] {
        let moved = error * (df.abs() + error);
        [F::splat(8.0 * UNIT).mul_add(value, moved), error + error, F::splat(0.0)]
    }
}

impl Smooth for Silu {
    const LIMIT: f64 = LOGISTIC_LIMIT;

    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        let Logistic { large, small, .. } = logistic(y);
        let (sigmoid, complement) = (y.where_negative(small, large), y.where_negative(large, small));
        let slope = large * small;
        let curvature = y.mul_add(complement - sigmoid, F::splat(2.0));
        [y * sigmoid, y.mul_add(slope, sigmoid), slope * curvature]
    }

    #[inline(always)]
    fn envelopes<F: Doubles>(y: F, [_, df, _]: [F; 3]) -> ([F; 3], F) {
        let Logistic { large, small, .. } = logistic(y);
        let size = y.abs().at_most(F::splat(LOGISTIC_LIMIT));
        let bell = |power: f64| large * small * (F::splat(power) + size);
        ([df.abs() + bell(1.0), bell(2.0), bell(3.0)], F::splat(1.5))
    }

    #[inline(always)]
    fn units<F: Doubles>(_y: F) -> F {
        F::splat(12.0)
    }
}

impl Smooth for Erf {
    const LIMIT: f64 = 28.0;

    #[inline(always)]
    fn derivatives<F: Doubles>(y: F) -> [F; 3] {
        let bounded = y.at_least(F::splat(-ERF_END)).at_most(F::splat(ERF_END));
        let (size, square) = (bounded.abs(), bounded * bounded);
        let (exponential, _) = exp_and_minus_one(F::splat(0.0) - square);
        // erfc(a) = 2 Q(sqrt(2) a) = sqrt(2/pi) exp(-a^2) Q/g.
        let scaled = size * F::splat(std::f64::consts::SQRT_2);
        let complement = exponential * F::splat(0.797_884_560_802_865_4) * mills_ratio(scaled);
        let far = F::splat(1.0) - complement;
        let far = bounded.where_negative(F::splat(0.0) - far, far);
        let near = bounded * polynomial(square, ERF_SERIES);
        let df = F::splat(std::f64::consts::FRAC_2_SQRT_PI) * exponential;
        [(size - F::splat(1.0)).where_negative(near, far), df, F::splat(-2.0) * bounded * df]
    }

    #[inline(always)]
    fn envelopes<F: Doubles>(y: F, [_, df, _]: [F; 3]) -> ([F; 3], F) {
        let size = y.abs().at_most(F::splat(ERF_END));
        let twice = F::splat(2.0) + (size + size);
        ([df, twice * df, (F::splat(4.0) * size).mul_add(size, F::splat(2.0)) * df], twice)
    }

    /// The exponent is rounded before the exponential magnifies the error.
    #[inline(always)]
    fn units<F: Doubles>(y: F) -> F {
        let size = y.abs().at_most(F::splat(ERF_END));
        (size + size).mul_add(size, F::splat(8.0))
    }

    /// The exponential is that of 1 - |f|, which is less than f'.
    #[inline(always)]
    fn value_error<F: Doubles>(value: F, function: F, d1: F) -> F {
        function.mul_add(d1, F::splat(8.0 * UNIT) * value.abs())
    }
}

/// The |y| at which exp(-y^2) is 0 in f64.
const ERF_END: f64 = 30.0;

/// erf(y) / y, the Taylor series in y^2, whose next term is below 3e-19 for |y| <= 1: 2/sqrt(pi) (-1)^k / (k! (2k+1)).
const ERF_SERIES: [f64; 19] = erf_series();

const fn erf_series() -> [f64; 19] {
    let mut series = [0.0; 19];
    // 2/sqrt(pi) (-1)^k / k!, with factorials that are exact.
    let (mut k, mut sign, mut factorial) = (0, std::f64::consts::FRAC_2_SQRT_PI, 1.0);
    while k < 19 {
        series[k] = sign / (factorial * (2 * k + 1) as f64);
        k += 1;
        factorial *= k as f64;
        sign = -sign;
    }
    series
}

/// exp(-750) is 0 in f64, so the logistic function is constant beyond it.
pub(super) const LOGISTIC_LIMIT: f64 = 750.0;

/// The |y| at which the standard normal density is 0 in f64.
const TAIL: f64 = 40.0;

/// (a + [`MILLS_CENTRE`]) Q(a) / g(a) for a >= 0, Q(a) = G(-a), a polynomial in (a - [`MILLS_CENTRE`]) / (a +
/// [`MILLS_CENTRE`]): a Chebyshev series of 26 terms, rewritten in powers, with relative error 1e-17 before rounding.
const MILLS_RATIO: [f64; 26] = [
    1.934180611733687,
    -1.6941131664468148,
    1.2944520160921011,
    -0.8551367855637152,
    0.4805104414024055,
    -0.22295615883639278,
    0.08044799386380641,
    -0.01920625764489594,
    0.0008395263191208626,
    0.0014891085631019046,
    -0.0005416707564096119,
    -1.7518166820889592e-05,
    6.697014918036494e-05,
    -1.0868266329059194e-05,
    -6.942588342284443e-06,
    2.386437610705763e-06,
    7.461080350973953e-07,
    -4.078156325946356e-07,
    -9.416317213659405e-08,
    6.635437084695877e-08,
    1.417345687915504e-08,
    -1.03127307942192e-08,
    -2.0651235999817126e-09,
    1.3502174005092667e-09,
    1.8444246679631163e-10,
    -1.051570427408918e-10,
];
const MILLS_CENTRE: f64 = 5.25;

/// g(a) and Q(a) for 0 <= a <= [`TAIL`]: the standard normal density and the probability beyond a.
#[inline(always)]
fn normal_density_and_tail<F: Doubles>(a: F) -> (F, F) {
    let (exponential, _) = exp_and_minus_one(a * a * F::splat(-0.5));
    let density = exponential * F::splat(0.398_942_280_401_432_7);
    let (numerator, denominator) = mills_ratio_terms(a);
    (density, density * numerator / denominator)
}

/// Q(a) / g(a) for 0 <= a <= 60.
#[inline(always)]
fn mills_ratio<F: Doubles>(a: F) -> F {
    let (numerator, denominator) = mills_ratio_terms(a);
    numerator / denominator
}

/// Numerator and denominator of [`mills_ratio`].
#[inline(always)]
fn mills_ratio_terms<F: Doubles>(a: F) -> (F, F) {
    let (below, above) = (a - F::splat(MILLS_CENTRE), a + F::splat(MILLS_CENTRE));
    (polynomial(below / above, MILLS_RATIO), above)
}

/// The logistic function at both signs of y.
pub(super) struct Logistic<F> {
    /// sigmoid(|y|).
    pub(super) large: F,
    /// sigmoid(-|y|).
    pub(super) small: F,
    /// exp(-|y|).
    pub(super) exponential: F,
}

/// [`Logistic`] of y; NaN stays NaN.
#[inline(always)]
pub(super) fn logistic<F: Doubles>(y: F) -> Logistic<F> {
    let (exponential, _) = exp_and_minus_one(F::splat(0.0) - y.abs());
    let large = F::splat(1.0) / (F::splat(1.0) + exponential);
    Logistic { large, small: exponential * large, exponential }
}

/// (ln(1 + x) / 2u) for u = x / (2 + x) <= 1/3, the series of artanh in u^2, cut where a term is below 1e-17.
const LOG_ONE_PLUS: [f64; 17] = [
    1.0,
    1.0 / 3.0,
    1.0 / 5.0,
    1.0 / 7.0,
    1.0 / 9.0,
    1.0 / 11.0,
    1.0 / 13.0,
    1.0 / 15.0,
    1.0 / 17.0,
    1.0 / 19.0,
    1.0 / 21.0,
    1.0 / 23.0,
    1.0 / 25.0,
    1.0 / 27.0,
    1.0 / 29.0,
    1.0 / 31.0,
    1.0 / 33.0,
];

/// ln(1 + exp(y)) from y and `exponential` = exp(-|y|).
#[inline(always)]
pub(super) fn softplus<F: Doubles>(y: F, exponential: F) -> F {
    let u = exponential / (exponential + F::splat(2.0));
    y.at_least(F::splat(0.0)) + (u + u) * polynomial(u * u, LOG_ONE_PLUS)
}

/// ln 2 in two parts, the first of which has so few bits that its products with whole numbers below 2^11 are exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// (exp(r) - 1 - r) / r^2, the Taylor series, whose next term is below 4e-18 of the whole for |r| <= ln(2) / 2.
const EXP_REST: [f64; 12] = [
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// (exp(x), exp(x) - 1) for x <= 0: the first is 0 below 2^-1022, the second has a small relative error near 0 too. NaN
/// stays NaN.
#[inline(always)]
pub(super) fn exp_and_minus_one<F: Doubles>(x: F) -> (F, F) {
    let bounded = x.at_least(F::splat(-LOGISTIC_LIMIT));
    let whole = (bounded * F::splat(std::f64::consts::LOG2_E)).round().at_least(F::splat(-1023.0));
    let rest = whole.neg_mul_add(F::splat(LN_2_LOW), whole.neg_mul_add(F::splat(LN_2_HIGH), bounded));
    let minus_one = (rest * rest).mul_add(polynomial(rest, EXP_REST), rest);
    let scale = whole.power_of_two();
    (scale.mul_add(minus_one, scale), scale.mul_add(minus_one, scale - F::splat(1.0)))
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use super::super::instruction_set::InstructionSet;
    use super::super::lanes::{LaneTask, Lanes, Vectors};
    use super::{Erf, Gelu, Linear, Relu, Sigmoid, Silu, Softplus, Square, Tanh, UnitDerivatives, exp_and_minus_one};
    use crate::model::Activation;

    /// f64 of either sign over the whole range, and the ends of the ranges that are computed in different ways.
    fn values() -> Vec<f64> {
        let all = (0..=f64::MAX.to_bits()).step_by(2_000_003_000_021_417).map(f64::from_bits);
        let ends = [f64::MAX, f64::MIN_POSITIVE, 1.0, 38.5, 39.5, 40.0, 354.0, 373.0, 708.0, 745.0, 750.0, 1e15, 1e45];
        let usual = (0..4_000).map(|k| 0.01 * f64::from(k));
        all.chain(ends).chain(usual).flat_map(|x| [x, -x]).collect()
    }

    struct Each<'a, A> {
        inputs: &'a [f64],
        of: PhantomData<A>,
    }

    impl<A: UnitDerivatives> LaneTask for Each<'_, A> {
        type Output = Vec<[f64; 5]>;

        #[inline(always)]
        fn run<V: Vectors>(self) -> Self::Output {
            let mut results = Vec::new();
            for inputs in self.inputs.chunks(V::Doubles::COUNT) {
                let mut x = V::Doubles::splat(0.0);
                x.values_mut()[..inputs.len()].copy_from_slice(inputs);
                let [value, df, ddf] = A::derivatives(x);
                let (exponential, minus_one) = exp_and_minus_one(V::Doubles::splat(0.0) - x.abs());
                let outputs = [value, df, ddf, exponential, minus_one];
                results.extend((0..inputs.len()).map(|lane| outputs.map(|output| output.values()[lane])));
            }
            results
        }
    }

    /// Fails with the largest excess of |found - expected| over atol + rtol |expected|; NaN fails.
    fn check(name: &str, pairs: impl Iterator<Item = (f64, f64, f64)>, atol: f64, rtol: impl Fn(f64) -> f64) {
        let excess = |&(x, found, expected): &(f64, f64, f64)| {
            if found.to_bits() == expected.to_bits() {
                0.0
            } else {
                (found - expected).abs() / (atol + rtol(x) * expected.abs())
            }
        };
        let worst = pairs.max_by(|a, b| excess(a).total_cmp(&excess(b))).expect("some inputs");
        assert!(excess(&worst) <= 1.0, "{name} at {worst:?}: {} of {atol:e} + rtol |expected|", excess(&worst));
    }

    fn holds<A: UnitDerivatives>(activation: Activation, rtol: impl Fn(f64) -> f64 + Copy, absolute: [f64; 3]) {
        let inputs = values();
        for set in InstructionSet::available() {
            let found = set.dispatch(Each::<A> { inputs: &inputs, of: PhantomData });
            let expected: Vec<_> = inputs.iter().map(|&y| activation.derivatives(y)).collect();
            let at = |k: usize, which: fn(&crate::model::Derivatives) -> f64| {
                inputs.iter().zip(&found).zip(&expected).map(move |((&y, found), e)| (y, found[k], which(e)))
            };
            check(&format!("{set} {activation:?} f"), at(0, |e| e.value), absolute[0], rtol);
            check(&format!("{set} {activation:?} f'"), at(1, |e| e.df), absolute[1], rtol);
            check(&format!("{set} {activation:?} f''"), at(2, |e| e.ddf), absolute[2], rtol);
            let exponentials = |k: usize, f: fn(f64) -> f64| {
                inputs.iter().zip(&found).map(move |(&x, found)| (x, found[k], f(-x.abs())))
            };
            check(&format!("{set} exp"), exponentials(3, libm::exp), LOST, |_| 1e-15);
            check(&format!("{set} exp - 1"), exponentials(4, libm::expm1), LOST, |_| 1e-15);
        }
    }

    /// Values below the smallest normal number may be 0.
    const LOST: f64 = 4.0 * f64::MIN_POSITIVE;

    /// Errors stay within the 8 units that a bound allows for, one or two of which are the oracle's own. f'' may cancel
    /// against f'.
    #[test]
    fn derivatives_go_on_falling_and_have_the_error_that_bounds_allow_for() {
        let few = |_: f64| 8.0 * f64::EPSILON / 2.0;
        holds::<Linear>(Activation::Linear, few, [LOST; 3]);
        holds::<Sigmoid>(Activation::Sigmoid, few, [LOST, LOST, 3e-17]);
        holds::<Tanh>(Activation::Tanh, few, [LOST; 3]);
        holds::<Softplus>(Activation::Softplus, few, [LOST; 3]);
        // f' and f'' change sign, and the oracle's own Gaussian has the same error once more.
        let gaussian = |y: f64| (8.0 + y.abs().min(40.0).powi(2)) * f64::EPSILON;
        holds::<Gelu>(Activation::Gelu, gaussian, [LOST, 3e-16, 3e-16]);
        holds::<Relu>(Activation::Relu, |_| 0.0, [LOST; 3]);
        // f' and f'' change sign here too; the tail of f is a product of what may be lost and y.
        let more = |_: f64| 12.0 * f64::EPSILON / 2.0;
        holds::<Silu>(Activation::Silu, more, [1e3 * LOST, 3e-16, 3e-16]);
        let gaussian = |y: f64| (8.0 + 2.0 * y.abs().min(30.0).powi(2)) * f64::EPSILON;
        holds::<Erf>(Activation::Erf, gaussian, [LOST, LOST, 1e2 * LOST]);
        holds::<Square>(Activation::Square, |_| 0.0, [0.0; 3]);
    }

    #[test]
    fn nan_stays_nan() {
        fn probe<A: UnitDerivatives>() {
            for set in InstructionSet::available() {
                let found = set.dispatch(Each::<A> { inputs: &[f64::NAN], of: PhantomData });
                assert!(found[0].iter().all(|value| value.is_nan()), "{set} {found:?}");
            }
        }
        probe::<Sigmoid>();
        probe::<Tanh>();
        probe::<Softplus>();
        probe::<Gelu>();
        probe::<Silu>();
        probe::<Erf>();
        // Neither f'' of square nor f' of relu is a function of what is no number; f is.
        for set in InstructionSet::available() {
            let relu = set.dispatch(Each::<Relu> { inputs: &[f64::NAN], of: PhantomData });
            let square = set.dispatch(Each::<Square> { inputs: &[f64::NAN], of: PhantomData });
            assert!(relu[0][0].is_nan() && square[0][0].is_nan() && square[0][1].is_nan(), "{set}");
        }
    }
}
