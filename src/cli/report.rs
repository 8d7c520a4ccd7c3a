//! `sharpsweep report`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::progress::Watched;
use super::{Failure, interruption, notice, print};
use crate::report::{self, Report, report_of_run};
use crate::run::{Output, Run, RunError, check_free};

/// The page's name in a report directory.
pub(super) const PAGE: &str = "report.html";

/// The list of the files of a report, with what tells whether they are as they were left.
pub(super) const FILES: &str = "files.json";

/// Draws the paper's figures for a run and writes them with tables into one HTML page
///
/// The page needs nothing else and no network. The figures are saved beside it as SVG and PNG, each with its numbers as .npy. What a
/// damaged or unfinished run still allows is shown, and the page says what is missing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Where to write; an earlier report there is replaced where nobody has changed it [default: RUN/report]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Which networks are shown
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    over: Over,
}

/// Which networks a report shows.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Over {
    /// Of those that converged, one of each that are the same by `duplicates --by symmetry`
    #[default]
    Unique,
    /// All that converged, or were evaluated without a verdict
    Converged,
    /// All that are computed and finite
    All,
}

impl From<Over> for report::Selection {
    fn from(over: Over) -> Self {
        match over {
            Over::Unique => Self::Unique,
            Over::Converged => Self::Converged,
            Over::All => Self::All,
        }
    }
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        interruption::leaves("what there is of the report is replaced by the next: start again");
        let run = Run::open(&self.run)?;
        // A claim that is not true is no report's ground; a column that cannot be read only costs what needs it.
        if let Err(error @ (RunError::Incomplete { .. } | RunError::Changed { .. })) = run.check_complete() {
            return Err(error.into());
        }
        let out = match self.out {
            Some(out) => out,
            None => run.inner_folder("report")?,
        };
        let mut output = Output::again(&out, FILES)?;
        if !out.join(FILES).is_file() {
            check_listed(&out)?;
        }
        output.check(PAGE)?;
        let watched = Watched::start("reading the run");
        let report = report_of_run(&run, self.over.into(), &watched);
        drop(watched);
        save(&report, &out, &mut output)?;
        report.tables.iter().try_for_each(|table| print(&table.to_text()))
    }
}

/// Fails if `out` holds anything, though no list of what a report left there.
fn check_listed(out: &Path) -> Result<(), Failure> {
    let page = out.join(PAGE);
    check_free(out).map_err(|error| {
        if !page.is_file() {
            return error.into();
        }
        Failure::Failed(anyhow::anyhow!(
            "{} already holds other files, with a {PAGE} but without {FILES}, the list of what a report left: it is yours, or that of a \
             report by 0.1. Remove it, or choose another --out; nothing was changed",
            out.display()
        ))
    })
}

/// Writes the page and the figures into `dir`, and tells what the page warns of.
pub(super) fn save(report: &Report, dir: &Path, output: &mut Output) -> Result<(), Failure> {
    let mut files = Vec::new();
    for figure in &report.figures {
        files.extend(figure.files()?.into_iter().map(|(name, content)| (format!("figures/{name}"), content)));
    }
    files.push((PAGE.into(), report.to_html().map_err(anyhow::Error::msg)?.into_bytes()));
    output.write(&files)?;
    report.plain_notices().iter().for_each(|text| notice(&format!("note: {text}")));
    let (figures, page) = (dir.join("figures"), dir.join(PAGE));
    notice(&format!("{} figures in {}, the report in {}", report.figures.len(), figures.display(), page.display()));
    Ok(())
}
