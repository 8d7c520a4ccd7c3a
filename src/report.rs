//! Figures and the HTML report: from plain columns and matrices to what a person reads.
//!
//! Every figure is a function of slices and small structs and returns a [`Figure`]: drawing (SVG and PNG), caption and the numbers
//! behind it. The numbers of the figures are those of the paper.

mod activations;
mod axis;
mod canvas;
mod cost;
mod critical_points;
mod distribution;
mod figure;
mod hessian;
mod html;
mod landscape;
mod lettering;
mod measured;
mod palette;
mod paper;
mod points;
mod published;
mod raster;
mod table;
mod trajectory;

pub use activations::activation_functions;
pub use cost::{cost_against_error, cost_against_hidden, cost_against_samples, cost_table};
pub use critical_points::{CriticalPoints, Over};
pub use distribution::{Group, bound_by_width, bound_histogram, macro_f1_by_bound};
pub use figure::{Figure, FigureError, Gap};
pub use hessian::hessian_against_numeric;
pub use html::Report;
pub use landscape::{Decision, Landscape, flattest_networks, sharpest_networks};
pub use measured::Measured;
pub use paper::{figures, report_of_run};
pub use points::{
    Points, bound_against_hidden_gram, bound_against_largest_eigenvalue, bound_against_weight_norms,
    sharpness_against_macro_f1, traces_against_numeric,
};
pub use published::{Draw, by_draw, published_against_here, report_of_reproduction};
pub use table::{Row, Table};
pub use trajectory::{descent, sharpest_and_flattest_descent};
