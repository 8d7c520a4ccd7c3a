//! How networks are polished.

use serde::{Deserialize, Serialize};

/// The way from the weights where training stopped to a critical point of the objective.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum PolishMode {
    /// Downhill, past every saddle, by Newton steps in a trust region.
    #[default]
    Descend,
    /// To the nearest critical point of any index, by damped steps on the norm of the gradient.
    Nearest {
        /// The farthest that it looks: the Euclidean distance of the weights from where they started.
        radius: f64,
    },
}

impl PolishMode {
    /// How far [`Self::Nearest`] looks unless another radius is asked for.
    pub const RADIUS: f64 = 10.0;
}

/// How networks are polished, and what counts as arrived.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Polish {
    /// The way.
    #[serde(flatten)]
    pub mode: PolishMode,
    /// The most steps tried.
    pub max_steps: u32,
    /// The largest |g| of a critical point, as a part of 1 + ||H||_F; H and g are those of the objective.
    pub tolerance: f64,
}

impl Default for Polish {
    fn default() -> Self {
        Self { mode: PolishMode::Descend, max_steps: 1000, tolerance: 1e-12 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Polish, PolishMode};

    #[test]
    fn a_manifest_names_the_radius_of_the_way_that_has_one_and_may_hold_it_for_the_other() {
        let written = |how: &Polish| serde_json::to_string(how).unwrap();
        let descend = Polish::default();
        assert_eq!(written(&descend), r#"{"mode":"descend","max_steps":1000,"tolerance":1e-12}"#);
        let nearest = Polish { mode: PolishMode::Nearest { radius: 2.5 }, ..descend };
        assert_eq!(written(&nearest), r#"{"mode":"nearest","radius":2.5,"max_steps":1000,"tolerance":1e-12}"#);
        for (text, how) in [
            (written(&descend), descend),
            (written(&nearest), nearest),
            (r#"{"mode":"descend","max_steps":1000,"tolerance":1e-12,"radius":10.0}"#.into(), descend),
            (r#"{"mode":"nearest","max_steps":1000,"tolerance":1e-12,"radius":2.5}"#.into(), nearest),
        ] {
            assert_eq!(serde_json::from_str::<Polish>(&text).unwrap(), how, "{text}");
        }
    }
}
