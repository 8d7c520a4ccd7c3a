//! The files of a report: one HTML page, its figures, and the list by which the next report knows them.

use std::path::Path;

use super::failure::Failure;
use super::terminal::notice;
use crate::report::Report;
use crate::run::{Output, check_free};

/// The page's name in a report directory.
const PAGE: &str = "report.html";

/// The list of the files of a report, with what tells whether they are as they were left.
pub(super) const FILES: &str = "files.json";

/// The directory `out` for a report; it may hold an earlier one, and nothing else that is in the way.
pub(super) fn directory(out: &Path) -> Result<Output, Failure> {
    let output = Output::again(out, FILES)?;
    if !out.join(FILES).is_file() {
        check_unlisted(out)?;
    }
    output.check(PAGE)?;
    Ok(output)
}

/// Fails if `out` holds anything, though no list of what a report left there.
fn check_unlisted(out: &Path) -> Result<(), Failure> {
    check_free(out).map_err(|error| {
        if !out.join(PAGE).is_file() {
            return error.into();
        }
        Failure::Failed(anyhow::anyhow!(
            "{} already holds other files, with a {PAGE} but without {FILES}, the list of what a report left: it is \
             yours, or that of a report by 0.1. Remove it, or choose another --out; nothing was changed",
            out.display()
        ))
    })
}

/// Writes the page and the figures into `output`, which is `dir`, and says what the page warns of.
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
