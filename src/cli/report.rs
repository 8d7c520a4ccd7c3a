//! `sharpsweep report`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Failure, interruption, notice, print};
use crate::report::{Report, report_of_run};
use crate::run::{Run, check_free};

/// The page's name in a report directory.
pub(super) const PAGE: &str = "report.html";

/// Draws the paper's figures for a run and writes them with tables into one HTML page
///
/// The page needs nothing else and no network. The figures are saved beside it as SVG and PNG, each with its numbers as .npy. What a
/// damaged or unfinished run still allows is shown, and the page says what is missing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Where to write; an earlier report there is replaced [default: RUN/report]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        interruption::leaves("what there is of the report is replaced by the next: start again");
        let out = self.out.unwrap_or_else(|| self.run.join("report"));
        check_free_for_report(&out)?;
        let report = report_of_run(&Run::open(&self.run)?);
        save(&report, &out)?;
        report.tables.iter().try_for_each(|table| print(&table.to_text()))
    }
}

/// Fails unless `dir` is free or holds an earlier report.
fn check_free_for_report(dir: &Path) -> Result<(), Failure> {
    if !dir.join(PAGE).is_file() {
        check_free(dir)?;
    }
    Ok(())
}

/// Writes the page and the figures into `dir`, and tells what the page warns of.
pub(super) fn save(report: &Report, dir: &Path) -> Result<(), Failure> {
    let figures = dir.join("figures");
    for figure in &report.figures {
        figure.save(&figures)?;
    }
    let page = dir.join(PAGE);
    let html = report.to_html().map_err(anyhow::Error::msg)?;
    let write = || fs::create_dir_all(dir).and_then(|()| fs::write(&page, html));
    write().map_err(|error| anyhow::anyhow!("cannot write {}: {error}", page.display()))?;
    report.plain_notices().iter().for_each(|text| notice(&format!("note: {text}")));
    notice(&format!("{} figures in {}, the report in {}", report.figures.len(), figures.display(), page.display()));
    Ok(())
}
