//! Whatever interrupts a sweep, going on with it ends in the bytes of an undisturbed sweep.
#![cfg(unix)]

mod support;

use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ndarray::ArrayView2;
use nix::sys::signal::Signal;
use sharpsweep::cpu::Cpu;
use sharpsweep::engine::{
    Descent, Description, EndEstimates, Engine, EngineError, Evaluation, HessianMoments, Machine, Powers, ProvenEnds,
    Spectra, Stop, Tasks, Trained,
};
use sharpsweep::gpu::{Gpu, Tuning};
use sharpsweep::model::{Activation, Problem, Theta, philox4x32_10};
use sharpsweep::records::{Dtype, columns as columns_of};
use sharpsweep::run::{Run, RunWriter, Sink, State};
use sharpsweep::spec::{Experiment, Work, appendix_c_data};
use sharpsweep::sweep::{Ended, Event, Sweep, SweepError};
use support::command::{assert_same_columns, columns, fail, manifest, send, sharpsweep, start, succeed};
use support::cut::cut;
use tempfile::{TempDir, tempdir};

/// A sweep of about half a second on one core, in chunks of at most 1456 seeds (1 MiB).
const SWEEP: [&str; 9] = ["sweep", "--backend", "cpu", "--seeds", "6000", "--max-steps", "800", "--memory", "1"];

fn sweep_to(dir: &str) -> Vec<&str> {
    [&SWEEP[..], &["--out", dir]].concat()
}

/// A folder that holds the undisturbed sweep.
fn with_undisturbed() -> TempDir {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &sweep_to("undisturbed"));
    dir
}

/// A folder that holds the undisturbed sweep and one that was interrupted once its journal had some rows, but not all.
fn with_cut() -> TempDir {
    let dir = with_undisturbed();
    cut(dir.path(), &sweep_to("run"), "run");
    dir
}

fn assert_as_undisturbed(dir: &TempDir) {
    assert_same_columns(&dir.path().join("run"), &dir.path().join("undisturbed"));
    assert_eq!(manifest(&dir.path().join("run"))["state"], "finished");
    assert!(!dir.path().join("run/journal").exists());
}

#[test]
fn a_sweep_killed_at_twenty_random_moments_ends_in_the_same_bytes() {
    let dir = with_undisturbed();
    let whole = {
        let start = Instant::now();
        succeed(dir.path(), &sweep_to("timed"));
        start.elapsed()
    };
    let (mut amid, mut seen) = (0, Vec::new());
    // Twenty moments, and more where a busy machine puts most of them before the first or after the last finished row.
    for k in 0..100 {
        if k >= 20 && amid >= 4 {
            break;
        }
        let fraction = f64::from(philox4x32_10([k, 0, 0, 0], [20, 9])[0]) / f64::from(u32::MAX);
        let mut child =
            sharpsweep(dir.path(), &sweep_to("run")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(fraction));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = dir.path().join("run");
        let lines = std::fs::read_to_string(run.join("journal")).map_or(0, |journal| journal.lines().count());
        // Its first line says what the run is; the others list finished rows.
        amid += u32::from(lines > 1);
        seen.push(format!("{:.0} %: {lines} lines", 100.0 * fraction));
        // Killed before it began, like a requeued job.
        let args = if run.exists() { vec!["resume", "run"] } else { sweep_to("run") };
        succeed(dir.path(), &args);
        assert_as_undisturbed(&dir);
        std::fs::remove_dir_all(&run).unwrap();
    }
    assert!(amid >= 4, "only {amid} of 100 kills came between the first and the last finished row: {seen:?}");
    // What a run that was killed while it made its directory has left goes with the next sweep to the same place.
    succeed(dir.path(), &sweep_to("run"));
    let names: Vec<String> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn ctrl_c_leaves_a_consistent_run_and_says_how_to_go_on() {
    let dir = with_undisturbed();
    let (mut child, stderr) = start(dir.path(), &sweep_to("run"));
    send(&child, Signal::SIGINT);
    let (status, stderr) = (child.wait().unwrap(), stderr.join().unwrap());
    assert_eq!(status.code(), Some(130), "{stderr}");
    let command = stderr.split("go on with: sharpsweep ").nth(1).expect("the command that resumes").trim();
    assert_eq!(command, "resume run");
    succeed(dir.path(), &command.split(' ').collect::<Vec<_>>());
    assert_as_undisturbed(&dir);
}

#[test]
fn a_write_that_fails_says_what_to_do_and_nothing_is_lost() {
    let dir = with_cut();
    let binary = env!("CARGO_BIN_EXE_sharpsweep");
    // The kernel refuses every byte beyond 150 KiB of a file: in the theta column from row 2,950 on.
    let limited = |command: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 150; exec {binary} {command}");
        Command::new("bash").current_dir(dir.path()).args(["-c", &script]).output().unwrap()
    };
    let output = limited("resume run --memory 1");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in ["theta.npy", "File too large", "finished rows are kept", "make room", "sharpsweep resume run"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    succeed(dir.path(), &["resume", "run"]);
    assert_as_undisturbed(&dir);
    // If there is no room even for the columns, nothing is left.
    let output = limited(&sweep_to("other").join(" "));
    assert_eq!(output.status.code(), Some(1));
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

/// A file system in a mount namespace of its own. Where the machine does not allow one, only the test above runs.
#[test]
fn a_full_disk_is_no_loss() {
    let dir = with_undisturbed();
    let namespace = ["--user", "--map-root-user", "--mount", "bash", "-ec"];
    let probe = Command::new("unshare").args(namespace).arg("mount -t tmpfs none /mnt").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        let text = "SKIPPED a_full_disk_is_no_loss: this machine allows no mount namespace";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes());
        return;
    }
    let binary = env!("CARGO_BIN_EXE_sharpsweep");
    // If it is too small from the start, the sweep is refused; later, something else takes the room that there was.
    let script = format!(
        "mkdir small; mount -t tmpfs -o size=700k none small; {binary} {sweep} && exit 9; test -z \"$(ls -A small)\"; \
         mount -o remount,size=64m small; {binary} {sweep} & until [ -e small/run/journal ]; do :; done; kill -STOP \
         $!; mount -o remount,size=700k small; kill -CONT $!; wait $! && exit 9; mount -o remount,size=64m small; \
         {binary} resume small/run; cp -r small/run run",
        sweep = sweep_to("small/run").join(" ")
    );
    let output = Command::new("unshare").current_dir(dir.path()).args(namespace).arg(script).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("6000 networks would take") && stderr.contains("networks fit"), "{stderr}");
    assert!(stderr.contains("No space left on device") && stderr.contains("make room"), "{stderr}");
    assert_as_undisturbed(&dir);
}

#[test]
fn resume_is_idempotent() {
    let dir = with_cut();
    let run = dir.path().join("run");
    succeed(dir.path(), &["resume", "run"]);
    assert_as_undisturbed(&dir);
    let before = std::fs::read(run.join("manifest.json")).unwrap();
    // A crash between the last row and the end leaves a journal beside a finished manifest.
    for _ in 0..2 {
        let output = succeed(dir.path(), &["resume", "run", "--json"]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to do"));
        assert_eq!(std::fs::read(run.join("manifest.json")).unwrap(), before);
    }
    // Its counts and times are the sums of both sittings.
    let (run, undisturbed) = (manifest(&run), manifest(&dir.path().join("undisturbed")));
    assert_eq!(run["outcome"], undisturbed["outcome"]);
    assert!(run["seconds"]["total"].as_f64().unwrap() >= run["seconds"]["train"].as_f64().unwrap());
}

#[test]
fn resume_refuses_another_spec_and_shows_the_difference() {
    let dir = with_cut();
    let path = dir.path().join("run/manifest.json");
    let original = std::fs::read_to_string(&path).unwrap();
    let cases = [
        ("\"step_size\": 0.1", "\"step_size\": 0.25", "spec.work.step_size: 0.1 there, 0.25 here"),
        ("\"hidden\": 3", "\"hidden\": 4", "spec.hidden: 3 there, 4 here"),
        ("\"version\": \"", "\"version\": \"9.", "version: \""),
        ("\"format\": 1", "\"format\": 99", "layout version 99"),
    ];
    for (from, to, says) in cases {
        assert!(original.contains(from), "{from}");
        std::fs::write(&path, original.replacen(from, to, 1)).unwrap();
        let stderr = fail(dir.path(), &["resume", "run"], 1);
        assert!(stderr.contains(says), "{says}: {stderr}");
    }
    std::fs::write(&path, original).unwrap();
    let stderr = fail(dir.path(), &["resume", "run", "--backend", "reference"], 1);
    assert!(stderr.contains("engine: `cpu` there, `reference` here"), "{stderr}");
    let stderr = fail(dir.path(), &["resume", "run", "--route", "pairwise"], 1);
    assert!(stderr.contains("route to tr H^2: `assembled` there, `pairwise` here"), "{stderr}");
    succeed(dir.path(), &["resume", "run"]);
    assert_as_undisturbed(&dir);
}

#[test]
fn resume_refuses_other_data_and_shows_the_difference() {
    let dir = with_cut();
    let path = dir.path().join("run/data/x.npy");
    let original = std::fs::read(&path).unwrap();
    let mut changed = original.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(&path, changed).unwrap();
    let stderr = fail(dir.path(), &["resume", "run"], 1);
    assert!(stderr.contains("data.hash: \"") && stderr.contains("here: the data"), "{stderr}");
    std::fs::write(&path, original).unwrap();
    succeed(dir.path(), &["resume", "run"]);
    assert_as_undisturbed(&dir);
}

#[test]
fn a_run_goes_on_with_the_engine_and_route_it_was_begun_with() {
    let dir = tempdir().unwrap();
    let sweep = |out| {
        ["sweep", "--backend", "reference", "--seeds", "600", "--max-steps", "120", "--memory", "1", "--out", out]
    };
    succeed(dir.path(), &sweep("undisturbed"));
    cut(dir.path(), &sweep("run"), "run");
    succeed(dir.path(), &["resume", "run"]);
    assert_as_undisturbed(&dir);
}

#[test]
fn damage_is_said_and_nothing_is_lost() {
    let dir = with_cut();
    let run = dir.path().join("run");
    let refused = |file: &str, damage: &dyn Fn(&mut Vec<u8>), says: &str| {
        let path = run.join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damage(&mut damaged);
        std::fs::write(&path, &damaged).unwrap();
        let before = columns(&run);
        let stderr = fail(dir.path(), &["resume", "run"], 1);
        assert!(stderr.contains(file) && stderr.contains(says), "{file}, {says}: {stderr}");
        assert_eq!(columns(&run), before, "{file}: a refused resume must not change a column");
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "{file}");
        std::fs::write(&path, &whole).unwrap();
    };
    refused("journal", &|bytes| bytes[10] ^= 1, "line 1 is corrupted");
    refused("journal", &|bytes| bytes.clear(), "line 1 is corrupted");
    refused("theta.npy", &|bytes| bytes.truncate(bytes.len() - 1), "it was changed from outside");
    refused("loss.npy", &|bytes| bytes.truncate(3), "loss.npy");
    refused("manifest.json", &|bytes| bytes.truncate(40), "damaged");
    for file in ["journal", "steps.npy"] {
        let (here, away) = (run.join(file), dir.path().join("away"));
        std::fs::rename(&here, &away).unwrap();
        let stderr = fail(dir.path(), &["resume", "run"], 1);
        assert!(stderr.contains(file) && stderr.contains("missing"), "{stderr}");
        std::fs::rename(&away, &here).unwrap();
    }
    succeed(dir.path(), &["resume", "run"]);
    assert_as_undisturbed(&dir);
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let dir = with_undisturbed();
    let (mut child, _) = start(dir.path(), &sweep_to("run"));
    // Held back, so that it cannot finish before the others come.
    send(&child, Signal::SIGSTOP);
    let stderr = fail(dir.path(), &["resume", "run"], 1);
    assert!(stderr.contains("is being written by another sharpsweep process"), "{stderr}");
    let stderr = fail(dir.path(), &sweep_to("run"), 1);
    assert!(stderr.contains("already holds a run"), "{stderr}");
    send(&child, Signal::SIGCONT);
    let finished = child.wait().unwrap();
    assert!(finished.success());
    assert_as_undisturbed(&dir);
}

#[test]
fn progress_is_one_json_line_a_chunk_and_nothing_when_piped() {
    let dir = tempdir().unwrap();
    let output = succeed(dir.path(), &sweep_to("quiet"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 2, "only which engine computes, and what to do where few converged: {stderr}");
    let output = succeed(dir.path(), &[&sweep_to("json")[..], &["--progress", "json"]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let mut next = 0;
    let mut converged = 0;
    for line in stderr.lines().skip(1) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(line["first_row"], next);
        next += line["chunk"].as_u64().unwrap();
        assert_eq!(line["done"], next);
        converged = line["converged"].as_u64().unwrap();
        assert!(line["seeds_per_second"].as_f64().unwrap() > 0.0 && line["seconds_left"].as_f64().unwrap() >= 0.0);
    }
    assert_eq!(next, 6000);
    assert_eq!(manifest(&dir.path().join("json"))["outcome"]["converged"], converged);
}

/// An engine that fails where its script says so.
struct Failing<E> {
    inner: E,
    /// The calls so far, over all engines of a run.
    calls: &'static AtomicUsize,
    /// What goes wrong at a call of `train` (even numbers) or `evaluate` (odd ones) with this many networks.
    script: fn(usize, usize) -> Option<EngineError>,
    before: fn(usize, &E),
}

impl<E: Engine> Failing<E> {
    fn call(&self, networks: usize) -> Result<(), EngineError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        (self.before)(call, &self.inner);
        (self.script)(call, networks).map_or(Ok(()), Err)
    }
}

impl<E: Engine> Engine for Failing<E> {
    fn machine(&self) -> Machine {
        self.inner.machine()
    }

    fn description(&self, problem: &Problem, tasks: Tasks) -> Description {
        self.inner.description(problem, tasks)
    }

    fn batch_size(&self, problem: &Problem) -> Result<usize, EngineError> {
        self.inner.batch_size(problem)
    }

    fn smallest_batch(&self) -> usize {
        // The same on every machine, so that the scripts below see the same chunks.
        256
    }

    fn stop_on(&mut self, stop: &Stop) {
        self.inner.stop_on(stop);
    }

    fn train(&mut self, problem: &Problem, descent: &Descent, seeds: Range<u64>) -> Result<Trained, EngineError> {
        self.call((seeds.end - seeds.start) as usize)?;
        self.inner.train(problem, descent, seeds)
    }

    fn train_on(
        &mut self,
        problem: &Problem,
        descent: &Descent,
        theta: ArrayView2<'_, f32>,
        taken: u32,
    ) -> Result<Trained, EngineError> {
        self.call(theta.nrows())?;
        self.inner.train_on(problem, descent, theta, taken)
    }

    fn evaluates_in_f64(&self) -> bool {
        self.inner.evaluates_in_f64()
    }

    fn evaluate(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Evaluation, EngineError> {
        self.call(theta.nrows())?;
        self.inner.evaluate(problem, theta)
    }

    fn spectrum(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Spectra, EngineError> {
        self.call(theta.nrows())?;
        self.inner.spectrum(problem, theta)
    }

    fn moments(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        powers: Powers,
    ) -> Result<Vec<HessianMoments>, EngineError> {
        self.call(theta.nrows())?;
        self.inner.moments(problem, theta, powers)
    }

    fn prove(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        estimates: &[EndEstimates],
    ) -> Result<Vec<ProvenEnds>, EngineError> {
        self.call(theta.nrows())?;
        self.inner.prove(problem, theta, estimates)
    }
}

const DESCENT: Descent =
    Descent { init_range: 10.0, step_size: 0.1, max_steps: 30, tolerance: 1e-3, weight_decay: 0.0 };

fn experiment() -> Experiment {
    let (train, test) = appendix_c_data(20, 0).unwrap();
    Experiment::new(Work::sweep(5..3005, DESCENT), 3, Activation::Sigmoid, train, Some(test)).unwrap()
}

type Open<'a> = &'a dyn Fn() -> Result<Box<dyn Engine>, EngineError>;

/// Runs the sweep in `dir` on the engines of `open`, or goes on with it; returns what it reported and how it ended.
fn run(dir: &Path, open: Open<'_>) -> (Vec<String>, Result<Ended, SweepError>) {
    let experiment = experiment();
    let engine = open().unwrap();
    let description = engine.description(&experiment.problem, experiment.spec.tasks());
    let mut writer = if dir.exists() {
        RunWriter::resume(dir, &description).unwrap()
    } else {
        let columns = columns_of(&experiment.spec, Dtype::Float32);
        RunWriter::create(dir, &experiment, description, columns).unwrap()
    };
    let stop = Stop::default();
    let sweep = Sweep { experiment: &experiment, given: None, earlier: None, memory: 1 << 19, stop: &stop };
    let mut messages = Vec::new();
    let ended = sweep.run(engine, open, &mut writer, &mut |event| {
        if let Event::Mended(what) = event {
            messages.push(what);
        }
    });
    if let Ok(Ended::Finished) = ended {
        writer.finish().unwrap();
    }
    (messages, ended)
}

fn lost() -> Option<EngineError> {
    Some(EngineError::DeviceLost("a test".into()))
}

#[test]
fn a_lost_device_is_opened_again_and_its_chunk_redone() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let dir = tempdir().unwrap();
    let (whole, disturbed) = (dir.path().join("whole"), dir.path().join("disturbed"));
    run(&whole, &|| Ok(Box::new(Cpu::default()))).1.unwrap();
    // The first training, a later evaluation, and three times in a row.
    let script = |call, _| matches!(call, 0 | 6 | 11 | 12 | 13).then(lost).flatten();
    let open =
        || Ok(Box::new(Failing { inner: Cpu::default(), calls: &CALLS, script, before: |_, _| {} }) as Box<dyn Engine>);
    let (messages, ended) = run(&disturbed, &open);
    assert!(matches!(ended, Ok(Ended::Finished)), "{ended:?}");
    assert_eq!(messages.len(), 5, "{messages:?}");
    assert!(messages[4].contains("attempt 3 of 3"), "{messages:?}");
    assert_same_columns(&disturbed, &whole);
}

#[test]
fn a_device_that_stays_lost_ends_the_sitting_with_every_finished_row_kept() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let dir = tempdir().unwrap();
    let (whole, disturbed) = (dir.path().join("whole"), dir.path().join("disturbed"));
    run(&whole, &|| Ok(Box::new(Cpu::default()))).1.unwrap();
    let script = |call, _| if call >= 6 { lost() } else { None };
    // It can be opened only once.
    let open = || match CALLS.load(Ordering::Relaxed) {
        0 => {
            Ok(Box::new(Failing { inner: Cpu::default(), calls: &CALLS, script, before: |_, _| {} }) as Box<dyn Engine>)
        }
        _ => Err(EngineError::NoAdapter("gone".into())),
    };
    let (messages, ended) = run(&disturbed, &open);
    assert!(matches!(ended, Err(SweepError::Engine(EngineError::DeviceLost(_)))), "{ended:?}");
    assert_eq!(messages.len(), 3, "{messages:?}");
    let kept = Run::open(&disturbed).unwrap();
    assert_eq!(kept.manifest().state, State::Running);
    // Six calls are three chunks: 256 seeds, then as many as 512 KiB hold.
    let experiment = experiment();
    let description = Cpu::default().description(&experiment.problem, experiment.spec.tasks());
    let missing = RunWriter::resume(&disturbed, &description).unwrap().missing();
    assert!(matches!(missing.as_slice(), [rest] if rest.start > 256 && rest.end == 3000), "{missing:?}");
    run(&disturbed, &|| Ok(Box::new(Cpu::default()))).1.unwrap();
    assert_same_columns(&disturbed, &whole);
}

#[test]
fn a_device_without_enough_memory_gets_smaller_chunks() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let dir = tempdir().unwrap();
    let (whole, disturbed) = (dir.path().join("whole"), dir.path().join("disturbed"));
    run(&whole, &|| Ok(Box::new(Cpu::default()))).1.unwrap();
    let script = |_, networks| (networks > 100).then(|| EngineError::OutOfMemory("a test".into()));
    let open =
        || Ok(Box::new(Failing { inner: Cpu::default(), calls: &CALLS, script, before: |_, _| {} }) as Box<dyn Engine>);
    let (messages, ended) = run(&disturbed, &open);
    assert!(matches!(ended, Ok(Ended::Finished)), "{ended:?}");
    assert_eq!(messages.len(), 2, "256, 128, 64: {messages:?}");
    assert!(messages[1].contains("64 networks per chunk"), "{messages:?}");
    assert_same_columns(&disturbed, &whole);
}

#[test]
fn a_graphics_device_that_is_really_lost_is_opened_again() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let name = "a_graphics_device_that_is_really_lost_is_opened_again";
    if support::gpu::gpu(name, Tuning::default()).is_none() {
        return;
    }
    let dir = tempdir().unwrap();
    let (whole, disturbed) = (dir.path().join("whole"), dir.path().join("disturbed"));
    let gpu = || support::gpu::gpu(name, Tuning::default()).unwrap();
    run(&whole, &|| Ok(Box::new(gpu()))).1.unwrap();
    let before = |call, gpu: &Gpu| {
        if matches!(call, 0 | 3 | 6) {
            gpu.lose_device()
        }
    };
    let open = || Ok(Box::new(Failing { inner: gpu(), calls: &CALLS, script: |_, _| None, before }) as Box<dyn Engine>);
    let (messages, ended) = run(&disturbed, &open);
    assert!(matches!(ended, Ok(Ended::Finished)), "{ended:?}");
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_same_columns(&disturbed, &whole);
}
