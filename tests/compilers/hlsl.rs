//! WGSL to HLSL as wgpu writes it for DirectX 12.

use std::collections::BTreeMap;

use naga::back::hlsl::{BindTarget, Options, PipelineOptions, ShaderModel, Writer};
use naga::{AddressSpace, ShaderStage, StorageAccess};
use sharpsweep::gpu::Pass;

use crate::spirv::validated;

/// The HLSL of the entry point of `pass` in `wgsl`, with the checks that the engine leaves on in a release build.
pub(crate) fn written(wgsl: &str, pass: Pass, shader_model: ShaderModel) -> String {
    let (module, info) = validated(wgsl);
    // wgpu numbers uniform buffers, read-only and writable storage buffers apart, each in the order of their bindings,
    // and the constants that tell the number of workgroups after the uniform buffers.
    let bound: BTreeMap<_, _> =
        module.global_variables.iter().filter_map(|(_, variable)| Some((variable.binding?, variable.space))).collect();
    let [mut uniform, mut read_only, mut writable] = [0; 3];
    let mut next = |space| {
        let register = match space {
            AddressSpace::Uniform => &mut uniform,
            AddressSpace::Storage { access } if !access.contains(StorageAccess::STORE) => &mut read_only,
            _ => &mut writable,
        };
        *register += 1;
        BindTarget { register: *register - 1, ..BindTarget::default() }
    };
    let options = Options {
        shader_model,
        binding_map: bound.into_iter().map(|(binding, space)| (binding, next(space))).collect(),
        fake_missing_bindings: false,
        special_constants_binding: Some(BindTarget { register: uniform, ..BindTarget::default() }),
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Options::default()
    };
    let entry = (ShaderStage::Compute, pass.name());
    let (module, info) =
        naga::back::pipeline_constants::process_overrides(&module, &info, Some(entry), &Default::default()).unwrap();
    let pipeline = PipelineOptions { entry_point: Some((entry.0, entry.1.to_owned())) };
    let mut text = String::new();
    Writer::new(&mut text, &options, &pipeline).write(&module, &info, None).unwrap();
    text
}
