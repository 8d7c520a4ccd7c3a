//! Sentences beside the results: what to try where training cannot, or did not, do what its user hopes for.

use ndarray::Array2;
use rayon::prelude::*;

use crate::analysis::{Rise, STEPS, median};
use crate::bounds::widened_bounds;
use crate::cpu::Cpu;
use crate::engine::{Descent, Engine, LayerTraces, Route, Status};
use crate::model::{Dataset, Problem, RoundedInput, ScaledInput, Theta, initial_theta};
use crate::polish::Objective;
use crate::run::{Population, RunError, StatusCounts, number};
use crate::spec::{DataSource, Experiment, Work};
use crate::summary::SummarySource;

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

/// What is known of `experiment` before `engine` begins; `theta` are the networks of an evaluation.
pub fn before(experiment: &Experiment, theta: Option<Theta<'_>>, engine: &dyn Engine) -> Vec<String> {
    let data = &experiment.problem.data;
    let mut said = Vec::new();
    if matches!(experiment.spec.work, Work::Sweep { .. }) {
        if engine.machine().precision != "f64" {
            said.extend(rounded_inputs(data, "training", "--backend reference"));
        }
        said.extend(single_class(data));
        said.extend(scaled_inputs(experiment));
        return said;
    }
    let in_f64 = engine.evaluates_in_f64();
    if !in_f64 && matches!(theta, Some(Theta::Float64(_))) {
        said.push("theta is float64: this engine rounds it to float32 (--backend cpu does not)".into());
    }
    said.extend(single_class(data));
    if !in_f64 {
        said.extend(rounded_inputs(data, "evaluation", "--backend cpu"));
    }
    said
}

/// What it means if all labels are of one class.
fn single_class(data: &Dataset) -> Option<String> {
    let class = data.targets().single_class()?;
    Some(format!(
        "all {} labels are {class}: a constant prediction is right everywhere, and the loss falls towards 0 for ever \
         as weights grow, so there is no minimum to be sharp. A network that converges has only reached a small \
         gradient on the way",
        data.samples()
    ))
}

/// The input of a user's own data that is furthest from mean 0 and standard deviation 1, if it is far from them.
fn scaled_inputs(experiment: &Experiment) -> Option<String> {
    let data = &experiment.spec.data;
    if data.standardization.is_some() || matches!(data.source, DataSource::Drawn(_)) {
        return None;
    }
    let found = experiment.problem.data.scaled_inputs();
    let ScaledInput { input, mean, deviation } = found.first()?;
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more inputs are off by a factor of 10 or more)"),
    };
    Some(format!(
        "x[:, {input}] has mean {mean:.3e} and standard deviation {deviation:.3e}{more}: on inputs that are far from \
         mean 0 and deviation 1 training often stands still or diverges. Use --standardize, or scale x yourself"
    ))
}

/// The most inputs that are named one by one.
const NAMED: usize = 5;

/// The inputs that f32 rounds notably: `what` is computed in f32, and with `instead` it is not.
fn rounded_inputs(data: &Dataset, what: &str, instead: &str) -> Vec<String> {
    let rounded = data.inputs_rounded_by_f32();
    let named = rounded.iter().take(NAMED).map(|RoundedInput { input, rounding, range }| {
        format!(
            "x[:, {input}] changes by {range:.3e} in all, and float32 rounds it by up to {rounding:.1e}: {what} in \
             float32 sees other data. Use --standardize, or {instead}"
        )
    });
    let more =
        rounded.len().checked_sub(NAMED + 1).map(|more| format!("and so does float32 with {} more inputs", more + 1));
    named.chain(more).collect()
}

/// What may be wrong if most networks of the finished sweep `run` of `experiment` did not converge, or converged to a
/// constant. It may take a few seconds.
///
/// # Errors
/// [`RunError`] if a column cannot be read.
pub fn after_training(run: &dyn SummarySource, experiment: &Experiment) -> Result<Vec<String>, RunError> {
    let Work::Sweep { seeds, descent, .. } = run.manifest().spec.work else { return Ok(Vec::new()) };
    let counts = run.outcome()?;
    let constant = constant_predictions(run, &experiment.problem, counts.converged)?;
    let step_size = if 2 * counts.converged >= run.manifest().spec.rows() {
        None
    } else {
        step_size(run, &experiment.problem, &descent, seeds.first, counts)?
    };
    Ok(constant.into_iter().chain(step_size).collect())
}

/// Whether most of the `converged` networks do no better than a constant prediction.
fn constant_predictions(
    run: &dyn SummarySource,
    problem: &Problem,
    converged: u64,
) -> Result<Option<String>, RunError> {
    let constant = problem.data.targets().loss_of_constant();
    if constant <= 0.0 {
        return Ok(None);
    }
    let losses = first_values(run, "loss", Population::Converged)?;
    let alike = losses.iter().filter(|&&loss| (loss - constant).abs() <= CONSTANT * constant).count();
    Ok((alike > 0 && 2 * alike >= losses.len()).then(|| {
        format!(
            "{alike} of {} converged networks have the loss of a constant prediction ({constant:.4}, the share of each \
             class for every sample): their hidden units hardly answer to the inputs. Try --standardize or a smaller \
             --init-range",
            counted(losses.len(), converged)
        )
    }))
}

/// Tries steps from some networks that did not converge, and says whether the step size or the number of steps is to
/// blame.
fn step_size(
    run: &dyn SummarySource,
    problem: &Problem,
    descent: &Descent,
    first_seed: u64,
    counts: StatusCounts,
) -> Result<Option<String>, RunError> {
    let StatusCounts { step_limit, non_finite, .. } = counts;
    let rows = run.manifest().spec.rows();
    let most = affordable(problem);
    let (theta, what) = if non_finite > step_limit {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        (starts(problem, descent, first_seed, most.min(rows)), "networks at their initial weights")
    } else {
        let Some(theta) = run.weights_of_first(Status::StepLimit, most)? else { return Ok(None) };
        (theta, "networks at the step limit")
    };
    let finite: Vec<Vec<f64>> =
        theta.outer_iter().map(|row| row.to_vec()).filter(|row| row.iter().all(|value| value.is_finite())).collect();
    let step = descent.step_size;
    let objective = Objective { problem, weight_decay: descent.weight_decay };
    let rises: Vec<Rise> = finite.par_iter().filter_map(|theta| Rise::of(objective, theta, step)).collect();
    let diverged = if non_finite > 0 { format!("{non_finite} of {rows} networks diverged. ") } else { String::new() };
    let (risen, of) = (rises.len(), finite.len());
    Ok(if 2 * risen > of {
        let steps: Vec<f64> = rises.iter().filter_map(|rise| rise.fits).collect();
        let fits = match median(&steps) {
            Ok(fits) => format!("one of {} lowers it in the median. Try that", number(fits)),
            Err(_) => "try a much smaller one".into(),
        };
        let stable = stable_step(problem, &rises).filter(|&stable| stable < step);
        let stable =
            stable.map_or_else(String::new, |stable| format!(", where 2 / lambda_sup is {stable:.1e} in the median"));
        Some(format!(
            "{diverged}Within {STEPS} steps of --step-size {} the loss rises for {risen} of the first {of} \
             {what}{stable}; {fits}",
            number(step)
        ))
    } else if non_finite > step_limit {
        Some(format!("{diverged}Try a smaller --step-size"))
    } else if of > 0 {
        Some(format!(
            "{diverged}{STEPS} more steps of --step-size {} lower the loss of {} of the first {of} {what}: try more \
             --max-steps",
            number(step),
            of - risen
        ))
    } else {
        None
    })
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
fn first_values(run: &dyn SummarySource, column: &str, over: Population) -> Result<Vec<f64>, RunError> {
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
