//! `sharpsweep reproduce`: the paper's experiment, its numbers and its figures.

use std::ops::Range;
use std::path::PathBuf;

use crate::backend::Choice;
use crate::cli::args::{EngineArgs, OutputArgs, ProgressArgs};
use crate::cli::failure::Failure;
use crate::cli::interruption;
use crate::cli::place::announce_size;
use crate::cli::report_files::{FILES, save};
use crate::cli::runner::RunSetup;
use crate::cli::terminal::{notice, print};
use crate::engine::Descent;
use crate::model::Activation;
use crate::records::{Column, Dtype, columns};
use crate::report::{CriticalPoints, DataDraw, Selection, report_of_reproduction};
use crate::run::{Output, Run, RunWriter, check_free, check_space};
use crate::spec::{Experiment, SpecError, Work, appendix_c_data, parse_seeds};

/// The widths of the paper's experiment.
const WIDTHS: [usize; 2] = [3, 10];
/// I, the paper's training samples.
const SAMPLES: usize = 50;

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
        check_free(&self.out)?;
        let draws = self.data_seeds.end - self.data_seeds.start;
        let rows = (self.seeds.end - self.seeds.start).saturating_mul(draws);
        let runs = WIDTHS.map(|hidden| self.experiment(self.data_seeds.start, hidden));
        let runs = runs.into_iter().collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<Vec<Column>> = runs.iter().map(|run| columns(&run.spec, Dtype::Float32)).collect();
        check_space(&self.out, columns.iter().map(|columns| (rows, columns.as_slice())))?;
        announce_size(columns.iter().map(|columns| (rows, columns.as_slice())), None);
        let choice = self.engine.choose()?;
        let mut notices = Vec::new();
        let (mut draws, mut shown) = (Vec::new(), Vec::new());
        for data_seed in self.data_seeds.clone() {
            interruption::check()?;
            let mut points = Vec::new();
            for hidden in WIDTHS {
                let run = self.sweep(&choice, data_seed, hidden)?;
                let mut found = Vec::new();
                let watched = self.progress.watch("reading the run");
                points.push(CriticalPoints::of(&run, Selection::UniqueByDistance, &mut found, &watched));
                drop(watched);
                notices.extend(found.into_iter().map(|text| format!("Data seed {data_seed}, N = {hidden}: {text}")));
                if data_seed == self.data_seeds.start {
                    shown.push(run);
                }
            }
            // Two widths, so two runs.
            if let Ok([narrow, wide]) = <[CriticalPoints; 2]>::try_from(points) {
                notice(&format!(
                    "data seed {data_seed}: N = 3 {} converged, {} unique; N = 10 {} converged, {} unique",
                    narrow.converged,
                    narrow.rows.len(),
                    wide.converged,
                    wide.rows.len()
                ));
                draws.push(DataDraw { data_seed, narrow, wide });
            }
        }
        let [narrow, wide] = shown.as_slice() else { return Ok(()) };
        let watched = self.progress.watch("figures");
        let report = report_of_reproduction(&draws, [narrow, wide], notices, &watched);
        drop(watched);
        let mut output = Output::again(&self.out, FILES)?;
        save(&report, &self.out, &mut output)?;
        let tables = serde_json::to_string_pretty(&report.tables)?;
        output.write(&[("tables.json".into(), format!("{tables}\n").into_bytes())])?;
        if self.output.json {
            print(&tables)
        } else {
            report.tables.iter().try_for_each(|table| print(&table.to_text()))
        }
    }

    fn experiment(&self, data_seed: u64, hidden: usize) -> Result<Experiment, SpecError> {
        let (train, test) = appendix_c_data(SAMPLES, data_seed)?;
        let work = Work::sweep(self.seeds.clone(), Descent::default());
        Experiment::new(work, hidden, Activation::Sigmoid, train, Some(test))
    }

    fn sweep(&self, choice: &Choice, data_seed: u64, hidden: usize) -> Result<Run, Failure> {
        let dir = self.out.join(format!("data-seed-{data_seed}")).join(format!("n{hidden}"));
        let experiment = self.experiment(data_seed, hidden)?;
        let engine = choice.open()?;
        let columns = columns(&experiment.spec, Dtype::Float32);
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        let writer = RunWriter::create(&dir, &experiment, description, columns)?;
        let go_on = format!(
            "the runs under {} stay, and `sharpsweep report` shows each: a reproduction starts again elsewhere",
            self.out.display()
        );
        let setup = RunSetup { choice, progress: &self.progress };
        setup.carry_out(&setup.sweep(&experiment), engine, writer, &go_on)
    }
}
