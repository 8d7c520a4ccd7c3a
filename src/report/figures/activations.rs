//! Figure 13: the activation functions and their derivatives.

use super::numbered;
use crate::model::{Activation, Derivatives};
use crate::report::drawing::{Area, Axis, Canvas, Figure, FigureError, Key, Panel, WIDTH, X_AXIS_ROOM, palette};

/// Figure 13: f, f' and f'' of the paper's activations.
///
/// # Errors
/// [`FigureError::Draw`] if the drawing fails.
pub fn activation_functions() -> Result<Figure, FigureError> {
    const REACH: f64 = 4.0;
    const POINTS: usize = 321;
    type Curve = fn(Derivatives) -> f64;
    let curves: [(&str, &str, (f64, f64), Curve); 3] = [
        ("f(y)", "value", (-2.2, 3.2), |f| f.value),
        ("f ′(y)", "first", (-0.25, 1.25), |f| f.df),
        ("f ″(y)", "second", (-0.9, 0.95), |f| f.ddf),
    ];
    let y: Vec<f64> = (0..POINTS).map(|k| REACH * (2.0 * k as f64 / (POINTS - 1) as f64 - 1.0)).collect();
    let axes = curves.map(|(label, _, range, _)| Axis::linear(label, range).with_ticks(5));
    let left = axes.iter().map(Axis::room).fold(0.0, f64::max);
    let (top, height, between) = (50.0, 128.0, 12.0);
    let width = WIDTH - left - 14.0;
    let mut canvas = Canvas::new(top + 3.0 * (height + between) - between + X_AXIS_ROOM);
    for (row, ((_, _, _, curve), axis)) in curves.iter().zip(axes).enumerate() {
        let is_last = row + 1 == curves.len();
        let x = Axis::linear("pre-activation y", (-REACH, REACH)).with_ticks(9);
        let area = Area { left, top: top + row as f64 * (height + between), width, height };
        let mut panel = Panel::new(area, x.bare_unless(is_last), axis).with_label_at_the_edge();
        for (k, activation) in Activation::PAPER.into_iter().enumerate() {
            let points: Vec<(f64, f64)> = y.iter().map(|&y| (y, curve(activation.derivatives(y)))).collect();
            let (color, dash) = palette::series(k);
            panel.curve(&points, color, dash, 2.0);
        }
        canvas.place(panel);
    }
    let names =
        Activation::PAPER.map(|activation| if activation == Activation::Gelu { "GELU" } else { activation.name() });
    let keys = Key::of_series(&names);
    canvas.legend(left + width / 2.0, 16.0, &keys[..3]);
    canvas.legend(left + width / 2.0, 36.0, &keys[3..]);
    let caption = "The activation functions f (top), f ′ (middle) and f ″ (bottom). Softplus is the paper's \
        SmoothReLU, GELU the exact form y Φ(y) with the normal distribution function Φ. All axes are linear.";
    let mut figure = numbered(13, caption.into(), canvas)?.with_column("y", &y);
    for activation in Activation::PAPER {
        for (_, suffix, _, curve) in curves {
            let values: Vec<f64> = y.iter().map(|&y| curve(activation.derivatives(y))).collect();
            figure = figure.with_column(&format!("{}_{suffix}", activation.name()), &values);
        }
    }
    Ok(figure)
}
