//! An open device with what was compiled for it: what training, evaluations and spectra work on.

use std::time::Duration;

use super::adapter::Adapter;
use super::device::Device;
use super::kernel::Kernels;
use super::plan::TrainPlan;
use super::route;
use crate::engine::{EngineError, Route};
use crate::model::Problem;

/// What can be set about how work is cut into dispatches. No setting changes a result, but that another training kernel or
/// another route adds up in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// The time that one dispatch should take at most.
    pub dispatch: Duration,
    /// The most steps of one training dispatch.
    pub steps: u32,
    /// The most networks that train at once; others wait until one of them has finished.
    pub lanes: usize,
    /// The training kernel, or `None` for the one that fits the shape best.
    pub plan: Option<TrainPlan>,
    /// The route to tr H^2.
    pub route: Route,
}

impl Default for Tuning {
    fn default() -> Self {
        // 25 steps already hide the cost of a dispatch; more than some hundreds leave lanes idle whose networks have finished.
        Self { dispatch: Duration::from_millis(50), steps: 256, lanes: 1 << 18, plan: None, route: Route::Auto }
    }
}

/// The open device, its compiled passes and how they are cut.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) device: Device,
    pub(super) kernels: Kernels,
    pub(super) tuning: Tuning,
    pub(super) adapter: Adapter,
}

impl Session {
    /// Opens `adapter`.
    pub(super) fn open(adapter: Adapter, tuning: Tuning) -> Result<Self, EngineError> {
        Ok(Self { device: Device::open(&adapter)?, kernels: Kernels::default(), tuning, adapter })
    }

    /// Whether tr H^2 is summed from the entries of H.
    pub(super) fn assembles(&self, problem: &Problem) -> bool {
        let hardware = self.adapter.summary().hardware;
        route::assembles(self.tuning.route, problem.network.shape, problem.data.samples(), hardware)
    }

    /// The training kernel for `problem`.
    pub(super) fn plan(&self, problem: &Problem) -> TrainPlan {
        self.tuning.plan.unwrap_or_else(|| TrainPlan::of(problem.network.shape))
    }

    /// The most loop iterations of an invocation, where the driver has such a limit.
    pub(super) fn loop_limit(&self) -> Option<u32> {
        self.adapter.loop_limit()
    }

    /// The most elements of four bytes that one binding holds.
    pub(super) fn binding_elements(&self) -> usize {
        let limits = self.device.limits();
        let bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        usize::try_from(bytes / 4).unwrap_or(usize::MAX)
    }

    /// The most networks whose arrays of `each` elements fit one binding, up to `wanted`.
    pub(super) fn fitting(&self, what: &str, each: usize, wanted: usize) -> Result<usize, EngineError> {
        let room = self.binding_elements();
        match room / each.max(1) {
            0 => Err(EngineError::Limit(format!(
                "{what} needs {} MiB for a single network, but {} binds at most {} MiB at once \
                 (max_storage_buffer_binding_size): use fewer samples or hidden units, or --backend cpu",
                (each * 4).div_ceil(1 << 20),
                self.adapter.summary().name,
                room * 4 / (1 << 20),
            ))),
            fitting => Ok(fitting.min(wanted)),
        }
    }
}
