//! Running an experiment: chunk after chunk of networks, through an engine, into a run directory or into memory.
//!
//! A chunk is as large as memory, the engine and a time of a few seconds allow, so little is lost when something goes
//! wrong. How networks are divided into chunks changes no result.

mod chunk;
mod error;
mod event;
mod further;
mod in_memory;

use std::ops::Range;
use std::time::Duration;

use ndarray::Array2;

use crate::clock::{self, Instant};
use crate::engine::{Engine, EngineError, Evaluation, MissingSpectrum, Status, Stop, Trained};
use crate::fallback::{self, Completed};
use crate::model::Theta;
use crate::polish::Objective;
use crate::records::{EIGENVECTORS, Records};
use crate::reference;
use crate::run::{Earlier, RunError, Seconds, Sink};
use crate::spec::{Brackets, Experiment, SpectrumColumns, Work};
use chunk::Chunk;
use further::Further;

pub use error::SweepError;
pub use event::{Ended, Event, Progress};
pub use in_memory::{Columns, InMemory};

/// How often a lost device is opened again before the run gives up, counted anew after each chunk that succeeds.
const DEVICE_ATTEMPTS: u32 = 3;

/// How long to wait after the first failed attempt to open a device; each later wait is longer.
const REOPEN: Duration = Duration::from_millis(300);

/// A run to carry out.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// What determines the results, and the data.
    pub experiment: &'a Experiment,
    /// The networks of an evaluation, (S, D); a run that trains has none.
    pub given: Option<Theta<'a>>,
    /// The run that this one extends. Its rows come first, and some of its networks are trained further.
    pub earlier: Option<&'a Earlier>,
    /// Bytes that a chunk may take on the host.
    pub memory: u64,
    /// Ends the run early, between two chunks or within one, which is then dropped.
    pub stop: &'a Stop,
}

/// Fails unless `engine` and this machine's memory take one network of `experiment` with everything that its run
/// records. So what does not fit is reported before a directory is made.
///
/// # Errors
/// [`EngineError::Limit`] and [`EngineError::Room`], with what would fit.
pub fn admit(experiment: &Experiment, engine: &mut dyn Engine) -> Result<(), EngineError> {
    let Experiment { spec, problem, .. } = experiment;
    engine.batch_size(problem)?;
    if spec.extra.bounds {
        reference::check_terms(problem)?;
    }
    if spec.extra.gauss_newton {
        reference::check_gauss_newton(problem)?;
        if spec.extra.spectrum.is_some() {
            reference::check_spectra(problem.network.parameters())?;
        }
    }
    if spec.extra.polish.is_some() {
        reference::check_spectra(problem.network.parameters())?;
    }
    // An empty batch takes no time, and is refused where any other would be.
    let no_networks = Array2::<f64>::zeros((0, problem.network.parameters()));
    if let Some(asked) = spec.extra.brackets {
        let stop = Stop::default();
        let proves = spec.extra.spectrum.is_some() || matches!(asked, Brackets::Width(_));
        fallback::brackets(
            engine,
            problem,
            no_networks.view().into(),
            &Evaluation::default(),
            (asked, proves.then_some(&[])),
            &stop,
        )?;
    }
    let Some(spectrum) = spec.extra.spectrum else { return Ok(()) };
    if spectrum.is_whole() || spectrum.blocks {
        reference::check_spectra(problem.network.parameters())?;
    }
    let parameters = problem.network.parameters();
    if let Some(count) = spectrum.ends.filter(|&count| count > parameters) {
        return Err(EngineError::Limit(format!(
            "{count} eigenvalues from either end are asked for, but a Hessian has D = {parameters}: ask for at most as \
             many, or for all"
        )));
    }
    if spectrum.is_whole() { Ok(()) } else { engine.spectrum(problem, no_networks.view().into()).map(|_| ()) }
}

/// The engine, and how it is opened again.
struct OpenEngine<'a> {
    engine: Box<dyn Engine>,
    open: &'a dyn Fn() -> Result<Box<dyn Engine>, EngineError>,
    /// How often it was opened again since the last chunk that succeeded.
    attempts: u32,
}

impl OpenEngine<'_> {
    /// Opens the device again that was lost for the reason `why`; returns a message about it.
    fn reopen(&mut self, why: &str, stop: &Stop) -> String {
        self.attempts += 1;
        match (self.open)() {
            Ok(engine) => {
                self.engine = engine;
                self.engine.stop_on(stop);
            }
            // The driver may need a moment. Until then, the lost device reports that it is lost.
            Err(_) => clock::pause(REOPEN * self.attempts),
        }
        format!("the device was lost ({why}): opening it again, attempt {} of {DEVICE_ATTEMPTS}", self.attempts)
    }
}

impl Sweep<'_> {
    /// Computes every row that `sink` lacks on `engine`, and reports to `observe` after every chunk.
    ///
    /// A lost device is opened again by `open` and its chunk redone; a device without enough memory gets smaller
    /// chunks.
    ///
    /// # Errors
    /// [`SweepError`]; the rows that are already written stay, and a later sitting can go on with the rest.
    pub fn run(
        &self,
        engine: Box<dyn Engine>,
        open: &dyn Fn() -> Result<Box<dyn Engine>, EngineError>,
        sink: &mut dyn Sink,
        observe: &mut dyn FnMut(Event),
    ) -> Result<Ended, SweepError> {
        let start = Instant::now();
        let mut written_at = start;
        let mut device = OpenEngine { engine, open, attempts: 0 };
        admit(self.experiment, device.engine.as_mut())?;
        device.engine.stop_on(self.stop);
        let most = device.engine.batch_size(&self.experiment.problem)?.min(self.rows_in_memory());
        let mut chunk = Chunk::new(device.engine.smallest_batch(), most);
        let missing = sink.missing();
        let rows = self.experiment.spec.rows();
        let mut progress = Progress {
            first: 0,
            done: rows - missing.iter().map(|range| range.end - range.start).sum::<u64>(),
            rows,
            done_now: 0,
            outcome: sink.outcome()?,
            chunk: 0,
            elapsed: Duration::ZERO,
        };
        observe(Event::Begun { done: progress.done, rows });
        for mut range in missing {
            while !range.is_empty() {
                if self.stop.is_requested() {
                    sink.checkpoint()?;
                    return Ok(Ended::Stopped);
                }
                let part = self.part(&range, chunk.rows)?;
                let begun = Instant::now();
                let found = match self.chunk(device.engine.as_mut(), &part) {
                    Ok(found) => found,
                    Err(SweepError::Engine(EngineError::Stopped)) => continue,
                    Err(SweepError::Engine(EngineError::OutOfMemory(why))) if chunk.rows > 1 => {
                        chunk.halve();
                        observe(Event::Mended(format!(
                            "the device is out of memory ({why}): going on with {} networks per chunk",
                            chunk.rows
                        )));
                        continue;
                    }
                    Err(SweepError::Engine(EngineError::DeviceLost(why))) if device.attempts < DEVICE_ATTEMPTS => {
                        observe(Event::Mended(device.reopen(&why, self.stop)));
                        continue;
                    }
                    Err(error) => {
                        sink.checkpoint()?;
                        return Err(error);
                    }
                };
                device.attempts = 0;
                progress.outcome.count(found.records.status());
                let spent = Seconds { total: written_at.elapsed().as_secs_f64(), ..found.spent };
                written_at = Instant::now();
                if let Err(error) = sink.write(part.start, found.records, spent) {
                    // Rows of earlier chunks may still become durable; if they do not, the first error tells enough.
                    let _ = sink.checkpoint();
                    return Err(error.into());
                }
                range.start = part.end;
                progress.first = part.start;
                progress.chunk = part.end - part.start;
                progress.done += progress.chunk;
                // A chunk without work says nothing about speed.
                if found.computed > 0 {
                    chunk.learn(begun.elapsed());
                    progress.done_now += progress.chunk;
                }
                if !found.no_spectrum.is_empty() {
                    let first = self.experiment.spec.first_seed() + part.start;
                    observe(Event::NoSpectrum { first, missing: found.no_spectrum });
                }
                progress.elapsed = start.elapsed();
                observe(Event::Progress(progress));
            }
        }
        sink.checkpoint()?;
        Ok(Ended::Finished)
    }

    /// The first of the `missing` rows, with at most `most` networks to compute among them.
    fn part(&self, missing: &Range<u64>, most: usize) -> Result<Range<u64>, RunError> {
        match self.earlier {
            Some(earlier) if missing.start < earlier.rows() => {
                let in_memory = missing.start.saturating_add(self.rows_in_memory() as u64);
                earlier.part(missing.start..missing.end.min(earlier.rows()).min(in_memory), most)
            }
            _ => Ok(missing.start..missing.end.min(missing.start + most as u64)),
        }
    }

    /// Trains, where the run trains, and evaluates the networks of `rows`.
    fn chunk(&self, engine: &mut dyn Engine, rows: &Range<u64>) -> Result<Computed, SweepError> {
        let problem = &self.experiment.problem;
        let start = Instant::now();
        let trained_in = |start: Instant| Seconds { train: start.elapsed().as_secs_f64(), ..Seconds::default() };
        match (&self.experiment.spec.work, self.earlier) {
            (Work::Sweep { descent, .. }, Some(earlier)) if rows.start < earlier.rows() => {
                let mut records = earlier.read(rows)?;
                let stopped = earlier.stopped(rows)?;
                let Some(taken) = earlier.stopped_at().filter(|_| !stopped.is_empty()) else {
                    return Ok(Computed { records, no_spectrum: Vec::new(), computed: 0, spent: Seconds::default() });
                };
                let theta = earlier.theta(&records, &stopped);
                let Trained { theta, status, steps } = engine.train_on(problem, descent, theta.view(), taken)?;
                let spent = trained_in(start);
                let more = self.evaluated(engine, 0, theta.view().into(), |_| (status, steps), spent)?;
                records.replace(&stopped, &more.records);
                let missing = more.no_spectrum.into_iter();
                let no_spectrum = missing.map(|found| MissingSpectrum { row: stopped[found.row], ..found }).collect();
                Ok(Computed { records, no_spectrum, ..more })
            }
            (Work::Sweep { seeds, descent, .. }, _) => {
                let seeds = seeds.first + rows.start..seeds.first + rows.end;
                let Trained { theta, status, steps } = engine.train(problem, descent, seeds.clone())?;
                let spent = trained_in(start);
                self.evaluated(engine, seeds.start, theta.view().into(), |_| (status, steps), spent)
            }
            (Work::Evaluate { tolerance, .. }, _) => {
                let theta = self.given.ok_or(SweepError::NoNetworks)?;
                let theta = theta.rows(rows.start as usize..rows.end as usize);
                // Without a tolerance, 0 stands in: no g.g is below it, since g.g is a sum of squares.
                let (tolerance, otherwise) =
                    tolerance.map_or((0.0, Status::Evaluated), |tolerance| (tolerance, Status::StepLimit));
                let verdict = |&sq: &f64| Status::of_gradient(sq, tolerance).unwrap_or(otherwise);
                let judge =
                    |gradient_sq: &[f64]| (gradient_sq.iter().map(verdict).collect(), vec![0; gradient_sq.len()]);
                self.evaluated(engine, rows.start, theta, judge, Seconds::default())
            }
        }
    }

    /// The records of the networks `theta`, with seeds from `first_seed` on: their closed forms and the run's further
    /// columns. All are evaluated at the weights as they are recorded, so that they can be computed again from the run
    /// alone. `ends` turns the g.g of the networks' objective into how they ended and after how many steps.
    fn evaluated(
        &self,
        engine: &mut dyn Engine,
        first_seed: u64,
        theta: Theta<'_>,
        ends: impl FnOnce(&[f64]) -> (Vec<Status>, Vec<u32>),
        spent: Seconds,
    ) -> Result<Computed, SweepError> {
        let start = Instant::now();
        let Experiment { spec, problem, .. } = self.experiment;
        let forms = fallback::evaluate(engine, problem, theta, self.stop)?;
        let mut further = Further::of(self.experiment, engine, theta, &forms, self.stop)?;
        let Completed { evaluation, .. } = forms;
        let objective = Objective { problem, weight_decay: spec.work.weight_decay() };
        let keep = spec.keep;
        let (status, steps) = if objective.weight_decay > 0.0 {
            let gradient_sq = theta.map_networks(|_, network| objective.gradient_sq(network));
            let ended = ends(&gradient_sq);
            further.add_objective(objective, theta, &evaluation.loss, gradient_sq);
            ended
        } else {
            ends(&evaluation.gradient_sq)
        };
        if let Some(how) = &spec.extra.polish {
            further.add_ends(objective, theta, how, (keep, &status), self.stop)?;
        }
        let spent = Seconds { evaluate: start.elapsed().as_secs_f64(), ..spent };
        let Further { columns, no_spectrum } = further;
        let records =
            Records::new(keep, first_seed, (problem.network.shape, theta), &status, steps, evaluation, columns);
        Ok(Computed { records, no_spectrum, computed: status.len(), spent })
    }

    /// The most rows whose arrays fit the memory that is allowed.
    fn rows_in_memory(&self) -> usize {
        let parameters = self.experiment.problem.network.parameters() as u64;
        // theta: three times f32 (as trained, as recorded, as an engine lays it out), or f64 instead of the first two;
        // the other columns and the engines' own copies of them are below 512 bytes per row.
        let SpectrumColumns { vectors, all, ends, .. } = self.experiment.spec.extra.spectrum.unwrap_or_default();
        let ends = ends.map_or(0, |count| 2 * count as u64);
        let numbers =
            if vectors { EIGENVECTORS as u64 * parameters } else { 0 } + if all { parameters } else { 0 } + ends;
        let brackets = if self.experiment.spec.extra.brackets.is_some() { 1024 } else { 0 };
        let polished = if self.experiment.spec.extra.polish.is_some() { 3 * 8 * parameters } else { 0 };
        let row = parameters * 12 + 2 * 8 * numbers + brackets + polished + 512;
        usize::try_from((self.memory / row).max(1)).unwrap_or(usize::MAX)
    }
}

/// A chunk that is ready to be written.
struct Computed {
    records: Records,
    /// The networks whose spectrum is NaN.
    no_spectrum: Vec<MissingSpectrum>,
    /// How many networks were trained or evaluated for it.
    computed: usize,
    spent: Seconds,
}
