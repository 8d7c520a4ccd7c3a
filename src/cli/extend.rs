//! Giving a finished run, or every run of a grid, more seeds or more steps.

use std::path::Path;

use anyhow::anyhow;

use super::args::{EngineArgs, ProgressArgs, SummaryArgs};
use super::failure::Failure;
use super::runner::RunSetup;
use super::terminal::notice;
use super::words::{go_on_with, resume_command, show_with};
use super::{grid_table, interruption, summary};
use crate::backend::Choice;
use crate::engine::{Description, Engine};
use crate::run::{Earlier, Extension, Grid, Longer, More, Run, RunError};
use crate::spec::{Experiment, Work};
use crate::sweep::{Sweep, admit};

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
        let mut choice = None;
        for run in &runs {
            if let Some(experiment) = run.extended(self.more)? {
                if choice.is_none() {
                    choice = Some(self.engine.choose_as(&run.manifest().engine)?);
                }
                // What one of them refuses is said before the first is worked on.
                if let Some(choice) = &choice {
                    engine_for(run, &experiment, choice)?;
                }
            }
        }
        let Some(choice) = choice else {
            runs.iter().try_for_each(tidy)?;
            notice(&format!("{} holds that already: nothing to do", dir.display()));
            return grid_table::leave(dir, &grid, self.output);
        };
        grid_table::take_away(dir, &grid)?;
        let go_on = format!("each run is whole, extended or as it was; go on with: {}", self.command(dir));
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
        let place = Extension::of(dir)?;
        // In its place nobody else changes it; what was read before may be older.
        let run = Run::open(dir)?;
        let Some(experiment) = run.extended(self.more)? else {
            notice(&format!("{} was extended by another process meanwhile: nothing to do", dir.display()));
            return Ok(());
        };
        let (engine, description, choice) = engine_for(&run, &experiment, choice)?;
        let earlier = Earlier::open(&run, &experiment.spec)?;
        let (longer, unusable) = place.begin(&run, &experiment, &description)?;
        if let Some(error) = unusable {
            notice(&format!("{error}\nthat was a part of this extension, which is begun again"));
        }
        if let Longer::Unfinished(writer) = longer {
            let setup = RunSetup { choice: &choice, progress: self.progress };
            let sweep = Sweep { earlier: Some(&earlier), ..setup.sweep(&experiment) };
            setup.carry_out(&sweep, engine, *writer, go_on)?;
        }
        drop(earlier);
        let others = place.publish(&run).map_err(|error| match error {
            // What is there now is not the run that was extended: the error says what to do.
            RunError::Replaced(_) => Failure::from(error),
            error => Failure::Failed(anyhow!("{error}\nthe extended run is whole, but not in its place; {go_on}")),
        })?;
        if !others.kept.is_empty() {
            let kept = others.kept.join(", ");
            notice(&format!("kept as they are, of the run before it was extended: {kept}"));
        }
        for name in others.outdated {
            notice(&format!(
                "{name}.npy was of the run before it was extended and is gone; sharpsweep duplicates makes it anew"
            ));
        }
        Ok(())
    }

    /// The command that extends the run or grid in `dir`.
    fn command(&self, dir: &Path) -> String {
        let seeds = self.more.seeds.as_ref().map(|seeds| format!(" --seeds {}..{}", seeds.start, seeds.end));
        let max_steps = self.more.max_steps.map(|max_steps| format!(" --max-steps {max_steps}"));
        [Some(resume_command(dir)), seeds, max_steps].into_iter().flatten().collect()
    }
}

/// Opens the run in `dir`, which an extension that was cut off may have left beside its place.
pub(super) fn open(dir: &Path) -> Result<Run, RunError> {
    Extension::recover(dir)?;
    Run::open(dir)
}

/// Opens every run of the grid in `dir`, likewise.
pub(super) fn open_all(dir: &Path, grid: &Grid) -> Result<Vec<Run>, RunError> {
    grid.runs.iter().map(|run| open(&dir.join(&run.name))).collect()
}

/// Ends what a crash left undone of the finished `run` and of its extensions.
pub(super) fn tidy(run: &Run) -> Result<(), Failure> {
    run.tidy()?;
    if let Some(begun) = Extension::tidy(run)? {
        let (begun, dir) = (begun.display(), run.dir().display());
        notice(&format!(
            "{begun} holds an extension of {dir} that was begun: the command that began it goes on with it; without that folder it is \
             given up"
        ));
    }
    Ok(())
}

/// Opens the engine that extends `run` to `experiment`.
fn engine_for(
    run: &Run,
    experiment: &Experiment,
    choice: &Choice,
) -> Result<(Box<dyn Engine>, Description, Choice), Failure> {
    let choice = choice.as_begun(&run.manifest().engine);
    let mut engine = choice.open()?;
    admit(experiment, engine.as_mut())?;
    if let (Work::Sweep { descent: then, .. }, Work::Sweep { descent: now, .. }) =
        (&run.manifest().spec.work, &experiment.spec.work)
        && then.max_steps < now.max_steps
    {
        // No network takes no time, and is refused where any other would be.
        let none = ndarray::Array2::zeros((0, experiment.problem.network.parameters()));
        engine.train_on(&experiment.problem, now, none.view(), then.max_steps)?;
    }
    let description = engine.description(&experiment.problem, experiment.spec.tasks());
    run.check_engine(&description)?;
    Ok((engine, description, choice))
}
