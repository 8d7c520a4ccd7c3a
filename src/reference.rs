//! The oracle: f64, scalar, one network at a time, the equations in the paper's order.
//!
//! Every shader names its twin, which is here for most of them. This code is as plain as the mathematics allows; speed
//! is left to the other engines. Equation and theorem numbers are those of Omae et al. 2026, arXiv 2604.10202v2.

mod eigen;
mod engine;
mod gradient;
mod hessian;
pub mod layers;
mod moments;
mod rounding;
mod spectrum;
mod terms;
mod trace;
mod trace_sq;
mod train;

pub(crate) use eigen::symmetric_eigen;
pub use engine::Reference;
pub(crate) use engine::{check_gauss_newton, check_spectra, check_terms, closed_forms};
#[cfg(feature = "gpu")]
pub(crate) use gradient::gradient_of;
pub use gradient::{gradient, gradient_sq};
#[cfg(feature = "gpu")]
pub(crate) use hessian::hessian_of;
pub use hessian::{central_difference_hessian, hessian};
pub use moments::{hessian_moments, proven_ends};
#[cfg(feature = "gpu")]
pub(crate) use rounding::spread;
pub use spectrum::{Spectrum, SpectrumError, spectra, spectrum};
pub use terms::{Terms, loss, output, terms};
pub use trace::{trace_vv, trace_ww};
pub use trace_sq::{PairForms, pair_forms, trace_sq};
pub use train::{DescentEnd, train};
