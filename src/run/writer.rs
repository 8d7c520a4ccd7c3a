//! Writing a run: create it, fill its rows, make them durable, finish it.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray_npy::{WriteNpyError, write_npy};

use super::column::ColumnFile;
use super::journal::Journal;
use super::manifest::{Manifest, Outcome, Seconds, State};
use super::{Run, RunError};
use crate::engine::{Description, Status};
use crate::model::Dataset;
use crate::records::{Column, Dtype, Records, Values};
use crate::spec::Experiment;

/// The folder of a run that keeps its data.
pub(super) const DATA: &str = "data";

/// How long finished rows may wait before they are made durable: the most work that a crash costs, besides the current chunk.
const CHECKPOINT: Duration = Duration::from_secs(2);

/// A run being written. Rows may come in any order; a row that is written twice must be the same both times.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    manifest: Manifest,
    columns: Vec<ColumnFile>,
    journal: Journal,
    /// Rows that are durable and in the journal.
    finished: Vec<Range<u64>>,
    /// Rows that are written but not yet in the journal.
    waiting: Vec<Range<u64>>,
    last_checkpoint: Instant,
}

impl RunWriter {
    /// Creates the run `dir` with all its columns. It appears whole, by a rename, so an interruption leaves no half-made run.
    ///
    /// # Errors
    /// [`RunError::Exists`] if `dir` holds anything, [`RunError::Io`] if the system refuses.
    pub fn create(
        dir: &Path,
        experiment: &Experiment,
        engine: Description,
        columns: Vec<Column>,
    ) -> Result<Self, RunError> {
        check_free(dir)?;
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let staging = parent.join(format!(".{name}.new-{}", std::process::id()));
        fs::create_dir_all(&staging).map_err(|error| RunError::io(&staging, error))?;
        let build = || -> Result<_, RunError> {
            let data = staging.join(DATA);
            fs::create_dir_all(&data).map_err(|error| RunError::io(&data, error))?;
            write_data(&data, ["x.npy", "q.npy"], &experiment.problem.data)?;
            if let Some(test) = &experiment.test {
                write_data(&data, ["test_x.npy", "test_q.npy"], test)?;
            }
            let rows = experiment.spec.rows();
            let files: Vec<ColumnFile> =
                columns.iter().map(|column| ColumnFile::create(&staging, column, rows)).collect::<Result<_, _>>()?;
            mark_pending(&files, &columns, rows)?;
            let journal = Journal::create(&staging)?;
            let manifest = Manifest::new(experiment.spec.clone(), engine, columns);
            manifest.write(&staging)?;
            if dir.exists() {
                // It is empty, and a rename onto an empty directory is not allowed everywhere.
                fs::remove_dir(dir).map_err(|error| RunError::io(dir, error))?;
            }
            fs::rename(&staging, dir).map_err(|error| RunError::io(dir, error))?;
            Ok((manifest, files, journal))
        };
        let (manifest, columns, journal) = build().inspect_err(|_| {
            // Nothing of a run that could not be created is worth keeping; the first error is the one to report.
            let _ = fs::remove_dir_all(&staging);
        })?;
        // The files were opened inside the staging folder and moved with it.
        let journal = journal.moved_to(dir);
        let columns = columns.into_iter().map(|column| column.moved_to(dir)).collect();
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            columns,
            journal,
            finished: Vec::new(),
            waiting: Vec::new(),
            last_checkpoint: Instant::now(),
        })
    }

    /// Opens an unfinished run to go on with it.
    ///
    /// # Errors
    /// [`RunError`] for a journal or column that was changed from outside, and while another process writes the run.
    pub fn resume(run: &Run) -> Result<Self, RunError> {
        let (dir, manifest) = (run.dir().to_owned(), run.manifest().clone());
        let (journal, finished) = Journal::open(&dir)?;
        let rows = manifest.spec.rows();
        let columns =
            manifest.columns.iter().map(|column| ColumnFile::open(&dir, column, rows)).collect::<Result<_, _>>()?;
        Ok(Self { dir, manifest, columns, journal, finished, waiting: Vec::new(), last_checkpoint: Instant::now() })
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

    /// Writes `records` into the rows from `first_row` on, and now and then makes what is written durable.
    ///
    /// # Errors
    /// [`RunError`] if the records are not of this run's columns, or the disk is full.
    pub fn write(&mut self, first_row: u64, records: &Records) -> Result<(), RunError> {
        if records.values.len() != self.columns.len() {
            let problem = format!("{} columns of records for {}", records.values.len(), self.columns.len());
            return Err(RunError::Column { path: self.dir.clone(), problem });
        }
        for (column, values) in self.columns.iter().zip(&records.values) {
            column.write(first_row, values)?;
        }
        self.waiting.push(first_row..first_row + records.rows as u64);
        if self.last_checkpoint.elapsed() >= CHECKPOINT { self.checkpoint() } else { Ok(()) }
    }

    /// Makes every written row durable and records it.
    ///
    /// # Errors
    /// [`RunError::Io`] if the disk refuses; rows that were recorded before stay recorded.
    pub fn checkpoint(&mut self) -> Result<(), RunError> {
        if !self.waiting.is_empty() {
            for column in &self.columns {
                column.sync()?;
            }
            for range in merged(&mut self.waiting) {
                self.journal.record(&range)?;
                self.finished.push(range);
            }
        }
        self.last_checkpoint = Instant::now();
        Ok(())
    }

    /// Ends the run once every row is written: the manifest says so, and the journal goes.
    ///
    /// # Errors
    /// [`RunError::Io`] if the disk refuses.
    pub fn finish(mut self, seconds: Seconds, outcome: Outcome) -> Result<Manifest, RunError> {
        self.checkpoint()?;
        self.manifest.state = State::Finished;
        self.manifest.seconds = Some(seconds);
        self.manifest.outcome = Some(outcome);
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
    match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| exists("other files")),
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
    const AT_ONCE: u64 = 1 << 20;
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
