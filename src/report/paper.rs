//! The paper's figures from a run's critical points, and the report of one run.

use ndarray::{Array2, ArrayView1};

use super::activations::activation_functions;
use super::critical_points::{CriticalPoints, Over};
use super::distribution::{Group, bound_by_width, bound_histogram, macro_f1_by_bound};
use super::figure::{Figure, Gap, SHARPNESS_AGAINST_F1, title};
use super::hessian::hessian_against_numeric;
use super::html::Report;
use super::landscape::{Landscape, flattest_networks, sharpest_networks};
use super::lettering::number;
use super::measured::{DIFFERENCE_STEP, MOST_WORK, Measured, at};
use super::points::{
    Points, bound_against_hidden_gram, bound_against_largest_eigenvalue, bound_against_weight_norms,
    sharpness_against_macro_f1, traces_against_numeric,
};
use super::table::{Row, Table};
use super::trajectory::sharpest_and_flattest_descent;
use rayon::prelude::*;

use crate::analysis::{MannWhitney, mann_whitney, quantiles, rank_correlation};
use crate::model::Problem;
use crate::numeric::{HessianProduct, Symmetric};
use crate::records::EIGENVECTORS;
use crate::reference::{Spectrum, central_difference_hessian, hessian, spectrum};
use crate::replay::{Replay, replay_with};
use crate::run::Run;
use crate::spec::Work;
use crate::watch::{Pieces, Watch};

/// The level of `lambda_sup` that parts low from high.
pub(super) const LOW: f64 = 0.9;
/// How far along an eigenvector the loss is drawn.
const REACH: f64 = 1.0;
/// Records of a replayed trajectory for Figure 5, at most about this many.
/// Networks that a caption names of those that are passed over.
const MOST_LISTED: usize = 5;
const RECORDS: f64 = 10_000.0;
/// With fewer than this many the figure would mislead.
const FEWEST_RECORDS: f64 = 60.0;
/// Multiplications that each replay for Figure 5 may take: what would take more is left to `sharpsweep replay`.
const MOST_REPLAY_WORK: f64 = 1e10;

/// Critical points parted by `lambda_sup` at its 90 % quantile.
#[derive(Debug, Clone)]
pub(super) struct Parted {
    pub(super) threshold: f64,
    /// macro F1 of the critical points with `lambda_sup` up to the threshold, and above it.
    pub(super) macro_f1: Option<(Vec<f64>, Vec<f64>)>,
    pub(super) low: usize,
    pub(super) high: usize,
    pub(super) test: Option<MannWhitney>,
}

/// Parts the critical points of `points` into low and high `lambda_sup`.
pub(super) fn part(points: &CriticalPoints) -> Result<Parted, String> {
    let lambda_sup = points.lambda_sup.as_ref().ok_or("it needs the column lambda_sup")?;
    let order = points.by_sharpness();
    let finite: Vec<f64> = order.iter().map(|&k| lambda_sup[k]).collect();
    let threshold = quantiles(&finite, &[LOW]).map_err(|error| error.to_string())?[0];
    let (high, low): (Vec<usize>, Vec<usize>) = order.iter().partition(|&&k| lambda_sup[k] > threshold);
    let pick = |column: &[f64], of: &[usize]| -> Vec<f64> {
        of.iter().map(|&k| column[k]).filter(|value| value.is_finite()).collect()
    };
    let macro_f1 = points.macro_f1.as_ref().map(|column| (pick(column, &low), pick(column, &high)));
    let test = macro_f1.as_ref().and_then(|(low, high)| mann_whitney(low, high).ok());
    Ok(Parted { threshold, macro_f1, low: low.len(), high: high.len(), test })
}

/// Whether `lambda_sup` is higher in `wider` than in `points`: the test of Figure 11.
pub(super) fn compare_widths(points: &CriticalPoints, wider: &CriticalPoints) -> Option<MannWhitney> {
    let finite = |points: &CriticalPoints| -> Option<Vec<f64>> {
        Some(points.lambda_sup.as_ref()?.iter().copied().filter(|value| value.is_finite()).collect())
    };
    mann_whitney(&finite(points)?, &finite(wider)?).ok()
}

/// Draws every figure of the paper that `points`, and for the comparison of widths `wider`, allow, and sharpness against macro F1; and
/// why others are missing.
pub fn figures(points: &CriticalPoints, wider: Option<&CriticalPoints>, watch: &dyn Watch) -> (Vec<Figure>, Vec<Gap>) {
    let (mut drawn, mut gaps) = (Vec::new(), Vec::new());
    let done = Pieces::new(watch, "figures", 13);
    let mut keep_as = |name: String, title: &str, figure: Result<Figure, String>| {
        match figure {
            Ok(figure) => drawn.push(figure),
            Err(why) => gaps.push(Gap { name, title: title.into(), why }),
        }
        done.one();
    };
    let mut keep =
        |number: u32, figure: Result<Figure, String>| keep_as(format!("figure-{number:02}"), title(number), figure);
    keep(2, figure_2(points, wider));
    let order = points.by_sharpness();
    let flattest: Vec<usize> = order.iter().rev().copied().collect();
    keep(3, landscapes(points, &order, sharpest_networks));
    keep(4, landscapes(points, &flattest, flattest_networks));
    keep(5, figure_5(points, &order));
    keep(
        6,
        part(points).and_then(|parted| {
            let lambda_sup = points.lambda_sup.as_ref().ok_or("it needs the column lambda_sup")?;
            bound_histogram(lambda_sup, parted.threshold).map_err(|error| error.to_string())
        }),
    );
    keep(7, figure_7(points));
    keep(8, figure_8(points, &order));
    keep(9, figure_9(points));
    keep(
        10,
        with_bound(points, |measured| &measured.norm_index).and_then(|(measured, lambda_sup)| {
            bound_against_weight_norms(&measured.v_norm_sq, &measured.w_norm_sq, &lambda_sup)
                .map_err(|error| error.to_string())
        }),
    );
    keep(11, figure_11(points, wider));
    keep(
        12,
        with_bound(points, |measured| &measured.norm_index).and_then(|(measured, lambda_sup)| {
            bound_against_hidden_gram(&measured.hidden_gram_sq, &lambda_sup).map_err(|error| error.to_string())
        }),
    );
    keep(13, activation_functions().map_err(|error| error.to_string()));
    let (name, title) = SHARPNESS_AGAINST_F1;
    keep_as(name.into(), title, sharpness(points));
    (drawn, gaps)
}

/// The report of the networks of one run that it is `over`: its figures, a table of what was found, specification and manifest.
pub fn report_of_run(run: &Run, over: Over, watch: &dyn Watch) -> Report {
    let mut notices = Vec::new();
    let points = CriticalPoints::of(run, over, &mut notices, watch);
    let (figures, gaps) = figures(&points, None, watch);
    notices.extend(points.saddle_note());
    let rows = points.facts().into_iter().map(|(what, value)| Row::new([what, value])).collect();
    let table = Table {
        title: "The run".into(),
        header: vec!["what".into(), "found".into()],
        rows,
        note: format!("Unless it says otherwise, everything below is over the {} {}.", points.rows.len(), over.noun()),
    };
    Report {
        title: format!("Sharpness report · {}", run.dir().display()),
        summary: points.summary(),
        notices,
        tables: vec![table],
        figures,
        gaps,
        listings: listings(run).into(),
    }
}

/// Specification and manifest of `run` as listings of a report.
pub(super) fn listings(run: &Run) -> [(String, String); 2] {
    let manifest = run.manifest();
    let dir = run.dir().display();
    [
        (format!("Specification of {dir}"), serde_json::to_string_pretty(&manifest.spec).unwrap_or_default()),
        (format!("{dir}/manifest.json"), serde_json::to_string_pretty(manifest).unwrap_or_default()),
    ]
}

fn measured(points: &CriticalPoints) -> Result<&Measured, String> {
    if points.rows.is_empty() {
        return Err("there is no critical point".into());
    }
    points.measured.as_ref().ok_or_else(|| "it needs theta and the run's data".into())
}

/// What was measured, with `lambda_sup` of the points of one of its indices.
fn with_bound(points: &CriticalPoints, index: fn(&Measured) -> &Vec<usize>) -> Result<(&Measured, Vec<f64>), String> {
    let measured = measured(points)?;
    let lambda_sup = points.lambda_sup.as_ref().ok_or("it needs the column lambda_sup")?;
    Ok((measured, at(lambda_sup, some_of(index(measured), points)?)))
}

/// `index`, unless there was time for none.
fn some_of<'a>(index: &'a [usize], points: &CriticalPoints) -> Result<&'a [usize], String> {
    if index.is_empty() {
        return Err(format!(
            "it would take long for D = {} (eigenvalues are taken from a run made with --spectrum)",
            points.spec.shape().parameters()
        ));
    }
    Ok(index)
}

fn figure_2(points: &CriticalPoints, wider: Option<&CriticalPoints>) -> Result<Figure, String> {
    let mut columns = Vec::new();
    for points in std::iter::once(points).chain(wider) {
        let (measured, lambda_sup) = with_bound(points, |measured| &measured.index)?;
        columns.push((format!("N = {}", points.spec.hidden), &measured.lambda_max, lambda_sup));
    }
    let groups: Vec<Points<'_>> = columns.iter().map(|(label, x, y)| Points { label, x, y }).collect();
    bound_against_largest_eigenvalue(&groups).map_err(|error| error.to_string())
}

type Draw = fn(&[Landscape], &crate::model::Dataset) -> Result<Figure, super::FigureError>;

fn landscapes(points: &CriticalPoints, order: &[usize], draw: Draw) -> Result<Figure, String> {
    let (problem, _) = parts(points)?;
    let lambda_sup = points.lambda_sup.as_ref().ok_or("it needs the column lambda_sup")?;
    let (two, passed) = points.two_by_function(order)?;
    let networks: Vec<Landscape> = two
        .into_iter()
        .map(|k| {
            let theta = row(points, k)?;
            let spectrum = leading(points, k, problem, &theta)?;
            Ok(Landscape::around(problem, points.label(k), &theta, lambda_sup[k], &spectrum, REACH))
        })
        .collect::<Result<_, String>>()?;
    let mut figure = draw(&networks, &problem.data).map_err(|error| error.to_string())?;
    if let (Some(first), false) = (networks.first(), passed.is_empty()) {
        let listed: Vec<String> = passed.iter().take(MOST_LISTED).map(|&k| points.label(k)).collect();
        let more = if passed.len() > listed.len() {
            format!(" and {} more", passed.len() - listed.len())
        } else {
            String::new()
        };
        figure.caption += &format!(
            " Not shown, as the same network by its function as {}: {}{more}.",
            first.label,
            listed.join(", ")
        );
    }
    figure.caption += &drawn_of(points);
    Ok(figure)
}

/// The largest eigenvalues and their eigenvectors at the critical point `k`: along the vectors that the run recorded, if it did.
fn leading(points: &CriticalPoints, k: usize, problem: &Problem, theta: &[f64]) -> Result<Spectrum, String> {
    let parameters = problem.network.parameters();
    let names = (1..=EIGENVECTORS).map(|vector| format!("u_{vector}"));
    let recorded: Result<Vec<Vec<f64>>, _> = names.map(|name| points.run.values_of(&name, points.rows[k])).collect();
    if let Ok(vectors) = recorded
        && vectors.iter().all(|u| u.len() == parameters && u.iter().all(|value| value.is_finite()))
    {
        let hessian = HessianProduct::new(problem, theta);
        let mut product = vec![0.0; parameters];
        let mut curvature = |u: &Vec<f64>| -> f64 {
            hessian.apply(u, &mut product);
            u.iter().zip(&product).map(|(u, hu)| u * hu).sum()
        };
        let eigenvalues = vectors.iter().map(&mut curvature).collect();
        let eigenvectors = Array2::from_shape_vec((vectors.len(), parameters), vectors.concat());
        return Ok(Spectrum { eigenvalues, eigenvectors: eigenvectors.map_err(|error| error.to_string())? });
    }
    if 10.0 * (parameters as f64).powi(3) > MOST_WORK {
        return Err(format!(
            "eigenvectors would take long for D = {parameters} (they are taken from a run made with --spectrum=vectors)"
        ));
    }
    spectrum(hessian(problem, theta).view(), EIGENVECTORS).map_err(|error| error.to_string())
}

/// How many the networks of a figure were chosen from.
fn drawn_of(points: &CriticalPoints) -> String {
    format!(" Chosen from {} critical points at N = {}.", points.by_sharpness().len(), points.spec.hidden)
}

/// lambda_1 where the run has it, else its bound, against the macro F1.
fn sharpness(points: &CriticalPoints) -> Result<Figure, String> {
    let macro_f1 = points.macro_f1.as_ref().ok_or("it needs test data (the column macro_f1)")?;
    let (symbol, sharpness) = match (&points.lambda_max, &points.lambda_sup) {
        (Some(lambda_max), _) => ("λ_{1}", lambda_max),
        (None, Some(lambda_sup)) => ("λ_{sup}", lambda_sup),
        (None, None) => return Err("it needs the column lambda_sup".into()),
    };
    let (x, y): (Vec<f64>, Vec<f64>) = sharpness
        .iter()
        .zip(macro_f1)
        .filter(|(sharpness, f1)| sharpness.is_finite() && f1.is_finite())
        .map(|(&sharpness, &f1)| (sharpness, f1))
        .unzip();
    let correlation = rank_correlation(&x, &y).map_err(|error| error.to_string())?;
    sharpness_against_macro_f1(symbol, &x, &y, correlation).map_err(|error| error.to_string())
}

fn parts(points: &CriticalPoints) -> Result<(&Problem, &Array2<f64>), String> {
    let needs = "it needs theta and the run's data";
    let experiment = points.experiment.as_ref().ok_or(needs)?;
    Ok((&experiment.problem, points.theta.as_ref().ok_or(needs)?))
}

fn row(points: &CriticalPoints, k: usize) -> Result<Vec<f64>, String> {
    let (_, theta) = parts(points)?;
    Ok(ArrayView1::from(theta.row(k)).to_vec())
}

fn figure_5(points: &CriticalPoints, order: &[usize]) -> Result<Figure, String> {
    let Work::Sweep { descent, .. } = points.spec.work else {
        return Err("the networks were not trained here".into());
    };
    let (problem, _) = parts(points)?;
    let lambda_sup = points.lambda_sup.as_ref().ok_or("it needs the column lambda_sup")?;
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
    // Every step where there is time for that, else in growing distances, as the axis is logarithmic.
    let growth = (f64::from(descent.max_steps) + 1.0).ln() / records;
    let next = |taken: u32| {
        let all = f64::from(descent.max_steps) <= records;
        let grown = (f64::from(taken) + 1.0) * growth.exp() - 1.0;
        if all { taken.saturating_add(1) } else { (grown as u32).max(taken.saturating_add(1)) }
    };
    let seeds: Vec<u64> = [sharpest, flattest].iter().filter_map(|&k| points.seed(k)).collect();
    let replays: Vec<Replay> = seeds.into_par_iter().map(|seed| replay_with(problem, &descent, seed, next)).collect();
    let [sharp, flat] = replays.as_slice() else { return Err("the networks were not trained here".into()) };
    let mut figure =
        sharpest_and_flattest_descent(&sharp.trajectory, &flat.trajectory).map_err(|error| error.to_string())?;
    figure.caption += &drawn_of(points);
    for (replay, k) in [(sharp, sharpest), (flat, flattest)] {
        let (end, recorded) = (replay.trajectory.lambda_sup.last().copied().unwrap_or(f64::NAN), lambda_sup[k]);
        // A hundredth: far more than float32 rounding, so another end.
        let same_end = (end - recorded).abs() <= 0.01 * recorded.abs();
        if !same_end {
            figure.caption += &format!(
                " The replay of seed {} in float64 ends at λ_{{sup}} = {}, the run recorded {}: long descents of oscillating seeds \
                 end where rounding takes them.",
                replay.trajectory.seed,
                number(end),
                number(recorded)
            );
        }
    }
    Ok(figure)
}

fn figure_7(points: &CriticalPoints) -> Result<Figure, String> {
    let parted = part(points)?;
    let (low, high) = parted.macro_f1.as_ref().ok_or("it needs test data (the column macro_f1)")?;
    let group = |label, values| Group { label, values };
    macro_f1_by_bound(group("low λ_{sup}", low.as_slice()), group("high λ_{sup}", high.as_slice()), parted.test)
        .map_err(|error| error.to_string())
}

/// The Hessian of the critical point in the middle of the order by sharpness.
fn figure_8(points: &CriticalPoints, order: &[usize]) -> Result<Figure, String> {
    let (problem, _) = parts(points)?;
    let &k = order.get(order.len() / 2).ok_or("there is no critical point")?;
    let theta = row(points, k)?;
    let (closed, difference) = (hessian(problem, &theta), central_difference_hessian(problem, &theta, DIFFERENCE_STEP));
    let mut figure = hessian_against_numeric(closed.view(), difference.view(), problem.network.shape.hidden_weights())
        .map_err(|error| error.to_string())?;
    figure.caption += &format!(
        " Shown is {}, the middle one of {} critical points in the order of λ_{{sup}}.",
        points.label(k),
        order.len()
    );
    Ok(figure)
}

fn figure_9(points: &CriticalPoints) -> Result<Figure, String> {
    let measured = measured(points)?;
    let index = some_of(&measured.difference_index, points)?;
    let (Some(trace), Some(trace_sq)) = (&points.trace, &points.trace_sq) else {
        return Err("it needs the columns trace and trace_sq".into());
    };
    traces_against_numeric(
        Points { label: "", x: &measured.trace, y: &at(trace, index) },
        Points { label: "", x: &measured.trace_sq, y: &at(trace_sq, index) },
    )
    .map_err(|error| error.to_string())
}

fn figure_11(points: &CriticalPoints, wider: Option<&CriticalPoints>) -> Result<Figure, String> {
    let wider = wider.ok_or("it compares two widths, and this is one run")?;
    let missing = "it needs the column lambda_sup of both widths";
    let (narrow, wide) = (points.lambda_sup.as_ref().ok_or(missing)?, wider.lambda_sup.as_ref().ok_or(missing)?);
    let labels = [points, wider].map(|points| format!("N = {}", points.spec.hidden));
    let groups = [Group { label: &labels[0], values: narrow }, Group { label: &labels[1], values: wide }];
    bound_by_width(&groups, compare_widths(points, wider)).map_err(|error| error.to_string())
}
