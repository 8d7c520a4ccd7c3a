//! WGSL to MSL as wgpu writes it for Metal.

use naga::back::msl::{BindTarget, EntryPointResources, Options, PipelineOptions, write_string};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::{AddressSpace, StorageAccess};

use crate::spirv::validated;

/// The MSL of the entry point of `wgsl`, with the checks that the engine leaves on in a release build; or what naga
/// says against it.
pub(crate) fn written(wgsl: &str, version: (u8, u8)) -> Result<String, String> {
    let (module, info) = validated(wgsl);
    let entry = &module.entry_points[0];
    let mut bound: Vec<_> =
        module.global_variables.iter().filter_map(|(_, variable)| Some((variable.binding?, variable.space))).collect();
    bound.sort_by_key(|(binding, _)| *binding);
    let slots = u8::try_from(bound.len()).unwrap();
    // wgpu numbers all buffers together, and after them that with the lengths of the others.
    let targets = bound.into_iter().zip(0..).map(|((binding, space), slot)| {
        let mutable = matches!(space, AddressSpace::Storage { access } if access.contains(StorageAccess::STORE));
        (binding, BindTarget { buffer: Some(slot), mutable, ..BindTarget::default() })
    });
    let resources =
        EntryPointResources { resources: targets.collect(), immediates_buffer: None, sizes_buffer: Some(slots) };
    let restrict = BoundsCheckPolicy::Restrict;
    let options = Options {
        lang_version: version,
        per_entry_point_map: [(entry.name.clone(), resources)].into_iter().collect(),
        fake_missing_bindings: false,
        bounds_check_policies: BoundsCheckPolicies {
            index: restrict,
            buffer: restrict,
            image_load: restrict,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Options::default()
    };
    let pipeline =
        PipelineOptions { entry_point: Some((entry.stage, entry.name.clone())), ..PipelineOptions::default() };
    let (text, _) = write_string(&module, &info, &options, &pipeline).map_err(|error| error.to_string())?;
    Ok(text)
}
