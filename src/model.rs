//! What is trained: the network's shape, its activation, the data, and the random numbers that start it.
//!
//! Everything here is shared by all engines and knows none of them.

mod activation;
mod appendix_c;
mod dataset;
mod philox;
mod seeds;
mod shape;
mod theta;

pub use activation::{Activation, Derivatives};
pub(crate) use activation::{sigmoid_both, softplus};
pub use appendix_c::appendix_c;
pub(crate) use dataset::is_label;
pub use dataset::{DataError, Dataset, RoundedInput, ScaledInput, Standardization};
pub(crate) use philox::block;
pub use philox::{Stream, philox4x32_10};
pub use seeds::{SMALLEST_INIT_RANGE, initial_theta, uniform_symmetric};
pub use shape::{MAX_PARAMETERS, Shape};
pub use theta::Theta;

/// One learning problem: which network, on which data. Together with theta it determines every closed form.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Inputs M and hidden units N.
    pub shape: Shape,
    /// The hidden units' activation function f.
    pub activation: Activation,
    /// The training samples x_i, q_i.
    pub data: Dataset,
}

impl Problem {
    /// A network with `hidden` units over the inputs of `data`.
    pub fn new(hidden: usize, activation: Activation, data: Dataset) -> Self {
        Self { shape: Shape::new(data.inputs(), hidden), activation, data }
    }
}
