//! The paper's experiment.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharpsweep::report::{html, plain};
use sharpsweep::reproduction::{Reproduction, ReproductionError};
use sharpsweep::sitting::{Listener, Sitting, SittingError};
use sharpsweep::spec::parse_seeds;

use crate::errors::Failure;
use crate::options::{EngineOptions, parsed};
use crate::sweep::raised;
use crate::work::{Audience, attend};

/// Runs the paper's experiment into `out`. `options` has the fields of `EngineOptions`.
#[pyfunction]
pub(crate) fn reproduce<'py>(
    py: Python<'py>,
    seeds: String,
    data_seeds: String,
    out: PathBuf,
    options: &Bound<'py, PyDict>,
    progress: Option<Bound<'py, PyAny>>,
    notice: Option<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let engine: EngineOptions = options.extract()?;
    let (request, memory) = (engine.request()?, engine.memory()?);
    let seeds = parsed("seeds", &seeds, parse_seeds)?;
    let data_seeds = parsed("data_seeds", &data_seeds, parse_seeds)?;
    let reproduction = Reproduction { seeds, data_seeds };
    let dir = out.display().to_string();
    let done = attend(py, &Audience { progress, notice }, move |stop, reporter| {
        reproduction.check(&out)?.iter().for_each(|text| reporter.notice(text));
        let choice = request.choose().map_err(SittingError::from)?;
        reporter.notice(&choice.reason);
        reproduction.run(&out, &Sitting { choice: &choice, memory, stop, listener: reporter })?;
        Ok(())
    })?;
    done.map_err(|failed| match failed {
        ReproductionError::Sitting(failed) => {
            raised(&failed, &format!("the runs under {dir} stay: a reproduction starts again elsewhere"))
        }
        failed => failed.raised(),
    })
}

/// The text of a table without its marks, and in HTML.
#[pyfunction]
pub(crate) fn marked(text: &str) -> (String, String) {
    (plain(text), html(text))
}
