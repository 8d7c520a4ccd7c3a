//! Writing a run: create it, fill its rows, make them durable, finish it.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray_npy::{WriteNpyError, write_npy};

use super::column::{Access, ColumnFile};
use super::differences::differences;
use super::journal::{Entry, Journal, Opened};
use super::manifest::{Manifest, Outcome, Seconds, State};
use super::space::check_space;
use super::staging::{self, Staging};
use super::{Run, RunError};
use crate::engine::{Description, Status, Stop};
use crate::model::Dataset;
use crate::records::{Column, Dtype, Records, Values};
use crate::spec::Experiment;

/// The folder of a run that keeps its data.
pub(super) const DATA: &str = "data";

/// How long finished rows may wait before they are made durable, at least and at most: what a crash costs besides the current
/// chunk.
const CHECKPOINT: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(10)];

/// How often the time of making rows durable passes before it is done again: one part in twenty goes into it.
const CHECKPOINT_SHARE: u32 = 20;

/// Bytes of the status column that are in memory at once.
const AT_ONCE: u64 = 1 << 20;

/// A run being written. Rows may come in any order; a row that is written twice must be the same both times.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    manifest: Manifest,
    columns: Vec<ColumnFile>,
    journal: Journal,
    /// Rows that are durable and in the journal.
    finished: Vec<Range<u64>>,
    /// What was spent on them, in all sittings.
    spent: Seconds,
    /// Rows that are written but not yet in the journal.
    waiting: Vec<Range<u64>>,
    /// What was spent on those.
    spent_waiting: Seconds,
    last_checkpoint: Instant,
    /// The time from one checkpoint to the next.
    pause: Duration,
}

impl RunWriter {
    /// Creates the run `dir` with all its columns. It appears whole, by a rename, so an interruption leaves no half-made run.
    ///
    /// # Errors
    /// [`RunError::Exists`] if `dir` holds anything, [`RunError::Room`] if the disk cannot hold the finished run, [`RunError::Io`] if
    /// the system refuses.
    pub fn create(
        dir: &Path,
        experiment: &Experiment,
        engine: Description,
        columns: Vec<Column>,
    ) -> Result<Self, RunError> {
        check_space(dir, std::iter::once((experiment.spec.rows(), columns.as_slice())))?;
        let staging = Staging::new(dir)?;
        let writer = Self::build(staging.path(), experiment, engine, columns)?;
        staging.publish()?;
        // The files were opened inside the staging folder and moved with it.
        Ok(Self {
            dir: dir.to_owned(),
            journal: writer.journal.moved_to(dir),
            columns: writer.columns.into_iter().map(|column| column.moved_to(dir)).collect(),
            ..writer
        })
    }

    /// Makes a run of the existing folder `dir`.
    pub(super) fn build(
        dir: &Path,
        experiment: &Experiment,
        engine: Description,
        columns: Vec<Column>,
    ) -> Result<Self, RunError> {
        let data = dir.join(DATA);
        fs::create_dir(&data).map_err(|error| RunError::io(&data, error))?;
        write_data(&data, ["x.npy", "q.npy"], &experiment.problem.data)?;
        if let Some(test) = &experiment.test {
            write_data(&data, ["test_x.npy", "test_q.npy"], test)?;
        }
        let rows = experiment.spec.rows();
        let manifest = Manifest::new(experiment.spec.clone(), engine, columns);
        let journal = Journal::create(dir, &manifest.begun())?;
        let columns: Vec<ColumnFile> =
            manifest.columns.iter().map(|column| ColumnFile::create(dir, column, rows)).collect::<Result<_, _>>()?;
        mark_pending(&columns, &manifest.columns, rows)?;
        manifest.write(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            columns,
            journal,
            finished: Vec::new(),
            spent: Seconds::default(),
            waiting: Vec::new(),
            spent_waiting: Seconds::default(),
            last_checkpoint: Instant::now(),
            pause: CHECKPOINT[0],
        })
    }

    /// Opens an unfinished run to go on with it.
    ///
    /// # Errors
    /// [`RunError`] for a journal, manifest or column that was changed from outside, and while another process writes the run.
    pub fn resume(run: &Run) -> Result<Self, RunError> {
        let (dir, manifest) = (run.dir().to_owned(), run.manifest().clone());
        let Opened { journal, begun, entries } = Journal::open(&dir)?;
        let differences = differences(&begun, &manifest.begun());
        if !differences.is_empty() {
            return Err(RunError::Changed { dir, differences: differences.join("; ") });
        }
        let rows = manifest.spec.rows();
        let columns = manifest
            .columns
            .iter()
            .map(|column| ColumnFile::open(&dir, column, rows, Access::Write))
            .collect::<Result<_, _>>()?;
        let mut spent = Seconds::default();
        let mut finished = Vec::new();
        for (k, entry) in entries.into_iter().enumerate() {
            if entry.rows.end > rows {
                // The first line is no entry.
                return Err(journal.corrupted(k + 2));
            }
            spent.add(entry.spent);
            finished.push(entry.rows);
        }
        Ok(Self {
            dir,
            manifest,
            columns,
            journal,
            finished,
            spent,
            waiting: Vec::new(),
            spent_waiting: Seconds::default(),
            last_checkpoint: Instant::now(),
            pause: CHECKPOINT[0],
        })
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run's manifest, as it stands.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The rows that no finished range covers, in order.
    pub fn missing(&self) -> Vec<Range<u64>> {
        let mut covered: Vec<Range<u64>> = self.finished.iter().chain(&self.waiting).cloned().collect();
        covered.sort_by_key(|range| range.start);
        let mut missing = Vec::new();
        let mut next = 0;
        for range in covered {
            if range.start > next {
                missing.push(next..range.start);
            }
            next = next.max(range.end);
        }
        let rows = self.manifest.spec.rows();
        if next < rows {
            missing.push(next..rows);
        }
        missing
    }

    /// How the networks ended whose rows are written.
    ///
    /// # Errors
    /// [`RunError::Io`] if the `status` column cannot be read.
    pub fn outcome(&self) -> Result<Outcome, RunError> {
        let mut outcome = Outcome::default();
        let status = self.manifest.columns.iter().zip(&self.columns).find(|(column, _)| column.name == "status");
        if let Some((_, file)) = status {
            for range in self.finished.iter().chain(&self.waiting) {
                for start in range.clone().step_by(AT_ONCE as usize) {
                    outcome.count(&file.read(&(start..range.end.min(start + AT_ONCE)))?);
                }
            }
        }
        Ok(outcome)
    }

    /// Writes `records`, which took `spent`, into the rows from `first_row` on, and now and then makes what is written durable.
    ///
    /// # Errors
    /// [`RunError`] if the records are not of this run's columns, or the disk is full.
    pub fn write(&mut self, first_row: u64, records: &Records, spent: Seconds) -> Result<(), RunError> {
        if records.values.len() != self.columns.len() {
            let problem = format!("{} columns of records for {}", records.values.len(), self.columns.len());
            return Err(RunError::Column { path: self.dir.clone(), problem });
        }
        for (column, values) in self.columns.iter().zip(&records.values) {
            column.write(first_row, values)?;
        }
        self.waiting.push(first_row..first_row + records.rows as u64);
        self.spent_waiting.add(spent);
        if self.last_checkpoint.elapsed() >= self.pause { self.checkpoint() } else { Ok(()) }
    }

    /// Puts the rows of the finished run `part` where its seeds belong.
    pub(super) fn copy(&mut self, first_row: u64, part: &Run, stop: &Stop) -> Result<(), RunError> {
        let rows = part.manifest().spec.rows();
        for (column, to) in self.manifest.columns.iter().zip(&self.columns) {
            to.copy(first_row, &ColumnFile::open(part.dir(), column, rows, Access::Read)?, stop)?;
        }
        self.waiting.push(first_row..first_row + rows);
        self.spent_waiting.add(part.manifest().seconds.unwrap_or_default());
        Ok(())
    }

    /// Makes every written row durable and records it.
    ///
    /// # Errors
    /// [`RunError::Io`] if the disk refuses; rows that were recorded before stay recorded.
    pub fn checkpoint(&mut self) -> Result<(), RunError> {
        let start = Instant::now();
        if !self.waiting.is_empty() {
            for column in &self.columns {
                column.sync()?;
            }
            for rows in merged(&mut self.waiting) {
                let spent = std::mem::take(&mut self.spent_waiting);
                self.journal.record(&Entry { rows: rows.clone(), spent })?;
                self.spent.add(spent);
                self.finished.push(rows);
            }
        }
        self.last_checkpoint = Instant::now();
        self.pause = (start.elapsed() * CHECKPOINT_SHARE).clamp(CHECKPOINT[0], CHECKPOINT[1]);
        Ok(())
    }

    /// Ends the run once every row is written: the manifest says so, and the journal goes.
    ///
    /// # Errors
    /// [`RunError::Io`] if the disk refuses.
    pub fn finish(self) -> Result<Manifest, RunError> {
        self.finish_as(|_| {})
    }

    /// As [`Self::finish`], after `describe` has completed the manifest.
    pub(super) fn finish_as(mut self, describe: impl FnOnce(&mut Manifest)) -> Result<Manifest, RunError> {
        self.checkpoint()?;
        self.manifest.state = State::Finished;
        self.manifest.seconds = Some(self.spent);
        self.manifest.outcome = Some(self.outcome()?);
        describe(&mut self.manifest);
        self.manifest.write(&self.dir)?;
        self.journal.remove()?;
        Ok(self.manifest)
    }
}

/// Fails unless `dir` is free for a new run: it does not exist, or it is an empty directory.
///
/// # Errors
/// [`RunError::Exists`], and [`RunError::Io`] if it cannot be looked at.
pub fn check_free(dir: &Path) -> Result<(), RunError> {
    let exists = |what| Err(RunError::Exists { dir: dir.to_owned(), what });
    if dir.join(super::manifest::FILE).exists() {
        return exists("a run");
    }
    if dir.is_file() {
        return exists("a file");
    }
    if dir.is_symlink() && !dir.exists() {
        return exists("a symbolic link that leads nowhere");
    }
    match fs::read_dir(dir) {
        // What a process that was killed has begun to make of an empty directory goes with the next one that makes something of it.
        Ok(mut entries) => match entries.find(|entry| !entry.as_ref().is_ok_and(staging::is_inside)) {
            Some(_) if !staging::is_left_half_made(dir) => exists("other files"),
            _ => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(RunError::io(dir, error)),
    }
}

/// Neighbouring ranges joined, in order; leaves `ranges` empty.
fn merged(ranges: &mut Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => merged.push(range),
        }
    }
    merged
}

/// Fills the status column with [`Status::Pending`], so that a row that was never written cannot pass for a converged network.
fn mark_pending(files: &[ColumnFile], columns: &[Column], rows: u64) -> Result<(), RunError> {
    for (file, column) in files.iter().zip(columns) {
        if column.name == "status" && column.dtype == Dtype::Uint8 {
            for first in (0..rows).step_by(AT_ONCE as usize) {
                let count = AT_ONCE.min(rows - first) as usize;
                file.write(first, &Values::Uint8(vec![Status::Pending as u8; count]))?;
            }
        }
    }
    Ok(())
}

fn write_data(dir: &Path, [x, q]: [&str; 2], data: &Dataset) -> Result<(), RunError> {
    let result = write_npy(dir.join(x), &data.x()).and_then(|()| write_npy(dir.join(q), &data.q()));
    result.map_err(|error| match error {
        WriteNpyError::Io(error) => RunError::io(dir, error),
        error => RunError::Column { path: dir.to_owned(), problem: error.to_string() },
    })
}
