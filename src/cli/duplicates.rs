//! `sharpsweep duplicates`.

use std::path::PathBuf;

use anyhow::anyhow;

use super::progress::Watched;
use super::summary::OutputArgs;
use super::{Failure, print};
use crate::analysis::{PairStatistics, duplicates};
use crate::room::check_memory;
use crate::run::{Run, State};

/// Finds the networks of a run that stand for the same critical point
///
/// By the paper's rule (Appendix C): of all pairwise distances between the converged networks' weights take mean - 3 std; of
/// networks nearer to each other than that keep the first. Leaves DIR/duplicate_of.npy, int64, one row a network: the row of the
/// network that is kept for it (its own row if it is kept itself), -1 where it did not converge.
///
/// Up to 100,000 networks mean and std are those of all pairs; beyond, of 16,777,216 sampled ones, and the output says so with
/// the error that this leaves. The neighbours are exact either way.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let run = Run::open(&self.dir)?;
        let dir = self.dir.display();
        if run.manifest().state != State::Finished {
            return Err(Failure::Failed(anyhow!("{dir} is unfinished; go on with: sharpsweep resume {dir}")));
        }
        run.check_complete()?;
        let watched = Watched::start("comparing networks");
        let (rows, points) = run.critical_points()?;
        let found = duplicates(points.view())?;
        drop(watched);
        let networks = run.manifest().spec.rows();
        check_memory("the column", networks.saturating_mul(8))?;
        let mut column = vec![-1; usize::try_from(networks)?];
        for (&row, &kept) in rows.iter().zip(&found.duplicate_of) {
            column[row] = i64::try_from(rows[kept])?;
        }
        let path = run.write_derived("duplicate_of", &column)?;
        if self.output.json() {
            let (statistics, pairs, error) = match found.statistics {
                PairStatistics::All { pairs } => ("all pairs", pairs, None),
                PairStatistics::Sample { pairs, threshold_error } => ("sampled pairs", pairs, Some(threshold_error)),
            };
            print(&serde_json::to_string_pretty(&serde_json::json!({
                "networks": networks, "converged": rows.len(), "unique": found.unique(), "threshold": found.threshold,
                "mean": found.mean, "std": found.std, "statistics": statistics, "pairs": pairs, "threshold_error": error,
                "column": path,
            }))?)
        } else {
            print(&format!("{} of {networks} networks converged", rows.len()))?;
            print(&found.to_string())?;
            print(&format!("the network that each is a duplicate of: numpy.load(\"{}\")", path.display()))
        }
    }
}
