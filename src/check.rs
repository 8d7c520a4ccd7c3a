//! Whether this machine computes what it should, and how fast: every pass of the GPU engine beside its twin in float64,
//! results beside golden values, and speeds beside those of the CPU engine.
//!
//! Golden values come from automatic differentiation in float64; no closed form was used for them.

mod cases;
mod comparison;
mod layers;
mod passes;
mod results;
mod speed;
mod training;

use serde::Serialize;

use crate::cpu::Cpu;
use crate::engine::{Engine, EngineError, Machine, Route, Stop};
use crate::gpu::{AdapterSummary, CompileTime, Pass, Tuning};
use crate::watch::{Pieces, Watch};
use cases::Case;
pub use comparison::Comparison;
pub use passes::Opening;
pub use speed::{Rate, Task};

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The program's version.
    pub version: String,
    /// The engine that was checked.
    pub engine: Machine,
    /// Its adapter; `None` for the CPU engine.
    pub adapter: Option<AdapterSummary>,
    /// Every pass beside its twin; empty for the CPU engine.
    pub passes: Vec<Comparison>,
    /// Results beside golden values, and verdicts.
    pub results: Vec<Comparison>,
    /// How fast it is.
    pub speed: Speed,
    /// What failed while that was measured; a check with failures does not pass.
    pub failures: Vec<String>,
}

/// How fast an engine is.
#[derive(Debug, Clone, Serialize)]
pub struct Speed {
    /// Every task.
    pub rates: Vec<TaskRates>,
    /// What the device can do at most; `None` for the CPU engine.
    pub device: Option<DeviceSpeed>,
    /// The CPU engine that `cpu` stands for.
    pub cpu: Machine,
}

/// The speed at one task, on the device and on the processor.
#[derive(Debug, Clone, Serialize)]
pub struct TaskRates {
    /// What is timed.
    pub task: Task,
    /// N.
    pub hidden: usize,
    /// The engine that is checked; `None` if it failed.
    pub engine: Option<Rate>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The CPU engine; `None` if that is the one that is checked.
    pub cpu: Option<Rate>,
    /// Seed-steps per second for each TFLOP/s of [`DeviceSpeed::flops`]; `None` for other work.
    pub per_tflops: Option<f64>,
    /// The part of these that training uses, counting 42 N + 27 operations for a step and sample; `None` for other
    /// work.
    pub share_of_peak: Option<f64>,
}

impl TaskRates {
    /// With the share of a device that does `flops` operations per second.
    fn with_peak(mut self, flops: f64) -> Self {
        if let Some(rate) = self.engine.filter(|_| self.task.trains()) {
            self.per_tflops = Some(rate.per_second / (flops / 1e12));
            self.share_of_peak = Some(rate.per_second * speed::step_flops(self.hidden) / flops);
        }
        self
    }
}

/// What a device can do at most, measured.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceSpeed {
    /// f32 operations per second in multiply-adds, of two operations each.
    pub flops: f64,
    /// Bytes per second from the host to the device.
    pub upload: f64,
    /// Bytes per second back.
    pub download: f64,
    /// Seconds from handing over a dispatch that does nothing until it is known to be done.
    pub round_trip: f64,
    /// How long the driver compiles.
    pub compile: Vec<PassCompileTime>,
}

/// How long the driver compiled one pass.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassCompileTime {
    /// The pass.
    pub pass: &'static str,
    /// Texts of it that were compiled.
    pub texts: usize,
    /// Seconds of the longest. What the driver has kept from earlier takes no time.
    pub longest: f64,
}

/// Why there is no check.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The engine cannot be opened, or was stopped.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// The cases are damaged.
    #[error("the golden cases cannot be read: {0}")]
    Cases(String),
}

impl Check {
    /// Every comparison that does not hold: passes, then results.
    pub fn off(&self) -> Vec<&Comparison> {
        self.passes.iter().chain(&self.results).filter(|comparison| !comparison.holds()).collect()
    }

    /// Checks the GPU engine on `adapter`. `open` opens it: [`crate::gpu::Gpu::new`], or
    /// [`crate::gpu::Gpu::with_texts`] to see that the check notices a wrong kernel.
    ///
    /// # Errors
    /// [`CheckError`] if the device cannot be opened, and once `stop` was requested. What goes wrong with a pass or a
    /// result is in its comparison.
    pub fn gpu(
        adapter: &AdapterSummary,
        open: Opening<'_>,
        stop: &Stop,
        watch: &dyn Watch,
    ) -> Result<Self, CheckError> {
        let cases = Case::all().map_err(CheckError::Cases)?;
        let mut gpu = open(Tuning::default())?;
        gpu.stop_on(stop);
        let pieces = Pieces::new(watch, "steps of the check", passes::pieces(&cases) + pieces(&cases, 2));
        let (passes, mut times) = passes::compare(open, &cases, stop, &pieces)?;
        let results = results(&mut [&mut gpu], &cases, None, stop, &pieces)?;
        let before = gpu.capacity();
        let (mut rates, mut failures) = rates(&mut gpu, stop, &pieces, true)?;
        // A second time, in case something else slowed the first.
        let capacity = before.and_then(|before| Ok(before.better(gpu.capacity()?)));
        times.extend(gpu.compile_times());
        let device = match capacity {
            Ok(capacity) => {
                rates = rates.into_iter().map(|rates| rates.with_peak(capacity.flops)).collect();
                Some(DeviceSpeed {
                    flops: capacity.flops,
                    upload: capacity.upload,
                    download: capacity.download,
                    round_trip: capacity.round_trip.as_secs_f64(),
                    compile: compile_times(&times),
                })
            }
            Err(EngineError::Stopped) => return Err(EngineError::Stopped.into()),
            // What was compared before is worth to be seen.
            Err(error) => {
                failures.push(format!("what the device can do at most: {error}"));
                None
            }
        };
        let speed = Speed { rates, device, cpu: Cpu::default().machine() };
        Ok(Self { adapter: Some(adapter.clone()), passes, failures, ..Self::of(gpu.machine(), results, speed) })
    }

    /// Compares every pass with its twin, as [`Self::gpu`] does first.
    ///
    /// # Errors
    /// As [`Self::gpu`].
    pub fn passes(open: Opening<'_>, stop: &Stop, watch: &dyn Watch) -> Result<Vec<Comparison>, CheckError> {
        let cases = Case::all().map_err(CheckError::Cases)?;
        let pieces = Pieces::new(watch, "steps of the check", passes::pieces(&cases));
        Ok(passes::compare(open, &cases, stop, &pieces)?.0)
    }

    /// Checks the CPU engine.
    ///
    /// # Errors
    /// As [`Self::gpu`].
    pub fn cpu(stop: &Stop, watch: &dyn Watch) -> Result<Self, CheckError> {
        let cases = Case::all().map_err(CheckError::Cases)?;
        let mut routes = [Cpu::new(Route::Pairwise), Cpu::new(Route::Assembled)];
        routes.iter_mut().for_each(|cpu| cpu.stop_on(stop));
        let golden = cases.iter().filter(|case| case.golden.is_some()).count();
        // Training, and the golden cases and layers by either route.
        let pieces = Pieces::new(watch, "steps of the check", cases.len() + golden + 1 + pieces(&cases, 1));
        let [pairwise, assembled] = &mut routes;
        let training = results::compare_training(pairwise, &cases, stop, &pieces)?;
        let results = results(&mut [pairwise, assembled], &cases, Some(training), stop, &pieces)?;
        let mut cpu = Cpu::default();
        cpu.stop_on(stop);
        let (rates, failures) = rates(&mut cpu, stop, &pieces, false)?;
        let speed = Speed { rates, device: None, cpu: cpu.machine() };
        Ok(Self { failures, ..Self::of(cpu.machine(), results, speed) })
    }

    fn of(engine: Machine, results: Vec<Comparison>, speed: Speed) -> Self {
        let version = env!("CARGO_PKG_VERSION").into();
        Self { version, engine, adapter: None, passes: Vec::new(), results, speed, failures: Vec::new() }
    }
}

/// How many pieces of work the results of an engine are, and the speeds of `engines` engines.
fn pieces(cases: &[Case], engines: usize) -> usize {
    cases.iter().filter(|case| case.golden.is_some()).count() + 2 + engines * speed::TASKS.len()
}

/// Results and verdicts of `engines`: the worst of each. `training` comes before them.
fn results(
    engines: &mut [&mut dyn Engine],
    cases: &[Case],
    training: Option<Comparison>,
    stop: &Stop,
    pieces: &Pieces<'_>,
) -> Result<Vec<Comparison>, CheckError> {
    let mut worst: Vec<Comparison> = Vec::new();
    for engine in engines.iter_mut() {
        let mut found = results::compare_golden(&mut **engine, cases, stop, pieces)?;
        found.extend(layers::compare_layers(&mut **engine, stop)?);
        pieces.one();
        worst = if worst.is_empty() { found } else { worst.into_iter().zip(found).map(Comparison::worse).collect() };
    }
    let problem = results::default_problem(3).map_err(|error| CheckError::Cases(error.to_string()))?;
    if let Some(engine) = engines.first_mut() {
        worst.push(results::compare_verdicts(&mut **engine, &problem, stop)?);
    }
    pieces.one();
    Ok(training.into_iter().chain(worst).collect())
}

/// The speed of `engine` at every task, and if asked for that of the CPU engine beside it; and what failed on the way.
/// A task that does not fit the engine is no failure.
fn rates(
    engine: &mut dyn Engine,
    stop: &Stop,
    pieces: &Pieces<'_>,
    beside: bool,
) -> Result<(Vec<TaskRates>, Vec<String>), EngineError> {
    let mut failures = Vec::new();
    let mut cpu = Cpu::default();
    cpu.stop_on(stop);
    let mut rates = Vec::new();
    for (task, hidden) in speed::TASKS {
        // In turn: a software adapter computes on the same processor.
        let found = speed::measure(engine, task, hidden);
        stop.check()?;
        pieces.one();
        let mut on_cpu = None;
        if beside {
            on_cpu = Some(speed::measure(&mut cpu, task, hidden)?);
            pieces.one();
        }
        let (rate, failure) = match found {
            Ok(rate) => (Some(rate), None),
            Err(error) => {
                if !matches!(error, EngineError::Limit(_)) {
                    failures.push(format!("{task:?} at N = {hidden}: {error}"));
                }
                (None, Some(error.to_string()))
            }
        };
        rates.push(TaskRates {
            task,
            hidden,
            engine: rate,
            failure,
            cpu: on_cpu,
            per_tflops: None,
            share_of_peak: None,
        });
    }
    Ok((rates, failures))
}

fn compile_times(times: &[CompileTime]) -> Vec<PassCompileTime> {
    let of_pass = |pass: Pass| {
        let times = times.iter().filter(move |time| time.pass == pass);
        PassCompileTime {
            pass: pass.name(),
            texts: times.clone().count(),
            longest: times.map(|time| time.time.as_secs_f64()).fold(0.0, f64::max),
        }
    };
    Pass::ONE_HIDDEN.map(of_pass).into()
}
