//! What is trained: the network, its loss, the data, and the random numbers that start it.
//!
//! All engines share this module, and it knows none of them.

mod activation;
mod appendix_c;
mod built_in;
mod data_error;
mod dataset;
mod draw;
mod hidden_layers;
mod loss;
mod one_hidden;
mod philox;
mod random;
mod reduction;
mod seeds;
mod shape;
mod targets;
mod teacher;
mod theta;

use ndarray::ArrayView1;

pub use activation::{Activation, Derivatives};
pub use appendix_c::appendix_c;
pub use built_in::BuiltIn;
pub use data_error::DataError;
pub use dataset::{Dataset, RoundedInput, ScaledInput, Standardization};
pub use draw::Draw;
pub use hidden_layers::HiddenLayers;
pub use loss::{Curvature, Loss, SampleTarget};
pub(crate) use loss::{cross_entropy, cross_entropy_curvature, cross_entropy_residual, largest};
pub use one_hidden::{MAX_PARAMETERS, OneHidden};
pub(crate) use philox::block;
pub use philox::{Stream, philox4x32_10};
pub use reduction::Reduction;
pub use seeds::{SMALLEST_INIT_RANGE, initial_theta, uniform_symmetric};
pub use shape::{Layer, MAX_LAYERS, Shape, ShapeError};
pub use targets::Targets;
pub(crate) use targets::is_label;
pub use teacher::Teacher;
pub use theta::Theta;

/// A network without its weights: its sizes and its activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network<S = Shape> {
    /// The widths of its layers: [`Shape`] for any, [`OneHidden`] for the paper's M and N.
    pub shape: S,
    /// The hidden units' activation function f.
    pub activation: Activation,
}

impl Network {
    /// D, the number of parameters.
    pub fn parameters(&self) -> usize {
        self.shape.parameters()
    }

    /// The same as a network of the paper, if it has one hidden layer and one output.
    pub fn one_hidden(&self) -> Option<Network<OneHidden>> {
        Some(Network { shape: self.shape.one_hidden()?, activation: self.activation })
    }
}

impl Network<OneHidden> {
    /// D, the number of parameters.
    pub const fn parameters(&self) -> usize {
        self.shape.parameters()
    }
}

impl From<Network<OneHidden>> for Network {
    fn from(Network { shape, activation }: Network<OneHidden>) -> Self {
        Self { shape: shape.into(), activation }
    }
}

/// One learning problem: a network, a loss and data. Together with theta it determines every closed form.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The widths of the layers, and f.
    pub network: Network,
    /// The training samples x_i, their targets, which say what is minimised, and their weights.
    pub data: Dataset,
}

/// A learning problem of the paper: one hidden layer, one output, cross-entropy, every sample counted once. What is
/// written for these alone takes this type; [`Problem::paper`] makes it.
#[derive(Debug, Clone, Copy)]
pub struct PaperProblem<'a> {
    /// M, N and f.
    pub network: Network<OneHidden>,
    /// The training samples x_i and their labels.
    pub data: &'a Dataset,
    /// q_i, (I,), each exactly 0.0 or 1.0.
    pub q: ArrayView1<'a, f64>,
}

impl Problem {
    /// The paper's problem: one hidden layer of `hidden` units over the inputs of `data`, one output, cross-entropy.
    pub fn new(hidden: usize, activation: Activation, data: Dataset) -> Self {
        let shape = OneHidden::new(data.inputs(), hidden).into();
        Self { network: Network { shape, activation }, data }
    }

    /// Networks with hidden layers of the widths `hidden` (none for a linear model) between the inputs of `data` and as
    /// many outputs as its targets ask for.
    ///
    /// # Errors
    /// [`ShapeError`] for widths that no engine takes.
    pub fn with_layers(hidden: &[usize], activation: Activation, data: Dataset) -> Result<Self, ShapeError> {
        let shape = Shape::new(data.inputs(), hidden, data.targets().outputs())?;
        Ok(Self { network: Network { shape, activation }, data })
    }

    /// What is minimised.
    pub const fn loss(&self) -> Loss {
        self.data.targets().loss()
    }

    /// This problem as one of the paper's, if it is one.
    pub fn paper(&self) -> Option<PaperProblem<'_>> {
        let network = self.network.one_hidden()?;
        let q = self.data.q().filter(|_| self.data.weights().is_none())?;
        Some(PaperProblem { network, data: &self.data, q })
    }
}
