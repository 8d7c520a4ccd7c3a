//! The paper's figures from a run's critical points, and the report of one run.

use ndarray::ArrayView1;

use super::activations::activation_functions;
use super::critical_points::{CriticalPoints, DIFFERENCE_STEP, Measured, Over};
use super::distribution::{Group, bound_by_width, bound_histogram, macro_f1_by_bound};
use super::figure::Figure;
use super::hessian::hessian_against_numeric;
use super::html::Report;
use super::landscape::{Landscape, flattest_networks, sharpest_networks};
use super::lettering::number;
use super::points::{
    Points, bound_against_hidden_gram, bound_against_largest_eigenvalue, bound_against_weight_norms,
    traces_against_numeric,
};
use super::table::{Row, Table};
use super::trajectory::sharpest_and_flattest_descent;
use crate::analysis::{MannWhitney, mann_whitney, quantiles};
use crate::model::Problem;
use crate::reference::{central_difference_hessian, hessian, spectrum};
use crate::replay::{Replay, replay};
use crate::run::Run;
use crate::spec::Work;

/// The level of `lambda_sup` that parts low from high.
pub(super) const LOW: f64 = 0.9;
/// How far along an eigenvector the loss is drawn.
const REACH: f64 = 1.0;
/// Records of a replayed trajectory for Figure 5, at most about this many.
const RECORDS: u32 = 10_000;
/// Networks that a caption names of those that are passed over.
const MOST_LISTED: usize = 5;
/// Replays for Figure 5 that would take more than this many multiplications are left to `sharpsweep replay`.
const MOST_REPLAY_WORK: f64 = 2e10;

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

/// Draws every figure of the paper that `points`, and for the comparison of widths `wider`, allow. Why one is missing goes to
/// `notices`.
pub fn figures(points: &CriticalPoints, wider: Option<&CriticalPoints>, notices: &mut Vec<String>) -> Vec<Figure> {
    let mut drawn = Vec::new();
    let mut keep = |number: u32, figure: Result<Figure, String>| match figure {
        Ok(figure) => drawn.push(figure),
        Err(why) => notices.push(format!("Figure {number} is not drawn: {why}.")),
    };
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
        with_bound(points).and_then(|(measured, lambda_sup)| {
            bound_against_weight_norms(&measured.v_norm_sq, &measured.w_norm_sq, &lambda_sup)
                .map_err(|error| error.to_string())
        }),
    );
    keep(11, figure_11(points, wider));
    keep(
        12,
        with_bound(points).and_then(|(measured, lambda_sup)| {
            bound_against_hidden_gram(&measured.hidden_gram_sq, &lambda_sup).map_err(|error| error.to_string())
        }),
    );
    keep(13, activation_functions().map_err(|error| error.to_string()));
    drawn
}

/// The report of the networks of one run that it is `over`: its figures, a table of what was found, specification and manifest.
pub fn report_of_run(run: &Run, over: Over) -> Report {
    let mut notices = Vec::new();
    let points = CriticalPoints::of(run, over, &mut notices);
    let figures = figures(&points, None, &mut notices);
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

fn with_bound(points: &CriticalPoints) -> Result<(&Measured, Vec<f64>), String> {
    let measured = measured(points)?;
    let lambda_sup = points.lambda_sup.as_ref().ok_or("it needs the column lambda_sup")?;
    Ok((measured, measured.of(lambda_sup)))
}

fn figure_2(points: &CriticalPoints, wider: Option<&CriticalPoints>) -> Result<Figure, String> {
    let mut columns = Vec::new();
    for points in std::iter::once(points).chain(wider) {
        let (measured, lambda_sup) = with_bound(points)?;
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
            let spectrum = spectrum(hessian(problem, &theta).view(), 4).map_err(|error| error.to_string())?;
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
    Ok(figure)
}

fn parts(points: &CriticalPoints) -> Result<(&Problem, &ndarray::Array2<f64>), String> {
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
    let (samples, parameters) = (problem.data.samples() as f64, problem.shape.parameters() as f64);
    let records = f64::from(RECORDS.min(descent.max_steps));
    let work = f64::from(descent.max_steps) * samples * parameters
        + records * (parameters.powi(3) * 10.0 + samples * parameters.powi(2) + samples.powi(2) * parameters);
    if work > MOST_REPLAY_WORK {
        return Err("replaying two seeds of this size takes long: `sharpsweep replay SEED` draws one of them".into());
    }
    let every = (descent.max_steps / RECORDS).max(1);
    let replays: Vec<Replay> = [sharpest, flattest]
        .iter()
        .filter_map(|&k| points.seed(k))
        .map(|seed| replay(problem, &descent, seed, every))
        .collect();
    let [sharp, flat] = replays.as_slice() else { return Err("the networks were not trained here".into()) };
    let mut figure =
        sharpest_and_flattest_descent(&sharp.trajectory, &flat.trajectory).map_err(|error| error.to_string())?;
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
    let mut figure = hessian_against_numeric(closed.view(), difference.view(), problem.shape.hidden_weights())
        .map_err(|error| error.to_string())?;
    figure.caption += &format!(" Shown is {}, the middle one in the order of λ_{{sup}}.", points.label(k));
    Ok(figure)
}

fn figure_9(points: &CriticalPoints) -> Result<Figure, String> {
    let measured = measured(points)?;
    let (Some(trace), Some(trace_sq)) = (&points.trace, &points.trace_sq) else {
        return Err("it needs the columns trace and trace_sq".into());
    };
    traces_against_numeric(
        Points { label: "", x: &measured.trace, y: &measured.of(trace) },
        Points { label: "", x: &measured.trace_sq, y: &measured.of(trace_sq) },
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
