//! Going on with a run in a directory, and giving a finished one more seeds or steps.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharpsweep::run::{More, RunError, State};
use sharpsweep::sitting::{Listener, Sitting, SittingError, open, tidy};
use sharpsweep::spec::parse_seeds;

use crate::options::{EngineOptions, parsed};
use crate::run::Directory;
use crate::sweep::raised;
use crate::work::{Audience, attend};

/// What is to be done with a run.
struct Going {
    dir: PathBuf,
    more: More,
}

impl Going {
    /// Whether there is anything to do. If not, what a crash left undone is ended.
    fn is_needed(&self, listener: &dyn Listener) -> Result<bool, RunError> {
        let run = open(&self.dir)?;
        let is_needed = if self.more == More::default() {
            run.manifest().state != State::Finished
        } else {
            run.extended(&self.more)?.is_some()
        };
        if !is_needed {
            let what = if self.more == More::default() { "is finished" } else { "holds that already" };
            tidy(&run)?.iter().for_each(|begun| listener.notice(begun));
            listener.notice(&format!("{} {what}: nothing to do", self.dir.display()));
        }
        Ok(is_needed)
    }

    fn on(&self, sitting: &Sitting<'_>) -> Result<(), SittingError> {
        if self.more == More::default() {
            sitting.finish(&open(&self.dir)?).map(|_| ())
        } else {
            sitting.extend(&self.dir, &self.more)
        }
    }
}

/// How to go on with the run in `dir`.
pub(crate) fn go_on(dir: &Path) -> String {
    format!("go on with: sharpsweep.resume({:?})", dir.display().to_string())
}

/// Goes on with the run in `dir`. `options` has the fields of `EngineOptions`.
#[pyfunction]
pub(crate) fn resume<'py>(
    py: Python<'py>,
    dir: PathBuf,
    seeds: Option<String>,
    max_steps: Option<u32>,
    options: &Bound<'py, PyDict>,
    progress: Option<Bound<'py, PyAny>>,
    notice: Option<Bound<'py, PyAny>>,
) -> PyResult<Directory> {
    let engine: EngineOptions = options.extract()?;
    let (request, memory) = (engine.request()?, engine.memory()?);
    let seeds = seeds.map(|text| parsed("seeds", &text, parse_seeds)).transpose()?;
    let going = Going { dir: dir.clone(), more: More { seeds, max_steps } };
    let done = attend(py, &Audience { progress, notice }, move |stop, reporter| {
        if !going.is_needed(reporter)? {
            return Ok(());
        }
        let choice = request.choose_as(&open(&going.dir)?.manifest().engine)?;
        reporter.notice(&choice.reason);
        going.on(&Sitting { choice: &choice, memory, stop, listener: reporter })
    })?;
    done.map_err(|error| raised(&error, &go_on(&dir)))?;
    Directory::open(&dir)
}
