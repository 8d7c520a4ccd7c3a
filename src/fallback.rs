//! The closed forms, the spectra and the brackets of a batch, in f64 on the processor wherever an engine's f32 is not
//! enough.
//!
//! Networks can be as flat as ||H||_F = 1e-30 or as sharp as 1e30, and sums can cancel: f32 then underflows, overflows
//! or loses its digits, and its own rounding bound says so. Such rows are few, and they are computed again.

mod matrix;

use rayon::prelude::*;

use crate::bounds::{Bracket, bracket, known_rank, widened_bounds};
use crate::cpu::Cpu;
use crate::engine::{
    ClosedForms, EndEstimates, Engine, EngineError, Evaluation, HessianMoments, Powers, Spectra, Stop,
};
use crate::model::{Problem, Theta};
use crate::spec::Brackets;
pub use matrix::{MatrixError, bracket_of_matrix};

/// A row is computed again where rounding may have moved its bounds by more than this share of ||H||_F.
const TOLERATED: f64 = 1e-3;

/// The closed forms of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Completed {
    /// Row by row.
    pub evaluation: Evaluation,
    /// The rows that were computed again in f64, in order.
    pub again: Vec<usize>,
}

/// Evaluates the closed forms of `problem` at each row of `theta` (S, D) with `engine`, and in f64 where f32 is not
/// enough.
///
/// This second computation runs as plain code, so it does not depend on the processor.
///
/// # Errors
/// [`EngineError`] if the engine's device fails or the batch does not fit, and after `stop` was requested.
pub fn evaluate(
    engine: &mut dyn Engine,
    problem: &Problem,
    theta: Theta<'_>,
    stop: &Stop,
) -> Result<Completed, EngineError> {
    let mut evaluation = engine.evaluate(problem, theta)?;
    let beyond_f32 = |row: &usize| {
        theta.network(*row).iter().all(|weight| weight.is_finite())
            && !is_enough(&evaluation.network(*row), theta.ncols())
    };
    let again: Vec<usize> =
        if engine.evaluates_in_f64() { Vec::new() } else { (0..theta.nrows()).filter(beyond_f32).collect() };
    if !again.is_empty() {
        let found = plain(stop).evaluate(problem, theta.select(&again).view().into())?;
        evaluation.replace(&again, &found);
    }
    Ok(Completed { evaluation, again })
}

/// The spectra at each row of `theta` (S, D) by `engine`, and in f64 for the rows `again`, whose closed forms needed
/// more than f32.
///
/// # Errors
/// [`EngineError`] if the engine's device fails, D is more than an engine takes, and after `stop` was requested.
pub fn spectra(
    engine: &mut dyn Engine,
    problem: &Problem,
    theta: Theta<'_>,
    again: &[usize],
    stop: &Stop,
) -> Result<Spectra, EngineError> {
    let mut spectra = engine.spectrum(problem, theta)?;
    if !again.is_empty() {
        let found = plain(stop).spectrum(problem, theta.select(again).view().into())?;
        spectra.replace(again, found);
    }
    Ok(spectra)
}

/// How far computed eigenvalues may be off, relative to ||H||_F: in f32 on the GPU beside the error of its Hessian, in
/// f64 for each parameter. Where they are further off, the proof fails, and the moments are left.
const EIGENVALUE_IN_F32: f64 = 2e-5;
const EIGENVALUE_IN_F64: f64 = 1e-15;

/// Where the eigenvalues should be that were found for networks with this `evaluation`: in f64 for the rows of which
/// `precise` says so.
pub fn end_estimates(
    evaluation: &Evaluation,
    (lambda_max, lambda_min): (&[f64], &[f64]),
    parameters: usize,
    precise: impl Fn(usize) -> bool,
) -> Vec<EndEstimates> {
    let estimate = |((row, &lambda_max), &lambda_min): ((usize, &f64), &f64)| {
        let norm = evaluation.trace_sq[row].sqrt();
        let within = if precise(row) {
            in_f64(norm, parameters)
        } else {
            EIGENVALUE_IN_F32 * norm + evaluation.rounding[row].hessian
        };
        EndEstimates { lambda_max, lambda_min, within }
    };
    lambda_max.iter().enumerate().zip(lambda_min).map(estimate).collect()
}

/// How far the eigenvalues of a Hessian of this ||H||_F may be off in f64.
fn in_f64(norm: f64, parameters: usize) -> f64 {
    EIGENVALUE_IN_F64 * (parameters as f64 + 10.0) * norm
}

/// The brackets of lambda_1 and lambda_D at each row of `theta` (S, D), whose closed forms are `evaluation`; around the
/// eigenvalues where there are `estimates` (S,) of them.
///
/// All work is in f64: by `engine`, or in plain code on the processor if that has f32 only. There the error of the
/// Hessian alone would make a bracket wider than the moments do for many networks.
///
/// # Errors
/// [`EngineError`] if D is more than the engine takes, and after `stop` was requested.
pub fn brackets(
    engine: &mut dyn Engine,
    problem: &Problem,
    theta: Theta<'_>,
    evaluation: &Evaluation,
    (asked, estimates): (Brackets, Option<&[EndEstimates]>),
    stop: &Stop,
) -> Result<Vec<Bracket>, EngineError> {
    let mut processor = plain(stop);
    let engine: &mut dyn Engine = if engine.evaluates_in_f64() { engine } else { &mut processor };
    let powers = if asked == Brackets::Eight { Powers::Eight } else { Powers::Four };
    let moments = engine.moments(problem, theta, powers)?;
    let proven = estimates.map(|estimates| engine.prove(problem, theta, estimates)).transpose()?;
    let rank = known_rank(problem);
    let form = |row: usize, moments: &HessianMoments| {
        bracket(&evaluation.network(row), rank, moments, proven.as_ref().map(|proven| &proven[row]))
    };
    let mut found: Vec<Bracket> = moments.par_iter().enumerate().map(|(row, moments)| form(row, moments)).collect();
    let Brackets::Width(width) = asked else { return Ok(found) };
    let is_wide = |bracket: &Bracket| {
        let narrow = bracket.width() <= width && bracket.min_width() <= width;
        !narrow
    };
    let wide: Vec<usize> = (0..found.len()).filter(|&row| is_wide(&found[row])).collect();
    if wide.is_empty() {
        return Ok(found);
    }
    let networks = theta.select(&wide);
    let Spectra { lambda_max, lambda_min, .. } = engine.spectrum(problem, networks.view().into())?;
    let ends = wide.iter().zip(lambda_max.into_iter().zip(lambda_min));
    let estimates: Vec<EndEstimates> = ends
        .map(|(&row, (lambda_max, lambda_min))| {
            let within = in_f64(moments[row].hessian_norm(), problem.network.parameters());
            EndEstimates { lambda_max, lambda_min, within }
        })
        .collect();
    for (&row, proven) in wide.iter().zip(engine.prove(problem, networks.view().into(), &estimates)?) {
        found[row] = bracket(&evaluation.network(row), rank, &moments[row], Some(&proven));
    }
    Ok(found)
}

/// The engine of the second computation: plain code that ends soon after `stop` is requested.
fn plain(stop: &Stop) -> Cpu {
    let mut cpu = Cpu::plain();
    cpu.stop_on(stop);
    cpu
}

/// Whether every value of a row is finite and its bounds need little widening.
fn is_enough(forms: &ClosedForms, parameters: usize) -> bool {
    let ClosedForms { loss, gradient_sq, layer_trace, trace_sq, rounding } = *forms;
    let widened = widened_bounds(layer_trace.sum(), trace_sq, parameters, &rounding);
    let finite = [loss, gradient_sq, trace_sq].iter().chain(layer_trace.as_slice()).all(|value| value.is_finite());
    finite && widened.error <= TOLERATED * trace_sq.sqrt()
}
