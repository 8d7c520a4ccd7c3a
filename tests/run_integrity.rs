//! A run directory is trusted as far as it can be checked: one that was exchanged, edited, linked or made by somebody else is noticed
//! before anything is changed.
#![cfg(unix)]

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::Child;
use std::thread::JoinHandle;

use nix::sys::signal::Signal;
use serde_json::Value;
use sharpsweep::model::philox4x32_10;
use support::command::{assert_same_columns, begin_as, fail, files, manifest, send, sharpsweep, start, succeed};
use support::cut::cut;
use tempfile::{TempDir, tempdir};

/// A sweep of some tenths of a second on one thread, in several chunks.
const SWEEP: [&str; 9] = ["sweep", "--backend", "cpu", "--seeds", "6000", "--max-steps", "800", "--memory", "1"];

fn sweep<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SWEEP[..], more].concat()
}

/// A folder with the undisturbed sweep in it, and one that was cut off.
fn with_cut() -> TempDir {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &sweep(&["--out", "undisturbed"]));
    cut(dir.path(), &sweep(&["--out", "run"]), "run");
    dir
}

/// Starts a sweep and holds it after its first chunk.
fn held(dir: &Path, args: &[&str]) -> (Child, JoinHandle<String>) {
    let (child, said) = start(dir, args);
    send(&child, Signal::SIGSTOP);
    (child, said)
}

/// `sharpsweep ARGS` is refused with exit code 1 and words that hold all of `says`, and leaves every byte in `dir` as it was.
fn refused(dir: &Path, args: &[&str], says: &[&str]) {
    let before = files(dir);
    let said = fail(dir, args, 1);
    for part in says {
        assert!(said.contains(part), "{args:?}, {part}: {said}");
    }
    assert!(!said.chars().any(|character| character.is_control() && character != '\n'), "{said:?}");
    let after = files(dir);
    let changed: Vec<_> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(changed.is_empty(), "{args:?} changed {changed:?}");
}

#[test]
fn a_process_whose_directory_was_removed_or_renamed_leaves_alone_what_took_its_place() {
    for renamed in [false, true] {
        let dir = tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let other = sweep(&["--step-size", "0.05", "--out"]);
        succeed(dir.path(), &[&other[..], &["undisturbed"]].concat());
        let (mut first, said) = held(dir.path(), &sweep(&["--out", "run"]));
        if renamed {
            fs::rename(path("run"), path("moved")).unwrap();
        } else {
            fs::remove_dir_all(path("run")).unwrap();
        }
        let (mut second, _) = held(dir.path(), &[&other[..], &["run"]].concat());
        let before = files(&path("run"));
        send(&first, Signal::SIGCONT);
        let (status, said) = (first.wait().unwrap(), said.join().unwrap());
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("run is no longer the directory that was opened"), "{said}");
        assert!(!said.contains("sharpsweep resume run"), "{said}");
        assert!(files(&path("run")) == before, "the first process changed what the second wrote");
        second.kill().unwrap();
        second.wait().unwrap();
        succeed(dir.path(), &["resume", "run"]);
        assert_same_columns(&path("run"), &path("undisturbed"));
        if renamed {
            succeed(dir.path(), &["resume", "moved"]);
            succeed(dir.path(), &sweep(&["--out", "whole"]));
            assert_same_columns(&path("moved"), &path("whole"));
        }
    }
}

/// Puts `status` into row `row` of the run's status column.
fn set_status(run: &Path, row: u64, status: u8) {
    let file = fs::OpenOptions::new().write(true).open(run.join("status.npy")).unwrap();
    file.write_all_at(&[status], 128 + row).unwrap();
}

#[test]
fn a_finished_run_with_a_pending_row_is_refused_by_everyone() {
    let dir = tempdir().unwrap();
    for (seeds, out) in [("0..40", "a"), ("40..80", "b")] {
        succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", seeds, "--out", out]);
    }
    set_status(&dir.path().join("a"), 17, 255);
    for args in [
        &["resume", "a"][..],
        &["merge", "a", "b", "--out", "merged"],
        &["merge", "b", "a", "--out", "merged", "--allow-mixed-engines"],
        &["report", "a"],
        &["duplicates", "a"],
    ] {
        refused(dir.path(), args, &["a is not complete: 1 of its 40 rows", "manifest.json says that it is finished"]);
    }
    set_status(&dir.path().join("a"), 17, 0);
    succeed(dir.path(), &["resume", "a"]);
    // In a grid as well.
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "9", "--hidden", "2,3", "--out", "grid"]);
    set_status(&dir.path().join("grid/sigmoid-n3-eta0.1"), 3, 255);
    refused(dir.path(), &["resume", "grid"], &["grid/sigmoid-n3-eta0.1 is not complete: 1 of its 9 rows"]);
}

fn set_name(path: &Path, pointer: &str, name: &str) {
    let mut json: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    *json.pointer_mut(pointer).unwrap() = name.into();
    fs::write(path, json.to_string()).unwrap();
}

#[test]
fn a_name_that_leads_out_of_a_run_or_a_grid_is_refused() {
    let root = tempdir().unwrap();
    let dir = root.path().join("parts");
    fs::create_dir(&dir).unwrap();
    for (seeds, out, grid) in [("0..8", "a", "ga"), ("8..16", "b", "gb")] {
        succeed(&dir, &["sweep", "--backend", "cpu", "--max-steps", "9", "--seeds", seeds, "--out", out]);
        succeed(
            &dir,
            &["sweep", "--backend", "cpu", "--max-steps", "9", "--seeds", seeds, "--hidden", "2,3", "--out", grid],
        );
    }
    let outside = root.path().join("outside");
    let absolute = outside.to_str().unwrap();
    for name in ["../../outside", absolute, "..", ".", "", "a/b", r"..\outside", "C:outside", "x\u{1b}[2J"] {
        for part in ["a", "b"] {
            set_name(&dir.join(part).join("manifest.json"), "/columns/4/name", name);
        }
        for part in ["ga", "gb"] {
            set_name(&dir.join(part).join("grid.json"), "/runs/1/name", name);
        }
        // What such names lead to is there, so that nothing but the name can be in the way.
        fs::copy(dir.join("a/loss.npy"), root.path().join("outside.npy")).unwrap();
        for args in [
            &["merge", "a", "b", "--out", "deep/merged"][..],
            &["report", "a"],
            &["duplicates", "a"],
            &["resume", "a"],
            &["merge", "ga", "gb", "--out", "deep/merged"],
            &["resume", "ga"],
        ] {
            refused(root.path().join("parts").as_path(), args, &["plain file name"]);
        }
        assert!(!dir.join("deep").exists() && !outside.exists(), "{name:?}");
    }
}

#[test]
fn what_a_foreign_manifest_says_cannot_steer_the_terminal() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "8", "--out", "run"]);
    let path = dir.path().join("run/manifest.json");
    let mut json = manifest(&dir.path().join("run"));
    json["spec"]["data"]["source"] = serde_json::json!({ "from": "files", "x": "x\u{1b}[2J\u{9b}y\u{202e}", "q": "q" });
    fs::write(&path, json.to_string()).unwrap();
    let steers = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    for args in
        [&["resume", "run"][..], &["resume", "run", "--json"], &["report", "run"], &["duplicates", "run\u{1b}[2J"]]
    {
        let output = sharpsweep(dir.path(), args).output().unwrap();
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).unwrap();
            assert!(!steers(&text), "{args:?}: {text:?}");
        }
    }
    let output = succeed(dir.path(), &["resume", "run"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains(r"x\u001b[2J\u009by\u202e"));
    let output = succeed(dir.path(), &["resume", "run", "--json"]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["manifest"]["spec"]["data"]["source"], json["spec"]["data"]["source"]);
}

#[test]
fn resume_holds_columns_and_state_against_what_was_begun() {
    let dir = with_cut();
    let run = dir.path().join("run");
    let whole = files(&run);
    let restore = || whole.iter().for_each(|(path, content)| fs::write(path, content).unwrap());
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut json = manifest(&run);
        change(&mut json);
        fs::write(run.join("manifest.json"), json.to_string()).unwrap();
    };
    let exchange = |json: &mut Value| {
        let columns = json["columns"].as_array_mut().unwrap();
        let (a, b) = (columns[4]["name"].clone(), columns[8]["name"].clone());
        (columns[4]["name"], columns[8]["name"]) = (b, a);
    };
    edit(&exchange);
    refused(dir.path(), &["resume", "run"], &["columns.4.name: \"loss\" there, \"trace\" here"]);
    restore();
    // With a journal that says the same, and with one from before journals held columns.
    begin_as(&run, exchange);
    refused(dir.path(), &["resume", "run"], &["columns.4.name: \"loss\" there, \"trace\" here"]);
    restore();
    begin_as(&run, |begun| {
        if begun.get("state").is_none() {
            begun.as_object_mut().unwrap().remove("columns");
        }
    });
    edit(&exchange);
    refused(dir.path(), &["resume", "run"], &["columns.4.name: \"loss\" there, \"trace\" here"]);
    restore();
    edit(&|json| {
        json["columns"].as_array_mut().unwrap().pop();
    });
    refused(dir.path(), &["resume", "run"], &["columns: 16 entries there, 15 here"]);
    restore();
    edit(&|json| json["state"] = "finished".into());
    refused(dir.path(), &["resume", "run"], &["run is not complete", "manifest.json says that it is finished"]);
    // And where every row that is pending was given a status.
    for row in 0..6000 {
        set_status(&run, row, 1);
    }
    refused(dir.path(), &["resume", "run"], &["run is not complete", "and its journal that it is not"]);
    refused(dir.path(), &["duplicates", "run"], &["run is not complete"]);
    restore();
    set_status(&run, 3, 255);
    refused(
        dir.path(),
        &["resume", "run"],
        &["run is not complete: 1 of its 6000 rows", "its journal says that they are"],
    );
    restore();
    succeed(dir.path(), &["resume", "run"]);
    assert_same_columns(&run, &dir.path().join("undisturbed"));
}

#[test]
fn every_bit_of_a_columns_header_is_held_against_what_it_was() {
    let dir = with_cut();
    let run = dir.path().join("run");
    for (k, column) in ["loss", "theta", "status", "seed", "steps"].into_iter().enumerate() {
        let path = run.join(format!("{column}.npy"));
        let whole = fs::read(&path).unwrap();
        for round in 0..12 {
            let [byte, bit, ..] = philox4x32_10([round, k as u32, 0, 0], [12, 6]);
            // Magic string, version and length in turn with the text.
            let byte = if round % 3 == 0 { byte % 10 } else { byte % 128 };
            let mut changed = whole.clone();
            changed[byte as usize] ^= 1 << (bit % 8);
            fs::write(&path, changed).unwrap();
            refused(dir.path(), &["resume", "run"], &[&format!("{column}.npy")]);
            fs::write(&path, &whole).unwrap();
        }
    }
    succeed(dir.path(), &["resume", "run"]);
    assert_same_columns(&run, &dir.path().join("undisturbed"));
    // A finished part whose header says something else than its bytes is none for a merge.
    for (seeds, out) in [("0..40", "a"), ("40..80", "b")] {
        succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", seeds, "--max-steps", "9", "--out", out]);
    }
    let path = dir.path().join("b/trace.npy");
    let text = fs::read(&path).unwrap();
    let at = text.windows(3).position(|bytes| bytes == b"<f8").unwrap();
    fs::write(&path, [&text[..at], b"<i8", &text[at + 3..]].concat()).unwrap();
    refused(dir.path(), &["merge", "a", "b", "--out", "merged"], &["b/trace.npy", "header of its column"]);
}

#[test]
fn a_link_in_a_run_is_not_written_through() {
    let dir = with_cut();
    let run = dir.path().join("run");
    let (loss, trace, away) = (run.join("loss.npy"), run.join("trace.npy"), dir.path().join("away.npy"));
    fs::rename(&trace, &away).unwrap();
    fs::hard_link(&loss, &trace).unwrap();
    refused(dir.path(), &["resume", "run"], &["trace.npy", "that of another column too"]);
    for name in ["trace.npy", "journal"] {
        let path = run.join(name);
        if name == "trace.npy" {
            fs::remove_file(&path).unwrap();
        } else {
            fs::rename(&path, &away).unwrap();
        }
        symlink(&away, &path).unwrap();
        refused(dir.path(), &["resume", "run"], &[name, "is a symbolic link"]);
        fs::remove_file(&path).unwrap();
        fs::rename(&away, &path).unwrap();
    }
    // The manifest is replaced, not written to: what a link there points to stays.
    let theirs = dir.path().join("theirs.json");
    fs::rename(run.join("manifest.json"), &theirs).unwrap();
    symlink(&theirs, run.join("manifest.json")).unwrap();
    let before = fs::read(&theirs).unwrap();
    succeed(dir.path(), &["resume", "run"]);
    assert!(fs::read(&theirs).unwrap() == before);
    assert_same_columns(&run, &dir.path().join("undisturbed"));
}
