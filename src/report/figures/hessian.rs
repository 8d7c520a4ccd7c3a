//! Figure 8: the Hessian in closed form beside the one by central differences.

use kuva::render::render::{Primitive, TextAnchor};
use ndarray::{Array2, ArrayView2};

use super::{name, numbered};
use crate::report::drawing::{
    Area, Canvas, Figure, FigureError, GREY, INK, TEXT_SIZE, diverging, exponent_of, minus, number, one_notation,
    power_of_ten,
};

/// Side of a matrix in pixels.
const SIDE: f64 = 150.0;
/// The scale of colours is logarithmic down to this share of the largest magnitude, and linear below.
const LINEAR_BELOW: f64 = 1e-3;
/// Larger matrices are pooled to at most this many cells per side.
const MOST_CELLS: usize = 128;

/// Figure 8: `analytic` (of the paper's networks Eqs. 15-18) and `numeric` (central differences), both (D, D), on one
/// scale centred at 0, and their difference on its own. The scales are logarithmic on both sides of 0, over three
/// decades. `starts` are the places in theta where a layer follows another, (M+1)N for v after w: lines part the
/// blocks.
///
/// # Errors
/// [`FigureError`] unless both are square, of one size and finite.
pub fn hessian_against_numeric(
    analytic: ArrayView2<'_, f64>,
    numeric: ArrayView2<'_, f64>,
    starts: &[usize],
) -> Result<Figure, FigureError> {
    let (rows, columns) = analytic.dim();
    if rows != columns || numeric.dim() != analytic.dim() || rows == 0 || starts.iter().any(|&start| start > rows) {
        let what = format!("the analytic Hessian is {:?}, the numeric one {:?}", analytic.dim(), numeric.dim());
        return Err(FigureError::Mismatch { figure: name(8), what });
    }
    if analytic.iter().chain(&numeric).any(|v| !v.is_finite()) {
        let what = "a Hessian has values that are not finite".into();
        return Err(FigureError::Mismatch { figure: name(8), what });
    }
    let difference = &analytic - &numeric;
    let largest = |matrix: ArrayView2<'_, f64>| matrix.iter().map(|v| v.abs()).fold(0.0, f64::max);
    let scale = largest(analytic).max(largest(numeric));
    let frobenius = |matrix: ArrayView2<'_, f64>| number(matrix.iter().map(|v| v * v).sum::<f64>().sqrt());

    let (left, gap) = (24.0, 24.0);
    let tops = [44.0, 44.0 + SIDE + 54.0];
    let second = left + SIDE + gap;
    let mut canvas = Canvas::new(tops[1] + SIDE + 12.0);
    let splits: Vec<f64> = starts.iter().map(|&start| start as f64 / rows as f64).collect();
    let splits = splits.as_slice();
    let at = |left, top| Area { left, top, width: SIDE, height: SIDE };
    matrix(&mut canvas, at(left, tops[0]), analytic, scale, splits, "(a) closed form");
    matrix(&mut canvas, at(second, tops[0]), numeric, scale, splits, "(b) central difference");
    bar(&mut canvas, second + SIDE + 8.0, tops[0], scale);
    matrix(
        &mut canvas,
        at(left, tops[1]),
        difference.view(),
        largest(difference.view()),
        splits,
        "(c) difference (a) − (b)",
    );
    bar(&mut canvas, left + SIDE + 8.0, tops[1], largest(difference.view()));
    let text_left = left + SIDE + 100.0;
    let norms = ["‖(a) − (b)‖_{F} =", &frobenius(difference.view()), "", "‖(a)‖_{F} =", &frobenius(analytic)];
    for (k, text) in norms.into_iter().enumerate() {
        canvas.text(text_left, tops[1] + 48.0 + 18.0 * k as f64, text, TEXT_SIZE, TextAnchor::Start);
    }
    let pooled = if rows > MOST_CELLS {
        format!(
            " Drawn on {} cells a side, each the entry of largest magnitude; the data hold every entry.",
            cells(rows)
        )
    } else {
        String::new()
    };
    let blocks = match splits {
        [] => "",
        [_] => {
            " Lines part the blocks of the hidden weights w and the output weights v: (W,W) top left, (V,V) bottom \
             right, (W,V) beside them."
        }
        _ => " Lines part the blocks of the layers, from the first on.",
    };
    let caption = format!(
        "Hessian of {rows} × {rows} entries at a critical point: (a) in closed form, (b) by three-point central \
         differences of the gradient, on one scale of colours, and (c) their difference, on its own. Both scales are \
         logarithmic on either side of 0 and linear below {} of their end.{blocks}{pooled}",
        power_of_ten(-3)
    );
    let figure = numbered(8, caption, canvas)?;
    Ok(figure
        .with_array("hessian", analytic.to_owned().into_dyn())
        .with_array("hessian_numeric", numeric.to_owned().into_dyn()))
}

fn cells(rows: usize) -> usize {
    rows.div_ceil(rows.div_ceil(MOST_CELLS))
}

/// `matrix` with square blocks of entries replaced by their entry of largest magnitude, if it has more cells than are
/// drawn.
fn pool(matrix: ArrayView2<'_, f64>) -> Array2<f64> {
    let (size, block) = (cells(matrix.nrows()), matrix.nrows().div_ceil(MOST_CELLS));
    let mut pooled = Array2::<f64>::zeros((size, size));
    for ((row, column), &value) in matrix.indexed_iter() {
        let cell = &mut pooled[[row / block, column / block]];
        if value.abs() > cell.abs() {
            *cell = value;
        }
    }
    pooled
}

fn matrix(canvas: &mut Canvas, area: Area, values: ArrayView2<'_, f64>, scale: f64, splits: &[f64], title: &str) {
    let values = pool(values);
    let side = SIDE / values.nrows() as f64;
    let (mut x, mut y, mut fills) = (Vec::new(), Vec::new(), Vec::new());
    for ((row, column), &value) in values.indexed_iter() {
        x.push(area.left + column as f64 * side);
        y.push(area.top + row as f64 * side);
        fills.push(color(place(value, scale)));
    }
    // Cells overlap their right and lower neighbours by a hair, so that no seam shows; the frame covers the last ones.
    let sides = vec![side + 0.35; fills.len()];
    canvas.draw(Primitive::RectBatch { x, y, w: sides.clone(), h: sides, fills });
    let (right, bottom) = (area.right(), area.bottom());
    for split in splits {
        let (cut_x, cut_y) = (area.left + split * SIDE, area.top + split * SIDE);
        for (x1, y1, x2, y2) in [(cut_x, area.top, cut_x, bottom), (area.left, cut_y, right, cut_y)] {
            let stroke_dasharray = None;
            canvas.draw(Primitive::Line { x1, y1, x2, y2, stroke: INK.into(), stroke_width: 1.2, stroke_dasharray });
        }
    }
    frame(canvas, area);
    canvas.text(area.left + SIDE / 2.0, area.top - 26.0, title, TEXT_SIZE, TextAnchor::Middle);
    let &[split] = splits else { return };
    for (name, from, to) in [("w", 0.0, split), ("v", split, 1.0)] {
        let middle = (from + to) / 2.0 * SIDE;
        canvas.text(area.left + middle, area.top - 6.0, name, TEXT_SIZE, TextAnchor::Middle);
        canvas.text(area.left - 6.0, area.top + middle + 4.5, name, TEXT_SIZE, TextAnchor::End);
    }
}

fn color(t: f64) -> kuva::render::color::Color {
    let (r, g, b) = diverging(t);
    kuva::render::color::Color::Rgb(r, g, b)
}

fn frame(canvas: &mut Canvas, area: Area) {
    canvas.draw(Primitive::Rect {
        x: area.left,
        y: area.top,
        width: area.width,
        height: area.height,
        fill: "none".into(),
        stroke: Some(INK.into()),
        stroke_width: Some(1.2),
        opacity: None,
    });
}

/// Where `value` stands on the scale of colours from -1 to 1 whose ends are `scale`.
fn place(value: f64, scale: f64) -> f64 {
    let share = if scale > 0.0 { value / scale } else { 0.0 };
    share.signum() * (share.abs() / LINEAR_BELOW).ln_1p() / (1.0 / LINEAR_BELOW).ln_1p()
}

/// The scale of a matrix from -`scale` to `scale`, 0 in its middle.
fn bar(canvas: &mut Canvas, left: f64, top: f64, scale: f64) {
    const STEPS: usize = 64;
    const WIDE: f64 = 12.0;
    let height = SIDE / STEPS as f64;
    let area = Area { left, top, width: WIDE, height: SIDE };
    let y = (0..STEPS).map(|k| top + k as f64 * height).collect();
    let fills = (0..STEPS).map(|k| color(1.0 - 2.0 * (k as f64 + 0.5) / STEPS as f64)).collect();
    let (w, h) = (vec![WIDE; STEPS], vec![height + 0.35; STEPS]);
    canvas.draw(Primitive::RectBatch { x: vec![left; STEPS], y, w, h, fills });
    frame(canvas, area);
    // Powers of ten down to where the scale becomes linear, on both sides of 0.
    let highest = if scale > 0.0 { exponent_of(scale) } else { 0 };
    let powers: Vec<f64> = (0..3).map(|k| 10_f64.powi(highest - k)).collect();
    let labels = one_notation(&powers);
    let mut ticks = vec![(0.0, "0".to_owned())];
    for (&power, label) in powers.iter().zip(&labels).filter(|_| scale > 0.0) {
        ticks.extend([(power, label.clone()), (-power, minus(&format!("-{label}")))]);
    }
    for (value, text) in ticks {
        let y1 = top + (1.0 - place(value, scale)) / 2.0 * SIDE;
        let (x1, x2) = (left + WIDE, left + WIDE + 4.0);
        let stroke = GREY.into();
        canvas.draw(Primitive::Line { x1, y1, x2, y2: y1, stroke, stroke_width: 1.0, stroke_dasharray: None });
        canvas.text(x2 + 3.0, y1 + 4.0, &text, TEXT_SIZE - 2, TextAnchor::Start);
    }
}
