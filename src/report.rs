//! Figures and the HTML report: from plain columns and matrices to what a person reads.
//!
//! - `drawing`: the sheet, its axes, lettering and colours, and a finished [`Figure`]: drawing (SVG and PNG), caption, numbers;
//! - `figures`: one file for each kind of picture, each a function of slices and small structs; the numbers of the figures are those of
//!   the paper;
//! - `pages`: what a report holds beside its figures, and the page around them;
//! - `critical_points` and `measured`: the networks of a run that both are about.

mod critical_points;
mod drawing;
mod figures;
mod measured;
mod pages;

pub use critical_points::{CriticalPoints, Selection};
pub use drawing::{Figure, FigureError, Gap};
pub use figures::{
    Decision, Distribution, Landscape, Points, activation_functions, bound_against_hidden_gram,
    bound_against_largest_eigenvalue, bound_against_weight_norms, bound_by_width, bound_histogram, cost_against_error,
    cost_against_hidden, cost_against_samples, every_figure, flattest_networks, hessian_against_numeric,
    macro_f1_by_bound, sharpest_networks, sharpness_against_macro_f1, traces_against_numeric, training_of_seed,
    training_of_sharpest_and_flattest,
};
pub use measured::Measured;
pub use pages::{
    DataDraw, Report, Table, TableRow, by_draw, cost_table, published_against_here, report_of_reproduction,
    report_of_run,
};
