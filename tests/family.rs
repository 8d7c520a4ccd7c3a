//! Networks of any depth, with K outputs and any loss: the reference against automatic differentiation, and against
//! the paper's own forms where the network is one of the paper's.

mod support;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, array};
use ndarray_npy::read_npy;
use serde::Deserialize;
use sharpsweep::bounds::{widened_bounds, wolkowicz_styan};
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Engine, LayerTraces, Route};
use sharpsweep::gpu::Tuning;
use sharpsweep::model::{Activation, Dataset, Loss, Problem, Shape, ShapeError, Targets, initial_theta};
use sharpsweep::reference::layers::{
    GaussNewton, backward, forward, gauss_newton, gauss_newton_matrix, gradient, hessian, layer_traces, loss, trace_sq,
};
use sharpsweep::reference::{self, Reference, central_difference_hessian, spectrum};
use support::{Draws, close, close_scaled};

/// Sums of some tens of terms in f64, on both sides.
const RELATIVE: f64 = 1e-12;

/// A problem, networks on it, and the oracle's values for them.
struct Case {
    name: String,
    problem: Problem,
    theta: Array2<f64>,
    folder: PathBuf,
}

#[derive(Deserialize)]
struct CaseFile {
    loss: Loss,
    activation: Activation,
    widths: Vec<usize>,
    weighted: bool,
}

impl Case {
    fn load(folder: PathBuf) -> Self {
        let case: CaseFile = serde_json::from_str(&std::fs::read_to_string(folder.join("case.json")).unwrap()).unwrap();
        let read = |stem: &str| folder.join(format!("{stem}.npy"));
        let outputs = *case.widths.last().unwrap();
        let targets = match case.loss {
            Loss::Logistic => Targets::Labels(read_npy(read("target")).unwrap()),
            Loss::Softmax => {
                let classes: Array1<i64> = read_npy(read("target")).unwrap();
                Targets::Classes { of: classes.iter().map(|&class| class as usize).collect(), count: outputs }
            }
            Loss::Squared => Targets::Values(read_npy(read("target")).unwrap()),
        };
        let mut data = Dataset::new(read_npy::<_, Array2<f64>>(read("x")).unwrap(), targets).unwrap();
        if case.weighted {
            data = data.weighted(read_npy(read("weight")).unwrap()).unwrap();
        }
        let hidden = &case.widths[1..case.widths.len() - 1];
        let problem = Problem::with_layers(hidden, case.activation, data).unwrap();
        assert_eq!((problem.network.shape.widths(), problem.loss()), (&case.widths[..], case.loss));
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, problem, theta: read_npy(read("theta")).unwrap(), folder }
    }

    /// Every case: the whole set beside the project if it exists, else the small part under `tests/golden-family`.
    fn all() -> Vec<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (whole, part) = (project.join("../shared/golden-family"), project.join("tests/golden-family"));
        let root = if whole.is_dir() {
            whole
        } else {
            support::notice("SKIPPED most cases of networks of any depth: the whole set is not there");
            part
        };
        let mut folders: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let cases = folders.into_iter().filter(|folder| folder.join("case.json").exists()).map(Self::load);
        let cases: Vec<Self> = cases.collect();
        assert!(cases.len() >= 4, "{} cases", cases.len());
        cases
    }

    fn network(&self, k: usize) -> Vec<f64> {
        self.theta.row(k).to_vec()
    }

    fn column(&self, quantity: &str) -> Vec<f64> {
        read_npy::<_, Array1<f64>>(self.file(quantity)).unwrap().to_vec()
    }

    fn file(&self, quantity: &str) -> PathBuf {
        self.folder.join(format!("{quantity}.npy"))
    }

    /// `of` every network against the oracle's `quantity`, relative to `scale` of each; `wrong` has to miss.
    fn check(&self, quantity: &str, scale: &[f64], of: impl Fn(&[f64]) -> f64) {
        let found: Vec<f64> = (0..self.theta.nrows()).map(|k| of(&self.network(k))).collect();
        close_scaled(&found, &self.column(quantity), scale, RELATIVE)
            .unwrap_or_else(|message| panic!("{} {quantity}: {message}", self.name));
        let wrong: Vec<f64> = found.iter().zip(scale).map(|(found, scale)| found + 1e-9 * scale).collect();
        close_scaled(&wrong, &self.column(quantity), scale, RELATIVE).unwrap_err();
    }
}

/// sum_i omega_i (1 + |l_i|): the size of the terms of a loss whose own value may be near 0.
fn loss_size(problem: &Problem, theta: &[f64]) -> f64 {
    loss(problem, theta).abs() + problem.data.samples() as f64
}

#[test]
fn the_reference_agrees_with_automatic_differentiation_at_any_depth() {
    for case in Case::all() {
        let (problem, networks) = (&case.problem, case.theta.nrows());
        let parameters = problem.network.parameters();
        let norm: Vec<f64> = case.column("moment2").iter().map(|square| square.sqrt()).collect();
        let each = |of: &dyn Fn(&[f64]) -> f64| (0..networks).map(|k| of(&case.network(k))).collect::<Vec<f64>>();

        case.check("loss", &each(&|theta| loss_size(problem, theta)), |theta| loss(problem, theta));
        let traces = each(&|theta| layer_traces(problem, theta).iter().map(|trace| trace.abs()).sum());
        let root = (parameters as f64).sqrt();
        let trace_scale: Vec<f64> = norm.iter().zip(&traces).map(|(norm, trace)| root * norm + trace).collect();
        case.check("trace", &trace_scale, |theta| layer_traces(problem, theta).iter().sum());
        case.check("moment2", &case.column("moment2"), |theta| trace_sq(problem, theta));
        case.check("gn_trace", &case.column("gn_trace"), |theta| gauss_newton(problem, theta).trace);
        case.check("gn_moment2", &case.column("gn_moment2"), |theta| gauss_newton(problem, theta).trace_sq);
        case.check("lambda_max", &norm, |theta| spectrum(hessian(problem, theta).view(), 0).unwrap().lambda_max());
        case.check("lambda_min", &norm, |theta| spectrum(hessian(problem, theta).view(), 0).unwrap().lambda_min());
        if case.file("ws_upper").exists() {
            let bound = |theta: &[f64]| {
                let trace = layer_traces(problem, theta).iter().sum();
                wolkowicz_styan(trace, trace_sq(problem, theta), parameters).lambda_sup
            };
            case.check("ws_upper", &norm, bound);
        }

        let layer_trace: Array2<f64> = read_npy(case.file("layer_trace")).unwrap();
        let expected_gradient: Array2<f64> = read_npy(case.file("grad")).unwrap();
        for (k, &trace_scale) in trace_scale.iter().enumerate() {
            let theta = case.network(k);
            let at = |message: String| panic!("{} network {k}: {message}", case.name);
            let layers = layer_trace.ncols();
            close_scaled(
                &layer_traces(problem, &theta),
                &layer_trace.row(k).to_vec(),
                &vec![trace_scale; layers],
                RELATIVE,
            )
            .unwrap_or_else(at);
            let expected = expected_gradient.row(k).to_vec();
            let length = expected.iter().map(|g| g * g).sum::<f64>().sqrt();
            let size = length + loss_size(problem, &theta);
            close_scaled(&gradient(problem, &theta), &expected, &vec![size; parameters], RELATIVE).unwrap_or_else(at);
        }
        if case.file("hessian").exists() {
            let hessians: Array3<f64> = read_npy(case.file("hessian")).unwrap();
            for (k, expected) in hessians.outer_iter().enumerate() {
                let found = hessian(problem, &case.network(k));
                let elements: Vec<f64> = found.iter().copied().collect();
                let expected: Vec<f64> = expected.iter().copied().collect();
                close_scaled(&elements, &expected, &vec![norm[k]; elements.len()], RELATIVE)
                    .unwrap_or_else(|message| panic!("{} Hessian {k}: {message}", case.name));
            }
        }
    }
}

/// The oracle's cases that are the paper's networks, by the engines: all values of the reference, both routes of the
/// lanes, and `lambda_sup` of the shaders.
#[test]
fn every_engine_agrees_with_automatic_differentiation_on_the_papers_networks() {
    let name = "every_engine_agrees_with_automatic_differentiation_on_the_papers_networks";
    let mut activations = HashSet::new();
    for case in Case::all() {
        if case.problem.paper().is_none() {
            continue;
        }
        activations.insert(case.problem.network.activation);
        let parameters = case.problem.network.parameters();
        let (trace, trace_sq) = (case.column("trace"), case.column("moment2"));
        let norm: Vec<f64> = trace_sq.iter().map(|square| square.sqrt()).collect();
        let root = (parameters as f64).sqrt();
        let sup: Vec<f64> = (trace.iter().zip(&trace_sq))
            .map(|(&trace, &square)| wolkowicz_styan(trace, square, parameters).lambda_sup)
            .collect();
        let mut engines: Vec<(String, Box<dyn Engine>, f64)> =
            vec![("reference".into(), Box::new(Reference::default()), RELATIVE)];
        for route in [Route::Pairwise, Route::Assembled] {
            for set in InstructionSet::available() {
                let cpu = Cpu::with_instruction_set(route, set).unwrap();
                engines.push((format!("{set} {route:?}"), Box::new(cpu), RELATIVE));
            }
            if let Some(gpu) = support::gpu::gpu(name, Tuning { route, ..Tuning::default() }) {
                engines.push((format!("gpu {route:?}"), Box::new(gpu), 1e-5));
            }
        }
        for (engine, evaluates, tolerance) in &mut engines {
            let found = evaluates.evaluate(&case.problem, case.theta.view().into()).unwrap();
            let check = |what: &str, found: &[f64], expected: &[f64], factor: f64| {
                let scale: Vec<f64> = norm.iter().map(|norm| factor * norm).collect();
                let failed = |message: String| panic!("{} by {engine}, {what}: {message}", case.name);
                close_scaled(found, expected, &scale, *tolerance).unwrap_or_else(failed);
            };
            let traces: Vec<f64> = found.layer_trace.iter().map(LayerTraces::sum).collect();
            check("tr H", &traces, &trace, 10.0 * root);
            let bounds: Vec<f64> = (traces.iter().zip(&found.trace_sq))
                .map(|(&trace, &square)| wolkowicz_styan(trace, square, parameters).lambda_sup)
                .collect();
            check("lambda_sup", &bounds, &sup, 1.0);
            let wrong: Vec<f64> = bounds.iter().zip(&norm).map(|(bound, norm)| bound + 2e-5 * norm).collect();
            close_scaled(&wrong, &sup, &norm, *tolerance).unwrap_err();
        }
    }
    let added = [Activation::Relu, Activation::Silu, Activation::Erf, Activation::Square];
    assert!(added.iter().all(|activation| activations.contains(activation)), "{activations:?}");
}

/// The two routes and the central differences of a gradient agree for depths and widths that the oracle's cases lack.
#[test]
fn pairs_of_samples_and_the_assembled_hessian_give_the_same_trace() {
    let x = Array2::from_shape_fn((7, 3), |(i, m)| (0.7 * i as f64 + 1.3 * m as f64).sin());
    let labels = Array2::from_shape_fn((7, 2), |(i, k)| ((i + k) % 2) as f64);
    let classes = Targets::Classes { of: vec![0, 1, 2, 1, 0, 2, 2], count: 3 };
    let values = Array2::from_shape_fn((7, 1), |(i, _)| (i as f64).cos());
    for hidden in [&[][..], &[4], &[2, 5], &[3, 2, 4], &[2; 4], &[2; 9]] {
        for activation in Activation::ALL {
            // Of nine layers of square units the output is a polynomial of degree 512, beyond differences.
            if activation == Activation::Square && hidden.len() > 4 {
                continue;
            }
            for targets in [Targets::Labels(labels.clone()), classes.clone(), Targets::Values(values.clone())] {
                let data = Dataset::new(x.clone(), targets).unwrap();
                let data = data.weighted(Array1::from_shape_fn(7, |i| 0.5 + 0.25 * i as f64)).unwrap();
                let problem = Problem::with_layers(hidden, activation, data).unwrap();
                let parameters = problem.network.parameters();
                let theta: Vec<f64> = initial_theta(parameters, 3, 1.5).into_iter().map(f64::from).collect();
                let closed = reference::hessian(&problem, &theta);
                let square: f64 = closed.iter().map(|h| h * h).sum();
                let name = format!("{} {activation:?} {:?}", problem.network.shape, problem.loss());
                close(&[trace_sq(&problem, &theta)], &[square], 0.0, 1e-12).unwrap_or_else(|m| panic!("{name}: {m}"));
                let diagonal = closed.diag().sum();
                let traces: f64 = layer_traces(&problem, &theta).iter().sum();
                close(&[traces], &[diagonal], 1e-12 * square.sqrt(), 1e-12).unwrap_or_else(|m| panic!("{name}: {m}"));
                let difference = central_difference_hessian(&problem, &theta, 1e-5);
                // Truncation h^2 and rounding 1e-16 / h, both times the next derivatives.
                let elements = |matrix: &Array2<f64>| matrix.iter().copied().collect::<Vec<f64>>();
                close(&elements(&difference), &elements(&closed), 1e-6 * (1.0 + square.sqrt()), 0.0)
                    .unwrap_or_else(|m| panic!("{name}: {m}"));
            }
        }
    }
}

/// Term by term: M and R of the general recursion are the paper's blocks, and the sums are equal.
#[test]
fn the_paper_is_the_case_of_one_hidden_layer_and_one_output() {
    for case in support::golden_cases() {
        for k in 0..case.seeds().min(2) {
            let (problem, theta) = (&case.problem, case.network(k));
            let paper = problem.paper().unwrap();
            let terms = reference::terms(&paper, &theta);
            let traces = [reference::trace_ww(&paper, &theta, &terms), reference::trace_vv(&terms)];
            let square = reference::trace_sq(&paper, &theta, &terms);
            let at = |message: String| panic!("{} network {k}: {message}", case.name);
            let scale = square.sqrt() * (theta.len() as f64).sqrt();
            close_scaled(&layer_traces(problem, &theta), &traces, &[scale + traces[0].abs() + traces[1]; 2], RELATIVE)
                .unwrap_or_else(at);
            close(&[trace_sq(problem, &theta)], &[square], 0.0, RELATIVE).unwrap_or_else(at);
            let elements = |matrix: Array2<f64>| matrix.iter().copied().collect::<Vec<f64>>();
            let expected = elements(reference::hessian(problem, &theta));
            let sizes = vec![square.sqrt(); expected.len()];
            close_scaled(&elements(hessian(problem, &theta)), &expected, &sizes, RELATIVE).unwrap_or_else(at);
            close(&[loss(problem, &theta)], &[reference::loss(problem, &theta)], 0.0, RELATIVE).unwrap_or_else(at);
            let one = forward(problem.network, &theta, problem.data.sample(0));
            let found = backward(problem, &theta, 0, &one);
            let df = terms.row(&terms.df, 0);
            let v = |n: usize| theta[paper.network.shape.v(n)];
            for (n, df) in df.iter().enumerate() {
                close(&[found.r(1, 2)[(n, n)], found.g(1)[n]], &[*df, terms.delta[0] * v(n) * df], 1e-300, 1e-13)
                    .unwrap_or_else(at);
            }
        }
    }
}

/// One index exchanged in a pair form is a plausible, slightly wrong number: the tolerance of 1e-12 sees it.
#[test]
fn an_exchanged_index_is_seen() {
    let x = array![[0.3, -1.2], [1.1, 0.4], [-0.7, 0.9]];
    let data = Dataset::new(x, Targets::Classes { of: vec![0, 2, 1], count: 3 }).unwrap();
    let problem = Problem::with_layers(&[3, 2], Activation::Tanh, data).unwrap();
    let theta: Vec<f64> = initial_theta(problem.network.parameters(), 1, 1.5).into_iter().map(f64::from).collect();
    let all: Vec<_> = (0..3)
        .map(|i| {
            let forward = forward(problem.network, &theta, problem.data.sample(i));
            let backward = backward(&problem, &theta, i, &forward);
            (forward, backward)
        })
        .collect();
    // The crossed terms of layers 1 and 2 with R and g of the same sample as M and h'.
    let crossed = |i: usize, j: usize, same: bool| {
        let other = if same { i } else { j };
        let units = all[i].0.h[1].rows(1, 3).into_owned();
        let fed = all[other].1.r(1, 2).tr_mul(&units);
        all[i].0.h[0].dot(&all[j].0.h[0]) * fed.dot(&(all[i].1.m(1, 2) * all[j].1.g(2)))
    };
    let wrong: f64 = (0..9).map(|at| 4.0 * (crossed(at / 3, at % 3, true) - crossed(at / 3, at % 3, false))).sum();
    let right = trace_sq(&problem, &theta);
    assert!((wrong / right).abs() > 1e-4, "{wrong} of {right}");
    close(&[right + wrong], &[right], 0.0, RELATIVE).unwrap_err();
}

/// Without a hidden layer the network is logistic, softmax or linear regression, whose Hessians are known.
#[test]
fn without_a_hidden_layer_the_hessian_is_that_of_regression() {
    let x = array![[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5], [1.0, 1.0]];
    let values = Dataset::new(x.clone(), Targets::Values(array![[1.0], [0.0], [2.0], [-1.0]])).unwrap();
    let linear = Problem::with_layers(&[], Activation::Tanh, values).unwrap();
    let theta = [0.1, -0.4, 0.8];
    // X^T X with a column of ones.
    let ones = Array2::from_shape_fn((4, 3), |(i, m)| if m == 0 { 1.0 } else { x[[i, m - 1]] });
    let expected = ones.t().dot(&ones);
    assert!(hessian(&linear, &theta).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-13));
    let traces = layer_traces(&linear, &theta);
    assert_eq!(traces.len(), 1);
    assert!((traces[0] - expected.diag().sum()).abs() < 1e-13);
    // G is the whole Hessian.
    let GaussNewton { trace, trace_sq: square, .. } = gauss_newton(&linear, &theta);
    assert!((trace - traces[0]).abs() < 1e-12 && (square - trace_sq(&linear, &theta)).abs() < 1e-11);

    let labels = Dataset::new(x.clone(), array![1.0, 0.0, 1.0, 0.0]).unwrap();
    let logistic = Problem::with_layers(&[], Activation::Gelu, labels).unwrap();
    let mut expected = Array2::<f64>::zeros((3, 3));
    for row in ones.rows() {
        let z: f64 = row.iter().zip(theta).map(|(x, t)| x * t).sum();
        let p = 1.0 / (1.0 + (-z).exp());
        for (a, b) in (0..9).map(|at| (at / 3, at % 3)) {
            expected[[a, b]] += p * (1.0 - p) * row[a] * row[b];
        }
    }
    assert!(hessian(&logistic, &theta).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-14));

    let classes = Dataset::new(x, Targets::Classes { of: vec![0, 1, 1, 0], count: 2 }).unwrap();
    let softmax = Problem::with_layers(&[], Activation::Sigmoid, classes).unwrap();
    let found = spectrum(hessian(&softmax, &[0.2, -0.1, 0.7, 0.3, -0.5, 0.4]).view(), 0).unwrap();
    // One vector added to the weights of both logits changes nothing: M + 1 null directions.
    assert!(found.eigenvalues[3..].iter().all(|value| value.abs() < 1e-14), "{:?}", found.eigenvalues);
}

/// The Gauss-Newton part as a matrix has the traces of the forms, is the Hessian without the residuals, and its bound
/// holds as it stands: with one sample and one output its rank is 1, where the theorem is an equality and rounding
/// alone would leave the bound below.
#[test]
fn the_bound_of_the_gauss_newton_part_holds_as_it_stands() {
    let mut draws = Draws::new(5);
    let (mut below, mut wide) = (0, 0.0_f64);
    for case in 0..if support::is_full() { 10_000_u32 } else { 600 } {
        let loss = [Loss::Logistic, Loss::Softmax, Loss::Squared][case as usize % 3];
        let (samples, inputs) = (if case % 2 == 0 { 1 } else { draws.count(6) }, draws.count(4));
        let outputs = if loss == Loss::Softmax { 1 + draws.count(3) } else { draws.count(3) };
        let outputs = if case % 4 == 0 && loss != Loss::Softmax { 1 } else { outputs };
        let hidden: Vec<usize> = (0..draws.count(4) - 1).map(|_| draws.count(4)).collect();
        let x = Array2::from_shape_simple_fn((samples, inputs), || 6.0 * draws.unit() - 3.0);
        let targets = match loss {
            Loss::Logistic => {
                Targets::Labels(Array2::from_shape_simple_fn((samples, outputs), || draws.unit().round()))
            }
            Loss::Softmax => {
                Targets::Classes { of: (0..samples).map(|_| draws.count(outputs) - 1).collect(), count: outputs }
            }
            Loss::Squared => Targets::Values(Array2::from_shape_simple_fn((samples, outputs), || draws.unit())),
        };
        let activation = Activation::ALL[case as usize % Activation::ALL.len()];
        let problem = Problem::with_layers(&hidden, activation, Dataset::new(x, targets).unwrap()).unwrap();
        let start = initial_theta(problem.network.parameters(), u64::from(case), 3.0);
        let theta: Vec<f64> = start.into_iter().map(f64::from).collect();
        let GaussNewton { trace, trace_sq, rounding } = gauss_newton(&problem, &theta);
        let matrix = gauss_newton_matrix(&problem, &theta);
        let of_matrix = [matrix.diag().sum(), matrix.iter().map(|value| value * value).sum::<f64>()];
        close(&[trace, trace_sq], &of_matrix, 1e-250, RELATIVE).unwrap();
        let largest = spectrum(matrix.view(), 0).unwrap().lambda_max();
        let widened = widened_bounds(trace, trace_sq, theta.len(), &rounding);
        assert!(widened.bounds.lambda_sup >= largest, "case {case}: {} {largest}", widened.bounds.lambda_sup);
        below += u32::from(wolkowicz_styan(trace, trace_sq, theta.len()).lambda_sup < largest);
        wide = wide.max(widened.error / trace_sq.sqrt());
        if loss == Loss::Squared && hidden.is_empty() {
            // Linear regression has no rest.
            let rest = (&hessian(&problem, &theta) - &matrix).iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            assert!(rest <= 1e-12 * trace, "case {case}: {rest}");
        }
    }
    assert!(below > 10, "without widening, {below} bounds would be below");
    assert!(wide < 1e-6, "{wide}");
}

#[test]
fn gradient_descent_goes_down_at_any_depth_and_ends_by_its_rule() {
    let x = Array2::from_shape_fn((12, 2), |(i, m)| (1.1 * i as f64 + 0.6 * m as f64).cos());
    let classes = Targets::Classes { of: (0..12).map(|i| i % 3).collect(), count: 3 };
    let problem = Problem::with_layers(&[4, 4], Activation::Tanh, Dataset::new(x, classes).unwrap()).unwrap();
    let start: Vec<f64> = initial_theta(problem.network.parameters(), 0, 1.0).into_iter().map(f64::from).collect();
    let descent =
        sharpsweep::engine::Descent { step_size: 0.02, max_steps: 200, tolerance: 1e-12, ..Default::default() };
    let mut theta = start.clone();
    let end = reference::train(&problem, &descent, &mut theta);
    assert_eq!((end.status, end.steps), (sharpsweep::engine::Status::StepLimit, 200));
    assert!(loss(&problem, &theta) < 0.9 * loss(&problem, &start));
    // The first step, by hand.
    let mut once = start.clone();
    reference::train(&problem, &sharpsweep::engine::Descent { max_steps: 1, ..descent }, &mut once);
    let expected: Vec<f64> = start.iter().zip(gradient(&problem, &start)).map(|(t, g)| t - 0.02 * g).collect();
    assert_eq!(once, expected);
}

#[test]
fn targets_and_weights_that_no_loss_takes_are_named() {
    let x = array![[0.0], [1.0]];
    let message = |targets: Targets| Dataset::new(x.clone(), targets).unwrap_err().to_string();
    assert!(message(Targets::Labels(array![[0.0, 1.0], [0.5, 1.0]])).contains("q[1] is 0.5"));
    assert!(message(Targets::Classes { of: vec![0, 2], count: 2 }).contains("class 2 of 2"));
    assert!(message(Targets::Values(array![[0.0], [f64::NAN]])).contains("q[1, 0] is NaN"));
    assert!(message(Targets::Values(array![[0.0]])).contains("1 targets"));
    let data = Dataset::new(x, Targets::Values(array![[0.0], [3.0]])).unwrap();
    for (weights, expected) in [(array![1.0], "1 sample weights"), (array![1.0, 0.0], "sample 1 is 0")] {
        assert!(data.clone().weighted(weights).unwrap_err().to_string().contains(expected));
    }
    assert!(data.clone().weighted(array![1.0, f64::NAN]).is_err());
    assert_eq!(data.clone().weighted(array![1.0, 1.0]).unwrap(), data, "weights of 1 are none");
    assert!(matches!(Problem::with_layers(&[0], Activation::Tanh, data), Err(ShapeError::NoUnits { layer: 1 })));
    assert_eq!(Shape::new(2, &[8, 8], 1).unwrap().to_string(), "2-8-8-1");
}

/// The part of the oracle's cases that comes with the project has every cell that docs/formulas.md names.
#[test]
fn the_oracles_cases_cover_every_activation_and_loss() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-family");
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<Case> = folders.filter(|folder| folder.join("case.json").exists()).map(Case::load).collect();
    let is_there = |wanted: &dyn Fn(&Problem) -> bool| cases.iter().any(|case| wanted(&case.problem));
    let hidden = |problem: &Problem| problem.network.shape.hidden().len();
    for loss in [Loss::Logistic, Loss::Softmax, Loss::Squared] {
        for activation in Activation::ALL {
            let one = |p: &Problem| (p.loss(), p.network.activation, hidden(p)) == (loss, activation, 1);
            assert!(is_there(&one), "{loss:?} {activation:?}");
        }
        assert!(is_there(&|p| p.loss() == loss && hidden(p) > 1), "{loss:?} is deep nowhere");
    }
    for activation in Activation::ALL.into_iter().filter(|&activation| activation != Activation::Square) {
        let deep = |p: &Problem| p.network.activation == activation && hidden(p) > 1;
        assert!(is_there(&deep), "{activation:?} is deep nowhere");
    }
    for layers in 1..=4 {
        assert!(is_there(&|p| hidden(p) == layers), "{layers} hidden layers");
    }
    assert!(is_there(&|p| p.data.weights().is_some()) && is_there(&|p| p.network.shape.outputs() > 3));
}
