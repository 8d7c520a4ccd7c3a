//! The run directory: one `.npy` a column, `manifest.json`, the data that were used, and while it is written a journal.
//!
//! Columns have their final size and header from the start, so NumPy can read them at any moment. Finished rows are written in
//! place, made durable, and only then entered in the journal; a run that was cut off goes on from there.

mod column;
mod journal;
mod manifest;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2};
use ndarray_npy::{ReadNpyError, ReadableElement, read_npy};

pub use manifest::{Manifest, Outcome, Seconds, State};
pub use writer::{RunWriter, check_free};

use crate::engine::Description;
use crate::input::{InputError, read_dataset};
use crate::records::{Column, Dtype};
use crate::spec::Experiment;

/// A run directory that cannot be created, read or continued.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory for a new run is not empty.
    #[error("{} already holds {what}: choose another --out, or remove it first; nothing was changed", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
        /// What is in it.
        what: &'static str,
    },
    /// No manifest.
    #[error("{} is no run directory: it has no manifest.json", .0.display())]
    NoRun(PathBuf),
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
    /// Another process is writing here.
    #[error("{} is being written by another sharpsweep process: wait for it or stop it", .0.display())]
    Locked(PathBuf),
    /// The run was begun by something that computes other bits.
    #[error("{} was begun with something else, so its rows would not fit together ({differences}): go on where it was begun, \
             with the same --backend and --adapter", dir.display())]
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
        let found = Experiment::new(spec.work.clone(), spec.hidden, spec.activation, (train, source), test)
            .map_err(|error| wrong(error.to_string()))?;
        if found.spec != *spec {
            return Err(wrong(format!("{} does not hold the data that the manifest describes", data.display())));
        }
        Ok(found)
    }

    /// Fails unless an engine described by `engine` of this version of the program gives the bits that are already written.
    ///
    /// # Errors
    /// [`RunError::OtherEngine`] shows both sides of the difference.
    pub fn check_engine(&self, engine: &Description) -> Result<(), RunError> {
        let (recorded, version) = (&self.manifest.engine, env!("CARGO_PKG_VERSION"));
        let differences: Vec<String> = [
            ("program version", self.manifest.version.as_str(), version),
            ("engine", &recorded.engine, &engine.engine),
            ("precision", &recorded.precision, &engine.precision),
            ("device", &recorded.device, &engine.device),
            ("driver", &recorded.driver, &engine.driver),
            ("code", &recorded.code_hash, &engine.code_hash),
        ]
        .iter()
        .filter(|(_, then, now)| then != now)
        .map(|(what, then, now)| format!("{what}: `{then}` then, `{now}` now"))
        .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::OtherEngine { dir: self.dir.clone(), differences: differences.join("; ") })
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
        let column = self.column("theta")?;
        let theta = match column.dtype {
            Dtype::Float64 => self.read::<f64, ndarray::Ix2>(column)?,
            _ => self.read::<f32, ndarray::Ix2>(column)?.mapv(f64::from),
        };
        self.check_shape(column, theta.shape(), &[self.rows(), column.width.unwrap_or(1)])?;
        Ok(theta)
    }

    /// Whether the run has a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.column(name).is_ok()
    }

    fn rows(&self) -> usize {
        usize::try_from(self.manifest.spec.rows()).unwrap_or(usize::MAX)
    }

    fn plain<T: ReadableElement>(&self, name: &str, dtype: Dtype) -> Result<Vec<T>, RunError> {
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
        T: ReadableElement,
        X: ndarray::Dimension,
    {
        read_npy(column::path(&self.dir, &column.name)).map_err(|error| {
            let problem = match error {
                ReadNpyError::MissingData => "the file is shorter than its header says: it was cut off".into(),
                ReadNpyError::Io(error) if error.kind() == io::ErrorKind::NotFound => "the column is missing".into(),
                error => error.to_string(),
            };
            self.damaged(&column.name, problem)
        })
    }

    fn check_shape(&self, column: &Column, found: &[usize], expected: &[usize]) -> Result<(), RunError> {
        if found == expected {
            return Ok(());
        }
        Err(self.damaged(&column.name, format!("the column has the shape {found:?}, the manifest says {expected:?}")))
    }

    fn damaged(&self, name: &str, problem: String) -> RunError {
        RunError::Column { path: column::path(&self.dir, name), problem }
    }
}
