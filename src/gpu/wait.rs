//! Everything that waits for the driver. The engine blocks here where a web page would have to await.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Waits for what the driver promised.
pub(super) use pollster::block_on;

/// Lets the driver report what has happened, and waits for it as `how` says; `None` if the driver failed meanwhile.
///
/// wgpu panics where the driver reports a loss or no memory while it is waited for. Nothing of ours is half-changed
/// then: the device is only asked why it was lost, and dropped.
pub(super) fn poll(device: &wgpu::Device, how: wgpu::PollType) -> Option<Result<wgpu::PollStatus, wgpu::PollError>> {
    catch_unwind(AssertUnwindSafe(|| device.poll(how))).ok()
}
