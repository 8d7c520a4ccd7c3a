//! The device's own clock: how long passes took there, without transfers and the waits between them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Two timestamps around a pass, and the sum of all differences so far.
#[derive(Debug)]
pub(super) struct Clock {
    queries: wgpu::QuerySet,
    pub(super) ticks: wgpu::Buffer,
    nanoseconds_per_tick: f32,
    nanoseconds: AtomicU64,
}

impl Clock {
    /// Bytes of two timestamps.
    pub(super) const BYTES: u64 = 16;

    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("clock"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let ticks = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("clock"),
            size: Self::BYTES,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Self { queries, ticks, nanoseconds_per_tick: queue.get_timestamp_period(), nanoseconds: AtomicU64::new(0) }
    }

    /// Where a pass writes its timestamps.
    pub(super) fn around_pass(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Copies the timestamps of the pass just recorded to where they can be read.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.ticks, 0);
    }

    /// Adds a pass from its two timestamps. If the second is the earlier one they are meaningless and count as nothing.
    pub(super) fn add(&self, ticks: &[u64]) {
        if let &[start, end] = ticks {
            let elapsed = end.saturating_sub(start) as f64 * f64::from(self.nanoseconds_per_tick);
            self.nanoseconds.fetch_add(elapsed as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn total(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}
