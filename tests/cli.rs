//! The commands as a user meets them: what they print, what they leave, and how they refuse.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use ndarray::{Array1, Array2, array};
use ndarray_npy::{read_npy, write_npy};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

/// The program, run inside `dir`.
fn sharpsweep(dir: &TempDir) -> Command {
    let mut command = Command::cargo_bin("sharpsweep").unwrap();
    command.current_dir(dir.path());
    command
}

fn temporary() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The columns of a sweep with test data, in the order of the documentation.
const COLUMNS: [&str; 16] = [
    "seed",
    "theta",
    "status",
    "steps",
    "loss",
    "gradient_sq",
    "trace_ww",
    "trace_vv",
    "trace",
    "trace_sq",
    "lambda_sup",
    "lambda_max_lower",
    "lambda_min_upper",
    "lambda_min_lower",
    "bound_error",
    "macro_f1",
];

fn floats(run: &Path, column: &str) -> Vec<f64> {
    read_npy::<_, Array1<f64>>(run.join(format!("{column}.npy"))).unwrap().to_vec()
}

/// Small data of a user's own, (x, q).
fn write_data(dir: &TempDir) -> (PathBuf, PathBuf) {
    let (x, q) = (dir.path().join("x.npy"), dir.path().join("q.npy"));
    write_npy(&x, &array![[0.5_f32, -1.0], [1.5, 0.25], [-0.5, 2.0], [0.0, -0.75]]).unwrap();
    write_npy(&q, &array![0_i64, 1, 1, 0]).unwrap();
    (x, q)
}

#[test]
fn a_sweep_leaves_every_column_with_a_row_a_seed() {
    let dir = temporary();
    sharpsweep(&dir)
        .args(["sweep", "--seeds", "5..45", "--max-steps", "50", "--out", "run"])
        .assert()
        .success()
        .stdout(contains("40 seeds from 5").and(contains("step limit")))
        .stderr(contains("engine: "));
    let run = dir.path().join("run");
    let seed: Array1<u64> = read_npy(run.join("seed.npy")).unwrap();
    assert_eq!(seed.to_vec(), (5..45).collect::<Vec<u64>>());
    let theta: Array2<f32> = read_npy(run.join("theta.npy")).unwrap();
    assert_eq!(theta.dim(), (40, 13));
    let status: Array1<u8> = read_npy(run.join("status.npy")).unwrap();
    assert!(status.iter().all(|&status| status <= 2));
    let steps: Array1<u32> = read_npy(run.join("steps.npy")).unwrap();
    assert!(steps.iter().all(|&steps| steps <= 50));
    for column in &COLUMNS[4..] {
        assert_eq!(floats(&run, column).len(), 40, "{column}");
    }
    let (upper, lower) = (floats(&run, "lambda_sup"), floats(&run, "lambda_max_lower"));
    assert!(upper.iter().zip(&lower).all(|(upper, lower)| lower <= upper && upper.is_finite()));
    // The manifest names exactly the columns, and nothing else is left but it and the data.
    let manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("manifest.json")).unwrap()).unwrap();
    let named: Vec<&str> =
        manifest["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(named, COLUMNS);
    let mut files: Vec<String> =
        std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut expected: Vec<String> = COLUMNS.iter().map(|column| format!("{column}.npy")).collect();
    expected.extend(["data".into(), "manifest.json".into()]);
    expected.sort();
    assert_eq!(files, expected);
}

#[test]
fn without_out_each_sweep_takes_a_new_directory() {
    let dir = temporary();
    for name in ["sigmoid-m2-n3-001", "sigmoid-m2-n3-002"] {
        sharpsweep(&dir).args(["sweep", "--seeds", "2", "--max-steps", "3"]).assert().success().stdout(contains(name));
    }
}

#[test]
fn the_same_seeds_give_the_same_bytes_again() {
    let dir = temporary();
    for out in ["a", "b"] {
        let args = ["sweep", "--backend", "reference", "--seeds", "20", "--max-steps", "200", "--out", out];
        sharpsweep(&dir).args(args).assert().success();
    }
    for column in COLUMNS {
        let read = |run: &str| std::fs::read(dir.path().join(run).join(format!("{column}.npy"))).unwrap();
        assert_eq!(read("a"), read("b"), "{column}");
    }
}

#[test]
fn evaluating_a_runs_own_theta_gives_its_columns_again() {
    let dir = temporary();
    let (x, q) = write_data(&dir);
    for backend in ["reference", "cpu"] {
        let (run, again) = (format!("run-{backend}"), format!("again-{backend}"));
        let data = ["--x", x.to_str().unwrap(), "--q", q.to_str().unwrap(), "--hidden", "4", "--activation", "tanh"];
        sharpsweep(&dir)
            .args([
                "sweep",
                "--backend",
                backend,
                "--seeds",
                "9",
                "--max-steps",
                "40",
                "--init-range",
                "2",
                "--out",
                &run,
            ])
            .args(data)
            .assert()
            .success();
        let theta = dir.path().join(&run).join("theta.npy");
        sharpsweep(&dir)
            .args(["evaluate", "--backend", backend, "--theta", theta.to_str().unwrap(), "--out", &again])
            .args(data)
            .assert()
            .success()
            .stdout(contains("9 networks from elsewhere"));
        for column in &COLUMNS[4..14] {
            let read = |run: &str| std::fs::read(dir.path().join(run).join(format!("{column}.npy"))).unwrap();
            assert_eq!(read(&run), read(&again), "{backend} {column}");
        }
    }
}

#[test]
fn a_float64_theta_is_kept_in_float64_and_evaluated_at_its_own_precision() {
    let dir = temporary();
    let (x, q) = write_data(&dir);
    let theta = Array2::from_shape_fn((3, 13), |(row, column)| 0.1 * (1.0 + row as f64) + 0.013 * column as f64);
    write_npy(dir.path().join("t64.npy"), &theta).unwrap();
    write_npy(dir.path().join("t32.npy"), &theta.mapv(|v| v as f32)).unwrap();
    for file in ["t64", "t32"] {
        sharpsweep(&dir)
            .args([
                "evaluate",
                "--backend",
                "reference",
                "--theta",
                &format!("{file}.npy"),
                "--out",
                file,
                "--hidden",
                "3",
            ])
            .args(["--x", x.to_str().unwrap(), "--q", q.to_str().unwrap()])
            .assert()
            .success();
    }
    let kept: Array2<f64> = read_npy(dir.path().join("t64/theta.npy")).unwrap();
    assert_eq!(kept, theta);
    let (wide, narrow) = (floats(&dir.path().join("t64"), "lambda_sup"), floats(&dir.path().join("t32"), "lambda_sup"));
    assert_ne!(wide, narrow, "rounding theta to f32 must show in f64 columns");
    assert!(wide.iter().zip(&narrow).all(|(wide, narrow)| (wide - narrow).abs() <= 1e-5 * wide));
}

#[test]
fn bounds_and_spectrum_are_columns_when_asked_for_and_hold_what_they_say() {
    let dir = temporary();
    sharpsweep(&dir)
        .args(["sweep", "--seeds", "40", "--max-steps", "300", "--bounds", "--spectrum=vectors", "--out", "run"])
        .assert()
        .success();
    let run = dir.path().join("run");
    let columns = |name: &str| floats(&run, name);
    let (lambda_max, lambda_min) = (columns("lambda_max"), columns("lambda_min"));
    for k in 0..40 {
        // The bounds hold as they stand, whatever rounding did.
        assert!(lambda_max[k] <= columns("lambda_sup")[k] && lambda_max[k] >= columns("lambda_max_lower")[k]);
        assert!(lambda_min[k] <= columns("lambda_min_upper")[k] && lambda_min[k] >= columns("lambda_min_lower")[k]);
        assert!(columns("trace_vv")[k] <= columns("trace_vv_bound")[k] * (1.0 + 1e-5));
        assert!(columns("trace_ww")[k] <= columns("trace_ww_bound")[k] * (1.0 + 1e-5));
        assert!(columns("trace_sq")[k] <= columns("trace_sq_bound")[k] * (1.0 + 1e-5));
    }
    let theta: Array2<f32> = read_npy(run.join("theta.npy")).unwrap();
    let norm: f64 = theta.row(7).iter().skip(9).map(|&v| f64::from(v).powi(2)).sum();
    assert!((columns("v_norm_sq")[7] - norm).abs() < 1e-9 * norm);
    // H u_1 = lambda_1 u_1, by the reference's Hessian.
    let data = sharpsweep::model::appendix_c(50, 0, sharpsweep::model::Stream::TrainData).unwrap();
    let problem = sharpsweep::model::Problem::new(3, sharpsweep::model::Activation::Sigmoid, data);
    let weights: Vec<f64> = theta.row(7).iter().map(|&v| f64::from(v)).collect();
    let hessian = sharpsweep::reference::hessian(&problem, &weights);
    let u_1: Array2<f64> = read_npy(run.join("u_1.npy")).unwrap();
    let image = hessian.dot(&u_1.row(7));
    assert!(image.iter().zip(u_1.row(7)).all(|(image, u)| (image - lambda_max[7] * u).abs() < 1e-9 * lambda_max[7]));
    let u_4: Array2<f64> = read_npy(run.join("u_4.npy")).unwrap();
    assert!(u_4.row(7).dot(&u_1.row(7)).abs() < 1e-9);
    sharpsweep(&dir)
        .args(["sweep", "--seeds", "4", "--max-steps", "3", "--spectrum", "--out", "values"])
        .assert()
        .success();
    assert!(!dir.path().join("values/u_1.npy").exists());
    // The engine's own eigenvalues agree with the f64 ones of the same networks.
    let theta = dir.path().join("run/theta.npy");
    for backend in ["cpu", "reference"] {
        sharpsweep(&dir)
            .args([
                "evaluate",
                "--theta",
                theta.to_str().unwrap(),
                "--spectrum",
                "--backend",
                backend,
                "--out",
                backend,
            ])
            .assert()
            .success();
        for column in ["lambda_max", "lambda_min"] {
            let (found, expected) = (floats(&dir.path().join(backend), column), columns(column));
            // f32 is accurate to 1e-5 of the largest eigenvalue.
            let agree = |k: usize| (found[k] - expected[k]).abs() <= 1e-5 * lambda_max[k];
            assert!((0..40).all(agree), "{backend} {column}");
        }
    }
}

#[test]
fn nothing_is_overwritten() {
    let dir = temporary();
    let sweep = |out: &str| {
        let mut command = sharpsweep(&dir);
        command.args(["sweep", "--seeds", "2", "--max-steps", "3", "--out", out]);
        command
    };
    sweep("run").assert().success();
    let before = std::fs::read(dir.path().join("run/theta.npy")).unwrap();
    sweep("run").assert().code(1).stderr(contains("run already holds a run").and(contains("nothing was changed")));
    assert_eq!(std::fs::read(dir.path().join("run/theta.npy")).unwrap(), before);
    std::fs::create_dir(dir.path().join("mine")).unwrap();
    std::fs::write(dir.path().join("mine/notes.txt"), "mine").unwrap();
    sweep("mine").assert().code(1).stderr(contains("mine already holds other files"));
    std::fs::write(dir.path().join("file"), "mine").unwrap();
    sweep("file").assert().code(1).stderr(contains("file already holds a file"));
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    sweep("empty").assert().success();
}

#[test]
fn a_command_line_that_makes_no_sense_is_exit_code_2() {
    let dir = temporary();
    let cases: [(&[&str], &str); 12] = [
        (&["sweep", "--hidden", "8x0"], "at least one unit"),
        (&["sweep", "--seeds", "0"], "holds no seed"),
        (&["sweep", "--seeds", "9..3"], "holds no seed"),
        (&["sweep", "--step-size", "-1"], "step size"),
        (&["sweep", "--step-size", "nan"], "step size"),
        (&["sweep", "--init-range", "inf"], "initial range"),
        (&["sweep", "--tolerance=-1"], "tolerance"),
        (&["sweep", "--samples", "1"], "number of samples"),
        (&["sweep", "--activation", "elu"], "linear, sigmoid, tanh, softplus, gelu, relu, silu, erf, square"),
        (&["sweep", "--x", "x.npy"], "--q"),
        (&["sweep", "--x", "x.npy", "--q", "q.npy", "--samples", "9"], "cannot be used with"),
        (&["sweep", "--backend", "cpu", "--adapter", "llvmpipe"], "graphics adapter"),
    ];
    for (args, says) in cases {
        sharpsweep(&dir).args(args).assert().code(2).stderr(contains(says)).stdout("");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a refused command leaves nothing");
}

#[test]
fn files_that_cannot_be_used_are_exit_code_1_before_any_work() {
    let dir = temporary();
    let (x, q) = write_data(&dir);
    let (x, q) = (x.to_str().unwrap(), q.to_str().unwrap());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    write_npy(path("labels.npy"), &array![0, 1, 2, 1]).unwrap();
    write_npy(path("nan.npy"), &array![[f64::NAN, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 2.0]]).unwrap();
    write_npy(path("narrow.npy"), &array![[1.0], [2.0], [3.0], [4.0]]).unwrap();
    write_npy(path("theta.npy"), &Array2::<f32>::zeros((2, 12))).unwrap();
    std::fs::write(path("text.npy"), "hello").unwrap();
    let whole = std::fs::read(x).unwrap();
    std::fs::write(path("cut.npy"), &whole[..whole.len() - 1]).unwrap();
    let sweep = |extra: &[&str], says: &str| {
        sharpsweep(&dir).args(["sweep", "--out", "run"]).args(extra).assert().code(1).stderr(contains(says)).stdout("");
        assert!(!dir.path().join("run").exists(), "{extra:?} left a directory");
    };
    sweep(&["--x", "absent.npy", "--q", q], "there is no such file");
    sweep(&["--x", x, "--q", &path("labels.npy")], "labels must be 0 or 1");
    sweep(&["--x", &path("nan.npy"), "--q", q], "must be finite");
    sweep(&["--x", &path("text.npy"), "--q", q], "not a .npy file");
    sweep(&["--x", &path("cut.npy"), "--q", q], "cut off");
    sweep(&["--x", q, "--q", q], "two-dimensional");
    sweep(&["--x", x, "--q", q, "--test-x", &path("narrow.npy"), "--test-q", q], "test data have 1 inputs");
    sweep(&["--backend", "gpu", "--adapter", "no such adapter"], "adapter");
    sharpsweep(&dir)
        .args(["evaluate", "--theta", &path("theta.npy"), "--x", x, "--q", q, "--hidden", "3", "--out", "run"])
        .assert()
        .code(1)
        .stderr(contains("12 columns").and(contains("13")));
    assert!(!dir.path().join("run").exists());
}

#[test]
fn the_summary_is_also_json() {
    let dir = temporary();
    let output = sharpsweep(&dir).args(["sweep", "--seeds", "64", "--out", "run", "--json"]).output().unwrap();
    assert!(output.status.success());
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let outcome = &summary["outcome"];
    let total: u64 = ["converged", "step_limit", "non_finite"].iter().map(|k| outcome[k].as_u64().unwrap()).sum();
    assert_eq!(total, 64);
    assert_eq!(summary["manifest"]["spec"]["hidden"], 3);
    let quantiles = summary["quantiles"].as_array().unwrap();
    assert!(quantiles.iter().any(|row| row["column"] == "lambda_sup"));
}

#[test]
fn a_sweep_that_converges_nowhere_says_so() {
    let dir = temporary();
    sharpsweep(&dir)
        .args(["sweep", "--seeds", "8", "--max-steps", "1", "--out", "run"])
        .assert()
        .success()
        .stdout(contains("no network converged").and(contains("lambda_sup")));
}

#[test]
fn adapters_says_what_auto_would_take() {
    let dir = temporary();
    sharpsweep(&dir).arg("adapters").assert().success().stdout(contains("--backend auto takes: engine: "));
    let output = sharpsweep(&dir).args(["adapters", "--json"]).output().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(listed["adapters"].is_array() && listed["auto"].is_string());
}

#[test]
fn shader_prints_complete_wgsl() {
    let dir = temporary();
    sharpsweep(&dir)
        .args(["shader", "trace_sq", "--hidden", "7", "--activation", "gelu"])
        .assert()
        .success()
        .stdout(contains("const HIDDEN: u32 = 7u;").and(contains("@compute")));
}

#[test]
fn help_teaches_every_command() {
    let dir = temporary();
    sharpsweep(&dir).arg("--help").assert().success().stdout(contains("Examples:"));
    for command in ["sweep", "evaluate", "resume", "adapters", "shader"] {
        sharpsweep(&dir).args([command, "--help"]).assert().success().stdout(contains("Usage:"));
    }
}
