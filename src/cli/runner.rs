//! Carrying out runs: how they are shown, what an interruption leaves of them, and every run of a grid.

use std::cell::RefCell;
use std::path::Path;

use anyhow::anyhow;
use serde_json::json;

use super::args::{ProgressArgs, SummaryArgs};
use super::failure::Failure;
use super::progress::Watched;
use super::terminal::notice;
use super::words::go_on_with;
use super::{grid_table, interruption};
use crate::backend::Choice;
use crate::engine::Engine;
use crate::model::Theta;
use crate::run::{Grid, Run, RunWriter, State};
use crate::sitting::{Listener, Sitting, SittingError};
use crate::spec::Experiment;
use crate::summary::percent;
use crate::sweep::Progress;
use crate::watch::Watch;

/// The engine on which runs are carried out, and how they are shown and limited.
pub(super) struct RunSetup<'a> {
    /// How the engine was chosen, and is opened again after its device was lost.
    pub(super) choice: &'a Choice,
    pub(super) progress: &'a ProgressArgs,
}

impl RunSetup<'_> {
    /// Does `work` within the memory for networks in flight, until Ctrl-C, and shows it. `go_on` says what to do with a
    /// run that is not finished.
    pub(super) fn sit<T>(&self, go_on: &str, work: impl FnOnce(&Sitting<'_>) -> T) -> T {
        let listener = &Shown { progress: self.progress, go_on, bar: RefCell::new(None) };
        let (memory, stop) = (self.progress.memory(), interruption::stop());
        work(&Sitting { choice: self.choice, memory, stop, listener })
    }

    /// Computes the rows of `experiment` that `writer` misses on `engine`; the finished run. An evaluation has the
    /// networks `given`.
    pub(super) fn carry_out(
        &self,
        (experiment, given): (&Experiment, Option<Theta<'_>>),
        engine: Box<dyn Engine>,
        writer: RunWriter,
    ) -> Result<Run, Failure> {
        let go_on = go_on_with(writer.dir());
        interruption::leaves(format!("finished rows are kept; {go_on}"));
        self.sit(&go_on, |sitting| sitting.carry_out(&sitting.sweep(experiment, given), engine, writer))
            .map_err(|error| failure(error, &go_on))
    }

    /// Finishes `run`, which is the run or in the grid that `sharpsweep resume` finds in `resumable`.
    pub(super) fn finish(&self, resumable: &Path, run: &Run) -> Result<Run, Failure> {
        let go_on = go_on_with(resumable);
        self.sit(&go_on, |sitting| sitting.finish(run)).map_err(|error| failure(error, &go_on))
    }

    /// Finishes every run of the grid in `dir` that is not finished, leaves the table and prints it.
    pub(super) fn finish_grid(&self, dir: &Path, grid: &Grid, args: &SummaryArgs) -> Result<(), Failure> {
        for (k, entry) in grid.runs.iter().enumerate() {
            interruption::leaves(format!("finished rows are kept; {}", go_on_with(dir)));
            interruption::check()?;
            let run = Run::open(&dir.join(&entry.name))?;
            if run.manifest().state == State::Finished {
                run.tidy()?;
                continue;
            }
            notice(&format!("run {} of {}: {}", k + 1, grid.runs.len(), entry.name));
            self.finish(dir, &run)?;
        }
        interruption::leaves(format!("every run is finished; for {}, {}", grid_table::FILE, go_on_with(dir)));
        grid_table::leave(dir, grid, args)
    }
}

/// What is said of `error`; `go_on` says what to do with a run that is not finished.
pub(super) fn failure(error: SittingError, go_on: &str) -> Failure {
    match error {
        SittingError::Stopped => interruption::failure(),
        SittingError::Engine(error) => error.into(),
        SittingError::Run(error) => error.into(),
        error => Failure::Failed(anyhow!(error.with_advice(go_on))),
    }
}

/// Shows work on stderr.
struct Shown<'a> {
    progress: &'a ProgressArgs,
    /// What to do with a run that is not finished.
    go_on: &'a str,
    /// The networks of the run that is being computed.
    bar: RefCell<Option<Watched>>,
}

impl Listener for Shown<'_> {
    fn begun(&self, done: u64, rows: u64) {
        interruption::leaves(format!("finished rows are kept; {}", self.go_on));
        let watched = self.progress.watch("the first networks");
        watched.at_with("networks", done, rows, "");
        *self.bar.borrow_mut() = Some(watched);
    }

    fn progress(&self, progress: &Progress) {
        if self.progress.json() {
            return notice(&as_json(progress));
        }
        let &Progress { done, rows, outcome, .. } = progress;
        let converged = match outcome.evaluated {
            0 => format!("{} converged, ", percent(outcome.converged, done)),
            _ => String::new(),
        };
        if let Some(watched) = &*self.bar.borrow() {
            watched.at_with("networks", done, rows, format!("{converged}{:.0} per second", rate(progress)));
        }
    }

    fn ended(&self) {
        *self.bar.borrow_mut() = None;
    }

    fn notice(&self, text: &str) {
        notice(text);
    }

    fn watch<'a>(&'a self, what: &str) -> Box<dyn Watch + 'a> {
        Box::new(self.progress.watch(what))
    }
}

/// How many networks per second this sitting computes.
fn rate(progress: &Progress) -> f64 {
    progress.done_now as f64 / progress.elapsed.as_secs_f64().max(1e-9)
}

fn as_json(progress: &Progress) -> String {
    let &Progress { first, done, rows, outcome, chunk, elapsed, .. } = progress;
    let rate = rate(progress);
    json!({
        "done": done, "rows": rows, "first_row": first, "chunk": chunk, "converged": outcome.converged,
        "step_limit": outcome.step_limit, "non_finite": outcome.non_finite, "evaluated": outcome.evaluated,
        "seconds": elapsed.as_secs_f64().max(1e-9), "seeds_per_second": rate,
        "seconds_left": (rows - done) as f64 / rate.max(1e-9),
    })
    .to_string()
}
