//! What stands where in a run directory and in a grid, and how their small JSON files are read and replaced.

use std::collections::HashSet;
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{RunError, files};
use crate::npy::{self, NpyError};

/// The file by which a directory is a run.
pub(super) const MANIFEST: &str = "manifest.json";

/// The file by which a directory is a grid of runs.
pub(super) const GRID: &str = "grid.json";

/// The file of an unfinished run that says which rows are durable.
pub(super) const JOURNAL: &str = "journal";

/// The folder of a run that keeps its data.
pub(super) const DATA: &str = "data";

/// The files there: samples and targets for training, then those of the test, then the weights of the samples, which
/// are there unless all count once.
pub(super) const DATA_FILES: [&str; 5] = ["x.npy", "q.npy", "test_x.npy", "test_q.npy", "sample_weights.npy"];

/// The version of this layout. Another number means that some file has another meaning.
pub(super) const FORMAT: u32 = 1;

/// The rows of a column that are in memory at once while it is read or written in blocks.
pub(super) const BLOCK_ROWS: usize = 1 << 14;

/// The file of the column `name` of the run in `dir`.
pub(super) fn column_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.npy"))
}

/// Whether `dir` holds a grid of runs.
pub fn is_grid(dir: &Path) -> bool {
    dir.join(GRID).exists()
}

/// `rows` in blocks of at most [`BLOCK_ROWS`].
pub(super) fn blocks(rows: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let end = rows.end;
    rows.clone().step_by(BLOCK_ROWS).map(move |start| start..end.min(start + BLOCK_ROWS as u64))
}

/// How many rows `ranges` hold.
pub(super) fn count(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// Fails if `path` is a symbolic link.
pub(super) fn check_no_link(path: &Path) -> Result<(), RunError> {
    if path.is_symlink() { Err(RunError::Link(path.to_owned())) } else { Ok(()) }
}

/// Fails if `path` is there and no regular file: to open a pipe would wait for ever.
pub(super) fn check_regular(path: &Path) -> Result<(), RunError> {
    match npy::check_regular(path) {
        Err(NpyError::NotAFile(what)) => {
            Err(RunError::Column { path: path.to_owned(), problem: format!("not a regular file but {what}") })
        }
        // Whoever opens it says why it cannot.
        _ => Ok(()),
    }
}

/// Fails if one of `names` cannot be a file beside the manifest, or comes twice: a manifest may come from anybody, and
/// what it names is opened and, by a merge, created.
pub(super) fn check_names<'a>(
    path: &Path,
    what: &str,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<(), RunError> {
    let wrong = |problem: String| Err(RunError::Manifest { path: path.to_owned(), problem });
    let mut seen = HashSet::new();
    for name in names {
        let plain = |character: char| character.is_ascii_alphanumeric() || "_-.+".contains(character);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return wrong(format!(
                "the {what} hold the name {name:?}: it must be a plain file name of letters, digits, _, -, . and +, \
                 and not begin with a dot"
            ));
        }
        if !seen.insert(name) {
            return wrong(format!("the {what} hold the name {name} twice"));
        }
    }
    Ok(())
}

/// Reads the JSON file `path`; `None` if it is not there.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RunError> {
    check_regular(path)?;
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| RunError::io(path, error))?,
    };
    let damaged = |problem: String| RunError::Manifest { path: path.to_owned(), problem };
    let unreadable = |error: serde_json::Error| damaged(format!("the file is damaged: {error}"));
    let value: serde_json::Value = serde_json::from_str(&text).map_err(unreadable)?;
    // The layout's version comes first: a file of another version need not have this version's fields.
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            return Err(damaged(format!(
                "the run has layout version {format}, this sharpsweep {} reads version {FORMAT}: use the version that \
                 wrote it",
                env!("CARGO_PKG_VERSION")
            )));
        }
        None => return Err(damaged("the file names no layout version (`format`)".into())),
    }
    serde_json::from_value(value).map(Some).map_err(unreadable)
}

/// Puts `content` into the JSON file `path` in one step, if `check` allows it: a reader sees the old file or the new
/// one.
pub(super) fn replace(
    path: &Path,
    content: &impl Serialize,
    check: impl Fn() -> Result<(), RunError>,
) -> Result<(), RunError> {
    let text = serde_json::to_string_pretty(content).map_err(|error| RunError::io(path, error.into()))?;
    check()?;
    let mut allowed = Ok(());
    let replaced = files::replace(path, |file| {
        writeln!(file, "{text}")?;
        // Again, as late as possible.
        allowed = check();
        if allowed.is_ok() { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    });
    allowed?;
    replaced.map_err(|error| RunError::io(path, error))
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::path::Path;

    use super::{BLOCK_ROWS, blocks, check_names, count};

    #[test]
    fn blocks_hold_every_row_once() {
        let most = BLOCK_ROWS as u64;
        let found: Vec<Range<u64>> = blocks(&(5..2 * most + 6)).collect();
        assert_eq!(found, [5..most + 5, most + 5..2 * most + 5, 2 * most + 5..2 * most + 6]);
        assert_eq!(count(&found), 2 * most + 1);
        assert_eq!(blocks(&(7..7)).count(), 0);
    }

    #[test]
    fn names_are_those_of_plain_files() {
        let check = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            check_names(Path::new("manifest.json"), "columns", &names).map_err(|error| error.to_string())
        };
        assert_eq!(check(&["loss", "u_1", "sigmoid-n3-eta0.05", "a+b"]), Ok(()));
        let wrong = [
            "",
            ".",
            "..",
            "../up",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "..\\up",
            "C:\\x",
            "C:x",
            ".hidden",
            "nul\0",
            "esc\x1b[2J",
            "a b",
            "\u{202e}x",
        ];
        for name in wrong {
            let error = check(&["loss", name]).unwrap_err();
            assert!(error.contains("plain file name") && !error.chars().any(char::is_control), "{name:?}: {error}");
        }
        assert!(check(&["loss", "loss"]).unwrap_err().contains("loss twice"));
    }
}
