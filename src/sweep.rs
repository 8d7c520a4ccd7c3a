//! Running an experiment: chunk after chunk of networks, through an engine, into a run directory.
//!
//! A chunk is as large as memory and the engine allow and as a few seconds take, so that little is lost when something goes
//! wrong. How networks are cut into chunks changes no result.

use std::ops::Range;
use std::time::{Duration, Instant};

use ndarray::Array2;

use crate::analysis::{AnalysisError, macro_f1_of_each};
use crate::bounds::{NetworkBounds, network_bounds_of_each};
use crate::engine::{Descent, Engine, EngineError, Evaluation, MissingSpectrum, Spectra, Status, Stop, Trained};
use crate::fallback::{self, Completed};
use crate::model::Theta;
use crate::records::{EIGENVECTORS, Records, Values};
use crate::reference::{self, Spectrum};
use crate::run::{Earlier, Manifest, RunError, RunWriter, Seconds, StatusCounts};
use crate::spec::{Experiment, SpectrumColumns};

/// The time that a chunk should take: what Ctrl-C waits for and what a crash costs.
const CHUNK: Duration = Duration::from_secs(3);

/// How often a lost device is opened again before the run gives up, counted anew after each chunk that succeeds.
const DEVICE_ATTEMPTS: u32 = 3;

/// How long a device that cannot be opened is left alone the first time; longer every time.
const REOPEN: Duration = Duration::from_millis(300);

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
    /// The first row of the last chunk.
    pub first: u64,
    /// Rows written, in this and earlier sittings.
    pub done: u64,
    /// Rows of the whole run.
    pub rows: u64,
    /// Rows that this sitting has written, but for chunks that an extension took over as they were.
    pub done_now: u64,
    /// How the networks of the written rows ended.
    pub outcome: StatusCounts,
    /// The rows of the last chunk.
    pub chunk: u64,
    /// How long this sitting has taken.
    pub elapsed: Duration,
}

/// What a run tells while it works.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The first chunk is about to be computed.
    Begun {
        /// Rows that earlier sittings wrote.
        done: u64,
        /// Rows of the whole run.
        rows: u64,
    },
    /// A chunk was written.
    Progress(Progress),
    /// Something went wrong and was mended.
    Mended(String),
    /// Networks of the last chunk have no spectrum: their `lambda_max` and `lambda_min` are NaN.
    NoSpectrum {
        /// The seed, or row of the file, of the chunk's first network.
        first: u64,
        /// Which of the chunk's networks, and why.
        missing: Vec<MissingSpectrum>,
    },
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// Every row is written.
    Finished(Box<Manifest>),
    /// [`Sweep::stop`] was requested; every row that is written is durable.
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
    /// Row k is trained from seed `first_seed` + k; the first rows are there already, and some of their networks trained on.
    Extended {
        /// The rows that are there.
        earlier: &'a Earlier,
        /// The seed of row 0.
        first_seed: u64,
        /// How all are trained.
        descent: Descent,
    },
    /// Row k is row k of an array of networks trained elsewhere.
    Given {
        /// The networks, (S, D).
        theta: Theta<'a>,
        /// g.g below this counts as converged; without it no network is judged.
        tolerance: Option<f64>,
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
    /// Ends the run early, between two chunks or amid one, which is then dropped.
    pub stop: &'a Stop,
}

/// Fails unless `engine` and this machine's memory take one network of `experiment` with everything that its run records: what does
/// not fit is said before a directory is made.
///
/// # Errors
/// [`EngineError::Limit`] and [`EngineError::Room`], with what would fit.
pub fn admit(experiment: &Experiment, engine: &mut dyn Engine) -> Result<(), EngineError> {
    let Experiment { spec, problem, .. } = experiment;
    engine.batch_size(problem)?;
    if spec.extra.bounds {
        reference::check_terms(problem)?;
    }
    match spec.extra.spectrum {
        // No network takes no time, and is refused where any other would be.
        Some(SpectrumColumns::Values) => {
            engine.spectrum(problem, Array2::<f64>::zeros((0, problem.network.parameters())).view().into()).map(|_| ())
        }
        Some(SpectrumColumns::Vectors) => reference::check_spectra(problem.network.shape),
        None => Ok(()),
    }
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
        observe: &mut dyn FnMut(Event),
    ) -> Result<Ended, SweepError> {
        let start = Instant::now();
        let mut written_at = start;
        admit(self.experiment, engine.as_mut())?;
        let most = engine.batch_size(&self.experiment.problem)?.min(self.rows_in_memory());
        engine.stop_on(self.stop);
        let mut chunk = Chunk { rows: most.min(engine.smallest_batch()), most };
        let mut outcome = writer.outcome()?;
        let mut attempts = 0;
        let missing = writer.missing();
        let rows = self.experiment.spec.rows();
        let mut done = rows - missing.iter().map(|range| range.end - range.start).sum::<u64>();
        let mut done_now = 0;
        observe(Event::Begun { done, rows });
        for mut range in missing {
            while !range.is_empty() {
                if self.stop.is_requested() {
                    writer.checkpoint()?;
                    return Ok(Ended::Stopped);
                }
                let part = self.part(&range, chunk.rows)?;
                let chunk_start = Instant::now();
                let mut spent = Seconds::default();
                let records = match self.chunk(engine.as_mut(), &part, &mut spent) {
                    Ok(records) => records,
                    Err(SweepError::Engine(EngineError::OutOfMemory(why))) if chunk.rows > 1 => {
                        chunk.halve();
                        let told = format!(
                            "the device is out of memory ({why}): going on with {} networks a chunk",
                            chunk.rows
                        );
                        observe(Event::Mended(told));
                        continue;
                    }
                    Err(SweepError::Engine(EngineError::Stopped)) => continue,
                    Err(SweepError::Engine(EngineError::DeviceLost(why))) if attempts < DEVICE_ATTEMPTS => {
                        attempts += 1;
                        let told = format!(
                            "the device was lost ({why}): opening it again, attempt {attempts} of {DEVICE_ATTEMPTS}"
                        );
                        observe(Event::Mended(told));
                        match open() {
                            Ok(opened) => {
                                engine = opened;
                                engine.stop_on(self.stop);
                            }
                            // The driver may need a moment. Until then the lost device answers that it is lost.
                            Err(_) => std::thread::sleep(REOPEN * attempts),
                        }
                        continue;
                    }
                    Err(error) => {
                        writer.checkpoint()?;
                        return Err(error);
                    }
                };
                attempts = 0;
                outcome.count(&records.status);
                spent.total = written_at.elapsed().as_secs_f64();
                written_at = Instant::now();
                if let Err(error) = writer.write(part.start, &records.records, spent) {
                    // Rows of earlier chunks may still become durable; that they may not is no news after this error.
                    let _ = writer.checkpoint();
                    return Err(error.into());
                }
                range.start = part.end;
                let written = part.end - part.start;
                done += written;
                // What took no work says nothing about work.
                if records.computed > 0 {
                    chunk.learn(chunk_start.elapsed());
                    done_now += written;
                }
                if !records.no_spectrum.is_empty() {
                    let first = self.first_seed() + part.start;
                    observe(Event::NoSpectrum { first, missing: records.no_spectrum });
                }
                let progress = Progress {
                    first: part.start,
                    done,
                    rows,
                    done_now,
                    outcome,
                    chunk: written,
                    elapsed: start.elapsed(),
                };
                observe(Event::Progress(progress));
            }
        }
        Ok(Ended::Finished(Box::new(writer.finish()?)))
    }

    /// The first of the `missing` rows: as many as hold at most `most` networks to compute.
    fn part(&self, missing: &Range<u64>, most: usize) -> Result<Range<u64>, RunError> {
        if let Networks::Extended { earlier, .. } = self.networks
            && missing.start < earlier.rows()
        {
            let in_memory = missing.start.saturating_add(self.rows_in_memory() as u64);
            return earlier.part(missing.start..missing.end.min(earlier.rows()).min(in_memory), most);
        }
        Ok(missing.start..missing.end.min(missing.start + most as u64))
    }

    /// Trains, where the run trains, and evaluates the networks of `rows`.
    fn chunk(&self, engine: &mut dyn Engine, rows: &Range<u64>, seconds: &mut Seconds) -> Result<Finished, SweepError> {
        match self.networks {
            Networks::Extended { earlier, descent, .. } if rows.start < earlier.rows() => {
                let mut records = earlier.read(rows)?;
                let stopped = earlier.stopped(rows)?;
                let mut no_spectrum = Vec::new();
                if let Some(taken) = earlier.stopped_at().filter(|_| !stopped.is_empty()) {
                    let start = Instant::now();
                    let theta = earlier.theta(&records, &stopped);
                    let trained = engine.train_on(&self.experiment.problem, &descent, theta.view(), taken)?;
                    seconds.train += start.elapsed().as_secs_f64();
                    let (more, missing) = self.records(engine, 0, trained, seconds)?;
                    records.replace(&stopped, &more);
                    let missing = missing.into_iter();
                    no_spectrum.extend(missing.map(|found| MissingSpectrum { row: stopped[found.row], ..found }));
                }
                Ok(Finished { status: earlier.status(&records), records, no_spectrum, computed: stopped.len() })
            }
            Networks::Seeds { first_seed, descent } | Networks::Extended { first_seed, descent, .. } => {
                let seeds = first_seed + rows.start..first_seed + rows.end;
                let start = Instant::now();
                let trained = engine.train(&self.experiment.problem, &descent, seeds.clone())?;
                seconds.train += start.elapsed().as_secs_f64();
                let status = numbers(&trained.status);
                let (records, no_spectrum) = self.records(engine, seeds.start, trained, seconds)?;
                Ok(Finished { records, computed: status.len(), status, no_spectrum })
            }
            Networks::Given { theta, tolerance } => {
                let theta = theta.rows(rows.start as usize..rows.end as usize);
                let Evaluated { evaluation, further, no_spectrum } = self.evaluate(engine, theta, seconds)?;
                // g.g is a sum of squares: it is never below 0.
                let (tolerance, otherwise) =
                    tolerance.map_or((0.0, Status::Evaluated), |tolerance| (tolerance, Status::StepLimit));
                let verdict = |&sq: &f64| Status::of_gradient(sq, tolerance).unwrap_or(otherwise);
                let status: Vec<Status> = evaluation.gradient_sq.iter().map(verdict).collect();
                let steps = vec![0; status.len()];
                let keep = self.experiment.spec.keep;
                let records = Records::new(keep, rows.start, theta, &status, steps, evaluation, further);
                Ok(Finished { records, computed: status.len(), status: numbers(&status), no_spectrum })
            }
        }
    }

    /// The records of `trained` networks, of seeds from `first_seed` on, and those of them that have no spectrum.
    fn records(
        &self,
        engine: &mut dyn Engine,
        first_seed: u64,
        trained: Trained,
        seconds: &mut Seconds,
    ) -> Result<(Records, Vec<MissingSpectrum>), SweepError> {
        let theta = trained.theta.view().into();
        let Evaluated { evaluation, further, no_spectrum } = self.evaluate(engine, theta, seconds)?;
        let keep = self.experiment.spec.keep;
        let records = Records::new(keep, first_seed, theta, &trained.status, trained.steps, evaluation, further);
        Ok((records, no_spectrum))
    }

    /// The closed forms and the run's further columns, at the weights as they are recorded: they can be computed again from the run
    /// alone.
    fn evaluate(
        &self,
        engine: &mut dyn Engine,
        theta: Theta<'_>,
        seconds: &mut Seconds,
    ) -> Result<Evaluated, SweepError> {
        let Experiment { spec, problem, test } = self.experiment;
        let start = Instant::now();
        let Completed { evaluation, again } = fallback::evaluate(engine, problem, theta, self.stop)?;
        let (mut further, mut no_spectrum) = (Vec::new(), Vec::new());
        self.stop.check()?;
        if let Some(test) = test {
            let macro_f1 = macro_f1_of_each(problem.network, test, theta)?;
            further.push(Values::Float64(macro_f1));
        }
        self.stop.check()?;
        if spec.extra.bounds {
            let bounds = network_bounds_of_each(problem, theta);
            further
                .extend(NetworkBounds::COLUMNS.map(|(_, value)| Values::Float64(bounds.iter().map(value).collect())));
        }
        self.stop.check()?;
        if let Some(spectrum) = spec.extra.spectrum {
            let (columns, missing) = self.spectrum_columns(engine, theta, spectrum, &again)?;
            further.extend(columns);
            no_spectrum = missing;
        }
        seconds.evaluate += start.elapsed().as_secs_f64();
        Ok(Evaluated { evaluation, further, no_spectrum })
    }

    /// The seed of row 0, or 0 for networks from a file.
    fn first_seed(&self) -> u64 {
        match self.networks {
            Networks::Seeds { first_seed, .. } | Networks::Extended { first_seed, .. } => first_seed,
            Networks::Given { .. } => 0,
        }
    }

    /// lambda_max and lambda_min of every network by `engine`, and in f64 for the rows `again`, or with u_1 to u_4 all in f64; NaN for a
    /// network without a spectrum, which is named.
    fn spectrum_columns(
        &self,
        engine: &mut dyn Engine,
        theta: Theta<'_>,
        wanted: SpectrumColumns,
        again: &[usize],
    ) -> Result<(Vec<Values>, Vec<MissingSpectrum>), EngineError> {
        let problem = &self.experiment.problem;
        if wanted == SpectrumColumns::Values {
            let Spectra { lambda_max, lambda_min, missing } =
                fallback::spectra(engine, problem, theta, again, self.stop)?;
            return Ok((vec![Values::Float64(lambda_max), Values::Float64(lambda_min)], missing));
        }
        let mut spectra = Vec::with_capacity(theta.nrows());
        for rows in theta.chunks(rayon::current_num_threads()) {
            self.stop.check()?;
            spectra.extend(reference::spectra(problem, rows, EIGENVECTORS));
        }
        let missing = (0..)
            .zip(&spectra)
            .filter_map(|(row, spectrum)| Some(MissingSpectrum { row, reason: spectrum.as_ref().err()?.to_string() }))
            .collect();
        let value = |of: fn(&Spectrum) -> f64| {
            Values::Float64(spectra.iter().map(|spectrum| spectrum.as_ref().map_or(f64::NAN, of)).collect())
        };
        let mut columns = vec![value(Spectrum::lambda_max), value(Spectrum::lambda_min)];
        let parameters = problem.network.parameters();
        for k in 0..EIGENVECTORS {
            let mut column = Vec::with_capacity(spectra.len() * parameters);
            for spectrum in &spectra {
                match spectrum {
                    Ok(spectrum) => column.extend(spectrum.eigenvectors.row(k)),
                    Err(_) => column.extend(std::iter::repeat_n(f64::NAN, parameters)),
                }
            }
            columns.push(Values::Float64(column));
        }
        Ok((columns, missing))
    }

    /// The most rows whose arrays fit the memory that is allowed.
    fn rows_in_memory(&self) -> usize {
        let parameters = self.experiment.problem.network.parameters() as u64;
        // theta: twice f32 (engine and records); the other columns and the engines' own copies of them are below 512 bytes per
        // row.
        let vectors = match self.experiment.spec.extra.spectrum {
            Some(SpectrumColumns::Vectors) => 2 * 8 * EIGENVECTORS as u64 * parameters,
            _ => 0,
        };
        let row = parameters * 8 + vectors + 512;
        usize::try_from((self.memory / row).max(1)).unwrap_or(usize::MAX)
    }
}

/// What is known of a chunk's networks beside their weights.
struct Evaluated {
    evaluation: Evaluation,
    /// The run's further columns.
    further: Vec<Values>,
    /// The networks whose spectrum is NaN.
    no_spectrum: Vec<MissingSpectrum>,
}

struct Finished {
    records: Records,
    /// The status column.
    status: Vec<u8>,
    /// The networks whose spectrum is NaN.
    no_spectrum: Vec<MissingSpectrum>,
    /// How many networks were trained or evaluated for it.
    computed: usize,
}

fn numbers(status: &[Status]) -> Vec<u8> {
    status.iter().map(|&status| status as u8).collect()
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
        self.rows = ((self.rows as f64 * ratio.clamp(0.25, 16.0)) as usize).clamp(1, self.most);
    }

    fn halve(&mut self) {
        self.rows = (self.rows / 2).max(1);
        self.most = self.rows;
    }
}
