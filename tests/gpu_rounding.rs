//! What the GPU engine states about its own rounding holds: traces, and bounds of the eigenvalues, against the f64
//! reference.

mod support;

use ndarray::{Array1, Array2, Axis, array};
use sharpsweep::bounds::{WidenedBounds, widened_bounds};
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, Engine, Evaluation, Rounding, Route};
use sharpsweep::gpu::{Gpu, Tuning};
use sharpsweep::model::{Activation, Dataset, OneHidden, Problem, Stream, appendix_c, initial_theta};
use sharpsweep::reference::{Reference, Spectrum, spectra};
use support::gpu::gpu;
use support::{golden_cases, signs_are_certain};

const ROUTES: [Route; 2] = [Route::Pairwise, Route::Assembled];

/// What the reference finds about one network, and how far off it may be itself.
#[derive(Debug, Clone, Copy)]
struct Truth {
    trace: f64,
    trace_sq: f64,
    lambda_max: f64,
    lambda_min: f64,
    rounding: Rounding,
}

impl Truth {
    /// For the networks `theta`; `None` where f64 cannot tell either.
    fn of_each(problem: &Problem, theta: &Array2<f64>) -> Vec<Option<Self>> {
        let values = Reference::default().evaluate(problem, theta.view().into()).unwrap();
        let eigenvalues = spectra(problem, theta.view().into(), 0);
        let truth = |(k, spectrum): (usize, Result<Spectrum, _>)| {
            let spectrum = spectrum.ok()?;
            let rounding = values.rounding[k];
            // The sums of the Hessian that the eigenvalues belong to, and the solver.
            let hessian = 2.0 * rounding.hessian + 1e-12 * values.trace_sq[k].sqrt();
            hessian.is_finite().then(|| Self {
                trace: values.trace(k),
                trace_sq: values.trace_sq[k],
                lambda_max: spectrum.lambda_max(),
                lambda_min: spectrum.lambda_min(),
                rounding: Rounding { hessian, ..rounding },
            })
        };
        eigenvalues.into_iter().enumerate().map(truth).collect()
    }
}

/// The results of a comparison.
#[derive(Debug, Default)]
struct Comparison {
    /// Traces that are further off than their rounding states.
    traces: Vec<String>,
    /// Bounds on the wrong side of the eigenvalue.
    bounds: Vec<String>,
    /// `bound_error` / ||H||_F of the networks with bounds, in order.
    errors: Vec<f64>,
    /// Networks without bounds.
    unbounded: usize,
}

impl Comparison {
    /// Compares `found`, the values of the networks, with the truth; their rounding is multiplied by `factor`.
    fn of(problem: &Problem, found: &Evaluation, truth: &[Option<Truth>], factor: f64) -> Self {
        assert_eq!(found.rounding.len(), truth.len());
        let mut comparison = Self::default();
        for (k, truth) in truth.iter().enumerate() {
            let Some(truth) = truth else { continue };
            let Rounding { hessian, trace, trace_sq } = found.rounding[k];
            let rounding = Rounding { hessian: hessian * factor, trace: trace * factor, trace_sq: trace_sq * factor };
            let trace = found.trace(k);
            comparison.add(k, problem.network.parameters(), [trace, found.trace_sq[k]], rounding, truth);
        }
        comparison.errors.sort_by(f64::total_cmp);
        comparison
    }

    fn add(&mut self, k: usize, parameters: usize, [trace, trace_sq]: [f64; 2], rounding: Rounding, truth: &Truth) {
        // A NaN is a miss.
        let holds = |misses: &mut Vec<String>, name: &str, small: f64, large: f64| {
            let holds = small <= large;
            if !holds {
                misses
                    .push(format!("{name} of network {k}: {small:e} is not below {large:e}; {rounding:?}, {truth:?}"));
            }
        };
        let norm = truth.trace_sq.sqrt();
        // An overflowed value tells so itself.
        if rounding.hessian.is_finite() && trace.is_finite() && trace_sq.is_finite() {
            // Of a symmetric D x D matrix, |tr| <= sqrt(D) ||.||_F.
            let root = (parameters as f64).sqrt();
            let of_trace = |rounding: &Rounding| rounding.trace + root * rounding.hessian;
            let of_square =
                |rounding: &Rounding| rounding.trace_sq + rounding.hessian * (2.0 * norm + rounding.hessian);
            let [trace, trace_sq] = [trace - truth.trace, trace_sq - truth.trace_sq].map(f64::abs);
            holds(&mut self.traces, "trace", trace, of_trace(&rounding) + of_trace(&truth.rounding));
            holds(&mut self.traces, "trace_sq", trace_sq, of_square(&rounding) + of_square(&truth.rounding));
        }
        let WidenedBounds { bounds, error } = widened_bounds(trace, trace_sq, parameters, &rounding);
        if bounds.lambda_sup.is_nan() {
            self.unbounded += 1;
            return;
        }
        let slack = truth.rounding.hessian;
        holds(&mut self.bounds, "lambda_sup", truth.lambda_max, bounds.lambda_sup + slack);
        holds(&mut self.bounds, "lambda_max_lower", bounds.lambda_max_lower, truth.lambda_max + slack);
        holds(&mut self.bounds, "lambda_min_upper", truth.lambda_min, bounds.lambda_min_upper + slack);
        holds(&mut self.bounds, "lambda_min_lower", bounds.lambda_min_lower, truth.lambda_min + slack);
        self.errors.push(error / norm);
    }

    /// Panics with a list of the misses.
    fn assert_holds(&self, name: &str) {
        let misses: Vec<_> = self.traces.iter().chain(&self.bounds).collect();
        assert!(misses.is_empty(), "{name}: {} do not hold, as {}", misses.len(), misses[0]);
    }

    fn median(&self) -> f64 {
        self.errors[self.errors.len() / 2]
    }
}

fn engine(test: &str, route: Route) -> Option<Gpu> {
    gpu(test, Tuning { route, ..Tuning::default() })
}

/// Networks at the end of a descent; linear and square ones of one that does not diverge.
fn trained(activation: Activation, hidden: usize, seeds: u64) -> (Problem, Array2<f64>) {
    let problem = Problem::new(hidden, activation, appendix_c(50, 0, Stream::TrainData).unwrap());
    let descent = match activation {
        Activation::Linear => Descent { step_size: 1e-3, ..Descent::default() },
        Activation::Square => Descent { step_size: 1e-3, init_range: 1.0, ..Descent::default() },
        _ => Descent::default(),
    };
    let trained = Cpu::new(Route::Auto).train(&problem, &descent, 0..seeds).unwrap();
    (problem, trained.theta.mapv(f64::from))
}

#[test]
fn rounding_covers_the_golden_cases() {
    let test = "rounding_covers_the_golden_cases";
    for route in ROUTES {
        let Some(mut gpu) = engine(test, route) else { return };
        for case in golden_cases() {
            let found = gpu.evaluate(&case.problem, case.theta.view().into()).unwrap();
            let truth = Truth::of_each(&case.problem, &case.theta);
            let comparison = Comparison::of(&case.problem, &found, &truth, 1.0);
            comparison.assert_holds(&format!("{} {route:?}", case.name));
            // Without its rounding, no trace agrees.
            assert!(!Comparison::of(&case.problem, &found, &truth, 0.0).traces.is_empty(), "{} {route:?}", case.name);
        }
    }
}

/// The largest `bound_error` / ||H||_F of half of the networks, and of all, by route. The bound is for the worst case,
/// and it knows less about the products in a pair than about those of an entry.
const MEDIAN: [f64; 2] = [1.5e-4, 8e-5];
const WORST: [f64; 2] = [2e-3, 1e-3];
/// The largest of erf networks on the pairwise route. One of them has samples whose Hessians all but cancel: pairs are
/// rounded by the square of their sizes, entries by the sizes alone, and so the assembled route gives it 1.1e-4.
const WORST_OF_ERF: f64 = 3e-3;

/// Theorem 1 is an equality at rank 1, and softplus and GELU networks of Appendix C come close to that: without their
/// rounding, some of their bounds do not hold.
#[test]
fn rounding_covers_trained_networks_and_is_small_and_needed() {
    let test = "rounding_covers_trained_networks_and_is_small_and_needed";
    for (k, route) in ROUTES.into_iter().enumerate() {
        let Some(mut gpu) = engine(test, route) else { return };
        for (hidden, seeds) in [(3, 256), (10, 64)] {
            for activation in Activation::ALL {
                let (problem, theta) = trained(activation, hidden, seeds);
                let name = format!("{activation:?}, N = {hidden}, {route:?}");
                // Descent takes the kinks of relu units to samples: one that is too close has an uncertain slope.
                let is_certain =
                    |&row: &usize| activation != Activation::Relu || signs_are_certain(&problem, theta.row(row));
                let certain: Vec<usize> = (0..theta.nrows()).filter(is_certain).collect();
                assert!(20 * certain.len() >= 19 * theta.nrows(), "{name}: {} certain", certain.len());
                let theta = theta.select(Axis(0), &certain);
                let found = gpu.evaluate(&problem, theta.view().into()).unwrap();
                let truth = Truth::of_each(&problem, &theta);
                let comparison = Comparison::of(&problem, &found, &truth, 1.0);
                comparison.assert_holds(&name);
                assert_eq!((comparison.unbounded, comparison.errors.len()), (0, theta.nrows()), "{name}");
                let (median, worst) = (comparison.median(), comparison.errors[theta.nrows() - 1]);
                let most = if (activation, k) == (Activation::Erf, 0) { WORST_OF_ERF } else { WORST[k] };
                assert!(median < MEDIAN[k] && worst < most, "{name}: median {median:e}, worst {worst:e}");

                let [none, part] = [0.0, 1e-4].map(|factor| Comparison::of(&problem, &found, &truth, factor));
                if hidden == 3 && matches!(activation, Activation::Softplus | Activation::Gelu) {
                    assert!(!none.bounds.is_empty() && !part.bounds.is_empty(), "{name}");
                }
            }
        }
    }
}

/// Data of every scale, one sample far from the others, and inputs that f32 does not hold exactly.
fn hostile_data() -> Vec<Dataset> {
    let data = appendix_c(20, 0, Stream::TrainData).unwrap();
    let scaled = |scale: f64| {
        Dataset::new(data.x().mapv(|x| f64::from((scale * x) as f32)), data.q().unwrap().to_owned()).unwrap()
    };
    let mut all: Vec<_> = [1e-30, 1e-15, 1e-6, 1.0, 1e4, 1e8, 1e15].map(scaled).into();
    let mut outlier = data.x().to_owned();
    outlier.row_mut(7).assign(&array![1e8, -3e7]);
    all.push(Dataset::new(outlier, data.q().unwrap().to_owned()).unwrap());
    all.push(Dataset::new(data.x().mapv(|x| 1.0 + x / 3e4), data.q().unwrap().to_owned()).unwrap());
    all
}

/// Weights of every scale, with separate scales for hidden and output weights, some rows and columns 0 (dead units,
/// rank 1), and weights that f32 does not hold exactly.
fn hostile_theta(shape: OneHidden) -> Array2<f64> {
    let scales = [0.0, 1e-30, 1e-15, 1e-4, 1.0, 30.0, 1e4, 1e8, 1e15];
    let mut rows = Vec::new();
    for (seed, (of_w, of_v)) in (0..).zip(scales.iter().flat_map(|w| scales.map(|v| (*w, v)))) {
        let theta = initial_theta(shape.parameters(), seed, 2.0).into_iter().map(f64::from).enumerate();
        let scaled = theta.map(|(d, theta)| theta * if d < shape.v_bias() { of_w } else { of_v });
        // Every other network is rounded to f32.
        rows.extend(scaled.map(|theta| if seed % 2 == 0 { f64::from(theta as f32) } else { theta }));
    }
    Array2::from_shape_vec((scales.len() * scales.len(), shape.parameters()), rows).unwrap()
}

#[test]
fn rounding_covers_hostile_networks_or_is_infinite() {
    let test = "rounding_covers_hostile_networks_or_is_infinite";
    for route in ROUTES {
        let Some(mut gpu) = engine(test, route) else { return };
        for activation in Activation::ALL {
            let (mut bounded, mut all, mut uncovered) = (0, 0, 0);
            for (hidden, data) in
                [1, 3].into_iter().flat_map(|hidden| hostile_data().into_iter().map(move |data| (hidden, data)))
            {
                let problem = Problem::new(hidden, activation, data);
                let theta = hostile_theta(problem.paper().unwrap().network.shape);
                let found = gpu.evaluate(&problem, theta.view().into()).unwrap();
                let truth = Truth::of_each(&problem, &theta);
                let comparison = Comparison::of(&problem, &found, &truth, 1.0);
                comparison.assert_holds(&format!("{activation:?}, N = {hidden}, {route:?}, {}", problem.data.x()));
                bounded += comparison.errors.len();
                all += truth.len();
                uncovered += Comparison::of(&problem, &found, &truth, 1e-6).traces.len();
            }
            // At most scales the squares leave f32, and these get no bounds.
            assert!(5 * bounded > all, "{activation:?}, {route:?}: {bounded} of {all} networks have bounds");
            assert!(uncovered > 0, "{activation:?}, {route:?}");
        }
    }
}

/// tr H^2 of ||H|| = 1e-20 and of 1e20 is outside f32, and so are weights beyond it: their rounding is infinite, not
/// wrong.
#[test]
fn what_f32_does_not_hold_has_no_bounds() {
    let test = "what_f32_does_not_hold_has_no_bounds";
    let x = array![[-1.0], [1.0]];
    let problem = Problem::new(1, Activation::Tanh, Dataset::new(x, array![0.0, 1.0]).unwrap());
    let theta = array![
        [0.0, 2.0, 0.0, 1.0],
        [0.0, 2.0, 0.0, 55.0],
        [0.0, 1e-5, 1.0, 1e20],
        [0.0, 1e39, 0.0, 1.0],
        [0.0, 1e-41, 0.0, 1.0]
    ];
    for route in ROUTES {
        let Some(mut gpu) = engine(test, route) else { return };
        let found = gpu.evaluate(&problem, theta.view().into()).unwrap();
        let finite: Vec<bool> = found.rounding.iter().map(|rounding| rounding.hessian.is_finite()).collect();
        assert_eq!(finite, [true, false, false, false, false], "{route:?}: {:?}", found.rounding);
        for k in 1..theta.nrows() {
            let trace = found.trace(k);
            assert!(widened_bounds(trace, found.trace_sq[k], 4, &found.rounding[k]).bounds.lambda_sup.is_nan());
        }
    }
}

/// Inputs and weights that f32 rounds in their eighth digit, all in the same direction. That is the third digit of y,
/// which is their difference.
#[test]
fn rounding_counts_what_inputs_and_weights_lose_in_f32() {
    let x = |narrow: fn(f64) -> f64| {
        let x = Array2::from_shape_fn((20, 1), |(i, _)| narrow(1.0 + (21.0 * i as f64 + 0.45) / (1 << 23) as f64));
        let q: Array1<f64> = (0..20).map(|i| f64::from(i % 2)).collect();
        Problem::new(1, Activation::Sigmoid, Dataset::new(x, q).unwrap())
    };
    let narrow = |value: f64| f64::from(value as f32);
    let (exact, narrowed) = (x(|x| x), x(|x| f64::from(x as f32)));
    let theta = array![[-1e5, 1e5, 0.25, 4.0], [-1e5 - 0.0035, 1e5, 0.25, 4.0]];
    for route in ROUTES {
        let Some(mut gpu) = engine("rounding_counts_what_inputs_and_weights_lose_in_f32", route) else { return };
        // First the inputs are off, then the weights.
        for (problem, theta) in [(&exact, theta.select(Axis(0), &[0])), (&narrowed, theta.select(Axis(0), &[1]))] {
            let truth = Truth::of_each(problem, &theta);
            let found = gpu.evaluate(problem, theta.view().into()).unwrap();
            let comparison = Comparison::of(problem, &found, &truth, 1.0);
            comparison.assert_holds(&format!("{route:?}"));
            assert!(found.rounding[0].hessian.is_finite());
            // The same numbers, taken as exact.
            let found = gpu.evaluate(&narrowed, theta.mapv(narrow).view().into()).unwrap();
            assert!(!Comparison::of(problem, &found, &truth, 1.0).traces.is_empty(), "{route:?}, {theta}");
        }
    }
}

/// Relu's slope jumps where y is 0. A y within its rounding of that may lie on either side, and every engine counts the
/// whole jump; where the weights are 0, so is y, and in f64 nothing is uncertain.
#[test]
fn an_uncertain_sign_of_a_relu_unit_counts_as_a_whole_slope() {
    let data = Dataset::new(array![[0.1], [1.0]], array![0.0, 1.0]).unwrap();
    let problem = Problem::new(1, Activation::Relu, data);
    // 3 x_0 - 0.3 is a few roundings from 0.
    let theta = array![[-0.3, 3.0, 0.2, 1.5], [-0.2, 3.0, 0.2, 1.5], [0.0, 0.0, 0.2, 1.5]];
    let mut engines: Vec<(String, Box<dyn Engine>)> = vec![("reference".into(), Box::new(Reference::default()))];
    for set in InstructionSet::available() {
        engines.extend(ROUTES.map(|route| -> (String, Box<dyn Engine>) {
            (format!("{set} {route:?}"), Box::new(Cpu::with_instruction_set(route, set).unwrap()))
        }));
    }
    for route in ROUTES {
        let gpu = engine("an_uncertain_sign_of_a_relu_unit_counts_as_a_whole_slope", route);
        engines.extend(gpu.map(|gpu| -> (String, Box<dyn Engine>) { (format!("gpu {route:?}"), Box::new(gpu)) }));
    }
    for (name, engine) in &mut engines {
        let found = engine.evaluate(&problem, theta.view().into()).unwrap();
        let errors: Vec<f64> = found.rounding.iter().map(|rounding| rounding.hessian).collect();
        // Another slope at sample 0 moves H by more than 0.5.
        assert!(errors[0] > 0.5 && errors[1] < 1e-4, "{name}: {errors:?}");
        assert_eq!(errors[2] < 1e-12, engine.evaluates_in_f64(), "{name}: {errors:?}");
    }
}
