//! Running an experiment: chunk after chunk of networks, through an engine, into a run directory.
//!
//! A chunk is as large as memory and the engine allow and as a few seconds take, so that little is lost when something goes
//! wrong. How networks are cut into chunks changes no result.

use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use crate::analysis::{AnalysisError, macro_f1_of_each};
use crate::engine::{Descent, Engine, EngineError, Evaluation, Status};
use crate::records::{Records, Theta};
use crate::run::{Manifest, Outcome, RunError, RunWriter, Seconds};
use crate::spec::Experiment;

/// The time that a chunk should take: what Ctrl-C waits for and what a crash costs.
const CHUNK: Duration = Duration::from_secs(3);

/// How often a lost device is opened again before the run gives up, counted anew after each chunk that succeeds.
const DEVICE_ATTEMPTS: u32 = 3;

/// What stopped a run.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The engine failed; finished chunks are kept.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The run directory could not be written; finished chunks are kept.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The test data could not be used.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
}

/// How far a run is, told after every chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Rows written, in this and earlier sittings.
    pub done: u64,
    /// Rows of the whole run.
    pub rows: u64,
    /// Rows that this sitting has written.
    pub done_now: u64,
    /// How this sitting's networks ended.
    pub outcome: Outcome,
    /// The rows of the last chunk.
    pub chunk: u64,
    /// How long this sitting has taken.
    pub elapsed: Duration,
}

/// What a run tells while it works.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A chunk was written.
    Progress(Progress),
    /// Something went wrong and was mended.
    Mended(String),
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// Every row is written.
    Finished(Box<Manifest>),
    /// The observer asked to stop; every row that is written is durable.
    Stopped,
}

/// Where a run takes its networks from.
#[derive(Debug, Clone, Copy)]
pub enum Networks<'a> {
    /// Row k is trained from seed `first_seed` + k.
    Seeds {
        /// The seed of row 0.
        first_seed: u64,
        /// How it is trained.
        descent: Descent,
    },
    /// Row k is row k of an array of networks trained elsewhere.
    Given {
        /// The networks, (S, D).
        theta: Theta<'a>,
        /// g.g below this counts as converged.
        tolerance: f64,
    },
}

/// A run to carry out.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// What determines the results, and the data.
    pub experiment: &'a Experiment,
    /// The networks of `experiment`'s work.
    pub networks: Networks<'a>,
    /// Bytes that a chunk may take on the host.
    pub memory: u64,
}

impl Sweep<'_> {
    /// Runs every row that `writer` still misses on `engine`, and tells `observe` after every chunk.
    ///
    /// A lost device is opened again by `open` and its chunk redone; a device without enough memory gets smaller chunks.
    ///
    /// # Errors
    /// [`SweepError`]; the rows that were written before stay, and a later sitting can go on with the rest.
    pub fn run(
        &self,
        mut engine: Box<dyn Engine>,
        open: &dyn Fn() -> Result<Box<dyn Engine>, EngineError>,
        mut writer: RunWriter,
        observe: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Ended, SweepError> {
        let start = Instant::now();
        let most = engine.batch_size(&self.experiment.problem)?.min(self.rows_in_memory());
        let mut chunk = Chunk { rows: most.min(256), most };
        let mut seconds = Seconds::default();
        let mut outcome = Outcome::default();
        let mut attempts = 0;
        let missing = writer.missing();
        let rows = self.experiment.spec.rows();
        let mut done = rows - missing.iter().map(|range| range.end - range.start).sum::<u64>();
        let mut done_now = 0;
        for mut range in missing {
            while !range.is_empty() {
                let part = range.start..range.end.min(range.start + chunk.rows as u64);
                let chunk_start = Instant::now();
                let records = match self.chunk(engine.as_mut(), &part, &mut seconds) {
                    Ok(records) => records,
                    Err(SweepError::Engine(EngineError::OutOfMemory(why))) if chunk.rows > 1 => {
                        chunk.halve();
                        let told = format!(
                            "the device is out of memory ({why}): going on with {} networks a chunk",
                            chunk.rows
                        );
                        // An observer cannot stop here: nothing has been lost, and it is asked again after the next chunk.
                        let _ = observe(Event::Mended(told));
                        continue;
                    }
                    Err(SweepError::Engine(EngineError::DeviceLost(why))) if attempts < DEVICE_ATTEMPTS => {
                        attempts += 1;
                        let told = format!(
                            "the device was lost ({why}): opening it again, attempt {attempts} of {DEVICE_ATTEMPTS}"
                        );
                        let _ = observe(Event::Mended(told));
                        engine = open()?;
                        continue;
                    }
                    Err(error) => {
                        writer.checkpoint()?;
                        return Err(error);
                    }
                };
                attempts = 0;
                count(&records, &mut outcome);
                writer.write(part.start, &records.records)?;
                chunk.learn(chunk_start.elapsed());
                range.start = part.end;
                let written = part.end - part.start;
                done += written;
                done_now += written;
                let progress = Progress { done, rows, done_now, outcome, chunk: written, elapsed: start.elapsed() };
                if observe(Event::Progress(progress)).is_break() && done < rows {
                    writer.checkpoint()?;
                    return Ok(Ended::Stopped);
                }
            }
        }
        seconds.total = start.elapsed().as_secs_f64();
        let manifest = writer.finish(seconds, outcome)?;
        Ok(Ended::Finished(Box::new(manifest)))
    }

    /// Trains, where the run trains, and evaluates the networks of `rows`.
    fn chunk(&self, engine: &mut dyn Engine, rows: &Range<u64>, seconds: &mut Seconds) -> Result<Finished, SweepError> {
        match self.networks {
            Networks::Seeds { first_seed, descent } => {
                let seeds = first_seed + rows.start..first_seed + rows.end;
                let start = Instant::now();
                let trained = engine.train(&self.experiment.problem, &descent, seeds)?;
                seconds.train += start.elapsed().as_secs_f64();
                let theta = Theta::Float32(trained.theta.view());
                let (evaluation, macro_f1) = self.evaluate(engine, theta, seconds)?;
                let seed = first_seed + rows.start;
                let records = Records::new(seed, theta, &trained.status, trained.steps, evaluation, macro_f1);
                Ok(Finished { records, status: trained.status })
            }
            Networks::Given { theta, tolerance } => {
                let theta = theta.rows(rows.start as usize..rows.end as usize);
                let (evaluation, macro_f1) = self.evaluate(engine, theta, seconds)?;
                let status: Vec<Status> = evaluation.gradient_sq.iter().map(|&sq| verdict(sq, tolerance)).collect();
                let steps = vec![0; status.len()];
                let records = Records::new(rows.start, theta, &status, steps, evaluation, macro_f1);
                Ok(Finished { records, status })
            }
        }
    }

    /// The closed forms, and with test data the macro F1, at the weights as they are recorded: they can be computed again from
    /// the run alone.
    fn evaluate(
        &self,
        engine: &mut dyn Engine,
        theta: Theta<'_>,
        seconds: &mut Seconds,
    ) -> Result<(Evaluation, Option<Vec<f64>>), SweepError> {
        let Experiment { problem, test, .. } = self.experiment;
        let start = Instant::now();
        let theta = theta.widened();
        let evaluation = engine.evaluate(problem, theta.view())?;
        let macro_f1 = test
            .as_ref()
            .map(|test| macro_f1_of_each(problem.shape, problem.activation, test, theta.view()))
            .transpose()?;
        seconds.evaluate += start.elapsed().as_secs_f64();
        Ok((evaluation, macro_f1))
    }

    /// The most rows whose arrays fit the memory that is allowed.
    fn rows_in_memory(&self) -> usize {
        let parameters = self.experiment.problem.shape.parameters() as u64;
        // theta: twice f32 (engine and records) and once f64 (evaluation); the other columns and the engines' own copies of
        // them are below 512 bytes a row.
        let row = parameters * 16 + 512;
        usize::try_from((self.memory / row).max(1)).unwrap_or(usize::MAX)
    }
}

struct Finished {
    records: Records,
    status: Vec<Status>,
}

/// How many rows to do at once.
struct Chunk {
    rows: usize,
    most: usize,
}

impl Chunk {
    /// Grows while chunks are quick and shrinks when they are slow.
    fn learn(&mut self, elapsed: Duration) {
        let ratio = CHUNK.as_secs_f64() / elapsed.as_secs_f64().max(1e-6);
        self.rows = ((self.rows as f64 * ratio.clamp(0.25, 4.0)) as usize).clamp(1, self.most);
    }

    fn halve(&mut self) {
        self.rows = (self.rows / 2).max(1);
        self.most = self.rows;
    }
}

fn count(finished: &Finished, outcome: &mut Outcome) {
    for status in &finished.status {
        match status {
            Status::Converged => outcome.converged += 1,
            Status::StepLimit | Status::Pending => outcome.step_limit += 1,
            Status::NonFinite => outcome.non_finite += 1,
        }
    }
}

/// What the gradient says of a network that was trained elsewhere.
fn verdict(gradient_sq: f64, tolerance: f64) -> Status {
    if !gradient_sq.is_finite() {
        Status::NonFinite
    } else if gradient_sq < tolerance {
        Status::Converged
    } else {
        Status::StepLimit
    }
}
