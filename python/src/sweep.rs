//! Sweeps and evaluations, into memory or into a directory.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharpsweep::backend::Choice;
use sharpsweep::engine::{Engine, EngineError, Stop};
use sharpsweep::input::GivenTheta;
use sharpsweep::model::Theta;
use sharpsweep::records::{Column, Dtype, columns};
use sharpsweep::room::check_memory;
use sharpsweep::run::{Manifest, RunError, RunWriter, Sink, check_free, size};
use sharpsweep::spec::{Experiment, Work};
use sharpsweep::sweep::{Columns, Ended, Event, InMemory, Sweep, SweepError, admit};

use crate::arrays::{Networks, networks, to_numpy};
use crate::errors::{Failure, error};
use crate::options::{Data, EngineOptions, Judging, More, Training};
use crate::run::{Directory, Memory};
use crate::work::{Audience, Reporter, attend};

/// What is to be computed, and where.
struct Job<C> {
    experiment: Experiment,
    given: Option<GivenTheta>,
    choose: C,
    memory: u64,
    out: Option<PathBuf>,
}

/// What a job leaves.
enum Left {
    Columns(Box<Manifest>, Columns),
    Directory(PathBuf),
}

/// Why a job leaves nothing, or nothing whole.
pub(crate) enum Broken {
    Engine(EngineError),
    Run(RunError),
    Sweep(SweepError),
    /// Rows that are finished stay in this directory.
    Unfinished(PathBuf, SweepError),
    /// It was asked to stop.
    Stopped,
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        if matches!(error, EngineError::Stopped) { Self::Stopped } else { Self::Engine(error) }
    }
}

impl From<RunError> for Broken {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl Broken {
    pub(crate) fn raised(&self) -> PyErr {
        match self {
            Self::Engine(error) => error.raised(),
            Self::Run(error) => error.raised(),
            Self::Sweep(error) => error.raised(),
            Self::Unfinished(dir, broken) => error(&format!(
                "{broken}\nfinished rows are kept; go on with: sharpsweep.resume({:?})",
                dir.display().to_string()
            )),
            Self::Stopped => error("the work was stopped"),
        }
    }
}

/// Computes what `sweep` lacks into `sink`.
pub(crate) fn carry_out<T>(
    sweep: &Sweep<'_>,
    engine: Box<dyn Engine>,
    choice: &Choice,
    sink: &mut dyn Sink,
    reporter: &Reporter<T>,
) -> Result<Ended, SweepError> {
    sweep.run(engine, &|| choice.open(), sink, &mut |event| match event {
        Event::Begun { done, rows } => reporter.networks(done, rows),
        Event::Progress(progress) => reporter.networks(progress.done, progress.rows),
        Event::Mended(what) => reporter.notice(what),
        Event::NoSpectrum { first, missing } => {
            for network in missing.iter().take(10) {
                let (seed, reason) = (first + network.row as u64, &network.reason);
                reporter.notice(format!("seed {seed} has no lambda_max and lambda_min: {reason}"));
            }
        }
    })
}

/// Writes what `sweep` lacks into the run of `writer` and finishes it.
pub(crate) fn write_out<T>(
    sweep: &Sweep<'_>,
    engine: Box<dyn Engine>,
    choice: &Choice,
    mut writer: RunWriter,
    reporter: &Reporter<T>,
) -> Result<PathBuf, Broken> {
    let dir = writer.dir().to_owned();
    match carry_out(sweep, engine, choice, &mut writer, reporter) {
        Ok(Ended::Finished) => {
            writer.finish()?;
            Ok(dir)
        }
        Ok(Ended::Stopped) => Err(Broken::Stopped),
        // What is there now is not this run, or is not to be trusted: the error says what to do.
        Err(SweepError::Run(error @ (RunError::Replaced(_) | RunError::Incomplete { .. }))) => Err(error.into()),
        Err(error) => Err(Broken::Unfinished(dir, error)),
    }
}

impl<C: Fn() -> Result<Choice, EngineError>> Job<C> {
    fn run<T>(&self, stop: &Stop, reporter: &Reporter<T>) -> Result<Left, Broken> {
        let Self { experiment, given, .. } = self;
        if let Some(dir) = &self.out {
            check_free(dir)?;
        }
        let choice = (self.choose)()?;
        reporter.notice(choice.reason.clone());
        let mut engine = choice.open()?;
        admit(experiment, engine.as_mut())?;
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        let dtype = given.as_ref().map_or(Dtype::Float32, GivenTheta::dtype);
        let columns = columns(&experiment.spec, dtype);
        let theta = given.as_ref().map(GivenTheta::view);
        let sweep = Sweep { experiment, given: theta, earlier: None, memory: self.memory, stop };
        let Some(dir) = &self.out else {
            check_room(experiment.spec.rows(), &columns)?;
            let mut sink = InMemory::new(columns.clone(), experiment.spec.rows());
            return match carry_out(&sweep, engine, &choice, &mut sink, reporter).map_err(Broken::Sweep)? {
                Ended::Stopped => Err(Broken::Stopped),
                Ended::Finished => {
                    let found = sink.finish();
                    let ended = (found.seconds, found.outcome);
                    let manifest = Manifest::of_finished(experiment.spec.clone(), description, columns, ended);
                    Ok(Left::Columns(Box::new(manifest), found))
                }
            };
        };
        let writer = create(dir, experiment, (description, columns), theta)?;
        write_out(&sweep, engine, &choice, writer, reporter).map(Left::Directory)
    }
}

fn create(
    dir: &Path,
    experiment: &Experiment,
    (description, columns): (sharpsweep::engine::Description, Vec<Column>),
    theta: Option<Theta<'_>>,
) -> Result<RunWriter, RunError> {
    match theta {
        Some(theta) => RunWriter::create_evaluation(dir, experiment, description, columns, theta),
        None => RunWriter::create(dir, experiment, description, columns),
    }
}

/// Fails unless this machine's memory holds the columns of a run.
fn check_room(rows: u64, columns: &[Column]) -> Result<(), Broken> {
    let bytes = size(std::iter::once((rows, columns)));
    check_memory(&format!("the columns of {rows} networks"), bytes).map_err(|room| {
        Broken::Run(RunError::Room(sharpsweep::room::NoRoom {
            fits: Some("out= writes them into a directory".into()),
            ..room
        }))
    })
}

/// Does `job` and hands over what it left: columns and their run, or a directory.
fn finish<'py, C: Fn() -> Result<Choice, EngineError> + Send + 'static>(
    py: Python<'py>,
    audience: &Audience<'py>,
    job: Job<C>,
) -> PyResult<Bound<'py, PyAny>> {
    let (experiment, left) = attend(py, audience, move |stop, reporter| {
        let left = job.run(stop, reporter);
        (job.experiment, left)
    })?;
    match left.map_err(|broken| broken.raised())? {
        Left::Columns(manifest, found) => {
            let columns = to_numpy(py, found)?;
            let memory = Memory { manifest: *manifest, experiment };
            Ok((columns, memory).into_pyobject(py)?.into_any())
        }
        Left::Directory(dir) => Ok(Bound::new(py, Directory::open(&dir)?)?.into_any()),
    }
}

/// Trains and evaluates. `options` has every field of the structures in `options`.
#[pyfunction]
pub(crate) fn sweep<'py>(
    py: Python<'py>,
    options: &Bound<'py, PyDict>,
    out: Option<PathBuf>,
    progress: Option<Bound<'py, PyAny>>,
    notice: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (data, training, more): (Data<'_>, Training, More) =
        (options.extract()?, options.extract()?, options.extract()?);
    let engine: EngineOptions = options.extract()?;
    let mut experiment = data.experiment(training.work()?)?;
    experiment.spec.keep = training.keep()?;
    experiment.spec.extra = more.columns()?;
    let job = Job { experiment, given: None, choose: engine.chooser()?, memory: engine.memory()?, out };
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
    let mut experiment = data.experiment(unknown)?;
    let given = networks(&theta, experiment.problem.network.shape)?;
    experiment.spec.work =
        Work::Evaluate { networks: given.rows() as u64, theta_hash: given.hash(), tolerance, weight_decay };
    experiment.spec.extra = more.columns()?;
    let job = Job { experiment, given: Some(given), choose: engine.chooser()?, memory: engine.memory()?, out };
    finish(py, &Audience { progress, notice }, job)
}
