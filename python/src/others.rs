//! What is not a sweep: adapters, the check of a card, brackets of a matrix, merging.

use std::path::PathBuf;

use ndarray::Array2;
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharpsweep::backend::{Backend, choose};
use sharpsweep::check::{Check, CheckError};
use sharpsweep::engine::Route;
use sharpsweep::fallback::bracket_of_matrix;
use sharpsweep::gpu::{AdapterSummary, Gpu, Tuning, adapters as every_adapter, choose_adapter};
use sharpsweep::run::merge as merge_runs;
use sharpsweep::sitting::Listener;
use sharpsweep::spec::Brackets;

use crate::arrays::data_to_numpy;
use crate::errors::{Failure, error, value_error};
use crate::options::BuiltInData;
use crate::process;
use crate::work::{Audience, Reporter, attend};

fn json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|problem| error(&problem.to_string()))
}

/// Built-in data, by the names of their arrays.
#[pyfunction]
pub(crate) fn built_in_data<'py>(py: Python<'py>, options: BuiltInData) -> PyResult<Bound<'py, PyDict>> {
    let ((train, _), (test, _)) = options.drawn(None)?;
    data_to_numpy(py, &train, Some(&test))
}

/// The adapters of this machine, and which engine is taken by itself, as JSON.
#[pyfunction]
pub(crate) fn adapters(py: Python<'_>) -> PyResult<(String, String)> {
    process::begin()?;
    py.detach(|| {
        let found: Vec<AdapterSummary> = every_adapter().iter().map(|adapter| adapter.summary().clone()).collect();
        let auto = choose(Backend::Auto, None, Route::Auto, Tuning::default()).map_err(|error| error.raised())?;
        Ok((json(&found)?, auto.reason))
    })
}

/// Whether a graphics adapter, or without any the processor, computes what it should, as JSON, and what is off.
#[pyfunction]
pub(crate) fn check<'py>(
    py: Python<'py>,
    adapter: Option<String>,
    progress: Option<Bound<'py, PyAny>>,
    notice: Option<Bound<'py, PyAny>>,
) -> PyResult<(String, Vec<String>)> {
    let found = attend(py, &Audience { progress, notice }, move |stop, reporter| {
        let adapter = match &adapter {
            Some(wanted) => Some(choose_adapter(Some(wanted))?),
            None => every_adapter().into_iter().next(),
        };
        match adapter {
            Some(adapter) => {
                let summary = adapter.summary().clone();
                reporter.notice(&format!("checking {}", summary.label()));
                Check::gpu(&summary, &|tuning| Gpu::new(adapter.clone(), tuning), stop, reporter)
            }
            None => {
                reporter.notice("no Vulkan, Metal or DX12 adapter was found: checking the CPU engine");
                Check::cpu(stop, reporter)
            }
        }
    })?;
    let found: Check = found.map_err(|failed: CheckError| match failed {
        CheckError::Engine(failed) => failed.raised(),
        failed => error(&failed.to_string()),
    })?;
    let off = found.off().iter().map(|comparison| comparison.name.clone()).collect();
    Ok((json(&found)?, off))
}

/// The two brackets of a symmetric matrix, and what gives the ends of the first.
#[pyfunction]
pub(crate) fn bracket<'py>(
    py: Python<'py>,
    matrix: PyReadonlyArray2<'py, f64>,
    asked: &str,
) -> PyResult<([f64; 4], f64, u8)> {
    process::begin()?;
    let asked = Brackets::parse(asked).map_err(|problem| value_error(&format!("brackets: {problem}")))?;
    let matrix: Array2<f64> = matrix.as_array().to_owned();
    let found = py.detach(move || bracket_of_matrix(matrix.view(), asked));
    let found = found.map_err(|refused| value_error(&refused.to_string()))?;
    let ends = [found.lower.bound, found.upper.bound, found.min_lower.bound, found.min_upper.bound];
    Ok((ends, found.width(), found.by()))
}

/// Joins the runs in `dirs`.
#[pyfunction]
pub(crate) fn merge(py: Python<'_>, dirs: Vec<PathBuf>, out: PathBuf, allow_mixed_engines: bool) -> PyResult<()> {
    let nobody = Audience { progress: None, notice: None };
    let merged = attend(py, &nobody, move |stop, _: &Reporter<_>| merge_runs(&dirs, &out, allow_mixed_engines, stop))?;
    merged.map_err(|error| error.raised())
}
