//! `sharpsweep merge`: shards joined into the whole run.

use std::path::PathBuf;

use crate::cli::args::SummaryArgs;
use crate::cli::failure::Failure;
use crate::cli::progress::Watched;
use crate::cli::words::show_with;
use crate::cli::{grid_table, interruption, summary};
use crate::run::{Grid, Run, is_grid, merge};

/// Joins the shards of a sweep into one run
///
/// The directories may come in any order; together they must hold every seed once, and all must be finished. Their
/// columns come out byte for byte as those of the sweep in one piece. Sweeps over neighbouring ranges of seeds (--seeds
/// 0..500 and 500..1000) join in the same way, and so do shards of grids. The parts are left as they are; the result
/// appears whole or not at all.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shards' directories
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// The directory for the joined run; it must not hold anything yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Join even what different engines, drivers, routes, revisions or versions of this program computed; manifest.json
    /// then says which of them computed which seeds
    #[arg(long)]
    allow_mixed_engines: bool,
    #[command(flatten)]
    output: SummaryArgs,
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let watched = Watched::start("joining columns");
        merge(&self.dirs, &self.out, self.allow_mixed_engines, interruption::stop())?;
        drop(watched);
        interruption::leaves(format!("{} is whole; {}", self.out.display(), show_with(&self.out)));
        if is_grid(&self.out) {
            return grid_table::leave(&self.out, &Grid::open(&self.out)?, &self.output);
        }
        summary::show(&Run::open(&self.out)?, &self.output)
    }
}
