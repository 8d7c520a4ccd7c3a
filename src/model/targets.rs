//! The answers that a network should give.

use ndarray::Array1;

/// The targets of I samples, in the form that a loss takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Labels q_i, (I,), each exactly 0.0 or 1.0.
    Binary(Array1<f64>),
}

impl Targets {
    /// The label of all samples, if they share one.
    pub fn single_class(&self) -> Option<f64> {
        let Self::Binary(q) = self;
        let first = *q.first()?;
        q.iter().all(|q| q.to_bits() == first.to_bits()).then_some(first)
    }

    /// The lowest loss of a network that gives every sample the same output: -(I_1 ln(I_1 / I) + I_0 ln(I_0 / I)) with
    /// I_1 samples of class 1 and I_0 of class 0.
    pub fn loss_of_constant(&self) -> f64 {
        let Self::Binary(q) = self;
        let (samples, ones) = (q.len() as f64, q.sum());
        let part = |count: f64| if count > 0.0 { -count * (count / samples).ln() } else { 0.0 };
        part(ones) + part(samples - ones)
    }
}

#[expect(clippy::float_cmp, reason = "a label is exactly 0 or 1; NaN is neither")]
pub(crate) fn is_label(v: f64) -> bool {
    v == 0.0 || v == 1.0
}
