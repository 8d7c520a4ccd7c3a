//! What training minimises.

use super::activation::{sigmoid_both, softplus};

/// The loss of one sample as a function of the network's output z and the sample's target. A network's loss is the sum
/// over its samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Loss {
    /// Binary cross-entropy after the logistic function (paper, Section 2): with p = sigmoid(z) and a label q in
    /// {0, 1}, l = -q ln p - (1 - q) ln(1 - p).
    #[default]
    Logistic,
}

impl Loss {
    /// l = softplus(z) - q z, written as softplus(-z) for q = 1 so that nothing cancels.
    pub fn value(self, z: f64, q: f64) -> f64 {
        let Self::Logistic = self;
        if q > 0.5 { softplus(-z) } else { softplus(z) }
    }

    /// delta = dl/dz = p - q without cancellation: for q = 1 it is -sigmoid(-z).
    pub fn residual(self, z: f64, q: f64) -> f64 {
        let Self::Logistic = self;
        let (p, complement) = sigmoid_both(z);
        if q > 0.5 { -complement } else { p }
    }

    /// s = d^2l/dz^2 = p (1 - p).
    pub fn curvature(self, z: f64) -> f64 {
        let Self::Logistic = self;
        let (p, complement) = sigmoid_both(z);
        p * complement
    }
}
