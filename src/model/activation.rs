//! The activation functions and their derivatives: the paper's five (Fig. 13) and four more.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use serde::{Deserialize, Serialize};

/// An activation function f of the hidden units.
///
/// All but relu are smooth. Relu has a kink at 0, where f' and f'' count as 0, as in PyTorch and JAX: its Hessian is
/// the one almost everywhere, that of the piece on which the network lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// f(y) = y.
    #[cfg_attr(feature = "cli", value(alias = "identity"))]
    #[serde(alias = "identity")]
    Linear,
    /// f(y) = 1 / (1 + exp(-y)).
    #[cfg_attr(feature = "cli", value(alias = "logistic"))]
    #[serde(alias = "logistic")]
    Sigmoid,
    /// f(y) = tanh(y).
    Tanh,
    /// f(y) = ln(1 + exp(y)), the paper's `SmoothReLU`.
    Softplus,
    /// f(y) = y G(y) with G the standard normal distribution function (the exact erf form).
    Gelu,
    /// f(y) = max(y, 0), with f'(0) = 0 and f'' = 0.
    Relu,
    /// f(y) = y / (1 + exp(-y)), also known as swish.
    Silu,
    /// f(y) = erf(y), the error function: 2/sqrt(pi) times the integral of exp(-t^2) from 0 to y.
    Erf,
    /// f(y) = y^2.
    Square,
}

/// f(y), f'(y) and f''(y) at one y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Derivatives {
    /// f(y).
    pub value: f64,
    /// f'(y).
    pub df: f64,
    /// f''(y).
    pub ddf: f64,
}

impl Activation {
    /// The paper's activations, in the order of its Fig. 13.
    pub const PAPER: [Self; 5] = [Self::Linear, Self::Sigmoid, Self::Tanh, Self::Softplus, Self::Gelu];

    /// Every activation, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Linear,
        Self::Sigmoid,
        Self::Tanh,
        Self::Softplus,
        Self::Gelu,
        Self::Relu,
        Self::Silu,
        Self::Erf,
        Self::Square,
    ];

    /// The name used on the command line, in manifests and in shader names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softplus => "softplus",
            Self::Gelu => "gelu",
            Self::Relu => "relu",
            Self::Silu => "silu",
            Self::Erf => "erf",
            Self::Square => "square",
        }
    }

    /// f, f' and f'' at `y`, in f64.
    pub fn derivatives(self, y: f64) -> Derivatives {
        match self {
            Self::Linear => Derivatives { value: y, df: 1.0, ddf: 0.0 },
            Self::Sigmoid => {
                let (f, complement) = sigmoid_both(y);
                let df = f * complement;
                Derivatives { value: f, df, ddf: (complement - f) * df }
            }
            Self::Tanh => {
                let f = libm::tanh(y);
                // 1 - f^2 = 4 sigmoid(2y) sigmoid(-2y): no cancellation for large |y|.
                let (upper, lower) = sigmoid_both(2.0 * y);
                let df = 4.0 * upper * lower;
                Derivatives { value: f, df, ddf: -2.0 * f * df }
            }
            Self::Softplus => {
                let (df, complement) = sigmoid_both(y);
                Derivatives { value: softplus(y), df, ddf: df * complement }
            }
            Self::Gelu => {
                let distribution = normal_distribution(y);
                // At 40 the density is 0 in f64; beyond, y^2 could overflow.
                let near = y.clamp(-40.0, 40.0);
                let density = normal_density(near);
                Derivatives {
                    value: y * distribution,
                    df: distribution + near * density,
                    ddf: density * (2.0 - near * near),
                }
            }
            // NaN stays NaN.
            Self::Relu => {
                Derivatives { value: if y <= 0.0 { 0.0 } else { y }, df: f64::from(u8::from(y > 0.0)), ddf: 0.0 }
            }
            Self::Silu => {
                let (upper, lower) = sigmoid_both(y);
                let slope = upper * lower;
                Derivatives { value: y * upper, df: upper + y * slope, ddf: slope * (2.0 + y * (lower - upper)) }
            }
            Self::Erf => {
                // At 30 the exponential is 0 in f64; beyond, y^2 could overflow.
                let near = y.clamp(-30.0, 30.0);
                let df = FRAC_2_SQRT_PI * libm::exp(-near * near);
                Derivatives { value: libm::erf(y), df, ddf: -2.0 * near * df }
            }
            Self::Square => Derivatives { value: y * y, df: 2.0 * y, ddf: 2.0 },
        }
    }
}

/// sigmoid(z) = 1 / (1 + exp(-z)) and sigmoid(-z) = 1 - sigmoid(z), both with a small relative error.
pub(crate) fn sigmoid_both(z: f64) -> (f64, f64) {
    let e = libm::exp(-z.abs());
    let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
    if z < 0.0 { (small, large) } else { (large, small) }
}

/// ln(1 + exp(z)) without overflow or cancellation.
pub(crate) fn softplus(z: f64) -> f64 {
    z.max(0.0) + libm::log1p(libm::exp(-z.abs()))
}

/// Density of the standard normal distribution, g(y).
fn normal_density(y: f64) -> f64 {
    libm::exp(-0.5 * y * y) / (2.0 * PI).sqrt()
}

/// Distribution function of the standard normal distribution, G(y), with a small relative error in the left tail too.
fn normal_distribution(y: f64) -> f64 {
    0.5 * libm::erfc(-y * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::{Activation, softplus};

    /// Central differences of f and f' agree with f' and f'': an error in any derivative shows.
    #[test]
    fn derivatives_match_central_differences() {
        let h = 1e-5;
        for activation in Activation::ALL {
            for k in -60..=60 {
                let y = f64::from(k) * 0.13;
                // At the kink itself there is no derivative to compare with.
                if activation == Activation::Relu && k == 0 {
                    continue;
                }
                let (minus, at, plus) =
                    (activation.derivatives(y - h), activation.derivatives(y), activation.derivatives(y + h));
                let df = (plus.value - minus.value) / (2.0 * h);
                let ddf = (plus.df - minus.df) / (2.0 * h);
                // Truncation h^2 f'''/6 < 1e-10, rounding 1e-16 |f| / h < 1e-10 for |f| < 10.
                let rounding = 1e-11 * at.value.abs();
                assert!((df - at.df).abs() < 5e-10 + rounding, "{activation:?} f'({y})");
                assert!((ddf - at.ddf).abs() < 5e-10, "{activation:?} f''({y})");
            }
        }
    }

    #[test]
    fn relu_has_no_slope_at_its_kink_and_hides_no_nan() {
        for y in [0.0, -0.0, -1.0, f64::NEG_INFINITY] {
            let at = Activation::Relu.derivatives(y);
            assert_eq!([at.value, at.df, at.ddf].map(f64::to_bits), [0.0_f64; 3].map(f64::to_bits), "{y}");
        }
        assert!((Activation::Relu.derivatives(f64::from_bits(1)).df - 1.0).abs() < 1e-300);
        assert!(Activation::Relu.derivatives(f64::NAN).value.is_nan());
    }

    #[test]
    fn softplus_is_finite_and_exact_at_the_ends() {
        assert!((softplus(800.0) - 800.0).abs() < 1e-12);
        assert!(softplus(-800.0) >= 0.0 && softplus(-700.0) > 0.0);
    }
}
