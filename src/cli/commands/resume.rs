//! `sharpsweep resume`: what was interrupted is finished, what is finished extended.

use std::ops::Range;
use std::path::PathBuf;

use crate::cli::args::{EngineArgs, ProgressArgs, SummaryArgs};
use crate::cli::extend::{Extender, open_all, tidy};
use crate::cli::failure::Failure;
use crate::cli::runner::RunSetup;
use crate::cli::terminal::notice;
use crate::cli::words::go_on_with;
use crate::cli::{grid_table, interruption, summary};
use crate::run::{Grid, More, Run, State, is_grid};
use crate::sitting::open;
use crate::spec::parse_seeds;

/// Goes on with a sweep or an evaluation that was interrupted, or extends a finished sweep
///
/// It keeps the rows that were finished and computes the others on the engine that the run was begun with; the columns
/// end up byte for byte as without the interruption. It leaves a finished run as it is, so it may be repeated at will.
/// DIR may also be a grid (a sweep over several --hidden, --activation, --step-size or --data-seed): then its
/// unfinished runs are finished.
///
/// --seeds and --max-steps extend a finished sweep, or every run of a grid: the result is byte for byte the sweep that
/// was asked for it from the start. It is made beside DIR, in .NAME.extended, which takes room for both on the disk,
/// and put in its place when it is whole; if that is interrupted, the same command goes on. Other files in DIR are
/// kept, but not duplicate_of.npy.
#[derive(Debug, clap::Args)]
#[command(mut_arg("backend", |arg| arg.help("Where to compute [default: where the run was begun]")))]
#[command(mut_arg("route", |arg| arg.help("How to compute tr H^2; both are exact [default: as the run was begun]")))]
pub(crate) struct Args {
    /// The run directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Extend the finished sweep to these seeds: how many (from 0), or a range A..B that begins where it begins
    #[arg(long, value_name = "S|A..B", value_parser = parse_seeds)]
    seeds: Option<Range<u64>>,
    /// Train on the networks of the finished sweep that stopped at the step limit, up to T steps in all. Not on the
    /// reference engine, which records weights less precisely than it trains them, and not without the weights (--keep)
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
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Self { dir, seeds, max_steps, engine, progress, output } = &self;
        let more = &More { seeds: seeds.clone(), max_steps: *max_steps };
        if *more != More::default() {
            let extender = Extender { more, engine, progress, output };
            return if is_grid(dir) { extender.extend_grid(dir) } else { extender.extend_run(dir) };
        }
        interruption::leaves(go_on_with(dir));
        let is_unfinished = |run: &&Run| run.manifest().state != State::Finished;
        if is_grid(dir) {
            let grid = Grid::open(dir)?;
            let runs = open_all(dir, &grid)?;
            let Some(unfinished) = runs.iter().find(is_unfinished) else {
                runs.iter().try_for_each(tidy)?;
                notice(&format!("{} is finished: nothing to do", dir.display()));
                return grid_table::leave(dir, &grid, output);
            };
            let choice = &engine.choose_as(&unfinished.manifest().engine)?;
            return RunSetup { choice, progress }.finish_grid(dir, &grid, output);
        }
        let run = open(dir)?;
        if !is_unfinished(&&run) {
            tidy(&run)?;
            notice(&format!("{} is finished: nothing to do", dir.display()));
            return summary::show(&run, output);
        }
        let choice = &engine.choose_as(&run.manifest().engine)?;
        summary::show(&RunSetup { choice, progress }.finish(dir, &run)?, output)
    }
}
