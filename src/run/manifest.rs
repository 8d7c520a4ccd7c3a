//! `manifest.json`: what was run, on what, and how it went.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::grid::Grid;
use super::{RunError, check_regular, whole};
use crate::engine::{Description, Status};
use crate::records::Column;
use crate::spec::{Seeds, Spec};

/// The manifest's name in a run directory.
pub(super) const FILE: &str = "manifest.json";

/// The version of the run directory's layout. Another number means another meaning of some file.
pub(super) const FORMAT: u32 = 1;

/// Everything about a run but its columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout's version.
    pub format: u32,
    /// The program's version.
    pub version: String,
    /// Whether all rows are written.
    pub state: State,
    /// What determines the columns.
    pub spec: Spec,
    /// What computed them.
    pub engine: Description,
    /// The columns, each a file NAME.npy with `spec`'s number of rows.
    pub columns: Vec<Column>,
    /// When the run was started, UTC.
    pub started: String,
    /// Where the time went, once the run is finished.
    pub seconds: Option<Seconds>,
    /// How the networks ended, once the run is finished.
    pub outcome: Option<Outcome>,
    /// The runs that this one was merged from, in seed order; empty for a run that was computed in one piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A run that became a part of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its seeds.
    #[serde(flatten)]
    pub seeds: Seeds,
    /// The program's version.
    pub version: String,
    /// What computed it.
    pub engine: Description,
}

/// Whether all rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Rows are still missing.
    Running,
    /// Every row is written.
    Finished,
}

/// Wall-clock seconds, summed over all sittings of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Training.
    pub train: f64,
    /// Evaluating the closed forms.
    pub evaluate: f64,
    /// Everything, writing included.
    pub total: f64,
}

/// How many networks ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// g.g fell below the tolerance.
    pub converged: u64,
    /// The most steps were taken before that.
    pub step_limit: u64,
    /// g.g overflowed or became NaN.
    pub non_finite: u64,
}

impl Seconds {
    /// Adds what another sitting or part took.
    pub(super) fn add(&mut self, other: Self) {
        self.train += other.train;
        self.evaluate += other.evaluate;
        self.total += other.total;
    }
}

impl Outcome {
    /// Counts networks that ended as the `status` column says.
    pub(crate) fn count(&mut self, status: &[u8]) {
        for &number in status {
            match Status::from_number(number) {
                Some(Status::Converged) => self.converged += 1,
                Some(Status::StepLimit) => self.step_limit += 1,
                Some(Status::NonFinite) => self.non_finite += 1,
                Some(Status::Pending) | None => {}
            }
        }
    }
}

/// `time` in UTC; for a clock that is set before 1970 or after 9999 the nearest time that the notation has.
fn told(time: SystemTime) -> String {
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.clamp(UNIX_EPOCH, last)).to_string()
}

impl Manifest {
    /// What must be the same whenever the run is worked on.
    pub(super) fn begun(&self) -> serde_json::Value {
        serde_json::json!({ "version": self.version, "spec": self.spec, "engine": self.engine })
    }

    /// The manifest of a run that starts now.
    pub(super) fn new(spec: Spec, engine: Description, columns: Vec<Column>) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            state: State::Running,
            spec,
            engine,
            columns,
            started: told(SystemTime::now()),
            seconds: None,
            outcome: None,
            parts: Vec::new(),
        }
    }

    pub(super) fn read(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join(FILE);
        check_regular(&path)?;
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound if Grid::is_in(dir) => RunError::IsGrid(dir.to_owned()),
            ErrorKind::NotFound => RunError::NoRun(dir.to_owned()),
            _ => RunError::io(&path, error),
        })?;
        parse(&path, &text)
    }

    /// Replaces the manifest in `dir`.
    pub(super) fn write(&self, dir: &Path) -> Result<(), RunError> {
        replace(&dir.join(FILE), self)
    }
}

/// What the text of a file of this layout says.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, RunError> {
    let damaged = |problem: String| RunError::Manifest { path: path.to_owned(), problem };
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| damaged(format!("the file is damaged: {error}")))?;
    // The layout's version comes first: a file of another version need not have this version's fields.
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            return Err(damaged(format!(
                "the run has layout version {format}, this sharpsweep {} reads version {FORMAT}: use the version that wrote it",
                env!("CARGO_PKG_VERSION")
            )));
        }
        None => return Err(damaged("the file names no layout version (`format`)".into())),
    }
    serde_json::from_value(value).map_err(|error| damaged(format!("the file is damaged: {error}")))
}

/// Puts `content` into the file `path` in one step: a reader sees the old one or the new one.
pub(super) fn replace(path: &Path, content: &impl Serialize) -> Result<(), RunError> {
    let text = serde_json::to_string_pretty(content).map_err(|error| RunError::io(path, error.into()))?;
    whole::replace(path, |file| writeln!(file, "{text}")).map_err(|error| RunError::io(path, error))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::told;

    #[test]
    fn a_clock_that_is_wrong_stops_no_run() {
        assert_eq!(told(UNIX_EPOCH + Duration::from_secs(86_400)), "1970-01-02T00:00:00Z");
        assert_eq!(told(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
        assert_eq!(told(UNIX_EPOCH + Duration::from_secs(1 << 40)), "9999-12-31T23:59:59Z");
    }
}
