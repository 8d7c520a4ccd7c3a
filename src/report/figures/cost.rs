//! What each route to sharpness costs, and how far from lambda_1 it ends.

use kuva::plot::scatter::MarkerShape;
use kuva::render::render::TextAnchor;

use crate::bench::{Bench, Measurement, Method, Runner, Site, Size};
use crate::model::Shape;
use crate::report::drawing::{Area, Axis, Canvas, Figure, FigureError, Key, Panel, WIDTH, X_AXIS_ROOM, palette};

/// The routes of the cost figures: the two closed forms and what would replace them.
const CURVES: [Method; 5] =
    [Method::Pairwise, Method::Assembled, Method::Eigenvalues, Method::Lanczos, Method::Differences];

/// Which size of a cost figure is along the x axis, and which distinguishes its panels.
#[derive(Clone, Copy)]
struct Arrangement {
    name: &'static str,
    title: &'static str,
    x_label: &'static str,
    /// Whether it shows networks of this shape.
    shows: fn(Shape) -> bool,
    x: fn(Size) -> usize,
    /// Equal for the sizes of a panel, in whose order the panels are.
    panel: fn(Size) -> Vec<usize>,
    /// What a panel is of.
    title_of: fn(Size) -> String,
    /// The same as a number: hidden units or samples.
    number_of: fn(Size) -> usize,
}

/// Time per network against the number of samples I, a panel for each N or other shape, for M = `inputs`. The crossings
/// of the two exact routes to tr H^2 are marked.
///
/// # Errors
/// [`FigureError`] if fewer than two numbers of samples were measured.
pub fn cost_against_samples(bench: &Bench, inputs: usize) -> Result<Figure, FigureError> {
    let arrangement = Arrangement {
        name: "cost-against-samples",
        title: "Cost against the samples",
        x_label: "samples I",
        shows: |_| true,
        x: |size| size.samples,
        panel: |size| size.shape.widths().to_vec(),
        title_of: |size| match size.shape.one_hidden() {
            Some(shape) => format!("N = {}", shape.hidden),
            None => size.shape.to_string(),
        },
        number_of: |size| size.hidden_units(),
    };
    cost(bench, inputs, arrangement)
}

/// Time per network against the number of units N of one hidden layer, a panel for each I, for M = `inputs`.
///
/// # Errors
/// [`FigureError`] if fewer than two widths were measured.
pub fn cost_against_hidden(bench: &Bench, inputs: usize) -> Result<Figure, FigureError> {
    let arrangement = Arrangement {
        name: "cost-against-hidden",
        title: "Cost against the width",
        x_label: "hidden units N",
        // Deeper networks have no one width.
        shows: |shape| shape.hidden().len() == 1,
        x: |size| size.hidden_units(),
        panel: |size| vec![size.samples],
        title_of: |size| format!("I = {}", size.samples),
        number_of: |size| size.samples,
    };
    cost(bench, inputs, arrangement)
}

/// Whether the figures show where this ran: in lanes, or in plain f64 for routes that have no lanes, so that the
/// comparison is fair.
fn shown(measurement: &Measurement) -> bool {
    let best = if measurement.runner.method.sites().contains(&Site::Cpu) { Site::Cpu } else { Site::Reference };
    measurement.runner.site == best
}

fn cost(bench: &Bench, inputs: usize, arrangement: Arrangement) -> Result<Figure, FigureError> {
    let found: Vec<(Size, Method, f64)> = bench
        .measurements
        .iter()
        .filter(|m| m.size.shape.inputs() == inputs && (arrangement.shows)(m.size.shape))
        .filter(|m| shown(m) && CURVES.contains(&m.runner.method))
        .filter_map(|m| Some((m.size, m.runner.method, m.outcome.as_ref().ok()?.seconds * 1e6)))
        .collect();
    let mut panels: Vec<Size> = found.iter().map(|&(size, ..)| size).collect();
    panels.sort_by_key(|&size| (arrangement.panel)(size));
    panels.dedup_by_key(|size| (arrangement.panel)(*size));
    let x: Vec<f64> = found.iter().map(|&(size, ..)| (arrangement.x)(size) as f64).collect();
    let mut distinct = x.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    if distinct.len() < 2 {
        return Err(FigureError::TooFew {
            figure: arrangement.title,
            what: arrangement.x_label,
            needed: 2,
            found: distinct.len(),
        });
    }
    let microseconds: Vec<f64> = found.iter().map(|&(.., time)| time).collect();
    let y_axis = Axis::log_around("time per network (µs)", &microseconds).with_ticks(6);
    let (left, top, height, between) = (y_axis.room(), 64.0, 150.0, 26.0);
    let width = WIDTH - left - 14.0;
    let mut canvas = Canvas::new(top + panels.len() as f64 * (height + between) - between + X_AXIS_ROOM);
    let mut crossings = Vec::new();
    for (row, &of_panel) in panels.iter().enumerate() {
        let is_last = row + 1 == panels.len();
        let x_axis = Axis::log_around(arrangement.x_label, &x);
        let area = Area { left, top: top + row as f64 * (height + between), width, height };
        let mut panel = Panel::new(area, x_axis.bare_unless(is_last), y_axis.clone());
        let curve = |method: Method| -> Vec<(f64, f64)> {
            let mut points: Vec<(f64, f64)> = found
                .iter()
                .filter(|&&(size, of, _)| of == method && (arrangement.panel)(size) == (arrangement.panel)(of_panel))
                .map(|&(size, _, time)| ((arrangement.x)(size) as f64, time))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        };
        for (k, method) in CURVES.into_iter().enumerate() {
            let (color, dash) = palette::series(k);
            let points = curve(method);
            panel.curve(&points, color, dash, 2.0);
            panel.markers(&points, color, MarkerShape::Circle, 2.5, 1.0);
        }
        if let Some(at) = crossing(&curve(Method::Pairwise), &curve(Method::Assembled)) {
            panel.segment((at, y_axis.range.0), (at, y_axis.range.1), palette::GREY, 1.0, Some("3 3"));
            let text = if at < 10.0 { format!("{at:.1}") } else { format!("{at:.0}") };
            panel.note((at, y_axis.range.1), (4.0, 14.0), &text, TextAnchor::Start);
            crossings.push(((arrangement.number_of)(of_panel) as f64, at));
        }
        let title = (arrangement.title_of)(of_panel);
        let corner = (panel_left(&x), y_axis.range.1);
        panel.note(corner, (0.0, -6.0), &title, TextAnchor::Start);
        canvas.place(panel);
    }
    let names = CURVES.map(Method::name);
    let keys = Key::of_series(&names);
    canvas.legend(left + width / 2.0, 16.0, &keys[..3]);
    canvas.legend(left + width / 2.0, 36.0, &keys[3..]);
    let caption = format!(
        "Wall time per network for M = {inputs}, medians of {} repeats on all cores. Pairwise and assembled give \
         λ_{{sup}}; they and the eigenvalues run in f64 lanes, Lanczos and the central differences in plain f64. \
         Dashed: where the two exact routes to tr H^{{2}} cross. A curve lacks the sizes where its repeats would have \
         taken more than {} s. All axes are logarithmic.",
        bench.repeats, bench.budget
    );
    let name = format!("{}-m{inputs}", arrangement.name);
    let mut figure = Figure::new(&name, &format!("{}, M = {inputs}", arrangement.title), caption, canvas)?;
    for method in CURVES {
        let rows: Vec<f64> = found
            .iter()
            .filter(|&&(_, of, _)| of == method)
            .flat_map(|&(size, _, time)| [size.hidden_units() as f64, size.samples as f64, time])
            .collect();
        let rows = ndarray::Array2::from_shape_vec((rows.len() / 3, 3), rows).unwrap_or_default();
        figure = figure.with_array(method.name(), rows.into_dyn());
    }
    Ok(figure
        .with_column("crossing_panel", &crossings.iter().map(|c| c.0).collect::<Vec<_>>())
        .with_column("crossing_at", &crossings.iter().map(|c| c.1).collect::<Vec<_>>()))
}

fn panel_left(x: &[f64]) -> f64 {
    Axis::log_around("", x).range.0
}

/// Where two curves cross: between measured points they are straight lines on logarithmic axes.
fn crossing(a: &[(f64, f64)], b: &[(f64, f64)]) -> Option<f64> {
    let common: Vec<(f64, f64)> = a
        .iter()
        .filter_map(|&(x, a)| b.iter().find(|&&(at, _)| (at - x).abs() < 0.5).map(|&(_, b)| (x.ln(), (a / b).ln())))
        .collect();
    common.windows(2).find_map(|pair| {
        let [(x0, d0), (x1, d1)] = [pair[0], pair[1]];
        (d0 * d1 <= 0.0 && (d1 - d0).abs() > 0.0).then(|| (x0 - d0 * (x1 - x0) / (d1 - d0)).exp())
    })
}

/// Time per network against the distance from lambda_1 at one size, for every route that bounds or finds it.
///
/// # Errors
/// [`FigureError`] if no route was measured there.
pub fn cost_against_error(bench: &Bench, size: Size) -> Result<Figure, FigureError> {
    const TITLE: &str = "Cost against error";
    /// The axis ends here: f64 rounds at a scale far below what a figure can show.
    const LEAST: f64 = 1e-9;
    let found: Vec<(&Measurement, f64, f64)> = bench
        .measurements
        .iter()
        .filter(|m| m.size == size)
        .filter_map(|m| {
            let outcome = m.outcome.as_ref().ok()?;
            Some((m, outcome.seconds * 1e6, outcome.distance_from_lambda_max?.max(LEAST)))
        })
        .collect();
    if found.is_empty() {
        return Err(FigureError::TooFew { figure: TITLE, what: "measured routes", needed: 1, found: 0 });
    }
    let times: Vec<f64> = found.iter().map(|&(_, time, _)| time).collect();
    let errors: Vec<f64> = found.iter().flat_map(|&(.., error)| [0.5 * error, 2.0 * error]).collect();
    let y_axis = Axis::log_around("|value − λ_{1}| / λ_{1}", &errors);
    let (left, top, height) = (y_axis.room(), 96.0, 250.0);
    let area = Area { left, top, width: WIDTH - left - 14.0, height };
    let mut panel = Panel::new(area, Axis::log_around("time per network (µs)", &times), y_axis);
    let methods = [
        (Method::Pairwise, palette::BLUE),
        (Method::Assembled, palette::VERMILLION),
        (Method::Eigenvalues, palette::GREEN),
        (Method::Lanczos, palette::PURPLE),
        (Method::Power, palette::GREY),
        (Method::Differences, palette::ORANGE),
        (Method::DifferencesEigenvalues, palette::INK),
        (Method::FourMoments, palette::SKY),
        (Method::EightMoments, palette::YELLOW),
    ];
    let sites = [
        (Site::Cpu, MarkerShape::Circle, "f64, lanes"),
        (Site::Gpu, MarkerShape::Triangle, "f32, GPU"),
        (Site::Reference, MarkerShape::Square, "f64"),
    ];
    for (method, color) in methods {
        for (site, shape, _) in sites {
            let of_runner = found.iter().filter(|(m, ..)| m.runner == Runner { method, site });
            let points: Vec<(f64, f64)> = of_runner.map(|&(_, time, error)| (time, error)).collect();
            panel.markers(&points, color, shape, 4.5, 0.85);
        }
    }
    let mut canvas = Canvas::new(top + height + X_AXIS_ROOM);
    canvas.place(panel);
    let names = methods.map(|(method, _)| method.name());
    let line = |color| Key::Line { color, dash: None };
    let keys: Vec<(Key<'_>, &str)> =
        methods.iter().zip(&names).map(|(&(_, color), name)| (line(color), *name)).collect();
    let middle = left + area.width / 2.0;
    canvas.legend(middle, 16.0, &keys[..3]);
    canvas.legend(middle, 36.0, &keys[3..6]);
    canvas.legend(middle, 56.0, &keys[6..]);
    canvas.legend(middle, 76.0, &sites.map(|(_, shape, name)| (Key::Marker { color: palette::INK, shape }, name)));
    let caption = format!(
        "Wall time per network and median distance from λ_{{1}} at {size}. Routes that bound λ_{{1}} end \
         above it by the looseness of the bound, however exact they are. Distances below 10^{{−9}} are drawn there. \
         Both axes are logarithmic."
    );
    let figure = Figure::new("cost-against-error", TITLE, caption, canvas)?
        .with_column("microseconds", &found.iter().map(|f| f.1).collect::<Vec<_>>())
        .with_column("distance", &found.iter().map(|f| f.2).collect::<Vec<_>>());
    Ok(figure)
}

#[cfg(test)]
mod tests {
    use super::crossing;

    #[test]
    fn curves_cross_between_the_points_around_it() {
        // x^2 and 100 x on logarithmic axes are straight, so the crossing is exact.
        let square = [(10.0, 100.0), (50.0, 2500.0), (1000.0, 1e6)];
        let line = [(10.0, 1000.0), (50.0, 5000.0), (1000.0, 1e5)];
        assert!((crossing(&square, &line).unwrap() - 100.0).abs() < 1e-9);
        assert!(crossing(&square[..2], &line[..2]).is_none());
        assert!(crossing(&square, &[]).is_none());
    }
}
