//! How fast an engine is: networks and steps per second, in batches that are large enough for it.

use std::time::Duration;

use ndarray::Array2;
use serde::Serialize;

use super::results::{SAMPLES, SEEDS, default_problem};
use crate::clock::Instant;
use crate::engine::{Descent, Engine, EngineError};
use crate::model::{Problem, initial_theta};

/// Work whose speed is measured, on the default experiment's data (M = 2, I = 50, sigmoid).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Training as many networks as the engine takes, in seed-steps: steps of single networks.
    Training,
    /// Training the networks of the default sweep, 512, in seed-steps.
    TrainingFew,
    /// Closed forms, in networks.
    ClosedForms,
    /// Both ends of the spectrum from all eigenvalues, in networks.
    Eigenvalues,
}

impl Task {
    /// Whether it trains.
    pub(super) fn trains(self) -> bool {
        matches!(self, Self::Training | Self::TrainingFew)
    }
}

/// The speed of an engine at one task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// Networks of the timed batch.
    pub networks: usize,
    /// Seed-steps or networks per second, with transfers: the median of three runs, or one where it takes a second.
    pub per_second: f64,
}

/// Every task at every width, in the order of a table.
pub(super) const TASKS: [(Task, usize); 8] = [
    (Task::Training, 3),
    (Task::Training, 10),
    (Task::TrainingFew, 3),
    (Task::TrainingFew, 10),
    (Task::ClosedForms, 3),
    (Task::ClosedForms, 10),
    (Task::Eigenvalues, 3),
    (Task::Eigenvalues, 10),
];

/// How long a timed run should take: long against the clock, the start of threads and the first, short dispatches.
const RUN: Duration = Duration::from_millis(200);

/// A run this long says enough by itself: repeats would take minutes on slow software adapters.
const LONG_RUN: Duration = Duration::from_secs(1);

/// The most networks of a batch.
const MOST_TRAINED: usize = 1 << 18;
const MOST_EVALUATED: usize = 1 << 16;

/// The most steps of a run.
const MOST_STEPS: u32 = 1 << 20;

/// f32 operations of one step of one network, a multiply-add counting as two: 42 N + 27 for each sample.
pub(super) fn step_flops(hidden: usize) -> f64 {
    (SAMPLES * (42 * hidden + 27)) as f64
}

/// A batch.
#[derive(Clone, Copy)]
struct Amount {
    networks: usize,
    steps: u32,
}

/// Measures `engine` at `task` with N = `hidden`.
///
/// # Errors
/// [`EngineError`] if the engine fails.
pub(super) fn measure(engine: &mut dyn Engine, task: Task, hidden: usize) -> Result<Rate, EngineError> {
    let problem = default_problem(hidden).map_err(|error| EngineError::Limit(error.to_string()))?;
    let fit = engine.batch_size(&problem)?;
    let most = match task {
        Task::Training => MOST_TRAINED.min(fit),
        Task::TrainingFew => SEEDS as usize,
        Task::ClosedForms | Task::Eigenvalues => MOST_EVALUATED.min(fit),
    };
    let first = if task == Task::TrainingFew { most } else { engine.smallest_batch().min(most) };
    let mut amount = Amount { networks: first, steps: 64 };
    // The first run compiles shaders and wakes threads.
    run(engine, &problem, task, Amount { steps: 1, ..amount })?;
    let last = loop {
        let seconds = run(engine, &problem, task, amount)?;
        if seconds >= 0.5 * RUN.as_secs_f64() {
            break seconds;
        }
        // Not many more at once, since one measured time says little.
        let growth = (RUN.as_secs_f64() / seconds.max(1e-6)).clamp(2.0, 8.0);
        if amount.networks < most {
            amount.networks = ((amount.networks as f64 * growth) as usize).min(most);
        } else if task.trains() && amount.steps < MOST_STEPS {
            amount.steps = ((f64::from(amount.steps) * growth) as u32).min(MOST_STEPS);
        } else {
            break seconds;
        }
    };
    let mut seconds = [last; 3];
    if last < LONG_RUN.as_secs_f64() {
        for seconds in &mut seconds {
            *seconds = run(engine, &problem, task, amount)?;
        }
    }
    seconds.sort_by(f64::total_cmp);
    let work = amount.networks as f64 * if task.trains() { f64::from(amount.steps) } else { 1.0 };
    Ok(Rate { networks: amount.networks, per_second: work / seconds[1].max(1e-9) })
}

/// Seconds of one run.
fn run(engine: &mut dyn Engine, problem: &Problem, task: Task, amount: Amount) -> Result<f64, EngineError> {
    let Amount { networks, steps } = amount;
    if task.trains() {
        // A tolerance of 0 is never reached, so every network takes every step.
        let descent = Descent { step_size: 0.01, max_steps: steps, tolerance: 0.0, ..Descent::default() };
        let start = Instant::now();
        engine.train(problem, &descent, 0..networks as u64)?;
        return Ok(start.elapsed().as_secs_f64());
    }
    let shape = problem.network.shape;
    let rows: Vec<f32> = (0..SEEDS).flat_map(|seed| initial_theta(shape.parameters(), seed, 1.0)).collect();
    let theta = Array2::from_shape_fn((networks, shape.parameters()), |(k, d)| {
        rows[k % SEEDS as usize * shape.parameters() + d]
    });
    let start = Instant::now();
    if task == Task::Eigenvalues {
        engine.spectrum(problem, theta.view().into())?;
    } else {
        engine.evaluate(problem, theta.view().into())?;
    }
    Ok(start.elapsed().as_secs_f64())
}
