//! The file of one column: created at its final size, filled in place.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use same_file::Handle;

use super::RunError;
use super::files::identity;
use super::layout::{check_no_link, check_regular, column_path};
use crate::engine::Stop;
use crate::records::{Column, Dtype, Values};

/// Bytes of a column that are in memory at once while it is copied.
const COPY_BYTES: u64 = 4 << 20;

/// What a column is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenMode {
    Read,
    Write,
}

/// A column's open file.
#[derive(Debug)]
pub(super) struct ColumnFile {
    file: File,
    path: PathBuf,
    dtype: Dtype,
    row_bytes: u64,
    rows: u64,
    /// Where row 0 starts in the file.
    offset: u64,
}

impl Dtype {
    /// Bytes per value.
    pub(super) const fn size(self) -> u64 {
        match self {
            Self::Uint8 => 1,
            Self::Uint32 | Self::Float32 => 4,
            Self::Uint64 | Self::Float64 => 8,
        }
    }
    /// The type as a `.npy` header names it, in this machine's byte order.
    fn descriptor(self) -> String {
        let order = if cfg!(target_endian = "big") { '>' } else { '<' };
        match self {
            Self::Uint8 => "|u1".into(),
            Self::Uint32 | Self::Uint64 => format!("{order}u{}", self.size()),
            Self::Float32 | Self::Float64 => format!("{order}f{}", self.size()),
        }
    }
}

impl Column {
    /// The header of the column's file with `rows` rows: format 1.0, padded to a multiple of 64 bytes as NumPy does.
    fn header(&self, rows: u64) -> Vec<u8> {
        let shape = match self.width {
            Some(width) => format!("({rows}, {width})"),
            None => format!("({rows},)"),
        };
        let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}}}", self.dtype.descriptor());
        let padding = (PREAMBLE + text.len() + 1).next_multiple_of(64) - (PREAMBLE + text.len() + 1);
        text.extend(std::iter::repeat_n(' ', padding).chain(['\n']));
        // No name is part of it, so a header never comes near the 64 KiB at which the format's length field ends.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        [b"\x93NUMPY\x01\x00", length.to_le_bytes().as_slice(), text.as_bytes()].concat()
    }

    /// Bytes per row, and of a file with `rows` rows from the byte `offset` on; `None` beyond what a file can hold.
    fn sizes(&self, rows: u64, offset: u64) -> Option<(u64, u64)> {
        let row = self.dtype.size().checked_mul(u64::try_from(self.width.unwrap_or(1)).ok()?)?;
        Some((row, row.checked_mul(rows)?.checked_add(offset)?))
    }
}

/// Bytes of a `.npy` file of format 1.0 before its header's text: magic string, version, length.
const PREAMBLE: usize = 10;

/// The longest header that is read: NumPy's own are below 1 KiB.
const LONGEST_HEADER: u64 = 1 << 16;

/// A header's text without the characters that mean nothing: NumPy writes spaces and a last comma where others do not.
fn meaning(text: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(text).into_owned();
    text.retain(|character| !character.is_ascii_whitespace());
    text.replace(",}", "}")
}

impl ColumnFile {
    /// Creates the file with a header for `rows` rows, all zero.
    pub(super) fn create(dir: &Path, column: &Column, rows: u64) -> Result<Self, RunError> {
        let path = column_path(dir, &column.name);
        let io = |error| RunError::io(&path, error);
        let header = column.header(rows);
        let offset = header.len() as u64;
        let Some((row_bytes, length)) = column.sizes(rows, offset) else {
            return Err(io(io::ErrorKind::FileTooLarge.into()));
        };
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(io)?;
        file.write_all(&header).and_then(|()| file.set_len(length)).map_err(io)?;
        Ok(Self { file, path, dtype: column.dtype, row_bytes, rows, offset })
    }

    /// Opens an existing file and checks that it is the column with exactly `rows` rows. To be written to, its header must be byte for
    /// byte that of [`Self::create`]; to be read, it may be any header that says the same.
    pub(super) fn open(dir: &Path, column: &Column, rows: u64, mode: OpenMode) -> Result<Self, RunError> {
        let path = column_path(dir, &column.name);
        let changed = |what: String| RunError::Column {
            path: path.clone(),
            problem: format!("{what}: it was changed from outside; restore it, or start again in another directory"),
        };
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => RunError::Column { path: path.clone(), problem: "the column is missing".into() },
            io::ErrorKind::UnexpectedEof => changed("the file is too short to be a column".into()),
            _ => RunError::io(&path, error),
        };
        if mode == OpenMode::Write {
            check_no_link(&path)?;
        }
        check_regular(&path)?;
        let mut file = OpenOptions::new().read(true).write(mode == OpenMode::Write).open(&path).map_err(io)?;
        let found = file.metadata().map_err(io)?.len();
        // The preamble of every .npy file of versions 1 to 3: magic string, version, and the header's length.
        let mut preamble = [0_u8; 12];
        file.read_exact(&mut preamble).map_err(io)?;
        let (start, offset) = match preamble[6] {
            1 => (PREAMBLE, PREAMBLE as u64 + u64::from(u16::from_le_bytes([preamble[8], preamble[9]]))),
            _ => (12, 12 + u64::from(u32::from_le_bytes([preamble[8], preamble[9], preamble[10], preamble[11]]))),
        };
        let expected = column.header(rows);
        let mut header = vec![0; usize::try_from(offset.min(found).min(LONGEST_HEADER)).unwrap_or(0)];
        read_exact_at(&file, &mut header, 0).map_err(io)?;
        let fits = match mode {
            OpenMode::Write => header == expected,
            OpenMode::Read => {
                let text = header.get(start..).unwrap_or_default();
                header.starts_with(&expected[..6]) && meaning(text) == meaning(&expected[PREAMBLE..])
            }
        };
        if !fits {
            let text = String::from_utf8_lossy(&expected[PREAMBLE..]);
            return Err(changed(format!("the file does not begin with the header of its column, {}", text.trim_end())));
        }
        match column.sizes(rows, offset) {
            Some((row_bytes, length)) if length == found => {
                Ok(Self { file, path, dtype: column.dtype, row_bytes, rows, offset })
            }
            sizes => {
                let needed = sizes.map_or_else(|| "more than a file holds".into(), |(_, length)| length.to_string());
                Err(changed(format!("the file has {found} bytes where {rows} rows need {needed}")))
            }
        }
    }

    /// What tells this file from others, whatever its names.
    pub(super) fn identity(&self) -> Result<Handle, RunError> {
        identity(&self.file, &self.path)
    }

    /// The type of its values.
    pub(super) fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Where the file stands.
    pub(super) fn path(&self) -> &Path {
        &self.path
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
            && (bytes.len() as u64).is_multiple_of(self.row_bytes)
            && first_row + bytes.len() as u64 / self.row_bytes <= self.rows;
        if !fits {
            let problem = format!("{} bytes of {:?} do not fit from row {first_row} on", bytes.len(), values.dtype());
            return Err(RunError::Column { path: self.path.clone(), problem });
        }
        self.write_bytes(first_row, bytes)
    }

    fn write_bytes(&self, first_row: u64, bytes: &[u8]) -> Result<(), RunError> {
        write_all_at(&self.file, bytes, self.offset + first_row * self.row_bytes)
            .map_err(|error| RunError::io(&self.path, error))
    }

    /// The bytes of `rows`.
    pub(super) fn read(&self, rows: &Range<u64>) -> Result<Vec<u8>, RunError> {
        let mut bytes = vec![0; usize::try_from((rows.end - rows.start) * self.row_bytes).unwrap_or(usize::MAX)];
        read_exact_at(&self.file, &mut bytes, self.offset + rows.start * self.row_bytes)
            .map_err(|error| RunError::io(&self.path, error))?;
        Ok(bytes)
    }

    /// Copies all rows of `from`, a column of the same type and width, to the rows from `first_row` on.
    pub(super) fn copy(&self, first_row: u64, from: &Self, stop: &Stop) -> Result<(), RunError> {
        let block = (COPY_BYTES / self.row_bytes).max(1);
        for start in (0..from.rows).step_by(block as usize) {
            if stop.is_requested() {
                return Err(RunError::Stopped);
            }
            let bytes = from.read(&(start..from.rows.min(start + block)))?;
            self.write_bytes(first_row + start, &bytes)?;
        }
        Ok(())
    }

    /// Waits until what was written has reached the disk.
    pub(super) fn sync(&self) -> Result<(), RunError> {
        self.file.sync_data().map_err(|error| RunError::io(&self.path, error))
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use ndarray_npy::{WriteNpyError, write_zeroed_npy};

    use super::{ColumnFile, OpenMode, column_path};
    use crate::records::{Column, Dtype};

    type Zeros = fn(&File, Vec<usize>) -> Result<(), WriteNpyError>;

    /// Files are those that the library for `.npy` files makes, to the byte, whatever the type and the number of digits.
    #[test]
    fn a_new_column_is_the_file_that_the_library_writes() {
        let dir = tempfile::tempdir().unwrap();
        let types: [(Dtype, Zeros); 5] = [
            (Dtype::Uint8, write_zeroed_npy::<u8, _>),
            (Dtype::Uint32, write_zeroed_npy::<u32, _>),
            (Dtype::Uint64, write_zeroed_npy::<u64, _>),
            (Dtype::Float32, write_zeroed_npy::<f32, _>),
            (Dtype::Float64, write_zeroed_npy::<f64, _>),
        ];
        for (dtype, zeros) in types {
            for (rows, width) in [(1, None), (12_345, None), (7, Some(1)), (1_000, Some(13))] {
                let column =
                    Column { name: format!("{dtype:?}-{rows}-{width:?}"), dtype, width, meaning: String::new() };
                drop(ColumnFile::create(dir.path(), &column, rows as u64).unwrap());
                let expected = dir.path().join("expected");
                let shape = [rows].into_iter().chain(width).collect();
                zeros(&File::create(&expected).unwrap(), shape).unwrap();
                let found = column_path(dir.path(), &column.name);
                assert_eq!(std::fs::read(&found).unwrap(), std::fs::read(&expected).unwrap(), "{column:?}");
                for mode in [OpenMode::Read, OpenMode::Write] {
                    ColumnFile::open(dir.path(), &column, rows as u64, mode).unwrap();
                }
            }
        }
    }

    /// A header that NumPy wrote says the same in other bytes: good to read, but no run goes on with it.
    #[test]
    fn every_bit_of_a_header_counts_and_its_padding_only_where_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let column = Column { name: "c".into(), dtype: Dtype::Float64, width: None, meaning: String::new() };
        drop(ColumnFile::create(dir.path(), &column, 3).unwrap());
        let file = column_path(dir.path(), "c");
        let whole = std::fs::read(&file).unwrap();
        let open = |mode| ColumnFile::open(dir.path(), &column, 3, mode).map(drop);
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }";
        let numpy = [&whole[..10], format!("{text:117}\n").as_bytes(), &whole[128..]].concat();
        std::fs::write(&file, numpy).unwrap();
        assert!(open(OpenMode::Read).is_ok() && open(OpenMode::Write).is_err());
        for byte in 0..128 {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[byte] ^= 1 << bit;
                std::fs::write(&file, changed).unwrap();
                assert!(open(OpenMode::Write).is_err(), "bit {bit} of byte {byte}");
                let padding = whole[byte].is_ascii_whitespace();
                // But for the minor version, and for padding that becomes other white space.
                assert!(padding || byte == 7 || open(OpenMode::Read).is_err(), "bit {bit} of byte {byte}");
            }
        }
    }
}
