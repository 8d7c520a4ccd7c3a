//! `sharpsweep show`.

use std::path::PathBuf;

use super::summary::{self, SummaryArgs};
use super::{Failure, grid, interruption};
use crate::run::{Grid, Run, is_grid};

/// Prints the summary of a run again, or the table of a grid
///
/// Of a run that is not finished the rows that are written are summed up, and it says how many these are. Nothing is changed or
/// written to disk, so it may be asked at any moment.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run directory, or that of a grid
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    output: SummaryArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        interruption::leaves("nothing was changed");
        if is_grid(&self.dir) {
            return grid::show(&self.dir, &Grid::open(&self.dir)?, &self.output);
        }
        let run = Run::open(&self.dir)?;
        run.check_complete()?;
        summary::show(&run, &self.output)
    }
}
