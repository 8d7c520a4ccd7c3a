//! Sweeps and evaluations, into memory or into a directory.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharpsweep::advice;
use sharpsweep::backend::EngineRequest;
use sharpsweep::engine::{Description, Stop};
use sharpsweep::input::GivenTheta;
use sharpsweep::model::Theta;
use sharpsweep::records::{Column, Dtype, columns};
use sharpsweep::room::{NoRoom, check_memory};
use sharpsweep::run::{Manifest, RunError, RunWriter, announced_size, check_free, size};
use sharpsweep::sitting::{Listener, Sitting, SittingError};
use sharpsweep::spec::{Experiment, Keep, Work};
use sharpsweep::summary::SummarySource;
use sharpsweep::sweep::{Columns, admit};

use crate::arrays::{Networks, networks, to_numpy};
use crate::errors::error;
use crate::options::{Data, EngineOptions, Judging, More, Training};
use crate::resume::go_on;
use crate::run::{Directory, Memory};
use crate::work::{Audience, Reporter, attend};

/// What is to be computed, and where.
struct Job {
    experiment: Experiment,
    given: Option<GivenTheta>,
    request: EngineRequest,
    memory: u64,
    out: Option<PathBuf>,
    /// Whether anybody hears advice, which takes time to find.
    advise: bool,
}

/// What a job leaves.
enum Left {
    Columns(Box<Manifest>, Columns),
    Directory(PathBuf),
}

/// The exception for `error`; `go_on` says what to do with a run that is not finished.
pub(crate) fn raised(failed: &SittingError, go_on: &str) -> PyErr {
    error(&failed.with_advice(go_on))
}

impl Job {
    fn run<T: Send>(&self, stop: &Stop, reporter: &Reporter<T>) -> Result<Left, SittingError> {
        let Self { experiment, given, memory, .. } = self;
        if let Some(dir) = &self.out {
            check_free(dir)?;
        }
        let choice = self.request.choose()?;
        reporter.notice(&choice.reason);
        let mut engine = choice.open()?;
        admit(experiment, engine.as_mut())?;
        let theta = given.as_ref().map(GivenTheta::view);
        reporter.advise(&advice::before(experiment, theta, engine.as_ref()));
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        let dtype = given.as_ref().map_or(Dtype::Float32, GivenTheta::dtype);
        let columns = columns(&experiment.spec, dtype);
        let sitting = Sitting { choice: &choice, memory: *memory, stop, listener: reporter };
        let sweep = sitting.sweep(experiment, theta);
        let Some(dir) = &self.out else {
            check_room(experiment.spec.rows(), &columns)?;
            let found = sitting.in_memory(&sweep, engine, columns.clone())?;
            let ended = (found.seconds, found.outcome);
            let manifest = Manifest::of_finished(experiment.spec.clone(), description, columns, ended);
            self.advise_after(&found.as_run(&manifest, experiment), reporter)?;
            return Ok(Left::Columns(Box::new(manifest), found));
        };
        let rows = experiment.spec.rows();
        let writer = create(dir, experiment, (description, columns), theta)?;
        let columns = writer.manifest().columns.as_slice();
        let less = (experiment.spec.keep != Keep::Summary && theta.is_none()).then_some("summary");
        announced_size(std::iter::once((rows, columns)), less).iter().for_each(|text| reporter.notice(text));
        let run = sitting.carry_out(&sweep, engine, writer)?;
        self.advise_after(&run, reporter)?;
        Ok(Left::Directory(dir.clone()))
    }

    fn advise_after<T>(&self, run: &dyn SummarySource, reporter: &Reporter<T>) -> Result<(), RunError> {
        if self.advise {
            reporter.advise(&advice::after_training(run, &self.experiment)?);
        }
        Ok(())
    }
}

fn create(
    dir: &Path,
    experiment: &Experiment,
    (description, columns): (Description, Vec<Column>),
    theta: Option<Theta<'_>>,
) -> Result<RunWriter, RunError> {
    match theta {
        Some(theta) => RunWriter::create_evaluation(dir, experiment, description, columns, theta),
        None => RunWriter::create(dir, experiment, description, columns),
    }
}

/// Fails unless this machine's memory holds the columns of a run.
fn check_room(rows: u64, columns: &[Column]) -> Result<(), RunError> {
    let bytes = size(std::iter::once((rows, columns)));
    check_memory(&format!("the columns of {rows} networks"), bytes).map_err(|room| {
        let fits = Some("out= writes them into a directory".into());
        RunError::Room(NoRoom { fits, ..room })
    })
}

/// Does `job` and hands over what it left: columns and their run, or a directory.
fn finish<'py>(py: Python<'py>, audience: &Audience<'py>, job: Job) -> PyResult<Bound<'py, PyAny>> {
    let (job, left) = attend(py, audience, move |stop, reporter| {
        let left = job.run(stop, reporter);
        (job, left)
    })?;
    let go_on = job.out.as_deref().map(go_on).unwrap_or_default();
    match left.map_err(|failed| raised(&failed, &go_on))? {
        Left::Columns(manifest, found) => {
            let columns = to_numpy(py, found)?;
            let memory = Memory { manifest: *manifest, experiment: job.experiment };
            Ok((columns, memory).into_pyobject(py)?.into_any())
        }
        Left::Directory(dir) => Ok(Bound::new(py, Directory::open(&dir)?)?.into_any()),
    }
}

/// Trains and evaluates. `options` has every field of the structures in `options`. `advise`: whether to look for what
/// may be wrong where most networks did not converge, which takes time.
#[pyfunction]
pub(crate) fn sweep<'py>(
    py: Python<'py>,
    options: &Bound<'py, PyDict>,
    out: Option<PathBuf>,
    progress: Option<Bound<'py, PyAny>>,
    notice: Option<Bound<'py, PyAny>>,
    advise: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (data, training, more): (Data<'_>, Training, More) =
        (options.extract()?, options.extract()?, options.extract()?);
    let engine: EngineOptions = options.extract()?;
    let mut experiment = data.experiment(training.work()?, None)?;
    experiment.spec.keep = training.keep()?;
    experiment.spec.extra = more.columns()?;
    let job = Job { experiment, given: None, request: engine.request()?, memory: engine.memory()?, out, advise };
    finish(py, &Audience { progress, notice }, job)
}

/// Evaluates `theta`.
#[pyfunction]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    theta: Networks<'py>,
    options: &Bound<'py, PyDict>,
    out: Option<PathBuf>,
    progress: Option<Bound<'py, PyAny>>,
    notice: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (data, judging, more): (Data<'_>, Judging, More) = (options.extract()?, options.extract()?, options.extract()?);
    let engine: EngineOptions = options.extract()?;
    let Judging { tolerance, weight_decay } = judging;
    // The data come first: by them it is known how many inputs the networks of theta must have.
    let unknown = Work::Evaluate { networks: 1, theta_hash: String::new(), tolerance, weight_decay };
    let mut experiment = data.experiment(unknown, Some(&theta))?;
    let given = networks(&theta, experiment.problem.network.shape)?;
    experiment.spec.work =
        Work::Evaluate { networks: given.rows() as u64, theta_hash: given.hash(), tolerance, weight_decay };
    experiment.spec.extra = more.columns()?;
    let job = Job {
        experiment,
        given: Some(given),
        request: engine.request()?,
        memory: engine.memory()?,
        out,
        advise: false,
    };
    finish(py, &Audience { progress, notice }, job)
}
