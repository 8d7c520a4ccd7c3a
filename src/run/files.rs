//! Files that appear whole, and files told apart from others that have taken their names.
//!
//! A reader sees the old content or the new one, and what a writer leaves that fails or is killed does no harm.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use same_file::Handle;
use tempfile::Builder;

use super::RunError;
use super::folders::parent;

/// Replaces the content of the file `path` by what `write` writes, durably and in one step.
///
/// The new file is written under another name, `.NAME.new-..`, beside its place. Nothing is left of it if this fails; the next call
/// removes what a killed process left.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = parent(path);
    let prefix = format!(".{}.new-", path.file_name().unwrap_or_default().to_string_lossy());
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix)
            && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok())
        {
            // A file that cannot be removed does no harm: its name is not used again.
            let _ = fs::remove_file(entry.path());
        }
    }
    let builder = builder(&prefix);
    let mut file = loop {
        let file = builder.tempfile_in(folder)?;
        // Before it is locked, another process may take it for one that was left behind and remove it: then there must be a new one. On a
        // file system without locks nothing that is left behind is removed.
        let taken = matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock));
        if !taken && file.path().exists() {
            break file;
        }
    };
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|failed| failed.error)
}

/// Puts `content` into the new file `path` in one step; a file that is there already stays.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is one, and whatever the disk refuses.
pub fn create_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = parent(path);
    fs::create_dir_all(folder)?;
    let mut file = builder(".new-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.persist_noclobber(path)?;
    Ok(())
}

/// Makes files whose names begin with `prefix`, with the permissions of any new file: those that the user's mask leaves.
fn builder<'a>(prefix: &'a str) -> Builder<'a, 'a> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(prefix);
    builder
}

/// The identity of the open `file`, whatever its name becomes; it was opened at `path`.
pub(super) fn identity(file: &File, path: &Path) -> Result<Handle, RunError> {
    file.try_clone().and_then(Handle::from_file).map_err(|error| RunError::io(path, error))
}

/// Whether the file of `identity` is the one at `path`.
pub(super) fn is_at(identity: &Handle, path: &Path) -> bool {
    Handle::from_path(path).is_ok_and(|there| there == *identity)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Write};
    use std::path::Path;

    use super::{create_file, replace};

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_where_that_fails() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("manifest.json");
        // Left by a process that was killed.
        fs::write(root.path().join(".manifest.json.new-abcdef"), "half").unwrap();
        for content in ["first", "second"] {
            replace(&path, |file| file.write_all(content.as_bytes())).unwrap();
            assert_eq!(
                (fs::read_to_string(&path).unwrap(), names(root.path())),
                (content.into(), vec!["manifest.json".into()])
            );
        }
        let refused = replace(&path, |file| {
            file.write_all(b"third")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), names(root.path())),
            ("second".into(), vec!["manifest.json".into()])
        );
        // Nor where the last step fails.
        fs::remove_file(&path).unwrap();
        fs::create_dir_all(path.join("in the way")).unwrap();
        assert!(replace(&path, |file| file.write_all(b"fourth")).is_err());
        assert_eq!(names(root.path()), ["manifest.json"]);
    }

    #[test]
    fn a_new_file_takes_no_place_that_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        create_file(&path, b"first").unwrap();
        assert_eq!(create_file(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
