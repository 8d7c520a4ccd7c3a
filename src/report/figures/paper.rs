//! Every figure that the networks of a run allow.

use std::error::Error;

use ndarray::Array2;
use rayon::prelude::*;

use super::activations::activation_functions;
use super::brackets::{BRACKETS, SPECTRAL_DENSITY, bracket_against_largest_eigenvalue, spectral_density};
use super::distribution::{Distribution, bound_by_width, bound_histogram, macro_f1_by_bound};
use super::hessian::hessian_against_numeric;
use super::landscape::{Landscape, flattest_networks, sharpest_networks};
use super::scatter::{
    Points, bound_against_hidden_gram, bound_against_largest_eigenvalue, bound_against_weight_norms,
    sharpness_against_macro_f1, traces_against_numeric,
};
use super::trajectory::training_of_sharpest_and_flattest;
use super::{SHARPNESS_AGAINST_F1, stem, title};
use crate::analysis::rank_correlation;
use crate::model::{Dataset, Problem};
use crate::numeric::{HessianProduct, Symmetric};
use crate::records::EIGENVECTORS;
use crate::reference::{Spectrum, central_difference_hessian, hessian, spectrum};
use crate::replay::{Replay, replay_with};
use crate::report::critical_points::{CriticalPoints, NO_PAPER};
use crate::report::drawing::{Figure, FigureError, Gap, number};
use crate::report::measured::{DIFFERENCE_STEP, MOST_WORK, Measured, at};
use crate::spec::Work;
use crate::watch::{Pieces, Watch};

/// How far along an eigenvector the loss is drawn.
const REACH: f64 = 1.0;
/// The most networks that a caption names as passed over.
const MOST_LISTED: usize = 5;
/// About the most records of a replayed trajectory for Figure 5.
const RECORDS: f64 = 10_000.0;
/// With fewer records than this the figure would mislead.
const FEWEST_RECORDS: f64 = 60.0;
/// The most multiplications of each replay for Figure 5: what would take more is left to `sharpsweep replay`.
const MOST_REPLAY_WORK: f64 = 1e10;

/// A figure, or a clause that says why there is none.
type Drawn = Result<Figure, Box<dyn Error>>;

/// Draws every figure of the paper that `points` allow, with `wider` for the comparison of widths, and sharpness
/// against macro F1; for each figure that is missing it says why.
pub fn every_figure(
    points: &CriticalPoints,
    wider: Option<&CriticalPoints>,
    watch: &dyn Watch,
) -> (Vec<Figure>, Vec<Gap>) {
    let (mut figures, mut gaps) = (Vec::new(), Vec::new());
    let done = Pieces::new(watch, "figures", 13 + FURTHER.iter().filter(|(_, column, _)| points.has(column)).count());
    let mut keep_as = |name: String, title: &str, drawn: Drawn| {
        match drawn {
            Ok(figure) => figures.push(figure),
            Err(why) => gaps.push(Gap { name, title: title.into(), why: why.to_string() }),
        }
        done.one();
    };
    let mut keep = |number: u32, drawn: Drawn| keep_as(stem(number), title(number), drawn);
    let order = points.by_sharpness();
    let flattest: Vec<usize> = order.iter().rev().copied().collect();
    keep(2, against_largest_eigenvalue(points, wider));
    keep(3, landscapes(points, &order, sharpest_networks));
    keep(4, landscapes(points, &flattest, flattest_networks));
    keep(5, training(points, &order));
    keep(6, histogram(points));
    keep(7, macro_f1(points));
    keep(8, middle_hessian(points, &order));
    keep(9, traces(points));
    keep(10, against_weight_norms(points));
    keep(11, by_width(points, wider));
    keep(12, against_hidden_gram(points));
    keep(13, activation_functions().map_err(Into::into));
    let (name, title) = SHARPNESS_AGAINST_F1;
    keep_as(name.into(), title, against_macro_f1(points));
    for ((name, title), column, draw) in FURTHER {
        if points.has(column) {
            keep_as(name.into(), title, draw(points));
        }
    }
    (figures, gaps)
}

/// File stem and title of a figure, the column that it needs, and how to draw it.
type FurtherFigure = ((&'static str, &'static str), &'static str, fn(&CriticalPoints) -> Drawn);

/// The figures of columns that not every run has: name and title, the column, how to draw it.
const FURTHER: [FurtherFigure; 2] = [(BRACKETS, "bracket_upper", brackets), (SPECTRAL_DENSITY, "eigenvalues", density)];

fn brackets(points: &CriticalPoints) -> Drawn {
    let (measured, lambda_sup) = with_bound(points, |measured| &measured.index)?;
    let [lower, upper] = ["bracket_lower", "bracket_upper"].map(|name| points.column(name));
    let (lower, upper) = (at(&lower?, &measured.index), at(&upper?, &measured.index));
    Ok(bracket_against_largest_eigenvalue(&measured.lambda_max, [&lower, &upper, &lambda_sup])?)
}

fn density(points: &CriticalPoints) -> Drawn {
    let eigenvalues = points.wide_column("eigenvalues")?;
    Ok(spectral_density(&eigenvalues.iter().copied().collect::<Vec<f64>>(), eigenvalues.nrows())?)
}

/// What was measured of the points of `index`, and their `lambda_sup`.
fn with_bound(
    points: &CriticalPoints,
    index: fn(&Measured) -> &Vec<usize>,
) -> Result<(&Measured, Vec<f64>), Box<dyn Error>> {
    let (measured, index) = measured(points, index)?;
    Ok((measured, at(points.bounds()?, index)))
}

/// What was measured, with one of its indices; an error if there was time for no point of it.
fn measured(
    points: &CriticalPoints,
    index: fn(&Measured) -> &Vec<usize>,
) -> Result<(&Measured, &[usize]), Box<dyn Error>> {
    if points.rows.is_empty() {
        return Err("there is no critical point".into());
    }
    let measured = points.measured.as_ref().ok_or("it needs theta and the run's data")?;
    if index(measured).is_empty() {
        let parameters = points.spec.shape().parameters();
        return Err(format!(
            "it would take long for D = {parameters} (eigenvalues are taken from a run made with --spectrum)"
        )
        .into());
    }
    Ok((measured, index(measured)))
}

fn against_largest_eigenvalue(points: &CriticalPoints, wider: Option<&CriticalPoints>) -> Drawn {
    let mut columns = Vec::new();
    for points in std::iter::once(points).chain(wider) {
        let (measured, lambda_sup) = with_bound(points, |measured| &measured.index)?;
        columns.push((format!("N = {}", points.spec.hidden), &measured.lambda_max, lambda_sup));
    }
    let groups: Vec<Points<'_>> = columns.iter().map(|(label, x, y)| Points { label, x, y }).collect();
    Ok(bound_against_largest_eigenvalue(&groups)?)
}

fn landscapes(
    points: &CriticalPoints,
    order: &[usize],
    draw: impl Fn(&[Landscape], &Dataset) -> Result<Figure, FigureError>,
) -> Drawn {
    let (problem, theta) = points.weights()?;
    let lambda_sup = points.bounds()?;
    let (two, passed_over) = points.two_by_function(order)?;
    let networks: Vec<Landscape> = two
        .into_iter()
        .map(|k| {
            let theta = theta.row(k).to_vec();
            let spectrum = leading(points, k, problem, &theta)?;
            Ok(Landscape::around(problem, points.label(k), &theta, lambda_sup[k], &spectrum, REACH))
        })
        .collect::<Result<_, Box<dyn Error>>>()?;
    let mut figure = draw(&networks, &problem.data)?;
    if let (Some(first), false) = (networks.first(), passed_over.is_empty()) {
        let listed: Vec<String> = passed_over.iter().take(MOST_LISTED).map(|&k| points.label(k)).collect();
        let more = match passed_over.len() - listed.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        figure.caption += &format!(
            " Not shown, as the same network by its function as {}: {}{more}.",
            first.label,
            listed.join(", ")
        );
    }
    figure.caption += &chosen_from(points);
    Ok(figure)
}

/// The largest eigenvalues and their eigenvectors at the critical point `k`: along the vectors that the run recorded,
/// if it did.
fn leading(points: &CriticalPoints, k: usize, problem: &Problem, theta: &[f64]) -> Result<Spectrum, Box<dyn Error>> {
    let parameters = problem.network.parameters();
    let names = (1..=EIGENVECTORS).map(|vector| format!("u_{vector}"));
    let recorded: Result<Vec<Vec<f64>>, _> = names.map(|name| points.run.values_of(&name, points.rows[k])).collect();
    if let Ok(vectors) = recorded
        && vectors.iter().all(|u| u.len() == parameters && u.iter().all(|value| value.is_finite()))
    {
        let hessian = HessianProduct::new(&problem.paper().ok_or(NO_PAPER)?, theta);
        let mut product = vec![0.0; parameters];
        let mut curvature = |u: &Vec<f64>| -> f64 {
            hessian.apply(u, &mut product);
            u.iter().zip(&product).map(|(u, hu)| u * hu).sum()
        };
        let eigenvalues = vectors.iter().map(&mut curvature).collect();
        let eigenvectors = Array2::from_shape_vec((vectors.len(), parameters), vectors.concat())?;
        return Ok(Spectrum { eigenvalues, eigenvectors });
    }
    if 10.0 * (parameters as f64).powi(3) > MOST_WORK {
        return Err(format!(
            "eigenvectors would take long for D = {parameters} (they are taken from a run made with --spectrum=vectors)"
        )
        .into());
    }
    Ok(spectrum(hessian(problem, theta).view(), EIGENVECTORS)?)
}

/// The sentence of a caption that says from how many networks those shown were chosen.
fn chosen_from(points: &CriticalPoints) -> String {
    format!(" Chosen from {} critical points at N = {}.", points.by_sharpness().len(), points.spec.hidden)
}

/// lambda_1 where the run has it, else its bound, against the macro F1.
fn against_macro_f1(points: &CriticalPoints) -> Drawn {
    let macro_f1 = points.macro_f1.as_ref().ok_or("it needs test data (the column macro_f1)")?;
    let (symbol, sharpness) = match &points.lambda_max {
        Some(lambda_max) => ("λ_{1}", lambda_max.as_slice()),
        None => ("λ_{sup}", points.bounds()?),
    };
    let (x, y): (Vec<f64>, Vec<f64>) = sharpness
        .iter()
        .zip(macro_f1)
        .filter(|(sharpness, f1)| sharpness.is_finite() && f1.is_finite())
        .map(|(&sharpness, &f1)| (sharpness, f1))
        .unzip();
    Ok(sharpness_against_macro_f1(symbol, &x, &y, rank_correlation(&x, &y)?)?)
}

fn training(points: &CriticalPoints, order: &[usize]) -> Drawn {
    let Work::Sweep { descent, .. } = points.spec.work else {
        return Err("the networks were not trained here".into());
    };
    let (problem, _) = points.weights()?;
    let lambda_sup = points.bounds()?;
    let (Some(&sharpest), Some(&flattest)) = (order.first(), order.last()) else {
        return Err("there is no critical point".into());
    };
    let (samples, parameters) = (problem.data.samples() as f64, problem.network.parameters() as f64);
    let training = 3.0 * f64::from(descent.max_steps) * samples * parameters;
    let record = parameters.powi(3) * 10.0 + samples * parameters.powi(2) + samples.powi(2) * parameters;
    let records = ((MOST_REPLAY_WORK - training) / record).min(RECORDS);
    if records < FEWEST_RECORDS {
        return Err("replaying two seeds of this size takes long: `sharpsweep replay SEED` draws one of them".into());
    }
    // Every step where there is time for that, else in growing distances, since the axis is logarithmic.
    let growth = (f64::from(descent.max_steps) + 1.0).ln() / records;
    let next = |taken: u32| {
        let all = f64::from(descent.max_steps) <= records;
        let grown = (f64::from(taken) + 1.0) * growth.exp() - 1.0;
        if all { taken.saturating_add(1) } else { (grown as u32).max(taken.saturating_add(1)) }
    };
    let seeds: Vec<u64> = [sharpest, flattest].iter().filter_map(|&k| points.seed(k)).collect();
    let replays: Vec<Replay> =
        seeds.into_par_iter().map(|seed| replay_with(problem, &descent, seed, next)).collect();
    let [sharp, flat] = replays.as_slice() else { return Err("the networks were not trained here".into()) };
    let mut figure = training_of_sharpest_and_flattest(&sharp.trajectory, &flat.trajectory)?;
    figure.caption += &chosen_from(points);
    for (replay, k) in [(sharp, sharpest), (flat, flattest)] {
        let (end, recorded) = (replay.trajectory.lambda_sup.last().copied().unwrap_or(f64::NAN), lambda_sup[k]);
        // A hundredth is far more than float32 rounding: a difference of that size is another end.
        let same_end = (end - recorded).abs() <= 0.01 * recorded.abs();
        if !same_end {
            figure.caption += &format!(
                " The replay of seed {} in float64 ends at λ_{{sup}} = {}, the run recorded {}: long descents of \
                 oscillating seeds end where rounding takes them.",
                replay.trajectory.seed,
                number(end),
                number(recorded)
            );
        }
    }
    Ok(figure)
}

fn histogram(points: &CriticalPoints) -> Drawn {
    Ok(bound_histogram(points.bounds()?, points.low_and_high()?.threshold)?)
}

fn macro_f1(points: &CriticalPoints) -> Drawn {
    let parted = points.low_and_high()?;
    let (low, high) = parted.macro_f1.ok_or("it needs test data (the column macro_f1)")?;
    let low = Distribution { label: "low λ_{sup}", values: &low };
    Ok(macro_f1_by_bound(low, Distribution { label: "high λ_{sup}", values: &high }, parted.test)?)
}

/// The Hessian of the critical point in the middle of the order by sharpness.
fn middle_hessian(points: &CriticalPoints, order: &[usize]) -> Drawn {
    let (problem, theta) = points.weights()?;
    let &k = order.get(order.len() / 2).ok_or("there is no critical point")?;
    let theta = theta.row(k).to_vec();
    let (closed, difference) = (hessian(problem, &theta), central_difference_hessian(problem, &theta, DIFFERENCE_STEP));
    let hidden_weights = problem.network.one_hidden().ok_or(NO_PAPER)?.shape.hidden_weights();
    let mut figure = hessian_against_numeric(closed.view(), difference.view(), hidden_weights)?;
    figure.caption += &format!(
        " Shown is {}, the middle one of {} critical points in the order of λ_{{sup}}.",
        points.label(k),
        order.len()
    );
    Ok(figure)
}

fn traces(points: &CriticalPoints) -> Drawn {
    let (measured, index) = measured(points, |measured| &measured.difference_index)?;
    let (Some(trace), Some(trace_sq)) = (&points.trace, &points.trace_sq) else {
        return Err("it needs the columns trace and trace_sq".into());
    };
    Ok(traces_against_numeric(
        Points { label: "", x: &measured.trace, y: &at(trace, index) },
        Points { label: "", x: &measured.trace_sq, y: &at(trace_sq, index) },
    )?)
}

fn against_weight_norms(points: &CriticalPoints) -> Drawn {
    let (measured, lambda_sup) = with_bound(points, |measured| &measured.norm_index)?;
    Ok(bound_against_weight_norms(&measured.v_norm_sq, &measured.w_norm_sq, &lambda_sup)?)
}

fn by_width(points: &CriticalPoints, wider: Option<&CriticalPoints>) -> Drawn {
    let wider = wider.ok_or("it compares two widths, and this is one run")?;
    let missing = "it needs the column lambda_sup of both widths";
    let (narrow, wide) = (points.lambda_sup.as_ref().ok_or(missing)?, wider.lambda_sup.as_ref().ok_or(missing)?);
    let labels = [points, wider].map(|points| format!("N = {}", points.spec.hidden));
    let narrow = Distribution { label: &labels[0], values: narrow };
    Ok(bound_by_width(&[narrow, Distribution { label: &labels[1], values: wide }], points.test_against(wider))?)
}

fn against_hidden_gram(points: &CriticalPoints) -> Drawn {
    let (measured, lambda_sup) = with_bound(points, |measured| &measured.norm_index)?;
    Ok(bound_against_hidden_gram(&measured.hidden_gram_sq, &lambda_sup)?)
}
