//! Giving a finished run, or every run of a grid, more seeds or more steps.

use std::path::Path;

use super::args::{EngineArgs, ProgressArgs, SummaryArgs};
use super::failure::Failure;
use super::runner::{RunSetup, failure};
use super::terminal::notice;
use super::words::{go_on_with, resume_command, show_with};
use super::{grid_table, interruption, summary};
use crate::backend::Choice;
use crate::run::{Grid, More, Run, RunError};
use crate::sitting::{self, open};

/// By what runs are extended, and how.
pub(super) struct Extender<'a> {
    pub(super) more: &'a More,
    pub(super) engine: &'a EngineArgs,
    pub(super) progress: &'a ProgressArgs,
    pub(super) output: &'a SummaryArgs,
}

impl Extender<'_> {
    /// Extends the run in `dir`.
    pub(super) fn extend_run(&self, dir: &Path) -> Result<(), Failure> {
        let run = open(dir)?;
        if run.extended(self.more)?.is_none() {
            tidy(&run)?;
            notice(&format!("{} holds that already: nothing to do", dir.display()));
            return summary::show(&run, self.output);
        }
        let choice = self.engine.choose_as(&run.manifest().engine)?;
        self.extend(dir, &choice, &format!("{} is as it was; go on with: {}", dir.display(), self.command(dir)))?;
        interruption::leaves(format!("the run is extended; {}", show_with(dir)));
        summary::show(&Run::open(dir)?, self.output)
    }

    /// Extends every run of the grid in `dir`.
    pub(super) fn extend_grid(&self, dir: &Path) -> Result<(), Failure> {
        let grid = Grid::open(dir)?;
        let runs = open_all(dir, &grid)?;
        let go_on = format!("each run is whole, extended or as it was; go on with: {}", self.command(dir));
        let mut choice = None;
        for run in &runs {
            if let Some(experiment) = run.extended(self.more)? {
                if choice.is_none() {
                    choice = Some(self.engine.choose_as(&run.manifest().engine)?);
                }
                // If one of them cannot be extended, none is.
                if let Some(choice) = &choice {
                    let setup = RunSetup { choice, progress: self.progress };
                    setup
                        .sit(&go_on, |sitting| sitting.engine_to_extend(run, &experiment).map(|_| ()))
                        .map_err(|error| failure(error, &go_on))?;
                }
            }
        }
        let Some(choice) = choice else {
            runs.iter().try_for_each(tidy)?;
            notice(&format!("{} holds that already: nothing to do", dir.display()));
            return grid_table::leave(dir, &grid, self.output);
        };
        grid_table::take_away(dir, &grid)?;
        for (k, (entry, run)) in grid.runs.iter().zip(&runs).enumerate() {
            interruption::leaves(go_on.clone());
            interruption::check()?;
            if run.extended(self.more)?.is_none() {
                tidy(run)?;
                continue;
            }
            notice(&format!("run {} of {}: {}", k + 1, grid.runs.len(), entry.name));
            self.extend(run.dir(), &choice, &go_on)?;
        }
        interruption::leaves(format!("every run is extended; for the table, {}", go_on_with(dir)));
        grid_table::leave(dir, &grid, self.output)
    }

    /// Extends the run in `dir`; `go_on` says what there is and what to do if that is cut off.
    fn extend(&self, dir: &Path, choice: &Choice, go_on: &str) -> Result<(), Failure> {
        interruption::leaves(go_on);
        RunSetup { choice, progress: self.progress }
            .sit(go_on, |sitting| sitting.extend(dir, self.more))
            .map_err(|error| failure(error, go_on))
    }

    /// The command that extends the run or grid in `dir`.
    fn command(&self, dir: &Path) -> String {
        let seeds = self.more.seeds.as_ref().map(|seeds| format!(" --seeds {}..{}", seeds.start, seeds.end));
        let max_steps = self.more.max_steps.map(|max_steps| format!(" --max-steps {max_steps}"));
        [Some(resume_command(dir)), seeds, max_steps].into_iter().flatten().collect()
    }
}

/// Opens every run of the grid in `dir`, as [`open`] does.
pub(super) fn open_all(dir: &Path, grid: &Grid) -> Result<Vec<Run>, RunError> {
    grid.runs.iter().map(|run| open(&dir.join(&run.name))).collect()
}

/// Ends what a crash left undone of the finished `run` and of its extensions.
pub(super) fn tidy(run: &Run) -> Result<(), Failure> {
    if let Some(begun) = sitting::tidy(run)? {
        notice(&begun);
    }
    Ok(())
}
