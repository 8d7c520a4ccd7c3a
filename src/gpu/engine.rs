//! The GPU behind the [`Engine`] interface.

use std::ops::Range;
use std::time::Duration;

use ndarray::ArrayView2;

use super::adapter::Adapter;
use super::capacity::Capacity;
use super::clock::Clock;
use super::compiled::{CompileTime, TextChange};
use super::layers::{LayerPlan, LayerTarget, check_layers, evaluate_layers, layer_spectrum, train_layers};
use super::limits::WORKGROUP;
use super::outputs::PassOutputs;
use super::pass::Pass;
use super::plan::{Target, TrainPlan};
use super::session::{Session, Tuning, trace_sq_pass};
use super::shader::code_hash;
use super::{evaluate, spectrum, train};
use crate::engine::{
    Descent, Description, EndEstimates, Engine, EngineError, Evaluation, ExactRoute, HessianMoments, Machine, Powers,
    ProvenEnds, Route, Spectra, Start, Stop, Tasks, Trained,
};
use crate::model::{MAX_PARAMETERS, PaperProblem, Problem, Theta};

/// The revision of this engine's numerics. Raise it with every change after which a column may hold other bits than
/// before, whether on the device, in what the host does with its results, or in what the processor computes beside the
/// engine. Runs of another revision are then neither continued nor merged, which would give columns of two kinds. The
/// hash of the shaders' text shows a change of that text by itself. Revision 1 was never recorded: runs of that time
/// read as 0.
const REVISION: u32 = 2;

/// The GPU engine on one open device.
#[derive(Debug)]
pub struct Gpu(Session);

impl Gpu {
    /// Opens `adapter`.
    ///
    /// # Errors
    /// [`EngineError::NoAdapter`] if the driver does not give a device.
    pub fn new(adapter: Adapter, tuning: Tuning) -> Result<Self, EngineError> {
        Ok(Self(Session::open(adapter, tuning, None)?))
    }

    /// Opens `adapter` to compile other texts of passes: to try a kernel, or to see that a check notices a wrong one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_texts(adapter: Adapter, tuning: Tuning, change: TextChange) -> Result<Self, EngineError> {
        Ok(Self(Session::open(adapter, tuning, Some(change))?))
    }

    /// Times every pass from now on by the device's own clock, where it has one. The waits for it slow the engine down
    /// a little.
    ///
    /// # Errors
    /// [`EngineError`] if the driver refuses what the clock needs.
    pub fn start_clock(&mut self) -> Result<(), EngineError> {
        self.0.device.start_clock()
    }

    /// The route to tr H^2 that an evaluation of `problem` takes.
    pub fn route(&self, problem: &PaperProblem<'_>) -> ExactRoute {
        self.0.route(problem)
    }

    /// The training kernel that a sweep of `problem` takes.
    pub fn plan(&self, problem: &PaperProblem<'_>) -> TrainPlan {
        self.0.plan(problem)
    }

    /// How long the driver took for every pass that was compiled so far, in order.
    pub fn compile_times(&self) -> Vec<CompileTime> {
        self.0.compile_times()
    }

    /// Runs the passes of an evaluation at each row of `theta` (S, D), both routes to tr H^2 and those of a spectrum,
    /// and reads back what each of them leaves.
    ///
    /// # Errors
    /// [`EngineError`] if the forward pass fails, which all others stand on; each of these has its own.
    pub fn pass_outputs(&self, problem: &PaperProblem<'_>, theta: Theta<'_>) -> Result<PassOutputs, EngineError> {
        PassOutputs::of(&self.0, problem, theta)
    }

    /// Measures what the device can do at most, in about half a second.
    ///
    /// # Errors
    /// [`EngineError`] if the device fails.
    pub fn capacity(&self) -> Result<Capacity, EngineError> {
        Capacity::measured(&self.0.device)
    }

    /// Trains the networks of `start` by the kernels that take them.
    fn descend(&self, problem: &Problem, descent: &Descent, start: &Start<'_>) -> Result<Trained, EngineError> {
        match problem.paper() {
            Some(problem) => train::train(&self.0, &problem, descent, start),
            None => train_layers(&self.0, problem, descent, start),
        }
    }

    /// The passes that decide the results of a run of `tasks` on `problem`: [`Pass::Remaining`] decides none.
    fn passes(&self, problem: &PaperProblem<'_>, tasks: Tasks) -> Vec<Pass> {
        let mut passes = vec![Pass::Terms, Pass::Gradient, Pass::Trace, trace_sq_pass(self.0.route(problem))];
        if tasks.train {
            passes.extend([Pass::Seeds, self.0.plan(problem).pass()]);
        }
        if tasks.spectrum {
            passes.extend([Pass::Hessian, Pass::Eigenvalues]);
        }
        passes
    }

    /// Loses the device as if the driver had reset it, for tests of the recovery.
    pub fn lose_device(&self) {
        self.0.device.destroy();
    }
}

impl Engine for Gpu {
    fn machine(&self) -> Machine {
        let summary = self.0.adapter.summary();
        Machine {
            engine: "gpu".into(),
            precision: "f32".into(),
            device: summary.label(),
            driver: summary.driver.clone(),
            id: summary.id.clone(),
        }
    }

    fn description(&self, problem: &Problem, tasks: Tasks) -> Description {
        let mut description = Description {
            machine: self.machine(),
            revision: REVISION,
            code_hash: String::new(),
            plan: String::new(),
            route: Route::Pairwise,
        };
        match problem.paper() {
            Some(problem) => {
                let target = Target { decays: tasks.weight_decay, ..self.0.target(&problem) };
                description.code_hash = code_hash(&self.passes(&problem, tasks), target);
                description.route = self.route(&problem).into();
                if tasks.train {
                    description.plan = self.0.plan(&problem).in_words(target);
                }
            }
            None => {
                let target = LayerTarget { decays: tasks.weight_decay, ..self.0.layer_target(problem) };
                description.code_hash = code_hash(&layer_passes(target, tasks), target);
                description.route = Route::Assembled;
                if tasks.train {
                    description.plan = LayerPlan::of(target).in_words(target);
                }
            }
        }
        description
    }

    fn batch_size(&self, problem: &Problem) -> Result<usize, EngineError> {
        let (shape, parameters) = (problem.network.shape, problem.network.parameters());
        if parameters > MAX_PARAMETERS {
            return Err(EngineError::Limit(format!(
                "a network of the widths {shape} has {parameters} parameters; at most {MAX_PARAMETERS} are supported"
            )));
        }
        match problem.paper() {
            Some(problem) => {
                self.0.fitting("the sample array", problem.data.samples() * (shape.inputs() + 1), 1)?;
                evaluate::networks_at_once(&self.0, &problem)?;
            }
            None => check_layers(&self.0, problem)?,
        }
        self.0.fitting("theta", parameters, 1 << 16)
    }

    fn smallest_batch(&self) -> usize {
        WORKGROUP
    }

    fn device_time(&self) -> Option<Duration> {
        self.0.device.clock().map(Clock::total)
    }

    fn stop_on(&mut self, stop: &Stop) {
        self.0.device.stop_on(stop);
    }

    fn train(&mut self, problem: &Problem, descent: &Descent, seeds: Range<u64>) -> Result<Trained, EngineError> {
        self.descend(problem, descent, &Start::Seeds(seeds))
    }

    fn train_on(
        &mut self,
        problem: &Problem,
        descent: &Descent,
        theta: ArrayView2<'_, f32>,
        taken: u32,
    ) -> Result<Trained, EngineError> {
        self.descend(problem, descent, &Start::at(theta, taken, problem.network.parameters(), descent)?)
    }

    fn evaluates_in_f64(&self) -> bool {
        false
    }

    fn evaluate(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Evaluation, EngineError> {
        match problem.paper() {
            Some(problem) => evaluate::evaluate(&self.0, &problem, theta),
            None => evaluate_layers(&self.0, problem, theta),
        }
    }

    fn spectrum(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Spectra, EngineError> {
        match problem.paper() {
            Some(problem) => spectrum::spectrum(&self.0, &problem, theta),
            None => layer_spectrum(&self.0, problem, theta),
        }
    }

    fn moments(
        &mut self,
        _problem: &Problem,
        _theta: Theta<'_>,
        _powers: Powers,
    ) -> Result<Vec<HessianMoments>, EngineError> {
        Err(EngineError::Limit(NO_BRACKETS.into()))
    }

    fn prove(
        &mut self,
        _problem: &Problem,
        _theta: Theta<'_>,
        _estimates: &[EndEstimates],
    ) -> Result<Vec<ProvenEnds>, EngineError> {
        Err(EngineError::Limit(NO_BRACKETS.into()))
    }
}

/// The passes that decide the results of a run of `tasks` on networks of any depth.
fn layer_passes(target: LayerTarget, tasks: Tasks) -> Vec<Pass> {
    let mut passes = vec![Pass::LayerTerms, Pass::LayerGradient, Pass::LayerSums, Pass::LayerTraceSq];
    if tasks.train {
        passes.extend([Pass::Seeds, LayerPlan::of(target).pass()]);
    }
    if tasks.spectrum {
        passes.extend([Pass::LayerHessian, Pass::Eigenvalues]);
    }
    passes
}

/// A bracket is as wide at least as twice the error of its Hessian: in f32 that is a part of a percent for half of the
/// trained networks, and more for the rest.
const NO_BRACKETS: &str =
    "the GPU engine computes in f32, which is too coarse for brackets: take those of the CPU engine";
