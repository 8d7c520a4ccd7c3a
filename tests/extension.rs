//! A finished sweep that gets more seeds or more steps has the bytes of a sweep that was asked for them from the start.
//! Until it has them all, it is what it was.
#![cfg(unix)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2};
use ndarray_npy::{read_npy, write_npy};
use nix::sys::signal::Signal;
use sharpsweep::model::philox4x32_10;
use support::command::{assert_same_columns, begin_as, columns, fail, files, manifest, send, sharpsweep, succeed};
use support::cut::cut;
use support::gpu::skipped;
use support::notice;
use tempfile::tempdir;

fn concat<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// The engines of this machine that can continue a training.
fn engines(test: &str) -> Vec<&'static str> {
    let gpu = (!skipped(test)).then_some("gpu");
    ["cpu"].into_iter().chain(gpu).collect()
}

/// Fails unless `run` equals `expected`, the run that was asked for the same from the start: in every column and in
/// everything in the manifest except times and, where it counts, the threads of a processor.
fn assert_as_from_the_start(run: &Path, expected: &Path) {
    assert_same_columns(run, expected);
    let (mut run, mut expected) = (manifest(run), manifest(expected));
    for manifest in [&mut run, &mut expected] {
        let manifest = manifest.as_object_mut().unwrap();
        manifest.remove("seconds");
        manifest.remove("started");
        let device = &mut manifest["engine"]["device"];
        if device.as_str().unwrap().starts_with("CPU") {
            *device = "CPU".into();
        }
    }
    assert_eq!(run, expected);
}

/// The contents of `dir`, by name.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Sweeps `sweep` to `from`, extends that to `to`, and compares it with the sweep to `to` itself.
fn assert_extends(sweep: &[&str], from: &[&str], to: &[&str]) {
    let dir = tempdir().unwrap();
    let run = |name: &str| dir.path().join(name);
    succeed(dir.path(), &concat(&[&["sweep"], sweep, from, &["--out", "run"]]));
    let before = manifest(&run("run"));
    succeed(dir.path(), &concat(&[&["resume", "run"], to]));
    // What is not given stays as it was.
    let given = |option: &str| to.contains(&option);
    let rest: Vec<&str> = from.chunks(2).filter(|pair| !given(pair[0])).flatten().copied().collect();
    succeed(dir.path(), &concat(&[&["sweep"], sweep, &rest, to, &["--out", "whole"]]));
    assert_as_from_the_start(&run("run"), &run("whole"));
    let after = manifest(&run("run"));
    assert_eq!(after["started"], before["started"]);
    let total = |manifest: &serde_json::Value| manifest["seconds"]["total"].as_f64().unwrap();
    assert!(total(&after) > total(&before), "the times of both are added up");
    assert_eq!(names(dir.path()), ["run", "whole"], "something is left behind");
}

const SMALL: [&str; 4] = ["--samples", "20", "--memory", "1"];

#[test]
fn more_seeds_of_every_engine_are_those_of_one_sweep() {
    for engine in engines("more_seeds_of_every_engine_are_those_of_one_sweep").into_iter().chain(["reference"]) {
        let sweep = concat(&[&SMALL, &["--backend", engine, "--max-steps", "40"]]);
        assert_extends(&sweep, &["--seeds", "100"], &["--seeds", "230"]);
        assert_extends(&sweep, &["--seeds", "7..100"], &["--seeds", "7..101"]);
    }
}

#[test]
fn more_steps_are_those_of_one_sweep() {
    for engine in engines("more_steps_are_those_of_one_sweep") {
        // Some converge before the first limit, some between the two, some not at all.
        let sweep = concat(&[&SMALL, &["--backend", engine, "--seeds", "150", "--tolerance", "0.5"]]);
        assert_extends(&sweep, &["--max-steps", "150"], &["--max-steps", "400"]);
        assert_extends(&sweep, &["--max-steps", "0"], &["--max-steps", "1"]);
    }
}

#[test]
fn more_steps_of_every_training_kernel_and_activation_are_those_of_one_sweep() {
    let test = "more_steps_of_every_training_kernel_and_activation_are_those_of_one_sweep";
    for engine in engines(test) {
        for (activation, hidden) in [("linear", "2"), ("tanh", "10"), ("softplus", "16"), ("gelu", "33")] {
            let network = ["--backend", engine, "--activation", activation, "--hidden", hidden];
            let sweep = concat(&[&SMALL, &network, &["--seeds", "40", "--init-range", "3", "--tolerance", "1"]]);
            assert_extends(&sweep, &["--max-steps", "20"], &["--max-steps", "60"]);
        }
    }
}

#[test]
fn more_seeds_and_steps_with_every_further_column_are_those_of_one_sweep() {
    for engine in engines("more_seeds_and_steps_with_every_further_column_are_those_of_one_sweep") {
        for spectrum in ["--spectrum", "--spectrum=vectors"] {
            let sweep = concat(&[&SMALL, &["--backend", engine, "--tolerance", "0.5", "--bounds", spectrum]]);
            let to = ["--seeds", "90", "--max-steps", "300"];
            assert_extends(&sweep, &["--seeds", "60", "--max-steps", "120"], &to);
        }
    }
}

/// More seeds do not need the weights that were not kept.
#[test]
fn more_seeds_without_weights_are_those_of_one_sweep() {
    for keep in ["converged", "summary"] {
        let sweep = concat(&[&SMALL, &["--backend", "cpu", "--tolerance", "0.5", "--keep", keep]]);
        assert_extends(&sweep, &["--seeds", "60", "--max-steps", "100"], &["--seeds", "90"]);
    }
}

/// The output's bias overflows where the only unit is dead: no gradient is infinite, and the CPU engine notices only
/// when the network ends. With more steps it ends later, and so it must if these come by an extension.
#[test]
fn networks_that_overflow_are_those_of_one_sweep() {
    let dir = tempdir().unwrap();
    let x = Array2::from_shape_fn((20, 1), |(i, _)| i as f64 / 20.0);
    let q: Array1<f64> = (0..20).map(|i| f64::from(u8::from(i < 15))).collect();
    let path = |name: &str| dir.path().join(name);
    write_npy(path("x.npy"), &x).unwrap();
    write_npy(path("q.npy"), &q).unwrap();
    for engine in engines("networks_that_overflow_are_those_of_one_sweep") {
        let sweep = |steps: &str, out: &str| {
            let data = ["sweep", "--backend", engine, "--x", "x.npy", "--q", "q.npy", "--hidden", "1", "--seeds", "60"];
            let descent = ["--init-range", "1e4", "--step-size", "5e37", "--max-steps", steps, "--out", out];
            succeed(dir.path(), &concat(&[&data, &descent]));
        };
        let [run, whole] = ["run", "whole"].map(|name| format!("{engine}-{name}"));
        sweep("4", &run);
        sweep("9", &whole);
        succeed(dir.path(), &["resume", &run, "--max-steps", "9"]);
        assert_as_from_the_start(&path(&run), &path(&whole));
        let status: Array1<u8> = read_npy(path(&whole).join("status.npy")).unwrap();
        let steps: Array1<u32> = read_npy(path(&whole).join("steps.npy")).unwrap();
        let late = status.iter().zip(&steps).filter(|&(&status, &steps)| status == 2 && steps == 9).count();
        assert!(engine != "cpu" || late > 3, "{late} networks are non-finite at the limit");
    }
}

#[test]
fn standardised_data_of_ones_own_and_a_merged_run_are_extended_like_any_other() {
    let dir = tempdir().unwrap();
    let run = |name: &str| dir.path().join(name);
    succeed(dir.path(), &["sweep", "--seeds", "1", "--max-steps", "1", "--samples", "30", "--out", "drawn"]);
    let data = ["--x", "drawn/data/x.npy", "--q", "drawn/data/q.npy", "--standardize", "--backend", "cpu"];
    let sweep = concat(&[&["sweep", "--max-steps", "60", "--tolerance", "0.5"], &data]);
    for (seeds, out) in [("0..30", "a"), ("30..50", "b")] {
        succeed(dir.path(), &concat(&[&sweep, &["--seeds", seeds, "--out", out]]));
    }
    succeed(dir.path(), &["merge", "a", "b", "--out", "run"]);
    // The data are those of the run.
    fs::rename(run("drawn"), run("away")).unwrap();
    succeed(dir.path(), &["resume", "run", "--seeds", "80", "--max-steps", "90"]);
    fs::rename(run("away"), run("drawn")).unwrap();
    let whole =
        concat(&[&["sweep", "--seeds", "80", "--max-steps", "90", "--tolerance", "0.5", "--out", "whole"], &data]);
    succeed(dir.path(), &whole);
    assert_as_from_the_start(&run("run"), &run("whole"));
}

#[test]
fn extensions_follow_each_other_and_what_is_there_already_is_left() {
    let dir = tempdir().unwrap();
    let run = |name: &str| dir.path().join(name);
    let sweep = concat(&[&["sweep", "--backend", "cpu", "--tolerance", "0.5"], &SMALL]);
    succeed(dir.path(), &concat(&[&sweep, &["--seeds", "40", "--max-steps", "60", "--out", "run"]]));
    let steps: [&[&str]; 4] =
        [&["--seeds", "70"], &["--max-steps", "120"], &["--seeds", "0..90", "--max-steps", "200"], &["--seeds", "91"]];
    for more in steps {
        succeed(dir.path(), &concat(&[&["resume", "run"], more]));
    }
    succeed(dir.path(), &concat(&[&sweep, &["--seeds", "91", "--max-steps", "200", "--out", "whole"]]));
    assert_as_from_the_start(&run("run"), &run("whole"));
    let before = files(dir.path());
    for more in [&["--seeds", "91"][..], &["--max-steps", "200"], &["--seeds", "0..91", "--max-steps", "200"], &[]] {
        let output = succeed(dir.path(), &concat(&[&["resume", "run"], more]));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("nothing to do"), "{stderr}");
        assert!(files(dir.path()) == before, "{more:?}");
    }
}

const GRID: [&str; 8] = ["sweep", "--backend", "cpu", "--hidden", "2,3", "--tolerance", "0.5", "--samples"];
const GRID_RUNS: [&str; 2] = ["sigmoid-n2-eta0.1", "sigmoid-n3-eta0.1"];

#[test]
fn every_run_of_a_grid_is_extended_and_its_table_follows() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let grid = |more: &[&str]| succeed(dir.path(), &concat(&[&GRID, &["20"], more]));
    grid(&["--seeds", "40", "--max-steps", "60", "--out", "grid"]);
    grid(&["--seeds", "70", "--max-steps", "90", "--out", "whole"]);
    // One of them is extended before, as by a command that was interrupted.
    let more = ["--seeds", "70", "--max-steps", "90"];
    succeed(dir.path(), &concat(&[&["resume", "grid/sigmoid-n2-eta0.1"], &more]));
    fs::remove_file(path("grid/table.csv")).unwrap();
    let output = succeed(dir.path(), &concat(&[&["resume", "grid"], &more]));
    assert!(String::from_utf8(output.stderr).unwrap().contains("run 2 of 2: sigmoid-n3-eta0.1"));
    for run in GRID_RUNS {
        assert_as_from_the_start(&path("grid").join(run), &path("whole").join(run));
    }
    let table = |grid: &str| fs::read_to_string(path(grid).join("table.csv")).unwrap();
    assert_eq!(table("grid"), table("whole"));
    assert_eq!(names(&path("grid")), names(&path("whole")));
    // The old table of the grid is replaced; an edited one is not.
    succeed(dir.path(), &["resume", "grid", "--seeds", "71"]);
    assert_ne!(table("grid"), table("whole"));
    fs::write(path("grid/table.csv"), "mine").unwrap();
    let output = succeed(dir.path(), &["resume", "grid", "--seeds", "72"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("table.csv holds something else"));
    assert_eq!(table("grid"), "mine");
    // What one of them refuses, all refuse.
    let before = files(dir.path());
    fail(dir.path(), &["resume", "grid", "--seeds", "60"], 1);
    assert!(files(dir.path()) == before);
}

/// `sharpsweep resume ARGS` is refused with exit code 1 and a message that contains all of `says`, and leaves every
/// byte in `dir` as it was.
fn refused(dir: &Path, args: &[&str], says: &[&str]) {
    let before = files(dir);
    let stderr = fail(dir, &concat(&[&["resume"], args]), 1);
    for part in says {
        assert!(stderr.contains(part), "{args:?}, {part}: {stderr}");
    }
    assert!(files(dir) == before, "{args:?} changed something");
    assert_eq!(names(dir).iter().filter(|name| name.contains(".extended")).count(), 0, "{args:?}");
}

#[test]
fn what_could_not_be_one_sweep_is_refused_with_the_reason() {
    let dir = tempdir().unwrap();
    let sweep = |more: &[&str]| {
        let sweep = ["sweep", "--samples", "20", "--seeds", "5..45", "--max-steps", "20", "--out"];
        succeed(dir.path(), &concat(&[&sweep, more]));
    };
    sweep(&["run", "--backend", "cpu"]);
    refused(dir.path(), &["run", "--seeds", "60"], &["seeds 0..60 do not begin where it begins", "--seeds 5..END"]);
    refused(dir.path(), &["run", "--seeds", "5..44"], &["holds the seeds 5..45", "give an end above 45"]);
    refused(dir.path(), &["run", "--max-steps", "19"], &["up to 20 steps", "the number of steps in all"]);
    refused(dir.path(), &["nowhere", "--max-steps", "19"], &["no run directory"]);
    fail(dir.path(), &["resume", "run", "--seeds", "x"], 2);
    fail(dir.path(), &["resume", "run", "--max-steps", "-1"], 2);
    sweep(&["reference", "--backend", "reference"]);
    refused(
        dir.path(),
        &["reference", "--max-steps", "30"],
        &["trains in f64", "records weights in float32", "more steps"],
    );
    for keep in ["converged", "summary"] {
        sweep(&[keep, "--backend", "cpu", "--keep", keep]);
        let says = [&format!("--keep {keep}"), "the weights", "--max-steps 30"];
        refused(dir.path(), &[keep, "--seeds", "5..50", "--max-steps", "30"], &says);
    }
    sweep(&["shard", "--backend", "cpu", "--shard", "1/2"]);
    for more in [["--seeds", "5..60"], ["--max-steps", "30"]] {
        let says = ["a shard of the seeds 5..45", "sharpsweep merge"];
        refused(dir.path(), &concat(&[&["shard"], &more]), &says);
    }
    let evaluate =
        ["evaluate", "--theta", "run/theta.npy", "--samples", "20", "--backend", "cpu", "--out", "evaluated"];
    succeed(dir.path(), &evaluate);
    refused(dir.path(), &["evaluated", "--seeds", "60"], &["came from a file"]);
    // Another engine, route or revision.
    refused(
        dir.path(),
        &["run", "--seeds", "5..50", "--backend", "reference"],
        &["engine: `cpu` there, `reference` here"],
    );
    refused(dir.path(), &["run", "--seeds", "5..50", "--route", "pairwise"], &["route to tr H^2"]);
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--samples", "20", "--seeds", "40", "--out", "other"]);
    begin_as(&dir.path().join("other"), |begun| begun["engine"]["revision"] = 1.into());
    refused(dir.path(), &["other", "--seeds", "50"], &["revision of the numerics: `1` there"]);
    // An earlier version may have had other columns as well: nobody changed them.
    begin_as(&dir.path().join("other"), |begun| {
        begun["version"] = "0.1.0".into();
        begun["columns"].as_array_mut().unwrap().pop();
    });
    refused(dir.path(), &["other", "--seeds", "50"], &["sharpsweep 0.1.0 made it", "sweep again"]);
}

#[test]
fn a_run_that_was_changed_from_outside_is_not_extended() {
    let dir = tempdir().unwrap();
    let run = dir.path().join("run");
    let sweep = ["sweep", "--backend", "cpu", "--samples", "20", "--seeds", "40", "--max-steps", "20", "--out", "run"];
    succeed(dir.path(), &sweep);
    let more = ["run", "--seeds", "50", "--max-steps", "30"];
    let whole = files(&run);
    let damaged = |file: &str, damage: &dyn Fn(&mut Vec<u8>), says: &[&str]| {
        let mut bytes = whole[&run.join(file)].clone();
        damage(&mut bytes);
        fs::write(run.join(file), bytes).unwrap();
        refused(dir.path(), &more, says);
        fs::write(run.join(file), &whole[&run.join(file)]).unwrap();
    };
    let last = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    damaged("data/x.npy", &last, &["data.hash"]);
    damaged("theta.npy", &|bytes| bytes.truncate(300), &["theta.npy", "changed from outside"]);
    damaged("seed.npy", &last, &["seed.npy", "row 39 holds seed 72057594037927975, not 39"]);
    damaged("steps.npy", &last, &["steps.npy", "row 39", "changed from outside"]);
    damaged("status.npy", &|bytes| bytes[130] = 255, &["is not complete"]);
    let edited = |bytes: &mut Vec<u8>| {
        *bytes = String::from_utf8(bytes.clone()).unwrap().replace("\"max_steps\": 20", "\"max_steps\": 21").into();
    };
    damaged("manifest.json", &edited, &["steps.npy", "took 20 steps and ended with status 1 at a limit of 21"]);
    fs::rename(run.join("loss.npy"), dir.path().join("away")).unwrap();
    refused(dir.path(), &more, &["loss.npy", "missing"]);
    fs::rename(dir.path().join("away"), run.join("loss.npy")).unwrap();
    succeed(dir.path(), &concat(&[&["resume"], &more]));
    // An unfinished run must be finished first.
    let long = ["sweep", "--backend", "cpu", "--seeds", "6000", "--max-steps", "800", "--memory", "1", "--out", "cut"];
    cut(dir.path(), &long, "cut");
    refused(dir.path(), &["cut", "--seeds", "7000"], &["it is not finished", "sharpsweep resume cut"]);
}

#[test]
fn a_place_that_is_taken_names_the_ways_to_go_on() {
    let dir = tempdir().unwrap();
    let sweep = ["sweep", "--backend", "cpu", "--samples", "20", "--seeds", "9", "--max-steps", "9"];
    succeed(dir.path(), &concat(&[&sweep, &["--out", "run"]]));
    succeed(dir.path(), &concat(&[&sweep, &["--hidden", "2,3", "--out", "grid"]]));
    for (out, what) in [("run", "a run"), ("grid", "a grid of runs")] {
        let stderr = fail(dir.path(), &concat(&[&sweep, &["--out", out]]), 1);
        for part in [
            &format!("{out} already holds {what}: choose another --out, or remove it first"),
            &format!("for more seeds or more steps: sharpsweep resume {out} --seeds S or --max-steps T"),
        ] {
            assert!(stderr.contains(part), "{stderr}");
        }
    }
    fs::create_dir(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("mine/file"), "mine").unwrap();
    let stderr = fail(dir.path(), &concat(&[&sweep, &["--out", "mine"]]), 1);
    assert!(stderr.contains("mine already holds other files") && !stderr.contains("resume"), "{stderr}");
}

#[test]
fn files_of_others_stay_and_what_was_computed_of_the_shorter_run_goes() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sweep = |seeds: &str, out: &str| {
        succeed(
            dir.path(),
            &["sweep", "--backend", "cpu", "--samples", "20", "--tolerance", "0.5", "--seeds", seeds, "--out", out],
        );
    };
    sweep("40", "real");
    sweep("50", "whole");
    succeed(dir.path(), &["duplicates", "real"]);
    fs::write(path("real/notes.txt"), "mine").unwrap();
    fs::create_dir_all(path("real/report/deep")).unwrap();
    fs::write(path("real/report/deep/page"), "mine, too").unwrap();
    fs::write(path("real/data/origin"), "from there").unwrap();
    fs::write(path("real/mine.npy"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", path("real/link")).unwrap();
    // Through a link to it, which still leads there afterwards.
    std::os::unix::fs::symlink("real", path("run")).unwrap();
    let output = succeed(dir.path(), &["resume", "run", "--seeds", "50"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("kept as they are, of the run before it was extended: link, mine.npy, notes.txt, report"),
        "{stderr}"
    );
    assert!(stderr.contains("duplicate_of.npy was of the run before"), "{stderr}");
    assert!(path("run").is_symlink() && !path("real").is_symlink());
    for (file, content) in
        [("notes.txt", "mine"), ("report/deep/page", "mine, too"), ("data/origin", "from there"), ("mine.npy", "mine")]
    {
        assert_eq!(fs::read_to_string(path("real").join(file)).unwrap(), content);
    }
    assert_eq!(fs::read_link(path("real/link")).unwrap(), PathBuf::from("nowhere"));
    assert!(!path("real/duplicate_of.npy").exists());
    fs::remove_file(path("real/mine.npy")).unwrap();
    assert_as_from_the_start(&path("real"), &path("whole"));
    assert_eq!(names(dir.path()), ["real", "run", "whole"]);
    // A shell inside it would be left in a removed folder.
    for (place, name) in [("real", "."), ("real/data", "..")] {
        let stderr = fail(&path(place), &["resume", name, "--seeds", "51"], 1);
        assert!(stderr.contains("the directory that you are in") && stderr.contains("cd .."), "{stderr}");
    }
    assert_as_from_the_start(&path("real"), &path("whole"));
}

/// Starts an extension and returns once some of its rows are durable.
fn started(dir: &Path, args: &[&str], folder: &str) -> Child {
    let mut command = sharpsweep(dir, args);
    command.env("RAYON_NUM_THREADS", "1").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let journal = dir.join(folder).join("run/journal");
    // Its first lines are what it is and what was spent before.
    while !fs::read_to_string(&journal).is_ok_and(|journal| journal.lines().count() > 3) {
        assert!(child.try_wait().unwrap().is_none(), "{args:?} ended too early");
        std::thread::sleep(Duration::from_micros(200));
    }
    child
}

const LONG: [&str; 9] = ["sweep", "--backend", "cpu", "--memory", "1", "--tolerance", "0", "--samples", "400"];
const MORE: [&str; 6] = ["resume", "run", "--seeds", "9000", "--memory", "1"];

#[test]
fn an_extension_that_was_cut_off_is_gone_on_with_and_another_one_is_refused() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    succeed(dir.path(), &concat(&[&LONG, &["--seeds", "1000", "--max-steps", "200", "--out", "run"]]));
    succeed(dir.path(), &concat(&[&LONG, &["--seeds", "9000", "--max-steps", "300", "--out", "whole"]]));
    let before = files(&path("run"));
    let more = concat(&[&MORE, &["--max-steps", "300"]]);
    let child = started(dir.path(), &more, ".run.extended");
    send(&child, Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    let command = "run is as it was; go on with: sharpsweep resume run --seeds 0..9000 --max-steps 300";
    assert!(stderr.contains(command), "{stderr}");
    assert!(files(&path("run")) == before);
    let rows = fs::read_to_string(path(".run.extended/run/journal")).unwrap();
    // Plain `resume` has nothing to do, but says that an extension was begun.
    let output = succeed(dir.path(), &["resume", "run"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("nothing to do") && stderr.contains(".run.extended holds an extension of"), "{stderr}");
    let stderr = fail(dir.path(), &["resume", "run", "--seeds", "2000"], 1);
    assert!(stderr.contains("work.seeds: 9000 there, 2000 here") && stderr.contains("remove"), "{stderr}");
    assert_eq!(fs::read_to_string(path(".run.extended/run/journal")).unwrap(), rows);
    // Durable rows are not computed again.
    let output = succeed(dir.path(), &concat(&[&more, &["--progress", "json"]]));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let first = stderr.lines().find(|line| line.starts_with('{')).unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert!(first["first_row"].as_u64().unwrap() > 0, "{first}");
    assert_as_from_the_start(&path("run"), &path("whole"));
    assert_eq!(names(dir.path()), ["run", "whole"]);
}

#[test]
fn what_is_damaged_of_an_extension_is_begun_again() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    succeed(dir.path(), &concat(&[&LONG, &["--seeds", "100", "--max-steps", "200", "--out", "run"]]));
    succeed(dir.path(), &concat(&[&LONG, &["--seeds", "9000", "--max-steps", "200", "--out", "whole"]]));
    for file in ["journal", "manifest.json", "theta.npy"] {
        let mut child = started(dir.path(), &MORE, ".run.extended");
        child.kill().unwrap();
        child.wait().unwrap();
        fs::write(path(".run.extended/run").join(file), "x").unwrap();
        let output = succeed(dir.path(), &MORE);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(file) && stderr.contains("begun again"), "{file}: {stderr}");
        assert_as_from_the_start(&path("run"), &path("whole"));
        fs::remove_dir_all(path("run")).unwrap();
        succeed(dir.path(), &concat(&[&LONG, &["--seeds", "100", "--max-steps", "200", "--out", "run"]]));
    }
}

/// What a kill may leave at two moments that no kill here can hit: before the exchange, and between it and the end.
#[test]
fn a_kill_beside_the_exchange_is_no_loss() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sweep = concat(&[&["sweep", "--backend", "cpu", "--max-steps", "9"], &SMALL]);
    succeed(dir.path(), &concat(&[&sweep, &["--seeds", "50", "--out", "whole"]]));
    let more = ["resume", "run", "--seeds", "50"];
    let begin = |run: &str, inner: &str, outer: &str| {
        fs::create_dir(path(".run.extended")).unwrap();
        succeed(dir.path(), &concat(&[&sweep, &["--seeds", inner, "--out", &format!(".run.extended/{run}")]]));
        if !outer.is_empty() {
            succeed(dir.path(), &concat(&[&sweep, &["--seeds", outer, "--out", "run"]]));
        }
    };
    let ended = |what: &str| {
        assert_as_from_the_start(&path("run"), &path("whole"));
        assert_eq!(names(dir.path()), ["run", "whole"], "{what}");
        fs::remove_dir_all(path("run")).unwrap();
    };
    begin("run", "50", "30");
    succeed(dir.path(), &more);
    ended("whole, but not in its place");
    for command in [&more[..], &["resume", "run"]] {
        begin("run", "30", "50");
        succeed(dir.path(), command);
        ended("what was extended is still there");
        begin("run", "30", "50");
        fs::remove_file(path(".run.extended/run/manifest.json")).unwrap();
        fs::remove_file(path(".run.extended/run/loss.npy")).unwrap();
        succeed(dir.path(), command);
        ended("what was extended is half gone");
        // Where two folders cannot be exchanged at once, there are two steps.
        begin("old", "30", "");
        succeed(dir.path(), &concat(&[&sweep, &["--seeds", "50", "--out", ".run.extended/run"]]));
        succeed(dir.path(), command);
        ended("nothing is in its place");
    }
    begin("old", "30", "");
    succeed(dir.path(), &["resume", "run"]);
    assert_eq!(manifest(&path("run"))["spec"]["work"]["seeds"], 30);
    assert_eq!(names(dir.path()), ["run", "whole"]);
}

#[test]
fn of_two_extenders_one_wins_and_the_other_says_what_is_so() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sweep = |seeds: &str, out: &str| {
        let sweep =
            ["sweep", "--backend", "cpu", "--max-steps", "30", "--samples", "20", "--seeds", seeds, "--out", out];
        succeed(dir.path(), &sweep);
    };
    sweep("60", "whole");
    for round in 0..4 {
        sweep("40", "run");
        let start = || {
            let mut command = sharpsweep(dir.path(), &["resume", "run", "--seeds", "60"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<Child> = (0..5).map(|_| start()).collect();
        let mut extended = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            if output.status.success() {
                extended += usize::from(!stderr.contains("nothing to do"));
            } else {
                assert_eq!(output.status.code(), Some(1), "{stderr}");
                assert!(stderr.contains("run is being written by another sharpsweep process"), "{stderr}");
            }
        }
        assert_eq!(extended, 1, "round {round}");
        assert_as_from_the_start(&path("run"), &path("whole"));
        assert_eq!(names(dir.path()), ["run", "whole"]);
        fs::remove_dir_all(path("run")).unwrap();
    }
}

#[test]
fn what_takes_the_place_of_a_run_meanwhile_is_left_alone() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    succeed(dir.path(), &concat(&[&LONG, &["--seeds", "100", "--max-steps", "200", "--out", "run"]]));
    let child = started(dir.path(), &MORE, ".run.extended");
    send(&child, Signal::SIGSTOP);
    fs::rename(path("run"), path("moved")).unwrap();
    succeed(dir.path(), &concat(&[&LONG, &["--seeds", "9", "--max-steps", "9", "--out", "run"]]));
    let before = files(&path("run"));
    send(&child, Signal::SIGCONT);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("run is no longer the directory that was opened"), "{stderr}");
    assert!(files(&path("run")) == before && path("moved/theta.npy").exists());
}

/// A file system in a mount namespace of its own, if the machine allows one.
#[test]
fn a_disk_without_room_for_both_refuses_before_any_work() {
    let dir = tempdir().unwrap();
    let namespace = ["--user", "--map-root-user", "--mount", "bash", "-ec"];
    let probe = std::process::Command::new("unshare").args(namespace).arg("mount -t tmpfs none /mnt").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        notice("SKIPPED a_disk_without_room_for_both_refuses_before_any_work: this machine allows no mount namespace");
        return;
    }
    let script = format!(
        "mkdir small; mount -t tmpfs -o size=900k none small; s={}; $s sweep --seeds 2000 --max-steps 3 --out \
         small/run; cp -r small/run before; $s resume small/run --seeds 5000 && exit 9; diff -r before small/run; ls \
         -A small; $s resume small --seeds 5000 && exit 9; mount -t tmpfs -o size=9m none /mnt; cp -r before/. /mnt; \
         $s resume /mnt --seeds 2001 && exit 9; diff -r before /mnt",
        env!("CARGO_BIN_EXE_sharpsweep")
    );
    let mut command = std::process::Command::new("unshare");
    let output = command.current_dir(dir.path()).args(namespace).arg(script).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("5000 networks would take") && stderr.contains("networks fit"), "{stderr}");
    assert!(stderr.contains("it is a volume of its own"), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("run\n"), "nothing but the run is there");
}

fn kills() -> u32 {
    std::env::var("SHARPSWEEP_KILLS").map_or(6, |count| count.parse().expect("SHARPSWEEP_KILLS is a number"))
}

/// Extends the run again and again and kills it at random moments: the run in its place is the whole old one or the
/// whole new one, and the same command ends in the new one.
#[test]
fn no_kill_leaves_anything_but_the_old_or_the_new_run() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sweep = |seeds: &str, steps: &str, out: &str| {
        succeed(dir.path(), &concat(&[&LONG, &["--seeds", seeds, "--max-steps", steps, "--out", out]]));
    };
    sweep("600", "150", "old");
    sweep("1500", "250", "new");
    let (old, new) = (columns(&path("old")), columns(&path("new")));
    let more = ["resume", "run", "--seeds", "1500", "--max-steps", "250", "--memory", "1"];
    let copy = || {
        for (from, content) in files(&path("old")) {
            let to = path("run").join(from.strip_prefix(path("old")).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, content).unwrap();
        }
    };
    copy();
    let start = Instant::now();
    succeed(dir.path(), &more);
    let mut reach = start.elapsed();
    let (mut amid, mut sent, mut over) = (0, 0, 0);
    while amid < kills() {
        assert!(sent < 10 * kills(), "only {amid} of {sent} kills came while there was work");
        fs::remove_dir_all(path("run")).unwrap();
        copy();
        for _ in 0..2 {
            sent += 1;
            let [moment, signal, ..] = philox4x32_10([sent, 11, 0, 0], [60, 5]);
            let signal = if signal.is_multiple_of(3) { Signal::SIGTERM } else { Signal::SIGKILL };
            let mut child = sharpsweep(dir.path(), &more).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(reach.mul_f64(f64::from(moment) / f64::from(u32::MAX)));
            if child.try_wait().unwrap().is_none() {
                send(&child, signal);
            }
            if child.wait().unwrap().success() {
                reach = reach.mul_f64(0.9);
            } else {
                amid += 1;
            }
            let found = columns(&path("run"));
            over += u32::from(found == new);
            assert!(found == old || found == new, "after {sent} kills the run is neither the old one nor the new one");
            assert_eq!(manifest(&path("run"))["state"], "finished");
        }
        succeed(dir.path(), &more);
        assert_as_from_the_start(&path("run"), &path("new"));
        assert_eq!(names(dir.path()), ["new", "old", "run"]);
    }
    notice(&format!("extension: {amid} kills amid, {sent} in all, {over} after the new run was in its place"));
}
