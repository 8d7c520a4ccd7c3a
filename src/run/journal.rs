//! Which rows of an unfinished run are durable: a text file, one line a finished range of rows.
//!
//! The first line is what the run was begun with, as JSON; a manifest that was changed since shows by it. Every further line is
//! `FIRST ROWS TRAIN EVALUATE TOTAL`: rows that are durable, and the seconds spent since the line before. Each line ends with a
//! digest that covers it and the digest before it, so a line that was changed, lost or torn shows. The last line may be torn by
//! a crash: it then records nothing. The file also carries the lock that keeps a second process out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{RunError, Seconds, check_regular};

/// The journal's name in a run directory.
const FILE: &str = "journal";

/// The journal, open and locked.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    digest: String,
    /// Bytes of whole lines.
    length: u64,
}

/// A line: rows that are durable, and what was spent since the line before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) rows: Range<u64>,
    pub(super) spent: Seconds,
}

/// A journal as it was found.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) journal: Journal,
    /// What the run was begun with.
    pub(super) begun: Value,
    pub(super) entries: Vec<Entry>,
}

impl Journal {
    /// The journal of a run in `dir` that is begun with `begun`, locked.
    pub(super) fn create(dir: &Path, begun: &Value) -> Result<Self, RunError> {
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| RunError::io(&path, error))?;
        lock(&file, &path, dir)?;
        let mut journal = Self { file, path, digest: String::new(), length: 0 };
        journal.append(&begun.to_string())?;
        Ok(journal)
    }

    /// The same open journal after its folder was renamed to `dir`.
    pub(super) fn moved_to(mut self, dir: &Path) -> Self {
        self.path = dir.join(FILE);
        self
    }

    /// Opens and locks the journal of `dir`.
    pub(super) fn open(dir: &Path) -> Result<Opened, RunError> {
        let path = dir.join(FILE);
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => RunError::JournalMissing(path.clone()),
            _ => RunError::io(&path, error),
        };
        check_regular(&path)?;
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
        lock(&file, &path, dir)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;

        let corrupted = |line| RunError::Journal { path: path.clone(), line };
        let mut digest = String::new();
        let mut begun = None;
        let mut entries = Vec::new();
        let mut durable = 0;
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let Some((text, next)) = verified(line, &digest) else {
                // A torn last line has no end; with an end it was written whole and changed since.
                if lines.peek().is_none() && !line.ends_with(b"\n") {
                    break;
                }
                return Err(corrupted(number + 1));
            };
            match number {
                0 => begun = serde_json::from_str(text).ok(),
                _ => entries.push(entry(text).ok_or_else(|| corrupted(number + 1))?),
            }
            digest = next;
            durable += line.len() as u64;
        }
        let begun = begun.ok_or_else(|| corrupted(1))?;
        file.set_len(durable).map_err(io)?;
        file.seek(SeekFrom::Start(durable)).map_err(io)?;
        Ok(Opened { journal: Self { file, path, digest, length: durable }, begun, entries })
    }

    /// The error that line `line` cannot be right.
    pub(super) fn corrupted(&self, line: usize) -> RunError {
        RunError::Journal { path: self.path.clone(), line }
    }

    /// Records rows as durable.
    pub(super) fn record(&mut self, Entry { rows, spent }: &Entry) -> Result<(), RunError> {
        let Seconds { train, evaluate, total } = spent;
        let length = rows.end - rows.start;
        self.append(&format!("{} {length} {train:.6} {evaluate:.6} {total:.6}", rows.start))
    }

    fn append(&mut self, text: &str) -> Result<(), RunError> {
        let digest = next_digest(&self.digest, text);
        let line = format!("{text} {digest}\n");
        if let Err(error) = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data()) {
            // What came through of the line would spoil one that comes after it. If this fails too, it stays a torn last line.
            let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(RunError::io(&self.path, error));
        }
        self.digest = digest;
        self.length += line.len() as u64;
        Ok(())
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

fn next_digest(previous: &str, text: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes()).update(b" ").update(text.as_bytes());
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The text of a whole line that follows a line with `digest`, and its own digest.
fn verified<'a>(line: &'a [u8], digest: &str) -> Option<(&'a str, String)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (text, found) = line.rsplit_once(' ')?;
    let expected = next_digest(digest, text);
    (found == expected).then_some((text, expected))
}

fn entry(text: &str) -> Option<Entry> {
    let mut words = text.split(' ');
    let (first, rows): (u64, u64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let mut seconds = || words.next()?.parse::<f64>().ok();
    let spent = Seconds { train: seconds()?, evaluate: seconds()?, total: seconds()? };
    Some(Entry { rows: first..first.checked_add(rows)?, spent })
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use serde_json::json;

    use super::{Entry, FILE, Journal};
    use crate::run::{RunError, Seconds};

    fn entry(rows: Range<u64>) -> Entry {
        Entry { rows, spent: Seconds { train: 0.5, evaluate: 0.25, total: 1.0 } }
    }

    fn written(ranges: &[Range<u64>]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(dir.path(), &json!({ "seeds": 50, "name": "two words" })).unwrap();
        for range in ranges {
            journal.record(&entry(range.clone())).unwrap();
        }
        dir
    }

    #[test]
    fn ranges_come_back_and_a_torn_last_line_is_dropped() {
        let dir = written(&[0..10, 10..25, 40..50]);
        let path = dir.path().join(FILE);
        let opened = Journal::open(dir.path()).unwrap();
        assert_eq!(opened.entries, [entry(0..10), entry(10..25), entry(40..50)]);
        assert_eq!(opened.begun, json!({ "seeds": 50, "name": "two words" }));
        drop(opened);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..10 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut opened = Journal::open(dir.path()).unwrap();
            assert_eq!(opened.entries, [entry(0..10), entry(10..25)], "{cut} bytes lost");
            opened.journal.record(&entry(40..50)).unwrap();
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
        let _held = Journal::create(dir.path(), &json!({})).unwrap();
        assert!(matches!(Journal::open(dir.path()), Err(RunError::Locked(_))));
    }
}
