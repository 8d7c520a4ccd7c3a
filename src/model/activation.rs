//! The five smooth activation functions and their derivatives (the paper's Fig. 13).

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use serde::{Deserialize, Serialize};

/// A smooth activation function f of the hidden units.
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
    /// Every activation, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Linear, Self::Sigmoid, Self::Tanh, Self::Softplus, Self::Gelu];

    /// The name used on the command line, in manifests and in shader names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softplus => "softplus",
            Self::Gelu => "gelu",
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
                let (minus, at, plus) =
                    (activation.derivatives(y - h), activation.derivatives(y), activation.derivatives(y + h));
                let df = (plus.value - minus.value) / (2.0 * h);
                let ddf = (plus.df - minus.df) / (2.0 * h);
                // Truncation h^2 f'''/6 < 1e-10, rounding 1e-16 |f| / h < 1e-10.
                assert!((df - at.df).abs() < 5e-10, "{activation:?} f'({y})");
                assert!((ddf - at.ddf).abs() < 5e-10, "{activation:?} f''({y})");
            }
        }
    }

    #[test]
    fn softplus_is_finite_and_exact_at_the_ends() {
        assert!((softplus(800.0) - 800.0).abs() < 1e-12);
        assert!(softplus(-800.0) >= 0.0 && softplus(-700.0) > 0.0);
    }
}
