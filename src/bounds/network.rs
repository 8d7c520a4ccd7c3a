//! The bounds and norms that belong to one network, as columns of a run.

use ndarray::ArrayView2;

use super::{GramNorms, gram_norms, pair_norms, trace_sq_bound, trace_vv_bound, trace_ww_bound};
use crate::model::{PaperProblem, Theta};
use crate::reference::terms;

/// The closed-form bounds of one network's traces and the norms they are made of.
///
/// NaN in theta gives NaN wherever the value depends on theta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkBounds {
    /// tr H(v,v) <= this (Theorem 3). `inf` but for sigmoid, tanh and erf: no others have bounded hidden values.
    pub trace_vv_bound: f64,
    /// tr H(w,w) <= this (Theorem 4). `inf` for square, whose slope is unbounded.
    pub trace_ww_bound: f64,
    /// tr H^2 <= this (Theorem 6).
    pub trace_sq_bound: f64,
    /// The largest phi_ij (Theorem 6); never negative beyond rounding.
    pub phi_max: f64,
    /// ||V||_F^2 = v_0^2 + .. + v_N^2, including the output bias: V is 1 x (N+1).
    pub v_norm_sq: f64,
    /// ||W||_F^2, including the hidden biases: W is N x (M+1).
    pub w_norm_sq: f64,
    /// ||R^T R||_F^2 = sum_ij (r_i.r_j)^2, without the bias that Theorem 6 adds ([`GramNorms::with_bias`]).
    pub hidden_gram_sq: f64,
    /// ||X^T X||_F^2 = sum_ij (x_i.x_j)^2, likewise without the bias; the same for all networks of a problem.
    pub input_gram_sq: f64,
}

/// One column of [`NetworkBounds`]: its name and how to read it.
type BoundColumn = (&'static str, fn(&NetworkBounds) -> f64);

impl NetworkBounds {
    /// Every value with the name of its column.
    pub const COLUMNS: [BoundColumn; 8] = [
        ("trace_vv_bound", |b| b.trace_vv_bound),
        ("trace_ww_bound", |b| b.trace_ww_bound),
        ("trace_sq_bound", |b| b.trace_sq_bound),
        ("phi_max", |b| b.phi_max),
        ("v_norm_sq", |b| b.v_norm_sq),
        ("w_norm_sq", |b| b.w_norm_sq),
        ("hidden_gram_sq", |b| b.hidden_gram_sq),
        ("input_gram_sq", |b| b.input_gram_sq),
    ];
}

/// The bounds of the network `theta` (D,), in about I^2/2 (5N) multiplications.
pub fn network_bounds(problem: &PaperProblem<'_>, theta: &[f64]) -> NetworkBounds {
    with_input_gram(problem, theta, gram_norms(problem.data.x()))
}

/// The bounds of every row of `theta` (S, D), in order, on all cores.
pub fn network_bounds_of_each(problem: &PaperProblem<'_>, theta: Theta<'_>) -> Vec<NetworkBounds> {
    let input_gram = gram_norms(problem.data.x());
    theta.map_networks(|_, network| with_input_gram(problem, network, input_gram))
}

fn with_input_gram(problem: &PaperProblem<'_>, theta: &[f64], input_gram: GramNorms) -> NetworkBounds {
    let terms = terms(problem, theta);
    let hidden = ArrayView2::from_shape((terms.samples, terms.hidden), &terms.r)
        .expect("terms hold I N hidden values, row by row");
    let hidden_gram = gram_norms(hidden);
    let pairs = pair_norms(problem, theta, &terms);
    let (w, v) = theta.split_at(problem.network.shape.hidden_weights());
    let norm_sq = |weights: &[f64]| weights.iter().map(|t| t * t).sum();
    NetworkBounds {
        trace_vv_bound: trace_vv_bound(problem),
        trace_ww_bound: trace_ww_bound(problem, theta),
        trace_sq_bound: trace_sq_bound(pairs, input_gram, hidden_gram),
        phi_max: pairs.phi_max,
        v_norm_sq: norm_sq(v),
        w_norm_sq: norm_sq(w),
        hidden_gram_sq: hidden_gram.plain,
        input_gram_sq: input_gram.plain,
    }
}
