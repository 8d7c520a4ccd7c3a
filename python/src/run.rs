//! Runs, in memory and in directories.

use std::path::{Path, PathBuf};

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharpsweep::run::{Manifest, Population, Run, State, is_grid};
use sharpsweep::spec::Experiment;
use sharpsweep::summary::{InMemoryRun, Summary, SummarySource, ValuesView};

use crate::arrays::data_to_numpy;
use crate::errors::{Failure, error, value_error};
use crate::options::named;

/// A finished run in memory, but for its columns, which Python owns.
#[pyclass(frozen, module = "sharpsweep._native")]
pub(crate) struct Memory {
    pub(crate) manifest: Manifest,
    pub(crate) experiment: Experiment,
}

/// A column of one number per row.
#[derive(FromPyObject)]
enum Plain<'py> {
    Float64(PyReadonlyArray1<'py, f64>),
    Uint32(PyReadonlyArray1<'py, u32>),
    Uint8(PyReadonlyArray1<'py, u8>),
}

impl Plain<'_> {
    fn view(&self) -> Option<ValuesView<'_>> {
        match self {
            Self::Float64(values) => values.as_slice().ok().map(ValuesView::Float64),
            Self::Uint32(values) => values.as_slice().ok().map(ValuesView::Uint32),
            Self::Uint8(values) => values.as_slice().ok().map(ValuesView::Uint8),
        }
    }
}

/// The summary of `run` over the networks called `over`.
fn summary(run: &dyn SummarySource, over: Option<&str>) -> PyResult<String> {
    let over: Option<Population> = over.map(|text| named("over", text)).transpose()?;
    if over == Some(Population::Converged) && !run.manifest().spec.work.is_judged() {
        return Err(value_error(
            "no network is known to have converged: they were evaluated without --tolerance. Use --over all, or \
             evaluate with --tolerance",
        ));
    }
    Summary::of(run, over).map(|summary| summary.to_string()).map_err(|error| error.raised())
}

fn json(manifest: &Manifest) -> PyResult<String> {
    serde_json::to_string(manifest).map_err(|problem| error(&problem.to_string()))
}

#[pymethods]
impl Memory {
    /// The manifest as JSON.
    fn manifest(&self) -> PyResult<String> {
        json(&self.manifest)
    }

    /// The data by name.
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        data_to_numpy(py, &self.experiment.problem.data, self.experiment.test.as_ref())
    }

    /// The summary of `columns`, the run's own.
    #[pyo3(signature = (columns, over))]
    fn summary(&self, columns: &Bound<'_, PyDict>, over: Option<&str>) -> PyResult<String> {
        let plain: Vec<(String, Plain<'_>)> =
            columns.iter().filter_map(|(name, values)| Some((name.extract().ok()?, values.extract().ok()?))).collect();
        let columns = plain.iter().filter_map(|(name, values)| Some((name.as_str(), values.view()?))).collect();
        summary(&InMemoryRun { manifest: &self.manifest, experiment: &self.experiment, columns, theta: None }, over)
    }
}

/// A run directory.
#[pyclass(frozen, module = "sharpsweep._native")]
pub(crate) struct Directory {
    run: Run,
}

impl Directory {
    pub(crate) fn open(dir: &Path) -> PyResult<Self> {
        Run::open(dir).map(|run| Self { run }).map_err(|error| error.raised())
    }
}

#[pymethods]
impl Directory {
    #[new]
    fn new(dir: PathBuf) -> PyResult<Self> {
        let directory = Self::open(&dir)?;
        directory.run.check_complete().map_err(|error| error.raised())?;
        Ok(directory)
    }

    /// Whether the directory holds a grid of runs.
    #[staticmethod]
    fn is_grid(dir: PathBuf) -> bool {
        is_grid(&dir)
    }

    /// The manifest as JSON.
    fn manifest(&self) -> PyResult<String> {
        json(self.run.manifest())
    }

    /// Whether every row is written.
    fn finished(&self) -> bool {
        self.run.manifest().state == State::Finished
    }

    /// The data by name.
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let experiment = self.run.experiment().map_err(|error| error.raised())?;
        data_to_numpy(py, &experiment.problem.data, experiment.test.as_ref())
    }

    /// The summary of the written rows.
    #[pyo3(signature = (over))]
    fn summary(&self, over: Option<&str>) -> PyResult<String> {
        summary(&self.run, over)
    }
}
