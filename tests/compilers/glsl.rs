//! WGSL to GLSL as naga writes it. The engine does not run on OpenGL: this is one more reader of the kernels.

use naga::AddressSpace;
use naga::back::glsl::{Options, PipelineOptions, Version, Writer};
use naga::proc::BoundsCheckPolicies;

use crate::spirv::validated;

/// The GLSL of the entry point of `wgsl`; or what naga says against it.
pub(crate) fn written(wgsl: &str, version: Version) -> Result<String, String> {
    let (module, info) = validated(wgsl);
    let entry = &module.entry_points[0];
    // Uniform and storage buffers are numbered apart, each in the order of their bindings.
    let mut bound: Vec<_> =
        module.global_variables.iter().filter_map(|(_, variable)| Some((variable.binding?, variable.space))).collect();
    bound.sort_by_key(|(binding, _)| *binding);
    let [mut uniform, mut storage] = [0; 2];
    let slots = bound.into_iter().map(|(binding, space)| {
        let next = if space == AddressSpace::Uniform { &mut uniform } else { &mut storage };
        *next += 1;
        (binding, *next - 1)
    });
    let options = Options {
        version,
        binding_map: slots.collect(),
        zero_initialize_workgroup_memory: false,
        ..Options::default()
    };
    let pipeline = PipelineOptions { shader_stage: entry.stage, entry_point: entry.name.clone(), multiview: None };
    let mut text = String::new();
    Writer::new(&mut text, &module, &info, &options, &pipeline, BoundsCheckPolicies::default())
        .and_then(|mut writer| writer.write())
        .map_err(|error| error.to_string())?;
    Ok(text)
}
