//! WGSL to SPIR-V as wgpu writes it for Vulkan.

use naga::back::spv::{
    Capability, Options, PipelineOptions, WriterFlags, ZeroInitializeWorkgroupMemoryMode, write_vec,
};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, front::wgsl};

/// What of a driver decides what wgpu writes for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Driver {
    /// The version of SPIR-V that its version of Vulkan has.
    pub(crate) language: (u8, u8),
    /// Whether it keeps what is read and written within the bounds of buffers (robustBufferAccess2).
    pub(crate) keeps_bounds: bool,
    /// Whether the indices of arrays are kept within their bounds, as wgpu asks for.
    pub(crate) checks_indices: bool,
}

/// The module of `text`, which has one entry point, and what naga's validator found about it.
pub(crate) fn validated(text: &str) -> (Module, ModuleInfo) {
    let module = wgsl::parse_str(text).unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::default())
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
    (module, info)
}

/// The SPIR-V of the module's entry point, with the checks that the engine leaves on in a release build.
pub(crate) fn written(module: &Module, info: &ModuleInfo, driver: Driver) -> Vec<u32> {
    let policy = |checked| if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let [index, buffer] = [driver.checks_indices, !driver.keeps_bounds].map(policy);
    // What wgpu allows on every device. It would add more for features that the engine does not ask for.
    let capabilities = [
        Capability::Shader,
        Capability::Matrix,
        Capability::Sampled1D,
        Capability::Image1D,
        Capability::ImageQuery,
        Capability::DerivativeControl,
        Capability::StorageImageExtendedFormats,
    ];
    let options = Options {
        lang_version: driver.language,
        flags: WriterFlags::LABEL_VARYINGS | WriterFlags::FORCE_POINT_SIZE,
        capabilities: Some(capabilities.into_iter().collect()),
        bounds_check_policies: BoundsCheckPolicies {
            index,
            buffer,
            image_load: buffer,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ..Options::default()
    };
    let entry = &module.entry_points[0];
    let stage = PipelineOptions { shader_stage: entry.stage, entry_point: entry.name.clone() };
    write_vec(module, info, &options, Some(&stage)).unwrap()
}
