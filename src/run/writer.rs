//! Writing a run: create it, fill its rows, make them durable, finish it.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::{Array1, ArrayBase, Data, Dimension};
use ndarray_npy::{WritableElement, WriteNpyError, write_npy};

use super::column::{ColumnFile, OpenMode};
use super::journal::{Entry, Journal, uncovered, union};
use super::layout::{DATA, DATA_FILES, blocks, count};
use super::manifest::{Manifest, Seconds, State};
use super::timer::Timer;
use super::{Run, RunError, Sink, Staging, StatusCounts, check_space};
use crate::engine::{Description, Status, Stop};
use crate::model::{Dataset, Targets, Theta};
use crate::records::{self, Column, Dtype, Records, Values};
use crate::spec::Experiment;

/// A run being written. Rows may come in any order; a row that is written twice must be the same both times.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    manifest: Manifest,
    columns: Vec<ColumnFile>,
    journal: Journal,
    /// Rows that are durable and in the journal.
    finished: Vec<Range<u64>>,
    /// The time spent on them, in all sittings.
    spent: Seconds,
    /// Rows that are written but not yet in the journal.
    waiting: Vec<Range<u64>>,
    /// The time spent on those.
    spent_waiting: Seconds,
    /// When the waiting rows are made durable.
    checkpoints: Timer,
}

impl RunWriter {
    /// Creates the run `dir` with all its columns. It appears whole, by a rename, so an interruption leaves no
    /// half-made run.
    ///
    /// # Errors
    /// [`RunError::Exists`] if `dir` holds anything, [`RunError::Room`] if the disk cannot hold the finished run,
    /// [`RunError::Io`] if the system refuses.
    pub fn create(
        dir: &Path,
        experiment: &Experiment,
        engine: Description,
        columns: Vec<Column>,
    ) -> Result<Self, RunError> {
        Self::create_with(dir, experiment, engine, columns, |_| Ok(()))
    }

    /// Creates the run `dir` of an evaluation of `theta`, which it holds from the start: `resume` needs no other file.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_evaluation(
        dir: &Path,
        experiment: &Experiment,
        engine: Description,
        columns: Vec<Column>,
        theta: Theta<'_>,
    ) -> Result<Self, RunError> {
        Self::create_with(dir, experiment, engine, columns, |writer| writer.write_theta(theta))
    }

    /// Creates the run `dir` of `experiment`, which extends the finished run of the manifest `earlier` and takes over
    /// its start and times.
    pub(super) fn create_extension(
        dir: &Path,
        experiment: &Experiment,
        engine: Description,
        earlier: &Manifest,
    ) -> Result<Self, RunError> {
        let columns = records::columns(&experiment.spec, Dtype::Float32);
        Self::create_with(dir, experiment, engine, columns, |writer| {
            writer.manifest.started.clone_from(&earlier.started);
            writer.manifest.write(&writer.dir, || Ok(()))?;
            // A line without rows: every sitting adds up the times in the journal.
            let spent = earlier.seconds.unwrap_or_default();
            writer.journal.record(&Entry { rows: 0..0, spent })?;
            writer.spent.add(spent);
            Ok(())
        })
    }

    /// Creates the run `dir`, to which `complete` adds something before it appears.
    fn create_with(
        dir: &Path,
        experiment: &Experiment,
        engine: Description,
        columns: Vec<Column>,
        complete: impl FnOnce(&mut Self) -> Result<(), RunError>,
    ) -> Result<Self, RunError> {
        check_space(dir, std::iter::once((experiment.spec.rows(), columns.as_slice())))?;
        let staging = Staging::new(dir)?;
        let mut writer = Self::build(staging.path(), experiment, engine, columns)?;
        complete(&mut writer)?;
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
        let [x, q, test_x, test_q, weights] = DATA_FILES;
        write_data(&data, [x, q], &experiment.problem.data)?;
        if let Some(of_samples) = experiment.problem.data.weights() {
            write_array(&data.join(weights), &of_samples)?;
        }
        if let Some(test) = &experiment.test {
            write_data(&data, [test_x, test_q], test)?;
        }
        let rows = experiment.spec.rows();
        let manifest = Manifest::new(experiment.spec.clone(), engine, columns);
        let begun = serde_json::to_value(manifest.begun()).map_err(|error| RunError::io(dir, error.into()))?;
        let journal = Journal::create(dir, &begun)?;
        let columns: Vec<ColumnFile> =
            manifest.columns.iter().map(|column| ColumnFile::create(dir, column, rows)).collect::<Result<_, _>>()?;
        mark_pending(&columns, &manifest.columns, rows)?;
        manifest.write(dir, || Ok(()))?;
        Ok(Self::of(dir, manifest, columns, journal))
    }

    fn of(dir: &Path, manifest: Manifest, columns: Vec<ColumnFile>, journal: Journal) -> Self {
        Self {
            dir: dir.to_owned(),
            manifest,
            columns,
            journal,
            finished: Vec::new(),
            spent: Seconds::default(),
            waiting: Vec::new(),
            spent_waiting: Seconds::default(),
            checkpoints: Timer::start(),
        }
    }

    /// Opens the unfinished run in `dir` to go on with it on the engine that `engine` describes. It finds whatever is
    /// wrong with the run before it changes anything.
    ///
    /// # Errors
    /// [`RunError::Finished`] if another process has finished the run meanwhile, [`RunError::Locked`] while one writes
    /// it, [`RunError::OtherEngine`], and the others for a journal, manifest or column that was changed from outside.
    pub fn resume(dir: &Path, engine: &Description) -> Result<Self, RunError> {
        let opened = Journal::open(dir);
        // Under the lock no other process changes the manifest; what was read before may be older.
        let run = Run::open(dir)?;
        let manifest = run.manifest();
        if manifest.state == State::Finished {
            return Err(RunError::Finished(dir.to_owned()));
        }
        let (journal, contents) = opened?;
        let rows = manifest.spec.rows();
        if let Some(k) = contents.finished().position(|finished| finished.end > rows) {
            // Lines count from 1, and the first is no entry.
            return Err(journal.corrupted(k + 2));
        }
        let mut spent = Seconds::default();
        contents.entries.iter().for_each(|entry| spent.add(entry.spent));
        let finished = contents.finished().cloned().collect();
        run.check_unchanged(contents.begun)?;
        run.check_engine(engine)?;
        run.check_columns()?;
        let open = |column| ColumnFile::open(dir, column, rows, OpenMode::Write);
        let columns: Vec<ColumnFile> = manifest.columns.iter().map(open).collect::<Result<_, _>>()?;
        check_distinct(&columns)?;
        // The columns were opened by their paths: they belong to this run if its journal still stands at its own path.
        journal.check_place()?;
        let writer = Self { finished, spent, ..Self::of(dir, manifest.clone(), columns, journal) };
        writer.checked_outcome("its journal says that they are")?;
        Ok(writer)
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run's manifest at present.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// As [`Self::outcome`], but fails unless every written row has ended; `says` tells who claims that.
    fn checked_outcome(&self, says: &'static str) -> Result<StatusCounts, RunError> {
        let outcome = self.outcome()?;
        let written = count(&self.written());
        if outcome.ended() == written {
            return Ok(outcome);
        }
        let (pending, rows) = (written - outcome.ended(), self.manifest.spec.rows());
        Err(RunError::Incomplete { dir: self.dir.clone(), pending, rows, says })
    }

    /// The rows that are written, durable or not.
    fn written(&self) -> Vec<Range<u64>> {
        union(self.finished.iter().chain(&self.waiting))
    }

    fn column(&self, name: &str) -> Option<&ColumnFile> {
        self.manifest.columns.iter().zip(&self.columns).find(|(column, _)| column.name == name).map(|(_, file)| file)
    }

    /// Puts the rows of the finished run `part` where its seeds belong.
    pub(super) fn copy(&mut self, first_row: u64, part: &Run, stop: &Stop) -> Result<(), RunError> {
        let rows = part.manifest().spec.rows();
        for (column, to) in self.manifest.columns.iter().zip(&self.columns) {
            to.copy(first_row, &ColumnFile::open(part.dir(), column, rows, OpenMode::Read)?, stop)?;
        }
        self.waiting.push(first_row..first_row + rows);
        self.spent_waiting.add(part.manifest().seconds.unwrap_or_default());
        Ok(())
    }

    /// Writes all of `theta` into its column and makes it durable.
    fn write_theta(&self, theta: Theta<'_>) -> Result<(), RunError> {
        let Some(column) = self.column("theta") else { return Ok(()) };
        for rows in blocks(&(0..theta.nrows() as u64)) {
            column.write(rows.start, &theta.rows(rows.start as usize..rows.end as usize).into())?;
        }
        column.sync()
    }

    /// Ends the run once every row is written: the manifest says so, and the journal is removed.
    ///
    /// # Errors
    /// [`RunError::Incomplete`] if a row is missing, [`RunError::Replaced`] if the directory is no longer the one that
    /// this run was begun in, and [`RunError::Io`] if the disk refuses.
    pub fn finish(self) -> Result<Manifest, RunError> {
        self.finish_as(|_| {})
    }

    /// As [`Self::finish`], after `describe` has completed the manifest.
    pub(super) fn finish_as(mut self, describe: impl FnOnce(&mut Manifest)) -> Result<Manifest, RunError> {
        self.checkpoint()?;
        let pending = count(&self.missing());
        if pending > 0 {
            let (dir, rows) = (self.dir, self.manifest.spec.rows());
            return Err(RunError::Incomplete { dir, pending, rows, says: "it is to be finished" });
        }
        self.manifest.outcome = Some(self.checked_outcome("they were written")?);
        self.manifest.state = State::Finished;
        self.manifest.seconds = Some(self.spent);
        describe(&mut self.manifest);
        self.manifest.write(&self.dir, || self.journal.check_place())?;
        self.journal.remove()?;
        Ok(self.manifest)
    }
}

impl Sink for RunWriter {
    fn missing(&self) -> Vec<Range<u64>> {
        uncovered(self.manifest.spec.rows(), &self.written())
    }

    fn outcome(&self) -> Result<StatusCounts, RunError> {
        let mut counts = StatusCounts::default();
        if let Some(file) = self.column("status") {
            for rows in self.written().iter().flat_map(blocks) {
                counts.count(&file.read(&rows)?);
            }
        }
        Ok(counts)
    }

    /// From time to time it makes the written rows durable as well.
    fn write(&mut self, first_row: u64, records: Records, spent: Seconds) -> Result<(), RunError> {
        if records.values.len() != self.columns.len() {
            let problem = format!("{} columns of records for {}", records.values.len(), self.columns.len());
            return Err(RunError::Column { path: self.dir.clone(), problem });
        }
        for (column, values) in self.columns.iter().zip(&records.values) {
            column.write(first_row, values)?;
        }
        self.waiting.push(first_row..first_row + records.rows as u64);
        self.spent_waiting.add(spent);
        if self.checkpoints.is_due() { self.checkpoint() } else { Ok(()) }
    }

    /// Earlier rows stay recorded where the disk refuses. [`RunError::Replaced`] if the directory is no longer there;
    /// if it was renamed, the rows are recorded in it.
    fn checkpoint(&mut self) -> Result<(), RunError> {
        let start = Timer::start();
        if !self.waiting.is_empty() {
            for column in &self.columns {
                column.sync()?;
            }
            for rows in union(std::mem::take(&mut self.waiting).iter()) {
                let spent = std::mem::take(&mut self.spent_waiting);
                self.journal.record(&Entry { rows: rows.clone(), spent })?;
                self.spent.add(spent);
                self.finished.push(rows);
            }
        }
        self.checkpoints.restart(&start);
        self.journal.check_place()
    }
}

/// Fails if two of `columns` are one file: a row of one would overwrite that of the other.
fn check_distinct(columns: &[ColumnFile]) -> Result<(), RunError> {
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column.identity()?) {
            let problem = "the file is that of another column too (a hard link): put a file of its own in its place";
            return Err(RunError::Column { path: column.path().to_owned(), problem: problem.into() });
        }
    }
    Ok(())
}

/// Fills the status column with [`Status::Pending`], so that a row that was never written cannot pass for a converged
/// network.
fn mark_pending(files: &[ColumnFile], columns: &[Column], rows: u64) -> Result<(), RunError> {
    for (file, column) in files.iter().zip(columns) {
        if column.name == "status" && column.dtype == Dtype::Uint8 {
            for rows in blocks(&(0..rows)) {
                let pending = vec![Status::Pending as u8; (rows.end - rows.start) as usize];
                file.write(rows.start, &Values::Uint8(pending))?;
            }
        }
    }
    Ok(())
}

/// Writes the samples and targets of `data`: labels and values as f64, (I,) for one output and (I, K) for several, and
/// class numbers as i64, (I,).
fn write_data(dir: &Path, [x, q]: [&str; 2], data: &Dataset) -> Result<(), RunError> {
    write_array(&dir.join(x), &data.x())?;
    let q = dir.join(q);
    match data.targets() {
        Targets::Labels(t) | Targets::Values(t) if t.ncols() == 1 => write_array(&q, &t.column(0)),
        Targets::Labels(t) | Targets::Values(t) => write_array(&q, t),
        Targets::Classes { of, .. } => write_array(&q, &of.iter().map(|&class| class as i64).collect::<Array1<i64>>()),
    }
}

fn write_array<S, D>(path: &Path, array: &ArrayBase<S, D>) -> Result<(), RunError>
where
    S: Data,
    S::Elem: WritableElement,
    D: Dimension,
{
    write_npy(path, array).map_err(|error| match error {
        WriteNpyError::Io(error) => RunError::io(path, error),
        error => RunError::Column { path: path.to_owned(), problem: error.to_string() },
    })
}
