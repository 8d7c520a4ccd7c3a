//! Real data through `--x` and `--q`: every engine trains the same networks and evaluates them to the same closed
//! forms.

mod support;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use ndarray::{Array1, Array2};
use ndarray_npy::read_npy;
use support::gpu::skipped;
use support::{close, close_scaled, notice};

/// A data set, with a suitable network and descent.
struct Case {
    name: &'static str,
    hidden: usize,
    inputs: usize,
    samples: usize,
    activation: &'static str,
    seeds: usize,
}

/// The project's own copies and, if it exists, the larger set beside the project.
fn cases() -> Vec<(Case, PathBuf)> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = project.join("tests/data");
    let mut cases = vec![
        (
            Case { name: "breast-cancer", hidden: 6, inputs: 30, samples: 400, activation: "sigmoid", seeds: 16 },
            own.clone(),
        ),
        (
            Case {
                name: "iris-versicolor-virginica",
                hidden: 3,
                inputs: 4,
                samples: 70,
                activation: "tanh",
                seeds: 64,
            },
            own,
        ),
    ];
    let beside = project.join("../shared/data");
    if beside.is_dir() {
        let digits = Case { name: "digits-3-8", hidden: 4, inputs: 64, samples: 250, activation: "sigmoid", seeds: 8 };
        cases.push((digits, beside));
    } else {
        notice(&format!("SKIPPED digits-3-8: {} is not there", beside.display()));
    }
    cases
}

fn sharpsweep(dir: &Path, args: &[&str]) {
    Command::cargo_bin("sharpsweep").unwrap().current_dir(dir).args(args).assert().success();
}

fn floats(run: &Path, column: &str) -> Vec<f64> {
    read_npy::<_, Array1<f64>>(run.join(format!("{column}.npy"))).unwrap().to_vec()
}

#[test]
fn every_engine_trains_and_evaluates_real_data_alike() {
    let engines: &[&str] =
        if skipped("every_engine_trains_and_evaluates_real_data_alike: gpu") { &["cpu"] } else { &["cpu", "gpu"] };
    for (case, folder) in cases() {
        let dir = tempfile::tempdir().unwrap();
        let file = |part: &str| folder.join(format!("{}-{part}.npy", case.name)).to_str().unwrap().to_owned();
        let (x, q, test_x, test_q) = (file("train-x"), file("train-q"), file("test-x"), file("test-q"));
        let (hidden, seeds) = (case.hidden.to_string(), case.seeds.to_string());
        let network = ["--x", &x, "--q", &q, "--hidden", &hidden, "--activation", case.activation];
        let sweep = ["sweep", "--test-x", &test_x, "--test-q", &test_q, "--seeds", &seeds, "--init-range", "0.5"];
        let descent = ["--step-size", "0.0005", "--max-steps", "60", "--backend"];
        for engine in ["reference"].iter().chain(engines) {
            sharpsweep(dir.path(), &[&sweep, &network[..], &descent[..], &[engine, "--out", engine]].concat());
        }
        let reference = dir.path().join("reference");
        let shape: Array2<f64> = read_npy(reference.join("data/x.npy")).unwrap();
        assert_eq!(shape.dim(), (case.samples, case.inputs), "{}", case.name);
        let theta = |run: &Path| -> Vec<f64> {
            read_npy::<_, Array2<f32>>(run.join("theta.npy")).unwrap().iter().map(|&t| f64::from(t)).collect()
        };
        let expected = theta(&reference);
        // Sixty steps of a sum over hundreds of samples must have moved the weights, or nothing would be compared.
        let first = sharpsweep::model::initial_theta(
            sharpsweep::model::OneHidden::new(case.inputs, case.hidden).parameters(),
            0,
            0.5,
        );
        assert!(first.iter().zip(&expected).any(|(before, after)| (f64::from(*before) - after).abs() > 0.05));
        for engine in engines {
            let run = dir.path().join(engine);
            // f32 rounding of 60 steps, on weights of order 1.
            close(&theta(&run), &expected, 1e-4, 1e-4).unwrap_or_else(|m| panic!("{} {engine} theta: {m}", case.name));
            // A test sample on the boundary may fall on either side; none does here.
            close(&floats(&run, "macro_f1"), &floats(&reference, "macro_f1"), 1e-12, 0.0)
                .unwrap_or_else(|m| panic!("{} {engine} macro F1: {m}", case.name));
            // The same networks through `evaluate`: only the closed forms.
            let networks = reference.join("theta.npy");
            let out = format!("again-{engine}");
            let evaluate = ["evaluate", "--theta", networks.to_str().unwrap(), "--backend", engine, "--out", &out];
            sharpsweep(dir.path(), &[&evaluate[..], &network[..]].concat());
            let again = dir.path().join(&out);
            for (column, relative) in [("trace_sq", 1e-5), ("loss", 5e-6), ("trace_vv", 5e-6)] {
                close(&floats(&again, column), &floats(&reference, column), 0.0, relative)
                    .unwrap_or_else(|m| panic!("{} {engine} {column}: {m}", case.name));
            }
            // Theorem 1's formula, without each engine's widening.
            let formula = |run: &Path| -> Vec<f64> {
                floats(run, "lambda_sup")
                    .iter()
                    .zip(floats(run, "bound_error"))
                    .map(|(sup, error)| sup - error)
                    .collect()
            };
            close(&formula(&again), &formula(&reference), 0.0, 5e-6)
                .unwrap_or_else(|m| panic!("{} {engine} lambda_sup: {m}", case.name));
            let d = (case.inputs + 2) * case.hidden + 1;
            let scale: Vec<f64> = floats(&reference, "trace_sq").iter().map(|t| (d as f64 * t).sqrt()).collect();
            close_scaled(&floats(&again, "trace"), &floats(&reference, "trace"), &scale, 5e-6)
                .unwrap_or_else(|m| panic!("{} {engine} trace: {m}", case.name));
            // The columns differ from network to network: a column of one value would pass for any order of rows.
            let mut rotated = formula(&again);
            rotated.rotate_left(1);
            assert!(close(&rotated, &formula(&reference), 0.0, 5e-6).is_err());
        }
    }
}
