//! What to try where training cannot or did not do what was hoped for: said beside the results.

use ndarray::Array2;

use super::{Failure, notice};
use crate::analysis::median;
use crate::bounds::widened_bounds;
use crate::cpu::Cpu;
use crate::engine::{Descent, Engine, Route};
use crate::model::{Problem, ScaledInput, initial_theta};
use crate::run::{Outcome, Population, Run};
use crate::spec::{DataSource, Experiment, Work};

/// The most networks that advice is taken from, so that it costs little.
const ASKED: usize = 1024;

/// The networks that are evaluated at their initial weights where training ended outside its numbers.
const STARTS: u64 = 32;

/// How near a loss must be to that of a constant prediction to be taken for it, relatively.
const CONSTANT: f64 = 1e-4;

/// Says what the labels of one class alone mean.
pub(super) fn name_single_class(experiment: &Experiment) {
    let Some(class) = experiment.problem.data.single_class() else { return };
    notice(&format!(
        "all {} labels are {class}: a constant prediction is right everywhere, and the loss falls towards 0 for ever as weights grow, so \
         there is no minimum to be sharp. A network that converges has only reached a small gradient on the way",
        experiment.problem.data.samples()
    ));
}

/// Names the input of a user's own data that is furthest from mean 0 and standard deviation 1, if that is far.
pub(super) fn name_scaled_inputs(experiment: &Experiment) {
    let data = &experiment.spec.data;
    if data.standardization.is_some() || matches!(data.source, DataSource::AppendixC { .. }) {
        return;
    }
    let found = experiment.problem.data.scaled_inputs();
    let Some(ScaledInput { input, mean, deviation }) = found.first() else { return };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more inputs are off by a factor of 10 or more)"),
    };
    notice(&format!(
        "x[:, {input}] has mean {mean:.3e} and standard deviation {deviation:.3e}{more}: on inputs that are far from mean 0 and deviation \
         1 training often stands still or diverges. Use --standardize, or scale x yourself"
    ));
}

/// Says what may be wrong where most networks of the finished sweep `run` did not converge, or converged to a constant.
pub(super) fn after_training(run: &Run, experiment: &Experiment) -> Result<(), Failure> {
    let Work::Sweep { first_seed, descent, .. } = run.manifest().spec.work else { return Ok(()) };
    let outcome = run.outcome()?;
    let Outcome { converged, step_limit, non_finite, .. } = outcome;
    let rows = run.manifest().spec.rows();
    let constant = experiment.problem.data.loss_of_constant();
    if constant > 0.0 {
        let losses = values(run, "loss", Population::Converged)?;
        let alike = losses.iter().filter(|&&loss| (loss - constant).abs() <= CONSTANT * constant).count();
        if alike > 0 && 2 * alike >= losses.len() {
            notice(&format!(
                "{alike} of {} converged networks have the loss of a constant prediction ({constant:.4}, the share of each class for \
                 every sample): their hidden units hardly answer to the inputs. Try --standardize or a smaller --init-range",
                counted(losses.len(), converged)
            ));
        }
    }
    if 2 * converged >= rows {
        return Ok(());
    }
    if non_finite > step_limit {
        let seeds = STARTS.min(rows);
        if let Some(step) =
            step_at_start(&experiment.problem, &descent, first_seed, seeds).filter(|&step| step < descent.step_size)
        {
            notice(&format!(
                "{non_finite} of {rows} networks diverged: 2 / lambda_sup is {step:.2e} in the median over the first {seeds} at their \
                 initial weights, and descent with --step-size {} leaps out where lambda_max is above 2 / step size. Try a --step-size \
                 below {step:.2e}",
                descent.step_size
            ));
        }
        return Ok(());
    }
    let (column, sharpness) = if run.has("lambda_max") {
        ("lambda_max", "lambda_max")
    } else {
        ("lambda_sup", "lambda_sup, which is at least lambda_max,")
    };
    let found = values(run, column, Population::All)?;
    let positive: Vec<f64> = found.into_iter().filter(|&value| value > 0.0).collect();
    let Ok(middle) = median(&positive) else { return Ok(()) };
    let step = 2.0 / middle;
    let over = counted(positive.len(), converged + step_limit);
    let stands = format!("2 / {sharpness} is {step:.2e} in the median over {over} networks");
    notice(&if step < descent.step_size {
        format!(
            "{stands}, below --step-size {}: descent cannot settle where lambda_max is above 2 / step size. Try a --step-size below \
             {step:.2e}",
            descent.step_size
        )
    } else {
        format!(
            "{stands}, above --step-size {}: the steps are short enough there. Try more --max-steps",
            descent.step_size
        )
    });
    Ok(())
}

/// `5`, or `the first 1024 of 2000`.
fn counted(asked: usize, all: u64) -> String {
    if asked as u64 == all { all.to_string() } else { format!("the first {asked} of {all}") }
}

/// The finite values of a column of the first networks of `over`.
fn values(run: &Run, column: &str, over: Population) -> Result<Vec<f64>, Failure> {
    let mut found = Vec::new();
    run.each_value(column, over, &mut |value| {
        if value.is_finite() && found.len() < ASKED {
            found.push(value);
        }
    })?;
    Ok(found)
}

/// 2 over the median `lambda_sup` of the networks of the first seeds before their first step; `None` where it cannot be had.
fn step_at_start(problem: &Problem, descent: &Descent, first_seed: u64, seeds: u64) -> Option<f64> {
    let parameters = problem.shape.parameters();
    let start = |seed| initial_theta(problem.shape, seed, descent.init_range).into_iter().map(f64::from);
    let theta: Vec<f64> = (first_seed..first_seed.saturating_add(seeds)).flat_map(start).collect();
    let theta = Array2::from_shape_vec((theta.len() / parameters, parameters), theta).ok()?;
    let found = Cpu::new(Route::Auto).evaluate(problem, theta.view()).ok()?;
    let traces = found.trace_ww.iter().zip(&found.trace_vv).map(|(ww, vv)| ww + vv);
    let bounds: Vec<f64> = traces
        .zip(&found.trace_sq)
        .zip(&found.rounding)
        .map(|((trace, &trace_sq), rounding)| widened_bounds(trace, trace_sq, parameters, rounding).bounds.lambda_sup)
        .filter(|&bound| bound.is_finite() && bound > 0.0)
        .collect();
    Some(2.0 / median(&bounds).ok()?)
}
