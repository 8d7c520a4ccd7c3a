//! Sweeps in parts and many sweeps: the same bytes however the seeds are cut; and what is made of many runs at once.

mod support;

use std::path::Path;

use ndarray::{Array1, Array2};
use ndarray_npy::read_npy;
use sharpsweep::gpu::Tuning;
use support::command::{assert_same_columns, columns, fail, manifest, sharpsweep, succeed};
use support::cut::cut;
use tempfile::tempdir;

const SWEEP: [&str; 5] = ["sweep", "--seeds", "100..1100", "--max-steps", "60"];

fn sweep<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SWEEP[..], more].concat()
}

/// The engines of this machine, each with the option that takes it. Without a graphics adapter the test fails, or says
/// that it skips the gpu engine.
fn engines(test: &str) -> Vec<&'static str> {
    let gpu = support::gpu::gpu(test, Tuning::default()).map(|_| "gpu");
    ["cpu"].into_iter().chain(gpu).collect()
}

#[test]
fn however_the_seeds_are_cut_into_shards_the_merged_bytes_are_the_same() {
    let dir = tempdir().unwrap();
    for engine in engines("however_the_seeds_are_cut_into_shards_the_merged_bytes_are_the_same") {
        let whole = format!("{engine}-whole");
        succeed(dir.path(), &sweep(&["--backend", engine, "--out", &whole]));
        for parts in [1, 3, 8] {
            let mut names: Vec<String> = (1..=parts).map(|part| format!("{engine}-{part}-of-{parts}")).collect();
            for (k, name) in names.iter().enumerate() {
                let shard = format!("{}/{parts}", k + 1);
                succeed(dir.path(), &sweep(&["--backend", engine, "--shard", &shard, "--out", name]));
            }
            // In any order.
            names.rotate_left(parts / 2);
            names.reverse();
            let out = format!("{engine}-merged-{parts}");
            let mut args = vec!["merge", "--out", &out];
            args.extend(names.iter().map(String::as_str));
            succeed(dir.path(), &args);
            assert_same_columns(&dir.path().join(&out), &dir.path().join(&whole));
            let (merged, whole) = (manifest(&dir.path().join(&out)), manifest(&dir.path().join(&whole)));
            for field in ["spec", "engine", "columns", "outcome", "version", "state"] {
                assert_eq!(merged[field], whole[field], "{field}");
            }
            assert_eq!(merged["parts"].as_array().unwrap().len(), parts);
        }
    }
}

#[test]
fn no_budget_changes_a_byte() {
    let dir = tempdir().unwrap();
    let mut cases: Vec<(&str, &str, Vec<&str>)> = vec![
        ("cpu", "2", vec!["--memory", "1"]),
        ("cpu", "1", vec!["--memory", "256"]),
        ("cpu", "3", vec!["--memory", "1"]),
        ("reference", "2", vec!["--memory", "1"]),
        ("reference", "1", vec!["--memory", "256"]),
    ];
    if engines("no_budget_changes_a_byte").contains(&"gpu") {
        cases.push(("gpu", "2", vec!["--memory", "1"]));
        cases.push(("gpu", "1", vec!["--dispatch-ms", "1"]));
        cases.push(("gpu", "2", vec!["--dispatch-ms", "1000", "--memory", "256"]));
    }
    for (k, (engine, threads, args)) in cases.iter().enumerate() {
        let out = k.to_string();
        // 3,000 seeds need three chunks in one MiB.
        let mut all = vec!["sweep", "--seeds", "3000", "--max-steps", "40", "--backend", engine, "--out", &out];
        all.extend(args);
        let output = sharpsweep(dir.path(), &all).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{all:?}: {}", String::from_utf8_lossy(&output.stderr));
        let first = cases.iter().position(|(other, ..)| other == engine).unwrap().to_string();
        assert_same_columns(&dir.path().join(&out), &dir.path().join(first));
    }
    assert_ne!(columns(&dir.path().join("0"))["lambda_sup"], columns(&dir.path().join("3"))["lambda_sup"]);
}

#[test]
fn a_merge_of_parts_that_do_not_fit_is_refused_by_name() {
    let dir = tempdir().unwrap();
    let shard = |part: &str, out: &str, [engine, steps, keep]: [&str; 3]| {
        let args = ["sweep", "--seeds", "100..1100", "--shard", part, "--out", out];
        let more = ["--backend", engine, "--max-steps", steps, "--keep", keep];
        succeed(dir.path(), &[&args[..], &more].concat());
    };
    for part in ["1", "2", "3"] {
        shard(&format!("{part}/3"), part, ["cpu", "60", "all"]);
    }
    shard("2/3", "steps", ["cpu", "61", "all"]);
    shard("2/3", "converged", ["cpu", "60", "converged"]);
    shard("2/3", "reference", ["reference", "60", "all"]);
    shard("2/4", "overlapping", ["cpu", "60", "all"]);
    let refused = |args: &[&str], says: &[&str]| {
        let stderr = fail(dir.path(), &[&["merge", "--out", "out"], args].concat(), 1);
        for part in says {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
        assert!(!dir.path().join("out").exists());
    };
    refused(&["1", "3"], &["seeds 433..766 are in none of them"]);
    refused(&["2"], &["seeds 100..433 are in none", "seeds 766..1100 are in none"]);
    refused(&["1", "2", "3", "overlapping"], &["seeds 433..600 are in both"]);
    refused(&["1", "2", "2", "3"], &["seeds 433..766 are in both 2 and 2"]);
    refused(&["1", "steps", "3"], &["not parts of one experiment", "--max-steps: 60 in 1, 61 in steps"]);
    refused(&["1", "converged", "3"], &["--keep: \"all\" in 1, \"converged\" in converged"]);
    refused(
        &["1", "reference", "3"],
        &["different engines", "engine: `cpu` there, `reference` here", "--allow-mixed-engines"],
    );
    refused(&["1", "2", "nowhere"], &["nowhere is no run directory"]);
    fail(dir.path(), &["merge", "--out", "out"], 2);
    fail(dir.path(), &["sweep", "--seeds", "3", "--shard", "2/7", "--out", "out"], 2);
    fail(dir.path(), &["sweep", "--shard", "0/7", "--out", "out"], 2);
    // If asked, it says which seeds each part has.
    succeed(dir.path(), &["merge", "--out", "mixed", "--allow-mixed-engines", "1", "reference", "3"]);
    let mixed = manifest(&dir.path().join("mixed"));
    assert_eq!(mixed["engine"]["engine"], "cpu + reference");
    assert_eq!(
        (&mixed["parts"][1]["first_seed"], &mixed["parts"][1]["engine"]["engine"]),
        (&433.into(), &"reference".into())
    );
    let stderr = fail(dir.path(), &["merge", "--out", "mixed", "1", "2", "3"], 1);
    assert!(stderr.contains("already holds a run"), "{stderr}");
    // An unfinished part is named, with the command that finishes it.
    cut(
        dir.path(),
        &["sweep", "--backend", "cpu", "--seeds", "2000", "--max-steps", "9", "--shard", "1/2", "--out", "slow"],
        "slow",
    );
    refused(&["1", "slow"], &["unfinished: slow", "sharpsweep resume"]);
}

#[test]
fn sweeps_over_neighbouring_seeds_merge_as_shards_do() {
    let dir = tempdir().unwrap();
    for (seeds, out) in [("0..30", "a"), ("30..50", "b"), ("0..50", "whole")] {
        succeed(dir.path(), &["sweep", "--backend", "cpu", "--max-steps", "9", "--seeds", seeds, "--out", out]);
    }
    succeed(dir.path(), &["merge", "b", "a", "--out", "merged"]);
    assert_same_columns(&dir.path().join("merged"), &dir.path().join("whole"));
}

#[test]
fn keep_decides_which_weights_are_there_and_changes_nothing_else() {
    let dir = tempdir().unwrap();
    for keep in ["all", "converged", "summary"] {
        let args =
            ["sweep", "--backend", "cpu", "--seeds", "200", "--max-steps", "2500", "--keep", keep, "--out", keep];
        succeed(dir.path(), &args);
    }
    let [mut all, mut converged, summary] = ["all", "converged", "summary"].map(|keep| columns(&dir.path().join(keep)));
    let theta = |keep: &str| read_npy::<_, Array2<f32>>(dir.path().join(keep).join("theta.npy")).unwrap();
    let status: Array1<u8> = read_npy(dir.path().join("all/status.npy")).unwrap();
    let (whole, kept) = (theta("all"), theta("converged"));
    assert!(status.iter().any(|&status| status == 0) && status.iter().any(|&status| status == 1), "both must be there");
    for (k, &status) in status.iter().enumerate() {
        if status == 0 {
            assert_eq!(kept.row(k), whole.row(k));
        } else {
            assert!(kept.row(k).iter().all(|value| value.is_nan()), "row {k}");
        }
    }
    all.remove("theta");
    converged.remove("theta");
    assert!(all == converged && all == summary);
    let stderr = fail(dir.path(), &["duplicates", "summary"], 1);
    assert!(stderr.contains("--keep summary"), "{stderr}");
    // All three are resumed and merged in the same way.
    for keep in ["converged", "summary"] {
        for part in ["1/2", "2/2"] {
            let out = format!("{keep}-{}", &part[..1]);
            let args = ["sweep", "--backend", "cpu", "--seeds", "200", "--max-steps", "2500", "--keep", keep];
            succeed(dir.path(), &[&args[..], &["--shard", part, "--out", &out]].concat());
        }
        let [first, second, merged] = ["1", "2", "merged"].map(|part| format!("{keep}-{part}"));
        succeed(dir.path(), &["merge", &first, &second, "--out", &merged]);
        assert_same_columns(&dir.path().join(merged), &dir.path().join(keep));
        succeed(dir.path(), &["resume", keep]);
    }
}

const GRID: [&str; 11] = [
    "sweep",
    "--backend",
    "cpu",
    "--hidden",
    "3,5",
    "--step-size",
    "0.05,0.1",
    "--activation",
    "sigmoid,tanh",
    "--max-steps",
    "300",
];

const GRID_RUNS: [&str; 8] = [
    "sigmoid-n3-eta0.05",
    "sigmoid-n3-eta0.1",
    "sigmoid-n5-eta0.05",
    "sigmoid-n5-eta0.1",
    "tanh-n3-eta0.05",
    "tanh-n3-eta0.1",
    "tanh-n5-eta0.05",
    "tanh-n5-eta0.1",
];

fn assert_same_grids(grid: &Path, expected: &Path) {
    for name in GRID_RUNS {
        assert_same_columns(&grid.join(name), &expected.join(name));
    }
    let read = |grid: &Path, file: &str| std::fs::read_to_string(grid.join(file)).unwrap();
    for file in ["grid.json", "table.csv"] {
        assert_eq!(read(grid, file), read(expected, file), "{file}");
    }
}

#[test]
fn lists_of_parameters_give_a_run_each_and_a_table_over_them() {
    let dir = tempdir().unwrap();
    let output = succeed(dir.path(), &[&GRID[..], &["--seeds", "40", "--out", "grid"]].concat());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("lambda_sup") && printed.contains("8 runs in grid"), "{printed}");
    let table = std::fs::read_to_string(dir.path().join("grid/table.csv")).unwrap();
    let names: Vec<&str> = table.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, GRID_RUNS);
    // Each equals the run of its parameters alone.
    let alone = [
        "sweep",
        "--backend",
        "cpu",
        "--hidden",
        "5",
        "--step-size",
        "0.05",
        "--activation",
        "tanh",
        "--max-steps",
        "300",
    ];
    succeed(dir.path(), &[&alone[..], &["--seeds", "40", "--out", "alone"]].concat());
    assert_same_columns(&dir.path().join("grid/tanh-n5-eta0.05"), &dir.path().join("alone"));
    assert!(!dir.path().join("alone/grid.json").exists());
    // As JSON, and again from the finished grid.
    let output = succeed(dir.path(), &["resume", "grid", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 8);
    let stderr = fail(dir.path(), &[&GRID[..], &["--out", "grid"]].concat(), 1);
    assert!(stderr.contains("already holds"), "{stderr}");
    let stderr = fail(dir.path(), &["duplicates", "grid"], 1);
    assert!(stderr.contains("is a grid of runs"), "{stderr}");
    let stderr = fail(dir.path(), &["sweep", "--hidden", "3,3", "--out", "twice"], 2);
    assert!(stderr.contains("--hidden lists a value twice"), "{stderr}");
    fail(dir.path(), &["sweep", "--hidden", "3,0x2", "--out", "zero"], 2);
}

#[test]
fn a_grid_that_was_cut_off_is_resumed_and_one_in_shards_merged() {
    let dir = tempdir().unwrap();
    let grid = |out: &'static str| [&GRID[..], &["--seeds", "1500", "--memory", "1", "--out", out]].concat();
    succeed(dir.path(), &grid("whole"));
    cut(dir.path(), &grid("cut"), "cut/tanh-n3-eta0.1");
    let stderr = fail(dir.path(), &["resume", "cut/sigmoid-n3-eta0.1/data"], 1);
    assert!(stderr.contains("no run directory"), "{stderr}");
    succeed(dir.path(), &["resume", "cut"]);
    assert_same_grids(&dir.path().join("cut"), &dir.path().join("whole"));
    for part in ["1/2", "2/2"] {
        succeed(dir.path(), &[&grid(if part == "1/2" { "a" } else { "b" })[..], &["--shard", part]].concat());
    }
    succeed(dir.path(), &["merge", "b", "a", "--out", "merged"]);
    assert_same_grids(&dir.path().join("merged"), &dir.path().join("whole"));
    let stderr = fail(dir.path(), &["merge", "a", "whole/tanh-n5-eta0.1", "--out", "out"], 1);
    assert!(stderr.contains("is no grid"), "{stderr}");
}

#[test]
fn duplicates_names_the_network_that_is_kept_for_each() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "300", "--out", "run"]);
    let output = succeed(dir.path(), &["duplicates", "run", "--by", "distance", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of: Array1<i64> = read_npy(dir.path().join("run/duplicate_of.npy")).unwrap();
    let status: Array1<u8> = read_npy(dir.path().join("run/status.npy")).unwrap();
    let theta: Array2<f32> = read_npy(dir.path().join("run/theta.npy")).unwrap();
    let threshold = found["threshold"].as_f64().unwrap();
    let kept = (0..300).filter(|&k| of[k] == k as i64).count();
    assert_eq!(found["unique"], kept);
    assert!(kept > 50 && kept < found["converged"].as_u64().unwrap() as usize, "{found}");
    for (k, (&of_k, &status)) in of.iter().zip(&status).enumerate() {
        assert_eq!(of_k == -1, status != 0, "row {k}");
        let Ok(first) = usize::try_from(of_k) else { continue };
        assert!(first <= k && of[first] == of_k, "row {k}");
        let square: f64 = theta.row(k).iter().zip(theta.row(first)).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!(square.sqrt() < threshold, "row {k}");
    }
    let output = succeed(dir.path(), &["duplicates", "run", "--by", "distance"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("pairwise distances"));
    assert!(
        manifest(&dir.path().join("run"))["columns"].as_array().unwrap().iter().all(|c| c["name"] != "duplicate_of")
    );
}
