//! `manifest.json`: what was run, on what, and how it went.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::differences::differences;
use super::layout::{self, FORMAT, MANIFEST};
use super::{RunError, StatusCounts};
use crate::clock::{SystemTime, UNIX_EPOCH};
use crate::engine::Description;
use crate::records::Column;
use crate::spec::{Seeds, Spec};

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
    pub outcome: Option<StatusCounts>,
    /// The runs that this one was merged from, in seed order; empty for a run that was computed in one piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<MergedPart>,
    /// Columns that were made of the finished run and stand beside its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<Derived>,
}

/// A column that was made of a finished run, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    /// The name: the file is NAME.npy.
    pub name: String,
    /// What its values mean.
    pub meaning: String,
    /// The name of the rule that gave them.
    pub rule: String,
    /// The numbers of the rule, such as a threshold or a tolerance.
    pub numbers: BTreeMap<String, f64>,
    /// The program's version.
    pub version: String,
}

/// What a run was begun with, as its journal records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    version: String,
    spec: Spec,
    engine: Description,
    /// `None` in journals of versions that did not record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<Column>>,
}

/// A run that became a part of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergedPart {
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

impl Seconds {
    /// Adds what another sitting or part took.
    pub(crate) fn add(&mut self, other: Self) {
        self.train += other.train;
        self.evaluate += other.evaluate;
        self.total += other.total;
    }
}

/// `time` in UTC; of a clock that is set before 1970 or after 9999, the nearest time that the notation has.
fn utc(time: SystemTime) -> String {
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.clamp(UNIX_EPOCH, last)).to_string()
}

impl Manifest {
    /// What must be the same whenever the run is worked on.
    pub(super) fn begun(&self) -> Begun {
        Begun {
            version: self.version.clone(),
            spec: self.spec.clone(),
            engine: self.engine.clone(),
            columns: Some(self.columns.clone()),
        }
    }

    /// Every field in which this manifest differs from what the run was begun with, which a journal recorded as
    /// `begun`.
    pub(super) fn changes_since(&self, begun: serde_json::Value) -> Vec<String> {
        let now = self.begun();
        // As this version would have written it, so that no field differs only because an earlier version did not have
        // it.
        match serde_json::from_value::<Begun>(begun.clone()) {
            Ok(then) => differences(&Begun { columns: then.columns.or_else(|| now.columns.clone()), ..then }, &now),
            Err(_) => differences(&begun, &now),
        }
    }

    /// Every field in which an engine described by `engine` of the program's `version` differs from what computed this
    /// run.
    pub(super) fn engine_differences(&self, engine: &Description, version: &str) -> Vec<String> {
        let mut differences = self.engine.differences(engine);
        if self.version != version {
            differences.push(format!("program version: `{}` there, `{version}` here", self.version));
        }
        differences
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
            started: utc(SystemTime::now()),
            seconds: None,
            outcome: None,
            parts: Vec::new(),
            derived: Vec::new(),
        }
    }

    /// The manifest of a run in memory that took `seconds` and ended as `outcome` says.
    pub fn of_finished(
        spec: Spec,
        engine: Description,
        columns: Vec<Column>,
        (seconds, outcome): (Seconds, StatusCounts),
    ) -> Self {
        let (seconds, outcome) = (Some(seconds), Some(outcome));
        Self { state: State::Finished, seconds, outcome, ..Self::new(spec, engine, columns) }
    }

    /// Reads the manifest in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join(MANIFEST);
        let manifest: Self = layout::read(&path)?.ok_or_else(|| RunError::NoRun(dir.to_owned()))?;
        layout::check_names(&path, "columns", manifest.columns.iter().map(|column| &column.name))?;
        if let Err(error) = manifest.spec.shape() {
            return Err(RunError::Manifest { path, problem: error.to_string() });
        }
        Ok(manifest)
    }

    /// Replaces the manifest in `dir`, if `check` allows it.
    pub(super) fn write(&self, dir: &Path, check: impl Fn() -> Result<(), RunError>) -> Result<(), RunError> {
        layout::replace(&dir.join(MANIFEST), self, check)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, UNIX_EPOCH, utc};

    #[test]
    fn a_clock_that_is_wrong_stops_no_run() {
        assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(86_400)), "1970-01-02T00:00:00Z");
        assert_eq!(utc(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
        assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(1 << 40)), "9999-12-31T23:59:59Z");
    }
}
