//! Which exact route to tr H^2 is faster for given sizes.

use crate::engine::{ExactRoute, Route};
use crate::model::{Layer, OneHidden, Shape};

/// The route that `route` stands for, for networks of `shape` on `samples` samples: `auto` takes the one with the
/// smaller cost.
pub(super) fn exact_route(route: Route, shape: OneHidden, samples: usize) -> ExactRoute {
    route.or_faster(|| cheaper(pairwise_cost(shape, samples), assembled_cost(shape, samples)))
}

/// The route whose cost is smaller.
fn cheaper(pairwise: f64, assembled: f64) -> ExactRoute {
    if pairwise < assembled { ExactRoute::Pairwise } else { ExactRoute::Assembled }
}

/// As [`exact_route`], for networks of any depth on `samples` samples.
pub(super) fn layer_route(route: Route, shape: Shape, samples: usize) -> ExactRoute {
    route.or_faster(|| cheaper(layer_pairs_cost(shape, samples), layer_assembled_cost(shape, samples)))
}

/// The multiply-adds of the pairwise route at any depth, of I^2 / 2 pairs: for each pair of layers M, two times R^T h'
/// and M g, and R.
pub(crate) fn layer_pairs_cost(shape: Shape, samples: usize) -> f64 {
    let samples = samples as f64;
    let layers: Vec<Layer> = shape.layers().collect();
    let mut pair = 0;
    for (l, first) in layers.iter().enumerate() {
        pair += first.units * first.units + first.inputs;
        for (m, second) in layers.iter().enumerate().skip(l + 1) {
            let fed = first.units * if m == l + 1 { 1 } else { second.inputs };
            pair += 3 * first.units * second.units + 3 * fed + second.inputs;
        }
    }
    0.5 * samples * samples * pair as f64
}

/// The multiply-adds of the assembled route at any depth: at each sample one for each distinct entry, and for each pair
/// of units what the products share.
pub(crate) fn layer_assembled_cost(shape: Shape, samples: usize) -> f64 {
    let layers: Vec<Layer> = shape.layers().collect();
    let mut sample = 0;
    for (l, first) in layers.iter().enumerate() {
        for (m, second) in layers.iter().enumerate().skip(l) {
            let pairs = if l == m { first.units * (first.units + 1) / 2 } else { first.units * second.units };
            sample += pairs * (first.inputs + 3) * (second.inputs + 1);
        }
    }
    samples as f64 * sample as f64
}

/// The cost of the pairwise route for one vector of networks, in multiply-adds of the assembled route: I^2 / 2 pairs of
/// 9.5 N + 8 each, plus M / 16 for K, which the networks share. A unit takes 6 multiply-adds, but each of them reads
/// memory. Beyond 30 units the factors of two tiles leave the first-level cache little by little, and a unit ends up at
/// 20.
fn pairwise_cost(shape: OneHidden, samples: usize) -> f64 {
    let (inputs, hidden, samples) = (shape.inputs as f64, shape.hidden as f64, samples as f64);
    let unit = 9.5 + 10.5 * ((hidden - 30.0) / 50.0).clamp(0.0, 1.0);
    0.5 * samples * samples * (unit * hidden + 8.0 + inputs / 16.0)
}

/// The cost of the assembled route: at each sample, a block of H costs 2 for its coefficient and 1 for each of its
/// sums.
fn assembled_cost(shape: OneHidden, samples: usize) -> f64 {
    let (inputs, hidden, samples) = (shape.inputs as f64, shape.hidden as f64, samples as f64);
    let input_pairs = (inputs + 1.0) * (inputs + 2.0) / 2.0;
    let hidden_hidden = hidden * (hidden + 1.0) / 2.0 * (2.0 + input_pairs);
    let hidden_output = hidden * (hidden + 1.0) * (2.0 + inputs + 1.0);
    let output_output = (hidden + 1.0) * (hidden + 2.0) / 2.0 * 3.0;
    samples * (hidden_hidden + hidden_output + output_output)
}

#[cfg(test)]
mod tests {
    use super::{assembled_cost, exact_route, pairwise_cost};
    use crate::engine::{ExactRoute, Route};
    use crate::model::OneHidden;

    /// (M, N, I) and the microseconds of processor time per network on the pairwise and on the assembled route.
    /// `benches/cpu_engine` measured them on Zen 5 cores with AVX-512, in lanes of f32; those from N = 60 and at I =
    /// 200 are from `sharpsweep bench`. The constants of the cost model are fitted to them. In f64 both routes take
    /// about twice as long, and with AVX2 the choice is wrong at one size of 32, by 6 %.
    const MEASURED: [(usize, usize, usize, f64, f64); 11] = [
        (2, 3, 50, 0.535, 0.256),
        (2, 10, 50, 1.452, 0.937),
        (2, 24, 50, 3.553, 3.840),
        (2, 48, 50, 9.702, 14.777),
        (30, 6, 400, 51.22, 47.72),
        (30, 6, 2000, 1699.4, 240.8),
        (2, 30, 200, 52.8, 18.8),
        (2, 60, 50, 12.5, 20.5),
        (2, 60, 200, 219.6, 75.3),
        (2, 100, 50, 25.6, 54.7),
        (2, 100, 200, 394.5, 204.1),
    ];

    #[test]
    fn auto_takes_the_route_that_was_measured_to_be_faster() {
        for (inputs, hidden, samples, pairwise, assembled) in MEASURED {
            let faster = if pairwise < assembled { ExactRoute::Pairwise } else { ExactRoute::Assembled };
            assert_eq!(
                exact_route(Route::Auto, OneHidden::new(inputs, hidden), samples),
                faster,
                "{inputs} {hidden} {samples}"
            );
        }
    }

    /// Both costs are in one unit: where a route's own work dominates, the cost per microsecond is the same for both
    /// routes, apart from effects of the caches.
    #[test]
    fn costs_are_proportional_to_measured_times() {
        let own_work = MEASURED.iter().filter(|(_, hidden, samples, ..)| hidden * samples >= 1200 && *samples < 2000);
        for (inputs, hidden, samples, pairwise, assembled) in own_work {
            let shape = OneHidden::new(*inputs, *hidden);
            let (pairwise_unit, assembled_unit) =
                (pairwise / pairwise_cost(shape, *samples), assembled / assembled_cost(shape, *samples));
            let ratio = pairwise_unit / assembled_unit;
            assert!((0.65..1.55).contains(&ratio), "{shape:?}: {ratio}");
        }
    }

    #[test]
    fn a_route_asked_for_is_taken() {
        let (narrow, wide) = (OneHidden::new(2, 1), OneHidden::new(2, 100));
        assert_eq!(exact_route(Route::Pairwise, narrow, 50), ExactRoute::Pairwise);
        assert_eq!(exact_route(Route::Assembled, wide, 50), ExactRoute::Assembled);
    }
}
