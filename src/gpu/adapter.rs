//! Which graphics adapters this machine offers, and which one to take.

use serde::Serialize;

use super::directx::DirectXCompiler;
use super::plan::Family;
use super::wait::block_on;
use crate::engine::{EngineError, Machine};

/// One adapter as a user sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterSummary {
    /// The number that `--adapter` takes: the place in the list of [`adapters`], from 0.
    pub index: usize,
    /// The name, of which `--adapter` takes any part.
    pub name: String,
    /// The bus id, such as `0000:01:00.0`, or `VENDOR:DEVICE` in hexadecimal, such as `10de:2684`, where the driver
    /// gives none. `--adapter` takes any part of it.
    pub id: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `software` or `other`.
    pub kind: String,
    /// Name and version of the driver.
    pub driver: String,
    /// With `dx12`, the compiler of the shaders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<DirectXCompiler>,
    /// Whether it computes on graphics hardware. Only such an adapter is taken without being asked for.
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

impl AdapterSummary {
    /// Name, kind and interface, as manifests record them.
    pub fn label(&self) -> String {
        format!("{} ({}, {})", self.name, self.kind, self.backend)
    }
}

/// An adapter that can be opened.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(super) inner: wgpu::Adapter,
    summary: AdapterSummary,
}

/// Mesa's software driver (llvmpipe) silently ends the loops of an invocation after this many iterations. They count
/// over all its loops, and the trip that ends a loop counts as well. A test measures it.
const LLVMPIPE_LOOP_ITERATIONS: u32 = 65_535;

impl Adapter {
    /// The most loop iterations, over all loops, that one invocation may make before the driver silently cuts it off;
    /// `None` where there is no such limit.
    pub fn loop_limit(&self) -> Option<u32> {
        self.summary.name.contains("llvmpipe").then_some(LLVMPIPE_LOOP_ITERATIONS)
    }

    /// The kind of adapter that training plans are made for.
    pub(super) fn family(&self) -> Family {
        const NVIDIA: u32 = 0x10de;
        match self.inner.get_info().vendor {
            _ if !self.summary.hardware => Family::Software,
            NVIDIA => Family::Nvidia,
            _ => Family::Common,
        }
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
    let mut adapters: Vec<(u8, AdapterSummary, wgpu::Adapter)> = block_on(instance.enumerate_adapters(backends))
        .into_iter()
        .map(|inner| {
            let rank = match inner.get_info().device_type {
                wgpu::DeviceType::DiscreteGpu => 0,
                wgpu::DeviceType::VirtualGpu => 1,
                wgpu::DeviceType::IntegratedGpu => 2,
                wgpu::DeviceType::Other => 3,
                wgpu::DeviceType::Cpu => 4,
            };
            (rank, summary(&inner), inner)
        })
        .collect();
    // Stable, so that the driver's own order decides among equals.
    adapters.sort_by_key(|(rank, ..)| *rank);
    let numbered = adapters.into_iter().enumerate();
    numbered
        .map(|(index, (_, summary, inner))| Adapter { summary: AdapterSummary { index, ..summary }, inner })
        .collect()
}

/// The adapter that `wanted` stands for, or the first one, which may be a software adapter.
///
/// # Errors
/// [`EngineError::NoAdapter`] where there is none, or `wanted` stands for none or for several: it lists what is there.
pub fn choose_adapter(wanted: Option<&str>) -> Result<Adapter, EngineError> {
    let all = adapters();
    let index = match wanted {
        _ if all.is_empty() => Err(NOTHING.into()),
        Some(wanted) => wanted_among(&summaries(&all), wanted),
        None => Ok(0),
    };
    taken(&all, index)
}

/// The adapter on which a run was begun, as `begun` describes it, or one that is equal to it.
///
/// # Errors
/// [`EngineError::NoAdapter`] where there is none: it lists what is there.
pub fn adapter_of(begun: &Machine) -> Result<Adapter, EngineError> {
    let all = adapters();
    let index = if all.is_empty() { Err(NOTHING.into()) } else { begun_among(&summaries(&all), begun) };
    taken(&all, index)
}

const NOTHING: &str = "no Vulkan, Metal or DX12 adapter was found: install the graphics driver (on Debian or Ubuntu a \
    software one is `apt-get install mesa-vulkan-drivers libvulkan1`), or compute without one: --backend cpu";

fn summaries(adapters: &[Adapter]) -> Vec<AdapterSummary> {
    adapters.iter().map(|adapter| adapter.summary.clone()).collect()
}

fn taken(all: &[Adapter], index: Result<usize, String>) -> Result<Adapter, EngineError> {
    let index = index.map_err(EngineError::NoAdapter)?;
    all.get(index).cloned().ok_or_else(|| EngineError::NoAdapter(NOTHING.into()))
}

/// The place in `all` of the adapter that `wanted` stands for. Digits are the place itself if it exists; all else is a
/// name or an id, or a part of one, in any case, that only one of them has.
///
/// # Errors
/// A text that lists them where none or several fit.
pub fn wanted_among(all: &[AdapterSummary], wanted: &str) -> Result<usize, String> {
    let digits = !wanted.is_empty() && wanted.chars().all(|character| character.is_ascii_digit());
    if let Some(index) = wanted.parse().ok().filter(|&index| digits && index < all.len()) {
        return Ok(index);
    }
    let wanted_too = wanted.to_lowercase();
    let places = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let fits =
            |adapter: &AdapterSummary| [&adapter.name, &adapter.id].iter().any(|text| fits(&text.to_lowercase()));
        (0..).zip(all).filter(|(_, adapter)| fits(adapter)).map(|(place, _)| place).collect()
    };
    // A whole name is meant even where others contain it.
    let whole = places(&|text| text == wanted_too);
    let found = if whole.is_empty() { places(&|text| text.contains(&wanted_too)) } else { whole };
    match found[..] {
        [place] => Ok(place),
        [] => {
            Err(format!("no adapter has the number `{wanted}`, or has `{wanted}` in its name or id; {}", listed(all)))
        }
        _ => Err(format!("`{wanted}` fits {} adapters: name one by its number or id; {}", found.len(), listed(all))),
    }
}

/// The place in `all` of the adapter that `begun` describes, or else of the first that is equal to it.
///
/// # Errors
/// A text that lists them where none is.
pub fn begun_among(all: &[AdapterSummary], begun: &Machine) -> Result<usize, String> {
    let equal = || (0..).zip(all).filter(|(_, adapter)| adapter.label() == begun.device);
    let same = equal().find(|(_, adapter)| adapter.id == begun.id).or_else(|| equal().next());
    same.map(|(place, _)| place).ok_or_else(|| {
        format!(
            "the run was begun on {}, which is not here: go on where it is, with the same driver; {}",
            begun.device,
            listed(all)
        )
    })
}

/// A line for every adapter, with its number and id.
fn listed(all: &[AdapterSummary]) -> String {
    let lines = all.iter().map(|adapter| format!("\n  {}: {}, id {}", adapter.index, adapter.label(), adapter.id));
    format!("this machine has:{}", lines.collect::<String>())
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
    let id = match info.device_pci_bus_id.as_str() {
        "" => format!("{:04x}:{:04x}", info.vendor, info.device),
        bus => bus.to_owned(),
    };
    AdapterSummary {
        index: 0,
        name: info.name,
        id,
        backend: info.backend.to_string(),
        kind: kind.into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        compiler: (info.backend == wgpu::Backend::Dx12).then(DirectXCompiler::taken),
        hardware: !matches!(info.device_type, wgpu::DeviceType::Cpu | wgpu::DeviceType::Other),
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_buffer_size: limits.max_buffer_size,
        max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
    }
}
