//! sharpsweep trains neural networks from many random seeds at once and bounds the sharpness of every minimum in closed form.
//!
//! The paper behind it: Omae et al. 2026, "Wolkowicz-Styan Upper Bound on the Hessian Eigenspectrum for Cross-Entropy Loss in
//! Nonlinear Smooth Neural Networks", arXiv 2604.10202v2. Equation and theorem numbers in this documentation are that paper's.
//!
//! Values flow one way, and nothing later in this list is imported by anything earlier:
//!
//! - [`model`]: network shape, activation, data sets, seeds;
//! - [`engine`]: the interface that every engine implements, and the values that pass through it;
//! - [`reference`]: the f64 oracle, the equations in the paper's order;
//! - [`numeric`]: what one would do without the closed forms: Lanczos, stochastic traces, from exact Hessian-vector products;
//! - [`gpu`]: WGSL compute shaders through wgpu, float32;
//! - [`bounds`]: closed-form bounds from the traces, for every engine.

pub mod bounds;
pub mod engine;
pub mod gpu;
pub mod model;
pub mod numeric;
pub mod reference;
