//! Which engine to take, and why.

use serde::{Deserialize, Serialize};

use crate::cpu::Cpu;
use crate::engine::{Description, Engine, EngineError, Route};
use crate::gpu::{Adapter, Gpu, Tuning, adapter_of, adapters, choose_adapter};
use crate::reference::Reference;

/// The user's choice of an engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// A hardware graphics adapter if there is one, else the CPU
    #[default]
    Auto,
    /// The graphics adapter, software ones included (f32)
    Gpu,
    /// The processor, many networks in SIMD lanes (f32; closed forms f64)
    Cpu,
    /// The processor, in plain code: the oracle that the others are checked against (f64, slow)
    Reference,
}

/// The engine that a user asks for.
#[derive(Debug, Clone, Default)]
pub struct EngineRequest {
    /// Where to compute; `None` leaves it to the machine, or to where a run was begun.
    pub backend: Option<Backend>,
    /// The graphics adapter, as [`choose_adapter`] takes it.
    pub adapter: Option<String>,
    /// How to compute tr H^2. [`Route::Auto`] leaves it to the sizes, or to how a run was begun.
    pub route: Route,
    /// The settings of a graphics adapter.
    pub tuning: Tuning,
}

impl EngineRequest {
    /// What is wrong with the request, whatever the machine is.
    pub fn contradiction(&self) -> Option<&'static str> {
        let processor = matches!(self.backend, Some(Backend::Cpu | Backend::Reference));
        (processor && self.adapter.is_some())
            .then_some("--adapter names a graphics adapter: use it with --backend gpu or auto")
    }

    /// Chooses the engine.
    ///
    /// # Errors
    /// As [`choose`].
    pub fn choose(&self) -> Result<Choice, EngineError> {
        choose(self.backend.unwrap_or_default(), self.adapter.as_deref(), self.route, self.tuning)
    }

    /// Chooses the engine that a run was begun with, as `begun` describes it, unless another one is asked for. For the
    /// route see [`Choice::as_begun`].
    ///
    /// # Errors
    /// As [`choose`], and [`EngineError::NoAdapter`] if the graphics adapter of the run is not there.
    pub fn choose_as(&self, begun: &Description) -> Result<Choice, EngineError> {
        if self.backend.is_some() || self.adapter.is_some() {
            return self.choose();
        }
        let backend = match begun.machine.engine.as_str() {
            "gpu" => return Ok(Choice::gpu(adapter_of(&begun.machine)?, self.route, self.tuning, BEGUN)),
            "cpu" => Backend::Cpu,
            "reference" => Backend::Reference,
            _ => Backend::Auto,
        };
        choose(backend, None, self.route, self.tuning)
    }
}

/// Why an engine is taken again.
const BEGUN: &str = "the run was begun on it";

/// A chosen engine that can be opened, and opened again after its device was lost.
#[derive(Debug, Clone)]
pub struct Choice {
    kind: EngineKind,
    route: Route,
    /// One line that says what was chosen and why.
    pub reason: String,
}

#[derive(Debug, Clone)]
enum EngineKind {
    Gpu { adapter: Box<Adapter>, tuning: Tuning },
    Cpu,
    Reference,
}

/// Resolves `backend`; `adapter` names the graphics adapter, as [`choose_adapter`] takes it.
///
/// # Errors
/// [`EngineError::NoAdapter`] if a graphics adapter is asked for by name or backend and none fits.
pub fn choose(backend: Backend, adapter: Option<&str>, route: Route, tuning: Tuning) -> Result<Choice, EngineError> {
    let gpu = |adapter: Adapter, why: &str| Choice::gpu(adapter, route, tuning, why);
    let cpu = |why: &str| {
        let cpu = Cpu::new(route).machine();
        let reason = format!("engine: cpu, {} ({}), {}: {why}", cpu.device, cpu.driver, cpu.precision);
        Choice { kind: EngineKind::Cpu, route, reason }
    };
    match (backend, adapter) {
        (Backend::Gpu, name) => Ok(gpu(choose_adapter(name)?, "asked for by --backend gpu")),
        (Backend::Auto, Some(name)) => Ok(gpu(choose_adapter(Some(name))?, "asked for by --adapter")),
        (Backend::Auto, None) => {
            let adapters = adapters();
            let hardware = adapters.iter().find(|adapter| adapter.summary().hardware);
            Ok(match (hardware, adapters.first()) {
                (Some(adapter), _) => gpu(adapter.clone(), "the first hardware adapter"),
                (None, Some(_)) => {
                    cpu("there is no graphics hardware, only a software adapter (--backend gpu takes it)")
                }
                (None, None) => cpu("there is no graphics adapter"),
            })
        }
        (Backend::Cpu, _) => Ok(cpu("asked for by --backend cpu")),
        (Backend::Reference, _) => {
            // Its one route is exact as well, so asking for the other is not an error.
            let pairs = if route == Route::Assembled { "; tr H^2 over pairs of samples, its only route" } else { "" };
            let reason = format!("engine: reference, f64, plain code: asked for by --backend reference{pairs}");
            Ok(Choice { kind: EngineKind::Reference, route, reason })
        }
    }
}

impl Choice {
    fn gpu(adapter: Adapter, route: Route, tuning: Tuning, why: &str) -> Self {
        let reason = format!("engine: gpu, {}, f32: {why}", adapter.summary().label());
        Self { kind: EngineKind::Gpu { adapter: Box::new(adapter), tuning }, route, reason }
    }

    /// The same engine with the route of the run that `begun` describes, unless a route was asked for.
    #[must_use]
    pub fn as_begun(&self, begun: &Description) -> Self {
        let route = if self.route == Route::Auto { begun.route } else { self.route };
        Self { route, ..self.clone() }
    }

    /// Opens the engine.
    ///
    /// # Errors
    /// [`EngineError`] if the driver does not give a device.
    pub fn open(&self) -> Result<Box<dyn Engine>, EngineError> {
        Ok(match &self.kind {
            EngineKind::Gpu { adapter, tuning } => {
                Box::new(Gpu::new(Adapter::clone(adapter), Tuning { route: self.route, ..*tuning })?)
            }
            EngineKind::Cpu => Box::new(Cpu::new(self.route)),
            EngineKind::Reference => Box::new(Reference::default()),
        })
    }
}
