//! `sharpsweep report`: figures, tables and a page for a run.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::failure::Failure;
use crate::cli::progress::Watched;
use crate::cli::terminal::print;
use crate::cli::{interruption, report_files};
use crate::report::{Selection, report_of_run};
use crate::run::{Run, RunError};

/// Draws the paper's figures for a run and writes them with tables into one HTML page
///
/// The page needs nothing else and no network. The figures are saved beside it as SVG and PNG, each with its numbers as .npy. Of a
/// damaged or unfinished run it shows what it can, and the page says what is missing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Where to write; an earlier report there is replaced if nobody has changed it [default: RUN/report]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Which networks to show
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    over: Shown,
}

/// Which networks a report shows.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Shown {
    /// Of those that converged, one of each that are the same by `duplicates --by symmetry`
    #[default]
    Unique,
    /// All that converged, or were evaluated without a verdict
    Converged,
    /// All that are computed and finite
    All,
}

impl From<Shown> for Selection {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Unique => Self::Unique,
            Shown::Converged => Self::Converged,
            Shown::All => Self::All,
        }
    }
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        interruption::leaves("the next report replaces what there is of this one: start again");
        let run = Run::open(&self.run)?;
        // No report stands on a claim that is not true; a column that cannot be read only costs what needs it.
        if let Err(error @ (RunError::Incomplete { .. } | RunError::Changed { .. })) = run.check_complete() {
            return Err(error.into());
        }
        let out = match self.out {
            Some(out) => out,
            None => run.inner_folder("report")?,
        };
        let mut output = report_files::directory(&out)?;
        let watched = Watched::start("reading the run");
        let report = report_of_run(&run, self.over.into(), &watched);
        drop(watched);
        report_files::save(&report, &out, &mut output)?;
        report.tables.iter().try_for_each(|table| print(&table.to_text()))
    }
}
