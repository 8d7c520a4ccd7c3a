//! One column's file: created at its final size, filled in place.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray_npy::{WriteNpyError, write_zeroed_npy};

use super::{RunError, check_regular};
use crate::engine::Stop;
use crate::records::{Column, Dtype, Values};

/// Bytes of a column that are in memory while it is copied.
const COPY_BYTES: u64 = 4 << 20;

/// Where the column `name` of the run in `dir` stands.
pub(super) fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.npy"))
}

/// What a column is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A column's open file.
#[derive(Debug)]
pub(super) struct ColumnFile {
    file: File,
    path: PathBuf,
    dtype: Dtype,
    width: usize,
    rows: u64,
    /// Where row 0 starts in the file.
    offset: u64,
}

impl Dtype {
    pub(super) const fn size(self) -> u64 {
        match self {
            Self::Uint8 => 1,
            Self::Uint32 | Self::Float32 => 4,
            Self::Uint64 | Self::Float64 => 8,
        }
    }
}

impl ColumnFile {
    /// Creates the file with a header for `rows` rows, all zero.
    pub(super) fn create(dir: &Path, column: &Column, rows: u64) -> Result<Self, RunError> {
        let path = path(dir, &column.name);
        let create = || -> Result<(), WriteNpyError> {
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            let rows = usize::try_from(rows).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            let shape = match column.width {
                Some(width) => vec![rows, width],
                None => vec![rows],
            };
            match column.dtype {
                Dtype::Uint8 => write_zeroed_npy::<u8, _>(&file, shape),
                Dtype::Uint32 => write_zeroed_npy::<u32, _>(&file, shape),
                Dtype::Uint64 => write_zeroed_npy::<u64, _>(&file, shape),
                Dtype::Float32 => write_zeroed_npy::<f32, _>(&file, shape),
                Dtype::Float64 => write_zeroed_npy::<f64, _>(&file, shape),
            }
        };
        create().map_err(|error| match error {
            WriteNpyError::Io(error) => RunError::io(&path, error),
            error => RunError::Column { path: path.clone(), problem: error.to_string() },
        })?;
        Self::open(dir, column, rows, Access::Write)
    }

    /// Opens an existing file and checks that it has room for exactly `rows` rows.
    pub(super) fn open(dir: &Path, column: &Column, rows: u64, access: Access) -> Result<Self, RunError> {
        let path = path(dir, &column.name);
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => RunError::Column { path: path.clone(), problem: "the column is missing".into() },
            _ => RunError::io(&path, error),
        };
        check_regular(&path)?;
        let mut file = OpenOptions::new().read(true).write(access == Access::Write).open(&path).map_err(io)?;
        // The preamble of every .npy file of versions 1 to 3: magic string, version, and the header's length.
        let mut preamble = [0_u8; 12];
        file.read_exact(&mut preamble).map_err(io)?;
        let offset = match preamble[6] {
            1 => 10 + u64::from(u16::from_le_bytes([preamble[8], preamble[9]])),
            _ => 12 + u64::from(u32::from_le_bytes([preamble[8], preamble[9], preamble[10], preamble[11]])),
        };
        let column =
            Self { file, path: path.clone(), dtype: column.dtype, width: column.width.unwrap_or(1), rows, offset };
        let expected = offset + rows * column.row_bytes();
        let found = column.file.metadata().map_err(io)?.len();
        if found != expected {
            let problem = format!(
                "the file has {found} bytes where {rows} rows need {expected}: it was changed from outside; restore it, or start \
                 again in another directory"
            );
            return Err(RunError::Column { path, problem });
        }
        Ok(column)
    }

    /// The same open file after its folder was renamed to `dir`.
    pub(super) fn moved_to(mut self, dir: &Path) -> Self {
        if let Some(name) = self.path.file_name() {
            self.path = dir.join(name);
        }
        self
    }

    /// Puts `values` into the rows from `first_row` on.
    pub(super) fn write(&self, first_row: u64, values: &Values) -> Result<(), RunError> {
        let bytes = values.bytes();
        let fits = values.dtype() == self.dtype
            && (bytes.len() as u64).is_multiple_of(self.row_bytes())
            && first_row + bytes.len() as u64 / self.row_bytes() <= self.rows;
        if !fits {
            let problem = format!("{} bytes of {:?} do not fit from row {first_row} on", bytes.len(), values.dtype());
            return Err(RunError::Column { path: self.path.clone(), problem });
        }
        self.write_bytes(first_row, bytes)
    }

    fn write_bytes(&self, first_row: u64, bytes: &[u8]) -> Result<(), RunError> {
        write_all_at(&self.file, bytes, self.offset + first_row * self.row_bytes())
            .map_err(|error| RunError::io(&self.path, error))
    }

    /// The bytes of `rows`.
    pub(super) fn read(&self, rows: &Range<u64>) -> Result<Vec<u8>, RunError> {
        let mut bytes = vec![0; usize::try_from((rows.end - rows.start) * self.row_bytes()).unwrap_or(usize::MAX)];
        read_exact_at(&self.file, &mut bytes, self.offset + rows.start * self.row_bytes())
            .map_err(|error| RunError::io(&self.path, error))?;
        Ok(bytes)
    }

    /// Copies all rows of `from`, a column of the same type and width, to the rows from `first_row` on.
    pub(super) fn copy(&self, first_row: u64, from: &Self, stop: &Stop) -> Result<(), RunError> {
        let at_once = (COPY_BYTES / self.row_bytes()).max(1);
        for start in (0..from.rows).step_by(at_once as usize) {
            if stop.is_requested() {
                return Err(RunError::Stopped);
            }
            let bytes = from.read(&(start..from.rows.min(start + at_once)))?;
            self.write_bytes(first_row + start, &bytes)?;
        }
        Ok(())
    }

    /// Waits until what was written has reached the disk.
    pub(super) fn sync(&self) -> Result<(), RunError> {
        self.file.sync_data().map_err(|error| RunError::io(&self.path, error))
    }

    fn row_bytes(&self) -> u64 {
        self.dtype.size() * self.width as u64
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}
