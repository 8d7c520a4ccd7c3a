//! The files of a report: one HTML page, its figures, and the list by which the next report knows them.

use std::path::{Path, PathBuf};

use super::drawing::FigureError;
use super::pages::Report;
use crate::run::{Output, RunError, check_free};

/// The page's name in a report directory.
const PAGE: &str = "report.html";

/// The list of the files of a report, with what tells whether they are as they were left.
const FILES: &str = "files.json";

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file is in the way, or cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The directory holds a page, but not the list of what a report left.
    #[error(
        "{} already holds other files, with a {PAGE} but without {FILES}, the list of what a report left: it is yours, \
         or that of a report by 0.1. Remove it, or choose another --out; nothing was changed", .0.display()
    )]
    Unlisted(PathBuf),
    /// The numbers of a figure cannot be written.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// The page failed.
    #[error("{0}")]
    Page(String),
    /// The tables have no JSON.
    #[error("the tables could not be written: {0}")]
    Tables(#[from] serde_json::Error),
}

/// A directory for a report.
#[derive(Debug)]
pub struct ReportFiles {
    dir: PathBuf,
    output: Output,
}

impl ReportFiles {
    /// The directory `dir`; it may hold an earlier report, and nothing else that is in the way.
    ///
    /// # Errors
    /// [`ReportError`] if something is.
    pub fn over_an_earlier_report(dir: &Path) -> Result<Self, ReportError> {
        let files = Self::beside_others(dir)?;
        if !dir.join(FILES).is_file() {
            check_unlisted(dir)?;
        }
        files.output.check(PAGE)?;
        Ok(files)
    }

    /// The directory `dir`, which may hold other files.
    ///
    /// # Errors
    /// [`ReportError`] for a list of an earlier report that cannot be read.
    pub fn beside_others(dir: &Path) -> Result<Self, ReportError> {
        Ok(Self { dir: dir.to_owned(), output: Output::again(dir, FILES)? })
    }

    /// Writes the page and the figures. What the page warns of, and where the files are, one sentence each.
    ///
    /// # Errors
    /// [`ReportError`]; then nothing of somebody else's was replaced.
    pub fn save(&mut self, report: &Report) -> Result<Vec<String>, ReportError> {
        let mut files = Vec::new();
        for figure in &report.figures {
            files.extend(figure.files()?.into_iter().map(|(name, content)| (format!("figures/{name}"), content)));
        }
        files.push((PAGE.into(), report.to_html().map_err(ReportError::Page)?.into_bytes()));
        self.output.write(&files)?;
        let mut said: Vec<String> = report.plain_notices().iter().map(|text| format!("note: {text}")).collect();
        let (figures, page) = (self.dir.join("figures"), self.dir.join(PAGE));
        let (count, figures, page) = (report.figures.len(), figures.display(), page.display());
        said.push(format!("{count} figures in {figures}, the report in {page}"));
        Ok(said)
    }

    /// Writes the tables of `report` as JSON into `tables.json`.
    ///
    /// # Errors
    /// [`ReportError`] as [`Self::save`].
    pub fn save_tables(&mut self, report: &Report) -> Result<(), ReportError> {
        let tables = serde_json::to_string_pretty(&report.tables)?;
        Ok(self.output.write(&[("tables.json".into(), format!("{tables}\n").into_bytes())])?)
    }
}

/// Fails if `dir` holds anything, though no list of what a report left there.
fn check_unlisted(dir: &Path) -> Result<(), ReportError> {
    check_free(dir).map_err(
        |error| {
            if dir.join(PAGE).is_file() { ReportError::Unlisted(dir.to_owned()) } else { error.into() }
        },
    )
}
