//! An open device with what was compiled for it: what training, evaluations and spectra work on.

use std::sync::Arc;
use std::time::Duration;

use super::adapter::Adapter;
use super::compiled::{CompileTime, CompiledPass, CompiledPasses, TextChange};
use super::device::Device;
use super::layers::LayerTarget;
use super::pass::Pass;
use super::plan::{Target, TrainPlan};
use super::route::exact_route;
use super::shader::KernelTarget;
use crate::engine::{EngineError, ExactRoute, Route};
use crate::model::{PaperProblem, Problem};

/// How work is cut into dispatches, and which of the equivalent passes do it. Only another training kernel or another
/// route changes a result: it adds up in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// The time that one dispatch should take at most.
    pub dispatch: Duration,
    /// The most steps of one training dispatch.
    pub steps: u32,
    /// The most networks that train at once; others wait until one of them has finished.
    pub lanes: usize,
    /// The training kernel, or `None` for the one that suits the network, the samples and the adapter best.
    pub plan: Option<TrainPlan>,
    /// The route to tr H^2.
    pub route: Route,
}

impl Default for Tuning {
    fn default() -> Self {
        // 25 steps already hide the cost of a dispatch; more than some hundreds leave lanes idle whose networks have
        // finished.
        Self { dispatch: Duration::from_millis(50), steps: 256, lanes: 1 << 18, plan: None, route: Route::Auto }
    }
}

/// The open device and its compiled passes.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) device: Device,
    compiled: CompiledPasses,
    pub(super) tuning: Tuning,
    pub(super) adapter: Adapter,
}

impl Session {
    pub(super) fn open(adapter: Adapter, tuning: Tuning, change: Option<TextChange>) -> Result<Self, EngineError> {
        Ok(Self { device: Device::open(&adapter)?, compiled: CompiledPasses::new(change), tuning, adapter })
    }

    /// The route to tr H^2 that an evaluation of `problem` takes.
    pub(super) fn route(&self, problem: &PaperProblem<'_>) -> ExactRoute {
        let hardware = self.adapter.summary().hardware;
        exact_route(self.tuning.route, problem.network.shape, problem.data.samples(), hardware)
    }

    /// What kernels for `problem` are made for.
    pub(super) fn target(&self, problem: &PaperProblem<'_>) -> Target {
        Target::of(problem, self.adapter.family())
    }

    /// What kernels for networks of any depth are made for, as those of `problem`.
    pub(super) fn layer_target(&self, problem: &Problem) -> LayerTarget {
        LayerTarget::of(problem, self.adapter.family())
    }

    /// The training kernel for `problem`.
    pub(super) fn plan(&self, problem: &PaperProblem<'_>) -> TrainPlan {
        self.tuning.plan.unwrap_or_else(|| TrainPlan::of(self.target(problem)))
    }

    /// `pass` for `problem`, compiled.
    pub(super) fn pass(&self, pass: Pass, problem: &PaperProblem<'_>) -> Result<Arc<CompiledPass>, EngineError> {
        self.pass_for(pass, self.target(problem))
    }

    /// `pass` for `target`, compiled.
    pub(super) fn pass_for(&self, pass: Pass, target: impl KernelTarget) -> Result<Arc<CompiledPass>, EngineError> {
        self.compiled.get(&self.device, pass, target)
    }

    /// The time of every compilation so far, in order.
    pub(super) fn compile_times(&self) -> Vec<CompileTime> {
        self.compiled.times()
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

/// The pass of a route to tr H^2.
pub(super) const fn trace_sq_pass(route: ExactRoute) -> Pass {
    match route {
        ExactRoute::Pairwise => Pass::TraceSq,
        ExactRoute::Assembled => Pass::TraceSqAssembled,
    }
}
