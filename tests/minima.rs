//! Which networks are the same: copies under maps that keep a network count once, different networks stay, and what is
//! left of a run says by which rule.

mod support;

use std::path::Path;

use ndarray::{Array1, Array2, ArrayView1};
use ndarray_npy::{read_npy, write_npy};
use sharpsweep::analysis::{
    ComparedNetworks, END_NEARNESS, Maps, Nearness, Same, VALUES_WITHIN, WITHIN, distinct_ends, same_networks,
    same_networks_within,
};
use sharpsweep::bounds::wolkowicz_styan;
use sharpsweep::engine::Stop;
use sharpsweep::model::{Activation, Dataset, Loss, OneHidden, Problem, Shape, Stream, appendix_c};
use sharpsweep::polish::{End, Objective, Polish, polish};
use sharpsweep::reference::{hessian, loss, spectrum};
use support::Draws;
use support::command::{fail, manifest, succeed};
use tempfile::tempdir;

/// The weights of one network, unpacked.
#[derive(Clone)]
struct Network {
    shape: OneHidden,
    theta: Vec<f64>,
}

impl Network {
    fn drawn(shape: OneHidden, draws: &mut Draws) -> Self {
        Self { shape, theta: (0..shape.parameters()).map(|_| draws.within(-3.0, 3.0)).collect() }
    }

    /// The network whose unit n is unit order[n] of this network.
    fn reordered(&self, order: &[usize]) -> Self {
        let mut other = self.clone();
        for (n, &from) in order.iter().enumerate() {
            for m in 0..=self.shape.inputs {
                other.theta[self.shape.w(n, m)] = self.theta[self.shape.w(from, m)];
            }
            other.theta[self.shape.v(n)] = self.theta[self.shape.v(from)];
        }
        other
    }

    /// W_n and v_n of unit `n` with their signs turned.
    fn turned(&self, n: usize) -> Self {
        let mut other = self.clone();
        for place in (0..=self.shape.inputs).map(|m| self.shape.w(n, m)).chain([self.shape.v(n)]) {
            other.theta[place] = -self.theta[place];
        }
        other
    }

    /// The turn of unit `n` that keeps the function of a sigmoid network.
    fn flipped(&self, n: usize) -> Self {
        let mut other = self.turned(n);
        other.theta[self.shape.v_bias()] += self.theta[self.shape.v(n)];
        other
    }

    /// W_n with its signs turned: the same function of square units.
    fn mirrored(&self, n: usize) -> Self {
        let mut other = self.clone();
        (0..=self.shape.inputs).for_each(|m| other.theta[self.shape.w(n, m)] = -self.theta[self.shape.w(n, m)]);
        other
    }

    /// W_n -> c W_n, v_n -> v_n / c^degree: the same function of units that are homogeneous of this degree.
    fn scaled(&self, n: usize, c: f64, degree: i32) -> Self {
        let mut other = self.clone();
        (0..=self.shape.inputs).for_each(|m| other.theta[self.shape.w(n, m)] *= c);
        other.theta[self.shape.v(n)] /= c.powi(degree);
        other
    }

    /// W -> B W, v -> B^-T v with B = [[a, b], [c, d]] on units 0 and 1.
    fn mixed(&self, [a, b, c, d]: [f64; 4]) -> Self {
        let mut other = self.clone();
        for m in 0..=self.shape.inputs {
            let [first, second] = [0, 1].map(|n| self.theta[self.shape.w(n, m)]);
            other.theta[self.shape.w(0, m)] = a * first + b * second;
            other.theta[self.shape.w(1, m)] = c * first + d * second;
        }
        let determinant = a * d - b * c;
        let [first, second] = [0, 1].map(|n| self.theta[self.shape.v(n)]);
        other.theta[self.shape.v(0)] = (d * first - c * second) / determinant;
        other.theta[self.shape.v(1)] = (-b * first + a * second) / determinant;
        other
    }

    fn rotated(&self, angle: f64) -> Self {
        self.mixed([angle.cos(), -angle.sin(), angle.sin(), angle.cos()])
    }

    /// W h + c in place of W h, and v_0 - v.c: for linear units the same function.
    fn displaced(&self, mut by: impl FnMut() -> f64) -> Self {
        let mut other = self.clone();
        for n in 0..self.shape.hidden {
            let c = by();
            other.theta[self.shape.w(n, 0)] += c;
            other.theta[self.shape.v_bias()] -= c * self.theta[self.shape.v(n)];
        }
        other
    }

    /// Copies with the same spectrum.
    fn same_by_symmetry(&self, activation: Activation) -> Vec<Self> {
        let mut copies = vec![self.clone(), self.reordered(&[2, 0, 1]), self.reordered(&[1, 0, 2])];
        copies.push(match activation {
            Activation::Linear => self.rotated(0.7).turned(2),
            Activation::Tanh | Activation::Erf => self.turned(0).turned(2).reordered(&[0, 2, 1]),
            Activation::Square => self.mirrored(0).mirrored(2).reordered(&[0, 2, 1]),
            _ => self.reordered(&[2, 1, 0]),
        });
        copies
    }

    /// Copies with the same function.
    fn same_by_function(&self, activation: Activation) -> Vec<Self> {
        let mut copies = self.same_by_symmetry(activation);
        match activation {
            Activation::Linear => copies.extend([self.mixed([2.0, 0.5, -1.0, 3.0]), self.mixed([0.1, 4.0, -1.0, 0.3])]),
            Activation::Sigmoid => copies.extend([self.flipped(1), self.flipped(0).flipped(2).reordered(&[1, 2, 0])]),
            Activation::Relu => {
                copies.extend([self.scaled(1, 2.5, 1), self.scaled(0, 0.2, 1).scaled(2, 7.0, 1).reordered(&[1, 2, 0])]);
            }
            Activation::Square => copies.extend([self.scaled(1, -2.5, 2), self.scaled(0, 0.4, 2).mirrored(2)]),
            _ => {}
        }
        copies
    }

    /// This network under one of the maps at random.
    fn mapped(&self, activation: Activation, maps: Maps, draws: &mut Draws) -> Self {
        let hidden = self.shape.hidden;
        let mut order: Vec<usize> = (0..hidden).collect();
        (1..hidden).rev().for_each(|n| order.swap(n, draws.count(n + 1) - 1));
        let mut other = self.reordered(&order);
        match (activation, maps) {
            (Activation::Linear, Maps::Symmetry) => {
                other = other.rotated(draws.within(0.0, 6.0)).reordered(&[1, 2, 0]).rotated(draws.within(0.0, 6.0));
            }
            (Activation::Linear, Maps::Function) => {
                let mut factors = || [draws.within(1.0, 2.0), draws.within(-0.5, 0.5), draws.within(-0.5, 0.5), 1.0];
                let (first, second) = (factors(), factors());
                other = other.mixed(first).reordered(&[1, 2, 0]).mixed(second).displaced(|| draws.within(-1.0, 1.0));
            }
            (Activation::Relu, Maps::Function) => {
                (0..hidden).for_each(|n| other = other.scaled(n, draws.within(0.2, 5.0), 1));
            }
            (Activation::Square, _) => {
                (0..hidden).filter(|_| draws.unit() < 0.5).for_each(|n| other = other.mirrored(n));
                if maps == Maps::Function {
                    (0..hidden).for_each(|n| other = other.scaled(n, draws.within(0.5, 2.0), 2));
                }
            }
            (Activation::Tanh | Activation::Erf, _) => {
                (0..hidden).filter(|_| draws.unit() < 0.5).for_each(|n| other = other.turned(n));
            }
            (Activation::Sigmoid, Maps::Function) => {
                (0..hidden).filter(|_| draws.unit() < 0.5).for_each(|n| other = other.flipped(n));
            }
            _ => {}
        }
        other
    }
}

/// How many eigenvalues of H are below 0, and how many are 0, by the tolerance of polished networks.
fn inertia(problem: &Problem, theta: &[f64]) -> (usize, usize) {
    let eigenvalues = spectrum(hessian(problem, theta).view(), 0).unwrap().eigenvalues;
    let tau = 1e-9 * eigenvalues.iter().map(|value| value * value).sum::<f64>().sqrt();
    let count = |of: &dyn Fn(f64) -> bool| eigenvalues.iter().filter(|&&value| of(value)).count();
    (count(&|value| value < -tau), count(&|value| value.abs() <= tau))
}

fn close(a: &[f64], b: &[f64], within: f64) -> bool {
    let size = a.iter().fold(1.0, |size: f64, x| size.max(x.abs()));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= within * size)
}

/// Maps keep the loss, and a network is found to be the same as what they make of it, and as no other; those of the
/// first kind keep the spectrum as well.
#[test]
fn a_network_is_the_same_under_any_map_and_as_no_other() {
    let mut draws = Draws::new(41);
    let networks = if support::is_full() { 10_000 } else { 100 };
    for activation in Activation::ALL {
        let problem = Problem::new(3, activation, appendix_c(10, 0, Stream::TrainData).unwrap());
        for maps in [Maps::Symmetry, Maps::Function] {
            let mut other = Network::drawn(problem.paper().unwrap().network.shape, &mut draws);
            for _ in 0..networks {
                let network = Network::drawn(problem.paper().unwrap().network.shape, &mut draws);
                let copy = network.mapped(activation, maps, &mut draws);
                let [a, b] = [&network, &copy].map(|network| loss(&problem, &network.theta));
                // Of two sums of 10 samples, through weights of up to 100.
                assert!((a - b).abs() <= 1e-11 * a, "{activation:?} {maps:?}: {a} {b}");
                if maps == Maps::Symmetry {
                    let [a, b] = [&network, &copy]
                        .map(|network| spectrum(hessian(&problem, &network.theta).view(), 0).unwrap().eigenvalues);
                    assert!(close(&a, &b, 1e-12), "{activation:?}: {a:?} {b:?}");
                }
                let compared = Compared::of(&problem, &[other, network.clone(), copy]);
                assert_eq!(compared.same_within(maps, END_NEARNESS).duplicate_of, [0, 1, 1], "{activation:?} {maps:?}");
                other = network;
            }
        }
    }
}

/// At a critical point, minimum or saddle, maps that keep the function alone keep index and nullity (Sylvester), though
/// not lambda.
#[test]
fn maps_of_the_function_keep_index_and_nullity_of_a_critical_point() {
    let mut draws = Draws::new(42);
    let networks = if support::is_full() { 10_000 } else { 10 };
    // Labels that no network explains: the minimum is finite.
    let x = Array2::from_shape_fn((300, 2), |_| draws.within(-3.0, 3.0));
    let logistic = |y: f64| 1.0 / (1.0 + (-y).exp());
    // One unit that bends within the data, and labels by chance.
    let q = x.rows().into_iter().map(|x| logistic(4.0 * logistic(1.5 * x[0] - x[1]) - 2.0));
    let q: ndarray::Array1<f64> = q.map(|p| f64::from(draws.unit() < p)).collect();
    let data = Dataset::new(x, q).unwrap();
    for activation in [Activation::Linear, Activation::Sigmoid, Activation::Tanh, Activation::Erf, Activation::Square] {
        let one = Problem::new(1, activation, data.clone());
        let problem = Problem::new(3, activation, data.clone());
        let minimum = (0..20).find_map(|_| {
            let start: Vec<f64> = (0..one.network.parameters()).map(|_| draws.within(-1.0, 1.0)).collect();
            let objective = Objective { problem: &one, weight_decay: 0.0 };
            let found = polish(objective, &start, &Polish::default(), &Stop::default()).unwrap().unwrap();
            (found.end == End::Minimum).then_some(found.theta)
        });
        let minimum = minimum.expect("some descent ends at a minimum");
        // A unit that is cut into three of its kind: a critical point of the wider network, where the parts have both
        // signs a saddle, where they have one a saddle or a minimum (Fukumizu and Amari 2000). For linear units both
        // are the minimum.
        let (narrow, shape) = (one.paper().unwrap().network.shape, problem.paper().unwrap().network.shape);
        for shares in [[0.6, 0.3, 0.1], [1.4, -0.3, -0.1]] {
            let mut critical = Network { shape, theta: vec![0.0; shape.parameters()] };
            critical.theta[shape.v_bias()] = minimum[narrow.v_bias()];
            for (n, share) in shares.into_iter().enumerate() {
                (0..=2).for_each(|m| critical.theta[shape.w(n, m)] = minimum[narrow.w(0, m)]);
                critical.theta[shape.v(n)] = share * minimum[narrow.v(0)];
            }
            let expected = inertia(&problem, &critical.theta);
            assert!(expected.1 > 0, "{activation:?} {expected:?}");
            if activation == Activation::Linear || shares[1] < 0.0 {
                assert_eq!(expected.0 > 0, activation != Activation::Linear, "{activation:?} {expected:?}");
            }
            let mut lambdas = Vec::new();
            for _ in 0..networks {
                let copy = critical.mapped(activation, Maps::Function, &mut draws);
                assert_eq!(inertia(&problem, &copy.theta), expected, "{activation:?} {shares:?}");
                lambdas.push(spectrum(hessian(&problem, &copy.theta).view(), 0).unwrap().lambda_max());
            }
            let apart = lambdas.iter().any(|lambda| (lambda - lambdas[0]).abs() > 1e-3 * lambdas[0]);
            let is_odd = matches!(activation, Activation::Tanh | Activation::Erf);
            assert_eq!(apart, !is_odd, "{activation:?}: {lambdas:?}");
        }
    }
}

/// Copies of three networks, of which one was found once.
#[test]
fn ends_are_distinct_up_to_the_maps_of_the_function() {
    let mut draws = Draws::new(43);
    let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
    let ends: Vec<Network> =
        (0..3).map(|_| Network::drawn(problem.paper().unwrap().network.shape, &mut draws)).collect();
    let of = [0, 1, 0, 0, 2, 1, 0];
    let networks: Vec<Network> =
        of.iter().map(|&end| ends[end].mapped(Activation::Sigmoid, Maps::Function, &mut draws)).collect();
    let Compared { theta, loss, lambda_sup, .. } = Compared::of(&problem, &networks);
    let shape = problem.paper().unwrap().network.shape;
    let compared = ComparedNetworks {
        shape: shape.into(),
        activation: Activation::Sigmoid,
        trained_on: Loss::Logistic,
        theta: theta.view(),
        loss: &loss,
        lambda_sup: &lambda_sup,
    };
    let found = distinct_ends(&compared).unwrap();
    assert_eq!(found.first_of, [0, 1, 0, 0, 4, 1, 0]);
    let basins: Vec<(usize, usize)> = found.basins.iter().map(|basin| (basin.first, basin.networks)).collect();
    assert_eq!(basins, [(0, 4), (1, 2), (4, 1)]);
    assert_eq!((found.found_by(1), found.found_by(2)), (1, 1));
}

/// The columns that networks are compared by.
struct Compared {
    theta: Array2<f32>,
    loss: Vec<f64>,
    lambda_sup: Vec<f64>,
    problem: Problem,
}

impl Compared {
    fn of(problem: &Problem, networks: &[Network]) -> Self {
        let theta =
            Array2::from_shape_fn((networks.len(), problem.network.parameters()), |(k, d)| networks[k].theta[d] as f32);
        let each = |of: &dyn Fn(&[f64]) -> f64| networks.iter().map(|network| of(&network.theta)).collect();
        let lambda_sup = |theta: &[f64]| {
            let h = hessian(problem, theta);
            wolkowicz_styan(h.diag().sum(), h.iter().map(|h| h * h).sum(), theta.len()).lambda_sup
        };
        Self {
            theta,
            loss: each(&|theta| loss(problem, theta)),
            lambda_sup: each(&lambda_sup),
            problem: problem.clone(),
        }
    }

    fn same(&self, maps: Maps) -> Same {
        self.same_within(maps, Nearness::default())
    }

    fn same_within(&self, maps: Maps, within: Nearness) -> Same {
        let sharpsweep::model::Network { shape, activation } = self.problem.network;
        let (loss, lambda_sup) = (&self.loss, &self.lambda_sup);
        let (trained_on, theta) = (self.problem.loss(), self.theta.view());
        let networks = ComparedNetworks { shape, activation, trained_on, theta, loss, lambda_sup };
        same_networks_within(&networks, maps, within).unwrap()
    }
}

fn problem(activation: Activation) -> Problem {
    Problem::new(3, activation, appendix_c(30, 0, Stream::TrainData).unwrap())
}

#[test]
fn copies_of_a_network_count_once_for_every_activation() {
    for activation in Activation::ALL {
        let problem = problem(activation);
        for key in 0..10 {
            let mut draws = Draws::new(key);
            let [network, other] = [0, 1].map(|_| Network::drawn(problem.paper().unwrap().network.shape, &mut draws));
            let mut copies = network.same_by_symmetry(activation);
            copies.push(other.clone());
            let compared = Compared::of(&problem, &copies);
            // If they were not copies, the test would say nothing.
            for k in 1..4 {
                assert!((compared.loss[k] - compared.loss[0]).abs() <= 1e-9 * compared.loss[0], "{activation:?} {key}");
                let [a, b] = [k, 0].map(|k| compared.lambda_sup[k]);
                assert!((a - b).abs() <= 1e-9 * b, "{activation:?} {key}");
            }
            for maps in [Maps::Symmetry, Maps::Function] {
                let found = compared.same(maps);
                assert_eq!(found.duplicate_of, [0, 0, 0, 0, 4], "{activation:?} {key} {maps:?}: {found}");
            }
            let mut copies = network.same_by_function(activation);
            copies.push(other);
            let compared = Compared::of(&problem, &copies);
            let last = copies.len() - 1;
            for k in 1..last {
                assert!((compared.loss[k] - compared.loss[0]).abs() <= 1e-9 * compared.loss[0], "{activation:?} {key}");
            }
            let found = compared.same(Maps::Function);
            assert!(found.duplicate_of[..last].iter().all(|&first| first == 0), "{activation:?} {key}: {found}");
            assert_eq!(found.duplicate_of[last], last, "{activation:?} {key}: {found}");
            // Copies that keep only the function are told apart by symmetry.
            let found = compared.same(Maps::Symmetry);
            assert_eq!(found.unique(), 2 + last - 4, "{activation:?} {key}: {found}");
        }
    }
}

/// A turned unit of softplus, GELU, silu or relu leaves a linear term behind, a turned unit of sigmoid without its bias
/// a constant, and one of square turns the sign of its share.
#[test]
fn what_changes_the_function_is_no_copy() {
    for activation in [
        Activation::Softplus,
        Activation::Gelu,
        Activation::Silu,
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Square,
    ] {
        let problem = problem(activation);
        let network = Network::drawn(problem.paper().unwrap().network.shape, &mut Draws::new(3));
        let others = [network.clone(), network.turned(0), network.turned(0).turned(1).turned(2)];
        for maps in [Maps::Symmetry, Maps::Function] {
            // Even where loss and bound do not tell them apart.
            let mut compared = Compared::of(&problem, &others);
            compared.loss.fill(1.0);
            compared.lambda_sup.fill(1.0);
            assert_eq!(compared.same(maps).duplicate_of, [0, 1, 2], "{activation:?} {maps:?}");
        }
    }
}

#[test]
fn units_that_are_nearly_equal_are_matched_by_the_best_assignment() {
    let problem = problem(Activation::Tanh);
    let mut draws = Draws::new(11);
    for case in 0..50 {
        let mut network = Network::drawn(problem.paper().unwrap().network.shape, &mut draws);
        // Units 0 and 1 agree to 1e-6 in all weights but one, which differs by 1; unit 2 is the first with its signs
        // turned.
        for place in (0..3).map(|m| problem.paper().unwrap().network.shape.w(0, m)).chain([problem
            .paper()
            .unwrap()
            .network
            .shape
            .v(0)])
        {
            network.theta[place + 1] = network.theta[place] * (1.0 + 1e-6 * draws.unit());
            network.theta[place + 2] = -network.theta[place] * (1.0 + 1e-6 * draws.unit());
        }
        network.theta[problem.paper().unwrap().network.shape.w(1, case % 3)] += 1.0;
        let mut copies = network.same_by_symmetry(Activation::Tanh);
        for copy in &mut copies {
            // As far apart as training leaves them.
            copy.theta.iter_mut().for_each(|theta| *theta *= 1.0 + 0.004 * (draws.unit() - 0.5));
        }
        let found = Compared::of(&problem, &copies).same(Maps::Symmetry);
        assert_eq!(found.duplicate_of, [0; 4], "{case}: {found}");
    }
}

/// All permutations of `n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(n - 1);
    shorter.iter().flat_map(|p| (0..n).map(move |at| [&p[..at], &[n - 1], &p[at..]].concat())).collect()
}

fn length(theta: ArrayView1<'_, f64>) -> f64 {
    theta.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The rule as stated, by trying every order and, for tanh and square, every sign.
fn by_definition(compared: &Compared) -> Vec<usize> {
    let shape = compared.problem.paper().unwrap().network.shape;
    let agree = |a: f64, b: f64| (a - b).abs() <= VALUES_WITHIN * a.abs().max(b.abs());
    let theta = compared.theta.mapv(f64::from);
    let (signs, turn): (u32, fn(&Network, usize) -> Network) = match compared.problem.network.activation {
        Activation::Tanh => (1 << shape.hidden, Network::turned),
        Activation::Square => (1 << shape.hidden, Network::mirrored),
        _ => (1, Network::turned),
    };
    let nearest = |i: usize, j: usize| {
        let network = Network { shape, theta: theta.row(j).to_vec() };
        let mut least = f64::INFINITY;
        for order in permutations(shape.hidden) {
            for mask in 0..signs {
                let turned = (0..shape.hidden).filter(|n| mask >> n & 1 == 1);
                let mapped = turned.fold(network.reordered(&order), |network, n| turn(&network, n));
                least = least.min(length((&theta.row(i) - &Array1::from(mapped.theta)).view()));
            }
        }
        least
    };
    let mut duplicate_of: Vec<usize> = Vec::new();
    for i in 0..theta.nrows() {
        let same = |j: &usize| {
            let j = *j;
            duplicate_of[j] == j
                && agree(compared.loss[i], compared.loss[j])
                && agree(compared.lambda_sup[i], compared.lambda_sup[j])
                && nearest(i, j) <= WITHIN * length(theta.row(i)).max(length(theta.row(j)))
        };
        duplicate_of.push((0..i).find(same).unwrap_or(i));
    }
    duplicate_of
}

#[test]
fn the_search_finds_what_trying_every_map_finds() {
    for activation in [Activation::Tanh, Activation::Gelu, Activation::Square] {
        let problem = problem(activation);
        let mut draws = Draws::new(5);
        // Some networks, and copies of them at distances all around the tolerance, over two batches of the search.
        let originals: Vec<Network> =
            (0..60).map(|_| Network::drawn(problem.paper().unwrap().network.shape, &mut draws)).collect();
        let networks: Vec<Network> = (0..1300)
            .map(|k| {
                let copies = originals[k % 60].same_by_symmetry(activation);
                let mut copy = copies[k / 60 % 4].clone();
                let spread = draws.within(0.0, 0.6);
                copy.theta.iter_mut().for_each(|theta| *theta += spread * (draws.unit() - 0.5) * 2.0);
                copy
            })
            .collect();
        let compared = Compared::of(&problem, &networks);
        let found = compared.same(Maps::Symmetry);
        assert_eq!(found.duplicate_of, by_definition(&compared), "{activation:?}");
        assert!((200..1200).contains(&found.unique()), "{found}");
    }
}

#[test]
fn zeros_infinities_and_what_does_not_fit_are_met_with_a_word() {
    let shape = OneHidden::new(1, 2);
    let theta = Array2::<f32>::zeros((3, shape.parameters()));
    fn networks<'a>(theta: &'a Array2<f32>, loss: &'a [f64], lambda_sup: &'a [f64]) -> ComparedNetworks<'a> {
        ComparedNetworks {
            shape: OneHidden::new(1, 2).into(),
            activation: Activation::Tanh,
            trained_on: Loss::Logistic,
            theta: theta.view(),
            loss,
            lambda_sup,
        }
    }
    let found = |loss: &[f64], lambda_sup: &[f64]| {
        same_networks(&networks(&theta, loss, lambda_sup), Maps::Symmetry).map(|found| found.duplicate_of)
    };
    assert_eq!(found(&[0.0; 3], &[0.0; 3]), Ok(vec![0, 0, 0]));
    assert_eq!(found(&[f64::NAN; 3], &[0.0; 3]), Ok(vec![0, 1, 2]));
    assert_eq!(found(&[1.0; 3], &[f64::NAN, 2.0, 2.0]), Ok(vec![0, 1, 1]));
    assert_eq!(found(&[1.0, 0.0, 1e300], &[0.0; 3]), Ok(vec![0, 1, 2]));
    let error = found(&[1.0; 2], &[0.0; 3]).unwrap_err().to_string();
    assert_eq!(error, "there are 2 losses where there must be 3");
    let mut broken = theta.clone();
    broken[[1, 2]] = f32::NAN;
    let error = same_networks(&networks(&broken, &[1.0; 3], &[1.0; 3]), Maps::Function).unwrap_err().to_string();
    assert!(error.contains("value 9 of the networks' weights is NaN"), "{error}");
    broken.fill(f32::MAX);
    assert!(same_networks(&networks(&broken, &[1.0; 3], &[1.0; 3]), Maps::Function).is_ok());
    let wide = OneHidden::new(1, 3000);
    let theta = Array2::<f32>::zeros((2, wide.parameters()));
    let networks = |activation| ComparedNetworks {
        shape: wide.into(),
        activation,
        trained_on: Loss::Logistic,
        theta: theta.view(),
        loss: &[1.0; 2],
        lambda_sup: &[1.0; 2],
    };
    let error = same_networks(&networks(Activation::Gelu), Maps::Symmetry).unwrap_err().to_string();
    assert!(error.contains("3000 hidden units are too wide") && error.contains("--by distance"), "{error}");
    assert!(same_networks(&networks(Activation::Linear), Maps::Function).is_ok());
    assert!(same_networks(&networks(Activation::Square), Maps::Function).is_ok());
    for (activation, maps) in
        [(Activation::Linear, Maps::Symmetry), (Activation::Relu, Maps::Function), (Activation::Square, Maps::Function)]
    {
        let deep = ComparedNetworks { shape: Shape::new(2, &[8, 8], 1).unwrap(), ..networks(activation) };
        let error = same_networks(&deep, maps).unwrap_err().to_string();
        assert!(error.contains("2-8-8-1") && error.contains(activation.name()), "{error}");
        assert!(error.contains("--by distance"), "{error}");
    }
}

fn duplicate_of(run: &Path) -> Vec<i64> {
    read_npy::<_, Array1<i64>>(run.join("duplicate_of.npy")).unwrap().to_vec()
}

fn unique(run: &Path) -> usize {
    duplicate_of(run).iter().enumerate().filter(|&(row, &of)| of == row as i64).count()
}

/// Wine, classes 0 and 1: every seed ends in a different network.
#[test]
fn networks_that_differ_are_all_kept_on_wine() {
    let dir = tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let [x, q] = ["x", "q"].map(|part| data.join(format!("wine-0-1-train-{part}.npy")).to_str().unwrap().to_owned());
    let sweep = ["sweep", "--backend", "cpu", "--x", &x, "--q", &q, "--hidden", "4", "--seeds", "512", "--out", "run"];
    succeed(dir.path(), &sweep);
    let run = dir.path().join("run");
    let converged = read_npy::<_, Array1<u8>>(run.join("status.npy")).unwrap().iter().filter(|&&s| s == 0).count();
    assert!(converged > 500, "{converged}");
    for by in ["symmetry", "function"] {
        succeed(dir.path(), &["duplicates", "run", "--by", by]);
        assert_eq!(unique(&run), converged, "by {by}");
    }
    // The paper's rule takes networks of very different sharpness for one network.
    succeed(dir.path(), &["duplicates", "run", "--by", "distance"]);
    assert!(unique(&run) < converged - 50, "{} of {converged}", unique(&run));
    let lambda_sup: Array1<f64> = read_npy(run.join("lambda_sup.npy")).unwrap();
    let of = duplicate_of(&run);
    let apart = |row: usize| {
        let [a, b] = [lambda_sup[row], lambda_sup[of[row] as usize]];
        a.max(b) / a.min(b)
    };
    assert!((0..of.len()).filter(|&row| of[row] >= 0).map(apart).fold(1.0, f64::max) > 5.0);
}

/// The paper's experiment, 200 seeds of draw 0: seeds 117 and 147 are one network with its units in another order, and
/// the two sharpest.
#[test]
fn two_seeds_that_ended_in_one_network_are_the_same_and_no_figure_shows_both() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "200", "--data-seed", "0", "--out", "run"]);
    let run = dir.path().join("run");
    succeed(dir.path(), &["duplicates", "run", "--by", "distance"]);
    let of = duplicate_of(&run);
    assert_eq!((of[117], of[147]), (117, 147), "nearer than the paper's threshold as they stand");
    for by in [&[][..], &["--by", "symmetry"], &["--by", "function"]] {
        succeed(dir.path(), &[&["duplicates", "run"][..], by].concat());
        let of = duplicate_of(&run);
        assert_eq!(of[147], of[117], "{by:?}");
        assert!(of[117] >= 0);
    }
    assert_eq!(manifest(&run)["derived"][0]["rule"], "function");

    let found = succeed(dir.path(), &["duplicates", "run", "--json"]).stdout;
    let found: serde_json::Value = serde_json::from_slice(&found).unwrap();
    // Unique is the default.
    for (over, noun) in [
        ("", "unique critical points"),
        ("converged", "critical points, unique or not"),
        ("all", "networks that are finite, converged or not"),
    ] {
        let args = if over.is_empty() { vec![] } else { vec!["--over", over] };
        let output = succeed(dir.path(), &[&["report", "run", "--out", noun][..], &args].concat());
        let report = dir.path().join(noun);
        let values: Array1<f64> = read_npy(report.join("figures/figure-06/lambda_sup.npy")).unwrap();
        let count = match over {
            "" => found["unique"].as_u64().unwrap(),
            "converged" => found["converged"].as_u64().unwrap(),
            _ => 200,
        };
        assert_eq!(values.len() as u64, count, "{over}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("over the {count} {noun}")), "{text}");
        assert_eq!(text.contains("unique by symmetry"), over.is_empty(), "{text}");
        // The two are the sharpest, and where all converged networks are shown, both are shown.
        let page = std::fs::read_to_string(report.join("report.html")).unwrap();
        assert!(!page.contains("(b) seed 147") || !page.contains("(a) seed 117"), "{over}");
        if over == "converged" {
            assert!(page.contains("as the same network by its function as seed 117: seed 147"), "{over}");
        }
    }
    fail(dir.path(), &["report", "run", "--over", "some"], 2);
}

#[test]
fn the_manifest_says_which_rule_wrote_the_column_and_stays_what_it_was() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "60", "--max-steps", "1500", "--out", "run"]);
    let run = dir.path().join("run");
    let before = manifest(&run);
    assert_eq!(before.get("derived"), None);
    for (by, numbers) in [
        ("distance", vec!["mean", "std", "threshold"]),
        ("function", vec!["loss_within", "theta_within"]),
        ("symmetry", vec!["lambda_sup_within", "loss_within", "theta_within"]),
        ("symmetry", vec!["lambda_sup_within", "loss_within", "theta_within"]),
    ] {
        succeed(dir.path(), &["duplicates", "run", "--by", by]);
        let mut now = manifest(&run);
        let derived = now.as_object_mut().unwrap().remove("derived").unwrap();
        assert_eq!(now, before);
        let [derived] = derived.as_array().unwrap().as_slice() else { panic!("{derived}") };
        assert_eq!((&derived["name"], &derived["rule"]), (&"duplicate_of".into(), &by.into()));
        assert_eq!(derived["numbers"].as_object().unwrap().keys().collect::<Vec<_>>(), numbers);
        assert!(derived["meaning"].as_str().unwrap().contains("-1"));
    }
    // A run with such an entry is like any other.
    for args in [&["resume", "run"][..], &["report", "run"], &["merge", "run", "--out", "merged"]] {
        succeed(dir.path(), args);
    }
    assert_eq!(manifest(&dir.path().join("merged")).get("derived"), None);
    assert!(!dir.path().join("merged/duplicate_of.npy").exists());
}

#[test]
fn an_unfinished_run_is_refused_by_every_rule() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "20", "--max-steps", "50", "--out", "run"]);
    let path = dir.path().join("run/manifest.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"finished\"", "\"running\"");
    std::fs::write(&path, &text).unwrap();
    for by in ["distance", "symmetry", "function"] {
        let stderr = fail(dir.path(), &["duplicates", "run", "--by", by], 1);
        assert!(stderr.contains("unfinished") && stderr.contains("sharpsweep resume run"), "{stderr}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert!(!dir.path().join("run/duplicate_of.npy").exists());
}

/// Copies in a file of weights, as a user may have them.
#[test]
fn copies_in_a_file_count_once_and_lambda_differs_by_function_alone() {
    let dir = tempdir().unwrap();
    let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
    let network = Network::drawn(problem.paper().unwrap().network.shape, &mut Draws::new(2));
    let copies = network.same_by_function(Activation::Sigmoid);
    let theta = Array2::from_shape_fn((copies.len(), problem.network.parameters()), |(k, d)| copies[k].theta[d]);
    write_npy(dir.path().join("theta.npy"), &theta).unwrap();
    write_npy(dir.path().join("x.npy"), &problem.data.x().to_owned()).unwrap();
    write_npy(dir.path().join("q.npy"), &problem.data.q().unwrap().to_owned()).unwrap();
    let evaluate = "evaluate --backend cpu --theta theta.npy --x x.npy --q q.npy --out run";
    succeed(dir.path(), &evaluate.split(' ').collect::<Vec<_>>());
    let json = |by| -> serde_json::Value {
        serde_json::from_slice(&succeed(dir.path(), &["duplicates", "run", "--by", by, "--json"]).stdout).unwrap()
    };
    assert_eq!(json("symmetry")["unique"], 3);
    let found = json("function");
    assert_eq!((&found["unique"], &found["classes"]), (&1.into(), &1.into()));
    let lambda_sup: Array1<f64> = read_npy(dir.path().join("run/lambda_sup.npy")).unwrap();
    let range = lambda_sup.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), &l| (low.min(l), high.max(l)));
    let ratio = &found["lambda_sup_ratio"];
    assert_eq!((ratio["from"].as_f64().unwrap(), ratio["to"].as_f64().unwrap()), range);
    assert!(ratio["largest"].as_f64().unwrap() > 1.01, "{found}");
    let printed = String::from_utf8(succeed(dir.path(), &["duplicates", "run", "--by", "function"]).stdout).unwrap();
    assert!(
        printed.contains("1 of 6 networks are unique by function") && printed.contains("differ by a factor"),
        "{printed}"
    );
}
