//! The paper's inequalities over random and trained networks of all activations, and the cases in which they are
//! equalities.
//!
//! Every inequality is also tried with its bound lowered, which must be noticed: a check that nothing can violate says
//! nothing.

mod support;

use std::sync::LazyLock;

use ndarray::{Array1, Array2};
use rayon::prelude::*;
use sharpsweep::bounds::{
    MomentBounds, NetworkBounds, WolkowiczStyan, bracket, gram_norms, hidden_gram_bound, input_gram_bound, input_trace,
    input_trace_bound, moment_bounds, network_bounds, residual_bound, trace_sq_range_if_psd, trace_vv_bound,
    wolkowicz_styan,
};
use sharpsweep::engine::{ClosedForms, Descent, LayerTraces, Powers, Rounding, Status};
use sharpsweep::model::{Activation, Dataset, Problem, Stream, appendix_c, initial_theta};
use sharpsweep::reference::{
    Spectrum, Terms, hessian, hessian_moments, output, pair_forms, spectrum, terms, trace_sq, trace_vv, trace_ww, train,
};
use support::Draws;

/// Random networks in the common pool, over all activations in turn: each inequality needs 10,000 that meet its
/// premise.
const RANDOM: u32 = 108_000;

/// Rounding allowed to every inequality, relative to the larger side's natural scale: the sums behind it have at most a
/// few thousand terms of f64.
const ROUNDING: f64 = 1e-12;

/// The activations whose values are at most 1 in magnitude.
const BOUNDED: [Activation; 3] = [Activation::Sigmoid, Activation::Tanh, Activation::Erf];

/// A network, with everything that the theorems speak of.
struct Measured {
    name: String,
    problem: Problem,
    theta: Vec<f64>,
    terms: Terms,
    trace_ww: f64,
    trace_vv: f64,
    trace_sq: f64,
    spectrum: Spectrum,
    bounds: NetworkBounds,
    wolkowicz_styan: WolkowiczStyan,
    four_moments: MomentBounds,
    /// The same, widened for rounding.
    widened: MomentBounds,
}

impl Measured {
    fn new(name: String, problem: Problem, theta: Vec<f64>) -> Self {
        let terms = terms(&problem.paper().unwrap(), &theta);
        let (trace_ww, trace_vv) = (trace_ww(&problem.paper().unwrap(), &theta, &terms), trace_vv(&terms));
        let trace_sq = trace_sq(&problem.paper().unwrap(), &theta, &terms);
        let hessian = hessian(&problem, &theta);
        let moments = hessian_moments(hessian.view(), Powers::Four, 0.0);
        // Without the traces, so that the bounds are those of the moments alone.
        let (nothing, rounding) = (f64::NAN, Rounding::default());
        let forms = ClosedForms {
            loss: nothing,
            gradient_sq: nothing,
            layer_trace: LayerTraces::new([nothing; 2]),
            trace_sq: nothing,
            rounding,
        };
        Self {
            trace_ww,
            trace_vv,
            trace_sq,
            spectrum: spectrum(hessian.view(), 0).unwrap(),
            bounds: network_bounds(&problem.paper().unwrap(), &theta),
            wolkowicz_styan: wolkowicz_styan(trace_ww + trace_vv, trace_sq, problem.network.parameters()),
            four_moments: moment_bounds(&moments),
            widened: bracket(&forms, moments.parameters, &moments, None).moments,
            name,
            problem,
            theta,
            terms,
        }
    }

    fn trace(&self) -> f64 {
        self.trace_ww + self.trace_vv
    }

    /// ||H||_F, which no eigenvalue exceeds.
    fn norm(&self) -> f64 {
        self.trace_sq.sqrt()
    }

    fn is_in_cube(&self) -> bool {
        self.problem.data.x().iter().all(|x| x.abs() <= 1.0)
    }
}

/// Network `index` of the pool: activations in turn, M and N up to 5, I up to 12, weights from 0.03 to 30 and inputs in
/// the unit cube or well beyond it.
fn random_network(index: u32) -> (Problem, Vec<f64>) {
    let mut draws = Draws::new(index);
    let activation = Activation::ALL[index as usize % Activation::ALL.len()];
    let (inputs, hidden, samples) = (draws.count(5), draws.count(5), draws.count(12));
    let (low, high) = [(0.0, 1.0), (-1.0, 1.0), (-4.0, 4.0)][draws.count(3) - 1];
    let x = Array2::from_shape_simple_fn((samples, inputs), || draws.within(low, high));
    let q = Array1::from_shape_simple_fn(samples, || draws.unit().round());
    let problem = Problem::new(hidden, activation, Dataset::new(x, q).unwrap());
    let size = 0.03 * 1000_f64.powf(draws.unit());
    let theta = (0..problem.network.parameters()).map(|_| draws.within(-size, size)).collect();
    (problem, theta)
}

/// Networks trained on the paper's data, eight seeds per activation, stopped at a critical point or after 3,000 steps.
fn trained_networks() -> Vec<(String, Problem, Vec<f64>)> {
    let data = appendix_c(30, 1, Stream::TrainData).unwrap();
    let runs: Vec<(Activation, u64)> =
        Activation::ALL.into_iter().flat_map(|activation| (0..8).map(move |seed| (activation, seed))).collect();
    runs.into_par_iter()
        .map(|(activation, seed)| {
            let bounded = BOUNDED.contains(&activation);
            let (init_range, step_size) = if bounded { (10.0, 0.05) } else { (1.0, 0.005) };
            let descent = Descent { init_range, step_size, max_steps: 3000, tolerance: 1e-3, weight_decay: 0.0 };
            let problem = Problem::new(3, activation, data.clone());
            let mut theta: Vec<f64> =
                initial_theta(problem.network.parameters(), seed, init_range).into_iter().map(f64::from).collect();
            let outcome = train(&problem, &descent, &mut theta);
            assert_ne!(outcome.status, Status::NonFinite, "{activation:?} seed {seed}");
            (format!("trained {activation:?}, seed {seed}"), problem, theta)
        })
        .collect()
}

/// The common pool: the random networks and the trained ones.
static POOL: LazyLock<Vec<Measured>> = LazyLock::new(|| {
    let random = (0..RANDOM).into_par_iter().map(|index| {
        let (problem, theta) = random_network(index);
        Measured::new(format!("random network {index}"), problem, theta)
    });
    let mut pool: Vec<Measured> = random.collect();
    // Saturated networks can have a Hessian of 1e-200, whose tr H^2 is below the range of f64: nothing can be compared
    // there.
    pool.retain(|network| network.trace_sq > 1e-280);
    pool.extend(trained_networks().into_par_iter().map(|(name, p, t)| Measured::new(name, p, t)).collect::<Vec<_>>());
    pool
});

/// Both sides of an inequality `small` <= `large` for one network, and the scale to which rounding is relative.
struct Sides {
    small: f64,
    large: f64,
    scale: f64,
}

/// The networks of the pool for which small <= large fails beyond `rounding`, NaN included, and how many were tried.
fn violations(rounding: f64, sides: impl Fn(&Measured) -> Option<Sides>) -> (Vec<String>, usize) {
    let (mut misses, mut tried) = (Vec::new(), 0);
    for network in POOL.iter() {
        let Some(Sides { small, large, scale }) = sides(network) else { continue };
        tried += 1;
        let holds = small - large <= rounding * scale;
        if !holds {
            let (activation, shape) =
                (network.problem.network.activation, network.problem.paper().unwrap().network.shape);
            misses.push(format!("{} ({activation:?}, {shape:?}): {small:e} <= {large:e}", network.name));
        }
    }
    (misses, tried)
}

/// The inequality holds for every network of at least `least`, and fails somewhere when its bound is multiplied by
/// `lowered`.
fn assert_inequality(least: usize, lowered: f64, sides: impl Fn(&Measured) -> Option<Sides>) {
    let (misses, tried) = violations(ROUNDING, &sides);
    assert!(misses.is_empty(), "{} of {tried} violate:\n{}", misses.len(), misses[..misses.len().min(8)].join("\n"));
    assert!(tried >= least, "only {tried} networks were tried");
    let weakened = |network: &Measured| sides(network).map(|sides| Sides { large: lowered * sides.large, ..sides });
    let (misses, _) = violations(ROUNDING, weakened);
    assert!(!misses.is_empty(), "the bound times {lowered} holds as well: the check sees nothing");
}

/// The fewest networks that every inequality must be tried on.
const ALL: usize = 10_000;

#[test]
fn theorem_1_bounds_the_largest_eigenvalue_from_both_sides() {
    assert_inequality(ALL, 0.999, |n| {
        let (small, large) = (n.spectrum.lambda_max(), n.wolkowicz_styan.lambda_sup);
        Some(Sides { small, large, scale: n.norm() })
    });
    assert_inequality(ALL, 0.4, |n| {
        let (small, large) = (n.wolkowicz_styan.lambda_max_lower, n.spectrum.lambda_max());
        Some(Sides { small, large, scale: n.norm() })
    });
}

#[test]
fn theorem_1_bounds_the_smallest_eigenvalue_from_both_sides() {
    // Written for -lambda_D, so that the bound to lower is the larger side.
    assert_inequality(ALL, 0.8, |n| {
        let (small, large) = (-n.spectrum.lambda_min(), -n.wolkowicz_styan.lambda_min_lower);
        Some(Sides { small, large, scale: n.norm() })
    });
    assert_inequality(ALL, 0.5, |n| {
        let (small, large) = (-n.wolkowicz_styan.lambda_min_upper, -n.spectrum.lambda_min());
        Some(Sides { small, large, scale: n.norm() })
    });
}

#[test]
fn theorem_2_and_theorem_5_are_the_sums_of_the_eigenvalues_and_their_squares() {
    for n in POOL.iter() {
        let sum: f64 = n.spectrum.eigenvalues.iter().sum();
        let squares: f64 = n.spectrum.eigenvalues.iter().map(|l| l * l).sum();
        let d = n.problem.network.parameters() as f64;
        assert!((sum - n.trace()).abs() <= ROUNDING * d * n.norm(), "{}: {sum} {}", n.name, n.trace());
        assert!((squares - n.trace_sq).abs() <= ROUNDING * d * n.trace_sq, "{}: {squares} {}", n.name, n.trace_sq);
    }
}

#[test]
fn theorem_3_bounds_the_output_trace_of_bounded_activations() {
    // 3 of 9 activations have a finite bound; for the others the inequality says 'below infinity'.
    assert_inequality(ALL, 0.9, |n| {
        Some(Sides { small: n.trace_vv, large: n.bounds.trace_vv_bound, scale: n.trace_vv })
    });
    for n in POOL.iter() {
        let bounded = BOUNDED.contains(&n.problem.network.activation);
        assert_eq!(n.bounds.trace_vv_bound.is_finite(), bounded, "{}", n.name);
    }
    let finite = POOL.iter().filter(|n| n.bounds.trace_vv_bound.is_finite()).count();
    assert!(finite >= ALL, "{finite}");
}

#[test]
fn theorem_4_bounds_the_hidden_trace_of_every_activation_with_a_bounded_slope() {
    // The slope of square has no bound, and its networks no finite one.
    let square = |n: &&Measured| n.problem.network.activation == Activation::Square;
    assert!(POOL.iter().filter(square).all(|n| n.bounds.trace_ww_bound.is_infinite()));
    for activation in Activation::ALL.into_iter().filter(|activation| *activation != Activation::Square) {
        assert_inequality(ALL, 0.5, |n| {
            let sides = Sides { small: n.trace_ww, large: n.bounds.trace_ww_bound, scale: n.bounds.trace_ww_bound };
            (n.problem.network.activation == activation).then_some(sides)
        });
    }
}

#[test]
fn proposition_5_and_6_bound_the_data_in_the_unit_cube() {
    assert_inequality(ALL, 0.9, |n| {
        let (small, large) = (input_trace(&n.problem.data), input_trace_bound(&n.problem.data));
        n.is_in_cube().then_some(Sides { small, large, scale: small })
    });
    assert_inequality(ALL, 0.9, |n| {
        let small = gram_norms(n.problem.data.x()).with_bias;
        n.is_in_cube().then_some(Sides { small, large: input_gram_bound(&n.problem.data), scale: small })
    });
    for n in POOL.iter().filter(|n| !n.is_in_cube()) {
        assert!(input_trace_bound(&n.problem.data).is_infinite() && input_gram_bound(&n.problem.data).is_infinite());
    }
}

#[test]
fn theorem_6_bounds_the_squared_trace() {
    assert_inequality(ALL, 0.8, |n| {
        Some(Sides { small: n.trace_sq, large: n.bounds.trace_sq_bound, scale: n.bounds.trace_sq_bound })
    });
    // The proof covers phi_ij and psi_ij of both signs, so the pool must have both; phi_ii is a square, so phi_max is
    // not among the negative ones.
    let (mut negative_phi, mut negative_psi) = (0, 0);
    for n in POOL.iter() {
        assert!(n.bounds.phi_max >= 0.0, "{}: {}", n.name, n.bounds.phi_max);
        let last = n.terms.samples - 1;
        let forms = pair_forms(&n.problem.paper().unwrap(), &n.theta, &n.terms, 0, last);
        negative_phi += usize::from(forms.phi < 0.0);
        negative_psi += usize::from(forms.psi < 0.0);
    }
    assert!(negative_phi > 500 && negative_psi > 500, "{negative_phi} {negative_psi}");
}

#[test]
fn proposition_7_bounds_the_hidden_gram_matrix_of_bounded_activations() {
    assert_inequality(ALL, 0.9, |n| {
        let hidden = Array2::from_shape_vec((n.terms.samples, n.terms.hidden), n.terms.r.clone()).unwrap();
        let small = gram_norms(hidden.view()).with_bias;
        let large = hidden_gram_bound(&n.problem.paper().unwrap());
        large.is_finite().then_some(Sides { small, large, scale: large })
    });
}

#[test]
fn theorem_7_in_its_form_with_a_rate_bounds_lambda_sup_by_the_residuals() {
    assert_inequality(ALL, 0.7, |n| {
        let large = residual_bound(&n.problem.paper().unwrap(), &n.theta, &n.terms);
        Some(Sides { small: n.wolkowicz_styan.lambda_sup, large, scale: n.norm() })
    });
}

#[test]
fn four_moments_bound_the_largest_eigenvalue_within_their_stated_error() {
    let (misses, tried) = violations(0.0, |n| {
        let large = n.widened.lambda_max_upper4;
        // The eigenvalue solver rounds too.
        let small = n.spectrum.lambda_max() - 1e-14 * n.norm();
        Some(Sides { small, large, scale: 0.0 })
    });
    assert!(misses.is_empty() && tried >= ALL, "{} of {tried}:\n{}", misses.len(), misses.join("\n"));
    let (misses, _) = violations(1e-9, |n| {
        Some(Sides {
            small: n.spectrum.lambda_max(),
            large: n.four_moments.lambda_max_upper4 * (1.0 - 1e-7),
            scale: n.norm(),
        })
    });
    assert!(!misses.is_empty(), "a bound lowered by 1e-7 holds as well");
    assert_inequality(ALL, 0.999, |n| {
        Some(Sides { small: n.four_moments.lambda_max_lower3, large: n.spectrum.lambda_max(), scale: n.norm() })
    });
    // Each new moment tightens the bounds from two moments.
    assert_inequality(ALL, 0.99, |n| {
        let (small, large) = (n.four_moments.lambda_max_upper4, n.wolkowicz_styan.lambda_sup);
        Some(Sides { small, large, scale: n.norm() })
    });
    assert_inequality(ALL, 0.9, |n| {
        let (small, large) = (n.wolkowicz_styan.lambda_max_lower, n.four_moments.lambda_max_lower3);
        Some(Sides { small, large, scale: n.norm() })
    });
}

/// A network whose Hessian is positive semidefinite of rank k, k <= N: k distinct inputs, each with both labels, and
/// output weights that put z = 0 at all of them, so that p = 1/2 and the delta parts of a pair cancel.
fn semidefinite_network(index: u32) -> (Problem, Vec<f64>) {
    // Other numbers than for the random networks.
    let mut draws = Draws::new(index + (1 << 20));
    let activation = Activation::ALL[index as usize % Activation::ALL.len()];
    let (inputs, hidden) = (draws.count(4), draws.count(6));
    let distinct = draws.count(hidden.min(4));
    let points = Array2::from_shape_simple_fn((distinct, inputs), || draws.within(-1.5, 1.5));
    let x = Array2::from_shape_fn((2 * distinct, inputs), |(i, m)| points[[i / 2, m]]);
    let q = Array1::from_shape_fn(2 * distinct, |i| (i % 2) as f64);
    let problem = Problem::new(hidden, activation, Dataset::new(x, q).unwrap());
    let shape = problem.paper().unwrap().network.shape;
    let mut theta: Vec<f64> = (0..shape.parameters()).map(|_| draws.within(-2.0, 2.0)).collect();
    let terms = terms(&problem.paper().unwrap(), &theta);
    let r = |i: usize| Array1::from(terms.row(&terms.r, 2 * i).to_vec());
    // Vt, made orthogonal to r_i - r_0 for all i, by Gram-Schmidt; then v_0 = -Vt r_0.
    let mut vt = Array1::from(theta[shape.v(0)..].to_vec());
    let mut basis: Vec<Array1<f64>> = Vec::new();
    for i in 1..distinct {
        let mut direction = r(i) - r(0);
        for _ in 0..2 {
            for unit in &basis {
                let along = direction.dot(unit);
                direction.scaled_add(-along, unit);
            }
        }
        let length = direction.dot(&direction).sqrt();
        if length > 1e-6 {
            basis.push(direction / length);
        }
    }
    for _ in 0..2 {
        for unit in &basis {
            let along = vt.dot(unit);
            vt.scaled_add(-along, unit);
        }
    }
    theta[shape.v_bias()] = -vt.dot(&r(0));
    theta[shape.v(0)..].copy_from_slice(vt.as_slice().unwrap());
    (problem, theta)
}

/// Whether the smallest eigenvalue, as computed, is no further below 0 than the solver's rounding.
fn is_semidefinite(network: &Measured) -> bool {
    network.spectrum.lambda_min() >= -1e-13 * network.norm()
}

#[test]
fn proposition_8_bounds_the_squared_trace_wherever_the_hessian_is_semidefinite() {
    let made: Vec<Measured> = (0..12_500)
        .into_par_iter()
        .map(|index| {
            let (problem, theta) = semidefinite_network(index);
            Measured::new(format!("semidefinite network {index}"), problem, theta)
        })
        .collect();
    let found = POOL.iter().filter(|n| is_semidefinite(n)).count();
    let checked: Vec<&Measured> = made.iter().chain(POOL.iter()).filter(|n| is_semidefinite(n)).collect();
    assert!(checked.len() >= ALL, "the premise held for only {} networks, {found} of the pool", checked.len());
    // An eigenvalue of -1e-13 lambda_1 that should be 0 moves (tr H)^2 by D 1e-13 relatively.
    let slack = 1e-11;
    let mut above_rank_1 = 0;
    for n in &checked {
        let range = trace_sq_range_if_psd(n.trace(), n.problem.network.parameters());
        assert!(n.trace_sq >= range.start() * (1.0 - slack), "{}: {} in {range:?}", n.name, n.trace_sq);
        assert!(n.trace_sq <= range.end() * (1.0 + slack), "{}: {} in {range:?}", n.name, n.trace_sq);
        above_rank_1 += usize::from(n.trace_sq < 0.99 * range.end());
    }
    assert!(above_rank_1 >= 1_000, "only {above_rank_1} Hessians are more than rank 1");
    // The premise matters: among the other networks many exceed the upper end.
    let exceeding = POOL.iter().filter(|n| !is_semidefinite(n) && n.trace_sq > n.trace().powi(2)).count();
    assert!(exceeding > 100, "{exceeding}");
    // The lower end needs no premise.
    assert_inequality(ALL, 0.1, |n| {
        let range = trace_sq_range_if_psd(n.trace(), n.problem.network.parameters());
        Some(Sides { small: *range.start(), large: n.trace_sq, scale: n.trace_sq })
    });
}

#[test]
fn proposition_1_equality_is_reached_where_all_eigenvalues_but_one_agree() {
    let mut reached = 0;
    for index in 0..500 {
        let (problem, theta) = semidefinite_network(index);
        if problem.data.samples() > 2 {
            continue;
        }
        // One input with both labels: H = g g^T / 2 has the eigenvalues g.g / 2, 0, .. 0.
        let n = Measured::new(format!("rank 1 network {index}"), problem, theta);
        let (sup, max) = (n.wolkowicz_styan.lambda_sup, n.spectrum.lambda_max());
        assert!((sup - max).abs() <= ROUNDING * max, "{}: {sup} {max}", n.name);
        let (exact, widened) = (n.four_moments.lambda_max_upper4, n.widened.lambda_max_upper4);
        assert!((exact - max).abs() <= (widened - exact).max(0.0) + ROUNDING * max);
        reached += 1;
    }
    assert!(reached >= 50, "{reached}");
    // Where two eigenvalues differ from the rest, there is no equality.
    let strict = POOL.iter().filter(|n| n.wolkowicz_styan.lambda_sup > 1.001 * n.spectrum.lambda_max()).count();
    assert!(strict > ALL / 2, "{strict}");
}

/// All samples at one corner of the cube: Propositions 5 and 6 are equalities; hidden units saturated at 1: Proposition
/// 7 too, and with z = 0 Theorem 3.
#[test]
fn propositions_5_6_and_7_and_theorem_3_reach_equality() {
    for activation in BOUNDED {
        for (samples, inputs, hidden) in [(1, 1, 1), (4, 3, 2), (7, 2, 9)] {
            let q = Array1::from_shape_fn(samples, |i| (i % 2) as f64);
            let data = Dataset::new(Array2::ones((samples, inputs)), q).unwrap();
            let problem = Problem::new(hidden, activation, data);
            let (i, m, n) = (samples as f64, inputs as f64, hidden as f64);
            let close = |found: f64, bound: f64, expected: f64| {
                assert!((found - bound).abs() <= ROUNDING * bound, "{activation:?}: {found} {bound}");
                assert!((bound - expected).abs() <= ROUNDING * expected, "{activation:?}: {bound} {expected}");
            };
            close(input_trace(&problem.data), input_trace_bound(&problem.data), i * (1.0 + m));
            let input_gram = gram_norms(problem.data.x()).with_bias;
            close(input_gram, input_gram_bound(&problem.data), (i * (1.0 + m)).powi(2));
            let mut theta = vec![0.0; problem.network.parameters()];
            for unit in 0..hidden {
                theta[problem.paper().unwrap().network.shape.w(unit, 0)] = 50.0;
            }
            let terms = terms(&problem.paper().unwrap(), &theta);
            let hidden_values = Array2::from_shape_vec((samples, hidden), terms.r.clone()).unwrap();
            let hidden_gram = gram_norms(hidden_values.view()).with_bias;
            close(hidden_gram, hidden_gram_bound(&problem.paper().unwrap()), (i * (1.0 + n)).powi(2));
            close(trace_vv(&terms), trace_vv_bound(&problem.paper().unwrap()), i * (n + 1.0) / 4.0);
        }
    }
}

/// Networks that separate their samples, with V scaled up: delta -> 0, and lambda_sup falls to 0 under its bound from
/// delta.
#[test]
fn theorem_7_limit_is_approached_when_the_output_grows() {
    for activation in Activation::ALL {
        let x = Array2::from_shape_fn((8, 2), |(i, m)| {
            let side = if i % 2 == 0 { 1.0 } else { -1.0 };
            side * (1.0 + 0.1 * ((i + 3 * m) as f64).sin())
        });
        let q = Array1::from_shape_fn(8, |i| (i % 2) as f64);
        let problem = Problem::new(3, activation, Dataset::new(x, q).unwrap());
        let mut theta: Vec<f64> =
            initial_theta(problem.network.parameters(), 5, 1.0).into_iter().map(f64::from).collect();
        let descent = Descent { init_range: 1.0, step_size: 0.02, max_steps: 2000, tolerance: 1e-6, weight_decay: 0.0 };
        train(&problem, &descent, &mut theta);
        let margin = output(problem.paper().unwrap().network, &problem.data, &theta)
            .into_iter()
            .zip(problem.data.q().unwrap())
            .map(|(z, &q)| if q > 0.5 { z } else { -z })
            .fold(f64::INFINITY, f64::min);
        assert!(margin > 0.5, "{activation:?}: the premise, separated samples, does not hold: margin {margin}");
        let mut previous = f64::INFINITY;
        for power in 3..9 {
            let scale = f64::from(1 << power) / margin;
            let mut scaled = theta.clone();
            scaled[problem.paper().unwrap().network.shape.v_bias()..].iter_mut().for_each(|v| *v *= scale);
            let n = Measured::new(format!("{activation:?} times {scale}"), problem.clone(), scaled);
            let largest = n.terms.delta.iter().fold(0.0_f64, |largest, delta| largest.max(delta.abs()));
            let (sup, bound) =
                (n.wolkowicz_styan.lambda_sup, residual_bound(&n.problem.paper().unwrap(), &n.theta, &n.terms));
            assert!(sup >= 0.0 && sup <= bound, "{}: {sup} <= {bound}", n.name);
            assert!(bound < previous, "{}: the bound grew from {previous} to {bound}", n.name);
            assert!(largest <= 1.001 * (-f64::from(1 << power)).exp(), "{}: delta {largest}", n.name);
            previous = bound;
        }
        assert!(previous < 1e-90, "{activation:?}: {previous}");
    }
}
