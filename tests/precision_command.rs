//! What a user sees where numbers are extreme: saturated units, Hessians near the ends of float32, inputs that float32
//! rounds, and a message for whatever is NaN.

mod support;

use std::path::Path;

use ndarray::{Array1, Array2, array};
use ndarray_npy::{read_npy, write_npy};
use support::command::{manifest, succeed};
use support::gpu::skipped;

fn floats(run: &Path, column: &str) -> Vec<f64> {
    read_npy::<_, Array1<f64>>(run.join(format!("{column}.npy"))).unwrap().to_vec()
}

/// Every engine; the GPU unless it is skipped.
fn backends(test: &str) -> Vec<&'static str> {
    if skipped(test) { vec!["reference", "cpu"] } else { vec!["reference", "cpu", "gpu"] }
}

fn write(dir: &Path, name: &str, array: &Array2<f64>) {
    write_npy(dir.join(name), array).unwrap();
}

/// Evaluates `theta` on (x, q) with `backend` and `route` into a run of its own.
fn evaluate(dir: &Path, backend: &str, route: &str, hidden: &str, activation: &str) -> std::path::PathBuf {
    let out = format!("{backend}-{route}");
    succeed(
        dir,
        &[
            "evaluate",
            "--theta",
            "t.npy",
            "--x",
            "x.npy",
            "--q",
            "q.npy",
            "--hidden",
            hidden,
            "--activation",
            activation,
            "--backend",
            backend,
            "--route",
            route,
            "--spectrum",
            "--out",
            &out,
        ],
    );
    dir.join(out)
}

/// One sample far from the others saturates every unit there: f' must keep falling to 0, since |x|^2 multiplies it.
#[test]
fn an_outlier_counts_the_same_on_every_engine() {
    let test = "an_outlier_counts_the_same_on_every_engine";
    for activation in ["tanh", "sigmoid"] {
        let dir = tempfile::tempdir().unwrap();
        let mut x = Array2::from_shape_fn((20, 2), |(i, m)| f64::from(((i * 7 + m * 3) % 11) as f32 / 5.0 - 1.0));
        x.row_mut(7).assign(&array![4e9, -1.2e9]);
        write(dir.path(), "x.npy", &x);
        write_npy(dir.path().join("q.npy"), &Array1::from_shape_fn(20, |i| (i % 2) as f64)).unwrap();
        let theta = Array2::from_shape_fn((4, 13), |(k, d)| f64::from((((k * 13 + d) * 5) % 17) as f32 / 8.0 - 1.0));
        write(dir.path(), "t.npy", &theta);
        let expected = evaluate(dir.path(), "reference", "auto", "3", activation);
        for backend in backends(test) {
            for route in ["pairwise", "assembled"] {
                let run = evaluate(dir.path(), backend, route, "3", activation);
                for column in ["lambda_sup", "trace_sq", "lambda_max"] {
                    for (found, expected) in floats(&run, column).iter().zip(floats(&expected, column)) {
                        assert!(
                            (found / expected - 1.0).abs() < 1e-3,
                            "{activation} {backend} {route} {column}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}

/// From ||H||_F = 1e-30 to 1e30, whose squares leave float32: the bounds hold and are not far from the eigenvalues.
#[test]
fn hessians_of_any_scale_have_true_bounds_on_every_engine() {
    let test = "hessians_of_any_scale_have_true_bounds_on_every_engine";
    let dir = tempfile::tempdir().unwrap();
    // The better the labels are fitted, the flatter.
    write(dir.path(), "x.npy", &array![[-1.0], [1.0]]);
    write_npy(dir.path().join("q.npy"), &array![0.0, 1.0]).unwrap();
    let flat = [50.0, 55.0, 60.0, 70.0, 80.0].map(|k| [0.0, 2.0, 0.0, k]);
    write(dir.path(), "t.npy", &Array2::from_shape_fn((5, 4), |(k, d)| flat[k][d]));
    for backend in backends(test) {
        for route in ["pairwise", "assembled"] {
            let run = evaluate(dir.path(), backend, route, "1", "tanh");
            let [sup, max, min_lower, min] =
                ["lambda_sup", "lambda_max", "lambda_min_lower", "lambda_min"].map(|name| floats(&run, name));
            for k in 0..5 {
                assert!(
                    max[k] > 0.0 && sup[k] >= max[k] && sup[k] < 1.5 * max[k],
                    "{backend} {route} {k}: {} {}",
                    sup[k],
                    max[k]
                );
                assert!(min_lower[k] <= min[k], "{backend} {route} {k}");
            }
            // k = 80: lambda_1 = 2.8e-32.
            assert!((2e-32..4e-32).contains(&max[4]), "{backend} {route}: {}", max[4]);
        }
    }
    for (scale, out) in [(1e10, "sharp"), (1e14, "sharper")] {
        let dir = dir.path().join(out);
        std::fs::create_dir(&dir).unwrap();
        let x = Array2::from_shape_fn((50, 1), |(i, _)| f64::from((scale * (1.0 + 0.002 * i as f64)) as f32));
        write(&dir, "x.npy", &x);
        write_npy(dir.join("q.npy"), &Array1::from_shape_fn(50, |i| (i % 2) as f64)).unwrap();
        write(
            &dir,
            "t.npy",
            &Array2::from_shape_fn((2, 4), |(k, d)| f64::from([0.1 * k as f64, 1.0 / scale, 0.2, 2.0][d] as f32)),
        );
        let expected = floats(&evaluate(&dir, "reference", "auto", "1", "softplus"), "lambda_sup");
        for backend in backends(test) {
            for route in ["pairwise", "assembled"] {
                let run = evaluate(&dir, backend, route, "1", "softplus");
                let [sup, lower, max] = ["lambda_sup", "lambda_max_lower", "lambda_max"].map(|name| floats(&run, name));
                for k in 0..2 {
                    assert!((sup[k] / expected[k] - 1.0).abs() < 1e-3, "{backend} {route}: {} {}", sup[k], expected[k]);
                    assert!(
                        lower[k] <= max[k] && max[k] <= sup[k],
                        "{backend} {route}: {} {} {}",
                        lower[k],
                        max[k],
                        sup[k]
                    );
                }
            }
        }
    }
}

#[test]
fn inputs_that_float32_rounds_are_named_and_standardizing_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    // Times within a minute, in seconds since 1970.
    let x = Array2::from_shape_fn((20, 2), |(i, m)| if m == 0 { 1.7e9 + 3.1 * i as f64 } else { i as f64 / 7.0 });
    write(dir.path(), "x.npy", &x);
    write_npy(dir.path().join("q.npy"), &Array1::from_shape_fn(20, |i| f64::from(u8::from(i > 9)))).unwrap();
    let sweep = |backend: &str, more: &[&str], out: &str| {
        let args = [
            "sweep",
            "--x",
            "x.npy",
            "--q",
            "q.npy",
            "--seeds",
            "4",
            "--max-steps",
            "5",
            "--backend",
            backend,
            "--out",
            out,
        ];
        let output = succeed(dir.path(), &[&args[..], more].concat());
        String::from_utf8(output.stderr).unwrap()
    };
    let stderr = sweep("cpu", &[], "plain");
    assert!(stderr.contains("x[:, 0]") && stderr.contains("--standardize") && !stderr.contains("x[:, 1]"), "{stderr}");
    assert!(!sweep("reference", &[], "exact").contains("float32"));
    assert!(!sweep("cpu", &["--standardize"], "scaled").contains("x[:, 0]"));
    let recorded = &manifest(&dir.path().join("scaled"))["spec"]["data"]["standardization"];
    assert!((recorded["means"][0].as_f64().unwrap() - (1.7e9 + 3.1 * 9.5)).abs() < 1e-3, "{recorded}");
    assert!(manifest(&dir.path().join("plain"))["spec"]["data"].get("standardization").is_none());
    let used: Array2<f64> = read_npy(dir.path().join("scaled/data/x.npy")).unwrap();
    assert!(used.column(0).sum().abs() < 1e-6 && (used.column(0).mapv(|x| x * x).sum() / 20.0 - 1.0).abs() < 1e-6);
    // A standardized run is resumed and evaluated as it was begun.
    succeed(dir.path(), &["resume", "scaled"]);
    succeed(dir.path(), &["report", "scaled"]);
}

/// lambda_sup = mu + sqrt(D-1) sigma + bound_error, from the columns alone.
#[test]
fn the_recorded_bounds_are_the_formula_and_their_error() {
    let dir = tempfile::tempdir().unwrap();
    succeed(
        dir.path(),
        &["sweep", "--seeds", "64", "--max-steps", "500", "--activation", "gelu", "--backend", "cpu", "--out", "run"],
    );
    let run = dir.path().join("run");
    let [trace, trace_sq, sup, lower, error] =
        ["trace", "trace_sq", "lambda_sup", "lambda_min_lower", "bound_error"].map(|name| floats(&run, name));
    for k in 0..64 {
        let mu = trace[k] / 13.0;
        let far = (12.0 * (trace_sq[k] / 13.0 - mu * mu)).sqrt();
        assert!((sup[k] - (mu + far) - error[k]).abs() < 1e-12 * sup[k], "{k}");
        assert!((mu - far - error[k] - lower[k]).abs() < 1e-12 * sup[k], "{k}");
        assert!(error[k] > 0.0 && error[k] < 1e-9 * trace_sq[k].sqrt(), "{k}: {}", error[k]);
    }
}

/// A network that diverged has no numbers; each one is counted with a reason, and listed where eigenvalues were asked
/// for.
#[test]
fn whatever_is_nan_is_counted_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = |more: &[&str]| {
        let args = [
            "sweep",
            "--activation",
            "linear",
            "--seeds",
            "12",
            "--step-size",
            "1e30",
            "--backend",
            "reference",
            "--spectrum",
        ];
        succeed(dir.path(), &[&args[..], more].concat())
    };
    let output = sweep(&["--out", "run"]);
    let (shown, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let without = floats(&dir.path().join("run"), "lambda_sup").iter().filter(|value| value.is_nan()).count();
    assert!(without > 0, "nothing is NaN");
    assert!(
        shown.contains(&format!("lambda_sup is NaN for {without} of 12 networks: the traces are not finite")),
        "{shown}"
    );
    assert!(shown.contains("lambda_max is NaN for"), "{shown}");
    assert!(stderr.contains("seed 0 has no lambda_max and lambda_min: H["), "{stderr}");
    let json: serde_json::Value = serde_json::from_slice(&sweep(&["--out", "json", "--json"]).stdout).unwrap();
    let counted = json["missing"].as_array().unwrap().iter().find(|missing| missing["column"] == "lambda_sup").unwrap();
    assert_eq!(counted["networks"].as_u64(), Some(without as u64));
}
