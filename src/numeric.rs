//! The numeric routes to sharpness, in f64: what one would do without the closed forms, and what those are measured
//! against.
//!
//! All but the central differences need the Hessian only through its products with vectors ([`HessianProduct`] for the
//! paper's networks, [`LayersProduct`] for all). Each product costs about as much as two gradients and needs no D x D
//! memory:
//!
//! | route | gives | products | error |
//! |---|---|---|---|
//! | [`lanczos`] | `lambda_max`, `lambda_min` | k <= D | falls faster than exponentially; rounding at k = D |
//! | [`power_iteration`] | `lambda_max` | k, twice where `lambda_min` dominates | (second / first eigenvalue)^2k |
//! | [`hutchinson`] | tr H | k probes | standard deviation sqrt(2 (tr H^2 - sum_d H_dd^2) / k) |
//! | [`hutchinson_sq`] | tr H^2 | k probes | the same with H^2 for H |
//! | [`hutch_plus_plus`] | tr H | k | 1/k where the spectrum decays |
//! | [`central_difference_hessian`] | H | 2 D gradients | step^2 / 6 times the gradient's third derivatives |
//!
//! Random vectors come from Philox, so a route with the same seed gives the same number everywhere.
//!
//! [`central_difference_hessian`]: crate::reference::central_difference_hessian

mod lanczos;
mod layers;
mod power;
mod probes;
mod product;
mod trace;

use crate::model::{Problem, Theta};

pub use lanczos::{Extremes, lanczos};
pub use layers::LayersProduct;
pub use power::{PowerIteration, power_iteration};
pub use probes::{rademacher, start_vector};
pub use product::{HessianProduct, Symmetric};
pub use trace::{hutch_plus_plus, hutchinson, hutchinson_sq};

/// Applies `route` to the Hessian of every row of `theta` (S, D), in order, on all cores. `route` also gets the row's
/// number, from which it can seed its random vectors.
pub fn for_each_network<T: Send>(
    problem: &Problem,
    theta: Theta<'_>,
    route: impl Fn(usize, &dyn Symmetric) -> T + Sync,
) -> Vec<T> {
    match problem.paper() {
        Some(paper) => theta.map_networks(|row, network| route(row, &HessianProduct::new(&paper, network))),
        None => theta.map_networks(|row, network| route(row, &LayersProduct::new(problem, network))),
    }
}

/// x.y.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The Euclidean norm of `x`.
fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}
