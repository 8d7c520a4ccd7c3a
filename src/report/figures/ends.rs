//! The figure of the ends of descents: loss against sharpness, with the sizes of the basins.

use kuva::plot::scatter::MarkerShape;

use super::ENDS;
use crate::report::drawing::{
    Area, Axis, BLUE, Canvas, Figure, FigureError, Key, Panel, VERMILLION, WIDTH, X_AXIS_ROOM, scales, thin,
    thinning_note,
};

/// Where descents end. Values that belong to the same end, or network, have the same place.
#[derive(Debug, Clone, Copy)]
pub struct EndPoints<'a> {
    /// The objective at each distinct critical point.
    pub objective: &'a [f64],
    /// lambda_1 of the loss there.
    pub lambda_max: &'a [f64],
    /// How many networks fall to it.
    pub networks: &'a [f64],
    /// The objective of each network in a valley, where its polishing stopped.
    pub valley_objective: &'a [f64],
    /// lambda_1 of the loss there.
    pub valley_lambda_max: &'a [f64],
    /// What was found, a sentence for the caption.
    pub found: &'a str,
}

/// The area of a basin of one network is that of a circle of this radius, in pixels.
const SMALLEST: f64 = 2.2;

/// The largest circle's radius.
const LARGEST: f64 = 22.0;

/// lambda_1 below this has no place on the axis: the network runs to where the loss is flat.
const FLAT: f64 = 1e-8;

/// lambda_1 (y) against the objective (x) at the ends of descents: a circle for each distinct critical point, with an
/// area in proportion to the number of networks that fall to it, and a triangle for each network in a valley.
///
/// # Errors
/// [`FigureError`] if columns differ in length or no value has a place.
pub fn ends_of_descents(ends: &EndPoints<'_>) -> Result<Figure, FigureError> {
    let (name, title) = ENDS;
    let fits = [ends.lambda_max.len(), ends.networks.len()] == [ends.objective.len(); 2]
        && ends.valley_objective.len() == ends.valley_lambda_max.len();
    if !fits {
        let what = "objective, lambda_max and networks differ in length".into();
        return Err(FigureError::Mismatch { figure: name, what });
    }
    let placed = |&(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && y > FLAT;
    let pairs = |x: &[f64], y: &[f64]| x.iter().copied().zip(y.iter().copied()).collect::<Vec<_>>();
    let critical = pairs(ends.objective, ends.lambda_max);
    let valleys = pairs(ends.valley_objective, ends.valley_lambda_max);
    let shown: Vec<(f64, f64)> = valleys.iter().copied().filter(placed).collect();
    let all: Vec<(f64, f64)> = critical.iter().copied().filter(placed).chain(shown.iter().copied()).collect();
    if all.is_empty() {
        return Err(FigureError::TooFew { figure: name, what: "ends with finite values", needed: 1, found: 0 });
    }
    let x = Axis::linear_around("objective", all.iter().map(|point| &point.0));
    let y = Axis::log_around("λ_{1} of the loss", all.iter().map(|point| &point.1));
    let (left, scales) = (y.room(), scales(&x, &y));
    let area = Area { left, top: 30.0, width: WIDTH - left - 16.0, height: 280.0 };
    let mut panel = Panel::new(area, x, y);
    let thinned = thin(&panel, &shown);
    panel.markers(&thinned, VERMILLION, MarkerShape::Triangle, SMALLEST, 0.6);
    let most = ends.networks.iter().copied().fold(1.0, f64::max);
    let unit = SMALLEST.min(LARGEST / most.sqrt());
    for (&point, networks) in critical.iter().zip(ends.networks).filter(|(point, _)| placed(point)) {
        panel.markers(&[point], BLUE, MarkerShape::Circle, unit * networks.sqrt(), 0.45);
    }
    let mut canvas = Canvas::new(area.bottom() + X_AXIS_ROOM);
    canvas.place(panel);
    let key = |color, shape| Key::Marker { color, shape };
    let mut entries = Vec::new();
    if !critical.is_empty() {
        entries.push((key(BLUE, MarkerShape::Circle), "critical point, area: networks"));
    }
    if !valleys.is_empty() {
        entries.push((key(VERMILLION, MarkerShape::Triangle), "network in a valley"));
    }
    canvas.legend(area.left + area.width / 2.0, 18.0, &entries);
    let flat = critical.len() + valleys.len() - all.len();
    let unplaced = match flat {
        0 => String::new(),
        _ => format!(" {flat} ends with λ_{{1}} below 10^{{−8}} have no place on the axis."),
    };
    let caption =
        format!("Where descents end. {}{unplaced}{scales}{}", ends.found, thinning_note(thinned.len(), shown.len()));
    Ok(Figure::new(name, title, caption, canvas)?
        .with_column("objective", ends.objective)
        .with_column("lambda_max", ends.lambda_max)
        .with_column("networks", ends.networks)
        .with_column("valley_objective", ends.valley_objective)
        .with_column("valley_lambda_max", ends.valley_lambda_max))
}
