//! Printing the summary of a run.

use super::args::SummaryArgs;
use super::failure::Failure;
use super::interruption;
use super::terminal::{print, print_json};
use super::words::{show_with, unfinished};
use crate::run::{Run, State};
use crate::summary::Summary;

/// Prints the summary of `run`, which was just finished.
pub(super) fn show_finished(run: &Run, args: &SummaryArgs) -> Result<(), Failure> {
    interruption::leaves(format!("the run is finished; {}", show_with(run.dir())));
    show(run, args)
}

/// Prints the summary of `run` to stdout: that of its written rows, if it is not finished.
pub(super) fn show(run: &Run, args: &SummaryArgs) -> Result<(), Failure> {
    let spec = &run.manifest().spec;
    args.check(&spec.work)?;
    let summary = Summary::of(run, args.over)?;
    if args.output.json {
        return print_json(&summary);
    }
    print(&summary.to_string())?;
    match run.manifest().state {
        State::Finished => Ok(()),
        State::Running => print(&unfinished(summary.written, spec.rows(), run.dir())),
    }
}
