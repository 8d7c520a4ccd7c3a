//! A pass as the driver has compiled it, kept for the next batch.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::device::Device;
use super::limits::MAX_GROUPS;
use super::params::Params;
use super::pass::{Pass, bindings};
use super::shader::{KernelTarget, wgsl};
use crate::clock::Instant;
use crate::engine::EngineError;

/// How many workgroups run a pass.
#[derive(Debug, Clone, Copy)]
pub(super) enum Groups<'a> {
    /// So many along x and y.
    Given([usize; 2]),
    /// As many as the buffer says from this byte on, for x, y and z, when the device gets there.
    In(&'a wgpu::Buffer, u64),
}

/// A pass, compiled.
#[derive(Debug)]
pub(super) struct CompiledPass {
    pass: Pass,
    /// The complete WGSL that it was compiled from, or that stands for it after a [`TextChange`].
    text: String,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    params: wgpu::Buffer,
}

/// Another text for some passes: given a pass and its complete WGSL, the WGSL that is compiled in its place, or `None`
/// to leave it as it is. Bindings and the name of the entry point must stay.
#[derive(Clone)]
pub struct TextChange(Arc<Change>);

type Change = dyn Fn(Pass, &str) -> Option<String> + Send + Sync;

impl TextChange {
    /// The change that `change` makes.
    pub fn new(change: impl Fn(Pass, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(change))
    }
}

impl fmt::Debug for TextChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TextChange")
    }
}

/// How long the driver took to compile one text of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileTime {
    /// The pass.
    pub pass: Pass,
    /// From WGSL to a pipeline. A driver that keeps what it compiled, in its memory or on disk, takes less the next
    /// time.
    pub time: Duration,
}

/// The passes that were compiled on a device: a driver compiles one for longer than it runs it on a small batch.
///
/// Batches of one problem follow each other, so only the latest text of each pass is kept.
#[derive(Debug, Default)]
pub(super) struct CompiledPasses {
    kept: Mutex<Vec<Arc<CompiledPass>>>,
    change: Option<TextChange>,
    times: Mutex<Vec<CompileTime>>,
}

impl CompiledPasses {
    /// None yet; each will be compiled from its text after `change`.
    pub(super) fn new(change: Option<TextChange>) -> Self {
        Self { change, ..Self::default() }
    }

    /// The time of every compilation so far, in order.
    pub(super) fn times(&self) -> Vec<CompileTime> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `pass` for `target`, compiled on `device` unless it is there. All who have it share its params. That is safe
    /// because they are written and read in the order in which one thread submits.
    pub(super) fn get(
        &self,
        device: &Device,
        pass: Pass,
        target: impl KernelTarget,
    ) -> Result<Arc<CompiledPass>, EngineError> {
        let text = wgsl(pass, target);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = kept.iter().find(|compiled| compiled.text == text) {
            return Ok(Arc::clone(compiled));
        }
        kept.retain(|compiled| compiled.pass != pass);
        let changed = self.change.as_ref().and_then(|change| (change.0)(pass, &text));
        let start = Instant::now();
        let compiled = Arc::new(CompiledPass::new(device, pass, text, changed.as_deref())?);
        let time = start.elapsed();
        self.times.lock().unwrap_or_else(PoisonError::into_inner).push(CompileTime { pass, time });
        kept.push(Arc::clone(&compiled));
        Ok(compiled)
    }
}

impl CompiledPass {
    /// Compiles `pass` from its complete `text`, or from `changed` in its place.
    fn new(device: &Device, pass: Pass, text: String, changed: Option<&str>) -> Result<Self, EngineError> {
        let params = device.uniform::<Params>(pass.name())?;
        let (pipeline, layout) = device.checked(|device| {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(pass.name()),
                source: wgpu::ShaderSource::Wgsl(changed.unwrap_or(&text).into()),
            };
            let force_loop_bounding = cfg!(debug_assertions) || changed.is_some();
            // SAFETY: all checks stay on but the counter that ends every loop after 2^32 trips or so, and no loop needs
            // it. Each `for` in shaders/ counts a u32 up by at least one from its start to an end that does not change
            // in the loop: at most a constant, a field of `params` or the length of a list in a buffer, or less than 64
            // (or 1) beyond one of them. Counters step by at most 64 x 65,535 and ends are bounded by the size of a
            // binding in elements, below 2^30, so none wraps before its end. There is no `loop`, no `while`, no
            // recursion. Debug builds keep the counter, and so does a changed text, of which nothing is known.
            let module = unsafe {
                device.create_shader_module_trusted(
                    descriptor,
                    wgpu::ShaderRuntimeChecks { force_loop_bounding, ..wgpu::ShaderRuntimeChecks::checked() },
                )
            };
            let entries: Vec<_> = bindings(&text)
                .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                    binding,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                    count: None,
                })
                .collect();
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(pass.name()),
                entries: &entries,
            });
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(pass.name()),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(pass.name()),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(pass.name()),
                // No pass reads workgroup memory that it has not written. DirectX's older compiler would make a store
                // of every element that it is to zero, and take up to half a minute for them. Of a changed text nothing
                // is known.
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: changed.is_some(),
                    ..Default::default()
                },
                cache: None,
            });
            (pipeline, layout)
        })?;
        Ok(Self { pass, text, pipeline, layout, params })
    }

    /// Binds `buffers` in the order of the pass's bindings after its params.
    pub(super) fn bind(&self, device: &Device, buffers: &[&wgpu::Buffer]) -> Result<wgpu::BindGroup, EngineError> {
        let entries: Vec<_> = (0..)
            .zip(std::iter::once(&self.params).chain(buffers.iter().copied()))
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        device.checked(|device| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(self.pass.name()),
                layout: &self.layout,
                entries: &entries,
            })
        })
    }

    /// Runs the pass once over `groups` workgroups and waits for it.
    pub(super) fn dispatch(
        &self,
        device: &Device,
        bound: &wgpu::BindGroup,
        params: &Params,
        groups: [usize; 2],
    ) -> Result<(), EngineError> {
        // Passes are short, so it is enough to stop between two of them.
        device.check_stop()?;
        self.set(device, params);
        device.submit(|encoder| self.record(encoder, bound, Groups::Given(groups), device.clock()))?;
        device.read_clock()
    }

    /// What the pass gets in all that is submitted from now on.
    pub(super) fn set(&self, device: &Device, params: &Params) {
        device.write(&self.params, std::slice::from_ref(params));
    }

    /// Records one run of the pass, timed by `clock`.
    pub(super) fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        bound: &wgpu::BindGroup,
        groups: Groups<'_>,
        clock: Option<&Clock>,
    ) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(self.pass.name()),
            timestamp_writes: clock.map(Clock::around_pass),
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, bound, &[]);
        match groups {
            Groups::Given(groups) => {
                // The pass or its caller loops over the rows that a dispatch does not have.
                let [x, y] = groups.map(|count| u32::try_from(count).unwrap_or(u32::MAX).clamp(1, MAX_GROUPS));
                pass.dispatch_workgroups(x, y, 1);
            }
            Groups::In(buffer, offset) => pass.dispatch_workgroups_indirect(buffer, offset),
        }
        drop(pass);
        if let Some(clock) = clock {
            clock.resolve(encoder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use super::CompiledPasses;
    use crate::gpu::choose_adapter;
    use crate::gpu::device::Device;
    use crate::gpu::pass::Pass;
    use crate::gpu::plan::{Family, Target};
    use crate::model::{Activation, Problem, Stream, appendix_c};

    /// Other data of the same sizes is the same text to a compiler; another width is not, nor is another activation
    /// where it matters.
    #[test]
    fn a_pass_is_compiled_once_for_each_text() {
        if std::env::var("SHARPSWEEP_SKIP_GPU").is_ok_and(|value| value == "1") {
            // Past the test harness, which swallows what passing tests print.
            let _ = std::io::stderr().write_all(b"SKIPPED a_pass_is_compiled_once_for_each_text\n");
            return;
        }
        let device = Device::open(&choose_adapter(None).unwrap()).unwrap();
        let compiled = CompiledPasses::default();
        let get = |pass, hidden, activation, data_seed| {
            let data = appendix_c(10, data_seed, Stream::TrainData).unwrap();
            let problem = Problem::new(hidden, activation, data);
            compiled.get(&device, pass, Target::of(&problem.paper().unwrap(), Family::Software)).unwrap()
        };
        let terms = get(Pass::Terms, 3, Activation::Tanh, 0);
        let trace = get(Pass::Trace, 3, Activation::Tanh, 0);
        assert!(Arc::ptr_eq(&terms, &get(Pass::Terms, 3, Activation::Tanh, 1)));
        assert!(!Arc::ptr_eq(&terms, &trace));
        assert!(Arc::ptr_eq(&trace, &get(Pass::Trace, 3, Activation::Gelu, 0)));
        let wider = get(Pass::Terms, 4, Activation::Tanh, 0);
        assert!(!Arc::ptr_eq(&terms, &wider));
        assert!(!Arc::ptr_eq(&wider, &get(Pass::Terms, 4, Activation::Gelu, 0)));
        // Only the latest text of a pass is kept.
        assert!(!Arc::ptr_eq(&terms, &get(Pass::Terms, 3, Activation::Tanh, 0)));
    }
}
