//! An existing run: what it is, whether its files still belong together, and which of its rows are there.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::column::{ColumnFile, OpenMode};
use super::differences::differences;
use super::journal::{Journal, uncovered, union};
use super::layout::{DATA, DATA_FILES, MANIFEST, blocks, check_no_link, column_path, count, is_grid};
use super::manifest::{Manifest, State};
use super::{EndCounts, Population, RunError, StatusCounts};
use crate::engine::Description;
use crate::input::{read_dataset, read_weights};
use crate::records::{Column, Dtype, columns};
use crate::spec::{Experiment, Keep, Work};

/// An existing run, for reading.
#[derive(Debug, Clone)]
pub struct Run {
    dir: PathBuf,
    manifest: Manifest,
}

impl Run {
    /// Opens the run in `dir`.
    ///
    /// # Errors
    /// [`RunError::NoRun`] or [`RunError::IsGrid`] without a manifest, [`RunError::Manifest`] for one that this version
    /// cannot read.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        let manifest = Manifest::read(dir).map_err(|error| match error {
            RunError::NoRun(dir) if is_grid(&dir) => RunError::IsGrid(dir),
            error => error,
        })?;
        Ok(Self { dir: dir.to_owned(), manifest })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was run, and how it went.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The experiment with the data that the run recorded.
    ///
    /// # Errors
    /// [`RunError`] if the recorded data are damaged or are not those of the manifest.
    pub fn experiment(&self) -> Result<Experiment, RunError> {
        let spec = &self.manifest.spec;
        let data = self.dir.join(DATA);
        let [x, q, test_x, test_q, weights] = DATA_FILES.map(|name| data.join(name));
        let wrong = |problem: String| RunError::Experiment { path: self.dir.join(MANIFEST), problem };
        let wrong_data = |error: &dyn std::fmt::Display| wrong(format!("{}: {error}", data.display()));
        // Class numbers alone do not say how many classes there are.
        let read = |x: &Path, q: &Path| {
            let data = read_dataset(x, q, spec.loss)?;
            data.with_targets(|targets| Ok(targets.of_at_least(spec.outputs))).map_err(|error| wrong_data(&error))
        };
        let test = match &spec.test {
            Some(test) => Some((read(&test_x, &test_q)?, test.source.clone())),
            None => None,
        };
        let train = (read(&x, &q)?, spec.data.source.clone());
        let mut experiment = Experiment::new(spec.work.clone(), spec.hidden.clone(), spec.activation, train, test)
            .map_err(|error| wrong(error.to_string()))?;
        if spec.data.weights_hash.is_some() {
            // As they counted, the reduction included.
            experiment = experiment.with_weights(read_weights(&weights)?).map_err(|error| wrong_data(&error))?;
        }
        experiment.spec.reduction = spec.reduction;
        experiment.spec.keep = spec.keep;
        experiment.spec.extra = spec.extra;
        experiment.spec.data.standardization = spec.data.standardization.clone();
        if let (Some(test), Some(recorded)) = (&mut experiment.spec.test, &spec.test) {
            test.standardization = recorded.standardization.clone();
        }
        let differences = differences(spec, &experiment.spec);
        if !differences.is_empty() {
            return Err(wrong(format!(
                "{} does not hold the data that the manifest describes ({}; there: the manifest, here: the data)",
                data.display(),
                differences.join("; ")
            )));
        }
        Ok(experiment)
    }

    /// Fails unless an engine described by `engine` of this version of the program gives the bits that are already
    /// written.
    ///
    /// # Errors
    /// [`RunError::OtherEngine`] with what differs.
    pub fn check_engine(&self, engine: &Description) -> Result<(), RunError> {
        let differences = self.manifest.engine_differences(engine, env!("CARGO_PKG_VERSION"));
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::OtherEngine { dir: self.dir.clone(), differences: differences.join("; ") })
    }

    /// Fails unless the manifest says what the run was `begun` with by its journal.
    pub(super) fn check_unchanged(&self, begun: serde_json::Value) -> Result<(), RunError> {
        self.fail_if_any(self.manifest.changes_since(begun))
    }

    /// Fails unless the manifest lists the columns that this version of the program gives the run's experiment.
    pub(super) fn check_columns(&self) -> Result<(), RunError> {
        let Manifest { spec, columns: listed, .. } = &self.manifest;
        let theta = match spec.work {
            Work::Sweep { .. } => Dtype::Float32,
            Work::Evaluate { .. } => self.theta_column().map_or(Dtype::Float32, |column| column.dtype),
        };
        // Another version may put what a column means in other words.
        let without_meaning = |columns: &[Column]| {
            let columns = columns.iter().map(|column| Column { meaning: String::new(), ..column.clone() });
            serde_json::json!({ "columns": columns.collect::<Vec<_>>() })
        };
        self.fail_if_any(differences(&without_meaning(&columns(spec, theta)), &without_meaning(listed)))
    }

    /// Fails with `differences`, if there are any, between the run as it was begun and its manifest.
    fn fail_if_any(&self, differences: Vec<String>) -> Result<(), RunError> {
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::Changed { dir: self.dir.clone(), differences: differences.join("; ") })
    }

    /// Fails if the run claims to be finished, but some row of it is not there: by its status column, or by a journal
    /// that it still has.
    ///
    /// # Errors
    /// [`RunError::Incomplete`] or [`RunError::Changed`] for such a run, and the others for files that cannot be read.
    pub fn check_complete(&self) -> Result<(), RunError> {
        if self.manifest.state != State::Finished {
            return Ok(());
        }
        let rows = self.manifest.spec.rows();
        let incomplete = |pending, says| RunError::Incomplete { dir: self.dir.clone(), pending, rows, says };
        let pending = rows - self.outcome()?.ended();
        if pending > 0 {
            return Err(incomplete(pending, "manifest.json says that it is finished"));
        }
        let contents = match Journal::read(&self.dir) {
            Err(RunError::JournalMissing(_)) => return Ok(()),
            contents => contents?,
        };
        let pending = count(&uncovered(rows, &union(contents.finished())));
        if pending > 0 {
            return Err(incomplete(pending, "manifest.json says that it is finished, and its journal that it is not"));
        }
        self.check_unchanged(contents.begun)
    }

    /// Ends what a crash left undone between the last row and the end of a finished run.
    ///
    /// # Errors
    /// As [`Self::check_complete`].
    pub fn tidy(&self) -> Result<(), RunError> {
        self.check_complete()?;
        if let Ok((journal, _)) = Journal::open(&self.dir) {
            // A journal that stays says nothing that the manifest does not.
            let _ = journal.remove();
        }
        Ok(())
    }

    /// The rows that are written and durable, in order: all of a finished run, of another those in its journal.
    ///
    /// # Errors
    /// [`RunError::Journal`] or [`RunError::JournalMissing`] for an unfinished run without a sound journal.
    pub fn written(&self) -> Result<Vec<Range<u64>>, RunError> {
        let rows = self.manifest.spec.rows();
        let all = || uncovered(rows, &[]);
        if self.manifest.state == State::Finished {
            return Ok(all());
        }
        let written = match Journal::read(&self.dir) {
            // Another process may have finished the run since its manifest was read.
            Err(RunError::JournalMissing(_)) if Manifest::read(&self.dir)?.state == State::Finished => all(),
            contents => union(contents?.finished()),
        };
        match written.last() {
            Some(last) if last.end > rows => {
                let problem = format!("the journal names rows up to {}, the run has {rows}", last.end);
                Err(RunError::Manifest { path: self.dir.join(MANIFEST), problem })
            }
            _ => Ok(written),
        }
    }

    /// Hands the written rows to `block`, not too many at once.
    pub(super) fn each_block(&self, block: impl FnMut(Range<u64>) -> Result<(), RunError>) -> Result<(), RunError> {
        self.written()?.iter().flat_map(blocks).try_for_each(block)
    }

    /// How the networks of the written rows ended, read in blocks from the `status` column.
    ///
    /// # Errors
    /// [`RunError::Column`] if the column is missing or damaged, and as [`Self::written`].
    pub fn outcome(&self) -> Result<StatusCounts, RunError> {
        let file = self.open_column("status")?;
        let mut counts = StatusCounts::default();
        self.each_block(|rows| {
            counts.count(&file.read(&rows)?);
            Ok(())
        })?;
        Ok(counts)
    }

    /// Where the descents of the networks of `over` end; `None` for a run without the column `end`.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn ends(&self, over: Population) -> Result<Option<EndCounts>, RunError> {
        if !self.has("end") {
            return Ok(None);
        }
        let (ends, status) = (self.open_column("end")?, self.open_column("status")?);
        let mut counts = EndCounts::default();
        self.each_block(|rows| {
            counts.count(over, &ends.read(&rows)?, &status.read(&rows)?);
            Ok(())
        })?;
        Ok(Some(counts))
    }

    /// A folder in the run for what is made of it, wherever the run itself stands.
    ///
    /// # Errors
    /// [`RunError::Link`] if it is a symbolic link: a run may come from anybody, and what is written must stay in it.
    pub fn inner_folder(&self, name: &str) -> Result<PathBuf, RunError> {
        let folder = self.dir.join(name);
        check_no_link(&folder)?;
        Ok(folder)
    }

    /// Whether the run has a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.column(name).is_ok()
    }

    pub(super) fn column(&self, name: &str) -> Result<&Column, RunError> {
        let found = self.manifest.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| self.damaged(name, "this run has no such column".into()))
    }

    pub(super) fn theta_column(&self) -> Result<&Column, RunError> {
        if self.manifest.spec.keep == Keep::Summary {
            return Err(self.damaged("theta", "the run was made with --keep summary, which keeps no weights".into()));
        }
        self.column("theta")
    }

    pub(super) fn open_column(&self, name: &str) -> Result<ColumnFile, RunError> {
        ColumnFile::open(&self.dir, self.column(name)?, self.manifest.spec.rows(), OpenMode::Read)
    }

    pub(super) fn damaged(&self, name: &str, problem: String) -> RunError {
        RunError::Column { path: column_path(&self.dir, name), problem }
    }
}
