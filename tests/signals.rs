//! Ctrl-C and SIGTERM end every command within two seconds, with exit code 130 and a message that says how to go on.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2};
use ndarray_npy::write_npy;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sharpsweep::gpu::Tuning;
use sharpsweep::model::philox4x32_10;
use support::command::{assert_same_columns, sharpsweep, start, succeed};
use tempfile::tempdir;

/// Two seconds, plus one for a busy machine.
const LIMIT: Duration = Duration::from_secs(3);

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Waits until `child`, which got a signal, has ended with 130 and with `says` on stderr; returns how long that took.
fn assert_stops(mut child: Child, line: &str, says: &str) -> Duration {
    let start = Instant::now();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut text).map(|_| text)
    });
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{line} did not stop");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let took = start.elapsed();
    let stderr = reader.join().unwrap().unwrap();
    assert_eq!(status.code(), Some(130), "{line}: {stderr}");
    assert!(stderr.contains("stopped; ") && stderr.contains(says), "{line}: {stderr}");
    assert!(took < LIMIT, "{line} took {took:?} to stop");
    support::notice(&format!("stopped after {:.2} s: {}", took.as_secs_f64(), line.split(',').next().unwrap_or(line)));
    took
}

/// Starts the program and sends it SIGTERM after `delay`.
fn stopped(dir: &Path, line: &str, delay: Duration, says: &str) {
    let child = begun(dir, line);
    std::thread::sleep(delay);
    send(&child, Signal::SIGTERM);
    assert_stops(child, line, says);
}

/// Starts the program and sends it SIGTERM `delay` after `out` appears: on a busy machine that may take a while.
fn stopped_with(dir: &Path, line: &str, out: &str, delay: Duration, says: &str) {
    let child = begun(dir, line);
    let start = Instant::now();
    while !dir.join(out).exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{line} leaves nothing in {out}");
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(delay);
    send(&child, Signal::SIGTERM);
    assert_stops(child, line, says);
}

fn begun(dir: &Path, line: &str) -> Child {
    let args: Vec<&str> = line.split(' ').collect();
    sharpsweep(dir, &args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn every_command_that_computes_stops_and_says_how_to_go_on() {
    let dir = tempdir().unwrap();
    let second = Duration::from_secs(1);
    // Within one chunk that takes minutes on any machine.
    let long = "--samples 200000 --hidden 50 --seeds 64 --tolerance 0";
    let resume = |out: &str| format!("go on with: sharpsweep resume {out}");
    stopped_with(dir.path(), &format!("sweep --backend cpu {long} --out cpu"), "cpu", second, &resume("cpu"));
    let reference = format!("sweep --backend reference {long} --out reference");
    stopped_with(dir.path(), &reference, "reference", second, &resume("reference"));
    stopped(dir.path(), "resume cpu", second, &resume("cpu"));
    // Between runs that fit into one chunk each.
    let widths: Vec<String> = (2..60).map(|hidden| hidden.to_string()).collect();
    let grid = format!(
        "sweep --backend cpu --seeds 200 --tolerance 0 --max-steps 2000 --hidden {} --out grid",
        widths.join(",")
    );
    stopped_with(dir.path(), &grid, "grid", second / 2, &resume("grid"));
    stopped(dir.path(), "resume grid", second, &resume("grid"));
    stopped_with(
        dir.path(),
        "reproduce --backend cpu --seeds 200 --data-seeds 400 --out paper",
        "paper",
        second,
        "runs under paper stay",
    );
    stopped(dir.path(), "replay 7 --samples 20000 --hidden 12 --out replay", second, "start again");
    stopped(
        dir.path(),
        "bench --out bench --on reference,cpu --hidden 100 --samples 1000 --inputs 30",
        second,
        "start again",
    );
    // Before a directory exists: while the data are drawn.
    stopped(dir.path(), "sweep --backend cpu --samples 20000000 --out early", second / 3, "start again");
    assert!(!dir.path().join("early").exists());
    let hidden: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(hidden, [""; 0]);
}

#[test]
fn a_check_stops_with_and_without_an_adapter() {
    let dir = tempdir().unwrap();
    let check = |nowhere: Option<&str>| {
        let mut command = sharpsweep(dir.path(), &["check"]);
        command.envs(nowhere.into_iter().flat_map(|file| [("VK_DRIVER_FILES", file), ("VK_ICD_FILENAMES", file)]));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        // It says what it checks, and then computes.
        stderr.read_line(&mut line).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        send(&child, Signal::SIGINT);
        let start = Instant::now();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut rest).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(130), 0), "{line}{rest}");
        assert!(rest.contains("stopped; nothing was written: start again"), "{line}{rest}");
        line
    };
    if cfg!(target_os = "linux") {
        assert!(check(Some("/nowhere/driver.json")).contains("checking the CPU engine"));
    }
    if !support::gpu::skipped("a_check_stops_with_and_without_an_adapter") {
        assert!(check(None).starts_with("checking "));
    }
}

#[test]
fn the_graphics_engine_stops_inside_a_long_chunk() {
    let name = "the_graphics_engine_stops_inside_a_long_chunk";
    if support::gpu::gpu(name, Tuning::default()).is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let line = "sweep --backend gpu --seeds 5000 --hidden 20 --samples 500 --tolerance 0 --out gpu";
    stopped_with(dir.path(), line, "gpu", Duration::from_secs(1), "go on with: sharpsweep resume gpu");
}

#[test]
fn commands_on_large_runs_stop_and_leave_them_as_they_are() {
    let dir = tempdir().unwrap();
    // Weights of a hundred thousand converged networks, which keep duplicates and a report busy.
    let theta = Array2::from_shape_fn((100_000, 13), |(row, column)| {
        philox4x32_10([row as u32, column as u32, 0, 0], [1, 2])[0] as f32 / 4e9
    });
    write_npy(dir.path().join("theta.npy"), &theta).unwrap();
    let (x, q) = (Array2::from_shape_fn((400, 2), |(i, m)| (i * (m + 1)) as f32 / 400.0), Array1::from_elem(400, 1_u8));
    write_npy(dir.path().join("x.npy"), &x).unwrap();
    write_npy(dir.path().join("q.npy"), &q).unwrap();
    let evaluate = "evaluate --backend cpu --theta theta.npy --x x.npy --q q.npy --tolerance 1e30 --out run";
    succeed(dir.path(), &evaluate.split(' ').collect::<Vec<_>>());
    let before = support::command::columns(&dir.path().join("run"));
    let soon = Duration::from_millis(500);
    stopped(dir.path(), "duplicates run --by distance", soon, "start again");
    stopped(dir.path(), "report run --out report", soon, "start again");
    assert_eq!(support::command::columns(&dir.path().join("run")), before);
    let pairs = "--route pairwise --spectrum=vectors --bounds";
    let slow = format!("evaluate --backend cpu --theta theta.npy --x x.npy --q q.npy {pairs} --out slow");
    stopped_with(dir.path(), &slow, "slow", soon, "go on with: sharpsweep resume slow");
}

#[test]
fn a_merge_that_is_stopped_leaves_nothing() {
    let dir = tempdir().unwrap();
    for part in ["1/2", "2/2"] {
        let out = &part[..1];
        let args =
            ["sweep", "--backend", "cpu", "--seeds", "400000", "--max-steps", "0", "--shard", part, "--out", out];
        succeed(dir.path(), &args);
    }
    // At several moments; after the last one it may be done.
    for milliseconds in [20, 40, 80, 160] {
        let mut command = sharpsweep(dir.path(), &["merge", "1", "2", "--out", "whole"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        send(&child, Signal::SIGINT);
        let start = Instant::now();
        let code = child.wait().unwrap().code();
        assert!(start.elapsed() < LIMIT);
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        match code {
            Some(130) => assert_eq!(left, 2, "after {milliseconds} ms"),
            other => {
                assert_eq!((other, left), (Some(0), 3), "after {milliseconds} ms");
                std::fs::remove_dir_all(dir.path().join("whole")).unwrap();
            }
        }
    }
}

#[test]
fn a_stopped_sweep_goes_on_to_the_bytes_of_an_undisturbed_one() {
    let dir = tempdir().unwrap();
    let sweep =
        |out| ["sweep", "--backend", "cpu", "--seeds", "6000", "--max-steps", "800", "--memory", "1", "--out", out];
    succeed(dir.path(), &sweep("undisturbed"));
    let (mut child, _) = start(dir.path(), &sweep("run"));
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    succeed(dir.path(), &["resume", "run"]);
    assert_same_columns(&dir.path().join("run"), &dir.path().join("undisturbed"));
}

#[test]
fn a_second_signal_ends_at_once_and_one_that_is_ignored_stays_so() {
    let dir = tempdir().unwrap();
    let line = ["replay", "7", "--samples", "200000", "--hidden", "30", "--out", "replay"];
    let mut child = sharpsweep(dir.path(), &line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    send(&child, Signal::SIGINT);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("press Ctrl-C again")));
    let start = Instant::now();
    send(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // As under nohup.
    let script = format!("trap '' HUP; exec {} {}", env!("CARGO_BIN_EXE_sharpsweep"), line.join(" "));
    let mut child = Command::new("bash").current_dir(dir.path()).args(["-c", &script]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    send(&child, Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(child.try_wait().unwrap().is_none(), "ended by a signal that it was started to ignore");
    child.kill().unwrap();
    child.wait().unwrap();
}
