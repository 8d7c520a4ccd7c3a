//! Which rows of an unfinished run are durable: a text file, one line a finished range of rows.
//!
//! A line is `FIRST ROWS DIGEST`; the digest covers the line and the digest before it, so a line that was changed, lost or torn
//! shows. The last line may be torn by a crash: it then records nothing. The file also carries the lock that keeps a second
//! process out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::RunError;

/// The journal's name in a run directory.
const FILE: &str = "journal";

/// The journal, open and locked.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    digest: String,
}

impl Journal {
    /// An empty journal in `dir`, locked.
    pub(super) fn create(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| RunError::io(&path, error))?;
        lock(&file, &path, dir)?;
        Ok(Self { file, path, digest: String::new() })
    }

    /// The same open journal after its folder was renamed to `dir`.
    pub(super) fn moved_to(mut self, dir: &Path) -> Self {
        self.path = dir.join(FILE);
        self
    }

    /// Opens and locks the journal of `dir`, and returns the ranges of rows it records.
    pub(super) fn open(dir: &Path) -> Result<(Self, Vec<Range<u64>>), RunError> {
        let path = dir.join(FILE);
        let io = |error| RunError::io(&path, error);
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
        lock(&file, &path, dir)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;

        let mut digest = String::new();
        let mut ranges = Vec::new();
        let mut durable = 0;
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            match parse(line, &digest) {
                Some((range, next)) => {
                    ranges.push(range);
                    digest = next;
                    durable += line.len() as u64;
                }
                // A torn last line has no end; with an end it was written whole and changed since.
                None if lines.peek().is_none() && !line.ends_with(b"\n") => break,
                None => return Err(RunError::Journal { path, line: number + 1 }),
            }
        }
        file.set_len(durable).map_err(io)?;
        file.seek(SeekFrom::Start(durable)).map_err(io)?;
        Ok((Self { file, path, digest }, ranges))
    }

    /// Records `rows` as durable.
    pub(super) fn record(&mut self, rows: &Range<u64>) -> Result<(), RunError> {
        let entry = format!("{} {}", rows.start, rows.end - rows.start);
        self.digest = next_digest(&self.digest, &entry);
        let line = format!("{entry} {}\n", self.digest);
        self.file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|error| RunError::io(&self.path, error))
    }

    /// Removes the journal: every row is durable and the manifest says so.
    pub(super) fn remove(self) -> Result<(), RunError> {
        std::fs::remove_file(&self.path).map_err(|error| RunError::io(&self.path, error))
    }
}

fn lock(file: &File, path: &Path, dir: &Path) -> Result<(), RunError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => RunError::Locked(dir.to_owned()),
        TryLockError::Error(error) => RunError::io(path, error),
    })
}

fn next_digest(previous: &str, entry: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes()).update(b" ").update(entry.as_bytes());
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The rows of a whole line that follows a line with `digest`, and its own digest.
fn parse(line: &[u8], digest: &str) -> Option<(Range<u64>, String)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (entry, found) = line.rsplit_once(' ')?;
    let (first, rows) = entry.split_once(' ')?;
    let (first, rows): (u64, u64) = (first.parse().ok()?, rows.parse().ok()?);
    let expected = next_digest(digest, entry);
    (found == expected).then_some((first..first.checked_add(rows)?, expected))
}

#[cfg(test)]
mod tests {
    use super::{FILE, Journal};
    use crate::run::RunError;

    fn written(ranges: &[std::ops::Range<u64>]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(dir.path()).unwrap();
        for range in ranges {
            journal.record(range).unwrap();
        }
        dir
    }

    #[test]
    fn ranges_come_back_and_a_torn_last_line_is_dropped() {
        let dir = written(&[0..10, 10..25, 40..50]);
        let path = dir.path().join(FILE);
        let (_, ranges) = Journal::open(dir.path()).unwrap();
        assert_eq!(ranges, [0..10, 10..25, 40..50]);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..10 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let (mut journal, ranges) = Journal::open(dir.path()).unwrap();
            assert_eq!(ranges, [0..10, 10..25], "{cut} bytes lost");
            journal.record(&(40..50)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn any_changed_byte_is_found() {
        let dir = written(&[0..10, 10..25, 40..50]);
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() - 1 {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert!(matches!(Journal::open(dir.path()), Err(RunError::Journal { .. })), "byte {at}");
        }
        let second = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        std::fs::write(&path, &whole[second..]).unwrap();
        assert!(matches!(Journal::open(dir.path()), Err(RunError::Journal { line: 1, .. })), "a lost line");
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let _held = Journal::create(dir.path()).unwrap();
        assert!(matches!(Journal::open(dir.path()), Err(RunError::Locked(_))));
    }
}
