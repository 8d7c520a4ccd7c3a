//! Why a sweep ends early.

use crate::analysis::AnalysisError;
use crate::engine::EngineError;
use crate::run::RunError;

/// What stopped a run.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The engine failed; finished chunks are kept.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The run directory could not be written; finished chunks are kept.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The test data could not be used.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// An evaluation without its networks.
    #[error("an evaluation needs the networks to evaluate: set Sweep::given")]
    NoNetworks,
}
