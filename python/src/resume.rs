//! Going on with a run in a directory, and giving a finished one more seeds or steps.

use std::path::PathBuf;

use ndarray::Array2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharpsweep::backend::Choice;
use sharpsweep::engine::{EngineError, Stop};
use sharpsweep::input::GivenTheta;
use sharpsweep::run::{Earlier, Extension, Longer, More, Run, RunError, RunWriter, State};
use sharpsweep::spec::{Experiment, Work, parse_seeds};
use sharpsweep::sweep::{Sweep, admit};

use crate::errors::{Failure, value_error};
use crate::options::EngineOptions;
use crate::run::Directory;
use crate::sweep::{Broken, write_out};
use crate::work::{Audience, Reporter, attend};

/// What is to be done with a run.
struct Going<C> {
    dir: PathBuf,
    more: More,
    choose: C,
    memory: u64,
}

impl<C: Fn() -> Result<Choice, EngineError>> Going<C> {
    fn on<T>(&self, stop: &Stop, reporter: &Reporter<T>) -> Result<(), Broken> {
        let run = Run::open(&self.dir)?;
        if self.more == More::default() { self.finish(&run, stop, reporter) } else { self.extend(stop, reporter) }
    }

    /// The engine that `run` was begun on.
    fn choice<T>(&self, run: &Run, reporter: &Reporter<T>) -> Result<Choice, Broken> {
        let choice = (self.choose)()?.as_begun(&run.manifest().engine);
        reporter.notice(choice.reason.clone());
        Ok(choice)
    }

    fn finish<T>(&self, run: &Run, stop: &Stop, reporter: &Reporter<T>) -> Result<(), Broken> {
        if run.manifest().state == State::Finished {
            reporter.notice(format!("{} is finished: nothing to do", self.dir.display()));
            return Ok(tidy(run, reporter)?);
        }
        let experiment = run.experiment()?;
        let choice = self.choice(run, reporter)?;
        let engine = choice.open()?;
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        let writer = match RunWriter::resume(run.dir(), &description) {
            Err(finished @ RunError::Finished(_)) => {
                reporter.notice(format!("{finished}: nothing to do"));
                return Ok(());
            }
            writer => writer?,
        };
        let theta = match experiment.spec.work {
            Work::Sweep { .. } => None,
            Work::Evaluate { .. } => Some(run.given_theta()?),
        };
        let given = theta.as_ref().map(GivenTheta::view);
        let sweep = Sweep { experiment: &experiment, given, earlier: None, memory: self.memory, stop };
        write_out(&sweep, engine, &choice, writer, reporter).map(|_| ())
    }

    fn extend<T>(&self, stop: &Stop, reporter: &Reporter<T>) -> Result<(), Broken> {
        let run = Run::open(&self.dir)?;
        if run.extended(&self.more)?.is_none() {
            reporter.notice(format!("{} holds that already: nothing to do", self.dir.display()));
            return Ok(tidy(&run, reporter)?);
        }
        let choice = self.choice(&run, reporter)?;
        let place = Extension::of(&self.dir)?;
        // In its place nobody else changes it; what was read before may be older.
        let run = Run::open(&self.dir)?;
        let Some(experiment) = run.extended(&self.more)? else { return Ok(()) };
        let mut engine = choice.open()?;
        admit(&experiment, engine.as_mut())?;
        admit_steps(&run, &experiment, engine.as_mut())?;
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        run.check_engine(&description)?;
        let earlier = Earlier::open(&run, &experiment.spec)?;
        let (longer, unusable) = place.begin(&run, &experiment, &description)?;
        if let Some(error) = unusable {
            reporter.notice(format!("{error}\nthat was a part of this extension, which is begun again"));
        }
        if let Longer::Unfinished(writer) = longer {
            let memory = self.memory;
            let sweep = Sweep { experiment: &experiment, given: None, earlier: Some(&earlier), memory, stop };
            write_out(&sweep, engine, &choice, *writer, reporter)?;
        }
        drop(earlier);
        let others = place.publish(&run)?;
        if !others.kept.is_empty() {
            reporter.notice(format!("kept as they are, of the run before it was extended: {}", others.kept.join(", ")));
        }
        for name in others.outdated {
            reporter.notice(format!("{name}.npy was of the run before it was extended and is gone"));
        }
        Ok(())
    }
}

/// Ends what a crash left undone of the finished `run`.
fn tidy<T>(run: &Run, reporter: &Reporter<T>) -> Result<(), RunError> {
    run.tidy()?;
    if let Some(begun) = Extension::tidy(run)? {
        let (begun, dir) = (begun.display(), run.dir().display());
        reporter.notice(format!("{begun} holds an extension of {dir} that was begun: the same call goes on with it"));
    }
    Ok(())
}

/// Fails where `engine` cannot train the networks of `run` further. No network takes no time, and is refused where any
/// other would be.
fn admit_steps(
    run: &Run,
    experiment: &Experiment,
    engine: &mut dyn sharpsweep::engine::Engine,
) -> Result<(), EngineError> {
    if let (Work::Sweep { descent: then, .. }, Work::Sweep { descent: now, .. }) =
        (&run.manifest().spec.work, &experiment.spec.work)
        && then.max_steps < now.max_steps
    {
        let none = Array2::zeros((0, experiment.problem.network.parameters()));
        engine.train_on(&experiment.problem, now, none.view(), then.max_steps)?;
    }
    Ok(())
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
    let seeds = seeds.map(|text| parse_seeds(&text)).transpose();
    let seeds = seeds.map_err(|problem| value_error(&format!("seeds: {problem}")))?;
    Extension::recover(&dir).map_err(|error| error.raised())?;
    let choose = engine.chooser_as(Directory::open(&dir)?.engine())?;
    let going = Going { dir: dir.clone(), more: More { seeds, max_steps }, choose, memory: engine.memory()? };
    let done = attend(py, &Audience { progress, notice }, move |stop, reporter| going.on(stop, reporter))?;
    done.map_err(|broken| broken.raised())?;
    Directory::open(&dir)
}
