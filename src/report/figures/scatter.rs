//! Figures that plot one quantity of each network against another: 2, 9, 10, 12, and sharpness against macro F1.

use kuva::plot::scatter::MarkerShape;
use kuva::render::render::TextAnchor;
use ndarray::ArrayView2;

use super::{RESIDUALS, SHARPNESS_AGAINST_F1, name, numbered};
use crate::analysis::{RankCorrelation, median};
use crate::report::drawing::{
    Area, Axis, BLUE, Canvas, Figure, FigureError, GREY, Key, Panel, TEXT_SIZE, VERMILLION, WIDTH, X_AXIS_ROOM, minus,
    number, scales, thin, thinning_note,
};

/// Networks of one kind as points: `x[k]` and `y[k]` belong to the same network.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    /// What the legend calls them, such as `N = 3`.
    pub label: &'a str,
    /// Abscissae.
    pub x: &'a [f64],
    /// Ordinates.
    pub y: &'a [f64],
}

impl Points<'_> {
    /// The points whose coordinates are both finite.
    fn finite(&self) -> Vec<(f64, f64)> {
        let points = self.x.iter().zip(self.y).map(|(&x, &y)| (x, y));
        points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
    }
}

fn checked(figure: &'static str, groups: &[Points<'_>]) -> Result<Vec<Vec<(f64, f64)>>, FigureError> {
    if let Some(group) = groups.iter().find(|group| group.x.len() != group.y.len()) {
        let what = format!("{} has {} abscissae but {} ordinates", group.label, group.x.len(), group.y.len());
        return Err(FigureError::Mismatch { figure, what });
    }
    let points: Vec<Vec<(f64, f64)>> = groups.iter().map(Points::finite).collect();
    let found = count(&points);
    if found == 0 {
        return Err(FigureError::TooFew { figure, what: "networks with finite values", needed: 1, found });
    }
    Ok(points)
}

fn dropped_note(groups: &[Points<'_>], kept: &[Vec<(f64, f64)>]) -> String {
    match groups.iter().map(|group| group.x.len()).sum::<usize>() - count(kept) {
        0 => String::new(),
        1 => " One network with a value that is not finite is left out.".into(),
        dropped => format!(" {dropped} networks with values that are not finite are left out."),
    }
}

fn unplaced_note(all: &[Vec<(f64, f64)>], placed: &[Vec<(f64, f64)>]) -> String {
    match count(all) - count(placed) {
        0 => String::new(),
        1 => " One point with a value that is not positive has no place on them.".into(),
        unplaced => format!(" {unplaced} points with values that are not positive have no place on them."),
    }
}

fn count(groups: &[Vec<(f64, f64)>]) -> usize {
    groups.iter().map(Vec::len).sum()
}

/// The points that have a place on two logarithmic axes.
fn positive(groups: &[Vec<(f64, f64)>]) -> Vec<Vec<(f64, f64)>> {
    let positive = |point: &&(f64, f64)| point.0 > 0.0 && point.1 > 0.0;
    groups.iter().map(|points| points.iter().filter(positive).copied().collect()).collect()
}

/// Marker and colour of the k-th group.
fn style(k: usize) -> (&'static str, MarkerShape) {
    if k == 0 { (BLUE, MarkerShape::Circle) } else { (VERMILLION, MarkerShape::Triangle) }
}

/// How opaque `count` markers are: the more there are, the more cover each other.
fn opacity(count: usize) -> f64 {
    if count > 200 { 0.45 } else { 0.8 }
}

/// Draws the groups into `panel` and returns how many points are drawn.
fn draw(panel: &mut Panel, groups: &[Vec<(f64, f64)>]) -> usize {
    let mut drawn = 0;
    // The first group above the others.
    for (k, points) in groups.iter().enumerate().rev() {
        let thinned = thin(panel, points);
        let (color, shape) = style(k);
        panel.markers(&thinned, color, shape, 2.6, opacity(points.len()));
        drawn += thinned.len();
    }
    drawn
}

/// The line where both coordinates are equal, with its name below it.
fn diagonal(panel: &mut Panel, (low, high): (f64, f64), log: bool, name: &str) {
    panel.curve(&[(low, low), (high, high)], GREY, None, 1.2);
    let at = if log { low * (high / low).powf(0.62) } else { low + 0.62 * (high - low) };
    panel.note((at, at), (7.0, 14.0), name, TextAnchor::Start);
}

fn legend(canvas: &mut Canvas, middle: f64, groups: &[Points<'_>]) {
    if groups.len() > 1 {
        let key = |k| Key::Marker { color: style(k).0, shape: style(k).1 };
        let entries: Vec<(Key<'_>, &str)> = groups.iter().enumerate().map(|(k, group)| (key(k), group.label)).collect();
        canvas.legend(middle, 18.0, &entries);
    }
}

fn with_columns(mut figure: Figure, prefix: (&str, &str), groups: &[Points<'_>]) -> Figure {
    for (k, group) in groups.iter().enumerate() {
        let suffix = if groups.len() > 1 { format!("_{}", k + 1) } else { String::new() };
        figure = figure
            .with_column(&format!("{}{suffix}", prefix.0), group.x)
            .with_column(&format!("{}{suffix}", prefix.1), group.y);
    }
    figure
}

/// Figure 2: `lambda_sup` (y) against lambda_1 (x) for each group of networks, with the line where they are equal.
///
/// # Errors
/// [`FigureError`] if columns differ in length or no value is finite.
pub fn bound_against_largest_eigenvalue(groups: &[Points<'_>]) -> Result<Figure, FigureError> {
    let points = checked(name(2), groups)?;
    let values: Vec<f64> = points.iter().flatten().flat_map(|&(x, y)| [x, y]).collect();
    // Equal distances above the diagonal are equal ratios, so the looseness of the bound can be read off.
    let x = Axis::log_around("largest eigenvalue λ_{1} (numeric)", &values);
    let y = Axis { label: "upper bound λ_{sup} (closed form)".into(), ..x.clone() };
    let left = y.room();
    let side = WIDTH - left - 14.0;
    let area = Area { left, top: 28.0, width: side, height: 0.82 * side };
    let mut canvas = Canvas::new(area.bottom() + X_AXIS_ROOM);
    let scales = scales(&x, &y);
    let range = x.range;
    let mut panel = Panel::new(area, x, y);
    diagonal(&mut panel, range, true, "λ_{sup} = λ_{1}");
    let shown = positive(&points);
    let drawn = draw(&mut panel, &shown);
    canvas.place(panel);
    legend(&mut canvas, area.left + side / 2.0, groups);

    // The caption says what the data show, not what the theorem promises. lambda_1 of a float32 engine is off by up to
    // 1e-5.
    let rounding = 1e-5;
    let verdict = match points.iter().flatten().filter(|&&(x, y)| y < x - rounding * x.abs()).count() {
        0 => "The bound is never below the line λ_{sup} = λ_{1}.".to_owned(),
        n => format!("{n} points lie below the line λ_{{sup}} = λ_{{1}} by more than {rounding:e} of λ_{{1}}."),
    };
    let mut caption = format!(
        "Upper bound λ_{{sup}} = μ + √(D−1) σ of Theorem 1 against the largest eigenvalue λ_{{1}} of the Hessian at \
         each critical point. {verdict}"
    );
    for (group, points) in groups.iter().zip(&points) {
        let ratios: Vec<f64> = points.iter().filter(|p| p.0 > 0.0).map(|&(x, y)| y / x).collect();
        if let (Some(worst), Ok(median)) = (ratios.iter().copied().reduce(f64::max), median(&ratios)) {
            caption += &format!(
                " {}: {} networks, λ_{{sup}}/λ_{{1}} {median:.3} in the median, {worst:.3} at worst.",
                group.label,
                points.len()
            );
        }
    }
    caption += scales;
    caption += &unplaced_note(&points, &shown);
    caption += &thinning_note(drawn, count(&shown));
    caption += &dropped_note(groups, &points);
    let figure = numbered(2, caption, canvas)?;
    Ok(with_columns(figure, ("lambda_max", "lambda_sup"), groups))
}

/// Sharpness (x), called `symbol`, against the macro F1 on the test samples (y), with their rank correlation.
///
/// # Errors
/// [`FigureError`] if columns differ in length or no value is finite.
pub fn sharpness_against_macro_f1(
    symbol: &str,
    sharpness: &[f64],
    macro_f1: &[f64],
    correlation: RankCorrelation,
) -> Result<Figure, FigureError> {
    let group = Points { label: symbol, x: sharpness, y: macro_f1 };
    let points = checked("Sharpness against macro F1", &[group])?.swap_remove(0);
    let x = Axis::around(symbol, points.iter().map(|p| &p.0));
    let lowest = points.iter().map(|p| p.1).fold(1.0, f64::min);
    let y = Axis::linear(
        "macro F1 on the test samples",
        ((lowest - 0.06 * (1.0 - lowest)).max(-0.03), 1.0 + 0.04 * (1.0 - lowest)),
    );
    let (left, scales) = (y.room(), scales(&x, &y));
    let area = Area { left, top: 30.0, width: WIDTH - left - 16.0, height: 230.0 };
    let mut panel = Panel::new(area, x, y);
    let drawn = draw(&mut panel, std::slice::from_ref(&points));
    let mut canvas = Canvas::new(area.bottom() + X_AXIS_ROOM);
    canvas.place(panel);
    let RankCorrelation { pairs, rho, p_value } = correlation;
    let (rho, p) =
        if rho.is_nan() { ("none".into(), "–".into()) } else { (minus(&format!("{rho:.3}")), number(p_value)) };
    let found = format!("Spearman ρ = {rho}, p = {p}, n = {pairs}");
    canvas.text(area.left + area.width / 2.0, 18.0, &found, TEXT_SIZE, TextAnchor::Middle);
    let caption = format!(
        "Sharpness {symbol} against the macro F1 on the test samples, for {pairs} networks. Spearman's rank \
         correlation ρ = {rho}, two-sided p = {p} (Student's t with n − 2 degrees of freedom).{scales}{}{}",
        thinning_note(drawn, points.len()),
        dropped_note(&[group], std::slice::from_ref(&points))
    );
    let (name, title) = SHARPNESS_AGAINST_F1;
    let figure = Figure::new(name, title, caption, canvas)?;
    Ok(figure
        .with_column("sharpness", sharpness)
        .with_column("macro_f1", macro_f1)
        .with_column("rho_p", &[correlation.rho, p_value]))
}

/// Residuals z - t (y) of `outputs` z, a row for each sample, against the `targets` t (x), (I, K), of all outputs.
///
/// # Errors
/// [`FigureError`] if there are not as many outputs as targets, or no value is finite.
pub fn residuals_against_targets(targets: ArrayView2<'_, f64>, outputs: &[Vec<f64>]) -> Result<Figure, FigureError> {
    let (name, title) = RESIDUALS;
    let x: Vec<f64> = targets.iter().copied().collect();
    let z: Vec<f64> = outputs.concat();
    if z.len() != x.len() {
        let what = format!("{} targets but {} outputs", x.len(), z.len());
        return Err(FigureError::Mismatch { figure: name, what });
    }
    let y: Vec<f64> = z.iter().zip(&x).map(|(z, t)| z - t).collect();
    let group = Points { label: title, x: &x, y: &y };
    let points = checked(title, &[group])?.swap_remove(0);
    let horizontal = Axis::linear_around("target t", points.iter().map(|p| &p.0));
    let vertical = Axis::linear_around("residual z − t", points.iter().map(|p| &p.1).chain([&0.0]));
    let left = vertical.room();
    let area = Area { left, top: 14.0, width: WIDTH - left - 16.0, height: 230.0 };
    let range = horizontal.range;
    let mut panel = Panel::new(area, horizontal, vertical);
    panel.curve(&[(range.0, 0.0), (range.1, 0.0)], GREY, None, 1.2);
    let drawn = draw(&mut panel, std::slice::from_ref(&points));
    let mut canvas = Canvas::new(area.bottom() + X_AXIS_ROOM);
    canvas.place(panel);
    let square = points.iter().map(|p| p.1 * p.1).sum::<f64>() / points.len() as f64;
    let caption = format!(
        "Residuals z − t of the outputs against their targets, {} of the {} outputs of {} samples; the root of their \
         mean square is {}. Both axes are linear.{}",
        points.len(),
        x.len(),
        targets.nrows(),
        number(square.sqrt()),
        thinning_note(drawn, points.len()),
    );
    let figure = Figure::new(name, title, caption, canvas)?;
    Ok(figure.with_column("target", &x).with_column("residual", &y))
}

/// Figure 9: a trace by its closed form (y) against the trace of the numeric Hessian (x), one panel each for tr H and
/// tr H^2.
///
/// # Errors
/// [`FigureError`] if columns differ in length or no value is finite.
pub fn traces_against_numeric(trace: Points<'_>, trace_sq: Points<'_>) -> Result<Figure, FigureError> {
    let mut panels = Vec::new();
    let mut caption =
        "Closed-form traces (Theorems 2 and 5) against those of the Hessian by central differences.".to_owned();
    for (symbol, group) in [("tr H", trace), ("tr H^{2}", trace_sq)] {
        let points = checked(name(9), &[group])?.swap_remove(0);
        let scale = points.iter().map(|p| p.0.abs()).fold(0.0, f64::max);
        let worst = points.iter().map(|&(x, y)| (x - y).abs()).fold(0.0, f64::max);
        caption += &format!(
            " {symbol}: {} networks, largest difference {} at values up to {}.",
            points.len(),
            number(worst),
            number(scale)
        );
        panels.push((symbol, points));
    }
    let axes: Vec<(Axis, Axis)> = panels
        .iter()
        .map(|(symbol, points)| {
            let values: Vec<f64> = points.iter().flat_map(|&(x, y)| [x, y]).collect();
            let x = Axis::around(&format!("{symbol} (numeric)"), &values).with_ticks(4);
            let y = Axis { label: format!("{symbol} (closed form)"), ..x.clone() };
            (x, y)
        })
        .collect();
    let both = match axes.as_slice() {
        [(x, _), (other, _)] if x.is_log() != other.is_log() => {
            let logarithmic = if x.is_log() { "tr H" } else { "tr H^{2}" };
            format!(" The axes of {logarithmic} are logarithmic, the others linear.")
        }
        [(x, _), ..] => format!(" All axes are {}.", if x.is_log() { "logarithmic" } else { "linear" }),
        [] => String::new(),
    };
    let rooms: f64 = axes.iter().map(|(_, y)| y.room()).sum();
    let side = (WIDTH - rooms - 2.0 * 12.0) / 2.0;
    let mut canvas = Canvas::new(14.0 + side + X_AXIS_ROOM);
    let (mut left, mut drawn, mut of) = (0.0, 0, 0);
    for ((_, points), (x, y)) in panels.iter().zip(axes) {
        left += y.room();
        let (range, log) = (x.range, x.is_log());
        let mut panel = Panel::new(Area { left, top: 14.0, width: side, height: side }, x, y);
        diagonal(&mut panel, range, log, "equal");
        drawn += draw(&mut panel, std::slice::from_ref(points));
        of += points.len();
        canvas.place(panel);
        left += side + 12.0;
    }
    caption += &both;
    caption += &thinning_note(drawn, of);
    let figure = numbered(9, caption, canvas)?;
    let figure = with_columns(figure, ("trace_numeric", "trace"), &[trace]);
    Ok(with_columns(figure, ("trace_sq_numeric", "trace_sq"), &[trace_sq]))
}

/// Figure 10: `lambda_sup` (y) against the squared Frobenius norms of V and of W (x), one panel each.
///
/// # Errors
/// [`FigureError`] if columns differ in length or no value is finite.
pub fn bound_against_weight_norms(
    v_norm_sq: &[f64],
    w_norm_sq: &[f64],
    lambda_sup: &[f64],
) -> Result<Figure, FigureError> {
    let groups = [
        Points { label: "‖V‖^{2}_{F}", x: v_norm_sq, y: lambda_sup },
        Points { label: "‖W‖^{2}_{F}", x: w_norm_sq, y: lambda_sup },
    ];
    let points = checked(name(10), &groups)?;
    let y = Axis::log_around("λ_{sup}", lambda_sup);
    let left = y.room();
    let (gap, top) = (24.0, 14.0);
    let width = (WIDTH - left - gap - 14.0) / 2.0;
    let mut canvas = Canvas::new(top + width + X_AXIS_ROOM);
    let mut drawn = 0;
    let placed = positive(&points);
    for (k, (group, points)) in groups.iter().zip(&placed).enumerate() {
        let area = Area { left: left + k as f64 * (width + gap), top, width, height: width };
        let x = Axis::log_around(group.label, points.iter().map(|p| &p.0)).with_ticks(5);
        let y = y.clone().bare_unless(k == 0);
        let mut panel = Panel::new(area, x, y);
        drawn += draw(&mut panel, std::slice::from_ref(points));
        canvas.place(panel);
    }
    let caption = format!(
        "λ_{{sup}} against the squared Frobenius norms of the output weights V and the hidden weights W of {} \
         networks. All axes are logarithmic.{}{}{}",
        points[0].len(),
        unplaced_note(&points, &placed),
        thinning_note(drawn, count(&placed)),
        dropped_note(&groups[..1], &points[..1])
    );
    let figure = numbered(10, caption, canvas)?;
    Ok(figure
        .with_column("v_norm_sq", v_norm_sq)
        .with_column("w_norm_sq", w_norm_sq)
        .with_column("lambda_sup", lambda_sup))
}

/// Figure 12: `lambda_sup` (y) against the squared Frobenius norm of R^T R (x), whole and enlarged to the lower 90 % of
/// `lambda_sup`.
///
/// # Errors
/// [`FigureError`] if columns differ in length or no value is finite.
pub fn bound_against_hidden_gram(hidden_gram_sq: &[f64], lambda_sup: &[f64]) -> Result<Figure, FigureError> {
    let group = Points { label: "‖R^{⊤}R‖^{2}_{F}", x: hidden_gram_sq, y: lambda_sup };
    let points = checked(name(12), &[group])?.swap_remove(0);
    // Linear axes: the enlargement is the point of the figure.
    let mut sorted: Vec<f64> = points.iter().map(|p| p.1).collect();
    sorted.sort_by(f64::total_cmp);
    let enlarged_to = sorted[(sorted.len() - 1) * 9 / 10];
    let close: Vec<(f64, f64)> = points.iter().filter(|p| p.1 <= enlarged_to).copied().collect();
    let parts = [(&points, "(a) all"), (&close, "(b) the lower 90 %")];
    let axes = parts.map(|(points, _)| {
        let x = Axis::linear_around(group.label, points.iter().map(|p| &p.0)).with_ticks(5);
        (x, Axis::linear_around("λ_{sup}", points.iter().map(|p| &p.1)))
    });
    let rooms: f64 = axes.iter().map(|(_, y)| y.room()).sum();
    let width = (WIDTH - rooms - 2.0 * 14.0) / 2.0;
    let top = 26.0;
    let mut canvas = Canvas::new(top + 1.15 * width + X_AXIS_ROOM);
    let (mut left, mut drawn) = (0.0, 0);
    let frame = (axes[1].0.range, axes[1].1.range);
    for ((points, title), (k, (x, y))) in parts.into_iter().zip(axes.into_iter().enumerate()) {
        left += y.room();
        let area = Area { left, top, width, height: 1.15 * width };
        let mut panel = Panel::new(area, x, y);
        drawn += draw(&mut panel, std::slice::from_ref(points));
        if k == 0 {
            panel.rectangle((frame.0.0, frame.1.0), (frame.0.1, frame.1.1), "none", Some(VERMILLION));
            panel.note((frame.0.1, frame.1.1), (-5.0, 15.0), "(b)", TextAnchor::End);
        }
        canvas.place(panel);
        canvas.text(area.left + width / 2.0, top - 8.0, title, TEXT_SIZE, TextAnchor::Middle);
        left += width + 14.0;
    }
    let caption = format!(
        "λ_{{sup}} against the squared Frobenius norm of the hidden layer's Gram matrix R^{{⊤}}R of {} networks: (a) \
         all, (b) the frame of (a) enlarged, which holds the {} networks with λ_{{sup}} up to its 90 % quantile, {}. \
         All axes are linear.{}{}",
        points.len(),
        close.len(),
        number(enlarged_to),
        thinning_note(drawn, points.len() + close.len()),
        dropped_note(&[group], std::slice::from_ref(&points))
    );
    let figure = numbered(12, caption, canvas)?;
    Ok(figure.with_column("hidden_gram_sq", hidden_gram_sq).with_column("lambda_sup", lambda_sup))
}
