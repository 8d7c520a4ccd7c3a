//! Networks of any depth with K outputs and any loss: those that the paper's kernels do not take.
//!
//! Parameters are in the order of theta. All sums over layers are those of [`crate::reference::layers`].

mod assembled;
mod batch;
mod errors;
mod evaluate;
mod pairs;
mod products;
mod samples;
mod sums;
mod terms;
mod train;

pub(super) use batch::{LayerBatch, LayerHessians, layer_memory};
pub(super) use evaluate::EvaluatingLayers;
pub(super) use samples::LayerSamples;
pub(super) use train::LayerTraining;
