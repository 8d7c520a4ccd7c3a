//! Where several processes want the same place, one gets it and the others say so; and the program overwrites no file
//! that it did not leave there itself.
#![cfg(unix)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use support::command::{assert_same_columns, fail, files, manifest, sharpsweep, succeed};
use tempfile::tempdir;

/// Starts the program `count` times at once; returns how each ended.
fn at_once(count: usize, dir: &Path, args: &[&str]) -> Vec<Output> {
    let start = || sharpsweep(dir, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children: Vec<Child> = (0..count).map(|_| start()).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

/// The messages of those that failed, each with exit code 1.
fn refusals(outputs: &[Output]) -> Vec<String> {
    let failed = outputs.iter().filter(|output| !output.status.success());
    failed
        .map(|output| {
            assert_eq!(output.status.code(), Some(1));
            String::from_utf8(output.stderr.clone()).unwrap()
        })
        .collect()
}

const SWEEP: [&str; 7] = ["sweep", "--backend", "cpu", "--seeds", "300", "--max-steps", "200"];

#[test]
fn sweeps_without_a_place_take_the_next_free_name_each() {
    let dir = tempdir().unwrap();
    for _ in 0..3 {
        assert_eq!(refusals(&at_once(6, dir.path(), &SWEEP)), Vec::<String>::new());
    }
    assert_eq!(refusals(&at_once(4, dir.path(), &[&SWEEP[..], &["--hidden", "2,3"]].concat())), Vec::<String>::new());
    assert_eq!(refusals(&at_once(4, dir.path(), &["replay", "7", "--max-steps", "50"])), Vec::<String>::new());
    let names = |prefix: &str| {
        let entries = fs::read_dir(dir.path().join("runs")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort();
        names
    };
    let numbered = |name: &str, count: usize| (1..=count).map(|k| format!("{name}-{k:03}")).collect::<Vec<_>>();
    assert_eq!(names("sigmoid"), numbered("sigmoid-m2-n3", 18));
    assert_eq!((names("grid"), names("replay")), (numbered("grid", 4), numbered("replay-7", 4)));
    assert_eq!(names(""), [names("grid"), names("replay"), names("sigmoid")].concat(), "something is left behind");
    for name in names("sigmoid") {
        assert_eq!(manifest(&dir.path().join("runs").join(name))["state"], "finished");
    }
}

#[test]
fn of_sweeps_to_one_place_one_runs_and_the_others_say_that_it_is_taken() {
    let dir = tempdir().unwrap();
    for round in 0..5 {
        for empty in [false, true] {
            let out = format!("{round}-{empty}");
            if empty {
                fs::create_dir(dir.path().join(&out)).unwrap();
            }
            let messages = refusals(&at_once(6, dir.path(), &[&SWEEP[..], &["--out", &out]].concat()));
            assert_eq!(messages.len(), 5);
            for message in messages {
                assert!(
                    message.contains(&format!("{out} already holds")) && !message.contains("os error"),
                    "{message}"
                );
            }
            assert_eq!(manifest(&dir.path().join(out))["state"], "finished");
        }
    }
}

/// What `resume` says beside a process that finishes the run at that moment: that it is being written, or that it is
/// finished.
#[test]
fn a_resume_beside_the_end_of_a_run_says_what_is_so() {
    let dir = tempdir().unwrap();
    let sweep = ["sweep", "--backend", "cpu", "--seeds", "3000", "--max-steps", "300", "--memory", "1"];
    succeed(dir.path(), &[&sweep[..], &["--out", "undisturbed"]].concat());
    for round in 0..4 {
        let out = round.to_string();
        let mut command = sharpsweep(dir.path(), &[&sweep[..], &["--out", &out]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !dir.path().join(&out).exists() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let mut ended = false;
        while !ended {
            ended = child.try_wait().unwrap().is_some();
            let outputs = at_once(3, dir.path(), &["resume", &out]);
            for stderr in refusals(&outputs) {
                assert!(stderr.contains("is being written by another sharpsweep process"), "{stderr}");
            }
            for output in outputs.iter().filter(|output| output.status.success()) {
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(stderr.contains("nothing to do"), "{stderr}");
            }
        }
        assert!(child.wait().unwrap().success());
        assert_same_columns(&dir.path().join(out), &dir.path().join("undisturbed"));
    }
}

#[test]
fn of_two_replays_to_one_place_one_is_left_whole() {
    let dir = tempdir().unwrap();
    for round in 0..4 {
        let out = round.to_string();
        let start = |seed: &str| {
            let mut command = sharpsweep(dir.path(), &["replay", seed, "--max-steps", "100", "--out", &out]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let both = ["3", "4"].map(start).map(|child| child.wait_with_output().unwrap());
        let messages = refusals(&both);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("already holds other files"), "{}", messages[0]);
        let winner = if both[0].status.success() { 3 } else { 4 };
        let left = fs::read_to_string(dir.path().join(&out).join("replay.json")).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&left).unwrap()["seed"], winner);
        assert!(dir.path().join(&out).join("replay/theta.npy").exists());
    }
}

/// Runs `args` and puts `file` in place meanwhile, which must stay as it is.
fn assert_left_alone_meanwhile(dir: &Path, args: &[&str], file: &str) {
    let child = sharpsweep(dir, args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(30));
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "mine").unwrap();
    let before = files(path.parent().unwrap());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("already") && stderr.contains("nothing was changed"), "{stderr}");
    assert!(files(path.parent().unwrap()) == before, "{args:?}");
}

#[test]
fn a_file_that_appears_meanwhile_is_not_overwritten() {
    let dir = tempdir().unwrap();
    let replay = ["replay", "7", "--samples", "200", "--max-steps", "3000", "--tolerance", "0", "--out", "replayed"];
    assert_left_alone_meanwhile(dir.path(), &replay, "replayed/replay.json");
    let bench = [
        "bench",
        "--on",
        "cpu",
        "--hidden",
        "10",
        "--samples",
        "400",
        "--inputs",
        "2",
        "--repeats",
        "3",
        "--routes",
        "pairwise,assembled",
        "--out",
    ];
    assert_left_alone_meanwhile(dir.path(), &[&bench[..], &["measured"]].concat(), "measured/bench.json");
}

#[test]
fn of_two_benches_to_one_place_one_is_left_whole() {
    let dir = tempdir().unwrap();
    let bench = [
        "bench",
        "--on",
        "cpu",
        "--hidden",
        "3",
        "--samples",
        "5",
        "--inputs",
        "2",
        "--repeats",
        "1",
        "--routes",
        "pairwise,assembled",
        "--out",
        "bench",
    ];
    let messages = refusals(&at_once(3, dir.path(), &bench));
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(
        messages.iter().all(|message| message.contains("already") && !message.contains("os error")),
        "{messages:?}"
    );
    for file in ["bench.json", "bench.npy"] {
        assert!(dir.path().join("bench").join(file).exists(), "{file}");
    }
}

#[test]
fn a_report_replaces_only_what_a_report_left() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "60", "--out", "run"]);
    let refused = |args: &[&str], says: &str| {
        let before = files(dir.path());
        let stderr = fail(dir.path(), args, 1);
        assert!(stderr.contains(says), "{says}: {stderr}");
        assert!(files(dir.path()) == before, "{args:?} changed a file");
    };
    // A page of the user's own must not be replaced.
    fs::create_dir_all(path("mine/figures")).unwrap();
    fs::write(path("mine/report.html"), "mine").unwrap();
    fs::write(path("mine/figures/figure-02.svg"), "mine").unwrap();
    refused(&["report", "run", "--out", "mine"], "mine already holds other files");

    succeed(dir.path(), &["report", "run", "--out", "report"]);
    fs::write(path("report/notes.txt"), "mine").unwrap();
    succeed(dir.path(), &["report", "run", "--out", "report"]);
    assert_eq!(fs::read_to_string(path("report/notes.txt")).unwrap(), "mine");
    let whole = fs::read(path("report/figures/figure-02.svg")).unwrap();
    fs::write(path("report/figures/figure-02.svg"), "edited").unwrap();
    refused(&["report", "run", "--out", "report"], "figure-02.svg is not as it was left there");
    fs::remove_file(path("report/figures/figure-02.svg")).unwrap();
    fs::write(path("theirs"), &whole).unwrap();
    symlink(path("theirs"), path("report/figures/figure-02.svg")).unwrap();
    refused(&["report", "run", "--out", "report"], "figure-02.svg is a symbolic link");
    fs::remove_file(path("report/figures/figure-02.svg")).unwrap();
    succeed(dir.path(), &["report", "run", "--out", "report"]);
    // A run from somebody else may contain a link.
    fs::create_dir(path("elsewhere")).unwrap();
    symlink(path("elsewhere"), path("run/report")).unwrap();
    refused(&["report", "run"], "report is a symbolic link");
}

#[test]
fn a_table_that_was_edited_or_linked_stays() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "9", "--hidden", "2,3", "--out", "grid"]);
    let table = fs::read(path("grid/table.csv")).unwrap();
    succeed(dir.path(), &["resume", "grid"]);
    let kept = |what: &str| {
        let before = files(dir.path());
        let output = succeed(dir.path(), &["resume", "grid"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.contains("table.csv holds something else") && stderr.contains("stays as it is"),
            "{what}: {stderr}"
        );
        assert!(files(dir.path()) == before, "{what}");
    };
    fs::write(path("grid/table.csv"), "edited").unwrap();
    kept("edited");
    fs::remove_file(path("grid/table.csv")).unwrap();
    fs::write(path("theirs"), "theirs").unwrap();
    symlink(path("theirs"), path("grid/table.csv")).unwrap();
    kept("linked");
    fs::remove_file(path("theirs")).unwrap();
    kept("linked to nothing");
    fs::remove_file(path("grid/table.csv")).unwrap();
    succeed(dir.path(), &["resume", "grid"]);
    assert_eq!(fs::read(path("grid/table.csv")).unwrap(), table);
}
