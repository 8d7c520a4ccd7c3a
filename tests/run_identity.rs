//! A run is the work of one engine, one revision of its numerics and one route, however often it is interrupted and
//! into however many shards it is divided. Then its bytes are those of the undisturbed run. What does not fit is
//! refused.
#![cfg(unix)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::command::{assert_same_columns, begin_as, fail, files, manifest, succeed};
use support::cut::cut;
use support::gpu::skipped;
use tempfile::tempdir;

/// The engines of this machine with sweeps of several chunks each; the steps are for cpu, reference and gpu.
fn engines(test: &str, [cpu, reference, gpu]: [&'static str; 3]) -> Vec<[&'static str; 6]> {
    let mut engines = vec![
        ["--backend", "cpu", "--seeds", "1500", "--max-steps", cpu],
        ["--backend", "reference", "--seeds", "600", "--max-steps", reference],
    ];
    if !skipped(test) {
        engines.push(["--backend", "gpu", "--seeds", "800", "--max-steps", gpu]);
    }
    engines
}

/// The fifty samples of the default data.
const STEPS: [&str; 3] = ["100", "12", "60"];

fn concat<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// Interrupts `sweep` and goes on with it; divides it into shards, one of which is interrupted and requeued, and merges
/// them.
fn assert_whatever_happens_the_bytes_are_the_same(sweep: &[&str]) {
    let dir = tempdir().unwrap();
    let run = |name: &str| dir.path().join(name);
    succeed(dir.path(), &concat(&[sweep, &["--out", "whole"]]));
    cut(dir.path(), &concat(&[sweep, &["--out", "cut"]]), "cut");
    succeed(dir.path(), &["resume", "cut"]);
    assert_same_columns(&run("cut"), &run("whole"));
    cut(dir.path(), &concat(&[sweep, &["--shard", "1/2", "--out", "first"]]), "first");
    succeed(dir.path(), &["resume", "first"]);
    succeed(dir.path(), &concat(&[sweep, &["--shard", "2/2", "--out", "second"]]));
    succeed(dir.path(), &["merge", "second", "first", "--out", "merged"]);
    assert_same_columns(&run("merged"), &run("whole"));
    // Except for the number of threads.
    for field in ["engine", "precision", "driver", "revision", "code_hash", "plan", "route"] {
        let recorded = |name: &str| manifest(&run(name))["engine"][field].clone();
        assert_eq!(recorded("merged"), recorded("whole"), "{sweep:?}: {field}");
    }
}

#[test]
fn by_every_route_of_every_engine_a_run_in_pieces_has_the_bytes_of_the_whole() {
    for engine in engines("by_every_route_of_every_engine_a_run_in_pieces_has_the_bytes_of_the_whole", STEPS) {
        for route in ["auto", "pairwise", "assembled"] {
            let route = ["--tolerance", "0", "--memory", "1", "--route", route];
            assert_whatever_happens_the_bytes_are_the_same(&concat(&[&["sweep"], &engine, &route]));
        }
    }
}

#[test]
fn with_every_further_column_a_run_in_pieces_has_the_bytes_of_the_whole() {
    for engine in engines("with_every_further_column_a_run_in_pieces_has_the_bytes_of_the_whole", STEPS) {
        for [spectrum, brackets, keep] in [
            ["--spectrum", "--brackets=eight", "all"],
            ["--spectrum=vectors,all,2,blocks", "--brackets=0.01", "summary"],
        ] {
            let options = ["--tolerance", "0", "--memory", "1", "--bounds", spectrum, brackets, "--keep", keep];
            let decayed = ["--weight-decay", "1e-3", "--polish"];
            let options = concat(&[&options, if keep == "all" { &[] } else { &decayed }]);
            assert_whatever_happens_the_bytes_are_the_same(&concat(&[&["sweep"], &engine, &options]));
        }
    }
}

/// N = 3 and 10 on ten samples: `auto` takes different routes for the two.
#[test]
fn a_grid_of_several_routes_in_pieces_has_the_bytes_of_the_whole() {
    for engine in engines("a_grid_of_several_routes_in_pieces_has_the_bytes_of_the_whole", ["100", "12", "60"]) {
        let dir = tempdir().unwrap();
        let sweep = concat(&[
            &["sweep"],
            &engine,
            &["--samples", "10", "--hidden", "3,10", "--tolerance", "0", "--memory", "1"],
        ]);
        let runs = ["sigmoid-n3-eta0.1", "sigmoid-n10-eta0.1"];
        succeed(dir.path(), &concat(&[&sweep, &["--out", "whole"]]));
        if engine[1] != "reference" {
            let route = |run: &str| manifest(&dir.path().join("whole").join(run))["engine"]["route"].clone();
            assert_eq!(runs.map(route), [Value::from("assembled"), Value::from("pairwise")], "{engine:?}");
        }
        for run in runs {
            cut(dir.path(), &concat(&[&sweep, &["--out", "cut"]]), &format!("cut/{run}"));
            succeed(dir.path(), &["resume", "cut"]);
            for run in runs {
                assert_same_columns(&dir.path().join("cut").join(run), &dir.path().join("whole").join(run));
            }
            std::fs::remove_dir_all(dir.path().join("cut")).unwrap();
        }
    }
}

#[test]
fn an_evaluation_that_was_cut_off_goes_on_without_its_file() {
    let test = "an_evaluation_that_was_cut_off_goes_on_without_its_file";
    let mut cases = vec![
        (["--backend", "reference", "--samples", "200", "--hidden", "3"], "600"),
        (["--backend", "cpu", "--samples", "50", "--hidden", "30"], "1500"),
    ];
    if !skipped(test) {
        cases.push((["--backend", "gpu", "--samples", "100", "--hidden", "3"], "800"));
    }
    for (case, networks) in cases {
        let dir = tempdir().unwrap();
        let train = ["sweep", "--seeds", networks, "--max-steps", "1", "--out", "trained"];
        succeed(dir.path(), &concat(&[&train, &case]));
        let theta = dir.path().join("theta.npy");
        std::fs::copy(dir.path().join("trained/theta.npy"), &theta).unwrap();
        let evaluate =
            concat(&[&["evaluate", "--theta", "theta.npy", "--spectrum", "--bounds", "--memory", "1"], &case]);
        succeed(dir.path(), &concat(&[&evaluate, &["--out", "whole"]]));
        cut(dir.path(), &concat(&[&evaluate, &["--out", "run"]]), "run");
        std::fs::remove_file(&theta).unwrap();
        // It cannot go on with other networks than those that it was begun with.
        let (column, whole) =
            (dir.path().join("run/theta.npy"), std::fs::read(dir.path().join("run/theta.npy")).unwrap());
        let mut changed = whole.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        std::fs::write(&column, changed).unwrap();
        let stderr = fail(dir.path(), &["resume", "run"], 1);
        assert!(stderr.contains("does not hold the networks"), "{stderr}");
        std::fs::write(&column, whole).unwrap();
        succeed(dir.path(), &["resume", "run"]);
        assert_same_columns(&dir.path().join("run"), &dir.path().join("whole"));
        assert!(!dir.path().join("run/journal").exists());
    }
}

#[test]
fn shards_by_different_routes_are_different_engines() {
    for engine in engines("shards_by_different_routes_are_different_engines", STEPS) {
        if engine[1] == "reference" {
            continue;
        }
        let dir = tempdir().unwrap();
        for (part, route) in [("1/2", "pairwise"), ("2/2", "assembled")] {
            let shard =
                ["sweep", "--seeds", "40", "--max-steps", "9", "--shard", part, "--route", route, "--out", &part[..1]];
            succeed(dir.path(), &concat(&[&shard, &engine[..2]]));
        }
        let stderr = fail(dir.path(), &["merge", "1", "2", "--out", "merged"], 1);
        assert!(stderr.contains("route to tr H^2: `pairwise` there, `assembled` here"), "{stderr}");
        succeed(dir.path(), &["merge", "1", "2", "--out", "merged", "--allow-mixed-engines"]);
        assert_eq!(manifest(&dir.path().join("merged"))["parts"][1]["engine"]["route"], "assembled");
    }
}

/// An interrupted run in `dir`.
fn cut_run(dir: &Path) {
    cut(
        dir,
        &["sweep", "--backend", "cpu", "--seeds", "6000", "--max-steps", "800", "--memory", "1", "--out", "run"],
        "run",
    );
}

#[test]
fn a_run_of_another_revision_is_neither_gone_on_with_nor_merged_with() {
    let dir = tempdir().unwrap();
    cut_run(dir.path());
    let revision = manifest(&dir.path().join("run"))["engine"]["revision"].as_u64().unwrap();
    begin_as(&dir.path().join("run"), |begun| begun["engine"]["revision"] = (revision - 1).into());
    let before = files(dir.path());
    let stderr = fail(dir.path(), &["resume", "run"], 1);
    let difference = format!("revision of the numerics: `{}` there, `{revision}` here", revision - 1);
    assert!(stderr.contains(&difference) && stderr.contains("the same sharpsweep"), "{stderr}");
    assert!(files(dir.path()) == before, "a refused resume must not change a byte");

    for part in ["1/2", "2/2"] {
        let out = &part[..1];
        succeed(
            dir.path(),
            &["sweep", "--backend", "cpu", "--seeds", "9", "--max-steps", "9", "--shard", part, "--out", out],
        );
    }
    begin_as(&dir.path().join("2"), |begun| begun["engine"]["revision"] = (revision - 1).into());
    let stderr = fail(dir.path(), &["merge", "1", "2", "--out", "merged"], 1);
    let difference = format!("revision of the numerics: `{revision}` there, `{}` here", revision - 1);
    assert!(stderr.contains(&difference) && stderr.contains("--allow-mixed-engines"), "{stderr}");
    succeed(dir.path(), &["merge", "1", "2", "--out", "merged", "--allow-mixed-engines"]);
    let merged = manifest(&dir.path().join("merged"));
    assert_eq!(
        (&merged["engine"]["revision"], &merged["parts"][0]["engine"]["revision"]),
        (&0.into(), &revision.into())
    );
}

/// As runs were before revisions: without them in the manifest, and without columns in the journal.
fn as_before_revisions(begun: &mut Value) {
    begun["engine"].as_object_mut().unwrap().remove("revision");
    // A manifest always had the columns; a journal is recognised by having no state.
    if begun.get("state").is_none() {
        begun.as_object_mut().unwrap().remove("columns");
    }
}

#[test]
fn a_run_without_a_revision_is_read_but_not_gone_on_with() {
    let dir = tempdir().unwrap();
    cut_run(dir.path());
    begin_as(&dir.path().join("run"), as_before_revisions);
    let stderr = fail(dir.path(), &["resume", "run"], 1);
    assert!(stderr.contains("revision of the numerics: `none recorded` there"), "{stderr}");
    for part in ["1/2", "2/2"] {
        let out = &part[..1];
        succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "60", "--shard", part, "--out", out]);
        begin_as(&dir.path().join(out), as_before_revisions);
        succeed(dir.path(), &["resume", out]);
        succeed(dir.path(), &["duplicates", out]);
        succeed(dir.path(), &["report", out]);
    }
    // Two of the same kind fit together.
    succeed(dir.path(), &["merge", "1", "2", "--out", "merged"]);
}

#[test]
fn a_journal_without_columns_is_still_gone_on_with() {
    let dir = tempdir().unwrap();
    succeed(
        dir.path(),
        &["sweep", "--backend", "cpu", "--seeds", "6000", "--max-steps", "800", "--memory", "1", "--out", "whole"],
    );
    cut_run(dir.path());
    begin_as(&dir.path().join("run"), |begun| {
        if begun.get("state").is_none() {
            begun.as_object_mut().unwrap().remove("columns");
        }
    });
    succeed(dir.path(), &["resume", "run"]);
    assert_same_columns(&dir.path().join("run"), &dir.path().join("whole"));
}
