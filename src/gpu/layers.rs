//! Networks of any depth with K outputs and any loss on the device: those that the paper's kernels do not take.

mod evaluate;
mod places;
mod plan;
mod samples;
mod target;
mod template;
mod text;
mod train;

pub(super) use evaluate::{check_layers, evaluate_layers, layer_spectrum};
pub use plan::LayerPlan;
pub use target::LayerTarget;
pub(super) use train::train_layers;
