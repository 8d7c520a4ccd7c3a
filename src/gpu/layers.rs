//! Networks of any depth with K outputs and any loss on the device: those that the paper's kernels do not take.

mod plan;
mod target;
mod template;
mod train;

pub use plan::LayerPlan;
pub use target::LayerTarget;
pub(super) use train::train_layers;
