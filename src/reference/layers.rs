//! Networks of any depth with K outputs and any loss: one recursion over the layers, from which the gradient, the
//! Hessian, its traces and its Gauss-Newton part follow.
//!
//! Layer l = 1 .. P maps h_{l-1} to y_l = W_l h_{l-1}, h_0 = \[1; x\], h_l = \[1; f(y_l)\], and the output is z = y_P
//! ([`Shape`](crate::model::Shape)). V_l is W_l without its column of biases, F'_l and F''_l are the diagonal matrices
//! of f'(y_l) and f''(y_l). The paper's networks are P = 2 with one output; beyond them the formulas are this
//! project's own, by the chain rule, and `tests/family.rs` compares them with automatic differentiation.
//!
//! [`forward`] and [`backward`] have the quantities of one sample; what is summed over samples and pairs follows from
//! them.

mod backward;
mod forms;
mod forward;
mod rounding;

pub use backward::{LayerDerivatives, backward};
pub use forms::{
    GaussNewton, LayerPairForms, gauss_newton, gauss_newton_matrix, gradient, hessian, layer_traces, loss, pair_forms,
    trace_sq,
};
pub use forward::{LayerValues, forward, outputs};
pub(super) use rounding::spread;
