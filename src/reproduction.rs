//! The paper's experiment, on several draws of its data: the runs, the tables against the published numbers, the
//! figures.

use std::ops::Range;
use std::path::Path;

use crate::engine::Descent;
use crate::model::Activation;
use crate::records::{Column, Dtype, columns};
use crate::report::{CriticalPoints, DataDraw, Report, ReportError, ReportFiles, Selection, report_of_reproduction};
use crate::run::{Run, RunError, RunWriter, announced_size, check_free, check_space};
use crate::sitting::{Sitting, SittingError};
use crate::spec::{Experiment, SpecError, Work, appendix_c_data};

/// The widths of the paper's experiment.
const WIDTHS: [usize; 2] = [3, 10];
/// I, the paper's training samples.
const SAMPLES: usize = 50;

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reproduction {
    /// The seeds of the networks, for each width and draw.
    pub seeds: Range<u64>,
    /// The draws of the data. The figures show the first.
    pub data_seeds: Range<u64>,
}

/// Why a reproduction failed.
#[derive(Debug, thiserror::Error)]
pub enum ReproductionError {
    /// The experiment makes no sense.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A run failed, or the work was asked to stop.
    #[error(transparent)]
    Sitting(#[from] SittingError),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl From<RunError> for ReproductionError {
    fn from(error: RunError) -> Self {
        Self::Sitting(error.into())
    }
}

impl Reproduction {
    /// Fails unless `out` is free and its disk has room for the runs. A sentence on how much they will take, if that is
    /// much.
    ///
    /// # Errors
    /// [`ReproductionError`], before any work.
    pub fn check(&self, out: &Path) -> Result<Option<String>, ReproductionError> {
        check_free(out)?;
        let draws = self.data_seeds.end.saturating_sub(self.data_seeds.start);
        let rows = self.seeds.end.saturating_sub(self.seeds.start).saturating_mul(draws);
        let runs = WIDTHS.map(|hidden| self.experiment(self.data_seeds.start, hidden));
        let runs = runs.into_iter().collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<Vec<Column>> = runs.iter().map(|run| columns(&run.spec, Dtype::Float32)).collect();
        let sizes = columns.iter().map(|columns| (rows, columns.as_slice()));
        check_space(out, sizes.clone()).map_err(RunError::from)?;
        Ok(announced_size(sizes, None))
    }

    /// Trains both widths on every draw of the data, each in a directory `data-seed-K/nN` of `out`, and leaves the
    /// page, the figures and `tables.json` beside them.
    ///
    /// # Errors
    /// [`ReproductionError`]; the runs that are finished stay.
    pub fn run(&self, out: &Path, sitting: &Sitting<'_>) -> Result<Report, ReproductionError> {
        let listener = sitting.listener;
        let mut notices = Vec::new();
        let (mut draws, mut shown) = (Vec::new(), Vec::new());
        for data_seed in self.data_seeds.clone() {
            let mut points = Vec::new();
            for hidden in WIDTHS {
                let run = self.sweep(out, sitting, data_seed, hidden)?;
                let mut found = Vec::new();
                let watch = listener.watch("reading the run");
                points.push(CriticalPoints::of(&run, Selection::UniqueByDistance, &mut found, watch.as_ref()));
                drop(watch);
                notices.extend(found.into_iter().map(|text| format!("Data seed {data_seed}, N = {hidden}: {text}")));
                if data_seed == self.data_seeds.start {
                    shown.push(run);
                }
            }
            // Two widths, so two runs.
            if let Ok([narrow, wide]) = <[CriticalPoints; 2]>::try_from(points) {
                listener.notice(&format!(
                    "data seed {data_seed}: N = 3 {} converged, {} unique; N = 10 {} converged, {} unique",
                    narrow.converged,
                    narrow.rows.len(),
                    wide.converged,
                    wide.rows.len()
                ));
                draws.push(DataDraw { data_seed, narrow, wide });
            }
        }
        let [narrow, wide] = shown.as_slice() else { return Ok(Report::default()) };
        let watch = listener.watch("figures");
        let report = report_of_reproduction(&draws, [narrow, wide], notices, watch.as_ref());
        drop(watch);
        sitting.stop.check().map_err(SittingError::from)?;
        let mut files = ReportFiles::beside_others(out)?;
        files.save(&report)?.iter().for_each(|text| listener.notice(text));
        files.save_tables(&report)?;
        Ok(report)
    }

    fn experiment(&self, data_seed: u64, hidden: usize) -> Result<Experiment, SpecError> {
        let (train, test) = appendix_c_data(SAMPLES, data_seed)?;
        let work = Work::sweep(self.seeds.clone(), Descent::default());
        Experiment::new(work, hidden, Activation::Sigmoid, train, Some(test))
    }

    fn sweep(
        &self,
        out: &Path,
        sitting: &Sitting<'_>,
        data_seed: u64,
        hidden: usize,
    ) -> Result<Run, ReproductionError> {
        sitting.stop.check().map_err(SittingError::from)?;
        let dir = out.join(format!("data-seed-{data_seed}")).join(format!("n{hidden}"));
        let experiment = self.experiment(data_seed, hidden)?;
        let engine = sitting.choice.open().map_err(SittingError::from)?;
        let columns = columns(&experiment.spec, Dtype::Float32);
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        let writer = RunWriter::create(&dir, &experiment, description, columns)?;
        Ok(sitting.carry_out(&sitting.sweep(&experiment, None), engine, writer)?)
    }
}
