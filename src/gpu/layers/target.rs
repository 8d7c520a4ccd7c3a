//! What the kernels for networks of any depth are made for.

use crate::gpu::plan::Family;
use crate::model::{Loss, Network, Problem};

/// What a kernel for networks of any depth is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerTarget {
    /// The network that it trains or evaluates.
    pub network: Network,
    /// What it minimises.
    pub loss: Loss,
    /// I, the number of samples.
    pub samples: usize,
    /// The adapter. It decides only how training spreads a network over invocations.
    pub family: Family,
    /// Whether training minimises the loss with weight decay.
    pub decays: bool,
}

impl LayerTarget {
    /// `problem` on an adapter of `family`, without weight decay.
    pub fn of(problem: &Problem, family: Family) -> Self {
        let (network, loss) = (problem.network, problem.loss());
        Self { network, loss, samples: problem.data.samples(), family, decays: false }
    }

    /// The targets of a sample: a class, or one for each output.
    pub(super) fn targets(&self) -> usize {
        match self.loss {
            Loss::Softmax => 1,
            Loss::Logistic | Loss::Squared => self.network.shape.outputs(),
        }
    }

    /// The values of a sample: x_1 .. x_M, its targets, and omega.
    pub(super) fn sample_values(&self) -> usize {
        self.network.shape.inputs() + self.targets() + 1
    }
}
