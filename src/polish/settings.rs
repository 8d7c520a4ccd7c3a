//! How networks are polished.

use serde::{Deserialize, Serialize};

/// The way from the weights where training stopped to a critical point of the objective.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum PolishMode {
    /// Downhill, past every saddle, by Newton steps in a trust region
    #[default]
    Descend,
    /// To the nearest critical point of any index, by damped steps on the norm of the gradient
    Nearest,
}

/// How networks are polished, and what counts as arrived.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Polish {
    /// The way.
    pub mode: PolishMode,
    /// The most steps tried.
    pub max_steps: u32,
    /// The largest |g| of a critical point, as a part of 1 + ||H||_F; H and g are those of the objective.
    pub tolerance: f64,
    /// The farthest that [`PolishMode::Nearest`] looks: the Euclidean distance of the weights from where they started.
    pub radius: f64,
}

impl Default for Polish {
    fn default() -> Self {
        Self { mode: PolishMode::Descend, max_steps: 1000, tolerance: 1e-12, radius: 10.0 }
    }
}
