//! A random network that labels samples.

use serde::{Deserialize, Serialize};

use super::random::Numbers;
use super::{Activation, Network, Shape, ShapeError, Stream, largest};

/// A random network whose answers are the classes of standard normal samples: what a student of its shape can learn
/// without error.
///
/// W_l\[a, p\], p >= 1, is normal with mean 0 and variance 1 / N_{l-1}, so that with inputs of variance 1 the
/// pre-activations of the first layer have variance 1. All biases are 0. With an odd activation, such as tanh, either
/// class of two then has probability 1/2; with others the shares of the classes depend on the draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Teacher {
    /// M, the number of inputs.
    pub inputs: usize,
    /// The widths of its hidden layers; none for a linear teacher.
    pub hidden: Vec<usize>,
    /// f of its hidden units.
    pub activation: Activation,
    /// K, the number of classes. Two classes are told apart by one output, K > 2 by K outputs.
    pub classes: usize,
}

impl Teacher {
    /// Its layers and its activation.
    ///
    /// # Errors
    /// [`ShapeError`] for widths that no network has.
    pub fn network(&self) -> Result<Network, ShapeError> {
        let outputs = if self.classes == 2 { 1 } else { self.classes };
        Ok(Network { shape: Shape::new(self.inputs, &self.hidden, outputs)?, activation: self.activation })
    }

    /// Its weights theta (D,) of the draw `data_seed`, in the order of [`Shape`]. Each is a number of f32, so that
    /// every engine can evaluate it as it is.
    ///
    /// Layer l takes the blocks of index l - 1 of [`Stream::Shared`], two weights of each in the order of theta, the
    /// biases left out.
    ///
    /// # Errors
    /// As [`Self::network`].
    pub fn theta(&self, data_seed: u64) -> Result<Vec<f64>, ShapeError> {
        let network = self.network()?;
        let mut theta = vec![0.0; network.parameters()];
        for (l, layer) in (0..).zip(network.shape.layers()) {
            let scale = 1.0 / (layer.inputs as f64).sqrt();
            let weights = layer.inputs * layer.units;
            let normals = Numbers::new(data_seed, Stream::Shared, l).normal_vector(weights);
            let first = layer.at(0, 1);
            for (to, normal) in theta[first..first + weights].iter_mut().zip(normals) {
                *to = f64::from((scale * normal) as f32);
            }
        }
        Ok(theta)
    }
}

/// The class of the sample `x` (M,) by the teacher `network` with the weights `theta` (D,): 1 where the only output is
/// above 0, else 0; with several outputs the first of the largest.
pub(super) fn class(network: &Network, theta: &[f64], x: &[f64]) -> usize {
    let last = network.shape.layers().len() - 1;
    let mut values = x.to_vec();
    for (l, layer) in network.shape.layers().enumerate() {
        let unit = |a: usize| {
            let inputs = values.iter().enumerate().map(|(p, value)| theta[layer.at(a, p + 1)] * value);
            let y = inputs.fold(theta[layer.at(a, 0)], |sum, term| sum + term);
            if l < last { network.activation.derivatives(y).value } else { y }
        };
        values = (0..layer.units).map(unit).collect();
    }
    match values[..] {
        [z] => usize::from(z > 0.0),
        ref z => largest(z),
    }
}
