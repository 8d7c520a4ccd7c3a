//! The routes to sharpness, what each gives, and how many floating-point operations it takes by count.

use std::fmt;

use serde::Serialize;

use super::Size;
use crate::cpu::{layer_assembled_cost, layer_pairs_cost};
use crate::model::{OneHidden, Shape};
use crate::numeric::{HessianProduct, LayersProduct};

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
    /// derivatives as 20. `products` is the number of Hessian-vector products that the route took. `Counts` has what
    /// depends on the depth.
    ///
    /// - pairwise: a forward pass and the pairs of samples;
    /// - assembled: a forward pass, the Hessian, and D^2 for the squares;
    /// - eigenvalues: the assembled Hessian, 4 D^3 / 3 for the tridiagonal form and 168 D^2 to bisect it (28 times D
    ///   pivots of 6);
    /// - moments: the assembled Hessian twice, D^3 for each product of two symmetric matrices, one or three of them,
    ///   and 2 D^2 for each of about 20 other passes over a matrix;
    /// - products: [`HessianProduct::flops`] or [`LayersProduct::flops`] each, and 8 D k^2 for Lanczos'
    ///   orthogonalisation;
    /// - differences: 2 D gradients.
    pub fn flops(self, size: Size, products: f64) -> f64 {
        let d = size.shape.parameters() as f64;
        let Counts { forward, pairs, hessian, product, gradient } = Counts::of(size);
        let assembled = forward + hessian;
        let reduction = 4.0 / 3.0 * d.powi(3) + 168.0 * d * d;
        let by_products = forward + products * product;
        let differences = 2.0 * d * gradient;
        match self {
            Self::Pairwise => forward + pairs,
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
        let parameters = size.shape.parameters() as u64;
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
            Self::Lanczos => (size.shape.parameters() as f64).min(30.0),
            Self::Power => 100.0,
            Self::Hutchinson | Self::HutchinsonSq | Self::HutchPlusPlus => f64::from(PROBES),
            _ => 0.0,
        }
    }
}

/// The flops of what the routes are made of, for one network.
struct Counts {
    /// A forward pass over the samples, with the derivatives of the activations.
    forward: f64,
    /// The forms of all pairs of samples, beside a forward pass.
    pairs: f64,
    /// The Hessian, beside a forward pass.
    hessian: f64,
    /// A product of the Hessian with a vector.
    product: f64,
    /// A gradient.
    gradient: f64,
}

impl Counts {
    fn of(size: Size) -> Self {
        match size.shape.one_hidden() {
            Some(shape) => Self::of_one_hidden(shape, size.samples),
            None => Self::of_layers(size.shape, size.samples),
        }
    }

    /// - forward: I (N (2 (M+1) + 22) + 20);
    /// - pairs: I (I+1)/2 (20 N + 25 + 2 M);
    /// - Hessian: 2 I (P N (N+1)/2 + (M+1) N (N+1) + (N+1)(N+2)/2), P = (M+1)(M+2)/2;
    /// - gradient: a forward pass and I N (2 (M+1) + 4).
    fn of_one_hidden(shape: OneHidden, count: usize) -> Self {
        let (inputs, hidden, samples) = (shape.inputs as f64, shape.hidden as f64, count as f64);
        let forward = samples * (hidden * (2.0 * (inputs + 1.0) + 2.0 + ACTIVATION_FLOPS) + ACTIVATION_FLOPS);
        let input_pairs = (inputs + 1.0) * (inputs + 2.0) / 2.0;
        let entries = input_pairs * hidden * (hidden + 1.0) / 2.0
            + (inputs + 1.0) * hidden * (hidden + 1.0)
            + (hidden + 1.0) * (hidden + 2.0) / 2.0;
        Self {
            forward,
            pairs: samples * (samples + 1.0) / 2.0 * (20.0 * hidden + 25.0 + 2.0 * inputs),
            hessian: 2.0 * samples * entries,
            product: HessianProduct::flops(shape, count) as f64,
            gradient: forward + samples * hidden * (2.0 * (inputs + 1.0) + 4.0),
        }
    }

    /// - forward: I (sum_l 2 N_l (N_{l-1}+1) + 20 (N_1 + .. + N_P));
    /// - pairs and Hessian: twice the multiply-adds by which the CPU engine chooses its route, and the derivatives of
    ///   each sample, whose largest part is sum_{l<m} 2 N_l N_m (N_m + N_{m-1}) for E_lm and M_lm;
    /// - gradient: a forward pass, and per sample 2 N_l (N_{l-1}+1) for every layer and 2 N_l N_{l-1} for every layer
    ///   but the first.
    fn of_layers(shape: Shape, count: usize) -> Self {
        let samples = count as f64;
        let widths: Vec<f64> = shape.widths().iter().map(|&width| width as f64).collect();
        let weights = |inputs: f64, units: f64| 2.0 * units * (inputs + 1.0);
        let (mut forward, mut back, mut derivatives) = (0.0, 0.0, 0.0);
        for (m, pair) in widths.windows(2).enumerate() {
            let [inputs, units] = [pair[0], pair[1]];
            forward += weights(inputs, units) + ACTIVATION_FLOPS * units;
            back += weights(inputs, units) + if m > 0 { 2.0 * units * inputs } else { 0.0 };
            let below: f64 = widths[1..=m].iter().sum();
            derivatives += below * 2.0 * units * (units + inputs);
        }
        Self {
            forward: samples * forward,
            pairs: 2.0 * layer_pairs_cost(shape, count) + samples * derivatives,
            hessian: 2.0 * layer_assembled_cost(shape, count) + samples * derivatives,
            product: LayersProduct::flops(shape.layers(), count) as f64,
            gradient: samples * (forward + back),
        }
    }
}
