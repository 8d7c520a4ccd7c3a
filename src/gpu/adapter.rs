//! Which graphics adapters this machine offers, and which one to take.

use serde::Serialize;

use crate::engine::EngineError;

/// One adapter as a user sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterSummary {
    /// The name that `--adapter` matches.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `software` or `other`.
    pub kind: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Whether it computes on graphics hardware: only such an adapter is taken without being asked for.
    pub hardware: bool,
    /// The largest storage buffer that one pass can bind, bytes.
    pub max_storage_buffer_binding_size: u64,
    /// The largest buffer, bytes.
    pub max_buffer_size: u64,
    /// The most invocations of one workgroup.
    pub max_compute_invocations_per_workgroup: u32,
    /// Memory shared by a workgroup, bytes.
    pub max_compute_workgroup_storage_size: u32,
    /// The most workgroups along one dimension of a dispatch.
    pub max_compute_workgroups_per_dimension: u32,
}

/// An adapter that can be opened.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(super) inner: wgpu::Adapter,
    summary: AdapterSummary,
}

/// Where Mesa's software driver (llvmpipe) ends every loop of an invocation, silently: after 65,535 iterations, all its loops
/// together, the trip that ends a loop included. A test measures it.
const LLVMPIPE_LOOP_ITERATIONS: u32 = 65_535;

impl Adapter {
    /// The most loop iterations, all loops together, that one invocation may make before the driver cuts it off without a word;
    /// `None` where there is no such limit.
    pub fn loop_limit(&self) -> Option<u32> {
        self.summary.name.contains("llvmpipe").then_some(LLVMPIPE_LOOP_ITERATIONS)
    }

    /// What the adapter is and what it can hold.
    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }
}

/// Every adapter of this machine, hardware before software, discrete before integrated.
pub fn adapters() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let mut adapters: Vec<(u8, Adapter)> = pollster::block_on(instance.enumerate_adapters(backends))
        .into_iter()
        .map(|inner| {
            let rank = match inner.get_info().device_type {
                wgpu::DeviceType::DiscreteGpu => 0,
                wgpu::DeviceType::VirtualGpu => 1,
                wgpu::DeviceType::IntegratedGpu => 2,
                wgpu::DeviceType::Other => 3,
                wgpu::DeviceType::Cpu => 4,
            };
            (rank, Adapter { summary: summary(&inner), inner })
        })
        .collect();
    // Stable, so that the driver's own order decides among equals.
    adapters.sort_by_key(|(rank, _)| *rank);
    adapters.into_iter().map(|(_, adapter)| adapter).collect()
}

/// The first adapter whose name contains `name` (case does not matter), or without a name the first one, software included.
///
/// # Errors
/// [`EngineError::NoAdapter`] lists what is there and says what to install.
pub fn choose_adapter(name: Option<&str>) -> Result<Adapter, EngineError> {
    let all = adapters();
    let fits =
        |adapter: &&Adapter| name.is_none_or(|name| adapter.summary.name.to_lowercase().contains(&name.to_lowercase()));
    if let Some(adapter) = all.iter().find(fits) {
        return Ok(adapter.clone());
    }
    Err(EngineError::NoAdapter(match name {
        Some(name) if !all.is_empty() => {
            let names: Vec<&str> = all.iter().map(|adapter| adapter.summary.name.as_str()).collect();
            format!("no adapter's name contains `{name}`; this machine has: {}", names.join(", "))
        }
        _ => "no Vulkan, Metal or DX12 adapter was found: install the graphics driver (on Debian or Ubuntu a software one is \
              `apt-get install mesa-vulkan-drivers libvulkan1`), or compute without one: --backend cpu"
            .into(),
    }))
}

fn summary(adapter: &wgpu::Adapter) -> AdapterSummary {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    AdapterSummary {
        name: info.name,
        backend: info.backend.to_string(),
        kind: kind.into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        hardware: !matches!(info.device_type, wgpu::DeviceType::Cpu | wgpu::DeviceType::Other),
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_buffer_size: limits.max_buffer_size,
        max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
    }
}
