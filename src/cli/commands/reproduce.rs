//! `sharpsweep reproduce`: the paper's experiment, its numbers and its figures.

use std::ops::Range;
use std::path::PathBuf;

use crate::cli::args::{EngineArgs, OutputArgs, ProgressArgs};
use crate::cli::failure::Failure;
use crate::cli::runner::{RunSetup, failure};
use crate::cli::terminal::{notice, print, print_json};
use crate::reproduction::{Reproduction, ReproductionError};
use crate::spec::parse_seeds;

/// Runs the paper's experiment and sets every published number and figure beside what is found here
///
/// N = 3 and N = 10 on several draws of the data (the paper's draw is not published), duplicates by the paper's rule,
/// spectra and tests; a table of published numbers against the spread of the draws; figures 2 to 13 as SVG and PNG with
/// their numbers; and one HTML page.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many seeds (from 0), or a range A..B without B, for each width and draw
    #[arg(long, value_name = "S|A..B", default_value = "500", value_parser = parse_seeds)]
    seeds: Range<u64>,
    /// How many draws of the data (from 0), or a range A..B without B; the figures show the first
    #[arg(long, value_name = "K|A..B", default_value = "8", value_parser = parse_seeds)]
    data_seeds: Range<u64>,
    /// The directory to write to; it must not hold anything yet
    #[arg(long, value_name = "DIR", default_value = "runs/reproduce")]
    out: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let reproduction = Reproduction { seeds: self.seeds, data_seeds: self.data_seeds };
        let out = self.out.as_path();
        reproduction.check(out)?.iter().for_each(|text| notice(text));
        let choice = &self.engine.choose()?;
        let go_on = format!(
            "the runs under {} stay, and `sharpsweep report` shows each: a reproduction starts again elsewhere",
            out.display()
        );
        let setup = RunSetup { choice, progress: &self.progress };
        let report = setup.sit(&go_on, |sitting| reproduction.run(out, sitting)).map_err(|error| match error {
            ReproductionError::Sitting(error) => failure(error, &go_on),
            error => error.into(),
        })?;
        if self.output.json {
            print_json(&report.tables)
        } else {
            report.tables.iter().try_for_each(|table| print(&table.to_text()))
        }
    }
}
