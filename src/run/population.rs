//! Over which networks of a run a number is.

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::engine::Status;

/// The networks that a summary, a table or a quantile is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Population {
    /// The networks that converged
    Converged,
    /// Every network that is computed and finite: converged, at the step limit, or evaluated without a verdict
    All,
}

impl Population {
    /// Its name, as `--over` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::All => "all",
        }
    }

    /// Whether a network that ended as the number in the `status` column says is among them.
    pub fn holds(self, status: u8) -> bool {
        match Status::from_number(status) {
            Some(Status::Converged) => true,
            Some(Status::StepLimit | Status::Evaluated) => self == Self::All,
            Some(Status::NonFinite | Status::Pending) | None => false,
        }
    }

    /// How many of the networks that ended like this are among them.
    pub fn size(self, outcome: &Outcome) -> u64 {
        match self {
            Self::Converged => outcome.converged,
            Self::All => outcome.converged + outcome.step_limit + outcome.evaluated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Population;
    use crate::run::Outcome;

    #[test]
    fn a_population_counts_whom_it_holds() {
        let status = [0, 0, 1, 2, 2, 2, 3, 3, 3, 3, 255, 7];
        let mut outcome = Outcome::default();
        outcome.count(&status);
        for over in [Population::Converged, Population::All] {
            let held = status.iter().filter(|&&status| over.holds(status)).count() as u64;
            assert_eq!(over.size(&outcome), held, "{over:?}");
        }
        assert_eq!((Population::All.size(&outcome), outcome.ended()), (7, 10));
    }
}
