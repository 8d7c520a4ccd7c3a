//! `sharpsweep resume`.

use std::path::{Path, PathBuf};

use super::experiment::EngineArgs;
use super::progress::{ProgressArgs, go_on_with};
use super::summary::{self, SummaryArgs};
use super::{Failure, grid, interruption, notice};
use crate::backend::Choice;
use crate::run::{Grid, Run, RunError, RunWriter, State};
use crate::spec::Work;
use crate::sweep::{Networks, Sweep};

/// Goes on with a sweep or an evaluation that was interrupted
///
/// Rows that were finished are kept, the others computed, by the engine that the run was begun with; the columns end up byte for
/// byte as without the interruption. A finished run is left as it is, so this may be repeated at will. DIR may also be a grid
/// (a sweep over several --hidden, --activation or --step-size): its finished runs are kept, the others finished.
#[derive(Debug, clap::Args)]
#[command(mut_arg("backend", |arg| arg.help("Where to compute [default: where the run was begun]")))]
#[command(mut_arg("route", |arg| arg.help("How to compute tr H^2; both are exact [default: as the run was begun]")))]
pub(super) struct Args {
    /// The run directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
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
        interruption::leaves(go_on_with(dir));
        if Grid::is_in(dir) {
            let grid = Grid::open(dir)?;
            let runs: Vec<Run> =
                grid.runs.iter().map(|run| Run::open(&dir.join(&run.name))).collect::<Result<_, _>>()?;
            let Some(unfinished) = runs.iter().find(|run| run.manifest().state != State::Finished) else {
                runs.iter().try_for_each(Run::tidy)?;
                notice(&format!("{} is finished: nothing to do", dir.display()));
                return grid::leave(dir, &grid, &self.output);
            };
            let choice = self.engine.choose_as(&unfinished.manifest().engine)?;
            return grid::carry_out(dir, &grid, &choice, &self.progress, &self.output);
        }
        let run = Run::open(dir)?;
        if run.manifest().state == State::Finished {
            run.tidy()?;
            notice(&format!("{} is finished: nothing to do", dir.display()));
            return summary::show(&run, &self.output);
        }
        let choice = self.engine.choose_as(&run.manifest().engine)?;
        summary::show(&finish(dir, &run, &choice, &self.progress)?, &self.output)
    }
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
