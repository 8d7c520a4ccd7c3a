//! `sharpsweep show`: the summary of a run again.

use std::path::PathBuf;

use crate::cli::args::SummaryArgs;
use crate::cli::failure::Failure;
use crate::cli::{grid_table, interruption, summary};
use crate::run::{Grid, Run, is_grid};

/// Prints the summary of a run again, or the table of a grid
///
/// Of a run that is not finished it sums up the rows that are written, and says how many these are. Nothing is changed
/// or written to disk, so it may be asked at any moment.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run directory, or that of a grid
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    output: SummaryArgs,
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        interruption::leaves("nothing was changed");
        if is_grid(&self.dir) {
            return grid_table::show(&self.dir, &Grid::open(&self.dir)?, &self.output);
        }
        let run = Run::open(&self.dir)?;
        run.check_complete()?;
        summary::show(&run, &self.output)
    }
}
