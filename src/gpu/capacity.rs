//! What a device can do at most: multiply-adds, transfers and dispatches per second, measured.

use std::time::Duration;

use bytemuck::{Pod, Zeroable};

use super::device::Device;
use crate::clock::Instant;
use crate::engine::EngineError;

/// What a device can do at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// f32 operations per second in multiply-adds, of two operations each, that depend on nothing but registers.
    pub flops: f64,
    /// Bytes per second from memory of the host to a buffer on the device.
    pub upload: f64,
    /// Bytes per second back.
    pub download: f64,
    /// From handing the driver a dispatch that does nothing until the host knows that it is done.
    pub round_trip: Duration,
}

/// The uniform of fma_peak.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Chain {
    trips: u32,
    factor: f32,
    term: f32,
}

/// Invocations of a workgroup of fma_peak.wgsl.
const GROUP: usize = 256;
/// Workgroups: a few for every processor of the largest cards.
const GROUPS: u32 = 4096;
/// Operations of one trip of an invocation: twelve multiply-adds of four lanes.
const TRIP_FLOPS: f64 = 2.0 * 12.0 * 4.0;
/// The most trips: fewer than any driver cuts off.
const MOST_TRIPS: u32 = 1 << 15;
/// How long a timed dispatch should take: long against its round trip, short for a desktop.
const DISPATCH: Duration = Duration::from_millis(25);
/// Repeats, of which the fastest counts.
const REPEATS: usize = 5;
/// The largest transfer.
const TRANSFER: usize = 64 << 20;
/// Dispatches that do nothing.
const ROUND_TRIPS: u32 = 100;

impl Capacity {
    /// The better of two measurements of one device.
    #[must_use]
    pub fn better(self, other: Self) -> Self {
        Self {
            flops: self.flops.max(other.flops),
            upload: self.upload.max(other.upload),
            download: self.download.max(other.download),
            round_trip: self.round_trip.min(other.round_trip),
        }
    }

    /// Measures `device`.
    pub(super) fn measured(device: &Device) -> Result<Self, EngineError> {
        let peak = Peak::new(device)?;
        peak.seconds(0, GROUPS)?;
        let mut trips = 16;
        while trips < MOST_TRIPS && peak.seconds(trips, GROUPS)? < DISPATCH.as_secs_f64() {
            trips *= 2;
        }
        let flops = f64::from(GROUPS) * GROUP as f64 * TRIP_FLOPS * f64::from(trips);
        let seconds = fastest(|| peak.seconds(trips, GROUPS))?;
        let start = Instant::now();
        for _ in 0..ROUND_TRIPS {
            peak.seconds(0, 1)?;
        }
        let round_trip = start.elapsed() / ROUND_TRIPS;
        let [upload, download] = transfers(device)?;
        Ok(Self { flops: flops / seconds, upload, download, round_trip })
    }
}

/// Seconds of the fastest repeat.
fn fastest(mut run: impl FnMut() -> Result<f64, EngineError>) -> Result<f64, EngineError> {
    let mut least = f64::INFINITY;
    for _ in 0..REPEATS {
        least = least.min(run()?);
    }
    // The clock may stand still for a moment.
    Ok(least.max(1e-9))
}

/// Bytes per second to the device and back.
fn transfers(device: &Device) -> Result<[f64; 2], EngineError> {
    let limits = device.limits();
    let most = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
    let elements = usize::try_from(most).unwrap_or(TRANSFER).min(TRANSFER) / 4;
    let values = vec![1.0_f32; elements];
    let buffer = device.buffer("transfer", elements)?;
    let upload = fastest(|| {
        let start = Instant::now();
        device.write(&buffer, &values);
        device.submit(|_| {})?;
        Ok(start.elapsed().as_secs_f64())
    })?;
    let download = fastest(|| {
        let start = Instant::now();
        device.read::<f32>(&buffer, elements)?;
        Ok(start.elapsed().as_secs_f64())
    })?;
    let bytes = 4.0 * elements as f64;
    Ok([bytes / upload, bytes / download])
}

/// The compiled kernel with what it binds.
struct Peak<'a> {
    device: &'a Device,
    chain: wgpu::Buffer,
    pipeline: wgpu::ComputePipeline,
    bound: wgpu::BindGroup,
}

impl<'a> Peak<'a> {
    fn new(device: &'a Device) -> Result<Self, EngineError> {
        let chain = device.uniform::<Chain>("fma_peak")?;
        let sums = device.buffer("sums", GROUPS as usize * GROUP)?;
        let (pipeline, bound) = device.checked(|device| {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some("fma_peak"),
                source: wgpu::ShaderSource::Wgsl(include_str!("../../shaders/fma_peak.wgsl").into()),
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some("fma_peak"),
                layout: None,
                module: &module,
                entry_point: Some("fma_peak"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            let bound = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("fma_peak"),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: chain.as_entire_binding() },
                    wgpu::BindGroupEntry { binding: 1, resource: sums.as_entire_binding() },
                ],
            });
            (pipeline, bound)
        })?;
        Ok(Self { device, chain, pipeline, bound })
    }

    /// How long `trips` trips of `groups` workgroups take.
    fn seconds(&self, trips: u32, groups: u32) -> Result<f64, EngineError> {
        self.device.check_stop()?;
        let start = Instant::now();
        self.device.write(&self.chain, &[Chain { trips, factor: 0.5, term: 1.0 }]);
        self.device.submit(|encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &self.bound, &[]);
            pass.dispatch_workgroups(groups, 1, 1);
        })?;
        Ok(start.elapsed().as_secs_f64())
    }
}
