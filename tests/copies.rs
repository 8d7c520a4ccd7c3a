//! Copies of networks of any depth with any number of outputs: those under maps that keep a network count once, and no
//! others do.

mod support;

use nalgebra::DMatrix;
use ndarray::Array2;
use sharpsweep::analysis::{
    ComparedNetworks, END_NEARNESS, Maps, Nearness, Same, WITHIN, same_networks, same_networks_within,
};
use sharpsweep::bounds::wolkowicz_styan;
use sharpsweep::model::{Activation, Dataset, Loss, Problem, Targets};
use sharpsweep::reference::layers::{layer_traces, loss, trace_sq};
use support::Draws;

const LOSSES: [Loss; 3] = [Loss::Logistic, Loss::Softmax, Loss::Squared];

/// W_1 .. W_P, biases in column 0.
#[derive(Clone)]
struct Weights(Vec<DMatrix<f64>>);

impl Weights {
    fn drawn(problem: &Problem, draws: &mut Draws) -> Self {
        let layers = problem.network.shape.layers();
        Self(layers.map(|l| DMatrix::from_fn(l.units, l.inputs + 1, |_, _| draws.within(-2.0, 2.0))).collect())
    }

    fn theta(&self, problem: &Problem) -> Vec<f64> {
        let mut theta = vec![0.0; problem.network.parameters()];
        for (layer, w) in problem.network.shape.layers().zip(&self.0) {
            for p in 0..=layer.inputs {
                (0..layer.units).for_each(|a| theta[layer.at(a, p)] = w[(a, p)]);
            }
        }
        theta
    }

    /// B on the units of hidden layer `l`, counted from 0, its inverse on what they feed.
    fn mapped(&mut self, l: usize, b: &DMatrix<f64>, inverse: &DMatrix<f64>) {
        self.0[l] = b * &self.0[l];
        let units = b.nrows();
        let fed = self.0[l + 1].columns(1, units) * inverse;
        self.0[l + 1].columns_mut(1, units).copy_from(&fed);
    }

    /// Hidden layer `l` in a random order.
    fn reordered(&mut self, l: usize, draws: &mut Draws) {
        let units = self.0[l].nrows();
        let mut order: Vec<usize> = (0..units).collect();
        (1..units).rev().for_each(|n| order.swap(n, draws.count(n + 1) - 1));
        self.ordered(l, &order);
    }

    fn ordered(&mut self, l: usize, order: &[usize]) {
        let units = order.len();
        let b = DMatrix::from_fn(units, units, |n, m| f64::from(u8::from(order[n] == m)));
        self.mapped(l, &b, &b.transpose());
    }

    /// The incoming weights of unit `n` of layer `l` times `incoming`, its outgoing ones times `outgoing`.
    fn scaled(&mut self, l: usize, n: usize, incoming: f64, outgoing: f64) {
        self.0[l].row_mut(n).scale_mut(incoming);
        self.0[l + 1].column_mut(n + 1).scale_mut(outgoing);
    }

    /// The turn of a unit that keeps the function of sigmoid networks.
    fn flipped(&mut self, l: usize, n: usize) {
        for a in 0..self.0[l + 1].nrows() {
            let fed = self.0[l + 1][(a, n + 1)];
            self.0[l + 1][(a, 0)] += fed;
        }
        self.scaled(l, n, -1.0, -1.0);
    }

    /// One row added to all rows of W_P.
    fn raised(&mut self, draws: &mut Draws) {
        let last = self.0.last_mut().unwrap();
        for p in 0..last.ncols() {
            last.column_mut(p).add_scalar_mut(draws.within(-1.0, 1.0));
        }
    }

    /// A copy under one of the maps at random.
    fn copy(&self, problem: &Problem, maps: Maps, draws: &mut Draws) -> Self {
        let mut copy = self.clone();
        let hidden = problem.network.shape.hidden();
        for (l, &units) in hidden.iter().enumerate() {
            copy.reordered(l, draws);
            let chosen: Vec<usize> = (0..units).filter(|_| draws.unit() < 0.5).collect();
            match (problem.network.activation, maps) {
                (Activation::Tanh | Activation::Erf, _) => chosen.iter().for_each(|&n| copy.scaled(l, n, -1.0, -1.0)),
                (Activation::Sigmoid, Maps::Function) => chosen.iter().for_each(|&n| copy.flipped(l, n)),
                (Activation::Square, Maps::Symmetry) => chosen.iter().for_each(|&n| copy.scaled(l, n, -1.0, 1.0)),
                (Activation::Square, Maps::Function) => {
                    for n in 0..units {
                        let c = draws.within(0.5, 2.0);
                        copy.scaled(l, n, -c, 1.0 / (c * c));
                    }
                }
                (Activation::Relu, Maps::Function) => {
                    for n in 0..units {
                        let c = draws.within(0.3, 3.0);
                        copy.scaled(l, n, c, 1.0 / c);
                    }
                }
                (Activation::Linear, Maps::Symmetry) => {
                    let q = DMatrix::from_fn(units, units, |_, _| draws.within(-1.0, 1.0)).qr().q();
                    copy.mapped(l, &q, &q.transpose());
                }
                (Activation::Linear, Maps::Function) => {
                    let mut b = DMatrix::from_fn(units, units, |_, _| draws.within(-0.3, 0.3));
                    b.fill_diagonal(1.5);
                    copy.mapped(l, &b, &b.clone().try_inverse().unwrap());
                }
                _ => {}
            }
        }
        if problem.loss() == Loss::Softmax {
            copy.raised(draws);
        }
        copy
    }
}

/// A problem with hidden layers of these widths and K outputs.
fn problem(hidden: &[usize], activation: Activation, loss: Loss, outputs: usize) -> Problem {
    let mut draws = Draws::new(77);
    let x = Array2::from_shape_simple_fn((6, 2), || draws.within(-1.0, 1.0));
    let mut array = |of: &dyn Fn(f64) -> f64| Array2::from_shape_simple_fn((6, outputs), || of(draws.unit()));
    let targets = match loss {
        Loss::Logistic => Targets::Labels(array(&f64::round)),
        Loss::Squared => Targets::Values(array(&|unit| unit)),
        Loss::Softmax => Targets::Classes { of: (0..6).map(|i| i % outputs).collect(), count: outputs },
    };
    Problem::with_layers(hidden, activation, Dataset::new(x, targets).unwrap()).unwrap()
}

fn lambda_sup(problem: &Problem, theta: &[f64]) -> f64 {
    wolkowicz_styan(layer_traces(problem, theta).iter().sum(), trace_sq(problem, theta), theta.len()).lambda_sup
}

/// Whether the maps of these networks are looked for.
fn is_offered(hidden: &[usize], activation: Activation, maps: Maps) -> bool {
    let both = [Activation::Relu, Activation::Square].contains(&activation) && maps == Maps::Function;
    hidden.len() < 2 || !(both || activation == Activation::Linear && maps == Maps::Symmetry)
}

/// The networks of a problem with their columns.
struct Compared<'a> {
    problem: &'a Problem,
    theta: Array2<f32>,
    loss: Vec<f64>,
    lambda_sup: Vec<f64>,
}

impl<'a> Compared<'a> {
    fn of(problem: &'a Problem, networks: &[Weights]) -> Self {
        let all: Vec<Vec<f64>> = networks.iter().map(|network| network.theta(problem)).collect();
        Self {
            problem,
            theta: Array2::from_shape_fn((all.len(), problem.network.parameters()), |(k, d)| all[k][d] as f32),
            loss: all.iter().map(|theta| loss(problem, theta)).collect(),
            lambda_sup: all.iter().map(|theta| lambda_sup(problem, theta)).collect(),
        }
    }

    fn networks(&self) -> ComparedNetworks<'_> {
        let sharpsweep::model::Network { shape, activation } = self.problem.network;
        let (loss, lambda_sup) = (&self.loss[..], &self.lambda_sup[..]);
        let trained_on = self.problem.loss();
        ComparedNetworks { shape, activation, trained_on, theta: self.theta.view(), loss, lambda_sup }
    }

    fn same(&self, maps: Maps, within: Nearness) -> Same {
        same_networks_within(&self.networks(), maps, within).unwrap()
    }
}

#[test]
fn a_copy_is_found_at_any_depth_with_any_outputs_and_nothing_else_is() {
    let mut draws = Draws::new(1);
    let mut found = 0;
    for activation in Activation::ALL {
        for hidden in [&[][..], &[4], &[4, 3], &[3, 5, 2]] {
            for (loss_of, outputs) in LOSSES.into_iter().flat_map(|loss| [(loss, 1), (loss, 3)]) {
                if (loss_of, outputs) == (Loss::Softmax, 1) {
                    continue;
                }
                let problem = problem(hidden, activation, loss_of, outputs);
                for maps in [Maps::Symmetry, Maps::Function] {
                    let name = format!("{activation:?} {hidden:?} {loss_of:?} {outputs} {maps:?}");
                    for _ in 0..5 {
                        let [other, network] = [0, 1].map(|_| Weights::drawn(&problem, &mut draws));
                        let copy = network.copy(&problem, maps, &mut draws);
                        let mut compared = Compared::of(&problem, &[other, network, copy]);
                        // If it were no copy, the test would say nothing.
                        let [a, b] = [1, 2].map(|k| compared.loss[k]);
                        assert!((a - b).abs() <= 1e-9 * (1.0 + a), "{name}: {a} {b}");
                        if maps == Maps::Symmetry {
                            let [a, b] = [1, 2].map(|k| compared.lambda_sup[k]);
                            assert!((a - b).abs() <= 1e-9 * a, "{name}: {a} {b}");
                        }
                        if !is_offered(hidden, activation, maps) {
                            assert!(same_networks(&compared.networks(), maps).is_err(), "{name}");
                            continue;
                        }
                        // Even where loss and bound do not tell them apart.
                        for known in [true, false] {
                            if !known {
                                compared.loss.fill(1.0);
                                compared.lambda_sup.fill(1.0);
                            }
                            let same = compared.same(maps, END_NEARNESS);
                            assert_eq!(same.duplicate_of, [0, 1, 1], "{name}: {same}");
                        }
                        found += 1;
                    }
                }
            }
        }
    }
    assert!(found > 1_000, "{found}");
}

/// Each change of one weight, one sign or one pair of units of a copy is seen.
#[test]
fn what_is_no_copy_is_told_apart_at_any_depth() {
    let mut draws = Draws::new(2);
    for activation in [Activation::Tanh, Activation::Gelu, Activation::Sigmoid, Activation::Square] {
        for hidden in [&[3][..], &[3, 3], &[3, 2, 3]] {
            let problem = problem(hidden, activation, Loss::Softmax, 3);
            for _ in 0..20 {
                let network = Weights::drawn(&problem, &mut draws);
                let copy = network.copy(&problem, Maps::Symmetry, &mut draws);
                let layer = draws.count(hidden.len()) - 1;
                let (mut moved, mut turned, mut crossed) = (copy.clone(), copy.clone(), copy.clone());
                let place = (draws.count(hidden[layer]) - 1, draws.count(2) - 1);
                moved.0[layer][place] += 0.4;
                // The outgoing weights of a unit alone.
                turned.scaled(layer, 0, 1.0, -1.0);
                // Units in another order, and what they feed not.
                crossed.0[layer].swap_rows(0, 1);
                let mut compared = Compared::of(&problem, &[network, moved, turned, crossed, copy]);
                compared.loss.fill(1.0);
                compared.lambda_sup.fill(1.0);
                let same = compared.same(Maps::Symmetry, Nearness { theta: 1e-3, values: 0.05 });
                assert_eq!(same.duplicate_of, [0, 1, 2, 3, 0], "{activation:?} {hidden:?}: {same}");
            }
        }
    }
}

/// Every network that `network` may be mapped to by an order and, for tanh, signs of its hidden units.
fn all_maps(problem: &Problem, network: &Weights) -> Vec<Vec<f64>> {
    fn orders(units: usize) -> Vec<Vec<usize>> {
        match units {
            0 => vec![Vec::new()],
            _ => orders(units - 1)
                .into_iter()
                .flat_map(|order| (0..units).map(move |at| [&order[..at], &[units - 1], &order[at..]].concat()))
                .collect(),
        }
    }
    let signs = problem.network.activation == Activation::Tanh;
    let mut all = vec![network.clone()];
    for (l, &units) in problem.network.shape.hidden().iter().enumerate() {
        let mut next = Vec::new();
        for network in &all {
            for order in orders(units) {
                for mask in 0..if signs { 1 << units } else { 1 } {
                    let mut mapped = network.clone();
                    mapped.ordered(l, &order);
                    (0..units).filter(|n| mask >> n & 1 == 1).for_each(|n| mapped.scaled(l, n, -1.0, -1.0));
                    next.push(mapped);
                }
            }
        }
        all = next;
    }
    all.iter().map(|network| network.theta(problem)).collect()
}

/// With one hidden layer the search finds what trying every map finds; with more it calls nothing the same that is not,
/// and misses few of those that are near.
#[test]
fn the_search_agrees_with_trying_every_map() {
    for (activation, hidden) in [
        (Activation::Tanh, &[3][..]),
        (Activation::Gelu, &[4]),
        (Activation::Tanh, &[2, 3]),
        (Activation::Gelu, &[3, 3]),
        (Activation::Gelu, &[2, 3, 2]),
    ] {
        let problem = problem(hidden, activation, Loss::Squared, 3);
        let mut draws = Draws::new(3);
        let (mut near, mut missed, mut far) = (0, 0, 0);
        for case in 0..400 {
            let network = Weights::drawn(&problem, &mut draws);
            let mut copy = network.copy(&problem, Maps::Symmetry, &mut draws);
            // Distances all around the tolerance.
            let spread = draws.within(0.1, 0.45);
            copy.0.iter_mut().flat_map(|w| w.iter_mut()).for_each(|w| *w += spread * draws.within(-1.0, 1.0));
            let mut compared = Compared::of(&problem, &[network.clone(), copy.clone()]);
            compared.loss.fill(1.0);
            compared.lambda_sup.fill(1.0);
            let found = compared.same(Maps::Symmetry, Nearness::default()).duplicate_of == [0, 0];
            let (a, length) =
                (network.theta(&problem), |theta: &[f64]| theta.iter().map(|w| w * w).sum::<f64>().sqrt());
            let apart = |b: &Vec<f64>| length(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>());
            let least = all_maps(&problem, &copy).iter().map(apart).fold(f64::INFINITY, f64::min);
            let limit = WITHIN * length(&a).max(length(&copy.theta(&problem)));
            // Weights are compared as float32.
            assert!(!found || least <= limit * (1.0 + 1e-6), "{activation:?} {hidden:?} {case}: {least} {limit}");
            if least <= limit * (1.0 - 1e-6) {
                near += 1;
                missed += usize::from(!found);
            } else {
                far += 1;
            }
        }
        assert!(near > 80 && far > 80, "{activation:?} {hidden:?}: {near} {far}");
        let allowed = if hidden.len() == 1 { 0 } else { near / 50 };
        assert!(missed <= allowed, "{activation:?} {hidden:?}: {missed} of {near} were missed");
    }
}

/// A layer all of whose units have the same incoming weights is matched by the outgoing ones.
#[test]
fn units_with_equal_incoming_weights_are_told_apart_by_what_they_feed() {
    let problem = problem(&[3, 2], Activation::Tanh, Loss::Logistic, 3);
    let mut draws = Draws::new(4);
    for case in 0..50 {
        let mut network = Weights::drawn(&problem, &mut draws);
        let first = network.0[0].row(0).into_owned();
        network.0[0].row_mut(2).copy_from(&first);
        let copy = network.copy(&problem, Maps::Symmetry, &mut draws);
        let found = Compared::of(&problem, &[network, copy]).same(Maps::Symmetry, END_NEARNESS);
        assert_eq!(found.duplicate_of, [0, 0], "{case}: {found}");
    }
}
