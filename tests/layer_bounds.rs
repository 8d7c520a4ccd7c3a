//! The bounds of the traces of networks of any depth, with K outputs and any loss: over random networks, against the
//! paper's bounds where the network is one of the paper's, and the cases in which they are equalities.
//!
//! Every inequality is also tried with its bound lowered, which must be noticed: a check that nothing can violate says
//! nothing.

mod support;

use std::sync::LazyLock;

use ndarray::{Array1, Array2};
use rayon::prelude::*;
use sharpsweep::bounds::{
    CurvatureSuprema, LayerBounds, NetworkBounds, curvature_suprema, gram_norms, layer_bounds, layer_bounds_of_each,
    layer_trace_bounds, network_bounds,
};
use sharpsweep::model::{Activation, Dataset, Loss, Problem, Targets};
use sharpsweep::reference::layers::{forward, layer_traces, loss, trace_sq};
use support::Draws;

/// Random networks in the common pool: each inequality is tried on at least 10,000 of every loss.
const RANDOM: u32 = 45_000;

/// The fewest networks that every inequality must be tried on.
const ALL: usize = 10_000;

/// Rounding allowed to every inequality, relative to its bound: the sums behind it have at most a few thousand terms of
/// f64.
const ROUNDING: f64 = 1e-12;

const LOSSES: [Loss; 3] = [Loss::Logistic, Loss::Softmax, Loss::Squared];

/// The activations whose values are at most 1 in magnitude.
const BOUNDED: [Activation; 3] = [Activation::Sigmoid, Activation::Tanh, Activation::Erf];

/// A network, with everything that the bounds speak of.
struct Measured {
    name: String,
    problem: Problem,
    layer_traces: Vec<f64>,
    trace_sq: f64,
    bounds: LayerBounds,
}

impl Measured {
    fn layers(&self) -> usize {
        self.layer_traces.len()
    }
}

/// Targets of `samples` samples for `loss`, with K = `outputs`.
fn targets(draws: &mut Draws, loss: Loss, samples: usize, outputs: usize) -> Targets {
    let mut array = |of: &dyn Fn(f64) -> f64| Array2::from_shape_simple_fn((samples, outputs), || of(draws.unit()));
    match loss {
        Loss::Logistic => Targets::Labels(array(&f64::round)),
        Loss::Squared => Targets::Values(array(&|unit| 6.0 * unit - 3.0)),
        Loss::Softmax => {
            Targets::Classes { of: (0..samples).map(|_| draws.count(outputs) - 1).collect(), count: outputs }
        }
    }
}

/// Network `index` of the pool: activations and losses in turn; no hidden layer to three; 1, 3 or 10 outputs; sums,
/// means and weights over two orders; the weights of every layer have a size of their own, from 0.003 to 30, and inputs
/// lie in the unit cube or well beyond it.
fn random_network(index: u32) -> (Problem, Vec<f64>) {
    let mut draws = Draws::new(index);
    let activation = Activation::ALL[index as usize % 9];
    let loss = LOSSES[(index as usize / 9) % 3];
    let hidden: Vec<usize> = (1..draws.count(4)).map(|_| draws.count(4)).collect();
    let outputs = [1, 3, 10][draws.count(3) - 1];
    let (inputs, samples) = (draws.count(4), draws.count(6));
    let size = [1.0, 1.0, 5.0][draws.count(3) - 1];
    let x = Array2::from_shape_simple_fn((samples, inputs), || draws.within(-size, size));
    let targets = targets(&mut draws, loss, samples, outputs);
    let mut data = Dataset::new(x, targets).unwrap();
    let weights = match draws.count(3) {
        1 => None,
        2 => Some(Array1::from_elem(samples, 1.0 / samples as f64)),
        _ => Some(Array1::from_shape_simple_fn(samples, || 10_f64.powf(draws.within(-1.0, 1.0)))),
    };
    if let Some(weights) = weights {
        data = data.weighted(weights).unwrap();
    }
    let problem = Problem::with_layers(&hidden, activation, data).unwrap();
    let mut theta = Vec::new();
    for layer in problem.network.shape.layers() {
        let size = 0.003 * 10_f64.powf(draws.within(0.0, 4.0));
        theta.extend((0..layer.parameters()).map(|_| draws.within(-size, size)));
    }
    (problem, theta)
}

/// The common pool.
static POOL: LazyLock<Vec<Measured>> = LazyLock::new(|| {
    let of = |index: u32| {
        let (problem, theta) = random_network(index);
        Measured {
            name: format!("random network {index}"),
            layer_traces: layer_traces(&problem, &theta),
            trace_sq: trace_sq(&problem, &theta),
            bounds: layer_bounds(&problem, &theta),
            problem,
        }
    };
    (0..RANDOM).into_par_iter().map(of).collect()
});

/// The pairs `small` <= `large` of the pool that fail beyond rounding, NaN included, and how many networks were tried.
fn violations(lowered: f64, sides: impl Fn(&Measured) -> Vec<(f64, f64)>) -> (Vec<String>, usize) {
    let (mut misses, mut tried) = (Vec::new(), 0);
    for network in POOL.iter() {
        let pairs = sides(network);
        tried += usize::from(!pairs.is_empty());
        for (small, large) in pairs {
            let holds = small - lowered * large <= ROUNDING * large;
            if !holds {
                let (activation, shape) = (network.problem.network.activation, network.problem.network.shape);
                let loss = network.problem.loss();
                misses.push(format!("{} ({activation:?}, {shape}, {loss:?}): {small:e} <= {large:e}", network.name));
            }
        }
    }
    (misses, tried)
}

/// The inequality holds for every network of at least `least`, and fails somewhere when its bound is multiplied by
/// `lowered`.
fn assert_inequality(least: usize, lowered: f64, sides: impl Fn(&Measured) -> Vec<(f64, f64)>) {
    let (misses, tried) = violations(1.0, &sides);
    assert!(misses.is_empty(), "{} of {tried} violate:\n{}", misses.len(), misses[..misses.len().min(8)].join("\n"));
    assert!(tried >= least, "only {tried} networks were tried");
    let (misses, _) = violations(lowered, sides);
    assert!(!misses.is_empty(), "the bound times {lowered} holds as well: the check sees nothing");
}

#[test]
fn the_trace_of_the_output_layer_is_bounded_for_every_loss() {
    for loss in LOSSES {
        assert_inequality(ALL, 0.95, |n| {
            let last = n.layers() - 1;
            let of_loss = n.problem.loss() == loss;
            of_loss.then_some((n.layer_traces[last].abs(), n.bounds.trace_bounds[last])).into_iter().collect()
        });
    }
}

#[test]
fn the_traces_of_hidden_layers_are_bounded_for_every_loss_and_depth() {
    let of = |n: &Measured, from: usize| -> Vec<(f64, f64)> {
        // Layers counted from the output: 1 is the last hidden one.
        let place = (n.layers() - 1).checked_sub(from);
        place.map(|l| (n.layer_traces[l].abs(), n.bounds.trace_bounds[l])).into_iter().collect()
    };
    for loss in LOSSES {
        assert_inequality(ALL, 0.9, |n| if n.problem.loss() == loss { of(n, 1) } else { Vec::new() });
    }
    for from in 1..=3 {
        assert_inequality(ALL, 0.9, |n| of(n, from));
    }
    assert_inequality(ALL, 0.9, |n| (1..n.layers()).flat_map(|from| of(n, from)).collect());
    // Each activation has its own constants.
    for activation in Activation::ALL {
        let own = |n: &Measured| n.problem.network.activation == activation;
        assert_inequality(1_000, 0.6, |n| if own(n) { of(n, 1) } else { Vec::new() });
    }
    let finite = |n: &Measured| n.bounds.trace_bounds.iter().all(|bound| bound.is_finite());
    assert!(POOL.iter().all(finite));
}

#[test]
fn the_squared_trace_is_bounded_for_every_loss_and_depth() {
    for loss in LOSSES {
        for depth in 1..=4 {
            assert_inequality(1_000, 0.8, |n| {
                let chosen = n.problem.loss() == loss && n.layers() == depth;
                chosen.then_some((n.trace_sq, n.bounds.trace_sq_bound)).into_iter().collect()
            });
        }
    }
    assert_inequality(ALL, 0.9, |n| vec![(n.trace_sq, n.bounds.trace_sq_bound)]);
    // phi_ii is a squared norm.
    assert!(POOL.iter().all(|n| n.bounds.phi_max.iter().all(|&phi| phi >= 0.0)));
}

/// The bounds of the paper's networks are the paper's, and where the paper has none, they are finite.
#[test]
fn for_the_papers_networks_they_are_the_papers_bounds() {
    let close = |name: &str, found: f64, expected: f64| {
        assert!((found - expected).abs() <= 1e-13 * expected.abs(), "{name}: {found:e} {expected:e}");
    };
    let (mut finite, mut infinite) = (0, 0);
    for index in 0..9_000_u32 {
        let mut draws = Draws::new(index + (1 << 20));
        let activation = Activation::ALL[index as usize % 9];
        let (inputs, hidden, samples) = (draws.count(5), draws.count(5), draws.count(6));
        let x = Array2::from_shape_simple_fn((samples, inputs), || draws.within(-2.0, 2.0));
        let labels = targets(&mut draws, Loss::Logistic, samples, 1);
        let problem = Problem::new(hidden, activation, Dataset::new(x, labels).unwrap());
        let size = 0.03 * 1000_f64.powf(draws.unit());
        let theta: Vec<f64> = (0..problem.network.parameters()).map(|_| draws.within(-size, size)).collect();
        let paper = network_bounds(&problem.paper().unwrap(), &theta);
        let found = layer_bounds(&problem, &theta);
        let name = format!("network {index} ({activation:?})");
        for (found, paper) in found.trace_bounds.iter().zip([paper.trace_ww_bound, paper.trace_vv_bound]) {
            if paper.is_finite() {
                close(&name, *found, paper);
                finite += 1;
            } else {
                assert!(found.is_finite(), "{name}");
                infinite += 1;
            }
        }
        // The forms of pairs are sums of other terms here; each is at most ||M_ii||^2 in size.
        let NetworkBounds { trace_sq_bound, phi_max, .. } = paper;
        assert!((found.trace_sq_bound - trace_sq_bound).abs() <= 1e-12 * trace_sq_bound, "{name}");
        assert!((found.phi_max[0] - phi_max).abs() <= 1e-12 * phi_max + 1e-300, "{name}: {found:?} {phi_max}");
        for (found, expected) in [
            (found.norm_sq[0], paper.w_norm_sq),
            (found.norm_sq[1], paper.v_norm_sq),
            (found.gram_sq[0], paper.input_gram_sq),
            (found.gram_sq[1], paper.hidden_gram_sq),
        ] {
            close(&name, found, expected);
        }
    }
    assert!(finite > 10_000 && infinite > 5_000, "{finite} {infinite}");
}

fn assert_equal(name: &str, traces: &[f64], bounds: &[f64]) {
    let equal = traces.iter().zip(bounds).all(|(trace, bound)| (trace - bound).abs() <= ROUNDING * bound);
    assert!(equal && traces.len() == bounds.len(), "{name}: {traces:?} {bounds:?}");
}

/// Hidden units saturated at 1, and outputs that are all 0: the largest tr S of each loss, and the largest |h|.
#[test]
fn the_bound_of_the_output_layer_is_reached_by_saturated_units_and_equal_outputs() {
    for (activation, loss) in BOUNDED.into_iter().flat_map(|activation| LOSSES.map(|loss| (activation, loss))) {
        for (samples, hidden, outputs) in [(1, 1, 2), (4, 2, 3), (7, 9, 10)] {
            let mut draws = Draws::new(5);
            let targets = targets(&mut draws, loss, samples, outputs);
            let weights = Array1::from_shape_fn(samples, |i| 0.5 + i as f64);
            let data = Dataset::new(Array2::ones((samples, 2)), targets).unwrap().weighted(weights.clone()).unwrap();
            let problem = Problem::with_layers(&[3, hidden], activation, data).unwrap();
            let mut theta = vec![0.0; problem.network.parameters()];
            for layer in problem.network.shape.layers().take(2) {
                (0..layer.units).for_each(|a| theta[layer.at(a, 0)] = 50.0);
            }
            let bounds = layer_trace_bounds(&problem, &theta);
            let name = format!("{activation:?} {loss:?} {outputs}");
            assert_equal(&name, &layer_traces(&problem, &theta)[2..], &bounds[2..]);
            let expected = curvature_suprema(loss, outputs).trace * weights.sum() * (1 + hidden) as f64;
            assert_equal(&name, &[expected], &bounds[2..]);
        }
    }
}

/// One sample, one unit in each layer, and every W_l along what goes into it: nothing is lost on the way, and for
/// square and a positive residual all terms have one sign.
#[test]
fn aligned_networks_of_single_units_reach_every_bound_of_a_layer_at_any_depth() {
    for activation in [Activation::Linear, Activation::Relu, Activation::Square] {
        for hidden in 0..=5 {
            let x = Array2::from_elem((1, 1), 0.7);
            let data = Dataset::new(x, Targets::Values(Array2::from_elem((1, 1), -2.0))).unwrap();
            let data = data.weighted(Array1::from_elem(1, 3.0)).unwrap();
            let problem = Problem::with_layers(&vec![1; hidden], activation, data).unwrap();
            let mut theta = vec![0.0; problem.network.parameters()];
            for (l, layer) in problem.network.shape.layers().enumerate() {
                let h = forward(problem.network, &theta, problem.data.sample(0)).h;
                let into = h[l].clone();
                (0..2).for_each(|p| theta[layer.at(0, p)] = (0.4 + 0.1 * l as f64) * into[p]);
            }
            let (traces, bounds) = (layer_traces(&problem, &theta), layer_trace_bounds(&problem, &theta));
            assert_equal(&format!("{activation:?} {hidden}"), &traces, &bounds);
        }
    }
}

/// Linear networks: tr M = ||V||_F^2 for the squared loss, and the variance of the rows of V for softmax, the largest
/// one at the corners of a regular simplex with equal probabilities.
#[test]
fn linear_networks_reach_the_bound_of_the_hidden_layer() {
    let x = Array2::from_shape_fn((5, 3), |(i, m)| (i as f64 - 1.7 * m as f64).sin());
    let mut draws = Draws::new(11);
    let values = targets(&mut draws, Loss::Squared, 5, 4);
    let problem = Problem::with_layers(&[6], Activation::Linear, Dataset::new(x.clone(), values).unwrap()).unwrap();
    let theta: Vec<f64> = (0..problem.network.parameters()).map(|_| draws.within(-2.0, 2.0)).collect();
    let bounds = layer_trace_bounds(&problem, &theta);
    assert_equal("squared", &layer_traces(&problem, &theta)[..1], &bounds[..1]);
    for outputs in [2, 3, 7] {
        let classes = targets(&mut draws, Loss::Softmax, 5, outputs);
        let data = Dataset::new(x.clone(), classes).unwrap();
        let problem = Problem::with_layers(&[outputs], Activation::Linear, data).unwrap();
        let layers: Vec<_> = problem.network.shape.layers().collect();
        // W_1 = 0, so that all logits are their biases; V is a multiple of 1 and the same row added to each.
        let mut theta = vec![0.0; problem.network.parameters()];
        for k in 0..outputs {
            for n in 0..outputs {
                theta[layers[1].at(k, n + 1)] = if k == n { 1.5 } else { 0.0 } + n as f64;
            }
        }
        let bounds = layer_trace_bounds(&problem, &theta);
        assert_equal(&format!("softmax {outputs}"), &layer_traces(&problem, &theta)[..1], &bounds[..1]);
    }
}

/// L -> c L takes every trace to c times itself, and its bound with it; a row added to all rows of W_P changes nothing
/// for softmax.
#[test]
fn bounds_go_with_the_scale_of_the_loss_and_know_that_softmax_has_no_level() {
    let close = |a: &[f64], b: &[f64], factor: f64| {
        assert!(a.iter().zip(b).all(|(a, b)| (a - factor * b).abs() <= 1e-11 * a.abs()), "{a:?} {b:?}");
    };
    for index in 0..300 {
        let (mut problem, mut theta) = random_network(index);
        let before = layer_bounds(&problem, &theta);
        let of_softmax = problem.loss() == Loss::Softmax;
        if of_softmax {
            let last = problem.network.shape.layers().last().unwrap();
            for p in 0..=last.inputs {
                (0..last.units).for_each(|a| theta[last.at(a, p)] += 0.3 * (p as f64 + 1.0));
            }
            let after = layer_bounds(&problem, &theta);
            // The weights are rounded where the row is added.
            let size: f64 = 1e-12 * (1.0 + before.trace_bounds.iter().sum::<f64>());
            let same = before.trace_bounds.iter().zip(&after.trace_bounds).all(|(a, b)| (a - b).abs() <= 1e3 * size);
            assert!(same, "{index}: {before:?} {after:?}");
            continue;
        }
        let weights = problem.data.weights().map_or(Array1::ones(problem.data.samples()), |w| w.to_owned());
        problem.data = problem.data.weighted(9.0 * weights).unwrap();
        let after = layer_bounds(&problem, &theta);
        close(&after.trace_bounds, &before.trace_bounds, 9.0);
        close(&[after.trace_sq_bound], &[before.trace_sq_bound], 81.0);
        close(&after.phi_max, &before.phi_max, 1.0);
    }
}

#[test]
fn the_suprema_of_the_curvature_are_bounds_and_are_reached() {
    for (loss, outputs) in LOSSES.into_iter().flat_map(|loss| [1, 2, 3, 10].map(|outputs| (loss, outputs))) {
        let CurvatureSuprema { trace, norm, frobenius_sq } = curvature_suprema(loss, outputs);
        let mut most = [0.0_f64; 3];
        let mut draws = Draws::new(outputs as u32);
        for case in 0..2_000 {
            let mut z: Vec<f64> = (0..outputs).map(|_| draws.within(-6.0, 6.0)).collect();
            match case {
                0 => z.fill(0.0),
                // Two equal outputs far above the others.
                1 => (0..outputs).for_each(|k| z[k] = if k < 2 { 0.0 } else { -800.0 }),
                _ => {}
            }
            let curvature = loss.curvature(&z);
            let s = nalgebra::DMatrix::from_fn(outputs, outputs, |a, b| curvature.at(a, b));
            let found = [s.trace(), s.clone().symmetric_eigenvalues().max(), s.norm_squared()];
            most.iter_mut().zip(found).for_each(|(most, found)| *most = most.max(found));
        }
        for (most, bound) in most.into_iter().zip([trace, norm, frobenius_sq]) {
            assert!((most - bound).abs() <= 1e-14 * bound, "{loss:?} {outputs}: {most} {bound}");
        }
    }
}

/// The norms are those of their definitions.
#[test]
fn norms_of_layers_are_those_of_their_definitions() {
    for index in 0..200 {
        let (problem, theta) = random_network(index);
        let bounds = layer_bounds(&problem, &theta);
        for (l, layer) in problem.network.shape.layers().enumerate() {
            let own: f64 = theta[layer.start..layer.start + layer.parameters()].iter().map(|w| w * w).sum();
            let values = Array2::from_shape_fn((problem.data.samples(), layer.inputs), |(i, p)| {
                forward(problem.network, &theta, problem.data.sample(i)).h[l][p + 1]
            });
            let gram = gram_norms(values.view()).plain;
            for (found, expected) in [(bounds.norm_sq[l], own), (bounds.gram_sq[l], gram)] {
                assert!((found - expected).abs() <= 1e-13 * expected, "{index} {l}: {found} {expected}");
            }
        }
    }
}

#[test]
fn every_network_of_a_population_has_its_own_bounds_and_nan_shows_in_them() {
    let index = (0..).find(|&index| {
        let (problem, _) = random_network(index);
        let network = problem.network;
        network.shape.hidden().len() == 2 && network.activation == Activation::Tanh && problem.loss() == Loss::Squared
    });
    let (problem, theta) = random_network(index.unwrap());
    let mut rows = Array2::from_shape_fn((3, theta.len()), |(k, d)| theta[d] * (1.0 + k as f64));
    let last = problem.network.shape.layers().last().unwrap();
    rows[[2, last.at(0, 1)]] = f64::NAN;
    let all = layer_bounds_of_each(&problem, rows.view().into());
    for (row, bounds) in rows.outer_iter().zip(&all).take(2) {
        assert_eq!(*bounds, layer_bounds(&problem, &row.to_vec()));
        assert!(bounds.trace_sq_bound > 0.0 && loss(&problem, &row.to_vec()) > 0.0);
    }
    assert_ne!(all[0], all[1]);
    let LayerBounds { trace_bounds, trace_sq_bound, phi_max, norm_sq, .. } = &all[2];
    // The bound of the output layer does not depend on its weights, nor does any norm of another layer.
    assert_eq!(trace_bounds.iter().map(|bound| bound.is_nan()).collect::<Vec<_>>(), [true, true, false]);
    assert!(trace_sq_bound.is_nan() && phi_max[0].is_nan() && phi_max[1].is_nan() && norm_sq[2].is_nan());
    assert!(norm_sq[..2].iter().all(|norm| norm.is_finite()));
}
