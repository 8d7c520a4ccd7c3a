//! `sharpsweep show`: the summary of a run again, at any moment, and nothing changes by it.

mod support;

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ndarray::Array1;
use ndarray_npy::read_npy;
use serde_json::Value;
use support::command::{ended_within, fail, files, sharpsweep, succeed};
use support::cut::cut;
use tempfile::tempdir;

fn stdout(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(succeed(dir, args).stdout).unwrap()
}

const SWEEP: [&str; 9] = ["sweep", "--backend", "cpu", "--samples", "20", "--max-steps", "60", "--tolerance", "0.1"];

fn sweep(more: &[&'static str]) -> Vec<&'static str> {
    [&SWEEP[..], more].concat()
}

#[test]
fn a_finished_run_and_a_finished_grid_are_shown_as_they_were() {
    let dir = tempdir().unwrap();
    for (more, resumed) in [(&["--out", "run"][..], "run"), (&["--hidden", "2,3", "--out", "grid"], "grid")] {
        let ended = stdout(dir.path(), &[&sweep(&["--seeds", "40"]), more].concat());
        let before = files(dir.path());
        let shown = stdout(dir.path(), &["show", resumed]);
        // But that it leaves no table.
        assert_eq!(shown, ended.replace("this table in table.csv; ", ""));
        let json: Value = serde_json::from_str(&stdout(dir.path(), &["show", resumed, "--json"])).unwrap();
        let resumed: Value = serde_json::from_str(&stdout(dir.path(), &["resume", resumed, "--json"])).unwrap();
        assert_eq!(json, resumed);
        assert!(files(dir.path()) == before);
    }
    std::fs::remove_file(dir.path().join("grid/table.csv")).unwrap();
    succeed(dir.path(), &["show", "grid"]);
    assert!(!dir.path().join("grid/table.csv").exists());
    assert!(fail(dir.path(), &["show", "nowhere"], 1).contains("is no run directory"));
}

#[test]
fn an_unfinished_run_is_shown_as_far_as_it_is() {
    let dir = tempdir().unwrap();
    cut(dir.path(), &sweep(&["--seeds", "60000", "--memory", "1", "--out", "run"]), "run");
    let before = files(dir.path());
    let shown: Value = serde_json::from_str(&stdout(dir.path(), &["show", "run", "--json"])).unwrap();
    let written = usize::try_from(shown["written"].as_u64().unwrap()).unwrap();
    assert!((1..60000).contains(&written));
    let outcome = &shown["outcome"];
    let ended: u64 = ["converged", "step_limit", "non_finite"].iter().map(|k| outcome[k].as_u64().unwrap()).sum();
    assert_eq!(ended, written as u64);
    let text = stdout(dir.path(), &["show", "run", "--over", "all"]);
    let said = format!("not finished: {written} of 60000 rows are written");
    assert!(text.contains(&said) && text.contains("go on with: sharpsweep resume run"), "{text}");
    // Shares are of the written rows, and so are quantiles: a row that is not written holds zeros.
    let converged = outcome["converged"].as_u64().unwrap();
    let share = 100.0 * converged as f64 / written as f64;
    assert!(text.contains(&format!("converged {converged} ({share:.1} %)")), "{text}");
    let loss = read_npy::<_, Array1<f64>>(dir.path().join("run/loss.npy")).unwrap();
    let smallest = loss.iter().copied().filter(|&loss| loss > 0.0).fold(f64::INFINITY, f64::min);
    let shown: Value = serde_json::from_str(&stdout(dir.path(), &["show", "run", "--json", "--over", "all"])).unwrap();
    for row in shown["quantiles"].as_array().unwrap() {
        assert_eq!(row["networks"], written, "{row}");
        assert!(row["column"] != "loss" || row["values"][0].as_f64().unwrap() >= smallest, "{row}");
    }
    assert!(files(dir.path()) == before);
}

#[test]
fn an_unfinished_grid_is_shown_as_far_as_it_is() {
    let dir = tempdir().unwrap();
    let args = sweep(&["--seeds", "3000", "--memory", "1", "--hidden", "2,3", "--out", "grid"]);
    cut(dir.path(), &args, "grid/sigmoid-n2-eta0.1");
    let before = files(dir.path());
    let text = stdout(dir.path(), &["show", "grid"]);
    assert!(text.contains(" of 6000 rows are written") && text.contains("sharpsweep resume grid"), "{text}");
    assert!(text.lines().next().unwrap().contains("written"), "{text}");
    let shown: Value = serde_json::from_str(&stdout(dir.path(), &["show", "grid", "--json"])).unwrap();
    assert_eq!(shown["runs"][1]["written"], 0);
    assert!(files(dir.path()) == before);
}

#[test]
fn a_run_that_will_fill_much_of_the_disk_says_so_before_it_works() {
    let dir = tempdir().unwrap();
    let said = |args: &[&str]| {
        let path = dir.path().join("said");
        let mut command = sharpsweep(dir.path(), args);
        let mut child = command.stdout(Stdio::null()).stderr(File::create(&path).unwrap()).spawn().unwrap();
        let mut told = String::new();
        while child.try_wait().unwrap().is_none() && !told.contains("of the disk") {
            std::thread::sleep(Duration::from_millis(5));
            told = std::fs::read_to_string(&path).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told
    };
    // 13 weights in f32, twelve columns of f64, a u64, a u32 and a u8: 8 million times 161 bytes.
    let told = said(&["sweep", "--backend", "cpu", "--seeds", "8000000", "--out", "run"]);
    assert!(told.contains("the columns of 8000000 networks will take 1.2 GiB of the disk"), "{told}");
    assert!(told.contains("with --keep summary 831.6 MiB"), "{told}");
    let small = ended_within(
        &mut sharpsweep(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "4", "--out", "small"]),
        Duration::from_secs(120),
    );
    assert!(!String::from_utf8_lossy(&small.stderr).contains("of the disk"));
}
