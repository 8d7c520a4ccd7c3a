//! Which rows of an unfinished run are durable: a text file, one line per finished range of rows.
//!
//! The first line is what the run was begun with, as JSON; by it a manifest shows that was changed since. Every further line is
//! `FIRST ROWS TRAIN EVALUATE TOTAL`: rows that are durable, and the seconds spent since the line before. Each line ends with a
//! digest that covers it and the digest before it, so a line that was changed, lost or torn shows. The last line may be torn by
//! a crash: it then records nothing. The file also carries the lock that keeps a second process out, and by it a process knows
//! whether its directory is still the one that it opened.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use same_file::Handle;
use serde_json::Value;

use super::files::{identity, is_at};
use super::layout::{JOURNAL, check_no_link, check_regular};
use super::{RunError, Seconds};
use crate::fingerprint::Fingerprint;

/// The journal, open and locked.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// The file's, whatever its name becomes.
    identity: Handle,
    path: PathBuf,
    digest: String,
    /// Bytes of whole lines.
    length: u64,
}

/// A line: rows that are durable, and the time spent since the line before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) rows: Range<u64>,
    pub(super) spent: Seconds,
}

/// The content of a journal.
#[derive(Debug)]
pub(super) struct Contents {
    /// What the run was begun with.
    pub(super) begun: Value,
    pub(super) entries: Vec<Entry>,
    digest: String,
    /// Bytes of whole lines.
    length: u64,
}

impl Journal {
    /// The journal of a run in `dir` that is begun with `begun`, locked.
    pub(super) fn create(dir: &Path, begun: &Value) -> Result<Self, RunError> {
        let path = dir.join(JOURNAL);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| RunError::io(&path, error))?;
        lock(&file, &path, dir)?;
        let identity = identity(&file, &path)?;
        let mut journal = Self { file, identity, path, digest: String::new(), length: 0 };
        journal.append(&begun.to_string())?;
        Ok(journal)
    }

    /// The same open journal, after its folder was renamed to `dir`.
    pub(super) fn moved_to(mut self, dir: &Path) -> Self {
        self.path = dir.join(JOURNAL);
        self
    }

    /// Opens and locks the journal of `dir`. Nothing is changed in it before rows are recorded.
    pub(super) fn open(dir: &Path) -> Result<(Self, Contents), RunError> {
        let path = dir.join(JOURNAL);
        check_no_link(&path)?;
        check_regular(&path)?;
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(|error| failed(&path, error))?;
        lock(&file, &path, dir)?;
        let identity = identity(&file, &path)?;
        // The process that held the lock before may have finished the run: what is locked now is then no longer there.
        if !is_at(&identity, &path) {
            return Err(RunError::JournalMissing(path));
        }
        let contents = contents(&mut file, &path)?;
        let (digest, length) = (contents.digest.clone(), contents.length);
        Ok((Self { file, identity, path, digest, length }, contents))
    }

    /// The content of the journal of `dir`, without its lock.
    pub(super) fn read(dir: &Path) -> Result<Contents, RunError> {
        let path = dir.join(JOURNAL);
        contents(&mut File::open(&path).map_err(|error| failed(&path, error))?, &path)
    }

    /// Fails unless the journal still stands where it was opened, and so its directory is still the same.
    pub(super) fn check_place(&self) -> Result<(), RunError> {
        if is_at(&self.identity, &self.path) {
            return Ok(());
        }
        Err(RunError::Replaced(self.path.parent().unwrap_or(&self.path).to_owned()))
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
        // A torn last line, left by a crash or by a write that failed, would spoil this one.
        let cut = |file: &mut File| file.set_len(self.length).and_then(|()| file.seek(SeekFrom::Start(self.length)));
        let file = &mut self.file;
        let written = cut(file).and_then(|_| file.write_all(line.as_bytes())).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // If this fails too, a torn last line stays.
            let _ = cut(file);
            return Err(RunError::io(&self.path, error));
        }
        self.digest = digest;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Removes the journal: every row is durable and the manifest says so.
    pub(super) fn remove(self) -> Result<(), RunError> {
        self.check_place()?;
        std::fs::remove_file(&self.path).map_err(|error| RunError::io(&self.path, error))
    }
}

/// The content of the open journal `file`.
fn contents(file: &mut File, path: &Path) -> Result<Contents, RunError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| RunError::io(path, error))?;
    let corrupted = |line| RunError::Journal { path: path.to_owned(), line };
    let mut digest = String::new();
    let mut begun = None;
    let mut entries = Vec::new();
    let mut length = 0;
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let Some((text, next)) = verified(line, &digest) else {
            // A torn last line has no end; one with an end was written whole and changed since.
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
        length += line.len() as u64;
    }
    let begun = begun.ok_or_else(|| corrupted(1))?;
    Ok(Contents { begun, entries, digest, length })
}

impl Contents {
    /// The finished ranges of rows.
    pub(super) fn finished(&self) -> impl Iterator<Item = &Range<u64>> {
        self.entries.iter().map(|entry| &entry.rows)
    }
}

/// The rows in any of `ranges`, as ranges in order that neither overlap nor touch.
pub(super) fn union<'a>(ranges: impl Iterator<Item = &'a Range<u64>>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = ranges.filter(|range| !range.is_empty()).cloned().collect();
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let joined = next.start <= last.end;
        if joined {
            last.end = last.end.max(next.end);
        }
        joined
    });
    ranges
}

/// The ranges of `rows` rows that `covered`, a [`union`], leaves, in order.
pub(super) fn uncovered(rows: u64, covered: &[Range<u64>]) -> Vec<Range<u64>> {
    let starts = std::iter::once(0).chain(covered.iter().map(|range| range.end));
    let ends = covered.iter().map(|range| range.start).chain([rows]);
    starts.zip(ends).map(|(start, end)| start..end).filter(|range| !range.is_empty()).collect()
}

/// Why the journal at `path` could not be opened.
fn failed(path: &Path, error: io::Error) -> RunError {
    match error.kind() {
        io::ErrorKind::NotFound => RunError::JournalMissing(path.to_owned()),
        _ => RunError::io(path, error),
    }
}

fn lock(file: &File, path: &Path, dir: &Path) -> Result<(), RunError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => RunError::Locked(dir.to_owned()),
        TryLockError::Error(error) => RunError::io(path, error),
    })
}

fn next_digest(previous: &str, text: &str) -> String {
    Fingerprint::default().add(previous.as_bytes()).add(b" ").add(text.as_bytes()).digits()
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

    use super::{Entry, JOURNAL, Journal, RunError, Seconds};

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
        let path = dir.path().join(JOURNAL);
        let contents = Journal::read(dir.path()).unwrap();
        assert_eq!(contents.entries, [entry(0..10), entry(10..25), entry(40..50)]);
        assert_eq!(contents.begun, json!({ "seeds": 50, "name": "two words" }));
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..10 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let (mut journal, contents) = Journal::open(dir.path()).unwrap();
            assert_eq!(contents.entries, [entry(0..10), entry(10..25)], "{cut} bytes lost");
            assert_eq!(
                std::fs::read(&path).unwrap(),
                whole[..whole.len() - cut],
                "opened, but nothing is recorded yet"
            );
            journal.record(&entry(40..50)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn any_changed_byte_is_found() {
        let dir = written(&[0..10, 10..25, 40..50]);
        let path = dir.path().join(JOURNAL);
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
    fn rows_that_no_range_covers_are_named_in_order() {
        let of = |ranges: &[Range<u64>]| super::uncovered(50, &super::union(ranges.iter()));
        assert_eq!(of(&[3..3, 0..9]), vec![9..50]);
        assert_eq!(of(&[30..40, 0..10, 5..20, 3..3]), [20..30, 40..50]);
        assert!(of(&[20..50, 0..20]).is_empty());
        assert_eq!(super::union([5..9, 0..2, 2..4, 6..7].iter()), [0..4, 5..9]);
    }

    #[test]
    fn a_journal_notices_that_its_directory_was_renamed_removed_or_replaced() {
        let root = tempfile::tempdir().unwrap();
        let (dir, away) = (root.path().join("run"), root.path().join("away"));
        std::fs::create_dir(&dir).unwrap();
        let journal = Journal::create(&dir, &json!({})).unwrap();
        journal.check_place().unwrap();
        std::fs::rename(&dir, &away).unwrap();
        assert!(matches!(journal.check_place(), Err(RunError::Replaced(at)) if at == dir));
        std::fs::create_dir(&dir).unwrap();
        let other = Journal::create(&dir, &json!({})).unwrap();
        assert!(matches!(journal.remove(), Err(RunError::Replaced(_))));
        other.check_place().unwrap();
        std::fs::remove_dir_all(&away).unwrap();
        other.remove().unwrap();
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let _held = Journal::create(dir.path(), &json!({})).unwrap();
        assert!(matches!(Journal::open(dir.path()), Err(RunError::Locked(_))));
    }
}
