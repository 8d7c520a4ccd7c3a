//! The GPU engine: WGSL compute shaders through wgpu (Vulkan, Metal, DX12), float32.
//!
//! The shaders compute what a network needs, and each names its plain twin, which is mostly in [`crate::reference`].
//! The host scales the data for training, chooses the training kernel and the route to tr H^2 by their costs, adds up
//! partial sums in f64 and bounds their rounding. Beyond that it chooses an adapter, joins and compiles shaders, lays
//! out buffers, and keeps every dispatch short.
//!
//! Arrays on the device are \[..\]\[network\], so that neighbouring invocations read neighbouring addresses. Training
//! alone keeps theta as \[network\]\[parameter\].

mod adapter;
mod capacity;
mod clock;
mod compiled;
mod device;
mod directx;
mod eigenvalues;
mod engine;
mod evaluate;
mod forward;
mod layers;
mod limits;
mod loops;
mod outputs;
mod pace;
mod params;
mod pass;
mod plan;
mod rounding;
mod route;
mod session;
mod shader;
mod spectrum;
mod train;
mod wait;

pub use adapter::{Adapter, AdapterSummary, adapter_of, adapters, begun_among, choose_adapter, wanted_among};
pub use capacity::Capacity;
pub use compiled::{CompileTime, TextChange};
pub use directx::DirectXCompiler;
pub use engine::Gpu;
pub use layers::{LayerPlan, LayerTarget};
pub use outputs::{ForwardOutput, PassOutputs};
pub use pass::Pass;
pub use plan::{Family, Target, TrainPlan};
pub use session::Tuning;
pub use shader::{KernelTarget, wgsl};
