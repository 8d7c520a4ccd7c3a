//! The activation functions and the logistic output as training needs them, in lanes of f32.
//!
//! Errors are stated against the f64 values at the same f32 input, and tested over all of f32.

use std::f32::consts::{LN_2, LOG2_E};

use bytemuck::Zeroable;

use super::lanes::{Singles, polynomial};

/// An activation function f of the hidden units, of the pre-activation y times [`UnitFunction::SCALE`].
///
/// Scaling once per step by the factor that the exponential needs saves a multiplication at every sample.
pub(super) trait UnitFunction {
    /// The factor of the pre-activations that are passed in.
    const SCALE: f32;

    /// What training keeps beside f(y) until it needs f'(y): nothing where f(y) determines it, else f'(y).
    type Kept<F: Singles>: Copy + Zeroable;

    /// f(y) and what is kept for f'(y).
    fn value_and_kept<F: Singles>(scaled: F) -> (F, Self::Kept<F>);

    /// a f'(y) from `value` = f(y), `a_value` = a f(y) and `kept`. If nothing was kept, the absolute error of f' is
    /// that of f, and its relative error may be large.
    fn times_df<F: Singles>(a: F, a_value: F, value: F, kept: Self::Kept<F>) -> F;
}

/// f(y) = y: exact.
pub(super) struct Linear;

/// f(y) = 1 / (1 + exp(-y)): relative error below 1e-6 for y > -86, absolute below 2^-124 from there on.
pub(super) struct Sigmoid;

/// f(y) = tanh(y): relative error below 1e-6, near 0 too.
pub(super) struct Tanh;

/// f(y) = ln(1 + exp(y)).
pub(super) struct Softplus;

/// f(y) = y G(y).
pub(super) struct Gelu;

/// f(y) = max(y, 0): exact.
pub(super) struct Relu;

/// f(y) = y / (1 + exp(-y)).
pub(super) struct Silu;

/// f(y) = erf(y): relative error below 1e-6, near 0 too.
pub(super) struct Erf;

/// f(y) = y^2: rounded once.
pub(super) struct Square;

impl UnitFunction for Linear {
    const SCALE: f32 = 1.0;
    type Kept<F: Singles> = ();

    #[inline(always)]
    fn value_and_kept<F: Singles>(scaled: F) -> (F, ()) {
        (scaled, ())
    }

    #[inline(always)]
    fn times_df<F: Singles>(a: F, _a_value: F, _value: F, _kept: ()) -> F {
        a
    }
}

impl UnitFunction for Sigmoid {
    const SCALE: f32 = -LOG2_E;
    type Kept<F: Singles> = ();

    #[inline(always)]
    fn value_and_kept<F: Singles>(scaled: F) -> (F, ()) {
        (scaled.one_over_one_plus_exp2(), ())
    }

    #[inline(always)]
    fn times_df<F: Singles>(_a: F, a_value: F, value: F, _kept: ()) -> F {
        // a f (1 - f).
        a_value.neg_mul_add(value, a_value)
    }
}

impl UnitFunction for Tanh {
    const SCALE: f32 = 2.0 * LOG2_E;
    type Kept<F: Singles> = ();

    #[inline(always)]
    fn value_and_kept<F: Singles>(scaled: F) -> (F, ()) {
        // From 2^60 on the quotient is exactly 1.
        let (_, minus_one) = scaled.at_most(F::splat(60.0)).exp2_and_minus_one();
        (minus_one * (minus_one + F::splat(2.0)).reciprocal(), ())
    }

    #[inline(always)]
    fn times_df<F: Singles>(a: F, a_value: F, value: F, _kept: ()) -> F {
        // a (1 - f^2).
        a_value.neg_mul_add(value, a)
    }
}

impl UnitFunction for Softplus {
    const SCALE: f32 = LOG2_E;
    type Kept<F: Singles> = F;

    #[inline(always)]
    fn value_and_kept<F: Singles>(scaled: F) -> (F, F) {
        // Without overflow or cancellation: sigmoid(|y|), and sigmoid(-|y|) with a small relative error.
        let exponential = (F::splat(0.0) - scaled.abs()).exp2();
        let large = (exponential + F::splat(1.0)).reciprocal();
        let u = exponential * (exponential + F::splat(2.0)).reciprocal();
        let log = u * polynomial(u * u, LOG_ONE_PLUS);
        let value = scaled.at_least(F::splat(0.0)).mul_add(F::splat(LN_2), log);
        (value, scaled.where_negative(exponential * large, large))
    }

    #[inline(always)]
    fn times_df<F: Singles>(a: F, _a_value: F, _value: F, df: F) -> F {
        a * df
    }
}

impl UnitFunction for Gelu {
    const SCALE: f32 = 1.0;
    type Kept<F: Singles> = F;

    #[inline(always)]
    fn value_and_kept<F: Singles>(y: F) -> (F, F) {
        let (density, tail) = normal_density_and_tail(y);
        let distribution = y.where_negative(tail, F::splat(1.0) - tail);
        (y * distribution, y.mul_add(density, distribution))
    }

    #[inline(always)]
    fn times_df<F: Singles>(a: F, _a_value: F, _value: F, df: F) -> F {
        a * df
    }
}

impl UnitFunction for Relu {
    const SCALE: f32 = 1.0;
    type Kept<F: Singles> = ();

    #[inline(always)]
    fn value_and_kept<F: Singles>(y: F) -> (F, ()) {
        (y.at_least(F::splat(0.0)), ())
    }

    #[inline(always)]
    fn times_df<F: Singles>(a: F, _a_value: F, value: F, _kept: ()) -> F {
        value.where_positive(a, F::splat(0.0))
    }
}

impl UnitFunction for Silu {
    const SCALE: f32 = LOG2_E;
    type Kept<F: Singles> = F;

    #[inline(always)]
    fn value_and_kept<F: Singles>(scaled: F) -> (F, F) {
        // sigmoid(|y|), and sigmoid(-|y|) with a small relative error: y times their product falls to 0.
        let exponential = (F::splat(0.0) - scaled.abs()).exp2();
        let large = (exponential + F::splat(1.0)).reciprocal();
        let small = exponential * large;
        let y = scaled * F::splat(LN_2);
        let sigmoid = scaled.where_negative(small, large);
        (y * sigmoid, (y * small).mul_add(large, sigmoid))
    }

    #[inline(always)]
    fn times_df<F: Singles>(a: F, _a_value: F, _value: F, df: F) -> F {
        a * df
    }
}

impl UnitFunction for Erf {
    const SCALE: f32 = 1.0;
    type Kept<F: Singles> = F;

    #[inline(always)]
    fn value_and_kept<F: Singles>(y: F) -> (F, F) {
        // From 4 on the complement is less than half of the last digit of 1.
        let size = y.abs().at_most(F::splat(4.0));
        let exponent = F::splat(0.0) - size * polynomial(size, ERF_EXPONENT);
        let (_, negative) = exponent.exp2_and_minus_one();
        let value = y.where_negative(negative, F::splat(0.0) - negative);
        (value, (y * y * F::splat(-LOG2_E)).exp2() * F::splat(std::f32::consts::FRAC_2_SQRT_PI))
    }

    #[inline(always)]
    fn times_df<F: Singles>(a: F, _a_value: F, _value: F, df: F) -> F {
        a * df
    }
}

impl UnitFunction for Square {
    const SCALE: f32 = 1.0;
    type Kept<F: Singles> = F;

    #[inline(always)]
    fn value_and_kept<F: Singles>(y: F) -> (F, F) {
        (y * y, y + y)
    }

    #[inline(always)]
    fn times_df<F: Singles>(a: F, _a_value: F, _value: F, df: F) -> F {
        a * df
    }
}

/// -log2(1 - erf(a)) / a, a polynomial in a: a minimax fit of the relative error of erf(a) for 0 <= a <= 4, 5e-9.
const ERF_EXPONENT: [f32; 9] = [
    1.627_907,
    0.918_447_6,
    0.148_277_18,
    -0.027_632_404,
    -2.307_679_5e-4,
    2.404_418_5e-3,
    -9.126_831_4e-4,
    1.696_382_5e-4,
    -1.334_514_5e-5,
];

/// Q(a) / g(a) divided by t = 1 / (1 + 0.3 a), a polynomial in t: a minimax fit for 0 <= a <= 14 with relative error
/// 1.5e-7.
const MILLS_RATIO: [f32; 8] =
    [0.299_866_18, 0.302_685_3, 0.250_446, 0.322_256_18, -0.134_564_88, 0.517_251_43, -0.394_049_64, 0.089_423_38];

/// g(y) and Q(|y|): the standard normal density and the probability beyond |y|, Q(a) = G(-a). Relative errors below
/// 1e-6 (1 + y^2 / 2), absolute error of Q below 2e-7; both are 0 from |y| = 15 on.
#[inline(always)]
fn normal_density_and_tail<F: Singles>(y: F) -> (F, F) {
    let exponential = (y * y * F::splat(-0.5 * LOG2_E)).exp2();
    let density = exponential * F::splat(0.398_942_3);
    let t = y.abs().mul_add(F::splat(0.3), F::splat(1.0)).reciprocal();
    (density, density * t * polynomial(t, MILLS_RATIO))
}

/// (ln(1 + x) / u) for u = x / (2 + x), a polynomial in u^2: a minimax fit for 0 <= x <= 1 with relative error 4e-9.
const LOG_ONE_PLUS: [f32; 5] = [2.0, 0.666_663_17, 0.400_249_1, 0.279_606_04, 0.281_783_34];

#[cfg(test)]
mod tests {
    use super::super::instruction_set::InstructionSet;
    use super::super::lanes::{LaneTask, Lanes, Singles, Vectors};
    use super::{Erf, Gelu, Linear, Relu, Sigmoid, Silu, Softplus, Square, Tanh, UnitFunction};
    use crate::model::Activation;
    use std::f32::consts::{LN_2, LOG2_E};
    use std::marker::PhantomData;

    /// Finite f32 of either sign, every 4099th bit pattern (a prime), and the ends.
    fn finite_values() -> Vec<f32> {
        let all = (0..=f32::MAX.to_bits()).step_by(4099).map(f32::from_bits);
        let ends = [f32::MAX, f32::MIN_POSITIVE, 1.0, 125.0, 60.0, 10.9, 87.3, 88.8, 104.0];
        all.chain(ends).flat_map(|x| [x, -x]).collect()
    }

    /// Runs `f` over `inputs`, a vector at a time.
    struct Each<'a, A, const OUTPUTS: usize> {
        inputs: &'a [f32],
        of: PhantomData<A>,
    }

    trait Probe<const OUTPUTS: usize> {
        fn at<F: Singles>(x: F) -> [F; OUTPUTS];
    }

    impl<A: Probe<OUTPUTS>, const OUTPUTS: usize> LaneTask for Each<'_, A, OUTPUTS> {
        type Output = Vec<[f32; OUTPUTS]>;

        #[inline(always)]
        fn run<V: Vectors>(self) -> Self::Output {
            let mut results = Vec::new();
            for inputs in self.inputs.chunks(V::Singles::COUNT) {
                let mut x = V::Singles::splat(0.0);
                x.values_mut()[..inputs.len()].copy_from_slice(inputs);
                let outputs = A::at(x);
                results.extend((0..inputs.len()).map(|lane| outputs.map(|output| output.values()[lane])));
            }
            results
        }
    }

    fn each<A: Probe<OUTPUTS>, const OUTPUTS: usize>(set: InstructionSet, inputs: &[f32]) -> Vec<[f32; OUTPUTS]> {
        set.dispatch(Each::<A, OUTPUTS> { inputs, of: PhantomData })
    }

    /// Fails with the largest excess of |found - expected| over atol + rtol |expected|; NaN fails.
    fn check(name: &str, pairs: impl Iterator<Item = (f32, f32, f64)>, atol: f64, rtol: f64) {
        let excess = |&(_, found, expected): &(f32, f32, f64)| {
            (f64::from(found) - expected).abs() / (atol + rtol * expected.abs())
        };
        let worst = pairs.max_by(|a, b| excess(a).total_cmp(&excess(b))).expect("some inputs");
        assert!(excess(&worst) <= 1.0, "{name} at {worst:?}: {} of {atol:e} + {rtol:e} |expected|", excess(&worst));
    }

    struct Exponential;

    impl Probe<3> for Exponential {
        #[inline(always)]
        fn at<F: Singles>(x: F) -> [F; 3] {
            let x = x.at_most(F::splat(125.0));
            let (value, minus_one) = x.exp2_and_minus_one();
            [x.exp2(), value, minus_one]
        }
    }

    struct Logistic;

    impl Probe<1> for Logistic {
        #[inline(always)]
        fn at<F: Singles>(x: F) -> [F; 1] {
            [x.one_over_one_plus_exp2()]
        }
    }

    impl<A: UnitFunction> Probe<2> for A {
        #[inline(always)]
        fn at<F: Singles>(x: F) -> [F; 2] {
            let (value, kept) = A::value_and_kept(x);
            [value, A::times_df(F::splat(1.0), value, value, kept)]
        }
    }

    #[test]
    fn exponentials_have_the_stated_errors() {
        let inputs = finite_values();
        for set in InstructionSet::available() {
            let found = each::<Exponential, 3>(set, &inputs);
            let expected = |x: f32| libm::exp2(f64::from(x.clamp(-150.0, 125.0)));
            let pairs = |k: usize| inputs.iter().zip(&found).map(move |(&x, found)| (x, found[k], expected(x)));
            let normal = |&(x, ..): &(f32, f32, f64)| x >= -125.0;
            check(&format!("{set} exp2"), pairs(0).filter(normal), 0.0, 2.5e-7);
            check(&format!("{set} exp2 below"), pairs(0), 2_f64.powi(-124), 2.5e-7);
            check(&format!("{set} exp2 with minus one"), pairs(1).filter(normal), 0.0, 2.5e-7);
            let minus_one = |x: f32| libm::expm1(f64::from(x.clamp(-150.0, 125.0)) * std::f64::consts::LN_2);
            let pairs = inputs.iter().zip(&found).map(|(&x, found)| (x, found[2], minus_one(x)));
            // Products of the smallest inputs are subnormal.
            check(&format!("{set} exp2 - 1"), pairs, 1e-44, 3e-7);
        }
    }

    #[test]
    fn the_logistic_function_has_the_stated_errors_and_falls_to_0() {
        let inputs = finite_values();
        for set in InstructionSet::available() {
            let found = each::<Logistic, 1>(set, &inputs);
            let expected = |x: f32| Activation::Sigmoid.derivatives(-f64::from(x) * std::f64::consts::LN_2).value;
            let pairs = inputs.iter().zip(&found).map(|(&x, found)| (x, found[0], expected(x)));
            check(&format!("{set} sigmoid"), pairs, 2_f64.powi(-124), 5e-7);
            let beyond = each::<Logistic, 1>(set, &[128.0, 1e3, 1e30, f32::INFINITY]);
            assert!(beyond.iter().all(|found| found[0].to_bits() == 0), "{set} {beyond:?}");
        }
    }

    /// The bars of one activation: absolute and relative, for f and f'.
    fn derivatives_hold<A: UnitFunction>(activation: Activation, bars: [(f64, f64); 2]) {
        let mut inputs = finite_values();
        if activation == Activation::Square {
            // Beyond, y^2 leaves f32.
            inputs.retain(|y| y.abs() < 1e19);
        }
        for set in InstructionSet::available() {
            let found = each::<A, 2>(set, &inputs);
            // The input is y times the scale: the error of rounding that product is not the function's.
            let expected: Vec<_> =
                inputs.iter().map(|&x| activation.derivatives(f64::from(x) / exact_scale(activation))).collect();
            let pairs = |k: usize, which: fn(&crate::model::Derivatives) -> f64| {
                (inputs.iter().zip(&found)).zip(&expected).map(move |((&x, found), e)| (x, found[k], which(e)))
            };
            let name = |what: &str| format!("{set} {activation:?} {what}");
            check(&name("f"), pairs(0, |e| e.value), bars[0].0, bars[0].1);
            check(&name("f'"), pairs(1, |e| e.df), bars[1].0, bars[1].1);
            if activation == Activation::Square {
                continue;
            }
            // A saturated unit's f' is multiplied by weights of up to 1e30 and inputs of up to 1e15: it must be 0, not
            // small.
            let saturated = each::<A, 2>(set, &[1e3, -1e3, 1e30, -1e30]);
            let falls = |found: &[f32; 2]| found[1].to_bits() << 1 == 0 || (found[1] - 1.0).abs() < 1e-6;
            assert!(saturated.iter().all(falls), "{} {saturated:?}", name("saturated"));
        }
    }

    fn exact_scale(activation: Activation) -> f64 {
        use std::f64::consts::LOG2_E;
        match activation {
            Activation::Linear | Activation::Gelu | Activation::Relu | Activation::Erf | Activation::Square => 1.0,
            Activation::Sigmoid => -LOG2_E,
            Activation::Tanh => 2.0 * LOG2_E,
            Activation::Softplus | Activation::Silu => LOG2_E,
        }
    }

    #[test]
    fn scales_are_those_that_the_tests_undo() {
        let ones = [Linear::SCALE, Gelu::SCALE, Relu::SCALE, Erf::SCALE, Square::SCALE];
        assert_eq!(ones.map(f32::to_bits), [1.0_f32; 5].map(f32::to_bits));
        for (scale, activation) in [
            (Sigmoid::SCALE, Activation::Sigmoid),
            (Tanh::SCALE, Activation::Tanh),
            (Softplus::SCALE, Activation::Softplus),
            (Silu::SCALE, Activation::Silu),
        ] {
            assert!((f64::from(scale) / exact_scale(activation) - 1.0).abs() < 3e-8);
        }
        assert!((LN_2 * LOG2_E - 1.0).abs() < 1e-7);
    }

    #[test]
    fn activations_have_the_stated_errors() {
        let lost = 2_f64.powi(-123);
        derivatives_hold::<Linear>(Activation::Linear, [(f64::MIN_POSITIVE, 0.0); 2]);
        // Where f' is derived from f, its absolute error is that of f.
        derivatives_hold::<Sigmoid>(Activation::Sigmoid, [(lost, 5e-7), (5e-7, 1e-6)]);
        derivatives_hold::<Tanh>(Activation::Tanh, [(1e-44, 1e-6), (5e-7, 2e-6)]);
        derivatives_hold::<Softplus>(Activation::Softplus, [(lost, 1e-6), (lost, 1e-6)]);
        derivatives_hold::<Gelu>(Activation::Gelu, [(3e-7, 1e-6), (5e-7, 1e-6)]);
        derivatives_hold::<Relu>(Activation::Relu, [(f64::MIN_POSITIVE, 0.0); 2]);
        // f' changes sign; what is lost of exp(-|y|) is multiplied by y.
        derivatives_hold::<Silu>(Activation::Silu, [(1e2 * lost, 1e-6), (5e-7, 1e-6)]);
        // The exponent of f' is rounded; beyond 1e-20 of f' nothing is left of it in a sum.
        derivatives_hold::<Erf>(Activation::Erf, [(1e-44, 1e-6), (3e-7, 1e-6)]);
        derivatives_hold::<Square>(
            Activation::Square,
            [(f64::from(f32::MIN_POSITIVE), 1e-7), (f64::MIN_POSITIVE, 0.0)],
        );
    }

    #[test]
    fn gelu_keeps_its_relative_error_in_the_left_tail() {
        let inputs: Vec<f32> = (0..10_000).map(|k| -1e-3 * k as f32).collect();
        for set in InstructionSet::available() {
            let found = each::<Gelu, 2>(set, &inputs);
            let pairs = inputs.iter().zip(&found).map(|(&y, found)| {
                let expected = Activation::Gelu.derivatives(f64::from(y)).value;
                // Divided by the stated growth.
                let growth = 1.0 + 0.5 * f64::from(y).powi(2);
                let error = (f64::from(found[0]) - expected) / growth;
                (y, (expected + error) as f32, expected)
            });
            check(&format!("{set} left tail"), pairs, 0.0, 1e-6);
        }
    }

    /// NaN must not be hidden by a minimum or an exponential; infinity may be the function's limit, but not another
    /// number.
    #[test]
    fn nan_stays_nan_and_infinity_is_a_limit_or_not_finite() {
        fn probe<A: UnitFunction>(set: InstructionSet, activation: Activation) {
            let found = each::<A, 2>(set, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
            assert!(found[0][0].is_nan(), "{set} {activation:?} {found:?}");
            // The slope of relu, as that of linear, is a constant on either side.
            if ![Activation::Linear, Activation::Relu].contains(&activation) {
                assert!(found[0][1].is_nan(), "{set} {activation:?} {found:?}");
            }
            for (outputs, x) in found[1..].iter().zip([1.0, -1.0]) {
                let limit = activation.derivatives(x * 1e30 * exact_scale(activation).signum());
                for (&output, limit) in outputs.iter().zip([limit.value, limit.df]) {
                    assert!(
                        !output.is_finite() || (f64::from(output) - limit).abs() < 1e-6,
                        "{set} {activation:?} {outputs:?}"
                    );
                }
            }
        }
        for set in InstructionSet::available() {
            probe::<Linear>(set, Activation::Linear);
            probe::<Sigmoid>(set, Activation::Sigmoid);
            probe::<Tanh>(set, Activation::Tanh);
            probe::<Softplus>(set, Activation::Softplus);
            probe::<Gelu>(set, Activation::Gelu);
            probe::<Relu>(set, Activation::Relu);
            probe::<Silu>(set, Activation::Silu);
            probe::<Erf>(set, Activation::Erf);
            probe::<Square>(set, Activation::Square);
            assert!(each::<Logistic, 1>(set, &[f32::NAN])[0][0].is_nan(), "{set}");
        }
    }
}
