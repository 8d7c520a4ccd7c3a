//! What training minimises.

use serde::{Deserialize, Serialize};

use super::activation::{sigmoid_both, softplus};

/// The loss l of one sample as a function of the network's outputs z (K,) and the sample's target. A network's loss is
/// the sum over its samples, each times the sample's weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// Binary cross-entropy of each output after the logistic function, with labels t_k in {0, 1}: l = sum_k
    /// softplus(z_k) - t_k z_k. With one output it is the paper's (Section 2).
    #[default]
    Logistic,
    /// Cross-entropy after the softmax function, with a class number t in 0 .. K-1: l = ln(sum_k exp(z_k)) - z_t.
    Softmax,
    /// Half the squared distance from the values t in R^K: l = |z - t|^2 / 2.
    Squared,
}

/// The target of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleTarget<'a> {
    /// A label per output, (K,).
    Labels(&'a [f64]),
    /// The number of the class.
    Class(usize),
    /// A value per output, (K,).
    Values(&'a [f64]),
}

/// The second derivative of a loss in the outputs: S = diag(`diagonal`) - `rank_one` `rank_one`^T, (K, K).
#[derive(Debug, Clone, PartialEq)]
pub struct Curvature {
    /// p_k (1 - p_k) for the logistic loss, p_k for softmax, 1 for the squared loss, (K,).
    pub diagonal: Vec<f64>,
    /// p for softmax; empty for the other losses, whose S is diagonal.
    pub rank_one: Vec<f64>,
}

impl Curvature {
    /// S\[a, b\].
    pub fn at(&self, a: usize, b: usize) -> f64 {
        let diagonal = if a == b { self.diagonal[a] } else { 0.0 };
        match self.rank_one[..] {
            [] => diagonal,
            // p (1 - p) without cancellation for p near 1: the sum of the others is its complement.
            ref p if a == b => p[a] * p.iter().enumerate().filter(|&(k, _)| k != a).map(|(_, p)| p).sum::<f64>(),
            ref p => -p[a] * p[b],
        }
    }
}

impl Loss {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Softmax => "softmax",
            Self::Squared => "squared",
        }
    }

    /// S = d^2l/dz^2, which no target changes.
    pub fn curvature(self, z: &[f64]) -> Curvature {
        match self {
            Self::Logistic => {
                Curvature { diagonal: z.iter().map(|&z| cross_entropy_curvature(z)).collect(), rank_one: Vec::new() }
            }
            Self::Softmax => {
                let p = softmax(z);
                Curvature { diagonal: p.clone(), rank_one: p }
            }
            Self::Squared => Curvature { diagonal: vec![1.0; z.len()], rank_one: Vec::new() },
        }
    }
}

/// The number of the largest of the outputs `z`, the first of equal ones.
pub(crate) fn largest(z: &[f64]) -> usize {
    (0..z.len()).fold(0, |largest, k| if z[k] > z[largest] { k } else { largest })
}

impl SampleTarget<'_> {
    /// l(z, t), the loss of a sample with this target whose outputs are `z` (K,).
    pub fn loss(self, z: &[f64]) -> f64 {
        match self {
            Self::Labels(t) => z.iter().zip(t).map(|(&z, &t)| cross_entropy(z, t)).sum(),
            Self::Class(t) => {
                // ln(1 + sum_{k != t} exp(z_k - z_t)), with the largest term as the 1: nothing cancels, nothing
                // overflows.
                let largest = if z.iter().any(|&other| other > z[t]) { largest(z) } else { t };
                let others = (0..z.len()).filter(|&k| k != largest).map(|k| libm::exp(z[k] - z[largest])).sum();
                (z[largest] - z[t]) + libm::log1p(others)
            }
            Self::Values(t) => z.iter().zip(t).map(|(z, t)| (z - t).powi(2)).sum::<f64>() / 2.0,
        }
    }

    /// delta = dl/dz, (K,): p - t for the logistic loss, p - e_t for softmax, z - t for the squared loss.
    pub fn residual(self, z: &[f64]) -> Vec<f64> {
        match self {
            Self::Labels(t) => z.iter().zip(t).map(|(&z, &t)| cross_entropy_residual(z, t)).collect(),
            Self::Class(t) => {
                let mut delta = softmax(z);
                // p_t - 1 without cancellation.
                delta[t] = -delta.iter().enumerate().filter(|&(k, _)| k != t).map(|(_, p)| p).sum::<f64>();
                delta
            }
            Self::Values(t) => z.iter().zip(t).map(|(z, t)| z - t).collect(),
        }
    }
}

/// l = softplus(z) - q z of a label q in {0, 1}, written as softplus(-z) for q = 1 so that nothing cancels.
pub(crate) fn cross_entropy(z: f64, q: f64) -> f64 {
    if q > 0.5 { softplus(-z) } else { softplus(z) }
}

/// delta = dl/dz = p - q without cancellation: for q = 1 it is -sigmoid(-z).
pub(crate) fn cross_entropy_residual(z: f64, q: f64) -> f64 {
    let (p, complement) = sigmoid_both(z);
    if q > 0.5 { -complement } else { p }
}

/// s = d^2l/dz^2 = p (1 - p).
pub(crate) fn cross_entropy_curvature(z: f64) -> f64 {
    let (p, complement) = sigmoid_both(z);
    p * complement
}

/// p_k = exp(z_k) / sum_j exp(z_j), (K,).
fn softmax(z: &[f64]) -> Vec<f64> {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut p: Vec<f64> = z.iter().map(|z| libm::exp(z - largest)).collect();
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    p
}

#[cfg(test)]
mod tests {
    use super::{Loss, SampleTarget};

    /// Central differences of l and delta agree with delta and S: an error in any derivative shows.
    #[test]
    fn derivatives_match_central_differences() {
        let h = 1e-5;
        for (loss, target) in [
            (Loss::Logistic, SampleTarget::Labels(&[0.0, 1.0, 1.0])),
            (Loss::Softmax, SampleTarget::Class(1)),
            (Loss::Squared, SampleTarget::Values(&[0.5, -1.0, 2.0])),
        ] {
            for z in [[0.3, -0.8, 1.9], [12.0, -3.0, 4.0], [-7.0, 8.0, 0.1]] {
                let (delta, curvature) = (target.residual(&z), loss.curvature(&z));
                for k in 0..3 {
                    let (mut minus, mut plus) = (z, z);
                    (minus[k], plus[k]) = (z[k] - h, z[k] + h);
                    let slope = (target.loss(&plus) - target.loss(&minus)) / (2.0 * h);
                    assert!((slope - delta[k]).abs() < 5e-9, "{loss:?} {z:?} {k}: {slope} {}", delta[k]);
                    let (up, down) = (target.residual(&plus), target.residual(&minus));
                    for j in 0..3 {
                        let bend = (up[j] - down[j]) / (2.0 * h);
                        assert!((bend - curvature.at(k, j)).abs() < 5e-10, "{loss:?} {z:?} {k} {j}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_cancels_where_a_sample_is_fitted_and_nothing_overflows() {
        let fitted = [60.0, 0.0, 0.0];
        let expected = 2.0 * (-60.0_f64).exp();
        let relative = |found: f64| (found / expected - 1.0).abs();
        let curvature = Loss::Softmax.curvature(&fitted);
        let right = SampleTarget::Class(0);
        for found in [right.loss(&fitted), -right.residual(&fitted)[0], curvature.at(0, 0)] {
            assert!(relative(found) < 1e-14, "{found}");
        }
        let huge = [1e300, -1e300];
        let losses = [0, 1].map(|class| SampleTarget::Class(class).loss(&huge).to_bits());
        assert_eq!(losses, [0.0_f64, 2e300].map(f64::to_bits));
    }
}
