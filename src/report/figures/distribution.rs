//! Figures of how one quantity is distributed: 6, 7 and 11.

use kuva::plot::scatter::MarkerShape;
use kuva::render::render::TextAnchor;

use super::{name, numbered};
use crate::analysis::{MannWhitney, quantiles};
use crate::report::critical_points::finite;
use crate::report::drawing::{
    Area, Axis, BLUE, BLUE_TINT, Canvas, Figure, FigureError, INK, Key, Panel, TEXT_SIZE, VERMILLION, VERMILLION_TINT,
    WIDTH, X_AXIS_ROOM, number, scales, thin,
};

/// How a value is distributed over one group of networks.
#[derive(Debug, Clone, Copy)]
pub struct Distribution<'a> {
    /// What the axis calls it, such as `low λ_{sup}`.
    pub label: &'a str,
    /// One value per network.
    pub values: &'a [f64],
}

fn sorted_finite(values: &[f64]) -> Vec<f64> {
    let mut sorted = finite(values);
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The finite values of each group, ascending.
fn sorted_groups(figure: &'static str, groups: &[Distribution<'_>]) -> Result<Vec<Vec<f64>>, FigureError> {
    let sorted: Vec<Vec<f64>> = groups.iter().map(|group| sorted_finite(group.values)).collect();
    if sorted.is_empty() || sorted.iter().any(Vec::is_empty) {
        return Err(FigureError::TooFew { figure, what: "networks in every group", needed: 1, found: 0 });
    }
    Ok(sorted)
}

/// The five levels of a box plot: 10, 25, 50, 75 and 90 %.
fn levels(values: &[f64]) -> Result<[f64; 5], FigureError> {
    let levels = quantiles(values, &[0.1, 0.25, 0.5, 0.75, 0.9])?;
    Ok(std::array::from_fn(|k| levels[k]))
}

/// Figure 6: histogram of `lambda_sup` with the line at `threshold`, which divides low from high (the paper's 90 %).
///
/// # Errors
/// [`FigureError`] if fewer than two values are finite.
pub fn bound_histogram(lambda_sup: &[f64], threshold: f64) -> Result<Figure, FigureError> {
    const BINS: usize = 36;
    let sorted = sorted_finite(lambda_sup);
    let &[low, .., high] = sorted.as_slice() else {
        let what = "networks with finite values";
        return Err(FigureError::TooFew { figure: name(6), what, needed: 2, found: sorted.len() });
    };
    let (log, (low, high)) = reach(&sorted, low, high);
    let around = if log { Axis::log_around } else { Axis::linear_around };
    let axis = around("λ_{sup}", &[low, high]);
    let inside = &sorted[sorted.partition_point(|&v| v < low)..sorted.partition_point(|&v| v <= high)];
    let edge = |k: usize| {
        let share = k as f64 / BINS as f64;
        if log { low * (high / low).powf(share) } else { low + (high - low) * share }
    };
    let mut counts = vec![0_usize; BINS];
    for value in inside {
        let share = if log { (value / low).ln() / (high / low).ln() } else { (value - low) / (high - low) };
        // Where all values are equal this is 0/0: they belong to the first bin.
        counts[if share.is_finite() { ((share * BINS as f64) as usize).min(BINS - 1) } else { 0 }] += 1;
    }
    let tallest = counts.iter().max().copied().unwrap_or(1) as f64;
    // Counts are whole, and so are their ticks.
    let y = Axis::linear("networks per bin", (0.0, 1.12 * tallest)).with_ticks((tallest as usize + 1).clamp(2, 7));
    let left = y.room();
    let area = Area { left, top: 14.0, width: WIDTH - left - 16.0, height: 230.0 };
    let mut canvas = Canvas::new(area.bottom() + X_AXIS_ROOM);
    let scales = scales(&axis, &y);
    let mut panel = Panel::new(area, axis, y);
    for (k, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        let color = if edge(k) < threshold { BLUE } else { VERMILLION };
        // A bin that the line cuts is blue up to the line.
        let (from, to) = (edge(k), edge(k + 1));
        panel.rectangle((from, 0.0), (to, count as f64), color, None);
        if from < threshold && threshold < to {
            panel.rectangle((threshold, 0.0), (to, count as f64), VERMILLION, None);
        }
        panel.segment((from, 0.0), (from, count as f64), "#ffffff", 0.7, None);
    }
    panel.segment((threshold, 0.0), (threshold, 1.12 * tallest), INK, 1.4, Some("5 3"));
    let on_the_left = area.left + area.width - panel.at(threshold, 0.0).0 < 90.0;
    let (shift, anchor) = if on_the_left { (-6.0, TextAnchor::End) } else { (6.0, TextAnchor::Start) };
    panel.note((threshold, 1.12 * tallest), (shift, 17.0), "90 %", anchor);
    let (far_below, far_above) =
        (sorted.partition_point(|&v| v < low), sorted.len() - sorted.partition_point(|&v| v <= high));
    let mut outside = String::new();
    for (count, end, values, shift, text, anchor) in [
        (far_below, low, sorted.first(), 4.0, format!("← {far_below}"), TextAnchor::Start),
        (far_above, high, sorted.last(), -4.0, format!("{far_above} →"), TextAnchor::End),
    ] {
        let (Some(&farthest), 1..) = (values, count) else { continue };
        panel.note((end, 0.0), (shift, -8.0), &text, anchor);
        let networks = if count == 1 { "one network lies".into() } else { format!("{count} networks lie") };
        let side = if end > low { "above" } else { "below" };
        outside +=
            &format!(" Beyond the axis {networks} {side} {}, at {} at the farthest.", number(end), number(farthest));
    }
    canvas.place(panel);
    let below = sorted.partition_point(|&v| v <= threshold);
    let caption = format!(
        "Distribution of λ_{{sup}} over {} networks, in {BINS} bins of equal width{}. The dashed line at {} parts {below} networks of \
         low λ_{{sup}} from {} of high λ_{{sup}}.{outside}{scales}",
        sorted.len(),
        if log { " on the logarithmic axis" } else { "" },
        number(threshold),
        sorted.len() - below
    );
    let figure = numbered(6, caption, canvas)?;
    Ok(figure.with_column("lambda_sup", lambda_sup).with_column("threshold", &[threshold]))
}

/// How far Figure 6 reaches: whether its axis is logarithmic, and the lowest and the highest value on it. Values farther from the
/// quartiles than three times their distance would leave most of the axis to a few networks, so the caption describes them.
fn reach(sorted: &[f64], low: f64, high: f64) -> (bool, (f64, f64)) {
    let within = |log: bool| -> (f64, f64) {
        let scale = |value: f64| if log { value.ln() } else { value };
        let quartile = |level: f64| scale(sorted[((sorted.len() - 1) as f64 * level).round() as usize]);
        let (first, third) = (quartile(0.25), quartile(0.75));
        let far = 3.0 * (third - first);
        // All but a few networks are alike: there is no scale for distances.
        if far <= 0.0 {
            return (low, high);
        }
        let near = |value: &&f64| (first - far..=third + far).contains(&scale(**value));
        let ends = (sorted.iter().find(near), sorted.iter().rev().find(near));
        (ends.0.copied().unwrap_or(low), ends.1.copied().unwrap_or(high))
    };
    let ends = within(false);
    let shown = sorted.iter().filter(|&&value| value >= ends.0 && value <= ends.1).count();
    // A long tail is no outlier: it gets the axis that shows it.
    if low > 0.0 && 50 * shown < 49 * sorted.len() { (true, within(true)) } else { (false, ends) }
}

/// Figure 7: macro F1 on the test samples of networks with low against high `lambda_sup`.
///
/// # Errors
/// [`FigureError`] if a group has no finite value.
pub fn macro_f1_by_bound(
    low: Distribution<'_>,
    high: Distribution<'_>,
    comparison: Option<MannWhitney>,
) -> Result<Figure, FigureError> {
    let with_columns =
        |figure: Figure| figure.with_column("macro_f1_low", low.values).with_column("macro_f1_high", high.values);
    if let Some(values) = few_values(&[low, high]) {
        let canvas = counts(&[low, high], &values, "macro F1 on the test samples")?;
        let caption = format!(
            "Macro F1 on the test samples takes {} values: how many networks of each group have which. The x axis is linear. {}",
            values.len(),
            groups_caption(&[low, high], comparison)?
        );
        return Ok(with_columns(numbered(7, caption, canvas)?));
    }
    let lowest = low.values.iter().chain(high.values).copied().fold(1.0, f64::min);
    let axis = Axis::linear("macro F1 on the test samples", ((lowest - 0.06).max(-0.03), 1.03));
    let canvas = boxes(name(7), &[low, high], axis)?;
    let caption = format!(
        "Macro F1 on the test samples. The y axis is linear. {BOXES} {}",
        groups_caption(&[low, high], comparison)?
    );
    Ok(with_columns(numbered(7, caption, canvas)?))
}

/// Figure 11: `lambda_sup` by the number of hidden units.
///
/// # Errors
/// [`FigureError`] if a group has no finite value.
pub fn bound_by_width(groups: &[Distribution<'_>], comparison: Option<MannWhitney>) -> Result<Figure, FigureError> {
    let values = groups.iter().flat_map(|group| group.values);
    let axis = Axis::around("λ_{sup}", values);
    let scale = if axis.is_log() { "logarithmic" } else { "linear" };
    let canvas = boxes(name(11), groups, axis)?;
    let caption = format!(
        "λ_{{sup}} by the number of hidden units N. The y axis is {scale}. {BOXES} {}",
        groups_caption(groups, comparison)?
    );
    let mut figure = numbered(11, caption, canvas)?;
    for (k, group) in groups.iter().enumerate() {
        figure = figure.with_column(&format!("lambda_sup_{}", k + 1), group.values);
    }
    Ok(figure)
}

/// How to read boxes.
const BOXES: &str =
    "Boxes span the quartiles, whiskers 10 % to 90 %, the line is the median, dots lie outside the whiskers.";

fn groups_caption(groups: &[Distribution<'_>], comparison: Option<MannWhitney>) -> Result<String, FigureError> {
    let mut sentences = Vec::new();
    for group in groups {
        let sorted = sorted_finite(group.values);
        sentences.push(format!("{}: {} networks, median {}.", group.label, sorted.len(), number(levels(&sorted)?[2])));
    }
    let mut caption = sentences.join(" ");
    if let Some(MannWhitney { u, p_value, .. }) = comparison {
        caption += &format!(" Two-sided Mann–Whitney U = {u:.0}, p = {}.", number(p_value));
    }
    Ok(caption)
}

/// The values of all groups, ascending, if they are so few that counting each says more than a box does.
fn few_values(groups: &[Distribution<'_>]) -> Option<Vec<f64>> {
    const MOST: usize = 12;
    let mut values: Vec<f64> = groups.iter().flat_map(|group| sorted_finite(group.values)).collect();
    values.sort_by(f64::total_cmp);
    values.dedup_by(|a, b| a.total_cmp(b).is_eq());
    (!values.is_empty() && values.len() <= MOST).then_some(values)
}

/// How many networks of each group have each of `values`, as bars of the share of their group with the count beside them.
fn counts(groups: &[Distribution<'_>], values: &[f64], label: &str) -> Result<Canvas, FigureError> {
    let sorted = sorted_groups(name(7), groups)?;
    // Enough digits to distinguish neighbours.
    let written = |digits: usize| values.iter().map(|value| format!("{value:.digits$}")).collect::<Vec<String>>();
    let names = (3..9).map(written).find(|names| names.windows(2).all(|pair| pair[0] != pair[1]));
    let y = Axis::names(label, names.unwrap_or_else(|| written(9)));
    let left = y.room();
    let height = (36.0 * values.len() as f64).max(215.0);
    let area = Area { left, top: 30.0, width: WIDTH - left - 16.0, height };
    let mut canvas = Canvas::new(area.bottom() + X_AXIS_ROOM);
    let found = |sorted: &[f64], value: f64| sorted.iter().filter(|found| found.total_cmp(&value).is_eq()).count();
    let share = |sorted: &[f64], value: f64| 100.0 * found(sorted, value) as f64 / sorted.len() as f64;
    let shares = sorted.iter().flat_map(|sorted| values.iter().map(|&value| share(sorted, value)));
    let most = shares.fold(0.0, f64::max);
    let mut panel = Panel::new(area, Axis::linear("share of the group (%)", (0.0, 1.14 * most)), y);
    let thick = 0.8 / groups.len() as f64;
    for (k, sorted) in sorted.iter().enumerate() {
        for (row, &value) in values.iter().enumerate() {
            let (count, share) = (found(sorted, value), share(sorted, value));
            let top = row as f64 + 1.4 - k as f64 * thick;
            panel.rectangle((0.0, top), (share, top - thick), colors(k).0, None);
            panel.note((share, top - thick / 2.0), (4.0, 4.5), &count.to_string(), TextAnchor::Start);
        }
    }
    canvas.place(panel);
    let label = |(group, sorted): (&Distribution<'_>, &Vec<f64>)| format!("{} (n = {})", group.label, sorted.len());
    let labels: Vec<String> = groups.iter().zip(&sorted).map(label).collect();
    let key = |k| Key::Marker { color: colors(k).0, shape: MarkerShape::Square };
    let keys: Vec<(Key<'_>, &str)> = labels.iter().enumerate().map(|(k, label)| (key(k), label.as_str())).collect();
    canvas.legend(area.left + area.width / 2.0, 18.0, &keys);
    Ok(canvas)
}

/// Colour and tint of the k-th group.
fn colors(k: usize) -> (&'static str, &'static str) {
    if k == 0 { (BLUE, BLUE_TINT) } else { (VERMILLION, VERMILLION_TINT) }
}

/// Box plots side by side, by the paper's convention: box 25-75 %, whiskers 10-90 %, line the median.
fn boxes(figure: &'static str, groups: &[Distribution<'_>], y: Axis) -> Result<Canvas, FigureError> {
    let sorted = sorted_groups(figure, groups)?;
    let left = y.room();
    let area = Area { left, top: 14.0, width: WIDTH - left - 16.0, height: 240.0 };
    let mut canvas = Canvas::new(area.bottom() + 46.0);
    let mut x = Axis::linear("", (0.5, groups.len() as f64 + 0.5));
    x.ticks = false;
    let mut panel = Panel::new(area, x, y);
    let half = 0.2;
    for (k, (group, sorted)) in groups.iter().zip(&sorted).enumerate() {
        let x = k as f64 + 1.0;
        let [low, quartile_1, median, quartile_3, high] = levels(sorted)?;
        let (color, tint) = colors(k);
        let outside: Vec<(f64, f64)> = sorted
            .iter()
            .enumerate()
            .filter(|&(_, &v)| v < low || v > high)
            // Spread sideways by a fixed sequence, so that equal values show as several dots.
            .map(|(i, &v)| (x + 0.22 * ((i as f64 * 0.618_033_988_749_895).fract() - 0.5), v))
            .collect();
        let outside = thin(&panel, &outside);
        panel.markers(&outside, color, MarkerShape::Circle, 1.8, 0.55);
        for (end, edge) in [(low, quartile_1), (high, quartile_3)] {
            panel.segment((x, edge), (x, end), color, 1.6, None);
            panel.segment((x - half / 2.0, end), (x + half / 2.0, end), color, 1.6, None);
        }
        panel.rectangle((x - half, quartile_1), (x + half, quartile_3), tint, Some(color));
        panel.segment((x - half, median), (x + half, median), INK, 2.4, None);
        let middle = panel.at(x, median).0;
        canvas.text(middle, area.bottom() + 20.0, group.label, TEXT_SIZE, TextAnchor::Middle);
        canvas.text(middle, area.bottom() + 38.0, &format!("n = {}", sorted.len()), TEXT_SIZE, TextAnchor::Middle);
    }
    canvas.place(panel);
    Ok(canvas)
}
