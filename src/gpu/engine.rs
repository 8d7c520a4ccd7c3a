//! The GPU behind the [`Engine`] interface.

use std::ops::Range;
use std::time::Duration;

use ndarray::ArrayView2;

use super::clock::Clock;
use super::device::Device;
use super::kernel::{Kernels, WORKGROUP};
use super::shader::{Pass, code_hash};
use super::{Adapter, TrainPlan, evaluate, route, spectrum, train};
use crate::engine::{
    Descent, Description, Engine, EngineError, Evaluation, Machine, Route, Spectra, Start, Stop, Tasks, Trained,
};
use crate::model::{MAX_PARAMETERS, Problem};

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

/// The revision of this engine's numerics. Raise it with every change after which a column may hold other bits than before, whether
/// on the device, in what the host does with its results, or in what the processor computes beside the engine: runs of another
/// revision are then neither gone on with nor merged with, instead of ending in columns of two kinds. The hash of the shaders' text
/// notices a change of that text by itself. Revision 1 was never recorded: runs of then read as 0.
const REVISION: u32 = 2;

/// The GPU engine on one open device.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: Device,
    pub(super) kernels: Kernels,
    pub(super) tuning: Tuning,
    adapter: Adapter,
}

impl Gpu {
    /// Opens `adapter`.
    ///
    /// # Errors
    /// [`EngineError::NoAdapter`] if the driver does not give a device.
    pub fn new(adapter: Adapter, tuning: Tuning) -> Result<Self, EngineError> {
        Ok(Self { device: Device::open(&adapter)?, kernels: Kernels::default(), tuning, adapter })
    }

    /// Times every pass from now on by the device's own clock, where it has one; the waits for it slow the engine down a little.
    ///
    /// # Errors
    /// [`EngineError`] if the driver refuses what the clock needs.
    pub fn start_clock(&mut self) -> Result<(), EngineError> {
        self.device.start_clock()
    }

    /// How long all passes since [`Self::start_clock`] took on the device, without transfers; `None` without a clock.
    pub fn device_time(&self) -> Option<Duration> {
        self.device.clock().map(Clock::total)
    }

    /// The route to tr H^2 that an evaluation of `problem` takes.
    pub fn route(&self, problem: &Problem) -> Route {
        if self.assembles(problem) { Route::Assembled } else { Route::Pairwise }
    }

    /// Whether that is the assembled one.
    pub(super) fn assembles(&self, problem: &Problem) -> bool {
        let hardware = self.adapter.summary().hardware;
        route::assembles(self.tuning.route, problem.shape, problem.data.samples(), hardware)
    }

    /// The training kernel for `problem`.
    pub(super) fn plan(&self, problem: &Problem) -> TrainPlan {
        self.tuning.plan.unwrap_or_else(|| TrainPlan::of(problem.shape))
    }

    /// The passes that a run of `tasks` on `problem` goes through.
    fn passes(&self, problem: &Problem, tasks: Tasks) -> Vec<Pass> {
        let mut passes = vec![Pass::Terms, Pass::Gradient, Pass::Trace];
        passes.push(if self.assembles(problem) { Pass::TraceSqAssembled } else { Pass::TraceSq });
        if tasks.train {
            passes.extend([Pass::Seeds, self.plan(problem).pass()]);
        }
        if tasks.spectrum {
            passes.extend([Pass::Hessian, Pass::Eigenvalues]);
        }
        passes
    }

    /// The most loop iterations of an invocation, where the driver has such a limit.
    pub(super) fn loop_limit(&self) -> Option<u32> {
        self.adapter.loop_limit()
    }

    /// Loses the device, as a driver that resets it would: what a test of the recovery from that needs.
    pub fn lose_device(&self) {
        self.device.destroy();
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

impl Engine for Gpu {
    fn machine(&self) -> Machine {
        let summary = self.adapter.summary();
        Machine {
            engine: "gpu".into(),
            precision: "f32".into(),
            device: format!("{} ({}, {})", summary.name, summary.kind, summary.backend),
            driver: summary.driver.clone(),
        }
    }

    fn description(&self, problem: &Problem, tasks: Tasks) -> Description {
        Description {
            machine: self.machine(),
            revision: REVISION,
            code_hash: code_hash(&self.passes(problem, tasks), problem),
            route: self.route(problem),
        }
    }

    fn batch_size(&self, problem: &Problem) -> Result<usize, EngineError> {
        let parameters = problem.shape.parameters();
        if parameters > MAX_PARAMETERS {
            return Err(EngineError::Limit(format!(
                "a network of M = {} inputs and N = {} hidden units has {parameters} parameters; at most {MAX_PARAMETERS} are \
                 supported",
                problem.shape.inputs, problem.shape.hidden
            )));
        }
        self.fitting("the sample array", problem.data.samples() * (problem.shape.inputs + 1), 1)?;
        evaluate::networks_at_once(self, problem)?;
        self.fitting("theta", parameters, 1 << 16)
    }

    fn smallest_batch(&self) -> usize {
        WORKGROUP
    }

    fn stop_on(&mut self, stop: &Stop) {
        self.device.stop_on(stop);
    }

    fn train(&mut self, problem: &Problem, descent: &Descent, seeds: Range<u64>) -> Result<Trained, EngineError> {
        train::train(self, problem, descent, &Start::Seeds(seeds))
    }

    fn train_on(
        &mut self,
        problem: &Problem,
        descent: &Descent,
        theta: ArrayView2<'_, f32>,
        taken: u32,
    ) -> Result<Trained, EngineError> {
        train::train(self, problem, descent, &Start::at(theta, taken, problem.shape, descent)?)
    }

    fn evaluates_in_f64(&self) -> bool {
        false
    }

    fn evaluate(&mut self, problem: &Problem, theta: ArrayView2<'_, f64>) -> Result<Evaluation, EngineError> {
        evaluate::evaluate(self, problem, theta)
    }

    fn spectrum(&mut self, problem: &Problem, theta: ArrayView2<'_, f64>) -> Result<Spectra, EngineError> {
        spectrum::spectrum(self, problem, theta)
    }
}

/// The samples as the shaders read them: rows of \[x_1 .. x_M, q\], f32.
pub(super) fn packed_samples(problem: &Problem) -> Vec<f32> {
    let data = &problem.data;
    data.x()
        .rows()
        .into_iter()
        .zip(data.q())
        .flat_map(|(x, &q)| x.to_vec().into_iter().chain([q]).map(|value| value as f32))
        .collect()
}
