//! Why a sitting leaves a run unfinished.

use std::io::ErrorKind;

use crate::engine::EngineError;
use crate::run::RunError;
use crate::sweep::SweepError;

/// What stopped the work on a run.
#[derive(Debug, thiserror::Error)]
pub enum SittingError {
    /// The engine cannot be opened, or does not take the networks.
    #[error(transparent)]
    Engine(EngineError),
    /// The run cannot be made, read or trusted; the message says what to do.
    #[error(transparent)]
    Run(RunError),
    /// The work failed on the way, and with it the rows in memory are gone.
    #[error(transparent)]
    Lost(SweepError),
    /// The work failed on the way; finished rows are kept.
    #[error("{0}\nfinished rows are kept")]
    Unfinished(SweepError),
    /// The longer run is finished, beside the run that it extends.
    #[error("{0}\nthe extended run is whole, but not in its place")]
    NotInPlace(RunError),
    /// The work was asked to stop; finished rows are kept.
    #[error("the work was stopped")]
    Stopped,
}

impl From<EngineError> for SittingError {
    fn from(error: EngineError) -> Self {
        if matches!(error, EngineError::Stopped) { Self::Stopped } else { Self::Engine(error) }
    }
}

impl From<RunError> for SittingError {
    fn from(error: RunError) -> Self {
        if matches!(error, RunError::Stopped) { Self::Stopped } else { Self::Run(error) }
    }
}

impl SittingError {
    /// The message, and where something is left to go on with, `go_on`: what to do with it.
    pub fn with_advice(&self, go_on: &str) -> String {
        match self {
            Self::Unfinished(error) if is_no_room(error) => format!("{self}; make room on the disk, then {go_on}"),
            Self::Unfinished(_) | Self::NotInPlace(_) => format!("{self}; {go_on}"),
            Self::Engine(_) | Self::Run(_) | Self::Lost(_) | Self::Stopped => self.to_string(),
        }
    }
}

/// Whether the disk, a quota or a limit on file sizes is what stopped the run.
fn is_no_room(error: &SweepError) -> bool {
    let SweepError::Run(RunError::Io { source, .. }) = error else { return false };
    matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
