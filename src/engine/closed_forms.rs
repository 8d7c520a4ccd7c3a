//! The closed forms of networks, as engines find them.

use super::Rounding;
use crate::model::MAX_LAYERS;

/// tr of the Hessian's diagonal block of each layer of weights, (P,): tr H(w,w) and tr H(v,v) for the paper's networks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerTraces {
    /// 0 beyond P.
    traces: [f64; MAX_LAYERS],
    /// P.
    layers: usize,
}

impl LayerTraces {
    /// Those of the first [`MAX_LAYERS`] layers at most, in order.
    pub fn new(of_layers: impl IntoIterator<Item = f64>) -> Self {
        let mut found = Self { traces: [0.0; MAX_LAYERS], layers: 0 };
        for (to, from) in found.traces.iter_mut().zip(of_layers) {
            *to = from;
            found.layers += 1;
        }
        found
    }

    /// Layer by layer.
    pub fn as_slice(&self) -> &[f64] {
        &self.traces[..self.layers]
    }

    /// tr H.
    pub fn sum(&self) -> f64 {
        self.as_slice().iter().copied().reduce(|sum, trace| sum + trace).unwrap_or(0.0)
    }
}

/// The closed forms of one network. Values computed in f32 are widened to f64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosedForms {
    /// L, the loss summed over the samples, each times its weight.
    pub loss: f64,
    /// g.g, the squared Euclidean norm of dL/dtheta.
    pub gradient_sq: f64,
    /// tr of each layer's block of the Hessian.
    pub layer_trace: LayerTraces,
    /// tr H^2.
    pub trace_sq: f64,
    /// How far off the traces may be.
    pub rounding: Rounding,
}

impl ClosedForms {
    /// tr H.
    pub fn trace(&self) -> f64 {
        self.layer_trace.sum()
    }
}

/// The [`ClosedForms`] of a batch of S networks, column by column, each of length S.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// L, the loss summed over the samples, each times its weight.
    pub loss: Vec<f64>,
    /// g.g, the squared Euclidean norm of dL/dtheta.
    pub gradient_sq: Vec<f64>,
    /// tr of each layer's block of the Hessian.
    pub layer_trace: Vec<LayerTraces>,
    /// tr H^2.
    pub trace_sq: Vec<f64>,
    /// How far off the traces may be.
    pub rounding: Vec<Rounding>,
}

impl FromIterator<ClosedForms> for Evaluation {
    fn from_iter<T: IntoIterator<Item = ClosedForms>>(networks: T) -> Self {
        let mut evaluation = Self::default();
        for forms in networks {
            evaluation.loss.push(forms.loss);
            evaluation.gradient_sq.push(forms.gradient_sq);
            evaluation.layer_trace.push(forms.layer_trace);
            evaluation.trace_sq.push(forms.trace_sq);
            evaluation.rounding.push(forms.rounding);
        }
        evaluation
    }
}

impl Evaluation {
    /// The closed forms of the network in `row`.
    pub fn network(&self, row: usize) -> ClosedForms {
        ClosedForms {
            loss: self.loss[row],
            gradient_sq: self.gradient_sq[row],
            layer_trace: self.layer_trace[row],
            trace_sq: self.trace_sq[row],
            rounding: self.rounding[row],
        }
    }

    /// tr H of the network in `row`.
    pub fn trace(&self, row: usize) -> f64 {
        self.layer_trace[row].sum()
    }

    /// Replaces the closed forms of the networks `rows` by `found`.
    pub(crate) fn replace(&mut self, rows: &[usize], found: &Self) {
        for (from, &to) in rows.iter().enumerate() {
            self.loss[to] = found.loss[from];
            self.gradient_sq[to] = found.gradient_sq[from];
            self.layer_trace[to] = found.layer_trace[from];
            self.trace_sq[to] = found.trace_sq[from];
            self.rounding[to] = found.rounding[from];
        }
    }
}
