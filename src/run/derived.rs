//! A column that is made of a finished run and stands beside its own.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use ndarray::ArrayView1;
use ndarray_npy::{WriteNpyError, WriteNpyExt};

use super::layout::column_path;
use super::manifest::{Derived, Manifest};
use super::{Run, RunError, files};

impl Run {
    /// Puts a column that was made of the finished run beside its own, and into the manifest what it is.
    ///
    /// The manifest never says anything false about the file: it says nothing while the file is replaced.
    ///
    /// # Errors
    /// [`RunError::Io`] if the disk refuses.
    pub fn write_derived(&self, mut derived: Derived, values: &[i64]) -> Result<PathBuf, RunError> {
        // JSON has no others, and a manifest that holds one could not be read again.
        derived.numbers.retain(|_, number| number.is_finite());
        // As it is now: another command may have added to it.
        let mut manifest = Manifest::read(self.dir())?;
        let others = manifest.derived.len();
        manifest.derived.retain(|other| other.name != derived.name);
        if manifest.derived.len() < others {
            manifest.write(self.dir(), || Ok(()))?;
        }
        let path = column_path(self.dir(), &derived.name);
        let write = |file: &mut File| {
            let mut file = BufWriter::new(file);
            match ArrayView1::from(values).write_npy(&mut file) {
                Err(WriteNpyError::Io(error)) => Err(error),
                written => written.map_err(io::Error::other),
            }?;
            file.flush()
        };
        files::replace(&path, write).map_err(|error| RunError::io(&path, error))?;
        manifest.derived.push(derived);
        manifest.write(self.dir(), || Ok(()))?;
        Ok(path)
    }
}
