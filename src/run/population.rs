//! The networks of a run by how they ended, and which of them a number is over.

use serde::{Deserialize, Serialize};

use crate::engine::Status;
use crate::polish::End;

/// How many networks ended with each [`Status`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCounts {
    /// g.g fell below the tolerance.
    pub converged: u64,
    /// The most steps were taken before that; for networks trained elsewhere: g.g is not below the tolerance.
    pub step_limit: u64,
    /// g.g overflowed or became NaN.
    pub non_finite: u64,
    /// Trained elsewhere and evaluated, without a rule that would judge them.
    #[serde(default)]
    pub evaluated: u64,
}

impl StatusCounts {
    /// Counts networks by their numbers in the `status` column.
    pub(crate) fn count(&mut self, status: &[u8]) {
        for &number in status {
            match Status::from_number(number) {
                Some(Status::Converged) => self.converged += 1,
                Some(Status::StepLimit) => self.step_limit += 1,
                Some(Status::NonFinite) => self.non_finite += 1,
                Some(Status::Evaluated) => self.evaluated += 1,
                Some(Status::Pending) | None => {}
            }
        }
    }

    /// All networks that are counted: those whose rows are written.
    pub fn ended(&self) -> u64 {
        self.converged + self.step_limit + self.non_finite + self.evaluated
    }
}

/// How many networks of a population came to each [`End`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndCounts {
    /// At a minimum.
    pub minimum: u64,
    /// At a saddle.
    pub saddle: u64,
    /// In a valley, whose weights run to infinity.
    pub valley: u64,
    /// Beyond the radius in which the nearest critical point was looked for.
    pub left_radius: u64,
    /// Nowhere yet.
    pub unfinished: u64,
}

impl EndCounts {
    /// Counts networks of the population `over` by their numbers in the `end` and `status` columns.
    pub(crate) fn count(&mut self, over: Population, ends: &[u8], status: &[u8]) {
        for (&end, _) in ends.iter().zip(status).filter(|(_, status)| over.holds(**status)) {
            match End::from_number(end) {
                Some(End::Minimum) => self.minimum += 1,
                Some(End::Saddle) => self.saddle += 1,
                Some(End::Valley) => self.valley += 1,
                Some(End::LeftRadius) => self.left_radius += 1,
                Some(End::Unfinished) | None => self.unfinished += 1,
            }
        }
    }
}

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

    /// Whether it holds a network with this number in its `status` column.
    pub fn holds(self, status: u8) -> bool {
        match Status::from_number(status) {
            Some(Status::Converged) => true,
            Some(Status::StepLimit | Status::Evaluated) => self == Self::All,
            Some(Status::NonFinite | Status::Pending) | None => false,
        }
    }

    /// How many of the counted networks it holds.
    pub fn size(self, counts: &StatusCounts) -> u64 {
        match self {
            Self::Converged => counts.converged,
            Self::All => counts.converged + counts.step_limit + counts.evaluated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Population, StatusCounts};

    #[test]
    fn a_population_counts_the_networks_that_it_holds() {
        let status = [0, 0, 1, 2, 2, 2, 3, 3, 3, 3, 255, 7];
        let mut counts = StatusCounts::default();
        counts.count(&status);
        for over in [Population::Converged, Population::All] {
            let members = status.iter().filter(|&&status| over.holds(status)).count() as u64;
            assert_eq!(over.size(&counts), members, "{over:?}");
        }
        assert_eq!((Population::All.size(&counts), counts.ended()), (7, 10));
    }
}
