//! Runs that were interrupted during their work, without a clock: the library makes what a signal would leave.

use std::path::Path;

use sharpsweep::cpu::Cpu;
use sharpsweep::engine::{Engine, Stop};
use sharpsweep::gpu::{Gpu, Tuning, choose_adapter};
use sharpsweep::reference::Reference;
use sharpsweep::run::{Grid, GridRun, NewRun, Run, RunWriter, Sink};
use sharpsweep::spec::Work;
use sharpsweep::sweep::{Ended, Event, Sweep};

use super::command::{manifest, succeed};

/// Leaves what the program would leave if it ran inside `dir` with `args` and was stopped once it had finished some
/// rows of `run`, but not all. `run` is the directory after --out, or a run of the grid there; the runs before it are
/// finished.
pub(crate) fn cut(dir: &Path, args: &[&str], run: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    let mut args = args.to_vec();
    let out = args.iter().position(|arg| *arg == "--out").expect("--out names the run") + 1;
    let to = dir.join(args[out]);
    args[out] = whole.to_str().unwrap();
    succeed(dir, &args);
    if !whole.join("grid.json").exists() {
        return partly(&whole, &to, true);
    }
    let grid = Grid::open(&whole).unwrap();
    let runs: Vec<NewRun> = grid.runs.iter().map(|entry| new_run(&whole.join(&entry.name), entry)).collect();
    Grid::create(&to, &runs).unwrap();
    for entry in &grid.runs {
        let is_last = to.join(&entry.name) == dir.join(run);
        partly(&whole.join(&entry.name), &to.join(&entry.name), is_last);
        if is_last {
            return;
        }
    }
    panic!("{run} is no run of the grid");
}

fn new_run(whole: &Path, entry: &GridRun) -> NewRun {
    let run = Run::open(whole).unwrap();
    let (experiment, manifest) = (run.experiment().unwrap(), run.manifest());
    NewRun { run: entry.clone(), experiment, engine: manifest.engine.clone(), columns: manifest.columns.clone() }
}

/// Copies the finished run `whole` to `to`, finished or only up to its first chunk.
fn partly(whole: &Path, to: &Path, is_cut: bool) {
    let whole = Run::open(whole).unwrap();
    let (experiment, began) = (whole.experiment().unwrap(), whole.manifest());
    let route = began.engine.route;
    let open = || -> Result<Box<dyn Engine>, _> {
        Ok(match began.engine.machine.engine.as_str() {
            "cpu" => Box::new(Cpu::new(route)),
            "gpu" => Box::new(Gpu::new(choose_adapter(None)?, Tuning { route, ..Tuning::default() })?),
            _ => Box::new(Reference::default()),
        })
    };
    let (engine, columns) = (began.engine.clone(), began.columns.clone());
    let given = match experiment.spec.work {
        Work::Evaluate { .. } => Some(whole.given_theta().unwrap()),
        Work::Sweep { .. } => None,
    };
    let mut writer = match &given {
        _ if to.exists() => RunWriter::resume(to, &engine).unwrap(),
        Some(theta) => RunWriter::create_evaluation(to, &experiment, engine, columns, theta.view()).unwrap(),
        None => RunWriter::create(to, &experiment, engine, columns).unwrap(),
    };
    let stop = Stop::default();
    let given = given.as_ref().map(|theta| theta.view());
    // Some ten rows in the one chunk, whatever this processor computes at a time, or some hundred in each of all.
    let memory = if is_cut { 1 << 14 } else { 1 << 17 };
    let sweep = Sweep { experiment: &experiment, given, earlier: None, memory, stop: &stop };
    let mut until_first_chunk = |event| {
        if is_cut && matches!(event, Event::Progress(_)) {
            stop.request();
        }
    };
    let ended = sweep.run(open().unwrap(), &open, &mut writer, &mut until_first_chunk).unwrap();
    if is_cut {
        assert_eq!(ended, Ended::Stopped);
        assert!(!writer.missing().is_empty(), "{} has too few rows to be cut off", to.display());
        drop(writer);
        assert_eq!(manifest(to)["state"], "running");
    } else {
        writer.finish().unwrap();
    }
}
