//! The closed forms and the spectra of a batch, in f64 on the processor wherever an engine's f32 is not enough.
//!
//! Networks can be as flat as ||H||_F = 1e-30 or as sharp as 1e30, and sums can cancel: f32 then underflows, overflows
//! or loses its digits, and its own rounding bound says so. Such rows are few, and they are computed again.

use crate::bounds::widened_bounds;
use crate::cpu::Cpu;
use crate::engine::{ClosedForms, Engine, EngineError, Evaluation, Spectra, Stop};
use crate::model::{Problem, Theta};

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

/// The engine of the second computation: plain code that ends soon after `stop` is requested.
fn plain(stop: &Stop) -> Cpu {
    let mut cpu = Cpu::plain();
    cpu.stop_on(stop);
    cpu
}

/// Whether every value of a row is finite and its bounds need little widening.
fn is_enough(forms: &ClosedForms, parameters: usize) -> bool {
    let ClosedForms { loss, gradient_sq, trace_ww, trace_vv, trace_sq, rounding } = *forms;
    let widened = widened_bounds(trace_ww + trace_vv, trace_sq, parameters, &rounding);
    let finite = [loss, gradient_sq, trace_ww, trace_vv, trace_sq].iter().all(|value| value.is_finite());
    finite && widened.error <= TOLERATED * trace_sq.sqrt()
}
