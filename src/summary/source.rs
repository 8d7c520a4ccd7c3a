//! What a summary is made of.

use std::path::Path;

use ndarray::Array2;

use crate::engine::Status;
use crate::model::{Dataset, Theta};
use crate::records::Values;
use crate::run::{EndCounts, Manifest, Population, Run, RunError, StatusCounts};
use crate::spec::Experiment;

/// A run, wherever its columns are.
pub trait SummarySource {
    /// What was run, and how it went.
    fn manifest(&self) -> &Manifest;

    /// The directory; `None` for a run in memory.
    fn dir(&self) -> Option<&Path>;

    /// The training and the test data.
    ///
    /// # Errors
    /// [`RunError`] if they cannot be read.
    fn data(&self) -> Result<(Dataset, Option<Dataset>), RunError>;

    /// How the networks of the written rows ended.
    ///
    /// # Errors
    /// [`RunError`] if the column `status` cannot be read.
    fn outcome(&self) -> Result<StatusCounts, RunError>;

    /// Where the descents of the networks of `over` end; `None` for a run without the column `end`.
    ///
    /// # Errors
    /// [`RunError`] if a column cannot be read.
    fn ends(&self, over: Population) -> Result<Option<EndCounts>, RunError>;

    /// Hands the value of column `name`, f64 or u32, of every network of `over` to `take`, in seed order.
    ///
    /// # Errors
    /// [`RunError`] if the column cannot be read or is of another kind.
    fn each_value(&self, name: &str, over: Population, take: &mut dyn FnMut(f64)) -> Result<(), RunError>;

    /// Hands the values of the float64 columns `names` of every written row to `take`, in seed order.
    ///
    /// # Errors
    /// [`RunError`] if a column cannot be read or is of another kind.
    fn each_row(&self, names: &[&str], take: &mut dyn FnMut(&[f64])) -> Result<(), RunError>;

    /// The weights of the first `count` networks that ended as `status`, (count or fewer, D); `None` for a run without
    /// the column `theta`.
    ///
    /// # Errors
    /// [`RunError`] if a column cannot be read.
    fn weights_of_first(&self, status: Status, count: usize) -> Result<Option<Array2<f64>>, RunError>;
}

/// Whether `run` has a column of this name.
pub(super) fn has(run: &dyn SummarySource, name: &str) -> bool {
    run.manifest().columns.iter().any(|column| column.name == name)
}

impl SummarySource for Run {
    fn manifest(&self) -> &Manifest {
        self.manifest()
    }

    fn dir(&self) -> Option<&Path> {
        Some(self.dir())
    }

    fn data(&self) -> Result<(Dataset, Option<Dataset>), RunError> {
        self.experiment().map(|experiment| (experiment.problem.data, experiment.test))
    }

    fn outcome(&self) -> Result<StatusCounts, RunError> {
        self.outcome()
    }

    fn ends(&self, over: Population) -> Result<Option<EndCounts>, RunError> {
        self.ends(over)
    }

    fn each_value(&self, name: &str, over: Population, take: &mut dyn FnMut(f64)) -> Result<(), RunError> {
        self.each_value(name, over, take)
    }

    fn each_row(&self, names: &[&str], take: &mut dyn FnMut(&[f64])) -> Result<(), RunError> {
        self.each_row(names, take)
    }

    fn weights_of_first(&self, status: Status, count: usize) -> Result<Option<Array2<f64>>, RunError> {
        if self.has("theta") { self.weights_of_first(status, count).map(Some) } else { Ok(None) }
    }
}

/// The rows of a column of one number each, whoever owns them.
#[derive(Debug, Clone, Copy)]
pub enum ValuesView<'a> {
    /// u8 rows.
    Uint8(&'a [u8]),
    /// u32 rows.
    Uint32(&'a [u32]),
    /// f64 rows.
    Float64(&'a [f64]),
}

impl<'a> ValuesView<'a> {
    /// The rows of `values`; `None` for a type that no summary reads.
    pub fn of(values: &'a Values) -> Option<Self> {
        match values {
            Values::Uint8(values) => Some(Self::Uint8(values)),
            Values::Uint32(values) => Some(Self::Uint32(values)),
            Values::Float64(values) => Some(Self::Float64(values)),
            Values::Uint64(_) | Values::Float32(_) => None,
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Uint8(values) => values.len(),
            Self::Uint32(values) => values.len(),
            Self::Float64(values) => values.len(),
        }
    }

    fn at(self, row: usize) -> f64 {
        match self {
            Self::Uint8(values) => f64::from(values[row]),
            Self::Uint32(values) => f64::from(values[row]),
            Self::Float64(values) => values[row],
        }
    }
}

/// A finished run in memory.
#[derive(Debug, Clone)]
pub struct InMemoryRun<'a> {
    /// What was run, and how it went.
    pub manifest: &'a Manifest,
    /// The experiment with its data.
    pub experiment: &'a Experiment,
    /// The columns of one number per row, by name.
    pub columns: Vec<(&'a str, ValuesView<'a>)>,
    /// The column `theta`, (S, D), for those who ask for weights.
    pub theta: Option<Theta<'a>>,
}

impl<'a> InMemoryRun<'a> {
    fn column(&self, name: &str) -> Result<ValuesView<'a>, RunError> {
        let rows = self.manifest.spec.rows();
        let found = self.columns.iter().find(|(other, _)| *other == name).map(|(_, values)| *values);
        found.filter(|values| values.len() as u64 == rows).ok_or_else(|| RunError::Column {
            path: name.into(),
            problem: format!("the run in memory has no such column of {rows} rows with one number each"),
        })
    }

    fn status(&self) -> Result<&'a [u8], RunError> {
        match self.column("status")? {
            ValuesView::Uint8(status) => Ok(status),
            _ => Err(RunError::Column { path: "status".into(), problem: "the column does not hold u8".into() }),
        }
    }
}

impl SummarySource for InMemoryRun<'_> {
    fn manifest(&self) -> &Manifest {
        self.manifest
    }

    fn dir(&self) -> Option<&Path> {
        None
    }

    fn data(&self) -> Result<(Dataset, Option<Dataset>), RunError> {
        Ok((self.experiment.problem.data.clone(), self.experiment.test.clone()))
    }

    fn outcome(&self) -> Result<StatusCounts, RunError> {
        let mut counts = StatusCounts::default();
        counts.count(self.status()?);
        Ok(counts)
    }

    fn ends(&self, over: Population) -> Result<Option<EndCounts>, RunError> {
        let Ok(ValuesView::Uint8(ends)) = self.column("end") else { return Ok(None) };
        let mut counts = EndCounts::default();
        counts.count(over, ends, self.status()?);
        Ok(Some(counts))
    }

    fn each_value(&self, name: &str, over: Population, take: &mut dyn FnMut(f64)) -> Result<(), RunError> {
        let (values, status) = (self.column(name)?, self.status()?);
        (0..).zip(status).filter(|(_, status)| over.holds(**status)).for_each(|(row, _)| take(values.at(row)));
        Ok(())
    }

    fn each_row(&self, names: &[&str], take: &mut dyn FnMut(&[f64])) -> Result<(), RunError> {
        let columns = names.iter().map(|name| self.column(name)).collect::<Result<Vec<_>, _>>()?;
        let mut values = vec![0.0; names.len()];
        for row in 0..self.status()?.len() {
            values.iter_mut().zip(&columns).for_each(|(value, column)| *value = column.at(row));
            take(&values);
        }
        Ok(())
    }

    fn weights_of_first(&self, status: Status, count: usize) -> Result<Option<Array2<f64>>, RunError> {
        let Some(theta) = self.theta else { return Ok(None) };
        let ended = (0..).zip(self.status()?).filter(|(_, number)| **number == status as u8);
        let rows: Vec<usize> = ended.map(|(row, _)| row).take(count).collect();
        Ok(Some(theta.select(&rows)))
    }
}
