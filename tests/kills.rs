//! Runs of every kind, killed at random moments and continued as the program says, end in the bytes of the undisturbed
//! run.
//!
//! `SHARPSWEEP_KILLS` is the number of kills of each kind; without it there are a few, so that the suite stays short.
#![cfg(unix)]

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sharpsweep::model::philox4x32_10;
use support::command::{assert_same_columns, manifest, send, sharpsweep, succeed};
use support::gpu::skipped;
use support::notice;
use tempfile::tempdir;

fn kills() -> u32 {
    std::env::var("SHARPSWEEP_KILLS").map_or(4, |count| count.parse().expect("SHARPSWEEP_KILLS is a number"))
}

/// Starts the program in `dir` and, after a random part of `whole`, kills it or asks it to end. Returns whether it was
/// still at work.
fn disturbed(dir: &Path, args: &[&str], whole: Duration, [moment, signal]: [u32; 2]) -> bool {
    let mut child = sharpsweep(dir, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(whole.mul_f64(f64::from(moment) / f64::from(u32::MAX)));
    let signal = if signal.is_multiple_of(2) { Signal::SIGKILL } else { Signal::SIGTERM };
    if child.try_wait().unwrap().is_none() {
        send(&child, signal);
    }
    let ended = child.wait().unwrap();
    // It stopped in its own way, was ended by the signal, or was already done.
    let stopped = ended.code() == Some(130) || ended.signal() == Some(signal as i32);
    assert!(stopped || ended.success(), "{args:?}: {ended:?} after {signal}");
    stopped
}

/// Begins the run or grid of `args` again and again, disturbs each twice, lets it finish and compares it with the
/// undisturbed one, until [`kills`] disturbances came while there was work.
///
/// `seed` makes the random moments of this kind; `runs` are the runs in `run`.
fn assert_no_kill_shows(kind: &str, seed: u32, dir: &Path, args: &[&str], runs: &[&str]) {
    let begin = |out| [args, &["--out", out]].concat();
    succeed(dir, &begin("undisturbed"));
    let start = Instant::now();
    succeed(dir, &begin("timed"));
    let whole = start.elapsed();
    let (mut sent, mut amid, mut rounds) = (0, 0, 0);
    // Shorter while moments come too late: a continued run has less to do, and the machine may be less busy.
    let mut reach = whole;
    while amid < kills() {
        assert!(sent < 10 * kills(), "only {amid} of {sent} kills came while there was work");
        rounds += 1;
        // Twice, so that the continuation is disturbed as well.
        for _ in 0..2 {
            sent += 1;
            let [moment, signal, ..] = philox4x32_10([sent, seed, 0, 0], [60, 5]);
            // Killed before its directory was there, like a requeued job.
            let command = if dir.join("run").exists() { vec!["resume", "run"] } else { begin("run") };
            if disturbed(dir, &command, reach, [moment, signal]) {
                amid += 1;
                reach = reach.mul_f64(1.1).min(whole);
            } else {
                reach = reach.mul_f64(0.8);
            }
        }
        succeed(dir, &if dir.join("run").exists() { vec!["resume", "run"] } else { begin("run") });
        for name in runs {
            let [run, undisturbed] = ["run", "undisturbed"].map(|of| dir.join(of).join(name));
            assert_same_columns(&run, &undisturbed);
            assert_eq!(manifest(&run)["state"], "finished");
            assert_eq!(manifest(&run)["outcome"], manifest(&undisturbed)["outcome"]);
            assert!(!run.join("journal").exists());
        }
        fs::remove_dir_all(dir.join("run")).unwrap();
    }
    notice(&format!(
        "{kind}: {amid} kills in {rounds} runs, and {} after their end; every byte as undisturbed",
        sent - amid
    ));
}

/// A sweep of some tenths of a second, in several chunks.
fn assert_no_kill_of_a_sweep_shows(kind: &str, seed: u32, options: &[&str]) {
    let dir = tempdir().unwrap();
    assert_no_kill_shows(
        kind,
        seed,
        dir.path(),
        &[&["sweep", "--tolerance", "0", "--memory", "1"], options].concat(),
        &["."],
    );
}

#[test]
fn no_kill_of_a_cpu_sweep_shows() {
    assert_no_kill_of_a_sweep_shows("cpu", 1, &["--backend", "cpu", "--seeds", "6000", "--max-steps", "800"]);
}

#[test]
fn no_kill_of_a_gpu_sweep_shows() {
    if !skipped("no_kill_of_a_gpu_sweep_shows") {
        assert_no_kill_of_a_sweep_shows("gpu", 2, &["--backend", "gpu", "--seeds", "3000", "--max-steps", "1000"]);
    }
}

#[test]
fn no_kill_of_a_sweep_with_spectra_and_bounds_shows() {
    let options =
        ["--backend", "cpu", "--seeds", "6000", "--max-steps", "300", "--hidden", "6", "--bounds", "--spectrum"];
    assert_no_kill_of_a_sweep_shows("spectrum", 3, &options);
}

#[test]
fn no_kill_of_a_grid_shows() {
    let dir = tempdir().unwrap();
    let args = [
        "sweep",
        "--backend",
        "cpu",
        "--seeds",
        "3000",
        "--max-steps",
        "500",
        "--tolerance",
        "0",
        "--memory",
        "1",
        "--samples",
        "20",
        "--hidden",
        "3,10",
        "--step-size",
        "0.05,0.1",
    ];
    let runs = ["sigmoid-n3-eta0.05", "sigmoid-n3-eta0.1", "sigmoid-n10-eta0.05", "sigmoid-n10-eta0.1"];
    assert_no_kill_shows("grid", 4, dir.path(), &args, &runs);
}

#[test]
fn no_kill_of_an_evaluation_shows() {
    let dir = tempdir().unwrap();
    let data = ["--samples", "200"];
    succeed(dir.path(), &[&["sweep", "--seeds", "1000", "--max-steps", "1", "--out", "trained"], &data[..]].concat());
    let args = [
        "evaluate",
        "--theta",
        "trained/theta.npy",
        "--backend",
        "reference",
        "--memory",
        "1",
        "--spectrum",
        "--bounds",
    ];
    assert_no_kill_shows("evaluate", 5, dir.path(), &[&args[..], &data].concat(), &["."]);
}
