//! A command that did not do what it was asked: its message and its exit code.

use std::process::ExitCode;

use super::words::visible;
use crate::engine::EngineError;
use crate::run::RunError;

/// The exit code of a program that Ctrl-C ended.
pub(super) const INTERRUPTED: u8 = 130;

/// A command that did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The command line makes no sense: exit code 2.
    Usage(anyhow::Error),
    /// The command line has an option that does not exist: exit code 2. The text says what there is instead.
    Unknown(String),
    /// Everything else: exit code 1.
    Failed(anyhow::Error),
    /// Stopped by Ctrl-C: exit code 130. The text says how to go on.
    Interrupted(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Failure {
    /// The exit code: 2 for a command line that makes no sense, 130 after Ctrl-C, 1 for the rest.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::Unknown(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Interrupted(_) => ExitCode::from(INTERRUPTED),
        }
    }

    /// What to print.
    pub fn message(&self) -> String {
        match self {
            Self::Usage(error) | Self::Failed(error) => visible(&format!("error: {}", with_causes(error))),
            Self::Unknown(text) | Self::Interrupted(text) => visible(text),
        }
    }

    /// Whether work ended because it was asked to.
    pub(super) fn is_stop(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        error.chain().any(|error| {
            matches!(error.downcast_ref(), Some(EngineError::Stopped))
                || matches!(error.downcast_ref(), Some(RunError::Stopped))
        })
    }
}

/// `error` and what it was caused by, as far as its own text does not say that already.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.as_str() {
            "" => cause,
            _ if text.contains(&cause) => text,
            _ => format!("{text}: {cause}"),
        }
    })
}
