//! An engine's results beside golden values, and its verdicts beside those of the reference.

use std::time::Duration;

use super::cases::{Case, gradient_size};
use super::comparison::Comparison;
use super::training;
use crate::bounds::{widened_bounds, wolkowicz_styan};
use crate::clock::Instant;
use crate::engine::{Descent, Engine, EngineError, Stop};
use crate::model::{Activation, DataError, Problem, Stream, Theta, appendix_c};
use crate::reference::{Reference, output, terms};
use crate::watch::Pieces;

/// How far off results in a precision may be.
#[derive(Debug, Clone, Copy)]
struct Precision {
    /// Sums over the samples, and bounds.
    sums: f64,
    /// tr H^2.
    squares: f64,
    /// The extreme eigenvalues, relative to ||H||_F.
    eigenvalues: f64,
}

const F32: Precision = Precision { sums: 5e-6, squares: 1e-5, eigenvalues: 1e-5 };
/// The solver of the golden values and rounding leave 1e-13.
const F64: Precision = Precision { sums: 1e-11, squares: 1e-11, eigenvalues: 1e-11 };

/// The part of all verdicts that may differ: in long runs rounding decides some of them.
pub(super) const VERDICTS: f64 = 0.02;

/// Seeds whose verdicts are compared.
pub(super) const SEEDS: u64 = 512;

/// As many on an engine so slow that those would take minutes, such as some software adapters.
const FEWER_SEEDS: u64 = 64;

/// Steps of [`SEEDS`] seeds by which that is seen, and the time for them beyond which an engine is that slow.
const TRIAL_STEPS: u32 = 50;
const SLOW_TRIAL: Duration = Duration::from_millis(500);

/// I of the default experiment.
pub(super) const SAMPLES: usize = 50;

/// Compares what `engine` finds with the golden values.
///
/// # Errors
/// [`EngineError::Stopped`] once `stop` was requested. What else goes wrong is in the comparisons.
pub(super) fn compare_golden(
    engine: &mut dyn Engine,
    cases: &[Case],
    stop: &Stop,
    pieces: &Pieces<'_>,
) -> Result<Vec<Comparison>, EngineError> {
    let precision = if engine.evaluates_in_f64() { F64 } else { F32 };
    let [mut loss, mut gradient_sq, mut trace] =
        ["loss", "gradient_sq", "trace"].map(|name| Comparison::new(name, precision.sums));
    let mut trace_sq = Comparison::new("trace_sq", precision.squares);
    let mut lambda_sup = Comparison::new("lambda_sup", precision.sums);
    // A bound that is widened by its rounding holds as it stands; the golden eigenvalues are rounded themselves.
    let mut bounds = Comparison::new("bounds hold", 1e-12);
    let [mut lambda_max, mut lambda_min] =
        ["lambda_max", "lambda_min"].map(|name| Comparison::new(name, precision.eigenvalues));
    for case in cases {
        let Some(golden) = &case.golden else { continue };
        let theta = Theta::from(case.theta.view());
        let parameters = case.problem.network.parameters();
        let norm = |k: usize| golden.trace_sq[k].sqrt();
        let golden_trace = |k: usize| golden.trace_ww[k] + golden.trace_vv[k];
        let evaluated = engine.evaluate(&case.problem, theta);
        stop.check()?;
        loss.outcome(&case.name, evaluated, |loss, found| {
            for k in 0..case.theta.nrows() {
                let at = case.at(k);
                let weights = case.theta.row(k).to_vec();
                // An error of z is an error of the same size in the loss.
                let reach = output(case.paper().network, &case.problem.data, &weights);
                let reach: f64 = reach.iter().map(|z| 1.0 + z.abs()).sum();
                loss.add(&at, &[found.loss[k]], &[golden.loss[k]], |_| reach);
                let terms = terms(&case.paper(), &weights);
                // g.g is off by twice |g| times the error of g.
                let size = gradient_size(&case.paper(), &weights, &terms).powi(2);
                gradient_sq.add(&at, &[found.gradient_sq[k]], &[golden.gradient_sq[k]], |_| size);
                let found_trace = found.trace(k);
                let root = (parameters as f64).sqrt();
                trace.add(&at, &[found_trace], &[golden_trace(k)], |_| root * norm(k));
                trace_sq.add(&at, &[found.trace_sq[k]], &[golden.trace_sq[k]], |_| golden.trace_sq[k]);
                let [of_found, of_golden] = [(found_trace, found.trace_sq[k]), (golden_trace(k), golden.trace_sq[k])]
                    .map(|(trace, square)| wolkowicz_styan(trace, square, parameters).lambda_sup);
                lambda_sup.add(&at, &[of_found], &[of_golden], |_| norm(k));
                let widened = widened_bounds(found_trace, found.trace_sq[k], parameters, &found.rounding[k]).bounds;
                let (largest, smallest) = (golden.lambda_max[k], golden.lambda_min[k]);
                for (low, high) in [
                    (largest, widened.lambda_sup),
                    (widened.lambda_max_lower, largest),
                    (smallest, widened.lambda_min_upper),
                    (widened.lambda_min_lower, smallest),
                ] {
                    // A bound that could not be given is none that fails, and none that holds.
                    if (high - low).is_finite() {
                        bounds.add_error(&at, if low > high { (low - high) / norm(k) } else { 0.0 });
                    }
                }
            }
        });
        let spectra = engine.spectrum(&case.problem, theta);
        stop.check()?;
        lambda_max.outcome(&case.name, spectra, |lambda_max, found| {
            for k in 0..case.theta.nrows() {
                let at = case.at(k);
                lambda_max.add(&at, &[found.lambda_max[k]], &[golden.lambda_max[k]], |_| norm(k));
                lambda_min.add(&at, &[found.lambda_min[k]], &[golden.lambda_min[k]], |_| norm(k));
            }
        });
        pieces.one();
    }
    // What one call could not give, none of its values has.
    for other in [&mut gradient_sq, &mut trace, &mut trace_sq, &mut lambda_sup, &mut bounds] {
        other.failure = other.failure.take().or_else(|| loss.failure.clone());
    }
    lambda_min.failure = lambda_min.failure.take().or_else(|| lambda_max.failure.clone());
    Ok(vec![loss, gradient_sq, trace, trace_sq, lambda_sup, bounds, lambda_max, lambda_min])
}

/// Compares a few steps of training on `engine`, which trains in f32.
///
/// # Errors
/// [`EngineError::Stopped`] once `stop` was requested.
pub(super) fn compare_training(
    engine: &mut dyn Engine,
    cases: &[Case],
    stop: &Stop,
    pieces: &Pieces<'_>,
) -> Result<Comparison, EngineError> {
    let mut comparison = Comparison::new("training", training::IN_F32);
    for case in cases {
        training::compare(engine, case, &training::expected(case), &mut comparison);
        stop.check()?;
        pieces.one();
    }
    Ok(comparison)
}

/// The default experiment at N = `hidden`.
///
/// # Errors
/// [`DataError`], which it never is.
pub(super) fn default_problem(hidden: usize) -> Result<Problem, DataError> {
    Ok(Problem::new(hidden, Activation::Sigmoid, appendix_c(SAMPLES, 0, Stream::TrainData)?))
}

/// How many seeds of `problem` `engine` can train to their verdicts within a minute or so: [`SEEDS`], or else
/// [`FEWER_SEEDS`].
fn affordable_seeds(engine: &mut dyn Engine, problem: &Problem) -> Result<u64, EngineError> {
    let mut trial = |max_steps| -> Result<Duration, EngineError> {
        let start = Instant::now();
        engine.train(problem, &Descent { max_steps, tolerance: 0.0, ..Descent::default() }, 0..SEEDS)?;
        Ok(start.elapsed())
    };
    // Compiles.
    trial(1)?;
    Ok(if trial(TRIAL_STEPS)? < SLOW_TRIAL { SEEDS } else { FEWER_SEEDS })
}

/// Compares the verdicts of [`SEEDS`] seeds of `problem`, or of fewer on a slow engine, with those of the reference:
/// the error is the part that differs.
///
/// # Errors
/// [`EngineError::Stopped`] once `stop` was requested.
pub(super) fn compare_verdicts(
    engine: &mut dyn Engine,
    problem: &Problem,
    stop: &Stop,
) -> Result<Comparison, EngineError> {
    let mut comparison = Comparison::new("verdicts", VERDICTS);
    let mut reference = Reference::default();
    reference.stop_on(stop);
    let found =
        affordable_seeds(engine, problem).and_then(|seeds| engine.train(problem, &Descent::default(), 0..seeds));
    stop.check()?;
    let seeds = found.as_ref().map_or(0, |found| found.status.len());
    let expected = reference.train(problem, &Descent::default(), 0..seeds as u64)?;
    comparison.outcome("the default experiment", found, |comparison, found| {
        let differ = found.status.iter().zip(&expected.status).filter(|(a, b)| a != b).count();
        comparison.worst = differ as f64 / seeds as f64;
        comparison.values = seeds;
        comparison.at = format!("{differ} of {seeds} seeds end otherwise than in float64");
    });
    Ok(comparison)
}
