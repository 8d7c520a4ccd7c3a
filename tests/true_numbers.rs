//! Every number is right to its stated error or NaN, and every bound holds as it stands: for golden, trained and
//! hostile networks, with every engine and both routes, against the f64 spectra of the reference.

mod support;

use std::env;
use std::path::Path;

use ndarray::{Array1, Array2, Axis, s};
use ndarray_npy::read_npy;
use sharpsweep::bounds::{WolkowiczStyan, widened_bounds, wolkowicz_styan};
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, Engine, Route, Spectra, Status, Stop};
use sharpsweep::fallback::{self, Completed};
use sharpsweep::gpu::Tuning;
use sharpsweep::model::{Activation, Dataset, Loss, Problem, Stream, Targets, appendix_c};
use sharpsweep::reference::{Reference, Spectrum, spectra};
use support::{Draws, golden_cases, signs_are_certain};

/// How many networks of each kind are tried, in per cent: `SHARPSWEEP_NETWORKS=100` tries the 10,000 that a release is
/// checked with.
fn share() -> usize {
    env::var("SHARPSWEEP_NETWORKS").map_or(4, |text| text.parse().expect("SHARPSWEEP_NETWORKS is a whole number"))
}

/// Every engine on either route, by name: all instruction sets of this processor, the reference, and the adapter if
/// `gpu`.
fn engines(test: &str, gpu: bool) -> Vec<(String, Box<dyn Engine>)> {
    let mut engines: Vec<(String, Box<dyn Engine>)> = vec![("reference".into(), Box::new(Reference::default()))];
    for route in [Route::Pairwise, Route::Assembled] {
        for set in InstructionSet::available() {
            let cpu = Cpu::with_instruction_set(route, set).expect("listed as available");
            engines.push((format!("cpu {set} {route:?}"), Box::new(cpu)));
        }
        let tuning = Tuning { route, ..Tuning::default() };
        if gpu && let Some(gpu) = support::gpu::gpu(test, tuning) {
            engines.push((format!("gpu {route:?}"), Box::new(gpu)));
        }
    }
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
        let truth = spectra(&problem, theta.view().into(), 0).into_iter().map(|spectrum| spectrum.unwrap()).collect();
        Self { name, problem, theta, truth }
    }
}

/// The results of one engine for some networks.
#[derive(Default)]
struct Found {
    tried: usize,
    /// The number of rows without bounds.
    without: usize,
    /// Bounds that do not hold, and values that are further off than stated.
    misses: Vec<String>,
    /// bound_error over ||H||_F.
    errors: Vec<f64>,
}

/// How far eigenvalues may be off those of the Hessian that they are computed from, relative to ||H||_F: in f64, and in
/// f32 on the GPU.
fn eigenvalue_error(engine: &dyn Engine) -> f64 {
    if engine.evaluates_in_f64() { 1e-12 } else { 1e-5 }
}

/// Numbers below this are as good as 0: engines lose subnormal values, times weights and inputs. Beyond the paper's
/// networks they also lose errors whose squares are subnormal, since those of several outputs add up by their squares.
fn nothing(problem: &Problem) -> f64 {
    if problem.paper().is_some() { 1e-200 } else { 1e-150 }
}

/// Evaluates `networks` with `engine` as a run does, and compares. `bounds` makes the four bounds of a row.
fn compare(
    name: &str,
    engine: &mut dyn Engine,
    networks: &Networks,
    found: &mut Found,
    bounds: impl Fn(&Completed, usize) -> (WolkowiczStyan, f64),
) {
    let Networks { problem, theta, truth, .. } = networks;
    let parameters = problem.network.parameters();
    let forms = fallback::evaluate(engine, problem, theta.view().into(), &Stop::default()).unwrap();
    let Spectra { lambda_max, lambda_min, .. } =
        fallback::spectra(engine, problem, theta.view().into(), &forms.again, &Stop::default()).unwrap();
    let exact = Reference::default().evaluate(problem, theta.view().into()).unwrap();
    let (allowed, nothing) = (eigenvalue_error(engine), nothing(problem));
    for (k, spectrum) in truth.iter().enumerate() {
        let (largest, smallest) = (spectrum.lambda_max(), spectrum.lambda_min());
        // Avoids underflow of the squares.
        let norm = spectrum.eigenvalues.iter().fold(0.0_f64, |norm, &value| norm.hypot(value));
        let (bound, error) = bounds(&forms, k);
        found.tried += 1;
        found.errors.extend((norm > 0.0).then_some(error / norm));
        let mut miss = |what: &str, left: f64, right: f64| {
            found.misses.push(format!(
                "{name}, {} [{k}] {}: {what}: {left:e} and {right:e}",
                networks.name,
                problem.network.activation.name()
            ));
        };
        if bound.lambda_sup.is_nan() {
            found.without += 1;
        } else {
            for (what, low, high) in [
                ("lambda_1 <= lambda_sup", largest, bound.lambda_sup),
                ("lambda_max_lower <= lambda_1", bound.lambda_max_lower, largest),
                ("lambda_D <= lambda_min_upper", smallest, bound.lambda_min_upper),
                ("lambda_min_lower <= lambda_D", bound.lambda_min_lower, smallest),
            ] {
                let holds = low <= high;
                if !holds {
                    miss(what, low, high);
                }
            }
            let (rounding, own) = (forms.evaluation.rounding[k], exact.rounding[k]);
            let evaluation = &forms.evaluation;
            let trace = evaluation.trace(k);
            let true_trace = exact.trace(k);
            let moved = (parameters as f64).sqrt() * (rounding.hessian + own.hessian) + rounding.trace + own.trace;
            if (trace - true_trace).abs() > moved + nothing {
                miss("tr H and the reference's", trace, true_trace);
            }
            // ||H~||_F^2 - ||H||_F^2 is at most 2 ||H||_F e + e^2 for ||H~ - H||_F <= e.
            let moved = rounding.hessian + own.hessian;
            let moved = moved * (2.0 * norm + moved) + rounding.trace_sq + own.trace_sq;
            if (evaluation.trace_sq[k] - exact.trace_sq[k]).abs() > moved {
                miss("tr H^2 and the reference's", evaluation.trace_sq[k], exact.trace_sq[k]);
            }
        }
        for (what, value, truth) in [("lambda_max", lambda_max[k], largest), ("lambda_min", lambda_min[k], smallest)] {
            if !value.is_nan()
                && (value - truth).abs() > allowed * norm + forms.evaluation.rounding[k].hessian + nothing
            {
                miss(what, value, truth);
            }
        }
    }
}

/// The bounds as they stand in a run's columns.
fn recorded(problem: &Problem) -> impl Fn(&Completed, usize) -> (WolkowiczStyan, f64) {
    let parameters = problem.network.parameters();
    move |forms, k| {
        let evaluation = &forms.evaluation;
        let trace = evaluation.trace(k);
        let widened = widened_bounds(trace, evaluation.trace_sq[k], parameters, &evaluation.rounding[k]);
        (widened.bounds, widened.error)
    }
}

/// All engines on all networks: nothing misses, at most `without` of the rows have no bounds, and half of them have a
/// bound_error below `typical` ||H||_F, in f64 and in f32.
fn assert_true(
    engines: Vec<(String, Box<dyn Engine>)>,
    networks: &[Networks],
    without: f64,
    typical: Option<(f64, f64)>,
) {
    let mut misses = Vec::new();
    for (name, mut engine) in engines {
        let mut found = Found::default();
        for networks in networks {
            compare(&name, engine.as_mut(), networks, &mut found, recorded(&networks.problem));
        }
        found.errors.sort_by(f64::total_cmp);
        let error = |level: f64| found.errors.get((found.errors.len() as f64 * level) as usize).copied().unwrap_or(0.0);
        support::notice(&format!(
            "{name}: {} networks, {} misses, {} without bounds, bound_error / ||H||_F median {:.1e}, 99 % {:.1e}",
            found.tried,
            found.misses.len(),
            found.without,
            error(0.5),
            error(0.99)
        ));
        if let Some(typical) = typical
            && error(0.5) > if engine.evaluates_in_f64() { typical.0 } else { typical.1 }
        {
            misses.push(format!("{name}: a median bound_error of {:e} ||H||_F", error(0.5)));
        }
        if found.without as f64 > without * found.tried as f64 {
            misses.push(format!("{name}: {} of {} rows have no bounds", found.without, found.tried));
        }
        misses.extend(found.misses);
    }
    assert!(misses.is_empty(), "{} misses:\n{}", misses.len(), misses[..misses.len().min(20)].join("\n"));
}

#[test]
fn golden_networks_have_true_bounds() {
    let networks: Vec<Networks> =
        golden_cases().into_iter().map(|case| Networks::new(case.name, case.problem, case.theta)).collect();
    assert_true(engines("golden_networks_have_true_bounds", true), &networks, 0.0, None);
}

/// The paper's data and three real sets, all activations; trained with a step size that suits them.
fn trained(networks: usize) -> Vec<Networks> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let real = |name: &str| {
        let x: Array2<f32> = read_npy(data.join(format!("{name}-train-x.npy"))).unwrap();
        let q: Array1<f32> = read_npy(data.join(format!("{name}-train-q.npy"))).unwrap();
        Dataset::new(x.mapv(f64::from), q.mapv(f64::from)).unwrap()
    };
    let sets = [
        ("appendix-c", appendix_c(50, 0, Stream::TrainData).unwrap(), 10.0, 0.1, 3_000),
        ("iris", real("iris-versicolor-virginica"), 3.0, 0.02, 1_000),
        ("wine", real("wine-0-1"), 2.0, 0.01, 300),
        ("breast-cancer", real("breast-cancer"), 1.0, 0.003, 100),
    ];
    let mut all = Vec::new();
    for (name, data, init_range, step_size, max_steps) in sets {
        for activation in Activation::ALL {
            let problem = Problem::new(3, activation, data.clone());
            // Linear networks diverge with the paper's step size, square ones with its weights as well.
            let (init_range, step_size) = match activation {
                Activation::Linear => (init_range, step_size / 20.0),
                Activation::Square => (init_range / 10.0, step_size / 100.0),
                _ => (init_range, step_size),
            };
            let descent = Descent { init_range, step_size, max_steps, tolerance: 1e-3, weight_decay: 0.0 };
            let trained = Cpu::default().train(&problem, &descent, 0..(networks / 4) as u64).unwrap();
            let kept: Vec<usize> =
                (0..trained.status.len()).filter(|&k| trained.status[k] != Status::NonFinite).collect();
            let theta = trained.theta.select(ndarray::Axis(0), &kept).mapv(f64::from);
            all.push(Networks::new(format!("trained on {name}"), problem, theta));
        }
    }
    all
}

#[test]
fn trained_networks_have_true_bounds() {
    assert_true(engines("trained_networks_have_true_bounds", true), &trained(100 * share()), 0.0, Some((1e-12, 2e-4)));
}

/// On the pairwise route, only the terms perturb the Hessian. The lanes find by how much from the reference's formulas;
/// the shaders, which keep what a sum loses, find less in units of their own roundoff.
#[test]
fn engines_bound_the_rounding_of_the_terms_alike() {
    let name = "engines_bound_the_rounding_of_the_terms_alike";
    let f64_unit = f64::EPSILON / 2.0;
    type Compared = (String, Box<dyn Engine>, f64, [f64; 2]);
    let mut engines: Vec<Compared> = Vec::new();
    for set in InstructionSet::available() {
        let cpu = Cpu::with_instruction_set(Route::Pairwise, set).expect("listed as available");
        engines.push((format!("cpu {set}"), Box::new(cpu), f64_unit, [1.0 - 1e-12, 1.0 + 1e-12]));
    }
    if let Some(gpu) = support::gpu::gpu(name, Tuning { route: Route::Pairwise, ..Tuning::default() }) {
        engines.push((String::from("gpu"), Box::new(gpu), f64::from(f32::EPSILON), [0.002, 4.0]));
    }
    for networks in trained(80) {
        let Networks { name, problem, theta, .. } = &networks;
        let exact = Reference::default().evaluate(problem, theta.view().into()).unwrap();
        for (engine, evaluates, unit, [least, most]) in &mut engines {
            let found = evaluates.evaluate(problem, theta.view().into()).unwrap();
            for (k, (rounding, expected)) in found.rounding.iter().zip(&exact.rounding).enumerate() {
                let ratio = (rounding.hessian / *unit) / (expected.hessian / f64_unit);
                let (least, most) = match problem.network.activation {
                    // The weights of one of these units are in the hundreds, and its sum all but cancels on a sample:
                    // the reference counts a rounding of every term, the shaders one of the sum.
                    Activation::Silu if engine == "gpu" => (0.001, *most),
                    // Where the sign of a unit is uncertain in f32 alone, its whole slope counts.
                    Activation::Relu if engine == "gpu" && !signs_are_certain(problem, theta.row(k)) => {
                        (*least, f64::INFINITY)
                    }
                    _ => (*least, *most),
                };
                let what = problem.network.activation.name();
                assert!(
                    (least..=most).contains(&ratio),
                    "{engine}, {name} [{k}] {what}: {ratio} times the reference's"
                );
            }
        }
    }
}

/// 10^-15 to 10^15, uniform on a logarithmic scale.
fn scale(draws: &mut Draws) -> f64 {
    10_f64.powf(draws.within(-15.0, 15.0))
}

/// Inputs and weights of any scale: ordinary, saturated, dead, of rank 1, with an outlier, with equal samples. Shapes
/// and activations take turns, so that a GPU compiles few kernels.
fn hostile(networks: usize) -> Vec<Networks> {
    const SHAPES: [(usize, usize, usize); 4] = [(1, 1, 5), (2, 3, 20), (3, 4, 9), (4, 2, 1)];
    const ROWS: usize = 10;
    let f32 = |value: f64| f64::from(value as f32);
    let problems = networks.div_ceil(SHAPES.len() * Activation::ALL.len() * ROWS);
    let mut all = Vec::new();
    let mut key = 1;
    for (inputs, hidden, samples) in SHAPES {
        for activation in Activation::ALL {
            for _ in 0..problems {
                key += 1;
                let mut draws = Draws::new(key);
                let size = if draws.unit() < 0.3 { 1.0 } else { scale(&mut draws) };
                let mut x = Array2::from_shape_simple_fn((samples, inputs), || f32(draws.within(-size, size)));
                match draws.count(5) {
                    1 => x.row_mut(0).mapv_inplace(|x| f32(x * 1e6)),
                    2 => x.column_mut(0).fill(f32(size)),
                    3 => (0..samples).for_each(|i| {
                        let first = x.row(0).to_owned();
                        x.row_mut(i).assign(&first);
                    }),
                    _ => {}
                }
                let label = draws.count(4);
                let q = Array1::from_shape_simple_fn(samples, || match label {
                    1 => 0.0,
                    2 => 1.0,
                    _ => draws.unit().round(),
                });
                let problem = Problem::new(hidden, activation, Dataset::new(x, q).unwrap());
                let shape = problem.paper().unwrap().network.shape;
                let mut theta = Array2::zeros((ROWS, shape.parameters()));
                for mut row in theta.rows_mut() {
                    // Weights of W against the inputs, and v by itself.
                    let (kind, any) = (draws.count(6), scale(&mut draws));
                    let (w, v) = match kind {
                        1 => (any, any),
                        2 => (1.0 / size, any),
                        3 => (100.0 / size, 10.0),
                        4 => (0.0, 1.0),
                        5 => (1.0, 0.0),
                        _ => (scale(&mut draws), 3.0),
                    };
                    for (d, weight) in row.iter_mut().enumerate() {
                        let size = if d < shape.v_bias() { w } else { v };
                        *weight = f32((size * draws.within(-1.0, 1.0)).clamp(-1e30, 1e30));
                    }
                }
                all.push(Networks::new(format!("hostile {key}"), problem, theta));
            }
        }
    }
    all
}

#[test]
fn hostile_networks_have_true_bounds() {
    assert_true(engines("hostile_networks_have_true_bounds", true), &hostile(100 * share()), 0.05, None);
}

/// Networks without, with one and with several hidden layers, of every loss and activation; on inputs of any scale,
/// with an outlier, with equal samples and with weights of samples; their own weights of any scale layer by layer,
/// ordinary, saturated, dead. Beside them those whose Hessian leaves the range of f64.
fn hostile_layers(networks: usize) -> (Vec<Networks>, Vec<(Problem, Array2<f64>)>) {
    const HIDDEN: [&[usize]; 4] = [&[], &[3], &[2, 3], &[2, 2, 2]];
    const LOSSES: [(Loss, usize); 4] =
        [(Loss::Logistic, 1), (Loss::Logistic, 2), (Loss::Softmax, 3), (Loss::Squared, 2)];
    const SAMPLES: usize = 7;
    const ROWS: usize = 10;
    let problems = networks.div_ceil(HIDDEN.len() * LOSSES.len() * Activation::ALL.len() * ROWS);
    let cells = HIDDEN.iter().flat_map(|&hidden| LOSSES.map(|loss| (hidden, loss)));
    let cells = cells.flat_map(|(hidden, loss)| Activation::ALL.map(|activation| (hidden, loss, activation)));
    let (mut all, mut overflowing) = (Vec::new(), Vec::new());
    for (cell, (hidden, (loss, outputs), activation)) in (0..).zip(cells) {
        for problem in 0..problems {
            let mut draws = Draws::new(100_000 + 1_000 * cell + problem as u32);
            let size = if draws.unit() < 0.3 { 1.0 } else { scale(&mut draws) };
            let mut x = Array2::from_shape_simple_fn((SAMPLES, 2), || draws.within(-size, size));
            match draws.count(5) {
                1 => x.row_mut(0).mapv_inplace(|x| x * 1e6),
                2 => (1..SAMPLES).for_each(|i| {
                    let first = x.row(0).to_owned();
                    x.row_mut(i).assign(&first);
                }),
                _ => {}
            }
            let of_targets = scale(&mut draws);
            let targets = match loss {
                Loss::Logistic => {
                    Targets::Labels(Array2::from_shape_simple_fn((SAMPLES, outputs), || draws.unit().round()))
                }
                Loss::Softmax => {
                    let of = (0..SAMPLES).map(|_| draws.count(outputs) - 1).collect();
                    Targets::Classes { of, count: outputs }
                }
                Loss::Squared => {
                    let value = || of_targets * draws.within(-1.0, 1.0);
                    Targets::Values(Array2::from_shape_simple_fn((SAMPLES, outputs), value))
                }
            };
            let mut data = Dataset::new(x, targets).unwrap();
            if draws.unit() < 0.5 {
                data = data.weighted(Array1::from_shape_simple_fn(SAMPLES, || draws.within(0.1, 2.0))).unwrap();
            }
            let problem = Problem::with_layers(hidden, activation, data).unwrap();
            let mut theta = Array2::zeros((ROWS, problem.network.parameters()));
            for mut row in theta.rows_mut() {
                let (kind, any) = (draws.count(6), scale(&mut draws));
                for (l, layer) in problem.network.shape.layers().enumerate() {
                    let size = match kind {
                        1 => any,
                        2 => scale(&mut draws),
                        3 => 30.0,
                        4 => f64::from(u8::from(draws.unit() < 0.5)),
                        _ if l == 0 => 1.0 / size,
                        _ => 1.0,
                    };
                    let weights = row.slice_mut(s![layer.start..layer.start + layer.parameters()]);
                    weights.into_iter().for_each(|weight| *weight = size * draws.within(-1.0, 1.0));
                }
            }
            let spectra = spectra(&problem, theta.view().into(), 0);
            let (finite, others): (Vec<usize>, Vec<usize>) = (0..ROWS).partition(|&row| spectra[row].is_ok());
            let rows = |rows: &[usize]| theta.select(Axis(0), rows);
            overflowing.push((problem.clone(), rows(&others)));
            all.push(Networks::new(format!("hostile {cell} {}", problem.network.shape), problem, rows(&finite)));
        }
    }
    (all, overflowing)
}

#[test]
fn hostile_networks_of_any_depth_have_true_bounds() {
    let name = "hostile_networks_of_any_depth_have_true_bounds";
    let (networks, overflowing) = hostile_layers(100 * share());
    let tried: usize = overflowing.iter().map(|(_, theta)| theta.nrows()).sum();
    assert!(tried > 0 && tried < 10 * share(), "{tried} Hessians leave the range of f64");
    // The GPU has one route for these.
    let with_gpu = || -> Vec<(String, Box<dyn Engine>)> {
        let gpu =
            support::gpu::gpu(name, Tuning::default()).map(|gpu| ("gpu".into(), Box::new(gpu) as Box<dyn Engine>));
        engines(name, false).into_iter().chain(gpu).collect()
    };
    for (name, mut engine) in with_gpu() {
        for (problem, theta) in &overflowing {
            let forms = fallback::evaluate(engine.as_mut(), problem, theta.view().into(), &Stop::default()).unwrap();
            for k in 0..theta.nrows() {
                let (bounds, _) = recorded(problem)(&forms, k);
                assert!(!bounds.lambda_sup.is_finite(), "{name} {} [{k}]: {bounds:?}", problem.network.shape);
            }
        }
    }
    // With scales that multiply over the layers, more of them leave what an activation's derivatives are known for.
    assert_true(with_gpu(), &networks, 0.08, None);
}

/// At rank 1 Theorem 1 is an equality: the formulas alone fall below lambda_1 there, which the comparison notices.
#[test]
fn the_comparison_sees_a_bound_that_is_not_widened() {
    let networks = trained(400);
    let mut found = Found::default();
    for networks in &networks {
        compare("formulas", &mut Cpu::default(), networks, &mut found, |forms, k| {
            let evaluation = &forms.evaluation;
            let trace = evaluation.trace(k);
            (wolkowicz_styan(trace, evaluation.trace_sq[k], networks.problem.network.parameters()), 0.0)
        });
    }
    assert!(found.misses.iter().any(|miss| miss.contains("lambda_1 <= lambda_sup")), "{:?}", found.misses);
}
