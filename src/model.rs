//! What is trained: the network, its loss, the data, and the random numbers that start it.
//!
//! All engines share this module, and it knows none of them.

mod activation;
mod appendix_c;
mod dataset;
mod loss;
mod one_hidden;
mod philox;
mod seeds;
mod targets;
mod theta;

pub use activation::{Activation, Derivatives};
pub use appendix_c::appendix_c;
pub use dataset::{DataError, Dataset, RoundedInput, ScaledInput, Standardization};
pub use loss::Loss;
pub use one_hidden::{MAX_PARAMETERS, OneHidden};
pub(crate) use philox::block;
pub use philox::{Stream, philox4x32_10};
pub use seeds::{SMALLEST_INIT_RANGE, initial_theta, uniform_symmetric};
pub use targets::Targets;
pub(crate) use targets::is_label;
pub use theta::Theta;

/// A network without its weights: its sizes and its activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// M and N.
    pub shape: OneHidden,
    /// The hidden units' activation function f.
    pub activation: Activation,
}

impl Network {
    /// D, the number of parameters.
    pub const fn parameters(&self) -> usize {
        self.shape.parameters()
    }
}

/// One learning problem: a network, a loss and data. Together with theta it determines every closed form.
#[derive(Debug, Clone)]
pub struct Problem {
    /// M, N and f.
    pub network: Network,
    /// What is minimised.
    pub loss: Loss,
    /// The training samples x_i and their targets.
    pub data: Dataset,
}

impl Problem {
    /// The paper's problem: one hidden layer of `hidden` units over the inputs of `data`, one output, cross-entropy.
    pub fn new(hidden: usize, activation: Activation, data: Dataset) -> Self {
        let shape = OneHidden::new(data.inputs(), hidden);
        Self { network: Network { shape, activation }, loss: Loss::Logistic, data }
    }
}
