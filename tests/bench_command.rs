//! `sharpsweep bench` as a user meets it: a small grid, what is left out and why, and wrong sizes.

mod support;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;
use support::gpu::skipped;

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("sharpsweep").unwrap();
    command.arg("bench").args(arguments);
    command
}

#[test]
fn a_small_grid_gives_a_table_json_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench");
    bench(&["--hidden", "2,3", "--samples", "5,40", "--inputs", "2", "--on", "cpu,reference", "--repeats", "2"])
        .args(["--out", out.to_str().unwrap()])
        .assert()
        .success()
        .stdout(contains("N = 2, I = 5, M = 2 (D = 9)").and(contains("hutch-plus-plus")))
        .stdout(contains("--route auto takes assembled on cpu").and(contains("took the slower route at")));
    let json: Value = serde_json::from_slice(&std::fs::read(out.join("bench.json")).unwrap()).unwrap();
    let measurements = json["measurements"].as_array().unwrap();
    // Twelve routes at four sizes; pairwise, eigenvalues and both of moments exist in f64 and in lanes.
    assert_eq!(measurements.len(), 4 * 16);
    for measurement in measurements {
        let outcome = &measurement["outcome"]["Ok"];
        let (method, error) = (measurement["runner"]["method"].as_str().unwrap(), outcome["error"].as_f64().unwrap());
        // f64 routes, f32 routes, and stochastic ones with 30 probes.
        let allowed = match (method, measurement["runner"]["device"].as_str().unwrap()) {
            ("hutchinson" | "hutchinson-sq" | "hutch-plus-plus", _) => 1.0,
            ("power", _) => 1e-4,
            // An upper bound.
            ("four-moments", _) => 0.1,
            ("eight-moments", _) => 0.01,
            ("differences" | "differences-eigenvalues", _) => 1e-6,
            (_, "reference") => 1e-10,
            _ => 1e-5,
        };
        assert!(error <= allowed, "{measurement}");
        assert!(outcome["seconds"].as_f64().unwrap() > 0.0 && outcome["spread"].is_array(), "{measurement}");
    }
    let table: ndarray::Array2<f64> = ndarray_npy::read_npy(out.join("bench.npy")).unwrap();
    assert_eq!(table.dim(), (measurements.len(), json["table_columns"].as_array().unwrap().len()));
    let seconds = json["table_columns"].as_array().unwrap().iter().position(|name| name == "seconds").unwrap();
    for (row, measurement) in table.rows().into_iter().zip(measurements) {
        // Text and bits hold the same number.
        assert_eq!(row[seconds].to_bits(), measurement["outcome"]["Ok"]["seconds"].as_f64().unwrap().to_bits());
    }
    for name in ["cost-against-samples-m2", "cost-against-hidden-m2", "cost-against-error"] {
        assert!(out.join(format!("{name}.svg")).is_file() && out.join(format!("{name}.png")).is_file(), "{name}");
    }
    bench(&["--out", out.to_str().unwrap()]).assert().failure();
}

#[test]
fn deeper_networks_of_several_outputs_take_every_route() {
    for (loss, outputs, shape) in
        [("softmax", "3", "2-4-3-3"), ("logistic", "1", "2-4-3-1"), ("squared", "2", "2-4-3-2")]
    {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("bench");
        bench(&["--hidden", "none,4x3", "--samples", "6,20", "--inputs", "2", "--on", "cpu,reference"])
            .args(["--loss", loss, "--outputs", outputs, "--activation", "tanh", "--repeats", "1"])
            .args(["--out", out.to_str().unwrap()])
            .assert()
            .success()
            .stdout(contains(format!("{shape}, I = 20 (D =")).and(contains("hutch-plus-plus")));
        let json: Value = serde_json::from_slice(&std::fs::read(out.join("bench.json")).unwrap()).unwrap();
        assert_eq!((json["loss"].as_str(), json["activation"].as_str()), (Some(loss), Some("tanh")));
        let measurements = json["measurements"].as_array().unwrap();
        assert_eq!(measurements.len(), 4 * 16);
        assert_eq!(measurements.last().unwrap()["size"]["hidden"], serde_json::json!([4, 3]));
        for measurement in measurements {
            let outcome = &measurement["outcome"]["Ok"];
            let (method, error) =
                (measurement["runner"]["method"].as_str().unwrap(), outcome["error"].as_f64().unwrap());
            let allowed = match method {
                "hutchinson" | "hutchinson-sq" | "hutch-plus-plus" => 1.0,
                "power" => 1e-4,
                // An upper bound; an eigenvalue of several outputs can be a multiple one.
                "four-moments" | "eight-moments" => 0.1,
                "differences" | "differences-eigenvalues" => 1e-6,
                _ => 1e-10,
            };
            assert!(error <= allowed, "{loss}: {measurement}");
            // A bound of lambda_1 is above it, an eigenvalue is at it.
            let off = outcome["distance_from_lambda_max"].as_f64();
            assert!(!matches!(method, "eigenvalues" | "lanczos") || off.unwrap() <= 1e-6, "{loss}: {measurement}");
            assert!(outcome["flops"].as_f64().unwrap() > 0.0, "{loss}: {measurement}");
        }
        let table: ndarray::Array2<f64> = ndarray_npy::read_npy(out.join("bench.npy")).unwrap();
        let columns = json["table_columns"].as_array().unwrap();
        let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
        let last = table.row(table.nrows() - 1);
        let widths: Vec<usize> = shape.split('-').map(|width| width.parse().unwrap()).collect();
        let parameters: usize = widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        for (name, expected) in
            [("hidden", 7), ("layers", 3), ("outputs", widths[3]), ("parameters", parameters), ("samples", 20)]
        {
            assert!((last[column(name)] - expected as f64).abs() < 0.5, "{name}: {last}");
        }
        assert!(out.join("cost-against-samples-m2.svg").is_file() && out.join("cost-against-error.svg").is_file());
    }
}

#[test]
fn what_does_not_fit_is_said_and_the_rest_still_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench");
    bench(&["--hidden", "200", "--samples", "5", "--inputs", "30", "--on", "cpu", "--repeats", "1"])
        .args(["--routes", "pairwise,eigenvalues", "--budget", "0.5", "--out", out.to_str().unwrap()])
        .assert()
        .success()
        .stdout(
            contains("  eigenvalues on cpu: skipped: 1 runs of")
                .and(contains("\n  pairwise  cpu"))
                .and(contains("one repeat: no spread")),
        )
        .stderr(contains("a figure is left out"));
    let json: Value = serde_json::from_slice(&std::fs::read(out.join("bench.json")).unwrap()).unwrap();
    assert!(json["measurements"][0]["outcome"]["Ok"]["spread"].is_null());
    assert!(json["measurements"][1]["outcome"]["Err"].as_str().unwrap().contains("(--budget 0.5 s)"));
    let table: ndarray::Array2<f64> = ndarray_npy::read_npy(out.join("bench.npy")).unwrap();
    let column =
        |name: &str| json["table_columns"].as_array().unwrap().iter().position(|column| column == name).unwrap();
    let (networks, seconds) = (column("networks"), column("seconds"));
    assert!(table[[0, networks]] >= 1.0 && table[[0, seconds]] > 0.0, "{table}");
    assert!(table[[1, networks]] <= 0.0 && table[[1, seconds]].is_nan(), "{table}");
}

/// This does not depend on time: no budget would be enough.
#[test]
fn what_an_engine_refuses_is_said_to_be_refused() {
    if skipped("what_an_engine_refuses_is_said_to_be_refused") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench");
    bench(&["--hidden", "40", "--samples", "5", "--inputs", "30", "--on", "gpu", "--repeats", "1"])
        .args(["--routes", "pairwise,eigenvalues", "--out", out.to_str().unwrap()])
        .assert()
        .success()
        .stdout(contains("D = 1281 parameters, and the GPU engine finds the eigenvalues of at most 1000 x 1000"));
}

#[test]
fn sizes_and_times_that_make_no_sense_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench");
    for arguments in [["--hidden", "3,0"], ["--repeats", "0"], ["--budget", "-1"], ["--routes", "magic"]] {
        bench(&arguments).args(["--out", out.to_str().unwrap()]).assert().code(2);
    }
    for (arguments, says) in [
        (["--outputs", "0", "--samples", "5"], "layer 2 of the network has no units"),
        (["--outputs", "9", "--samples", "5"], "9 outputs need as many samples, one of each class"),
        (["--outputs", "1", "--loss", "softmax"], "the softmax of one output is always 1"),
        (["--hidden", "0", "--samples", "5"], "give none for networks without hidden layers"),
    ] {
        bench(&arguments).args(["--out", out.to_str().unwrap()]).assert().code(2).stderr(contains(says));
    }
    assert!(!out.exists());
}
