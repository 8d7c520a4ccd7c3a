//! `manifest.json`: what was run, on what, and how it went.

use std::collections::{BTreeMap, HashSet};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::differences::differences;
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
    /// `None` in journals from before they held the columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<Column>>,
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
    /// The most steps were taken before that; of networks trained elsewhere: g.g is not below the tolerance.
    pub step_limit: u64,
    /// g.g overflowed or became NaN.
    pub non_finite: u64,
    /// Trained elsewhere and evaluated, without a rule that would judge them.
    #[serde(default)]
    pub evaluated: u64,
}

impl Seconds {
    /// Adds what another sitting or part took.
    pub(crate) fn add(&mut self, other: Self) {
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
                Some(Status::Evaluated) => self.evaluated += 1,
                Some(Status::Pending) | None => {}
            }
        }
    }

    /// The networks that are counted: those whose rows are written.
    pub fn ended(&self) -> u64 {
        self.converged + self.step_limit + self.non_finite + self.evaluated
    }
}

/// `time` in UTC; for a clock that is set before 1970 or after 9999 the nearest time that the notation has.
fn told(time: SystemTime) -> String {
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

    /// Every field in which the run as it was begun, which a journal recorded as `begun`, differs from this manifest.
    pub(super) fn changes_since(&self, begun: serde_json::Value) -> Vec<String> {
        let now = self.begun();
        // Read and written again, so that a field which there was not yet is none that differs.
        match serde_json::from_value::<Begun>(begun.clone()) {
            Ok(then) => differences(&Begun { columns: then.columns.or_else(|| now.columns.clone()), ..then }, &now),
            Err(_) => differences(&begun, &now),
        }
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
            derived: Vec::new(),
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
        let manifest: Self = parse(&path, &text)?;
        check_names("columns", manifest.columns.iter().map(|column| column.name.as_str()))
            .map_err(|problem| RunError::Manifest { path, problem })?;
        Ok(manifest)
    }

    /// Replaces the manifest in `dir`, if `check` allows it.
    pub(super) fn write(&self, dir: &Path, check: impl Fn() -> Result<(), RunError>) -> Result<(), RunError> {
        replace(&dir.join(FILE), self, check)
    }
}

/// Says which of `names` is none for a file beside the manifest, or stands there twice: a manifest may come from anybody, and what it
/// names is opened, and by a merge created.
pub(super) fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        let plain = |character: char| character.is_ascii_alphanumeric() || "_-.+".contains(character);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(format!(
                "the {what} hold the name {name:?}: it must be a plain file name of letters, digits, _, -, . and +, and not begin \
                 with a dot"
            ));
        }
        if !seen.insert(name) {
            return Err(format!("the {what} hold the name {name} twice"));
        }
    }
    Ok(())
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

/// Puts `content` into the file `path` in one step, if `check` allows it: a reader sees the old one or the new one.
pub(super) fn replace(
    path: &Path,
    content: &impl Serialize,
    check: impl Fn() -> Result<(), RunError>,
) -> Result<(), RunError> {
    let text = serde_json::to_string_pretty(content).map_err(|error| RunError::io(path, error.into()))?;
    check()?;
    let mut allowed = Ok(());
    let replaced = whole::replace(path, |file| {
        writeln!(file, "{text}")?;
        // Again, as late as can be.
        allowed = check();
        if allowed.is_ok() { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    });
    allowed?;
    replaced.map_err(|error| RunError::io(path, error))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{check_names, told};

    #[test]
    fn a_clock_that_is_wrong_stops_no_run() {
        assert_eq!(told(UNIX_EPOCH + Duration::from_secs(86_400)), "1970-01-02T00:00:00Z");
        assert_eq!(told(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
        assert_eq!(told(UNIX_EPOCH + Duration::from_secs(1 << 40)), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn names_are_those_of_plain_files() {
        let check = |names: &[&str]| check_names("columns", names.iter().copied());
        assert_eq!(check(&["loss", "u_1", "sigmoid-n3-eta0.05", "a+b"]), Ok(()));
        let wrong = [
            "",
            ".",
            "..",
            "../up",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "..\\up",
            "C:\\x",
            "C:x",
            ".hidden",
            "nul\0",
            "esc\x1b[2J",
            "a b",
            "\u{202e}x",
        ];
        for name in wrong {
            let said = check(&["loss", name]).unwrap_err();
            assert!(said.contains("plain file name") && !said.chars().any(char::is_control), "{name:?}: {said}");
        }
        assert!(check(&["loss", "loss"]).unwrap_err().contains("loss twice"));
    }
}
