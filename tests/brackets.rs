//! Brackets hold the extreme eigenvalues: on golden, random and trained networks, with every engine, against f64
//! spectra; and they are narrow.

mod support;

use ndarray::{Array1, Array2, Axis, array};
use sharpsweep::bounds::{Bracket, BracketSource, bracket, known_rank, moment_bounds, widened_bounds};
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{
    ClosedForms, Descent, EndEstimates, Engine, LayerTraces, Powers, ProvenEnds, Rounding, Route, Status, Stop,
};
use sharpsweep::fallback::{self, Completed, end_estimates};
use sharpsweep::gpu::Tuning;
use sharpsweep::model::{Activation, Dataset, Problem, Stream, Targets, appendix_c};
use sharpsweep::reference::{Reference, Spectrum, hessian_moments, proven_ends, spectra};
use sharpsweep::spec::Brackets;
use support::{Draws, close_scaled, golden_cases, is_full};

/// Every engine: the reference, all instruction sets of this processor, and the adapter.
fn engines(test: &str) -> Vec<(String, Box<dyn Engine>)> {
    let mut engines: Vec<(String, Box<dyn Engine>)> = vec![("reference".into(), Box::new(Reference::default()))];
    for set in InstructionSet::available() {
        let cpu = Cpu::with_instruction_set(Route::Auto, set).expect("listed as available");
        engines.push((format!("cpu {set}"), Box::new(cpu)));
    }
    if let Some(gpu) = support::gpu::gpu(test, Tuning::default()) {
        engines.push(("gpu".into(), Box::new(gpu)));
    }
    engines
}

/// The engines that find moments themselves.
fn engines_in_f64(test: &str) -> Vec<(String, Box<dyn Engine>)> {
    let mut engines = engines(test);
    engines.retain(|(_, engine)| engine.evaluates_in_f64());
    engines
}

/// Networks on one problem, with their spectra in f64.
struct Networks {
    name: String,
    problem: Problem,
    theta: Array2<f64>,
    truth: Vec<Spectrum>,
}

impl Networks {
    fn new(name: String, problem: Problem, theta: Array2<f64>) -> Self {
        let truth = spectra(&problem, theta.view().into(), 0).into_iter().map(Result::unwrap).collect();
        Self { name, problem, theta, truth }
    }

    /// The brackets that a run records, and the closed forms beside them. With `known`, a spectrum was found as well.
    fn brackets(&self, engine: &mut dyn Engine, asked: Brackets, known: bool) -> (Vec<Bracket>, Completed) {
        let (theta, stop) = (self.theta.view().into(), Stop::default());
        let forms = fallback::evaluate(engine, &self.problem, theta, &stop).unwrap();
        let estimates = known.then(|| {
            let found = fallback::spectra(engine, &self.problem, theta, &forms.again, &stop).unwrap();
            let precise = |row| engine.evaluates_in_f64() || forms.again.contains(&row);
            let ends = (&found.lambda_max[..], &found.lambda_min[..]);
            end_estimates(&forms.evaluation, ends, self.theta.ncols(), precise)
        });
        let asked = (asked, estimates.as_deref());
        (fallback::brackets(engine, &self.problem, theta, &forms.evaluation, asked, &stop).unwrap(), forms)
    }
}

/// Those whose Hessians a debug build takes no minutes for; all of them for a release.
fn golden() -> Vec<Networks> {
    let cases = golden_cases().into_iter().filter(|case| is_full() || case.theta.ncols() <= 64);
    cases.map(|case| Networks::new(case.name, case.problem, case.theta)).collect()
}

/// Random networks of all activations in `SHAPES`, `rows` of each: inputs and weights of many sizes.
fn random(rows: usize) -> Vec<Networks> {
    const SHAPES: [(usize, usize, usize); 4] = [(1, 1, 5), (2, 3, 20), (5, 2, 4), (3, 6, 9)];
    let mut all = Vec::new();
    for (which, (inputs, hidden, samples)) in SHAPES.into_iter().enumerate() {
        for (number, activation) in Activation::ALL.into_iter().enumerate() {
            let mut draws = Draws::new((10 * which + number) as u32 + 7_000);
            let x = Array2::from_shape_simple_fn((samples, inputs), || draws.within(-2.0, 2.0));
            let q = Array1::from_shape_simple_fn(samples, || draws.unit().round());
            let problem = Problem::new(hidden, activation, Dataset::new(x, q).unwrap());
            let mut theta = Array2::zeros((rows, problem.network.parameters()));
            for mut row in theta.rows_mut() {
                let size = 0.03 * 1000_f64.powf(draws.unit());
                row.mapv_inplace(|_| f64::from(draws.within(-size, size) as f32));
            }
            all.push(Networks::new(format!("random {which}"), problem, theta));
        }
    }
    all
}

/// Networks trained on the paper's data, of all activations.
fn trained(hidden: usize, data_seed: u64, seeds: u64, max_steps: u32) -> Vec<(Networks, Vec<Status>)> {
    let data = appendix_c(50, data_seed, Stream::TrainData).unwrap();
    let each = Activation::ALL.into_iter().map(|activation| {
        let problem = Problem::new(hidden, activation, data.clone());
        // Those whose slope does not end diverge with the paper's weights and step size.
        let (step_size, init_range) = match activation {
            Activation::Linear => (0.005, 10.0),
            Activation::Square => (0.001, 1.0),
            _ => (0.1, 10.0),
        };
        let descent = Descent { step_size, init_range, max_steps, ..Descent::default() };
        let trained = Cpu::default().train(&problem, &descent, 0..seeds).unwrap();
        let kept: Vec<usize> = (0..trained.status.len()).filter(|&k| trained.status[k] != Status::NonFinite).collect();
        let theta = trained.theta.select(Axis(0), &kept).mapv(f64::from);
        let status = kept.into_iter().map(|k| trained.status[k]).collect();
        (Networks::new(format!("trained, N = {hidden}, data {data_seed}"), problem, theta), status)
    });
    each.collect()
}

/// What the end of a bracket must not pass: (what, lower, upper).
fn inequalities(bracket: &Bracket, forms: &Completed, row: usize, truth: &Spectrum) -> Vec<(&'static str, f64, f64)> {
    let evaluation = &forms.evaluation;
    let trace = evaluation.trace(row);
    let parameters = truth.eigenvalues.len();
    let two = widened_bounds(trace, evaluation.trace_sq[row], parameters, &evaluation.rounding[row]).bounds;
    let (largest, smallest) = (truth.lambda_max(), truth.lambda_min());
    let single = &bracket.moments;
    let mut all = vec![
        ("bracket_lower <= lambda_1", bracket.lower.bound, largest),
        ("lambda_1 <= bracket_upper", largest, bracket.upper.bound),
        ("bracket_min_lower <= lambda_D", bracket.min_lower.bound, smallest),
        ("lambda_D <= bracket_min_upper", smallest, bracket.min_upper.bound),
        ("lambda_1 <= lambda_max_upper4", largest, single.lambda_max_upper4),
        ("lambda_max_lower3 <= lambda_1", single.lambda_max_lower3, largest),
        ("lambda_min_lower4 <= lambda_D", single.lambda_min_lower4, smallest),
        ("lambda_D <= lambda_min_upper3", smallest, single.lambda_min_upper3),
    ];
    if !two.lambda_sup.is_nan() {
        all.extend([
            ("bracket_upper <= lambda_sup", bracket.upper.bound, two.lambda_sup),
            ("lambda_max_lower <= bracket_lower", two.lambda_max_lower, bracket.lower.bound),
            ("lambda_min_lower <= bracket_min_lower", two.lambda_min_lower, bracket.min_lower.bound),
            ("bracket_min_upper <= lambda_min_upper", bracket.min_upper.bound, two.lambda_min_upper),
            ("lambda_max_upper4 <= lambda_sup", single.lambda_max_upper4, two.lambda_sup),
        ]);
    }
    all
}

/// The inequalities that do not hold for brackets changed by `change`, and how many networks were tried.
fn misses(
    name: &str,
    engine: &mut dyn Engine,
    networks: &[Networks],
    (asked, known): (Brackets, bool),
    change: fn(&mut Bracket),
) -> (Vec<String>, usize) {
    let (mut misses, mut tried) = (Vec::new(), 0);
    for networks in networks {
        let (mut brackets, forms) = networks.brackets(engine, asked, known);
        brackets.iter_mut().for_each(change);
        for (row, (bracket, truth)) in brackets.iter().zip(&networks.truth).enumerate() {
            tried += 1;
            for (what, low, high) in inequalities(bracket, &forms, row, truth) {
                let holds = low <= high;
                if !holds {
                    let activation = networks.problem.network.activation.name();
                    let of = &networks.name;
                    misses.push(format!("{name} {asked:?}, {of} [{row}] {activation}: {what}: {low:e}, {high:e}"));
                }
            }
        }
    }
    (misses, tried)
}

/// Every way to a bracket, with and without a spectrum beside it.
const WAYS: [(Brackets, bool); 5] = [
    (Brackets::Four, false),
    (Brackets::Eight, false),
    (Brackets::Width(0.01), false),
    (Brackets::Width(0.0), false),
    (Brackets::Four, true),
];

fn assert_held(test: &str, networks: &[Networks], ways: &[(Brackets, bool)], least: usize) {
    let mut all = Vec::new();
    for (name, mut engine) in engines(test) {
        for &way in ways {
            let (found, tried) = misses(&name, engine.as_mut(), networks, way, |_| ());
            assert!(tried >= least, "{tried}");
            all.extend(found);
        }
    }
    assert!(all.is_empty(), "{} misses:\n{}", all.len(), all[..all.len().min(20)].join("\n"));
}

/// 10,000 networks, random and trained, with four moments, by each engine.
#[test]
fn brackets_hold_the_eigenvalues_of_many_networks() {
    let mut networks = random(if is_full() { 5_000 } else { 500 });
    networks.extend(trained(3, 0, if is_full() { 500 } else { 30 }, 200).into_iter().map(|(networks, _)| networks));
    assert_held("brackets_hold_the_eigenvalues_of_many_networks", &networks, &WAYS[..1], 10_000);
}

#[test]
fn brackets_hold_the_eigenvalues_on_every_way() {
    let mut networks = golden();
    networks.extend(random(if is_full() { 500 } else { 10 }));
    networks.extend(trained(3, 1, if is_full() { 100 } else { 4 }, 200).into_iter().map(|(networks, _)| networks));
    assert_held("brackets_hold_the_eigenvalues_on_every_way", &networks, &WAYS, 250);
}

/// Ends that are moved inwards by little are noticed: brackets that a width of 0 asks for are about 1e-13 wide, so 1e-9
/// of their upper end takes them past the eigenvalue.
#[test]
fn the_comparison_sees_a_bracket_that_does_not_hold() {
    let networks = random(40);
    let changes: [fn(&mut Bracket); 4] = [
        |bracket| bracket.upper.bound -= 1e-9 * bracket.upper.bound.abs(),
        |bracket| bracket.lower.bound += 1e-9 * bracket.upper.bound.abs(),
        |bracket| bracket.min_lower.bound += 1e-9 * bracket.upper.bound.abs(),
        |bracket| bracket.min_upper.bound -= 1e-9 * bracket.upper.bound.abs(),
    ];
    for (change, what) in
        changes.into_iter().zip(["_1 <= bracket_upper", "bracket_lower <= lambda_1", "bracket_min_l", "bracket_min_u"])
    {
        let (found, _) =
            misses("reference", &mut Reference::default(), &networks, (Brackets::Width(0.0), false), change);
        assert!(found.iter().any(|miss| miss.contains(what)), "{what}: {found:?}");
    }
}

/// Before they are widened, the single bounds are the oracle's, to 1e-9 of ||H||_F. Its upper bounds come from roots of
/// a quartic, which is ill-conditioned where two of them meet: there the root of rounding, 1e-8, would be left, but no
/// golden case is that near.
#[test]
fn single_bounds_match_the_oracle() {
    for (name, mut engine) in engines_in_f64("single_bounds_match_the_oracle") {
        for case in golden_cases() {
            let found = engine.moments(&case.problem, case.theta.view().into(), Powers::Four).unwrap();
            let bounds: Vec<_> = found.iter().map(moment_bounds).collect();
            let scale: Vec<f64> = case.column("moment2").iter().map(|t| t.sqrt()).collect();
            let upper: Vec<f64> = bounds.iter().map(|b| b.lambda_max_upper4).collect();
            let lower: Vec<f64> = bounds.iter().map(|b| b.lambda_max_lower3).collect();
            let check = |quantity: &str, found: &[f64], tolerance: f64| {
                if let Err(misses) = close_scaled(found, &case.column(quantity), &scale, tolerance) {
                    panic!("{name}, {} {quantity}: {misses}", case.name);
                }
            };
            check("four_moment_upper", &upper, 1e-9);
            check("three_moment_lower", &lower, 1e-9);
            assert!(close_scaled(&upper, &case.column("ws_upper"), &scale, 1e-9).is_err(), "{}", case.name);
        }
    }
}

/// The lanes find what the reference finds, each number to within rounding: sums over samples in another order differ
/// by about 1e-14 of ||H||_F, and a k-th power by k times that, so 1e-10 has room for the saturated golden cases.
#[test]
fn lanes_find_the_moments_of_the_reference() {
    for case in golden_cases().into_iter().filter(|case| case.theta.ncols() <= 64) {
        for powers in [Powers::Four, Powers::Eight] {
            let exact = Reference::default().moments(&case.problem, case.theta.view().into(), powers).unwrap();
            for set in InstructionSet::available() {
                let mut cpu = Cpu::with_instruction_set(Route::Auto, set).expect("listed as available");
                let found = cpu.moments(&case.problem, case.theta.view().into(), powers).unwrap();
                for (found, exact) in found.iter().zip(&exact) {
                    let n = exact.norm;
                    let mut pairs = vec![
                        (found.scale, exact.scale, exact.scale),
                        (found.shift, exact.shift, 1.0),
                        (found.norm, n, n),
                        (found.third_and_fourth[0], exact.third_and_fourth[0], n.powi(3)),
                        (found.third_and_fourth[1], exact.third_and_fourth[1], n.powi(4)),
                        (found.diagonal[0], exact.diagonal[0], n),
                        (found.diagonal[1], exact.diagonal[1], n),
                        (found.discs[0], exact.discs[0], n),
                        (found.discs[1], exact.discs[1], n),
                    ];
                    if let (Some(found), Some(exact)) = (found.sixth_to_eighth, exact.sixth_to_eighth) {
                        pairs.extend((0..3).map(|k| (found[k], exact[k], n.powi(6 + k as i32))));
                    }
                    assert_eq!(found.sixth_to_eighth.is_some(), powers == Powers::Eight);
                    for (k, (found, exact, scale)) in pairs.into_iter().enumerate() {
                        let close = (found - exact).abs() <= 1e-10 * scale;
                        assert!(close, "{} {set} {powers:?}, number {k}: {found:e} {exact:e}", case.name);
                    }
                    // The error is a bound that grows with the length of the sums, and the lanes add up to 16 samples
                    // at a time where the reference adds one: a factor of 20 covers that.
                    let ratio = found.error / exact.error;
                    assert!((0.05..20.0).contains(&ratio), "{} {set}: {ratio}", case.name);
                }
            }
        }
    }
}

/// Estimates that are right are proven, and those that are off prove no more than what is true.
#[test]
fn a_proof_says_on_which_side_an_estimate_is() {
    let matrix = array![[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, -5.0]];
    let ends = |lambda_max: f64, lambda_min: f64| {
        proven_ends(matrix.view(), EndEstimates { lambda_max, lambda_min, within: 1e-9 }, 0.0)
    };
    let found = ends(3.0, -5.0);
    for ([low, high], truth) in [(found.lambda_max, 3.0), (found.lambda_min, -5.0)] {
        assert!(low <= truth && truth <= high && high - low < 3e-9, "{found:?}");
    }
    // Too low: both shifts lie below lambda_1.
    let found = ends(2.9, -5.1);
    assert!(found.lambda_max[0] > 2.89 && found.lambda_max[0] <= 3.0 && found.lambda_max[1].is_nan(), "{found:?}");
    assert!(found.lambda_min[0] > -5.11 && found.lambda_min[0] <= -5.0 && found.lambda_min[1].is_nan(), "{found:?}");
    let found = ends(3.1, -4.9);
    assert!(found.lambda_max[1] < 3.11 && found.lambda_max[1] >= 3.0 && found.lambda_max[0].is_nan(), "{found:?}");
    let nothing = ends(f64::NAN, f64::NAN);
    assert!(nothing.lambda_max.iter().chain(&nothing.lambda_min).all(|end| end.is_nan()), "{nothing:?}");
}

/// A proof in lanes and in plain code is of the same eigenvalues, and hardly wider than what it starts from.
#[test]
fn proofs_are_as_narrow_as_the_eigenvalues_are_exact() {
    for networks in random(20).iter().chain(&golden()) {
        for (name, mut engine) in engines_in_f64("proofs_are_as_narrow_as_the_eigenvalues_are_exact") {
            let (brackets, _) = networks.brackets(engine.as_mut(), Brackets::Four, true);
            let moments = engine.moments(&networks.problem, networks.theta.view().into(), Powers::Four).unwrap();
            for (row, (bracket, truth)) in brackets.iter().zip(&networks.truth).enumerate() {
                let norm = truth.eigenvalues.iter().fold(0.0_f64, |norm, &value| norm.hypot(value));
                let width = bracket.upper.bound - bracket.lower.bound;
                let min_width = bracket.min_upper.bound - bracket.min_lower.bound;
                // The shifts of the proof lie (D + 10) 1e-15 ||H||_F from the eigenvalue on either side, and the pivots
                // prove them up to (D + 4) u times the sum of D diagonal elements of at most ||H||_F each. Saturated
                // and huge weights make the Hessian itself uncertain (see `bound_error`): that counts on both sides,
                // for lambda and for where the shifts lie.
                let d = truth.eigenvalues.len() as f64;
                let proof = 2.0 * (1e-15 * (d + 10.0) + 1.05 * f64::EPSILON * (d + 4.0) * d);
                let allowed = proof * norm + 4.0 * moments[row].error;
                assert!(width <= allowed && min_width <= allowed, "{name} {} [{row}]: {bracket:?}", networks.name);
            }
        }
    }
}

/// Closed forms that bound nothing, so that a bracket is that of the entries of the Hessian.
fn no_traces() -> ClosedForms {
    ClosedForms {
        loss: f64::NAN,
        gradient_sq: f64::NAN,
        layer_trace: LayerTraces::new([f64::NAN; 2]),
        trace_sq: f64::NAN,
        rounding: Rounding { hessian: 0.0, trace: 0.0, trace_sq: 0.0 },
    }
}

/// A symmetric matrix with these eigenvalues, and a bound of what rounding may have done to it in the Frobenius norm.
fn with_eigenvalues(eigenvalues: &[f64]) -> (Array2<f64>, f64) {
    let size = eigenvalues.len();
    // Q = 1 - 2 v v^T / v.v with v = (1, 2, ..) has no zero entries.
    let v = Array1::from_shape_fn(size, |d| (d + 1) as f64);
    let vv = v.dot(&v);
    let q = Array2::from_shape_fn((size, size), |(a, b)| f64::from(u8::from(a == b)) - 2.0 * v[a] * v[b] / vv);
    let scaled = Array2::from_shape_fn((size, size), |(a, b)| q[[a, b]] * eigenvalues[b]);
    let product = scaled.dot(&q);
    let norm = eigenvalues.iter().fold(0.0_f64, |norm, &value| norm.hypot(value));
    // Each entry of Q is off by 4 roundings, each product by one, each sum by D: (2 x 4 + D + 1) u |Q| |L| |Q|, and the
    // Frobenius norm of |Q| is sqrt(D).
    let error = (size + 9) as f64 * f64::EPSILON * size as f64 * norm;
    (Array2::from_shape_fn((size, size), |(a, b)| f64::midpoint(product[[a, b]], product[[b, a]])), error)
}

/// The bracket of a matrix whose eigenvalues are known holds them, whichever they are: of two points, all alike, of
/// both signs, tiny, huge, zero.
#[test]
fn brackets_of_known_spectra() {
    let spectra: [&[f64]; 8] = [
        &[5.0, 5.0, 1.0, 1.0, 1.0],
        &[0.1; 7],
        &[3.0, -3.0, 0.0, 0.0],
        &[1e-200, -2e-200, 5e-201, 0.0],
        &[1e150, 2e149, -1e148, 7.0],
        &[0.0; 5],
        &[-1.0, -2.0, -3.0, -4.0],
        &[9.0, 8.999_999_999, 2.0, -1.0, -1.0, -1.0],
    ];
    for eigenvalues in spectra {
        let (matrix, error) = with_eigenvalues(eigenvalues);
        let (largest, smallest) = eigenvalues.iter().fold((f64::MIN, f64::MAX), |(a, b), &l| (a.max(l), b.min(l)));
        let norm = eigenvalues.iter().fold(0.0_f64, |norm, &value| norm.hypot(value));
        for powers in [Powers::Four, Powers::Eight] {
            let found = bracket(&no_traces(), eigenvalues.len(), &hessian_moments(matrix.view(), powers, error), None);
            let single = found.moments;
            for (lower, value, upper) in [
                (found.lower.bound, largest, found.upper.bound),
                (found.min_lower.bound, smallest, found.min_upper.bound),
                (single.lambda_max_lower3, largest, single.lambda_max_upper4),
                (single.lambda_min_lower4, smallest, single.lambda_min_upper3),
            ] {
                assert!(lower <= value && value <= upper, "{eigenvalues:?} {powers:?}: {found:?}");
            }
            // The largest element of the diagonal and Rayleigh quotients leave no more than half of the norm.
            assert!(found.upper.bound - found.lower.bound <= 0.5 * norm + 1e-30, "{eigenvalues:?}: {found:?}");
        }
    }
    // Two points attain the bound of three moments, and one eigenvalue above two others that of four: all that is left
    // is rounding, for the latter its root.
    let exact = |eigenvalues: &[f64]| {
        moment_bounds(&hessian_moments(with_eigenvalues(eigenvalues).0.view(), Powers::Four, 0.0))
    };
    assert!((exact(&[5.0, 5.0, 1.0, 1.0, 1.0]).lambda_max_lower3 - 5.0).abs() < 1e-13);
    assert!((exact(&[9.0, 2.0, 2.0, -1.0, -1.0, -1.0]).lambda_max_upper4 - 9.0).abs() < 1e-7);
}

/// Where neither traces nor entries are finite there is no bracket, and its number says so.
#[test]
fn nothing_bounds_a_hessian_that_is_not_finite() {
    let moments = hessian_moments(array![[1.0, f64::INFINITY], [f64::INFINITY, 2.0]].view(), Powers::Eight, 0.0);
    let forms = ClosedForms { layer_trace: LayerTraces::new([f64::NAN, 1.0]), trace_sq: f64::INFINITY, ..no_traces() };
    // Eigenvalues whose error has no bound prove nothing either.
    let everything = [f64::NEG_INFINITY, f64::INFINITY];
    let unbounded = ProvenEnds { lambda_max: everything, lambda_min: everything };
    assert_eq!(bracket(&forms, 2, &moments, Some(&unbounded)).by(), 0);
    let found = bracket(&forms, 2, &moments, None);
    assert!(found.lower.bound.is_nan() && found.upper.bound.is_nan() && found.width().is_nan(), "{found:?}");
    assert_eq!((found.by(), found.upper.source), (0, BracketSource::Nothing));
    assert!(found.moments.lambda_max_upper4.is_nan() && found.moments.lambda_min_lower4.is_nan(), "{found:?}");
}

/// Fewer different samples or inputs than there could be leave zeros in every spectrum.
#[test]
fn the_rank_that_the_data_allow_is_never_exceeded() {
    let x = array![[1.0, 1.0, 7.0, -2.0], [2.0, 2.0, 7.0, 0.5], [1.0, 1.0, 7.0, -2.0], [-3.0, -3.0, 7.0, 4.0]];
    let data = Dataset::new(x, array![0.0, 1.0, 1.0, 0.0]).unwrap();
    let mut by_rank = 0;
    for activation in Activation::ALL {
        let problem = Problem::new(2, activation, data.clone());
        // Two different inputs that are not constant, and the bias.
        assert_eq!((known_rank(&problem), problem.network.parameters()), (2 * 3 + 3, 13));
        let mut draws = Draws::new(3);
        let theta = Array2::from_shape_simple_fn((40, 13), || draws.within(-1.0, 1.0));
        let networks = Networks::new("rank".into(), problem, theta);
        for truth in &networks.truth {
            let least = 1e-13 * truth.eigenvalues.iter().fold(0.0_f64, |norm, &value| norm.hypot(value));
            assert!(truth.eigenvalues.iter().filter(|value| value.abs() > least).count() <= 9, "{truth:?}");
        }
        let (brackets, forms) = networks.brackets(&mut Reference::default(), Brackets::Four, false);
        for (row, (bracket, truth)) in brackets.iter().zip(&networks.truth).enumerate() {
            // With dead relu units the end by the rank is exactly 0, and the computed eigenvalue 0 but for rounding.
            let rounded = match activation {
                Activation::Relu => 1e-15 * truth.eigenvalues.iter().fold(0.0_f64, |norm, &value| norm.hypot(value)),
                _ => 0.0,
            };
            for (what, low, high) in inequalities(bracket, &forms, row, truth) {
                assert!(low <= high + rounded, "{activation:?} [{row}] {what}: {low:e} {high:e}");
            }
            let ends = [bracket.lower, bracket.upper, bracket.min_lower, bracket.min_upper];
            by_rank += ends.iter().filter(|end| end.source == BracketSource::Rank).count();
        }
    }
    assert!(by_rank > 0, "no bracket has an end by the rank");
    assert!(known_rank(&Problem::new(2, Activation::Tanh, appendix_c(50, 0, Stream::TrainData).unwrap())) >= 9);
}

/// Without a hidden layer, one sample gives H = s h h^T. Its rank is 1, at which the bounds of Theorem 1 divide by 0.
#[test]
fn a_hessian_of_rank_one_has_brackets() {
    for (targets, outputs) in [
        (Targets::Labels(array![[1.0]]), 1),
        (Targets::Classes { of: vec![1], count: 2 }, 2),
        (Targets::Values(array![[0.5]]), 1),
    ] {
        let problem = Problem::with_layers(&[], Activation::Tanh, Dataset::new(array![[0.3, -0.7]], targets).unwrap());
        let problem = problem.unwrap();
        assert_eq!(known_rank(&problem), 2);
        let mut draws = Draws::new(8);
        let theta = Array2::from_shape_simple_fn((300, 3 * outputs), || draws.within(-2.0, 2.0));
        let networks = Networks::new("rank 1".into(), problem, theta);
        let (brackets, forms) = networks.brackets(&mut Reference::default(), Brackets::Four, false);
        for (row, (bracket, truth)) in brackets.iter().zip(&networks.truth).enumerate() {
            let ends = [bracket.lower, bracket.upper, bracket.min_lower, bracket.min_upper];
            assert!(ends.iter().all(|end| end.bound.is_finite()), "[{row}] {bracket:?}");
            // The computed eigenvalues of 0 are 0 but for the rounding of the solver.
            let rounded = 1e-14 * truth.lambda_max();
            for (what, low, high) in inequalities(bracket, &forms, row, truth) {
                assert!(low <= high + rounded, "[{row}] {what}: {low:e} {high:e}");
            }
        }
    }
}

/// Medians of the width over the converged networks, over draws of the paper's data: below 0.01 % with four moments, as
/// README.md says, and below 1 % with eight.
#[test]
fn brackets_of_converged_networks_are_narrow() {
    let (draws, seeds) = if is_full() { (8, 500) } else { (1, 32) };
    for (hidden, most) in [(3, 1e-4), (10, 1e-4)] {
        for draw in 0..draws {
            let data = appendix_c(50, draw, Stream::TrainData).unwrap();
            let problem = Problem::new(hidden, Activation::Sigmoid, data);
            // A network with a larger g.g stands for one that took all 10,000 steps.
            let descent = if is_full() {
                Descent::default()
            } else {
                Descent { tolerance: 0.1, max_steps: 1_500, ..Descent::default() }
            };
            let trained = Cpu::default().train(&problem, &descent, 0..seeds).unwrap();
            let converged: Vec<usize> =
                (0..trained.status.len()).filter(|&k| trained.status[k] == Status::Converged).collect();
            let theta = trained.theta.select(Axis(0), &converged);
            let (theta, stop) = (theta.view().into(), Stop::default());
            let mut cpu = Cpu::default();
            let forms = fallback::evaluate(&mut cpu, &problem, theta, &stop).unwrap();
            for (asked, most) in [(Brackets::Four, most), (Brackets::Eight, 0.01)] {
                let found =
                    fallback::brackets(&mut cpu, &problem, theta, &forms.evaluation, (asked, None), &stop).unwrap();
                let mut widths: Vec<f64> = found.iter().map(Bracket::width).collect();
                widths.sort_by(f64::total_cmp);
                let median = widths[widths.len() / 2];
                support::notice(&format!(
                    "N = {hidden}, draw {draw}, {asked:?}: {} networks, {median:.2e}",
                    widths.len()
                ));
                assert!(median <= most, "N = {hidden}, draw {draw}, {asked:?}: {median}");
            }
        }
    }
}
