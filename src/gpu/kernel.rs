//! A pass compiled for one problem, with the kinds of its bindings; and those of the latest problem, kept for its next batch.

use std::sync::{Arc, Mutex, PoisonError};

use super::clock::Clock;
use super::device::Device;
use super::limits::MAX_GROUPS;
use super::params::Params;
use super::pass::{Access, Pass};
use super::plan::NarrowLayout;
use super::shader::wgsl;
use crate::engine::EngineError;
use crate::model::{Activation, OneHidden, Problem};

/// Whether [`Pass::Train`] reads the samples of `problem` from a uniform buffer.
fn samples_are_uniform(problem: &Problem) -> bool {
    NarrowLayout::of(problem.network.shape, problem.network.activation).samples_are_uniform(problem.data.samples())
}

/// A compiled pass.
#[derive(Debug)]
pub(super) struct Kernel {
    pass: Pass,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    params: wgpu::Buffer,
}

/// The passes compiled for the latest problem: a driver compiles one for longer than it runs it on a small batch.
///
/// Batches of one problem follow each other, so what was compiled for the one before is dropped with the first pass of another; no
/// more than all passes are ever kept. They belong to one device: whoever gives that up gives up these too.
#[derive(Debug, Default)]
pub(super) struct Kernels(Mutex<Latest>);

#[derive(Debug, Default)]
struct Latest {
    /// What the texts depend on.
    problem: Option<(OneHidden, Activation, bool)>,
    kernels: Vec<Arc<Kernel>>,
}

impl Kernels {
    /// `pass` for `problem`, compiled on `device` unless it is there. Whoever has it shares its params with all others that do: safe,
    /// since a dispatch waits until it is done.
    pub(super) fn get(&self, device: &Device, pass: Pass, problem: &Problem) -> Result<Arc<Kernel>, EngineError> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let problem_now = Some((problem.network.shape, problem.network.activation, samples_are_uniform(problem)));
        if latest.problem != problem_now {
            *latest = Latest { problem: problem_now, kernels: Vec::new() };
        }
        if let Some(kernel) = latest.kernels.iter().find(|kernel| kernel.pass == pass) {
            return Ok(Arc::clone(kernel));
        }
        let kernel = Arc::new(Kernel::new(device, pass, problem)?);
        latest.kernels.push(Arc::clone(&kernel));
        Ok(kernel)
    }
}

impl Kernel {
    /// Compiles `pass` for `problem`.
    fn new(device: &Device, pass: Pass, problem: &Problem) -> Result<Self, EngineError> {
        let source = wgsl(pass, problem.network.shape, problem.network.activation, problem.data.samples());
        let uniform_samples = samples_are_uniform(problem);
        let params = device.uniform::<Params>(pass.name())?;
        let (pipeline, layout) = device.checked(|device| {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(pass.name()),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            };
            // SAFETY: all checks stay on but the counter that ends every loop after 2^32 trips or so, and no loop needs it. Each
            // `for` in shaders/ counts a u32 up by at least one from its start to an end that does not change in the loop: at most a
            // constant, a field of `params`, or less than 64 (or 1) beyond such. Counters step by at most 65,535 and ends are
            // bounded by the size of a binding in elements, below 2^30, so none wraps before its end. There is no `loop`, no
            // `while`, no recursion. Debug builds keep the counter.
            let module = unsafe {
                device.create_shader_module_trusted(
                    descriptor,
                    wgpu::ShaderRuntimeChecks {
                        force_loop_bounding: cfg!(debug_assertions),
                        ..wgpu::ShaderRuntimeChecks::checked()
                    },
                )
            };
            let entries: Vec<_> = (0..)
                .zip(pass.bindings(uniform_samples))
                .map(|(binding, access)| layout_entry(binding, access))
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
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            (pipeline, layout)
        })?;
        Ok(Self { pass, pipeline, layout, params })
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
        // Passes are short, so between two of them is where to stop.
        device.check_stop()?;
        // More rows than a dispatch has are the pass's own loop, or the caller's.
        let [x, y] = groups.map(|count| u32::try_from(count).unwrap_or(u32::MAX).clamp(1, MAX_GROUPS));
        device.write(&self.params, std::slice::from_ref(params));
        let clock = device.clock();
        device.submit(|encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(self.pass.name()),
                timestamp_writes: clock.map(Clock::around_pass),
            });
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, bound, &[]);
            pass.dispatch_workgroups(x, y, 1);
            drop(pass);
            if let Some(clock) = clock {
                clock.resolve(encoder);
            }
        })?;
        if let Some(clock) = clock {
            clock.add(&device.read::<u64>(&clock.ticks, 2)?);
        }
        Ok(())
    }
}

fn layout_entry(binding: u32, access: Access) -> wgpu::BindGroupLayoutEntry {
    let ty = match access {
        Access::Uniform => wgpu::BufferBindingType::Uniform,
        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use wgpu::naga::{AddressSpace, StorageAccess, front::wgsl::parse_str, valid};

    use super::Kernels;
    use crate::gpu::choose_adapter;
    use crate::gpu::device::Device;
    use crate::gpu::pass::{Access, Pass};
    use crate::gpu::shader::wgsl;
    use crate::model::{Activation, OneHidden, Problem, Stream, appendix_c};

    /// Other data of the same sizes is the same problem to a compiler; another width or activation is not.
    #[test]
    fn a_pass_is_compiled_once_for_each_problem() {
        if std::env::var("SHARPSWEEP_SKIP_GPU").is_ok_and(|value| value == "1") {
            // Past the test harness, which swallows what passing tests print.
            let _ = std::io::stderr().write_all(b"SKIPPED a_pass_is_compiled_once_for_each_problem\n");
            return;
        }
        let device = Device::open(&choose_adapter(None).unwrap()).unwrap();
        let kernels = Kernels::default();
        let get = |pass, hidden, activation, data_seed| {
            let data = appendix_c(10, data_seed, Stream::TrainData).unwrap();
            kernels.get(&device, pass, &Problem::new(hidden, activation, data)).unwrap()
        };
        let first = get(Pass::Trace, 3, Activation::Tanh, 0);
        let gradient = get(Pass::Gradient, 3, Activation::Tanh, 0);
        assert!(Arc::ptr_eq(&first, &get(Pass::Trace, 3, Activation::Tanh, 1)));
        assert!(Arc::ptr_eq(&gradient, &get(Pass::Gradient, 3, Activation::Tanh, 0)));
        assert!(!Arc::ptr_eq(&first, &gradient));
        let wider = get(Pass::Trace, 4, Activation::Tanh, 0);
        assert!(!Arc::ptr_eq(&first, &wider));
        assert!(!Arc::ptr_eq(&wider, &get(Pass::Trace, 4, Activation::Gelu, 0)));
        // Only the latest problem's are kept.
        assert!(!Arc::ptr_eq(&first, &get(Pass::Trace, 3, Activation::Tanh, 0)));
    }

    /// Every pass parses and validates for every activation and a spread of shapes, and binds what the host thinks it binds.
    #[test]
    fn every_variant_validates_and_its_bindings_are_those_of_the_host() {
        for pass in Pass::ALL {
            for activation in Activation::ALL {
                for (inputs, hidden, samples) in
                    [(1, 1, 50), (2, 3, 50), (2, 3, 60_000), (2, 10, 50), (30, 6, 50), (64, 33, 50), (3, 128, 50)]
                {
                    let source = wgsl(pass, OneHidden::new(inputs, hidden), activation, samples);
                    let module = parse_str(&source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&source)));
                    valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::default())
                        .validate(&module)
                        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&source)));
                    let mut found: Vec<_> = module
                        .global_variables
                        .iter()
                        .filter_map(|(_, variable)| {
                            let access = match variable.space {
                                AddressSpace::Uniform => Access::Uniform,
                                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                                    Access::ReadWrite
                                }
                                AddressSpace::Storage { .. } => Access::Read,
                                _ => return None,
                            };
                            variable.binding.as_ref().map(|binding| (binding.binding, access))
                        })
                        .collect();
                    found.sort_by_key(|(binding, _)| *binding);
                    let expected: Vec<_> = (0..).zip(pass.bindings(samples == 50)).collect();
                    assert_eq!(found, expected, "{}", pass.name());
                    assert_eq!(module.entry_points[0].name, pass.name());
                }
            }
        }
    }

    /// What the SAFETY comment in [`super::Kernel::new`] argues from.
    #[test]
    fn every_loop_counts_up_to_an_end() {
        for pass in Pass::ALL {
            let source = wgsl(pass, OneHidden::new(2, 3), Activation::Sigmoid, 50);
            for line in source.lines().map(|line| line.split("//").next().unwrap_or(line).trim()) {
                let words: Vec<&str> = line.split_whitespace().collect();
                assert!(
                    !words.contains(&"while") && !words.contains(&"loop"),
                    "`{line}` in {}: write it as a `for`, or extend the SAFETY comment and this test",
                    pass.name()
                );
                if words.first() == Some(&"for") {
                    let (upto, step) = line.rsplit_once("; ").unwrap_or_default();
                    assert!(upto.contains(" < ") || upto.contains(" <= "), "`{line}` in {}", pass.name());
                    assert!(step.contains("++") || step.contains(" += "), "`{line}` in {}", pass.name());
                }
            }
        }
    }
}
