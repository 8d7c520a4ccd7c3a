//! An open device, with every failure of the driver turned into a value.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use bytemuck::Pod;

use super::adapter::Adapter;
use super::clock::Clock;
use super::wait::{block_on, poll};
use crate::engine::{EngineError, Stop};

/// A device and its queue.
#[derive(Debug)]
pub(super) struct Device {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// Set by the driver's callback once the device is lost, with its reason.
    lost: Arc<OnceLock<String>>,
    /// Times every pass, once it is started.
    clock: Option<Clock>,
    /// Ends the work before the next dispatch.
    stop: Stop,
    /// The first error that no scope of [`Self::checked`] caught, such as that of a write to a buffer of a lost device.
    uncaught: Arc<OnceLock<String>>,
}

/// Elements of a buffer on their way to the host.
#[derive(Debug)]
pub(super) struct Reading<T> {
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: Arc<OnceLock<Result<(), wgpu::BufferAsyncError>>>,
    elements: PhantomData<T>,
}

impl<T: Pod> Reading<T> {
    /// Waits for them.
    pub(super) fn finish(self, device: &Device) -> Result<Vec<T>, EngineError> {
        device.wait(self.submission)?;
        if !matches!(self.mapped.get(), Some(Ok(()))) {
            return Err(EngineError::Device("a buffer could not be read back".into()));
        }
        let view = self.staging.get_mapped_range(..).map_err(|error| EngineError::Device(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

impl Device {
    /// Opens `adapter` with the limits that every adapter has, except that buffers may be as large as this one allows.
    pub(super) fn open(adapter: &Adapter) -> Result<Self, EngineError> {
        let available = adapter.inner.limits();
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: available.max_storage_buffer_binding_size,
            max_buffer_size: available.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("sharpsweep"),
            required_limits: limits,
            required_features: adapter.inner.features() & wgpu::Features::TIMESTAMP_QUERY,
            ..Default::default()
        };
        let (device, queue) = block_on(adapter.inner.request_device(&descriptor)).map_err(|error| {
            EngineError::NoAdapter(format!("the adapter {} could not be opened: {error}", adapter.summary().name))
        })?;
        let lost = Arc::new(OnceLock::new());
        let reason = Arc::clone(&lost);
        device.set_device_lost_callback(move |kind, message| {
            // Later losses follow from the first.
            let _ = reason.set(format!("{kind:?}: {message}"));
        });
        let uncaught = Arc::new(OnceLock::new());
        let first = Arc::clone(&uncaught);
        // Without this wgpu panics.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = first.set(error.to_string());
        }));
        Ok(Self { device, queue, lost, uncaught, clock: None, stop: Stop::default() })
    }

    /// From now on no pass is begun once `stop` is requested.
    pub(super) fn stop_on(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    pub(super) fn check_stop(&self) -> Result<(), EngineError> {
        self.stop.check()
    }

    /// Times every pass from now on, where the adapter has timestamps.
    pub(super) fn start_clock(&mut self) -> Result<(), EngineError> {
        if self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            self.clock = Some(self.checked(|device| Clock::new(device, &self.queue))?);
        }
        Ok(())
    }

    pub(super) fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    pub(super) fn limits(&self) -> wgpu::Limits {
        self.device.limits()
    }

    /// Runs `create` and returns what the driver objects to as an error.
    pub(super) fn checked<T>(&self, create: impl FnOnce(&wgpu::Device) -> T) -> Result<T, EngineError> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let created = create(&self.device);
        let errors = [validation.pop(), internal.pop()].map(block_on);
        let memory = block_on(memory.pop());
        if memory.is_some() || errors.iter().any(Option::is_some) || self.uncaught.get().is_some() {
            // A lost device first shows by errors about its buffers. It says that it is lost when it is polled.
            self.poll(wgpu::PollType::Poll)?;
        }
        self.check()?;
        if let Some(error) = memory {
            return Err(EngineError::OutOfMemory(error.to_string()));
        }
        match errors.into_iter().flatten().next() {
            Some(error) => Err(EngineError::Device(error.to_string())),
            None => Ok(created),
        }
    }

    /// A buffer of `len` elements of four bytes that passes bind and the host writes or reads through copies.
    pub(super) fn buffer(&self, label: &str, len: usize) -> Result<wgpu::Buffer, EngineError> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        self.raw_buffer(label, len as u64 * 4, usage)
    }

    /// A storage buffer that holds `values`.
    pub(super) fn buffer_with<T: Pod>(&self, label: &str, values: &[T]) -> Result<wgpu::Buffer, EngineError> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let buffer = self.buffer(label, bytes.len().div_ceil(4))?;
        self.queue.write_buffer(&buffer, 0, bytes);
        Ok(buffer)
    }

    /// A storage buffer of `len` elements of four bytes, the first of which are `values`, that can also say how many
    /// workgroups run a pass.
    pub(super) fn indirect_buffer(&self, label: &str, len: usize, values: &[u32]) -> Result<wgpu::Buffer, EngineError> {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::INDIRECT
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let buffer = self.raw_buffer(label, len as u64 * 4, usage)?;
        self.write(&buffer, values);
        Ok(buffer)
    }

    /// A uniform buffer for one `T`.
    pub(super) fn uniform<T: Pod>(&self, label: &str) -> Result<wgpu::Buffer, EngineError> {
        self.raw_buffer(label, size_of::<T>() as u64, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)
    }

    /// A uniform buffer that holds `values`.
    pub(super) fn uniform_with<T: Pod>(&self, label: &str, values: &[T]) -> Result<wgpu::Buffer, EngineError> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = self.raw_buffer(label, bytes.len() as u64, usage)?;
        self.queue.write_buffer(&buffer, 0, bytes);
        Ok(buffer)
    }

    fn raw_buffer(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, EngineError> {
        self.checked(|device| {
            device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        })
    }

    /// Puts `values` at the start of `buffer`, before whatever is submitted next.
    pub(super) fn write<T: Pod>(&self, buffer: &wgpu::Buffer, values: &[T]) {
        self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(values));
    }

    /// Records commands with `record`, submits them and waits until they are done.
    pub(super) fn submit(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<(), EngineError> {
        let index = self.send(record)?;
        self.wait(index)
    }

    fn send(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<wgpu::SubmissionIndex, EngineError> {
        self.checked(|device| {
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            record(&mut encoder);
            self.queue.submit([encoder.finish()])
        })
    }

    /// The first `len` elements of `buffer`.
    pub(super) fn read<T: Pod>(&self, buffer: &wgpu::Buffer, len: usize) -> Result<Vec<T>, EngineError> {
        self.submit_reading(buffer, len, |_| ())?.finish(self)
    }

    /// Records commands with `record` and submits them, and asks for the first `len` elements that `buffer` holds then,
    /// without waiting.
    pub(super) fn submit_reading<T: Pod>(
        &self,
        buffer: &wgpu::Buffer,
        len: usize,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<Reading<T>, EngineError> {
        let size = (len * size_of::<T>()) as u64;
        let staging =
            self.raw_buffer("read back", size, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)?;
        let submission = self.send(|encoder| {
            record(encoder);
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
        })?;
        let mapped = Arc::new(OnceLock::new());
        let answer = Arc::clone(&mapped);
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // There is only one answer.
            let _ = answer.set(result);
        });
        Ok(Reading { staging, submission, mapped, elements: PhantomData })
    }

    /// Adds the last pass to the clock, if one runs. This waits for the pass.
    pub(super) fn read_clock(&self) -> Result<(), EngineError> {
        if let Some(clock) = &self.clock {
            clock.add(&self.read::<u64>(&clock.ticks, 2)?);
        }
        Ok(())
    }

    fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), EngineError> {
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None })?;
        self.check()
    }

    /// Lets the driver report what has happened, such as a loss.
    fn poll(&self, how: wgpu::PollType) -> Result<(), EngineError> {
        let polled = poll(&self.device, how);
        self.check_lost()?;
        match polled {
            Some(polled) => polled.map(|_| ()).map_err(|error| EngineError::Device(error.to_string())),
            None => Err(EngineError::DeviceLost("the driver failed while it was waited for".into())),
        }
    }

    /// Gives the device up, as if the driver had reset it.
    pub(super) fn destroy(&self) {
        self.device.destroy();
    }

    fn check(&self) -> Result<(), EngineError> {
        self.check_lost()?;
        self.uncaught.get().map_or(Ok(()), |error| Err(EngineError::Device(error.clone())))
    }

    fn check_lost(&self) -> Result<(), EngineError> {
        self.lost.get().map_or(Ok(()), |reason| Err(EngineError::DeviceLost(reason.clone())))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::Device;
    use crate::gpu::choose_adapter;
    use crate::gpu::loops::iterations;

    /// Counts its own iterations in two nested loops, as many as the buffer says.
    const COUNT: &str = "
        @group(0) @binding(0) var<storage, read_write> counts: array<u32>; // [outer, inner, iterations made]
        @compute @workgroup_size(1)
        fn main() {
            var made = 0u;
            for (var i = 0u; i < counts[0]; i++) {
                for (var j = 0u; j < counts[1]; j++) {
                    made++;
                }
            }
            counts[2] = made;
        }";

    /// A driver that cuts loops off does so without a word, so the limit that the engine plans with is measured here.
    #[test]
    fn loops_run_as_far_as_the_adapter_is_said_to_let_them() {
        if std::env::var("SHARPSWEEP_SKIP_GPU").is_ok_and(|value| value == "1") {
            // Past the test harness, which swallows what passing tests print.
            let _ = std::io::stderr().write_all(b"SKIPPED loops_run_as_far_as_the_adapter_is_said_to_let_them\n");
            return;
        }
        let adapter = choose_adapter(None).unwrap();
        let device = Device::open(&adapter).unwrap();
        let pipeline = device
            .checked(|device| {
                let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                    label: None,
                    source: wgpu::ShaderSource::Wgsl(COUNT.into()),
                });
                device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: None,
                    layout: None,
                    module: &module,
                    entry_point: None,
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    cache: None,
                })
            })
            .unwrap();
        let made = |outer: u32, inner: u32| {
            let counts = device.buffer_with("counts", &[outer, inner, 0]).unwrap();
            let layout = pipeline.get_bind_group_layout(0);
            let bound = device
                .checked(|device| {
                    device.create_bind_group(&wgpu::BindGroupDescriptor {
                        label: None,
                        layout: &layout,
                        entries: &[wgpu::BindGroupEntry { binding: 0, resource: counts.as_entire_binding() }],
                    })
                })
                .unwrap();
            device
                .submit(|encoder| {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    pass.set_pipeline(&pipeline);
                    pass.set_bind_group(0, &bound, &[]);
                    pass.dispatch_workgroups(1, 1, 1);
                })
                .unwrap();
            device.read::<u32>(&counts, 3).unwrap()[2]
        };
        // The trip that ends a loop counts: 100 (1 + 654) + 1 iterations are 65,501, and one more in each inner loop is
        // too many.
        assert_eq!(iterations(100, iterations(653, 0)), 65_501);
        assert_eq!(made(100, 653), 65_300);
        if adapter.loop_limit().is_some() {
            assert!(made(100, 654) < 65_400, "all iterations were made");
        }
        let many = made(100, 2000);
        match adapter.loop_limit() {
            Some(limit) => assert!(many < 200_000 && many <= limit, "{many} of 200,000 iterations were made"),
            None => assert_eq!(many, 200_000),
        }
    }
}
