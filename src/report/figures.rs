//! The pictures, a file for each kind.

pub(super) mod activations;
pub(super) mod brackets;
pub(super) mod cost;
pub(super) mod distribution;
pub(super) mod ends;
pub(super) mod hessian;
pub(super) mod landscape;
pub(super) mod paper;
pub(super) mod scatter;
pub(super) mod trajectory;

use crate::report::drawing::{Canvas, Figure, FigureError};

/// Titles of the paper's figures, from Figure 2 on.
const TITLES: [&str; 12] = [
    "Figure 2 · The bound against the largest eigenvalue",
    "Figure 3 · The two sharpest networks",
    "Figure 4 · The two flattest networks",
    "Figure 5 · Sharpness during training",
    "Figure 6 · Distribution of the bound",
    "Figure 7 · Generalization of flat and sharp networks",
    "Figure 8 · The Hessian, closed form against numeric",
    "Figure 9 · Traces, closed form against numeric",
    "Figure 10 · The bound against the norms of the weights",
    "Figure 11 · The bound by the width of the network",
    "Figure 12 · The bound against the hidden layer's Gram matrix",
    "Figure 13 · Activation functions",
];

/// The title of Figure `number` of the paper, 2 to 13; empty for any other number.
fn title(number: u32) -> &'static str {
    let at = (number as usize).checked_sub(2);
    at.and_then(|at| TITLES.get(at)).copied().unwrap_or_default()
}

/// What a sentence calls Figure `number` of the paper.
fn name(number: u32) -> &'static str {
    title(number).split(" · ").next().unwrap_or_default()
}

/// File stem of Figure `number` of the paper.
fn stem(number: u32) -> String {
    format!("figure-{number:02}")
}

/// Figure `number` of the paper, rendered.
fn numbered(number: u32, caption: String, canvas: Canvas) -> Result<Figure, FigureError> {
    Figure::new(&stem(number), title(number), caption, canvas)
}

/// File stem and title of the figure of the ends of descents.
pub(super) const ENDS: (&str, &str) = ("ends", "Where descents end");

/// File stem and title of the figure of sharpness and test score, which the paper does not have.
const SHARPNESS_AGAINST_F1: (&str, &str) = ("sharpness-against-f1", "Sharpness against generalization");

/// File stem and title of the figure of residuals, for the squared loss.
const RESIDUALS: (&str, &str) = ("residuals", "Residuals on the training samples");
