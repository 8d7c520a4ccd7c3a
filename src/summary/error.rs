//! Why there is no summary.

use crate::analysis::AnalysisError;
use crate::run::RunError;

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// A column or the data cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A column does not hold what it should.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
}
