//! `sharpsweep resume`.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::experiment::{EngineArgs, parse_seeds};
use super::progress::{ProgressArgs, go_on_with, resume_command, show_with};
use super::summary::{self, SummaryArgs};
use super::{Failure, grid, interruption, notice};
use crate::backend::Choice;
use crate::engine::{Description, Engine};
use crate::run::{Earlier, Extension, Grid, Longer, More, Run, RunError, RunWriter, State, is_grid};
use crate::spec::{Experiment, Work};
use crate::sweep::{Networks, Sweep, admit};

/// Goes on with a sweep or an evaluation that was interrupted, or extends a finished sweep
///
/// Rows that were finished are kept, the others computed, by the engine that the run was begun with; the columns end up byte for
/// byte as without the interruption. A finished run is left as it is, so this may be repeated at will. DIR may also be a grid
/// (a sweep over several --hidden, --activation or --step-size): its finished runs are kept, the others finished.
///
/// --seeds and --max-steps extend a finished sweep, or every run of a grid: the result is byte for byte the sweep that was asked for
/// it from the start. It is made beside DIR, in .NAME.extended, which takes room for both on the disk, and put in its place when it is
/// whole; if that is interrupted, the same command goes on. Other files in DIR are kept, but not duplicate_of.npy.
#[derive(Debug, clap::Args)]
#[command(mut_arg("backend", |arg| arg.help("Where to compute [default: where the run was begun]")))]
#[command(mut_arg("route", |arg| arg.help("How to compute tr H^2; both are exact [default: as the run was begun]")))]
pub(super) struct Args {
    /// The run directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Extend the finished sweep to these seeds: how many (from 0), or a range A..B that begins where it begins
    #[arg(long, value_name = "S|A..B", value_parser = parse_seeds)]
    seeds: Option<Range<u64>>,
    /// Train the networks of the finished sweep that stopped at the step limit on, up to T steps in all. Not on the reference engine,
    /// whose weights are recorded less precisely than it trains them, and not without them (--keep)
    #[arg(long, value_name = "T")]
    max_steps: Option<u32>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    output: SummaryArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let dir = &self.dir;
        let more = More { seeds: self.seeds.clone(), max_steps: self.max_steps };
        if more != More::default() {
            return self.extend(&more);
        }
        interruption::leaves(go_on_with(dir));
        if is_grid(dir) {
            let grid = Grid::open(dir)?;
            let runs = open_all(dir, &grid)?;
            let Some(unfinished) = runs.iter().find(|run| run.manifest().state != State::Finished) else {
                runs.iter().try_for_each(tidy)?;
                notice(&format!("{} is finished: nothing to do", dir.display()));
                return grid::leave(dir, &grid, &self.output);
            };
            let choice = self.engine.choose_as(&unfinished.manifest().engine)?;
            return grid::carry_out(dir, &grid, &choice, &self.progress, &self.output);
        }
        Extension::recover(dir)?;
        let run = Run::open(dir)?;
        if run.manifest().state == State::Finished {
            tidy(&run)?;
            notice(&format!("{} is finished: nothing to do", dir.display()));
            return summary::show(&run, &self.output);
        }
        let choice = self.engine.choose_as(&run.manifest().engine)?;
        summary::show(&finish(dir, &run, &choice, &self.progress)?, &self.output)
    }

    /// Extends the run or grid in the directory by `more`.
    fn extend(&self, more: &More) -> Result<(), Failure> {
        let dir = &self.dir;
        let go_on = format!("{} is as it was; go on with: {}", dir.display(), extend_command(dir, more));
        if !is_grid(dir) {
            Extension::recover(dir)?;
            let run = Run::open(dir)?;
            if run.extended(more)?.is_none() {
                tidy(&run)?;
                notice(&format!("{} holds that already: nothing to do", dir.display()));
                return summary::show(&run, &self.output);
            }
            let choice = self.engine.choose_as(&run.manifest().engine)?;
            self.extend_run(dir, more, &choice, &go_on)?;
            interruption::leaves(format!("the run is extended; {}", show_with(dir)));
            return summary::show(&Run::open(dir)?, &self.output);
        }
        let go_on = format!("each run is whole, extended or as it was; go on with: {}", extend_command(dir, more));
        let grid = Grid::open(dir)?;
        let runs = open_all(dir, &grid)?;
        let mut choice = None;
        for run in &runs {
            if let Some(experiment) = run.extended(more)? {
                if choice.is_none() {
                    choice = Some(self.engine.choose_as(&run.manifest().engine)?);
                }
                // What one of them refuses is said before the first is worked on.
                if let Some(choice) = &choice {
                    open(run, &experiment, choice)?;
                }
            }
        }
        let Some(choice) = choice else {
            runs.iter().try_for_each(tidy)?;
            notice(&format!("{} holds that already: nothing to do", dir.display()));
            return grid::leave(dir, &grid, &self.output);
        };
        grid::take_away_table(dir, &grid)?;
        for (k, (entry, run)) in grid.runs.iter().zip(&runs).enumerate() {
            interruption::leaves(go_on.clone());
            interruption::check()?;
            if run.extended(more)?.is_none() {
                tidy(run)?;
                continue;
            }
            notice(&format!("run {} of {}: {}", k + 1, grid.runs.len(), entry.name));
            self.extend_run(run.dir(), more, &choice, &go_on)?;
        }
        interruption::leaves(format!("every run is extended; for the table, {}", go_on_with(dir)));
        grid::leave(dir, &grid, &self.output)
    }

    /// Extends the run in `dir` by `more`; `go_on` says what there is and what to do where that is cut off.
    fn extend_run(&self, dir: &Path, more: &More, choice: &Choice, go_on: &str) -> Result<(), Failure> {
        interruption::leaves(go_on);
        let place = Extension::of(dir)?;
        // In its place nobody else changes it; what was read before may be older.
        let run = Run::open(dir)?;
        let Some(experiment) = run.extended(more)? else {
            notice(&format!("{} was extended by another process meanwhile: nothing to do", dir.display()));
            return Ok(());
        };
        let (engine, description, choice) = open(&run, &experiment, choice)?;
        let earlier = Earlier::open(&run, &experiment.spec)?;
        let (longer, unusable) = place.begin(&run, &experiment, &description)?;
        if let Some(error) = unusable {
            notice(&format!("{error}\nthat was a part of this extension, which is begun again"));
        }
        if let (Longer::Unfinished(writer), Work::Sweep { first_seed, descent, .. }) = (longer, &experiment.spec.work) {
            let networks = Networks::Extended { earlier: &earlier, first_seed: *first_seed, descent: *descent };
            let memory = self.progress.memory();
            let sweep = Sweep { experiment: &experiment, networks, memory, stop: interruption::stop() };
            self.progress.carry_out(&sweep, engine, &choice, *writer, go_on)?;
        }
        drop(earlier);
        let published = place.publish(&run).map_err(|error| match error {
            // What is there now is not the run that was extended: the error says what to do.
            RunError::Replaced(_) => Failure::from(error),
            error => Failure::Failed(anyhow!("{error}\nthe extended run is whole, but not in its place; {go_on}")),
        })?;
        if !published.kept.is_empty() {
            let kept = published.kept.join(", ");
            notice(&format!("kept as they are, of the run before it was extended: {kept}"));
        }
        for name in published.outdated {
            notice(&format!(
                "{name}.npy was of the run before it was extended and is gone; sharpsweep duplicates makes it anew"
            ));
        }
        Ok(())
    }
}

fn open_all(dir: &Path, grid: &Grid) -> Result<Vec<Run>, Failure> {
    let open = |name: &str| -> Result<Run, RunError> {
        let dir = dir.join(name);
        Extension::recover(&dir)?;
        Run::open(&dir)
    };
    Ok(grid.runs.iter().map(|run| open(&run.name)).collect::<Result<_, _>>()?)
}

/// Ends what a crash left undone of the finished `run` and of its extensions.
fn tidy(run: &Run) -> Result<(), Failure> {
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
fn open(
    run: &Run,
    experiment: &Experiment,
    choice: &Choice,
) -> Result<(Box<dyn Engine>, Description, Choice), Failure> {
    let choice = choice.as_begun(&run.manifest().engine);
    let mut engine = choice.open()?;
    admit(experiment, engine.as_mut())?;
    let steps = |experiment: &Work| match experiment {
        Work::Sweep { descent, .. } => Some(*descent),
        Work::Evaluate { .. } => None,
    };
    if let (Some(then), Some(now)) = (steps(&run.manifest().spec.work), steps(&experiment.spec.work))
        && then.max_steps < now.max_steps
    {
        // No network takes no time, and is refused where any other would be.
        let none = ndarray::Array2::zeros((0, experiment.problem.network.parameters()));
        engine.train_on(&experiment.problem, &now, none.view(), then.max_steps)?;
    }
    let description = engine.description(&experiment.problem, experiment.spec.tasks());
    run.check_engine(&description)?;
    Ok((engine, description, choice))
}

/// What extends the run or grid in `dir` by `more`.
fn extend_command(dir: &Path, more: &More) -> String {
    let seeds = more.seeds.as_ref().map(|seeds| format!(" --seeds {}..{}", seeds.start, seeds.end));
    let max_steps = more.max_steps.map(|max_steps| format!(" --max-steps {max_steps}"));
    [Some(resume_command(dir)), seeds, max_steps].into_iter().flatten().collect()
}

/// Finishes `run`, which `sharpsweep resume` finds in `resumable`.
pub(super) fn finish(resumable: &Path, run: &Run, choice: &Choice, progress: &ProgressArgs) -> Result<Run, Failure> {
    let experiment = run.experiment()?;
    let choice = choice.as_begun(&run.manifest().engine);
    let engine = choice.open()?;
    let description = engine.description(&experiment.problem, experiment.spec.tasks());
    let writer = match RunWriter::resume(run.dir(), &description) {
        Err(finished @ RunError::Finished(_)) => {
            notice(&format!("{finished}: nothing to do"));
            return Ok(Run::open(run.dir())?);
        }
        writer => writer?,
    };
    let theta;
    let networks = match experiment.spec.work {
        Work::Sweep { first_seed, descent, .. } => Networks::Seeds { first_seed, descent },
        Work::Evaluate { tolerance, .. } => {
            theta = run.given_theta()?;
            Networks::Given { theta: theta.view(), tolerance }
        }
    };
    let sweep = Sweep { experiment: &experiment, networks, memory: progress.memory(), stop: interruption::stop() };
    progress.carry_out(&sweep, engine, &choice, writer, &go_on_with(resumable))
}
