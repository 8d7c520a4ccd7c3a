//! Failures of the crate as Python exceptions, with the command line's sentences.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sharpsweep::engine::EngineError;
use sharpsweep::input::InputError;
use sharpsweep::reproduction::ReproductionError;
use sharpsweep::run::RunError;
use sharpsweep::spec::SpecError;
use sharpsweep::summary::SummaryError;
use sharpsweep::sweep::SweepError;

pyo3::create_exception!(
    sharpsweep,
    Error,
    pyo3::exceptions::PyRuntimeError,
    "Work that could not be done: the message says what, where, and what to do."
);

/// An error of the crate.
pub(crate) trait Failure {
    /// The exception to raise.
    fn raised(&self) -> PyErr;
}

/// An exception for an argument that cannot be used.
pub(crate) fn value_error(text: &str) -> PyErr {
    PyValueError::new_err(in_python(text))
}

/// An exception for everything else.
pub(crate) fn error(text: &str) -> PyErr {
    Error::new_err(in_python(text))
}

impl Failure for EngineError {
    fn raised(&self) -> PyErr {
        error(&self.to_string())
    }
}

impl Failure for SpecError {
    fn raised(&self) -> PyErr {
        value_error(&self.to_string())
    }
}

impl Failure for InputError {
    fn raised(&self) -> PyErr {
        value_error(&self.to_string())
    }
}

impl Failure for RunError {
    fn raised(&self) -> PyErr {
        error(&self.to_string())
    }
}

impl Failure for SummaryError {
    fn raised(&self) -> PyErr {
        error(&self.to_string())
    }
}

impl Failure for ReproductionError {
    fn raised(&self) -> PyErr {
        match self {
            Self::Spec(problem) => problem.raised(),
            failed => error(&failed.to_string()),
        }
    }
}

impl Failure for SweepError {
    fn raised(&self) -> PyErr {
        error(&self.to_string())
    }
}

/// Values of options that a sentence may name after the option.
const VALUES: [&str; 12] = [
    "cpu",
    "gpu",
    "reference",
    "auto",
    "all",
    "converged",
    "summary",
    "descend",
    "nearest",
    "logistic",
    "softmax",
    "squared",
];

/// `text` with the command line's options as arguments of a call: `--max-steps` becomes `max_steps`, `--backend cpu`
/// becomes `backend="cpu"`, and `sharpsweep resume DIR` becomes `sharpsweep.resume("DIR")`.
pub(crate) fn in_python(text: &str) -> String {
    let text = with_calls(text);
    let mut parts = text.split("--");
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        // Elsewhere it is a part of a name, such as that of a directory.
        let begins = found.chars().next_back().is_none_or(|before| before.is_whitespace() || "(`;".contains(before));
        if name.is_empty() || !begins {
            found += "--";
            found += part;
            continue;
        }
        found += &name.replace('-', "_");
        let word = |rest: &str| rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).len();
        let value = rest.strip_prefix(['=', ' ']).map(|value| value.split_at(word(value)));
        match value {
            Some((value, after)) if VALUES.contains(&value) => found += &format!("=\"{value}\"{after}"),
            _ => found += rest,
        }
    }
    found
}

/// `text` with the command that goes on with a run as a call.
fn with_calls(text: &str) -> String {
    let mut parts = text.split("sharpsweep resume ");
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if part.starts_with("and ") {
            // A sentence goes on.
            found += "sharpsweep.resume ";
            found += part;
            continue;
        }
        let (command, after) = part.split_at(part.find([';', '\n']).unwrap_or(part.len()));
        let (dir, options) = command.split_at(command.find(" --").unwrap_or(command.len()));
        let with = if options.is_empty() { "" } else { " with" };
        found += &format!("sharpsweep.resume({dir:?}){with}{options}{after}");
    }
    found
}
