//! What one process does of runs, on an engine that was chosen: it carries out new ones, goes on with old ones, and
//! extends finished ones. How that is shown is up to the front end, a [`Listener`].

mod error;
mod extend;

use crate::backend::Choice;
use crate::engine::{Engine, Stop};
use crate::input::GivenTheta;
use crate::model::Theta;
use crate::records::Column;
use crate::run::{Run, RunError, RunWriter, Sink};
use crate::spec::{Experiment, Work};
use crate::sweep::{Columns, Ended, Event, InMemory, Progress, Sweep, SweepError};
use crate::watch::Watch;

pub use error::SittingError;
pub use extend::{open, tidy};

/// A front end that shows work while it lasts.
pub trait Listener {
    /// The first chunk of a run is about to be computed: earlier sittings wrote `done` of its `rows`.
    fn begun(&self, done: u64, rows: u64);

    /// A chunk was written.
    fn progress(&self, progress: &Progress);

    /// No more chunks of the run come, for whatever reason.
    fn ended(&self);

    /// A sentence beside the results.
    fn notice(&self, text: &str);

    /// Shows other work, the first part of which is called `what`, until the watch is dropped.
    fn watch<'a>(&'a self, what: &str) -> Box<dyn Watch + 'a>;
}

/// An engine, the limits of the work on it, and who hears of that.
#[derive(Clone, Copy)]
pub struct Sitting<'a> {
    /// How the engine was chosen, and is opened again after its device was lost.
    pub choice: &'a Choice,
    /// Bytes that the networks in flight may take on the host.
    pub memory: u64,
    /// Ends the work early.
    pub stop: &'a Stop,
    /// Who hears of it.
    pub listener: &'a dyn Listener,
}

/// How many networks without a spectrum are named one by one.
const NAMED: usize = 10;

impl Sitting<'_> {
    /// The sweep that carries out `experiment` within the limits; an evaluation has the networks `given`.
    pub fn sweep<'a>(&'a self, experiment: &'a Experiment, given: Option<Theta<'a>>) -> Sweep<'a> {
        Sweep { experiment, given, earlier: None, memory: self.memory, stop: self.stop }
    }

    /// Computes the rows of `sweep` that `sink` lacks on `engine`.
    fn compute(&self, sweep: &Sweep<'_>, engine: Box<dyn Engine>, sink: &mut dyn Sink) -> Result<Ended, SweepError> {
        let mut named = 0;
        let ended = sweep.run(engine, &|| self.choice.open(), sink, &mut |event| match event {
            Event::Begun { done, rows } => self.listener.begun(done, rows),
            Event::Progress(progress) => self.listener.progress(&progress),
            Event::Mended(what) => self.listener.notice(&what),
            Event::NoSpectrum { first, missing } => {
                for network in missing.iter().take(NAMED.saturating_sub(named)) {
                    let (seed, reason) = (first + network.row as u64, &network.reason);
                    self.listener.notice(&format!("seed {seed} has no lambda_max and lambda_min: {reason}"));
                }
                if (named..named + missing.len()).contains(&NAMED) {
                    self.listener.notice("further networks without eigenvalues are not named; the summary counts them");
                }
                named += missing.len();
            }
        });
        self.listener.ended();
        ended
    }

    /// Computes the rows of `sweep` on `engine` into these columns, in memory.
    ///
    /// # Errors
    /// [`SittingError`]; then nothing is left of them.
    pub fn in_memory(
        &self,
        sweep: &Sweep<'_>,
        engine: Box<dyn Engine>,
        columns: Vec<Column>,
    ) -> Result<Columns, SittingError> {
        let mut sink = InMemory::new(columns, sweep.experiment.spec.rows());
        match self.compute(sweep, engine, &mut sink).map_err(SittingError::Lost)? {
            Ended::Finished => Ok(sink.finish()),
            Ended::Stopped => Err(SittingError::Stopped),
        }
    }

    /// Computes the rows of `sweep` that `writer` lacks on `engine`; the finished run.
    ///
    /// # Errors
    /// [`SittingError`]; rows that are finished stay.
    pub fn carry_out(
        &self,
        sweep: &Sweep<'_>,
        engine: Box<dyn Engine>,
        mut writer: RunWriter,
    ) -> Result<Run, SittingError> {
        let dir = writer.dir().to_owned();
        let ended = self.compute(sweep, engine, &mut writer);
        let finished = ended.and_then(|ended| match ended {
            Ended::Finished => Ok(Some(writer.finish()?)),
            Ended::Stopped => Ok(None),
        });
        match finished {
            Ok(Some(manifest)) => {
                let run = Run::open(&dir)?;
                // The run in that place must be the one that was computed here.
                if *run.manifest() == manifest { Ok(run) } else { Err(RunError::Replaced(dir).into()) }
            }
            Ok(None) => Err(SittingError::Stopped),
            // What is there now is not this run, or is not to be trusted: the error says what to do.
            Err(SweepError::Run(error @ (RunError::Replaced(_) | RunError::Incomplete { .. }))) => Err(error.into()),
            Err(error) => Err(SittingError::Unfinished(error)),
        }
    }

    /// Computes the missing rows of `run` on the engine and by the route that it was begun with; the finished run.
    ///
    /// # Errors
    /// [`SittingError`]; the rows that are finished stay.
    pub fn finish(&self, run: &Run) -> Result<Run, SittingError> {
        let experiment = run.experiment()?;
        let choice = &self.choice.as_begun(&run.manifest().engine);
        let engine = choice.open()?;
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        let writer = match RunWriter::resume(run.dir(), &description) {
            Err(finished @ RunError::Finished(_)) => {
                self.listener.notice(&format!("{finished}: nothing to do"));
                return Ok(Run::open(run.dir())?);
            }
            writer => writer?,
        };
        let theta = match experiment.spec.work {
            Work::Sweep { .. } => None,
            Work::Evaluate { .. } => Some(run.given_theta()?),
        };
        let sitting = Sitting { choice, ..*self };
        sitting.carry_out(&sitting.sweep(&experiment, theta.as_ref().map(GivenTheta::view)), engine, writer)
    }
}
