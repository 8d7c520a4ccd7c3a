//! Figures and the HTML report: from plain columns and matrices to what a person reads.
//!
//! - `drawing`: the sheet, its axes, lettering and colours, and a finished [`Figure`]: drawing (SVG and PNG), caption,
//!   numbers;
//! - `figures`: one file for each kind of picture, each a function of slices and small structs; the numbers of the
//!   figures are those of the paper;
//! - `pages`: what a report holds beside its figures, and the page around them;
//! - `critical_points` and `measured`: the networks of a run that both are about;
//! - `ends`: where their descents end, for a run that followed them;
//! - `files`: a report as files in a directory.

mod critical_points;
mod drawing;
mod ends;
mod figures;
mod files;
mod measured;
mod pages;

pub use critical_points::{CriticalPoints, Selection};
pub use drawing::{Figure, FigureError, Gap, html, plain};
pub use figures::activations::activation_functions;
pub use figures::brackets::{bracket_against_largest_eigenvalue, spectral_density};
pub use figures::cost::{cost_against_error, cost_against_hidden, cost_against_samples};
pub use figures::distribution::{Distribution, bound_by_width, bound_histogram, macro_f1_by_bound};
pub use figures::ends::{EndPoints, ends_of_descents};
pub use figures::hessian::hessian_against_numeric;
pub use figures::landscape::{Decision, Landscape, flattest_networks, sharpest_networks};
pub use figures::paper::every_figure;
pub use figures::scatter::{
    Points, bound_against_hidden_gram, bound_against_largest_eigenvalue, bound_against_weight_norms,
    residuals_against_targets, sharpness_against_macro_f1, traces_against_numeric,
};
pub use figures::trajectory::{training_of_seed, training_of_sharpest_and_flattest};
pub use files::{ReportError, ReportFiles};
pub use measured::Measured;
pub use pages::{
    DataDraw, Report, Table, TableRow, by_draw, cost_table, published_against_here, report_of_reproduction,
    report_of_run,
};
