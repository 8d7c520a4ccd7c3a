//! Notices beside the results: what to try where training cannot, or did not, do what the user hopes for.

use ndarray::Array2;
use rayon::prelude::*;

use super::failure::Failure;
use super::terminal::notice;
use crate::analysis::{Rise, STEPS, median};
use crate::bounds::widened_bounds;
use crate::cpu::Cpu;
use crate::engine::{Descent, Engine, LayerTraces, Route, Status};
use crate::model::{Dataset, Problem, RoundedInput, ScaledInput, initial_theta};
use crate::polish::Objective;
use crate::run::{Population, Run, StatusCounts, number};
use crate::spec::{DataSource, Experiment, Work};

/// The most networks whose losses are compared.
const LOOKED_AT: usize = 1024;

/// The most networks from which steps are tried.
const TRIED: usize = 32;

/// About how many losses a search for a step size that fits computes.
const LOSSES: f64 = 24.0;

/// How many multiplications all searches may take together.
const MULTIPLICATIONS: f64 = 2e9;

/// How near to the loss of a constant prediction a loss counts as equal to it, relatively.
const CONSTANT: f64 = 1e-4;

/// Says what it means if all labels are of one class.
pub(super) fn name_single_class(experiment: &Experiment) {
    let Some(class) = experiment.problem.data.targets().single_class() else { return };
    notice(&format!(
        "all {} labels are {class}: a constant prediction is right everywhere, and the loss falls towards 0 for ever \
         as weights grow, so there is no minimum to be sharp. A network that converges has only reached a small \
         gradient on the way",
        experiment.problem.data.samples()
    ));
}

/// Names the input of a user's own data that is furthest from mean 0 and standard deviation 1, if it is far from them.
pub(super) fn name_scaled_inputs(experiment: &Experiment) {
    let data = &experiment.spec.data;
    if data.standardization.is_some() || matches!(data.source, DataSource::Drawn(_)) {
        return;
    }
    let found = experiment.problem.data.scaled_inputs();
    let Some(ScaledInput { input, mean, deviation }) = found.first() else { return };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more inputs are off by a factor of 10 or more)"),
    };
    notice(&format!(
        "x[:, {input}] has mean {mean:.3e} and standard deviation {deviation:.3e}{more}: on inputs that are far from \
         mean 0 and deviation 1 training often stands still or diverges. Use --standardize, or scale x yourself"
    ));
}

/// The most inputs that are named one by one.
const NAMED: usize = 5;

/// Names the inputs that f32 rounds notably: `what` is computed in f32, and with `instead` it is not.
pub(super) fn name_rounded_inputs(data: &Dataset, what: &str, instead: &str) {
    let rounded = data.inputs_rounded_by_f32();
    for RoundedInput { input, rounding, range } in rounded.iter().take(NAMED) {
        notice(&format!(
            "x[:, {input}] changes by {range:.3e} in all, and float32 rounds it by up to {rounding:.1e}: {what} in \
             float32 sees other data. Use --standardize, or {instead}"
        ));
    }
    if rounded.len() > NAMED {
        notice(&format!("and so does float32 with {} more inputs", rounded.len() - NAMED));
    }
}

/// Says what may be wrong if most networks of the finished sweep `run` did not converge, or converged to a constant.
pub(super) fn after_training(run: &Run, experiment: &Experiment) -> Result<(), Failure> {
    let Work::Sweep { seeds, descent, .. } = run.manifest().spec.work else { return Ok(()) };
    let counts = run.outcome()?;
    name_constant_predictions(run, &experiment.problem, counts.converged)?;
    if 2 * counts.converged >= run.manifest().spec.rows() {
        return Ok(());
    }
    name_step_size(run, &experiment.problem, &descent, seeds.first, counts)
}

/// Says if most of the `converged` networks do no better than a constant prediction.
fn name_constant_predictions(run: &Run, problem: &Problem, converged: u64) -> Result<(), Failure> {
    let constant = problem.data.targets().loss_of_constant();
    if constant <= 0.0 {
        return Ok(());
    }
    let losses = first_values(run, "loss", Population::Converged)?;
    let alike = losses.iter().filter(|&&loss| (loss - constant).abs() <= CONSTANT * constant).count();
    if alike > 0 && 2 * alike >= losses.len() {
        notice(&format!(
            "{alike} of {} converged networks have the loss of a constant prediction ({constant:.4}, the share of each \
             class for every sample): their hidden units hardly answer to the inputs. Try --standardize or a smaller \
             --init-range",
            counted(losses.len(), converged)
        ));
    }
    Ok(())
}

/// Tries steps from some networks that did not converge, and says whether the step size or the number of steps is to
/// blame.
fn name_step_size(
    run: &Run,
    problem: &Problem,
    descent: &Descent,
    first_seed: u64,
    counts: StatusCounts,
) -> Result<(), Failure> {
    let StatusCounts { step_limit, non_finite, .. } = counts;
    let rows = run.manifest().spec.rows();
    let most = affordable(problem);
    let (theta, what) = if non_finite > step_limit {
        (starts(problem, descent, first_seed, most.min(usize::try_from(rows)?)), "networks at their initial weights")
    } else if run.has("theta") {
        (run.weights_of_first(Status::StepLimit, most)?, "networks at the step limit")
    } else {
        return Ok(());
    };
    let finite: Vec<Vec<f64>> =
        theta.outer_iter().map(|row| row.to_vec()).filter(|row| row.iter().all(|value| value.is_finite())).collect();
    let step = descent.step_size;
    let objective = Objective { problem, weight_decay: descent.weight_decay };
    let rises: Vec<Rise> = finite.par_iter().filter_map(|theta| Rise::of(objective, theta, step)).collect();
    let diverged = if non_finite > 0 { format!("{non_finite} of {rows} networks diverged. ") } else { String::new() };
    let (risen, of) = (rises.len(), finite.len());
    if 2 * risen > of {
        let steps: Vec<f64> = rises.iter().filter_map(|rise| rise.fits).collect();
        let fits = match median(&steps) {
            Ok(fits) => format!("one of {} lowers it in the median. Try that", number(fits)),
            Err(_) => "try a much smaller one".into(),
        };
        let stable = stable_step(problem, &rises).filter(|&stable| stable < step);
        let stable =
            stable.map_or_else(String::new, |stable| format!(", where 2 / lambda_sup is {stable:.1e} in the median"));
        notice(&format!(
            "{diverged}Within {STEPS} steps of --step-size {} the loss rises for {risen} of the first {of} \
             {what}{stable}; {fits}",
            number(step)
        ));
    } else if non_finite > step_limit {
        notice(&format!("{diverged}Try a smaller --step-size"));
    } else if of > 0 {
        notice(&format!(
            "{diverged}{STEPS} more steps of --step-size {} lower the loss of {} of the first {of} {what}: try more \
             --max-steps",
            number(step),
            of - risen
        ));
    }
    Ok(())
}

/// `5`, or `the first 1024 of 2000`.
fn counted(some: usize, all: u64) -> String {
    if some as u64 == all { all.to_string() } else { format!("the first {some} of {all}") }
}

/// From how many networks steps can be tried in at most a few seconds.
fn affordable(problem: &Problem) -> usize {
    let each = problem.data.samples() as f64 * problem.network.parameters() as f64 * LOSSES;
    ((MULTIPLICATIONS / each) as usize).clamp(1, TRIED)
}

/// The finite values of `column` of the first networks of `over`.
fn first_values(run: &Run, column: &str, over: Population) -> Result<Vec<f64>, Failure> {
    let mut found = Vec::new();
    run.each_value(column, over, &mut |value| {
        if value.is_finite() && found.len() < LOOKED_AT {
            found.push(value);
        }
    })?;
    Ok(found)
}

/// 2 over the median `lambda_sup` before the steps that raise the loss; `None` if it cannot be computed.
fn stable_step(problem: &Problem, rises: &[Rise]) -> Option<f64> {
    let parameters = problem.network.parameters();
    let theta: Vec<f64> = rises.iter().flat_map(|rise| &rise.theta).copied().collect();
    let theta = Array2::from_shape_vec((rises.len(), parameters), theta).ok()?;
    let found = Cpu::new(Route::Auto).evaluate(problem, theta.view().into()).ok()?;
    let traces = found.layer_trace.iter().map(LayerTraces::sum);
    let bounds: Vec<f64> = traces
        .zip(&found.trace_sq)
        .zip(&found.rounding)
        .map(|((trace, &trace_sq), rounding)| widened_bounds(trace, trace_sq, parameters, rounding).bounds.lambda_sup)
        .filter(|&bound| bound.is_finite() && bound > 0.0)
        .collect();
    Some(2.0 / median(&bounds).ok()?)
}

/// The initial weights of the first seeds.
fn starts(problem: &Problem, descent: &Descent, first_seed: u64, seeds: usize) -> Array2<f64> {
    let mut theta = Array2::zeros((seeds, problem.network.parameters()));
    for (mut row, seed) in theta.outer_iter_mut().zip(first_seed..) {
        let start = initial_theta(problem.network.parameters(), seed, descent.init_range);
        row.iter_mut().zip(start).for_each(|(to, from)| *to = f64::from(from));
    }
    theta
}
