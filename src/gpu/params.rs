//! The uniform that every pass reads, the twin of shaders/parts/params.wgsl.

use bytemuck::{Pod, Zeroable};

/// See shaders/parts/params.wgsl for what each field means and which pass reads it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
pub(super) struct Params {
    pub(super) networks: u32,
    pub(super) samples: u32,
    pub(super) at_once: u32,
    pub(super) networks_per_group: u32,
    pub(super) steps: u32,
    pub(super) max_steps: u32,
    pub(super) first_row: u32,
    pub(super) first_sample: u32,
    pub(super) end_sample: u32,
    pub(super) first_step: u32,
    pub(super) end_step: u32,
    pub(super) seed_low: u32,
    pub(super) seed_high: u32,
    pub(super) init_range: f32,
    pub(super) step_size: f32,
    pub(super) weight_decay: f32,
    pub(super) tolerance: f32,
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use wgpu::naga::{TypeInner, front::wgsl};

    use super::Params;

    /// The Rust and the WGSL struct have the same fields at the same offsets: two swapped fields would still run.
    #[test]
    fn rust_and_wgsl_layouts_agree() {
        let module = wgsl::parse_str(include_str!("../../shaders/parts/params.wgsl")).unwrap();
        let (_, ty) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).unwrap();
        let TypeInner::Struct { members, span } = &ty.inner else { panic!("Params is no struct") };
        let found: Vec<(&str, u32)> = members.iter().map(|m| (m.name.as_deref().unwrap_or(""), m.offset)).collect();
        macro_rules! fields {
            ($($field:ident),*) => { [$((stringify!($field), offset_of!(Params, $field) as u32)),*] };
        }
        let expected = fields![
            networks,
            samples,
            at_once,
            networks_per_group,
            steps,
            max_steps,
            first_row,
            first_sample,
            end_sample,
            first_step,
            end_step,
            seed_low,
            seed_high,
            init_range,
            step_size,
            weight_decay,
            tolerance
        ];
        assert_eq!(found, expected);
        assert_eq!(*span as usize, size_of::<Params>());
    }
}
