//! Closed-form bounds on the Hessian's eigenvalues and on its traces, for every engine, in f64.
//!
//! - [`wolkowicz_styan`]: lambda_1 and lambda_D from tr H and tr H^2 (Theorem 1, Proposition 1), and what positive
//!   semidefinite Hessians add (Proposition 8);
//! - [`trace_vv_bound`], [`trace_ww_bound`], [`trace_sq_bound`]: the traces from norms of the weights and the data
//!   (Theorems 3, 4 and 6 with Propositions 5 to 7); the traces themselves (Theorems 2 and 5) are in
//!   [`crate::reference`];
//! - [`residual_bound`]: lambda_sup from the residuals delta, which shows that it vanishes with them (Theorem 7);
//! - [`NetworkBounds`]: the bounds and norms of one network of the paper, as columns of a run;
//! - [`layer_bounds`]: what Theorems 3, 4 and 6 become for any depth, several outputs and other losses, with the proofs
//!   (not in the paper);
//! - [`moment_bounds`]: tighter bounds of lambda_1 and lambda_D from tr H^3 and tr H^4 (not in the paper);
//! - [`bracket`]: two numbers around lambda_1, and two around lambda_D, from all of these and more, rounding included.
//!
//! But for brackets, every bound holds in exact arithmetic; in f64, allow for a relative rounding error of about 1e-12.
//! A bound is `inf` where its theorem gives none.

mod brackets;
mod four_moments;
mod layers;
mod network;
mod traces;
mod wolkowicz_styan;

pub use brackets::{Bracket, BracketEnd, BracketSource, MomentBounds, bracket, known_rank, moment_bounds};
pub use layers::{
    CurvatureSuprema, LayerBounds, curvature_suprema, layer_bounds, layer_bounds_of_each, layer_trace_bounds,
};
pub use network::{NetworkBounds, network_bounds, network_bounds_of_each};
pub use traces::{
    GramNorms, PairNorms, gram_norms, hidden_gram_bound, input_gram_bound, input_trace, input_trace_bound, pair_norms,
    residual_bound, trace_sq_bound, trace_vv_bound, trace_ww_bound, zeta1, zeta2,
};
pub use wolkowicz_styan::{
    NoBound, WidenedBounds, WolkowiczStyan, no_bound, trace_sq_range_if_psd, widened_bounds, wolkowicz_styan,
};
