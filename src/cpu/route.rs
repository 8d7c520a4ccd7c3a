//! Which exact route to tr H^2 is faster for given sizes.

use crate::engine::Route;
use crate::model::Shape;

/// A route that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExactRoute {
    /// The forms of every pair of samples.
    Pairwise,
    /// The assembled Hessian.
    Assembled,
}

impl ExactRoute {
    /// What `route` means for networks of `shape` on `samples` samples: `auto` takes the one with the smaller cost.
    pub(super) fn choose(route: Route, shape: Shape, samples: usize) -> Self {
        match route {
            Route::Pairwise => Self::Pairwise,
            Route::Assembled => Self::Assembled,
            Route::Auto if pairwise_cost(shape, samples) < assembled_cost(shape, samples) => Self::Pairwise,
            Route::Auto => Self::Assembled,
        }
    }
}

/// Vector operations of the pairwise route for one vector of networks: I^2 / 2 pairs of 6 N + 12 operations, and M / 16 for K, which is
/// shared by the networks.
fn pairwise_cost(shape: Shape, samples: usize) -> f64 {
    let (inputs, hidden, samples) = (shape.inputs as f64, shape.hidden as f64, samples as f64);
    0.5 * samples * samples * (6.0 * hidden + 12.0 + inputs / 16.0)
}

/// Vector operations of the assembled route: a sample and form costs its coefficient, 2, and one multiply-add for each of its sums.
fn assembled_cost(shape: Shape, samples: usize) -> f64 {
    let (inputs, hidden, samples) = (shape.inputs as f64, shape.hidden as f64, samples as f64);
    let input_pairs = (inputs + 1.0) * (inputs + 2.0) / 2.0;
    let hidden_hidden = hidden * (hidden + 1.0) / 2.0 * (2.0 + input_pairs);
    let hidden_output = hidden * (hidden + 1.0) * (3.0 + inputs);
    let output_output = (hidden + 1.0) * (hidden + 2.0) / 2.0 * 3.0;
    samples * (hidden_hidden + hidden_output + output_output)
}
