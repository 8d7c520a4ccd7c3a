//! Prepares a scene for kuva's raster backend, which draws no subscripts, restarts a dash pattern at every point of a line, and does not
//! scale it.

use kuva::render::render::{Primitive, Scene, TextAnchor};

use super::lettering;

/// Splits labels into their spans and dashed lines into their dashes.
pub(crate) fn prepare(scene: &mut Scene) {
    let elements = std::mem::take(&mut scene.elements);
    for element in elements {
        match element {
            Primitive::Text { ref content, .. } if lettering::spans(content).len() > 1 => split_label(scene, &element),
            Primitive::PolyLine { points, stroke, stroke_width, stroke_dasharray: Some(pattern) } => {
                for points in dashes(&points, &pattern) {
                    let stroke = stroke.clone();
                    scene.add(Primitive::PolyLine { points, stroke, stroke_width, stroke_dasharray: None });
                }
            }
            Primitive::Line { x1, y1, x2, y2, stroke, stroke_width, stroke_dasharray: Some(pattern) } => {
                for points in dashes(&[(x1, y1), (x2, y2)], &pattern) {
                    let stroke = stroke.clone();
                    scene.add(Primitive::PolyLine { points, stroke, stroke_width, stroke_dasharray: None });
                }
            }
            other => scene.add(other),
        }
    }
}

fn split_label(scene: &mut Scene, label: &Primitive) {
    let Primitive::Text { x, y, content, size, anchor, rotate, bold, color } = label else { return };
    let size = f64::from(*size);
    let (spans, total) = lettering::place(content, size);
    let start = match anchor {
        TextAnchor::Start => 0.0,
        TextAnchor::Middle => -total / 2.0,
        TextAnchor::End => -total,
    };
    let (sin, cos) = rotate.unwrap_or(0.0).to_radians().sin_cos();
    for (span, offset) in spans {
        let (along, below) = (start + offset, span.drop * size);
        scene.add(Primitive::Text {
            x: x + along * cos - below * sin,
            y: y + along * sin + below * cos,
            content: span.text.to_owned(),
            size: span.size(size).round() as u32,
            anchor: TextAnchor::Start,
            rotate: *rotate,
            bold: *bold,
            color: color.clone(),
        });
    }
}

/// The drawn parts of a line under an SVG dash pattern of on and off lengths.
fn dashes(points: &[(f64, f64)], pattern: &str) -> Vec<Vec<(f64, f64)>> {
    let lengths: Vec<f64> = pattern.split_whitespace().filter_map(|length| length.parse().ok()).collect();
    if lengths.iter().sum::<f64>() <= 0.0 {
        return vec![points.to_vec()];
    }
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    let (mut phase, mut left) = (0, lengths[0]);
    if let Some(&first) = points.first() {
        part.push(first);
    }
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let distance = (to.0 - from.0).hypot(to.1 - from.1);
            if !distance.is_finite() || distance <= left {
                left -= if distance.is_finite() { distance } else { 0.0 };
                part.push(to);
                break;
            }
            let share = left / distance;
            from = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            part.push(from);
            let finished = std::mem::replace(&mut part, vec![from]);
            if phase % 2 == 0 {
                parts.push(finished);
            }
            phase = (phase + 1) % (2 * lengths.len());
            left = lengths[phase % lengths.len()];
        }
    }
    if phase % 2 == 0 && part.len() > 1 {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::dashes;

    #[test]
    fn a_dash_runs_on_across_the_points_of_a_line() {
        // A straight line of length 10 in steps of 1 under "3 2": on 0-3, off 3-5, on 5-8, off 8-10.
        let points: Vec<(f64, f64)> = (0..=10).map(|x| (f64::from(x), 0.0)).collect();
        let parts = dashes(&points, "3 2");
        let ends: Vec<(f64, f64)> = parts.iter().map(|part| (part[0].0, part[part.len() - 1].0)).collect();
        assert_eq!(ends, [(0.0, 3.0), (5.0, 8.0)]);
    }
}
