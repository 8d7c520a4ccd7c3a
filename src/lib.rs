//! sharpsweep trains neural networks from many random seeds at once and bounds the sharpness of every minimum in closed
//! form.
//!
//! The paper behind it: Omae et al. 2026, "Wolkowicz-Styan Upper Bound on the Hessian Eigenspectrum for Cross-Entropy
//! Loss in Nonlinear Smooth Neural Networks", arXiv 2604.10202v2. Equation and theorem numbers in this documentation
//! are that paper's.
//!
//! Values flow one way. No module imports one that comes later in this list:
//!
//! - [`room`]: the memory and disk of this machine; `clock`: the time; `fingerprint`: short hashes; [`watch`]: the
//!   progress of long work;
//! - [`model`]: network shape, activation, data sets, seeds;
//! - [`engine`]: the interface that every engine implements, and the values that pass through it;
//! - [`reference`](mod@reference): the f64 oracle, the equations in the paper's order;
//! - [`numeric`]: what one would do without the closed forms: Lanczos and stochastic traces, from exact Hessian-vector
//!   products;
//! - [`cpu`]: many networks in SIMD lanes, all cores; training in float32, closed forms in float64;
//! - [`gpu`]: WGSL compute shaders through wgpu, float32;
//! - [`bounds`]: closed-form bounds from the traces, for every engine;
//! - [`polish`](mod@polish): where a descent ends: minimum, saddle or valley;
//! - [`analysis`]: questions about trained networks: which are the same, quantiles, F1;
//! - [`spec`]: a validated experiment, and [`records`]: the columns of its run;
//! - `npy`: arrays in files, and [`input`]: users' files;
//! - [`run`](mod@run): the directory that holds a run;
//! - [`summary`]: what a person wants to know of a run first;
//! - [`advice`]: what to try where training does not do what its user hopes for;
//! - [`backend`]: which engine to take;
//! - [`fallback`]: the closed forms, spectra and brackets of a batch, in f64 where the f32 of an engine is not enough,
//!   and brackets of a matrix;
//! - [`check`](mod@check): whether this machine computes what it should, and how fast;
//! - [`sweep`]: an experiment carried out, chunk by chunk;
//! - [`sitting`]: runs carried out on a chosen engine, gone on with and extended, for any front end;
//! - [`replay`](mod@replay): one seed again, with its whole trajectory;
//! - [`bench`](mod@bench): what each route to sharpness costs and how good it is;
//! - [`report`]: figures, tables and the HTML report;
//! - [`reproduction`]: the paper's experiment, its numbers and figures;
//! - [`cli`]: the command line.

pub mod advice;
pub mod analysis;
#[cfg(feature = "gpu")]
pub mod backend;
pub mod bench;
pub mod bounds;
#[cfg(feature = "gpu")]
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
mod clock;
pub mod cpu;
pub mod engine;
pub mod fallback;
mod fingerprint;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod input;
pub mod model;
mod npy;
pub mod numeric;
pub mod polish;
pub mod records;
pub mod reference;
pub mod replay;
#[cfg(feature = "report")]
pub mod report;
#[cfg(all(feature = "gpu", feature = "report"))]
pub mod reproduction;
pub mod room;
pub mod run;
#[cfg(feature = "gpu")]
pub mod sitting;
pub mod spec;
pub mod summary;
pub mod sweep;
pub mod watch;
