//! The CPU engine against the f64 reference, for every instruction set of this machine, and against itself for other batches and
//! thread counts.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, s};
use sharpsweep::bounds::wolkowicz_styan;
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, Engine, Evaluation, Route, Status, Trained};
use sharpsweep::model::{Activation, Dataset, Problem, Stream, appendix_c, initial_theta};
use sharpsweep::reference::Reference;

const ROUTES: [Route; 2] = [Route::Pairwise, Route::Assembled];

/// lambda_sup of f32 traces, relative: plain f32 was measured at 7e-7 typically, and 5e-6 is what users are promised.
const LAMBDA_SUP: f64 = 5e-6;

/// tr H^2, relative: it carries twice the relative error of an entry.
const TRACE_SQ: f64 = 1e-5;

/// tr H against sqrt(D tr H^2), which it cannot exceed: it may itself be near 0.
const TRACE: f64 = 5e-6;

fn cpu(route: Route, instruction_set: InstructionSet) -> Cpu {
    Cpu::with_instruction_set(route, instruction_set).expect("listed as available")
}

/// Names every value of `found` that is not within `tolerance` (network, value) of `expected`.
fn misses(name: &str, found: &[f64], expected: &[f64], tolerance: impl Fn(usize) -> f64) -> Vec<String> {
    assert_eq!(found.len(), expected.len(), "{name}: lengths");
    let outside = |k: &usize| !((found[*k] - expected[*k]).abs() <= tolerance(*k));
    let text = |k: usize| {
        let error = (found[k] - expected[k]).abs();
        format!("{name}[{k}] = {:e}, expected {:e}, off by {error:e} of {:e}", found[k], expected[k], tolerance(k))
    };
    (0..found.len()).filter(outside).map(text).collect()
}

fn lambda_sup(evaluation: &Evaluation, parameters: usize) -> Vec<f64> {
    (0..evaluation.loss.len())
        .map(|k| {
            let trace = evaluation.trace_ww[k] + evaluation.trace_vv[k];
            wolkowicz_styan(trace, evaluation.trace_sq[k], parameters).lambda_sup
        })
        .collect()
}

fn evaluation_misses(problem: &Problem, found: &Evaluation, expected: &Evaluation) -> Vec<String> {
    let d = problem.shape.parameters();
    let samples = problem.data.samples() as f64;
    let largest_x = problem.data.x().fold(1.0_f64, |m, x| m.max(x.abs()));
    let trace_scale = |k: usize| (d as f64 * expected.trace_sq[k]).sqrt();
    let trace = |e: &Evaluation| e.trace_ww.iter().zip(&e.trace_vv).map(|(w, v)| w + v).collect::<Vec<_>>();
    let mut all = misses("lambda_sup", &lambda_sup(found, d), &lambda_sup(expected, d), |k| {
        LAMBDA_SUP * lambda_sup(expected, d)[k].abs()
    });
    all.extend(misses("trace_sq", &found.trace_sq, &expected.trace_sq, |k| TRACE_SQ * expected.trace_sq[k]));
    all.extend(misses("trace", &trace(found), &trace(expected), |k| TRACE * trace_scale(k)));
    all.extend(misses("trace_ww", &found.trace_ww, &expected.trace_ww, |k| TRACE * trace_scale(k)));
    all.extend(misses("trace_vv", &found.trace_vv, &expected.trace_vv, |k| TRACE * expected.trace_vv[k]));
    // A z of 100 has an error of 1e-5 in f32, and so have the loss (absolutely, a sample) and, relatively, small deltas.
    all.extend(misses("loss", &found.loss, &expected.loss, |k| 1e-6 * samples + 5e-6 * expected.loss[k]));
    // The gradient's terms delta, delta r and delta v f' x are at most about 10 max |x| here and cancel: f32 leaves 1e-6 of that a sample.
    let gradient_error = 1e-6 * samples.sqrt() * 10.0 * largest_x;
    all.extend(misses("gradient_sq", &found.gradient_sq, &expected.gradient_sq, |k| {
        1e-5 * expected.gradient_sq[k] + 2.0 * gradient_error * expected.gradient_sq[k].sqrt() + gradient_error.powi(2)
    }));
    all
}

fn read<D: ndarray::Dimension>(path: &Path) -> ndarray::Array<f64, D> {
    ndarray_npy::read_npy(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A golden case: the problem and the theta that its oracle values belong to.
fn golden(folder: &Path) -> (Problem, Array2<f64>) {
    let case: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("case.json")).unwrap()).unwrap();
    let name = case["activation"].as_str().unwrap();
    let activation = Activation::ALL.into_iter().find(|a| a.name() == name).unwrap();
    let x: Array2<f64> = read(&folder.join("x.npy"));
    let q: Array1<f64> = read(&folder.join("q.npy"));
    let hidden = usize::try_from(case["hidden"].as_u64().unwrap()).unwrap();
    (Problem::new(hidden, activation, Dataset::new(x, q).unwrap()), read(&folder.join("theta.npy")))
}

/// All golden cases, or the project's own copy of some where the others are not there.
fn golden_folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = root.join("../shared/golden");
    let own = root.join("tests/golden");
    let folder = if all.is_dir() {
        all
    } else {
        eprintln!("{} is not there: only the cases in {} are compared", all.display(), own.display());
        own
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.join("case.json").exists()).collect();
    folders.sort();
    assert!(folders.len() >= 5, "{folders:?}");
    folders
}

#[test]
fn golden_networks_evaluate_as_in_the_reference_on_both_routes() {
    let mut all = Vec::new();
    for folder in golden_folders() {
        let (problem, theta) = golden(&folder);
        // The reference sees what an f32 engine sees: theta rounded to f32.
        let rounded = theta.mapv(|t| f64::from(t as f32));
        let expected = Reference.evaluate(&problem, rounded.view()).unwrap();
        for set in InstructionSet::available() {
            for route in ROUTES {
                let found = cpu(route, set).evaluate(&problem, theta.view()).unwrap();
                let misses = evaluation_misses(&problem, &found, &expected);
                let name = folder.file_name().unwrap().to_string_lossy();
                all.extend(misses.into_iter().map(|miss| format!("{name} {set} {route:?}: {miss}")));
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}
