//! Many points, drawn as few.

use std::collections::HashSet;

use super::canvas::{Panel, WIDTH, WIDTH_MM};

/// More points than this are thinned for drawing.
const THIN_ABOVE: usize = 2000;
/// Side of the square cells that draw one point each, in pixels.
const CELL: f64 = 1.5;

/// The points of `points` that are drawn: all, or where there are many the first in each small cell of the panel, so that the drawing
/// looks the same and stays small.
pub(crate) fn thin(panel: &Panel, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= THIN_ABOVE {
        return points.to_vec();
    }
    let mut taken = HashSet::new();
    let cell = |&(x, y): &(f64, f64)| {
        let (x, y) = panel.at(x, y);
        ((x / CELL).floor() as i64, (y / CELL).floor() as i64)
    };
    points.iter().filter(|point| taken.insert(cell(point))).copied().collect()
}

/// The sentence of a caption on what thinning left out.
pub(crate) fn thinning_note(drawn: usize, of: usize) -> String {
    if drawn == of {
        return String::new();
    }
    format!(
        " Of {of} points {drawn} are drawn, one for each square of {:.1} mm; the data hold all.",
        CELL * WIDTH_MM / WIDTH
    )
}
