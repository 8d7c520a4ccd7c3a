//! The routes to sharpness, what each gives, and how many floating-point operations it takes by count.

use std::fmt;

use serde::Serialize;

use super::Size;
use crate::numeric::HessianProduct;

/// A route to sharpness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// `lambda_sup` by the closed form of tr H^2 (Eq. 25)
    Pairwise,
    /// `lambda_sup` by the assembled Hessian's Frobenius norm
    Assembled,
    /// `lambda_max` by the assembled Hessian and all its eigenvalues
    Eigenvalues,
    /// `lambda_max` by Lanczos on exact products, to a residual of 1e-6
    Lanczos,
    /// `lambda_max` by power iteration on exact products, to a residual of 1e-3
    Power,
    /// tr H by 30 Rademacher probes
    Hutchinson,
    /// tr H by Hutch++ with 30 products
    HutchPlusPlus,
    /// tr H^2 by 30 Rademacher probes
    HutchinsonSq,
    /// `lambda_sup` by the Hessian of three-point central differences
    Differences,
    /// `lambda_max` by the Hessian of three-point central differences
    DifferencesEigenvalues,
    /// `bracket_upper` by moments up to the fourth, beside the closed forms
    FourMoments,
    /// `bracket_upper` by moments up to the eighth, beside the closed forms
    EightMoments,
}

/// Where a route runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// f64 on all cores: the reference engine and the numeric routes
    Reference,
    /// f64 in SIMD lanes on all cores
    Cpu,
    /// f32 on the graphics adapter
    Gpu,
}

/// A route at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Runner {
    /// The route.
    pub method: Method,
    /// Where it runs.
    #[serde(rename = "device")]
    pub site: Site,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reference => "f64",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        })
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.method.name(), self.site)
    }
}

/// What a route estimates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// The upper bound of Theorem 1.
    LambdaSup,
    /// The largest eigenvalue, or an upper bound of it that is close.
    LambdaMax,
    /// tr H.
    Trace,
    /// tr H^2.
    TraceSq,
}

/// Probes and products of the stochastic estimates.
pub(super) const PROBES: u32 = 30;

/// How many flops one activation with its two derivatives, or one logistic output, counts as: an exponential, a
/// division and some products.
const ACTIVATION_FLOPS: f64 = 20.0;

impl Method {
    /// The name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pairwise => "pairwise",
            Self::Assembled => "assembled",
            Self::Eigenvalues => "eigenvalues",
            Self::Lanczos => "lanczos",
            Self::Power => "power",
            Self::Hutchinson => "hutchinson",
            Self::HutchPlusPlus => "hutch-plus-plus",
            Self::HutchinsonSq => "hutchinson-sq",
            Self::Differences => "differences",
            Self::DifferencesEigenvalues => "differences-eigenvalues",
            Self::FourMoments => "four-moments",
            Self::EightMoments => "eight-moments",
        }
    }

    /// What the route gives.
    pub const fn quantity(self) -> Quantity {
        match self {
            Self::Pairwise | Self::Assembled | Self::Differences => Quantity::LambdaSup,
            Self::Eigenvalues
            | Self::Lanczos
            | Self::Power
            | Self::DifferencesEigenvalues
            | Self::FourMoments
            | Self::EightMoments => Quantity::LambdaMax,
            Self::Hutchinson | Self::HutchPlusPlus => Quantity::Trace,
            Self::HutchinsonSq => Quantity::TraceSq,
        }
    }

    /// Where the route is implemented.
    pub const fn sites(self) -> &'static [Site] {
        match self {
            Self::Pairwise | Self::Eigenvalues => &[Site::Reference, Site::Cpu, Site::Gpu],
            Self::Assembled => &[Site::Cpu, Site::Gpu],
            Self::FourMoments | Self::EightMoments => &[Site::Reference, Site::Cpu],
            _ => &[Site::Reference],
        }
    }

    /// Flops per network by count: a multiplication and an addition count as one each, an activation with its
    /// derivatives as 20. `products` is the number of Hessian-vector products that the route took.
    ///
    /// - forward: I (N (2 (M+1) + 22) + 20);
    /// - pairwise: I (I+1)/2 (20 N + 25 + 2 M) more;
    /// - assembled: 2 I (P N (N+1)/2 + (M+1) N (N+1) + (N+1)(N+2)/2) more, P = (M+1)(M+2)/2, and D^2 for the squares;
    /// - eigenvalues: the assembled Hessian, 4 D^3 / 3 for the tridiagonal form and 168 D^2 to bisect it (28 times D
    ///   pivots of 6);
    /// - moments: the assembled Hessian twice, D^3 for each product of two symmetric matrices, one or three of them,
    ///   and 2 D^2 for each of about 20 other passes over a matrix;
    /// - products: [`HessianProduct::flops`] each, and 8 D k^2 for Lanczos' orthogonalisation;
    /// - differences: 2 D gradients, each a forward pass and I N (2 (M+1) + 4) more.
    pub fn flops(self, size: Size, products: f64) -> f64 {
        let (inputs, hidden, samples) = (size.inputs as f64, size.hidden as f64, size.samples as f64);
        let d = size.shape().parameters() as f64;
        let forward = samples * (hidden * (2.0 * (inputs + 1.0) + 2.0 + ACTIVATION_FLOPS) + ACTIVATION_FLOPS);
        let input_pairs = (inputs + 1.0) * (inputs + 2.0) / 2.0;
        let entries = input_pairs * hidden * (hidden + 1.0) / 2.0
            + (inputs + 1.0) * hidden * (hidden + 1.0)
            + (hidden + 1.0) * (hidden + 2.0) / 2.0;
        let assembled = forward + 2.0 * samples * entries;
        let reduction = 4.0 / 3.0 * d.powi(3) + 168.0 * d * d;
        let by_products = forward + products * HessianProduct::flops(size.shape(), size.samples) as f64;
        let differences = 2.0 * d * (forward + samples * hidden * (2.0 * (inputs + 1.0) + 4.0));
        match self {
            Self::Pairwise => forward + samples * (samples + 1.0) / 2.0 * (20.0 * hidden + 25.0 + 2.0 * inputs),
            Self::Assembled => assembled + d * d,
            Self::Eigenvalues => assembled + reduction,
            Self::FourMoments => 2.0 * assembled + d.powi(3) + 40.0 * d * d,
            Self::EightMoments => 2.0 * assembled + 3.0 * d.powi(3) + 40.0 * d * d,
            Self::Lanczos => by_products + 8.0 * d * products * products,
            Self::Power => by_products + 6.0 * d * products,
            Self::Hutchinson | Self::HutchinsonSq => by_products + 2.0 * d * products,
            Self::HutchPlusPlus => by_products + 6.0 * d * (products / 3.0).powi(2),
            Self::Differences => differences + d * d,
            Self::DifferencesEigenvalues => differences + reduction,
        }
    }

    /// Bytes of f64 that the route takes for one network beside the forward pass. f32 engines have limits of their own.
    pub(super) fn bytes(self, size: Size) -> u64 {
        let parameters = size.shape().parameters() as u64;
        let matrices = match self {
            // The matrix and its mirror image.
            Self::Differences => 3,
            Self::FourMoments => 2,
            Self::EightMoments => 4,
            // And its shifted copy and eigenvectors.
            Self::DifferencesEigenvalues => 5,
            _ => 0,
        };
        parameters.saturating_pow(2).saturating_mul(8 * matrices)
    }

    /// The Hessian-vector products that the route takes at `size`, or an estimate where that depends on the network.
    pub(super) fn expected_products(self, size: Size) -> f64 {
        match self {
            Self::Lanczos => (size.shape().parameters() as f64).min(30.0),
            Self::Power => 100.0,
            Self::Hutchinson | Self::HutchinsonSq | Self::HutchPlusPlus => f64::from(PROBES),
            _ => 0.0,
        }
    }
}
