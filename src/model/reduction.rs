//! How the losses of the samples become one.

use ndarray::Array1;
use serde::{Deserialize, Serialize};

/// How the losses l_i of the samples, which count omega_i times each, become the loss L that is minimised. Step size
/// and tolerance are those of L.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// L = sum_i omega_i l_i, as in the paper
    #[default]
    Sum,
    /// L = sum_i omega_i l_i / sum_i omega_i, as PyTorch's CrossEntropyLoss with `weight`
    Mean,
}

impl Reduction {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
        }
    }

    /// The weights by which the sum over `samples` samples becomes the loss, (I,), where the samples count `weights`
    /// times, or once each; `None` where all are 1.
    pub fn weights(self, samples: usize, weights: Option<Array1<f64>>) -> Option<Array1<f64>> {
        match (self, weights) {
            (Self::Sum, weights) => weights,
            (Self::Mean, Some(weights)) => {
                let sum = weights.sum();
                Some(weights / sum)
            }
            (Self::Mean, None) => Some(Array1::from_elem(samples, 1.0 / samples as f64)),
        }
    }
}
