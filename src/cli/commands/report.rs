//! `sharpsweep report`: figures, tables and a page for a run.

use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::cli::interruption;
use crate::cli::progress::Watched;
use crate::cli::terminal::{notice, print};
use crate::report::{ReportFiles, Selection, report_of_run};
use crate::run::{Run, RunError};

/// Draws the paper's figures for a run and writes them with tables into one HTML page
///
/// The page needs nothing else and no network. The figures are saved beside it as SVG and PNG, each with its numbers as
/// .npy. Of a damaged or unfinished run it shows what it can, and the page says what is missing.
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
    over: Selection,
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
        let mut files = ReportFiles::over_an_earlier_report(&out)?;
        let watched = Watched::start("reading the run");
        let report = report_of_run(&run, self.over, &watched);
        drop(watched);
        files.save(&report)?.iter().for_each(|text| notice(text));
        report.tables.iter().try_for_each(|table| print(&table.to_text()))
    }
}
