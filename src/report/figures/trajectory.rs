//! Figure 5 and the figure of one replayed seed: loss and sharpness over the steps of training.

use kuva::plot::scatter::MarkerShape;
use kuva::render::render::TextAnchor;

use super::{name, numbered};
use crate::replay::Trajectory;
use crate::report::drawing::{
    Area, Axis, BLUE, Canvas, Figure, FigureError, GREY, INK, Key, Panel, TEXT_SIZE, VERMILLION, WIDTH, X_AXIS_ROOM,
    number,
};

impl Trajectory {
    fn columns(&self) -> Vec<(&'static str, &[f64])> {
        let decay: [(&str, &[f64]); 2] =
            [("objective", &self.objective), ("objective_gradient_sq", &self.objective_gradient_sq)];
        let columns: [(&str, &[f64]); 5] = [
            ("loss", &self.loss),
            ("gradient_sq", &self.gradient_sq),
            ("lambda_sup", &self.lambda_sup),
            ("lambda_max", &self.lambda_max),
            ("lambda_min", &self.lambda_min),
        ];
        // Without weight decay there are no values of the objective's own.
        columns.into_iter().chain(decay.into_iter().filter(|(_, values)| !values.is_empty())).collect()
    }

    fn check(&self, figure: &'static str) -> Result<(), FigureError> {
        let steps = self.steps.len();
        if let Some((name, column)) = self.columns().iter().find(|(_, column)| column.len() != steps) {
            let what =
                format!("the trajectory of seed {} has {steps} steps but {} values of {name}", self.seed, column.len());
            return Err(FigureError::Mismatch { figure, what });
        }
        if steps == 0 {
            return Err(FigureError::TooFew { figure, what: "recorded steps", needed: 1, found: 0 });
        }
        Ok(())
    }

    /// Points (t + 1, value) with a positive value: the coordinates of an axis of steps and a logarithmic one.
    fn points(&self, values: &[f64]) -> Vec<(f64, f64)> {
        let points = self.steps.iter().zip(values).map(|(&t, &value)| (f64::from(t) + 1.0, value));
        points.filter(|p| p.1 > 0.0 && p.1.is_finite()).collect()
    }

    fn with_columns(&self, figure: Figure, suffix: &str) -> Figure {
        let steps: Vec<f64> = self.steps.iter().copied().map(f64::from).collect();
        let figure = figure.with_column(&format!("steps{suffix}"), &steps);
        let add =
            |figure: Figure, (name, values): (&str, &[f64])| figure.with_column(&format!("{name}{suffix}"), values);
        self.columns().into_iter().fold(figure, add)
    }
}

/// Figure 5: L (top) and `lambda_sup`, lambda_1 (bottom) over the steps for the sharpest (left) and the flattest
/// network (right).
///
/// # Errors
/// [`FigureError`] if arrays differ in length or a trajectory has no record.
pub fn training_of_sharpest_and_flattest(sharpest: &Trajectory, flattest: &Trajectory) -> Result<Figure, FigureError> {
    let both = [sharpest, flattest];
    let canvas = draw(name(5), &both, &["(a) sharpest", "(b) flattest"], false)?;
    let mut caption =
        format!("Loss L, bound λ_{{sup}} and largest eigenvalue λ_{{1}} over the steps of gradient descent. {SCALES}");
    for (trajectory, part) in both.iter().zip(["(a) sharpest", "(b) flattest"]) {
        caption += &format!(" {part}: seed {}{}.", trajectory.seed, end_of(trajectory));
    }
    let figure = numbered(5, caption, canvas)?;
    Ok(flattest.with_columns(sharpest.with_columns(figure, "_sharpest"), "_flattest"))
}

/// The training of one seed: L, g.g, and `lambda_sup` with lambda_1.
///
/// # Errors
/// [`FigureError`] if arrays differ in length or there is no record.
pub fn training_of_seed(trajectory: &Trajectory) -> Result<Figure, FigureError> {
    let canvas = draw("The replay", &[trajectory], &[""], true)?;
    let caption = format!(
        "Loss L, squared gradient norm g·g, bound λ_{{sup}} and largest eigenvalue λ_{{1}} over the steps of seed \
         {}{}. {SCALES}",
        trajectory.seed,
        end_of(trajectory)
    );
    let figure = Figure::new("replay", &format!("Training of seed {}", trajectory.seed), caption, canvas)?;
    Ok(trajectory.with_columns(figure, ""))
}

/// How to read the trajectories.
const SCALES: &str = "All axes are logarithmic, that of the steps t by t + 1. Dotted: 2/η, above which gradient \
    descent of step size η moves away along the direction of largest curvature. Where records are far apart a dot \
    marks each.";

fn end_of(trajectory: &Trajectory) -> String {
    let (Some(steps), Some(&sup), Some(&max)) =
        (trajectory.steps.last(), trajectory.lambda_sup.last(), trajectory.lambda_max.last())
    else {
        return String::new();
    };
    format!(", {steps} steps, at the end λ_{{sup}} = {} and λ_{{1}} = {}", number(sup), number(max))
}

/// The first, the lowest, the highest and the last point in each half pixel across: they look like all points.
fn envelope(panel: &Panel, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const ACROSS: f64 = 0.5;
    let column = |point: &(f64, f64)| (panel.at(point.0, point.1).0 / ACROSS).floor() as i64;
    let mut drawn = Vec::new();
    for part in points.chunk_by(|a, b| column(a) == column(b)) {
        let order = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let ends = [part.first(), part.iter().min_by(order), part.iter().max_by(order), part.last()];
        let mut ends: Vec<(f64, f64)> = ends.into_iter().flatten().copied().collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends.dedup();
        drawn.extend(ends);
    }
    drawn
}

/// The dashes of the line at 2 / eta.
const EDGE: &str = "2 2.5";

/// The points of a curve that have no other near: the lines between them hold no record.
fn far_apart(panel: &Panel, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const NEAR: f64 = 6.0;
    let at = |k: usize| points.get(k).map(|point| panel.at(point.0, point.1).0);
    let far = |a: Option<f64>, b: Option<f64>| a.zip(b).is_none_or(|(a, b)| (a - b).abs() > NEAR);
    let alone = |&k: &usize| far(at(k), at(k + 1)) && k.checked_sub(1).is_none_or(|before| far(at(before), at(k)));
    (0..points.len()).filter(alone).map(|k| points[k]).collect()
}

fn draw(
    figure: &'static str,
    trajectories: &[&Trajectory],
    titles: &[&str],
    gradient: bool,
) -> Result<Canvas, FigureError> {
    for trajectory in trajectories {
        trajectory.check(figure)?;
    }
    let around = |label: &str, columns: &dyn Fn(&Trajectory) -> Vec<f64>| {
        let values: Vec<f64> = trajectories.iter().flat_map(|trajectory| columns(trajectory)).collect();
        Axis::log_around(label, &values).with_ticks(6)
    };
    type Series = fn(&Trajectory) -> &Vec<f64>;
    let mut rows: Vec<(Axis, Vec<(Series, &str)>)> = vec![(around("L", &|t| t.loss.clone()), vec![(|t| &t.loss, INK)])];
    if gradient {
        rows.push((around("g·g", &|t| t.gradient_sq.clone()), vec![(|t| &t.gradient_sq, INK)]));
    }
    rows.push((
        around("λ", &|t| [t.lambda_sup.as_slice(), &t.lambda_max, &[2.0 / t.step_size]].concat()),
        vec![(|t| &t.lambda_sup, BLUE), (|t| &t.lambda_max, VERMILLION)],
    ));
    let left = rows.iter().map(|(axis, _)| axis.room()).fold(0.0, f64::max);
    let (gap, between, height) = (26.0, 14.0, if gradient { 130.0 } else { 150.0 });
    let parts = trajectories.len() as f64;
    let width = (WIDTH - left - 14.0 - gap * (parts - 1.0)) / parts;
    let top = if titles.iter().any(|title| !title.is_empty()) { 26.0 } else { 12.0 };
    let bottom = top + rows.len() as f64 * (height + between) - between;
    let mut canvas = Canvas::new(bottom + X_AXIS_ROOM + 22.0);
    for (k, (trajectory, title)) in trajectories.iter().zip(titles).enumerate() {
        let left = left + k as f64 * (width + gap);
        canvas.text(left + width / 2.0, top - 9.0, title, TEXT_SIZE, TextAnchor::Middle);
        let last = trajectory.steps.last().copied().unwrap_or(1);
        for (row, (axis, curves)) in rows.iter().enumerate() {
            let area = Area { left, top: top + row as f64 * (height + between), width, height };
            let is_last = row + 1 == rows.len();
            let x = Axis::steps("step t", last).bare_unless(is_last);
            let y = axis.clone().bare_unless(k == 0);
            let mut panel = Panel::new(area, x, y).with_label_at_the_edge();
            for &(column, color) in curves {
                let dash = (color == VERMILLION).then_some("6 3");
                let points = envelope(&panel, &trajectory.points(column(trajectory)));
                panel.curve(&points, color, dash, 1.8);
                let alone = far_apart(&panel, &points);
                panel.markers(&alone, color, MarkerShape::Circle, 1.9, 1.0);
            }
            let edge = 2.0 / trajectory.step_size;
            if is_last && edge.is_finite() {
                let ends = (1.0, f64::from(last) + 1.0);
                panel.segment((ends.0, edge), (ends.1, edge), GREY, 1.4, Some(EDGE));
            }
            canvas.place(panel);
        }
    }
    let edges: Vec<f64> = trajectories.iter().map(|trajectory| 2.0 / trajectory.step_size).collect();
    let alike = edges.windows(2).all(|pair| pair[0].total_cmp(&pair[1]).is_eq());
    let edge = if alike { format!("2/η = {}", number(edges[0])) } else { "2/η".into() };
    let keys = [
        (Key::Line { color: BLUE, dash: None }, "λ_{sup}"),
        (Key::Line { color: VERMILLION, dash: Some("6 3") }, "λ_{1}"),
        (Key::Line { color: GREY, dash: Some(EDGE) }, edge.as_str()),
    ];
    canvas.legend(left + (WIDTH - left - 14.0) / 2.0, bottom + X_AXIS_ROOM + 14.0, &keys);
    Ok(canvas)
}
