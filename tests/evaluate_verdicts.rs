//! Networks that were trained elsewhere are judged by no rule of a sweep unless they are asked to be.

mod support;

use std::path::Path;

use ndarray::{Array1, Array2, s};
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;
use support::command::{assert_same_columns, begin_as, manifest, succeed};
use support::cut::cut;
use support::gpu::skipped;
use tempfile::{TempDir, tempdir};

/// Networks of the paper's experiment some of which the sweep's rule would call converged, in theta.npy; whatever else the run says.
fn trained(dir: &TempDir, seeds: &str) {
    let args = ["sweep", "--backend", "cpu", "--seeds", seeds, "--samples", "20", "--max-steps", "100"];
    succeed(dir.path(), &[&args[..], &["--tolerance", "0.05", "--out", "trained"]].concat());
    std::fs::copy(dir.path().join("trained/theta.npy"), dir.path().join("theta.npy")).unwrap();
}

const EVALUATE: [&str; 5] = ["evaluate", "--theta", "theta.npy", "--samples", "20"];

fn evaluate(dir: &Path, out: &str, more: &[&str]) -> String {
    let output = succeed(dir, &[&EVALUATE[..], &["--backend", "cpu", "--out", out], more].concat());
    String::from_utf8(output.stdout).unwrap()
}

fn status(run: &Path) -> Vec<u8> {
    read_npy::<_, Array1<u8>>(run.join("status.npy")).unwrap().to_vec()
}

#[test]
fn no_network_is_judged_unless_a_tolerance_is_given() {
    let dir = tempdir().unwrap();
    trained(&dir, "40");
    let text = evaluate(dir.path(), "run", &[]);
    assert_eq!(status(&dir.path().join("run")), [3; 40]);
    assert!(text.contains("evaluated 40 (100.0 %)") && text.contains("non-finite 0"), "{text}");
    assert!(text.contains("all 40 "), "{text}");
    for foreign in ["converged", "step limit", "--max-steps", "--step-size"] {
        assert!(!text.lines().take(4).any(|line| line.contains(foreign)), "{foreign}: {text}");
    }
    let summary: Value = serde_json::from_slice(&succeed(dir.path(), &["show", "run", "--json"]).stdout).unwrap();
    assert_eq!((&summary["over"], &summary["networks"]), (&"all".into(), &40.into()));
    assert_eq!(summary["outcome"]["evaluated"], 40);
    assert_eq!(manifest(&dir.path().join("run"))["spec"]["work"].get("tolerance"), None);

    // Judged, the summary is over all of them nevertheless.
    let text = evaluate(dir.path(), "judged", &["--tolerance", "0.05"]);
    let gradient_sq: Array1<f64> = read_npy(dir.path().join("judged/gradient_sq.npy")).unwrap();
    let expected: Vec<u8> = gradient_sq.iter().map(|&sq| u8::from(sq >= 0.05)).collect();
    assert!(expected.contains(&0) && expected.contains(&1));
    assert_eq!(status(&dir.path().join("judged")), expected);
    assert!(text.contains("all 40 ") && !text.contains("step limit"), "{text}");
    let text = evaluate(dir.path(), "none", &["--tolerance", "0"]);
    assert!(!text.contains("--max-steps") && !text.contains("--step-size"), "{text}");
}

#[test]
fn networks_without_a_verdict_count_wherever_converged_ones_do() {
    let dir = tempdir().unwrap();
    trained(&dir, "12");
    evaluate(dir.path(), "run", &[]);
    let report = String::from_utf8(succeed(dir.path(), &["report", "run"]).stdout).unwrap();
    assert!(report.contains("12 of 12 (100.0"), "{report}");
    assert!(!report.contains("converged (g·g"), "{report}");
    assert!(dir.path().join("run/report/figures/figure-02.svg").is_file());
    let found = succeed(dir.path(), &["duplicates", "run"]).stdout;
    assert!(!String::from_utf8_lossy(&found).contains("12 of 12 networks converged"));
    let column: Array1<i64> = read_npy(dir.path().join("run/duplicate_of.npy")).unwrap();
    assert!(column.iter().all(|&kept| kept >= 0), "{column}");
}

#[test]
fn an_evaluation_from_before_goes_on_by_the_rule_that_it_was_begun_with() {
    let dir = tempdir().unwrap();
    trained(&dir, "60000");
    let judged = [&EVALUATE[..], &["--backend", "cpu", "--memory", "1", "--tolerance", "0.001"]].concat();
    succeed(dir.path(), &[&judged[..], &["--out", "whole"]].concat());
    cut(dir.path(), &[&judged[..], &["--out", "run"]].concat(), "run");
    // The manifest holds the rule where the earlier versions wrote it, and the outcome without the count that they did not know.
    assert_eq!(manifest(&dir.path().join("run"))["spec"]["work"]["tolerance"], 0.001);
    begin_as(&dir.path().join("run"), |_| {});
    succeed(dir.path(), &["resume", "run"]);
    assert_same_columns(&dir.path().join("run"), &dir.path().join("whole"));
    let path = dir.path().join("run/manifest.json");
    let mut old = manifest(&dir.path().join("run"));
    old["outcome"].as_object_mut().unwrap().remove("evaluated").unwrap();
    std::fs::write(&path, old.to_string()).unwrap();
    succeed(dir.path(), &["show", "run"]);
}

#[test]
fn an_evaluation_without_a_verdict_goes_on_to_the_same_bytes_on_every_engine() {
    let test = "an_evaluation_without_a_verdict_goes_on_to_the_same_bytes_on_every_engine";
    let mut engines = vec!["cpu", "reference"];
    if !skipped(test) {
        engines.push("gpu");
    }
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "12000", "--max-steps", "1", "--out", "trained"]);
    std::fs::copy(dir.path().join("trained/theta.npy"), dir.path().join("theta.npy")).unwrap();
    for engine in engines {
        let args = ["evaluate", "--theta", "theta.npy", "--memory", "1", "--backend", engine, "--samples", "50"];
        let (whole, run) = (format!("{engine}-whole"), format!("{engine}-run"));
        succeed(dir.path(), &[&args[..], &["--out", &whole]].concat());
        cut(dir.path(), &[&args[..], &["--out", &run]].concat(), &run);
        succeed(dir.path(), &["resume", &run]);
        assert_same_columns(&dir.path().join(&run), &dir.path().join(&whole));
        assert!(status(&dir.path().join(run)).iter().all(|&status| status == 3));
    }
}

/// Two separable classes, 60 samples of three inputs, and networks that know them.
fn separable(dir: &TempDir) -> Array2<f32> {
    let label = |i: usize| (i % 2) as f32;
    let x = Array2::from_shape_fn((60, 3), |(i, m)| {
        let noise = ((i * 7 + m * 3) as f32 * 0.618_034).fract() - 0.5;
        if m == 0 { 4.0 * (label(i) - 0.5) + noise } else { noise }
    });
    write_npy(dir.path().join("x.npy"), &x).unwrap();
    write_npy(dir.path().join("q.npy"), &Array1::from_shape_fn(60, |i| label(i) as u8)).unwrap();
    let args = ["sweep", "--backend", "cpu", "--x", "x.npy", "--q", "q.npy", "--hidden", "4", "--activation", "tanh"];
    let more = ["--seeds", "12", "--max-steps", "300", "--init-range", "1", "--step-size", "0.02", "--out", "trained"];
    succeed(dir.path(), &[&args[..], &more].concat());
    read_npy(dir.path().join("trained/theta.npy")).unwrap()
}

#[test]
fn a_wrong_order_of_theta_is_hinted_at() {
    let dir = tempdir().unwrap();
    let theta = separable(&dir);
    // As torch's state_dict holds them: the weights row by row, the hidden biases, the output weights, the output bias.
    let (inputs, hidden) = (3, 4);
    let mut torch = Array2::<f32>::zeros(theta.raw_dim());
    for (mut to, from) in torch.rows_mut().into_iter().zip(theta.rows()) {
        let w = from.slice(s![..(inputs + 1) * hidden]).into_shape_with_order((inputs + 1, hidden)).unwrap();
        let v = from.slice(s![(inputs + 1) * hidden..]);
        let weights = (0..hidden).flat_map(|n| (1..=inputs).map(move |m| (m, n))).map(|at| w[at]);
        let order = weights.chain((0..hidden).map(|n| w[(0, n)])).chain(v.iter().skip(1).copied()).chain([v[0]]);
        to.iter_mut().zip(order).for_each(|(to, from)| *to = from);
    }
    write_npy(dir.path().join("theta.npy"), &theta).unwrap();
    write_npy(dir.path().join("torch.npy"), &torch).unwrap();
    let evaluated = |theta: &str, out: &str| {
        let args = ["evaluate", "--backend", "cpu", "--x", "x.npy", "--q", "q.npy", "--hidden", "4"];
        let more = ["--activation", "tanh", "--test-x", "x.npy", "--test-q", "q.npy", "--theta", theta, "--out", out];
        let output = succeed(dir.path(), &[&args[..], &more].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let right = evaluated("theta.npy", "right");
    assert!(!right.contains("wrong order"), "{right}");
    let wrong = evaluated("torch.npy", "wrong");
    for part in ["compare `loss` with yours first", "a wrong order of theta looks like this", "w[m N + n] = W[n, m]"] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    let summary: Value = serde_json::from_slice(&succeed(dir.path(), &["show", "wrong", "--json"]).stdout).unwrap();
    assert!(summary["hints"].to_string().contains("wrong order"));
    // A sweep knows its own order.
    let sweep = String::from_utf8(succeed(dir.path(), &["show", "trained"]).stdout).unwrap();
    assert!(!sweep.contains("wrong order"), "{sweep}");
}
