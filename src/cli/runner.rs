//! Carrying out runs: a new one, what is left of an old one, and every run of a grid.

use std::io::ErrorKind;
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
use crate::engine::{Engine, MissingSpectrum};
use crate::input::GivenTheta;
use crate::run::{Grid, Run, RunError, RunWriter, State};
use crate::spec::{Experiment, Work};
use crate::summary::percent;
use crate::sweep::{Ended, Event, Progress, Sweep, SweepError};

/// The engine on which runs are carried out, and how they are shown and limited.
pub(super) struct RunSetup<'a> {
    /// How the engine was chosen, and is opened again after its device was lost.
    pub(super) choice: &'a Choice,
    pub(super) progress: &'a ProgressArgs,
}

impl RunSetup<'_> {
    /// The sweep that carries out `experiment` within the memory for networks in flight, until Ctrl-C.
    pub(super) fn sweep<'a>(&self, experiment: &'a Experiment) -> Sweep<'a> {
        let memory = self.progress.memory();
        Sweep { experiment, given: None, earlier: None, memory, stop: interruption::stop() }
    }

    /// Computes the rows of `sweep` that `writer` misses on `engine`; the finished run. `go_on` says what to do with
    /// the run where it is not finished.
    pub(super) fn carry_out(
        &self,
        sweep: &Sweep<'_>,
        engine: Box<dyn Engine>,
        mut writer: RunWriter,
        go_on: &str,
    ) -> Result<Run, Failure> {
        let dir = writer.dir().to_owned();
        interruption::leaves(format!("finished rows are kept; {go_on}"));
        let watched = self.progress.watch("the first networks");
        let mut named = 0;
        let ended = sweep.run(engine, &|| self.choice.open(), &mut writer, &mut |event| match event {
            Event::Begun { done, rows } => watched.at_with("networks", done, rows, ""),
            Event::Progress(progress) if self.progress.json() => notice(&as_json(&progress)),
            Event::Progress(progress) => show(&watched, &progress),
            Event::Mended(what) => notice(&what),
            Event::NoSpectrum { first, missing } => name_missing(first, &missing, &mut named),
        });
        drop(watched);
        let finished = ended.and_then(|ended| match ended {
            Ended::Finished => Ok(Some(writer.finish()?)),
            Ended::Stopped => Ok(None),
        });
        match finished {
            Ok(Some(manifest)) => {
                let run = Run::open(&dir)?;
                // The summary must be of the run that was computed here.
                if *run.manifest() == manifest { Ok(run) } else { Err(RunError::Replaced(dir).into()) }
            }
            Ok(None) => Err(interruption::failure()),
            // What is there now is not this run, or is not to be trusted: the error says what to do.
            Err(error @ SweepError::Run(RunError::Replaced(_) | RunError::Incomplete { .. })) => Err(error.into()),
            Err(error) => {
                let first = if is_no_room(&error) { "make room on the disk, then " } else { "" };
                Err(Failure::Failed(anyhow!("{error}\nfinished rows are kept; {first}{go_on}")))
            }
        }
    }

    /// Finishes `run`, which is the run or in the grid that `sharpsweep resume` finds in `resumable`.
    pub(super) fn finish(&self, resumable: &Path, run: &Run) -> Result<Run, Failure> {
        let experiment = run.experiment()?;
        let choice = &self.choice.as_begun(&run.manifest().engine);
        let engine = choice.open()?;
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        let writer = match RunWriter::resume(run.dir(), &description) {
            Err(finished @ RunError::Finished(_)) => {
                notice(&format!("{finished}: nothing to do"));
                return Ok(Run::open(run.dir())?);
            }
            writer => writer?,
        };
        let theta = match experiment.spec.work {
            Work::Sweep { .. } => None,
            Work::Evaluate { .. } => Some(run.given_theta()?),
        };
        let setup = RunSetup { choice, ..*self };
        let sweep = Sweep { given: theta.as_ref().map(GivenTheta::view), ..setup.sweep(&experiment) };
        setup.carry_out(&sweep, engine, writer, &go_on_with(resumable))
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

/// How many networks per second this sitting computes.
fn rate(progress: &Progress) -> f64 {
    progress.done_now as f64 / progress.elapsed.as_secs_f64().max(1e-9)
}

fn show(watched: &Watched, progress: &Progress) {
    let &Progress { done, rows, outcome, .. } = progress;
    let converged = match outcome.evaluated {
        0 => format!("{} converged, ", percent(outcome.converged, done)),
        _ => String::new(),
    };
    watched.at_with("networks", done, rows, format!("{converged}{:.0} per second", rate(progress)));
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

/// How many networks without a spectrum are named one by one.
const NAMED: usize = 10;

/// Names the networks that have no spectrum; `named` were named before, and `first` is the seed of the first of their
/// chunk.
fn name_missing(first: u64, missing: &[MissingSpectrum], named: &mut usize) {
    for MissingSpectrum { row, reason } in missing.iter().take(NAMED.saturating_sub(*named)) {
        notice(&format!("seed {} has no lambda_max and lambda_min: {reason}", first + *row as u64));
    }
    if (*named..*named + missing.len()).contains(&NAMED) {
        notice("further networks without eigenvalues are not named; the summary counts them");
    }
    *named += missing.len();
}

/// Whether the disk, a quota or a limit on file sizes is what stopped the run.
fn is_no_room(error: &SweepError) -> bool {
    let SweepError::Run(RunError::Io { source, .. }) = error else { return false };
    matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
