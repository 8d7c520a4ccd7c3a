//! The interface that every engine implements, and the values that go in and come out.
//!
//! An engine trains networks from seeds and evaluates the closed forms at given weights. The reference, the CPU engine
//! and the GPU engine implement [`Engine`]; none of them knows another.

mod closed_forms;
mod moments;
mod rounding;
mod spectra;
mod start;
mod stop;

use std::ops::Range;
use std::time::Duration;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::model::{Problem, Theta};
use crate::room::NoRoom;

pub use closed_forms::{ClosedForms, Evaluation, LayerTraces};
pub(crate) use moments::Proof;
pub use moments::{EndEstimates, HessianMoments, Powers, ProvenEnds, Rayleigh};
pub use rounding::Rounding;
pub(crate) use rounding::{Arithmetic, FormOperations, Spread, UNIT};
pub(crate) use spectra::{Allowed, Witnesses};
pub use spectra::{MissingSpectrum, Spectra};
pub(crate) use start::Start;
pub use stop::Stop;

/// The rule by which networks are trained: theta_0 ~ U(-a, a)^D, then theta <- theta - eta g with g = dL/dtheta + alpha
/// theta, the gradient of the objective L + alpha |theta|^2 / 2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Descent {
    /// a, the half-width of the interval that initial weights are drawn from.
    pub init_range: f32,
    /// eta, the step size.
    pub step_size: f64,
    /// T, the most steps a network takes.
    pub max_steps: u32,
    /// A network has converged once g.g, the squared norm of the objective's gradient, falls below this.
    pub tolerance: f64,
    /// alpha, the weight decay; 0 for training on the loss alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight_decay: f64,
}

/// Whether a number is 0, as it is where nothing was asked for: then no manifest names it.
pub(crate) fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

impl Default for Descent {
    /// The paper's Appendix C, with the step size fitted to its published convergence counts.
    fn default() -> Self {
        Self { init_range: 10.0, step_size: 0.1, max_steps: 10_000, tolerance: 1e-3, weight_decay: 0.0 }
    }
}

impl Descent {
    /// Why a descent ends at a point with this g.g after `steps` steps; `None` if it goes on. All engines follow this
    /// one rule.
    pub fn verdict(&self, gradient_sq: f64, steps: u32) -> Option<Status> {
        let step_limit = || (steps == self.max_steps).then_some(Status::StepLimit);
        Status::of_gradient(gradient_sq, self.tolerance).or_else(step_limit)
    }

    /// The smallest f32 that is not below the tolerance: an f32 is below one of the two exactly if it is below the
    /// other.
    pub fn tolerance_in_f32(&self) -> f32 {
        let nearest = self.tolerance as f32;
        if f64::from(nearest) < self.tolerance { nearest.next_up() } else { nearest }
    }
}

/// Which of the two exact routes to tr H^2 an evaluation takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// The one that is faster for the problem's sizes.
    #[default]
    Auto,
    /// The forms Phi, Psi and Omega of every pair of samples (paper, Theorem 5): for wide networks on few samples.
    Pairwise,
    /// The Hessian's distinct entries, squared and summed: for narrow networks or many samples.
    Assembled,
}

/// A route to tr H^2 that an evaluation takes: what [`Route::Auto`] stands for at given sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactRoute {
    /// As [`Route::Pairwise`].
    Pairwise,
    /// As [`Route::Assembled`].
    Assembled,
}

impl Route {
    /// The route that is taken, where `faster` finds the faster one.
    pub(crate) fn or_faster(self, faster: impl FnOnce() -> ExactRoute) -> ExactRoute {
        match self {
            Self::Auto => faster(),
            Self::Pairwise => ExactRoute::Pairwise,
            Self::Assembled => ExactRoute::Assembled,
        }
    }
}

impl From<ExactRoute> for Route {
    fn from(route: ExactRoute) -> Self {
        match route {
            ExactRoute::Pairwise => Self::Pairwise,
            ExactRoute::Assembled => Self::Assembled,
        }
    }
}

/// How a network's training ended, or that it was only evaluated. The number is what the `status` column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// g.g fell below the tolerance.
    Converged = 0,
    /// The step limit came first. For a network trained elsewhere: g.g is not below the tolerance.
    StepLimit = 1,
    /// g.g or a weight left the range of the engine's numbers (3.4e38 for f32), or became NaN.
    NonFinite = 2,
    /// Trained elsewhere and only evaluated; no rule was given to judge it by.
    Evaluated = 3,
    /// Not trained yet; occurs only in a run directory that is still being written.
    Pending = 255,
}

impl Status {
    /// The verdict from g.g alone: non-finite, or converged if it is below `tolerance`; `None` if neither.
    pub fn of_gradient(gradient_sq: f64, tolerance: f64) -> Option<Self> {
        if !gradient_sq.is_finite() {
            Some(Self::NonFinite)
        } else if gradient_sq < tolerance {
            Some(Self::Converged)
        } else {
            None
        }
    }

    /// Whether the network counts as a critical point: it converged, or it was trained elsewhere and no rule judges it.
    pub fn is_critical_point(self) -> bool {
        matches!(self, Self::Converged | Self::Evaluated)
    }

    /// The status that a column stores as `number`.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Converged),
            1 => Some(Self::StepLimit),
            2 => Some(Self::NonFinite),
            3 => Some(Self::Evaluated),
            255 => Some(Self::Pending),
            _ => None,
        }
    }
}

/// A trained batch of S networks, in seed order.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Where each descent ended, (S, D).
    pub theta: Array2<f32>,
    /// Why it ended, (S,).
    pub status: Vec<Status>,
    /// Steps taken, (S,).
    pub steps: Vec<u32>,
}

/// What an engine is and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `reference`, `cpu` or `gpu`.
    pub engine: String,
    /// The floating-point types: `f64`, `f32`, or `f32, closed forms f64`.
    pub precision: String,
    /// The processor or graphics adapter.
    pub device: String,
    /// Driver and version of the adapter; for CPU engines the instruction set.
    pub driver: String,
    /// The bus or device id that tells the graphics adapter from others of the same name; empty for a processor, and in
    /// runs from before it was recorded. Equal adapters give equal bits, so no result depends on it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
}

/// What computes the columns of a run: everything besides the inputs that may change a bit of them. Every manifest
/// stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The engine and where it runs.
    #[serde(flatten)]
    pub machine: Machine,
    /// The revision of the engine's numerics. It is raised with every change that may alter a bit of a column, on the
    /// device, in the engine or in what the processor computes beside it: runs of another revision are neither resumed
    /// nor merged, so no column mixes revisions. 0 means that none was recorded, as in runs from before there were
    /// revisions (1 never was), or that there were several, as in a merged run.
    #[serde(default)]
    pub revision: u32,
    /// A hash of the shader texts that the run uses on the GPU; empty for other engines.
    pub code_hash: String,
    /// How training spreads a network over the GPU's invocations, in words: sums round by it. Empty for other engines,
    /// without training, and in runs from before it was recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// The route taken to tr H^2; `auto` only in old runs, and in merged runs whose parts took different routes.
    #[serde(default)]
    pub route: Route,
}

/// Which parts of an engine a run uses besides the closed forms, which every run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tasks {
    /// Training.
    pub train: bool,
    /// With weight decay.
    pub weight_decay: bool,
    /// The spectrum.
    pub spectrum: bool,
}

impl Description {
    /// That of an engine on the processor, which has neither shaders nor plans.
    pub(crate) fn of_processor(machine: Machine, revision: u32, route: Route) -> Self {
        Self { machine, revision, code_hash: String::new(), plan: String::new(), route }
    }

    /// How the engine `now` differs from this one where that may change a bit of a result: one text per difference,
    /// with both sides. The number of threads does not count, since no result depends on it.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let (a, b) = (&self.machine, &now.machine);
        let same_device = a.device == b.device || (a.on_processor() && b.on_processor());
        let revision = |description: &Self| match description.revision {
            0 => "none recorded".into(),
            revision => revision.to_string(),
        };
        let route = |description: &Self| format!("{:?}", description.route).to_lowercase();
        [
            ("engine", a.engine.clone(), b.engine.clone()),
            ("precision", a.precision.clone(), b.precision.clone()),
            ("device", a.device.clone(), if same_device { a.device.clone() } else { b.device.clone() }),
            ("driver", a.driver.clone(), b.driver.clone()),
            ("revision of the numerics", revision(self), revision(now)),
            ("training plan", self.plan.clone(), now.plan.clone()),
            ("code", self.code_hash.clone(), now.code_hash.clone()),
            ("route to tr H^2", route(self), route(now)),
        ]
        .iter()
        .filter(|(_, then, now)| then != now)
        .map(|(what, then, now)| format!("{what}: `{then}` there, `{now}` here"))
        .collect()
    }
}

impl Machine {
    fn on_processor(&self) -> bool {
        matches!(self.engine.as_str(), "cpu" | "reference")
    }
}

/// Why an engine could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No adapter fits the request.
    #[error("{0}")]
    NoAdapter(String),
    /// The problem does not fit the device.
    #[error("{0}")]
    Limit(String),
    /// The device has no memory left for the batch.
    #[error("the device is out of memory: {0}")]
    OutOfMemory(String),
    /// The device was lost.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    /// The driver refused a program or a command.
    #[error("the graphics driver refused a command: {0}")]
    Device(String),
    /// The problem does not fit this machine's memory.
    #[error("{0}: use fewer samples, inputs or hidden units")]
    Room(#[from] NoRoom),
    /// A [`Stop`] was requested.
    #[error("stopped")]
    Stopped,
}

/// Trains and evaluates batches of networks.
///
/// Results do not depend on how seeds are grouped into batches.
pub trait Engine: Send {
    /// What this engine is and where it runs.
    fn machine(&self) -> Machine;

    /// What computes a run of `tasks` on `problem`: two runs with equal inputs and descriptions have equal columns.
    fn description(&self, problem: &Problem, tasks: Tasks) -> Description;

    /// The most networks of `problem` that one call should train or evaluate: more would not be faster or would not
    /// fit.
    ///
    /// # Errors
    /// [`EngineError::Limit`] if not even one network fits the engine, [`EngineError::Room`] if it does not fit this
    /// machine's memory.
    fn batch_size(&self, problem: &Problem) -> Result<usize, EngineError>;

    /// The fewest networks that keep the whole engine busy: fewer take just as long in one call.
    fn smallest_batch(&self) -> usize;

    /// How long the device has worked since its clock was started, by that clock and without transfers; `None` without
    /// a clock.
    fn device_time(&self) -> Option<Duration> {
        None
    }

    /// From now on every call ends soon after `stop` is requested, with [`EngineError::Stopped`].
    fn stop_on(&mut self, stop: &Stop);

    /// Trains the networks of `seeds` from their theta_0 until each has converged, diverged or taken all its steps.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails or the batch does not fit.
    fn train(&mut self, problem: &Problem, descent: &Descent, seeds: Range<u64>) -> Result<Trained, EngineError>;

    /// Continues the training of networks that [`Self::train`] left at the rows of `theta` (S, D) after `taken` steps
    /// each, until each has converged, diverged or taken `descent.max_steps` steps in all. The result is the same, bit
    /// for bit, as that of training in one go.
    ///
    /// # Errors
    /// Those of [`Self::train`]. [`EngineError::Limit`] from an engine that knows more about a network than `theta`
    /// holds, if `theta` does not fit `problem`, or if `taken` exceeds `descent.max_steps`.
    fn train_on(
        &mut self,
        problem: &Problem,
        descent: &Descent,
        theta: ArrayView2<'_, f32>,
        taken: u32,
    ) -> Result<Trained, EngineError>;

    /// Whether closed forms and spectra are computed in f64. If not, theta and the data are first rounded to the
    /// nearest f32.
    fn evaluates_in_f64(&self) -> bool;

    /// Evaluates loss, gradient norm and traces at each row of `theta` (S, D), with bounds of how far rounding may have
    /// moved the traces.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails or the batch does not fit.
    fn evaluate(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Evaluation, EngineError>;

    /// The largest and the smallest eigenvalue of the Hessian at each row of `theta` (S, D), from all eigenvalues of
    /// its closed form. A row whose Hessian is not finite, or whose eigenvalues fail a check, holds NaN and is listed
    /// as missing.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails, or when D exceeds what the engine takes.
    fn spectrum(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Spectra, EngineError>;

    /// The moments of the Hessian at each row of `theta` (S, D), which a bracket of its extreme eigenvalues is formed
    /// from.
    ///
    /// # Errors
    /// [`EngineError`] when D exceeds what the engine takes, and from an engine that does not evaluate in f64.
    fn moments(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        powers: Powers,
    ) -> Result<Vec<HessianMoments>, EngineError>;

    /// Proves how far lambda_1 and lambda_D of the Hessian at each row of `theta` (S, D) are at most from `estimates`
    /// of them (S,).
    ///
    /// # Errors
    /// Those of [`Self::moments`].
    fn prove(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        estimates: &[EndEstimates],
    ) -> Result<Vec<ProvenEnds>, EngineError>;
}

#[cfg(test)]
mod tests {
    use super::{Descent, Status};

    #[test]
    fn tolerance_is_rounded_up_so_that_the_test_stays_exact() {
        for tolerance in [1e-3, 0.1, 0.7, 1.0, 1.0 + 1e-12, 0.0, 3e-39] {
            let up = Descent { tolerance, ..Descent::default() }.tolerance_in_f32();
            assert!(f64::from(up) >= tolerance, "{tolerance}");
            assert!(tolerance == 0.0 || f64::from(up.next_down()) < tolerance, "{tolerance}");
        }
    }

    #[test]
    fn the_verdict_looks_at_the_gradient_before_the_steps() {
        let descent = Descent { max_steps: 3, tolerance: 0.5, ..Descent::default() };
        assert_eq!(descent.verdict(0.5, 2), None);
        assert_eq!(descent.verdict(0.5, 3), Some(Status::StepLimit));
        assert_eq!(descent.verdict(0.25, 3), Some(Status::Converged));
        assert_eq!(descent.verdict(f64::NAN, 3), Some(Status::NonFinite));
        assert_eq!(descent.verdict(f64::INFINITY, 0), Some(Status::NonFinite));
    }
}
