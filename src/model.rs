//! What is trained: the network, its loss, the data, and the random numbers that start it.
//!
//! Everything here is shared by all engines and knows none of them.

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

/// Which function of its inputs a network computes, once theta is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// The sizes of its layers.
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

/// One learning problem: which network, which loss, on which data. Together with theta it determines every closed form.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The network.
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
