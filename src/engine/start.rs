//! Where a batch of descents starts.

use std::ops::Range;

use ndarray::ArrayView2;

use super::{Descent, EngineError};

/// Where the descents of a batch start.
#[derive(Debug)]
pub(crate) enum Start<'a> {
    /// At theta_0 of each seed.
    Seeds(Range<u64>),
    /// At the weights where earlier steps ended.
    Theta {
        /// The weights, (S, D).
        theta: ArrayView2<'a, f32>,
        /// The steps that each network has taken.
        taken: u32,
    },
}

impl<'a> Start<'a> {
    /// At the rows of `theta`, networks of D = `parameters`, after `taken` steps of `descent`.
    ///
    /// # Errors
    /// [`EngineError::Limit`] if these do not fit each other.
    pub(crate) fn at(
        theta: ArrayView2<'a, f32>,
        taken: u32,
        parameters: usize,
        descent: &Descent,
    ) -> Result<Self, EngineError> {
        let found = theta.ncols();
        if found != parameters {
            return Err(EngineError::Limit(format!(
                "networks of {parameters} parameters cannot start at {found} weights"
            )));
        }
        if taken > descent.max_steps {
            let most = descent.max_steps;
            return Err(EngineError::Limit(format!("networks that took {taken} steps cannot go on to {most} in all")));
        }
        Ok(Self::Theta { theta, taken })
    }

    /// The same, borrowed.
    pub(crate) fn view(&self) -> Start<'_> {
        match self {
            Self::Seeds(seeds) => Start::Seeds(seeds.clone()),
            Self::Theta { theta, taken } => Start::Theta { theta: theta.view(), taken: *taken },
        }
    }

    /// S, the number of networks.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Seeds(seeds) => usize::try_from(seeds.end.saturating_sub(seeds.start)).unwrap_or(usize::MAX),
            Self::Theta { theta, .. } => theta.nrows(),
        }
    }

    /// The steps that each network has taken.
    pub(crate) fn taken(&self) -> u32 {
        match self {
            Self::Seeds(_) => 0,
            Self::Theta { taken, .. } => *taken,
        }
    }
}
