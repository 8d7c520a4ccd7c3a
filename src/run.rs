//! The run directory: one `.npy` a column, `manifest.json`, the data that were used, and while it is written a journal.
//!
//! Columns have their final size and header from the start, so NumPy can read them at any moment. Finished rows are written in
//! place, made durable, and only then entered in the journal; a run that was cut off goes on from there.

mod column;
mod differences;
mod earlier;
mod extension;
mod grid;
mod journal;
mod manifest;
mod merge;
mod output;
mod population;
mod space;
mod staging;
mod whole;
mod writer;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, ArrayView1};
use ndarray_npy::{WriteNpyError, WriteNpyExt};

pub use earlier::Earlier;
pub use extension::{Extension, Longer, More, Published};
pub use grid::{Grid, GridRun, NewRun, number};
pub use manifest::{Derived, Manifest, Outcome, Part, Seconds, State};
pub use merge::merge;
pub use output::{Output, create_file};
pub use population::Population;
pub use space::{check_space, size};
pub use staging::Staging;
pub use writer::{RunWriter, check_free};

use crate::engine::{Description, Status};
use crate::input::{GivenTheta, InputError, read_dataset};
use crate::npy::{self, Element, NpyError, NpyFile, shown_shape};
use crate::records::{Column, Dtype, columns};
use crate::room::{NoRoom, check_memory};
use crate::spec::{Experiment, Keep, Work};
use column::{Access, ColumnFile};
use journal::{Journal, uncovered, union};

/// A run directory that cannot be created, read or continued.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory for a new run is not empty.
    #[error("{} already holds {what}: choose another --out, or remove it first{}; nothing was changed", dir.display(), going_on(dir, what))]
    Exists {
        /// The directory.
        dir: PathBuf,
        /// What is in it.
        what: &'static str,
    },
    /// No manifest.
    #[error("{} is no run directory: it has no manifest.json", .0.display())]
    NoRun(PathBuf),
    /// A grid where a run was asked for.
    #[error("{} is a grid of runs: name one of the runs in it", .0.display())]
    IsGrid(PathBuf),
    /// A manifest that cannot be understood.
    #[error("{}: {problem}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A column that is missing, shortened or of the wrong kind.
    #[error("{}: {problem}", path.display())]
    Column {
        /// The column's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A journal whose lines do not follow from each other.
    #[error("{}: line {line} is corrupted, so it is not certain which rows are finished; the columns are untouched. Restore the \
             journal, or start again in another directory", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The first line that does not fit.
        line: usize,
    },
    /// An unfinished run without its journal.
    #[error("{} is missing, so it is not known which rows are finished; the columns are untouched. Restore it, or start again in \
             another directory", .0.display())]
    JournalMissing(PathBuf),
    /// A manifest that no longer says what the run was begun with.
    #[error("{}: manifest.json was changed since the run was begun ({differences}; there: as it was begun, here: manifest.json), so \
             its rows would not fit together: restore manifest.json, or start another run in another directory", dir.display())]
    Changed {
        /// The directory.
        dir: PathBuf,
        /// What differs.
        differences: String,
    },
    /// Parts of a merge that are not finished.
    #[error("unfinished: {}; finish each first: sharpsweep resume DIR", .0.join(", "))]
    Unfinished(Vec<String>),
    /// A part of a merge that is an evaluation.
    #[error("{} is an evaluation: only sweeps can be merged", .0.display())]
    NoSweep(PathBuf),
    /// A merge of nothing.
    #[error("there is nothing to merge")]
    NothingToMerge,
    /// Parts of a merge that are not of one experiment.
    #[error("{} and {} are not parts of one experiment:\n  {differences}\ncompute one of them again as the other was, or leave it out",
             first.display(), other.display())]
    Unlike {
        /// One part.
        first: PathBuf,
        /// Another.
        other: PathBuf,
        /// What differs, with the values of both in a line.
        differences: String,
    },
    /// Parts of a merge that were computed by different engines.
    #[error("{} and {} were computed by different engines ({differences}; there: the first, here: the second), so the result would \
             be that of neither; --allow-mixed-engines merges them all the same, and the manifest says which seeds are whose",
             first.display(), other.display())]
    MixedEngines {
        /// One part.
        first: PathBuf,
        /// Another.
        other: PathBuf,
        /// What differs.
        differences: String,
    },
    /// Parts of a merge that do not hold every seed once.
    #[error("the directories do not make up the seeds {}..{}: {}", whole.start, whole.end, problems.join("; "))]
    Seeds {
        /// The seeds that there should be.
        whole: Range<u64>,
        /// Gaps and overlaps.
        problems: Vec<String>,
    },
    /// No list of runs.
    #[error("{} is no grid: it has no grid.json", .0.display())]
    NoGrid(PathBuf),
    /// Another process is writing here.
    #[error("{} is being written by another sharpsweep process: wait for it or stop it", .0.display())]
    Locked(PathBuf),
    /// Another process has finished the run since it was looked at.
    #[error("{} was finished by another process meanwhile", .0.display())]
    Finished(PathBuf),
    /// A run that claims rows which it does not have.
    #[error("{} is not complete: {pending} of its {rows} rows are not computed, though {says}. It was changed from outside, and nothing \
             was changed now: restore the changed files, or start again in another directory", dir.display())]
    Incomplete {
        /// The directory.
        dir: PathBuf,
        /// Rows without a network.
        pending: u64,
        /// Rows of the run.
        rows: u64,
        /// Who claims that they are there.
        says: &'static str,
    },
    /// The directory is another one than when it was opened.
    #[error("{} is no longer the directory that was opened: it was removed, renamed or replaced meanwhile, so nothing more was written \
             there. If it was renamed, finished rows are kept in it: go on with sharpsweep resume and its new name", .0.display())]
    Replaced(PathBuf),
    /// A symbolic link where a file of the run must stand.
    #[error("{} is a symbolic link: writing to it would change what it points to, so nothing was changed. Put the file itself in its \
             place", .0.display())]
    Link(PathBuf),
    /// A file in the way of one that was to be left.
    #[error("{} is {what}: choose another --out, or move it away; nothing was changed", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Networks that are not those that an evaluation was begun with.
    #[error("{}: the column does not hold the networks that the evaluation was begun with: evaluate them again in another \
             directory", .0.display())]
    Theta(PathBuf),
    /// The run was begun by something that computes other bits.
    #[error("{} was begun with something else, so its rows would not fit together ({differences}): go on where it was begun, \
             with the same sharpsweep, --backend and --adapter", dir.display())]
    OtherEngine {
        /// The directory.
        dir: PathBuf,
        /// What differs, then and now.
        differences: String,
    },
    /// The recorded data cannot be read.
    #[error("the run's own copy of its data cannot be used: {0}")]
    Data(#[from] InputError),
    /// The recorded experiment contradicts itself.
    #[error("{}: {problem}", path.display())]
    Experiment {
        /// The manifest.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A run that cannot be given more seeds or steps as if it had been asked for them from the start.
    #[error("{} cannot be extended: {reason}. Nothing was changed", dir.display())]
    NoExtension {
        /// The directory.
        dir: PathBuf,
        /// Why, and what to do instead.
        reason: String,
    },
    /// Another extension of the run was begun.
    #[error("{} holds another extension of {} that was begun ({differences}; there: what was begun, here: what is asked for): finish that \
             one, or remove {} to give it up", folder.display(), dir.display(), folder.display())]
    OtherExtension {
        /// The directory.
        dir: PathBuf,
        /// What holds the extension.
        folder: PathBuf,
        /// What differs.
        differences: String,
    },
    /// More than the disk or memory has room for.
    #[error(transparent)]
    Room(#[from] NoRoom),
    /// A [`crate::engine::Stop`] was requested.
    #[error("stopped")]
    Stopped,
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RunError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What a run in `dir` is and a grid is called, where a directory is not free.
const A_RUN: &str = "a run";
const A_GRID: &str = "a grid of runs";

/// How to go on with what `dir` holds, where it is of this program.
fn going_on(dir: &Path, what: &str) -> String {
    if ![A_RUN, A_GRID].contains(&what) {
        return String::new();
    }
    let resume = format!("sharpsweep resume {}", dir.display());
    format!("; to finish it: {resume}; for more seeds or more steps: {resume} --seeds S or --max-steps T")
}

/// Fails if `path` is a symbolic link.
fn check_no_link(path: &Path) -> Result<(), RunError> {
    if path.is_symlink() { Err(RunError::Link(path.to_owned())) } else { Ok(()) }
}

/// Fails where something stands at `path` that is no regular file: a pipe would be waited for, for ever.
fn check_regular(path: &Path) -> Result<(), RunError> {
    match npy::check_regular(path) {
        Err(NpyError::NotAFile(what)) => {
            Err(RunError::Column { path: path.to_owned(), problem: format!("not a regular file but {what}") })
        }
        // Whoever opens it says why it cannot.
        _ => Ok(()),
    }
}

/// Rows of a column that are in memory at once while it is read in blocks.
const BLOCK_ROWS: usize = 1 << 14;

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
    /// [`RunError::NoRun`] without a manifest, [`RunError::Manifest`] for one that this version cannot read.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        Ok(Self { dir: dir.to_owned(), manifest: Manifest::read(dir)? })
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
        let data = self.dir.join(writer::DATA);
        let read = |x: &str, q: &str| read_dataset(&data.join(x), &data.join(q));
        let source = spec.data.source.clone();
        let test = match &spec.test {
            Some(test) => Some((read("test_x.npy", "test_q.npy")?, test.source.clone())),
            None => None,
        };
        let train = read("x.npy", "q.npy")?;
        let wrong = |problem: String| RunError::Experiment { path: self.dir.join(manifest::FILE), problem };
        let mut found = Experiment::new(spec.work.clone(), spec.hidden, spec.activation, (train, source), test)
            .map_err(|error| wrong(error.to_string()))?;
        found.spec.keep = spec.keep;
        found.spec.extra = spec.extra;
        found.spec.data.standardization = spec.data.standardization.clone();
        if let (Some(test), Some(recorded)) = (&mut found.spec.test, &spec.test) {
            test.standardization = recorded.standardization.clone();
        }
        let differences = differences::differences(spec, &found.spec);
        if !differences.is_empty() {
            return Err(wrong(format!(
                "{} does not hold the data that the manifest describes ({}; there: the manifest, here: the data)",
                data.display(),
                differences.join("; ")
            )));
        }
        Ok(found)
    }

    /// The networks of an evaluation.
    ///
    /// # Errors
    /// [`RunError::Theta`] if they are others than those that it was begun with, and as [`Self::floats`].
    pub fn given_theta(&self) -> Result<GivenTheta, RunError> {
        let column = self.theta_column()?;
        let theta = match column.dtype {
            Dtype::Float64 => GivenTheta::Float64(self.read(column)?),
            _ => GivenTheta::Float32(self.read(column)?),
        };
        match &self.manifest.spec.work {
            Work::Evaluate { theta_hash, .. } if *theta_hash == theta.hash() => Ok(theta),
            _ => Err(RunError::Theta(column::path(&self.dir, &column.name))),
        }
    }

    /// Fails unless an engine described by `engine` of this version of the program gives the bits that are already written.
    pub(crate) fn check_engine(&self, engine: &Description) -> Result<(), RunError> {
        let (then, now) = (&self.manifest.version, env!("CARGO_PKG_VERSION"));
        let mut differences = self.manifest.engine.differences(engine);
        if then != now {
            differences.push(format!("program version: `{then}` there, `{now}` here"));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::OtherEngine { dir: self.dir.clone(), differences: differences.join("; ") })
    }

    /// Fails unless the manifest says what the run was `begun` with by its journal.
    fn check_unchanged(&self, begun: serde_json::Value) -> Result<(), RunError> {
        let differences = self.manifest.changes_since(begun);
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::Changed { dir: self.dir.clone(), differences: differences.join("; ") })
    }

    /// Fails unless the manifest lists the columns that this version of the program gives the run's experiment.
    fn check_columns(&self) -> Result<(), RunError> {
        let Manifest { spec, columns: listed, .. } = &self.manifest;
        let theta = match spec.work {
            Work::Sweep { .. } => Dtype::Float32,
            Work::Evaluate { .. } => self.theta_column().map_or(Dtype::Float32, |column| column.dtype),
        };
        // What a column means may be told in other words.
        let told = |columns: &[Column]| -> Vec<Column> {
            columns.iter().map(|column| Column { meaning: String::new(), ..column.clone() }).collect()
        };
        let differences = differences::differences(
            &serde_json::json!({ "columns": told(&columns(spec, theta)) }),
            &serde_json::json!({ "columns": told(listed) }),
        );
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::Changed { dir: self.dir.clone(), differences: differences.join("; ") })
    }

    /// Fails if the run claims to be finished, but some row of it is not there: by its status column, or by a journal that it still has.
    ///
    /// # Errors
    /// [`RunError::Incomplete`] or [`RunError::Changed`] for such a run, and the others for files that cannot be read.
    pub fn check_complete(&self) -> Result<(), RunError> {
        if self.manifest.state != State::Finished {
            return Ok(());
        }
        let (dir, rows) = (self.dir.clone(), self.manifest.spec.rows());
        let pending = rows - self.outcome()?.ended();
        if pending > 0 {
            return Err(RunError::Incomplete { dir, pending, rows, says: "manifest.json says that it is finished" });
        }
        let contents = match Journal::read(&self.dir) {
            Err(RunError::JournalMissing(_)) => return Ok(()),
            contents => contents?,
        };
        let pending = uncovered(rows, &union(contents.finished())).iter().map(|range| range.end - range.start).sum();
        if pending > 0 {
            let says = "manifest.json says that it is finished, and its journal that it is not";
            return Err(RunError::Incomplete { dir, pending, rows, says });
        }
        self.check_unchanged(contents.begun)
    }

    /// A float64 column, (S,).
    ///
    /// # Errors
    /// [`RunError::Column`] if the run has no such column, or its file is missing or damaged.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>, RunError> {
        self.plain(name, Dtype::Float64)
    }

    /// The `seed` column, (S,).
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn seeds(&self) -> Result<Vec<u64>, RunError> {
        self.plain("seed", Dtype::Uint64)
    }

    /// The `status` column as numbers, (S,): see [`crate::engine::Status::from_number`].
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn status(&self) -> Result<Vec<u8>, RunError> {
        self.plain("status", Dtype::Uint8)
    }

    /// The `steps` column, (S,).
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn steps(&self) -> Result<Vec<u32>, RunError> {
        self.plain("steps", Dtype::Uint32)
    }

    /// The `theta` column, (S, D), widened to f64.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn theta(&self) -> Result<Array2<f64>, RunError> {
        let column = self.theta_column()?;
        let theta = match column.dtype {
            Dtype::Float64 => self.read::<f64, ndarray::Ix2>(column)?,
            _ => {
                let theta = self.read::<f32, ndarray::Ix2>(column)?;
                check_memory("the weights in f64", (theta.len() as u64).saturating_mul(8))?;
                theta.mapv(f64::from)
            }
        };
        self.check_shape(column, theta.shape(), &[self.rows(), column.width.unwrap_or(1)])?;
        Ok(theta)
    }

    /// Row numbers and weights of the networks that stand for critical points ([`Status::is_critical_point`]), (S', D) in f32, read
    /// in blocks.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn critical_points(&self) -> Result<(Vec<usize>, Array2<f32>), RunError> {
        let column = self.theta_column()?;
        let status = self.status()?;
        // First of all: a width that its file does not have is no width.
        let file = self.open_column("theta")?;
        let critical = |row: &usize| Status::from_number(status[*row]).is_some_and(Status::is_critical_point);
        let rows: Vec<usize> = (0..status.len()).filter(critical).collect();
        let width = column.width.unwrap_or(1);
        let numbers = rows.len().saturating_mul(width);
        check_memory("the weights of the critical points", (numbers as u64).saturating_mul(4))?;
        let mut points = Vec::with_capacity(numbers);
        for start in (0..status.len()).step_by(BLOCK_ROWS) {
            let end = status.len().min(start + BLOCK_ROWS);
            let bytes = file.read(&(start as u64..end as u64))?;
            let size = bytes.len() / (end - start);
            for row in (start..end).filter(critical) {
                let row = &bytes[(row - start) * size..(row - start + 1) * size];
                match column.dtype {
                    Dtype::Float64 => {
                        points.extend(row.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value) as f32))
                    }
                    _ => points.extend(row.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value))),
                }
            }
        }
        let points = Array2::from_shape_vec((rows.len(), width), points)
            .map_err(|error| self.damaged("theta", error.to_string()))?;
        Ok((rows, points))
    }

    /// What row `row` of the float64 column `name` holds: one number, or as many as the column is wide.
    ///
    /// # Errors
    /// As [`Self::floats`], and if there is no such row.
    pub fn values_of(&self, name: &str, row: usize) -> Result<Vec<f64>, RunError> {
        if self.column(name)?.dtype != Dtype::Float64 || row >= self.rows() {
            return Err(self.damaged(name, format!("the column has no row {row} of float64")));
        }
        let bytes = self.open_column(name)?.read(&(row as u64..row as u64 + 1))?;
        Ok(bytes.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value)).collect())
    }

    /// The weights of the first networks, at most `count`, that ended as `status`, (S', D) in f64; those that were not kept are NaN.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn weights_of_first(&self, status: Status, count: usize) -> Result<Array2<f64>, RunError> {
        let column = self.theta_column()?;
        let (file, ended) = (self.open_column("theta")?, self.open_column("status")?);
        let (mut weights, mut found) = (Vec::new(), 0);
        self.each_block(|rows| {
            if found == count {
                return Ok(());
            }
            for (row, number) in rows.clone().zip(ended.read(rows)?) {
                if number == status as u8 && found < count {
                    let bytes = file.read(&(row..row + 1))?;
                    match column.dtype {
                        Dtype::Float64 => {
                            weights.extend(bytes.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value)))
                        }
                        _ => weights
                            .extend(bytes.as_chunks().0.iter().map(|&value| f64::from(f32::from_le_bytes(value)))),
                    }
                    found += 1;
                }
            }
            Ok(())
        })?;
        Array2::from_shape_vec((found, column.width.unwrap_or(1)), weights)
            .map_err(|error| self.damaged("theta", error.to_string()))
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
                Err(RunError::Manifest { path: self.dir.join(manifest::FILE), problem })
            }
            _ => Ok(written),
        }
    }

    /// How the networks of the written rows ended, read in blocks from the `status` column.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn outcome(&self) -> Result<Outcome, RunError> {
        let file = self.open_column("status")?;
        let mut outcome = Outcome::default();
        self.each_block(|rows| {
            outcome.count(&file.read(rows)?);
            Ok(())
        })?;
        Ok(outcome)
    }

    /// Hands the value of column `name` of every network of the population `over` to `take`, in seed order and read in blocks.
    ///
    /// # Errors
    /// As [`Self::floats`], and for a column that is not one number a row.
    pub fn each_value(&self, name: &str, over: Population, take: &mut dyn FnMut(f64)) -> Result<(), RunError> {
        let column = self.column(name)?;
        let value: fn(&[u8]) -> f64 = match (column.width, column.dtype) {
            (None, Dtype::Float64) => |bytes| f64::from_le_bytes(*bytes.as_array().unwrap_or(&[0; 8])),
            (None, Dtype::Uint32) => |bytes| f64::from(u32::from_le_bytes(*bytes.as_array().unwrap_or(&[0; 4]))),
            _ => return Err(self.damaged(name, "the column does not hold one f64 or u32 a row".into())),
        };
        let (values, ended) = (self.open_column(name)?, self.open_column("status")?);
        self.each_block(|rows| {
            let (bytes, ended) = (values.read(rows)?, ended.read(rows)?);
            let size = bytes.len() / ended.len().max(1);
            for (bytes, ended) in bytes.chunks_exact(size.max(1)).zip(ended) {
                if over.holds(ended) {
                    take(value(bytes));
                }
            }
            Ok(())
        })
    }

    /// Hands the values of the float64 columns `names` of every written row to `take`, in seed order and read in blocks.
    ///
    /// # Errors
    /// As [`Self::floats`], and for a column that is not one f64 a row.
    pub fn each_row(&self, names: &[&str], take: &mut dyn FnMut(&[f64])) -> Result<(), RunError> {
        let open = |&name: &&str| match self.column(name)? {
            Column { width: None, dtype: Dtype::Float64, .. } => self.open_column(name),
            _ => Err(self.damaged(name, "the column does not hold one f64 a row".into())),
        };
        let files = names.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut values = vec![0.0; names.len()];
        self.each_block(|rows| {
            let columns = files.iter().map(|file| file.read(rows)).collect::<Result<Vec<_>, _>>()?;
            for row in 0..(rows.end - rows.start) as usize {
                for (value, column) in values.iter_mut().zip(&columns) {
                    *value = f64::from_le_bytes(column.as_chunks().0[row]);
                }
                take(&values);
            }
            Ok(())
        })
    }

    /// Hands the written rows to `block`, not too many at once.
    fn each_block(&self, mut block: impl FnMut(&Range<u64>) -> Result<(), RunError>) -> Result<(), RunError> {
        self.written()?.into_iter().try_for_each(|rows| {
            let starts = rows.clone().step_by(BLOCK_ROWS);
            starts.into_iter().try_for_each(|start| block(&(start..rows.end.min(start + BLOCK_ROWS as u64))))
        })
    }

    fn open_column(&self, name: &str) -> Result<ColumnFile, RunError> {
        ColumnFile::open(&self.dir, self.column(name)?, self.manifest.spec.rows(), Access::Read)
    }

    /// Puts a column that was made of the finished run beside its own, and into the manifest what it is.
    ///
    /// At no moment does the manifest say of the file what is not so: it says nothing while the file is replaced.
    ///
    /// # Errors
    /// [`RunError::Io`] if the disk refuses.
    pub fn write_derived(&self, mut derived: Derived, values: &[i64]) -> Result<PathBuf, RunError> {
        // JSON has no others, and a manifest that holds one could not be read again.
        derived.numbers.retain(|_, number| number.is_finite());
        // As it is now: another command may have added to it.
        let mut manifest = Manifest::read(&self.dir)?;
        let others = manifest.derived.len();
        manifest.derived.retain(|other| other.name != derived.name);
        if manifest.derived.len() < others {
            manifest.write(&self.dir, || Ok(()))?;
        }
        let path = column::path(&self.dir, &derived.name);
        let write = |file: &mut File| {
            let mut file = BufWriter::new(file);
            match ArrayView1::from(values).write_npy(&mut file) {
                Err(WriteNpyError::Io(error)) => Err(error),
                written => written.map_err(io::Error::other),
            }?;
            file.flush()
        };
        whole::replace(&path, write).map_err(|error| RunError::io(&path, error))?;
        manifest.derived.push(derived);
        manifest.write(&self.dir, || Ok(()))?;
        Ok(path)
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

    /// Whether the run has a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.column(name).is_ok()
    }

    fn theta_column(&self) -> Result<&Column, RunError> {
        if self.manifest.spec.keep == Keep::Summary {
            return Err(self.damaged("theta", "the run was made with --keep summary, which keeps no weights".into()));
        }
        self.column("theta")
    }

    fn rows(&self) -> usize {
        usize::try_from(self.manifest.spec.rows()).unwrap_or(usize::MAX)
    }

    fn plain<T: Element>(&self, name: &str, dtype: Dtype) -> Result<Vec<T>, RunError> {
        let column = self.column(name)?;
        if column.dtype != dtype {
            return Err(self.damaged(name, format!("the column holds {:?}, not {dtype:?}", column.dtype)));
        }
        let values: Array1<T> = self.read(column)?;
        self.check_shape(column, values.shape(), &[self.rows()])?;
        Ok(values.into_raw_vec_and_offset().0)
    }

    fn column(&self, name: &str) -> Result<&Column, RunError> {
        let found = self.manifest.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| self.damaged(name, "this run has no such column".into()))
    }

    fn read<T, X>(&self, column: &Column) -> Result<ndarray::Array<T, X>, RunError>
    where
        T: Element,
        X: ndarray::Dimension,
    {
        let read = |path: &Path| NpyFile::open(path)?.read::<T>();
        let array = read(&column::path(&self.dir, &column.name)).map_err(|error| {
            let problem = match error {
                NpyError::Io(error) if error.kind() == io::ErrorKind::NotFound => "the column is missing".into(),
                NpyError::Short { .. } => "the file is shorter than its header says: it was cut off".into(),
                error => error.to_string(),
            };
            self.damaged(&column.name, problem)
        })?;
        let other = |what: String| self.damaged(&column.name, what);
        let array = array.ok_or_else(|| other(format!("the file does not hold {:?}", column.dtype)))?;
        array.into_dimensionality().map_err(|error| other(error.to_string()))
    }

    fn check_shape(&self, column: &Column, found: &[usize], expected: &[usize]) -> Result<(), RunError> {
        if found == expected {
            return Ok(());
        }
        Err(self.damaged(
            &column.name,
            format!("the column has the shape {}, the manifest says {}", shown_shape(found), shown_shape(expected)),
        ))
    }

    fn damaged(&self, name: &str, problem: String) -> RunError {
        RunError::Column { path: column::path(&self.dir, name), problem }
    }
}
