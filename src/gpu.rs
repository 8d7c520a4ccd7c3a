//! The GPU engine: WGSL compute shaders through wgpu (Vulkan, Metal, DX12), float32.
//!
//! The shaders compute, and each names its plain twin, as a rule in [`crate::reference`]. This module chooses an adapter,
//! assembles and compiles shaders, lays out buffers, and keeps every dispatch short.
//!
//! Arrays on the device are \[..\]\[network\]: neighbouring invocations read neighbouring addresses.

mod adapter;
mod clock;
mod device;
mod eigenvalues;
mod engine;
mod evaluate;
mod forward;
mod kernel;
mod limits;
mod loops;
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

pub use adapter::{Adapter, AdapterSummary, adapter_of, adapters, begun_among, choose_adapter, wanted_among};
pub use engine::Gpu;
pub use pass::Pass;
pub use plan::TrainPlan;
pub use session::Tuning;
pub use shader::wgsl;
