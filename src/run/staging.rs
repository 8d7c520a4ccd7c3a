//! A directory that appears whole or not at all: it is built under another name beside its place, then renamed.
//!
//! A process that is killed while it builds leaves `.NAME.new-..` behind. That is harmless, and the next one that creates NAME
//! in the same place removes it: the lock in it is free then.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{RunError, check_free};

/// The file in a folder under construction whose lock says that its builder lives.
const LOCK: &str = ".building";

/// A folder under construction. Dropped before it is published, it goes.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    dir: PathBuf,
    published: bool,
    _lock: File,
}

impl Staging {
    /// A folder that will become `dir`, which must be free.
    ///
    /// # Errors
    /// [`RunError::Exists`] if `dir` holds anything, [`RunError::Io`] if the system refuses.
    pub fn new(dir: &Path) -> Result<Self, RunError> {
        check_free(dir)?;
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = parent(dir);
        fs::create_dir_all(parent).map_err(|error| RunError::io(parent, error))?;
        let prefix = format!(".{name}.new-");
        remove_abandoned(parent, &prefix);
        let path = parent.join(format!("{prefix}{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| RunError::io(&path, error))?;
        let lock = locked(&path).map_err(|error| RunError::io(&path, error))?;
        Ok(Self { path, dir: dir.to_owned(), published: false, _lock: lock })
    }

    /// Where to build.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the folder in its place.
    ///
    /// # Errors
    /// [`RunError::Exists`] if another process was quicker, [`RunError::Io`] if the system refuses.
    pub fn publish(mut self) -> Result<(), RunError> {
        let io = |error| RunError::io(&self.dir, error);
        check_free(&self.dir)?;
        fs::remove_file(self.path.join(LOCK)).map_err(io)?;
        sync_folder(&self.path).map_err(io)?;
        // Where the place is an empty directory it must go: a rename onto one is not allowed everywhere. Another process may take the
        // place at any moment, and then either of these fails.
        let placed = match fs::remove_dir(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::rename(&self.path, &self.dir),
        };
        if let Err(error) = placed {
            check_free(&self.dir)?;
            return Err(io(error));
        }
        self.published = true;
        sync_folder(parent(&self.dir)).map_err(io)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Nothing half-made is worth keeping; the error that led here is the one to report.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes the lock of the new folder `path`. It gets its name only once it is locked: without that it would pass for abandoned for a
/// moment.
fn locked(path: &Path) -> io::Result<File> {
    let unlocked = path.join(format!("{LOCK}.new"));
    let lock = File::create_new(&unlocked)?;
    lock.lock()?;
    fs::rename(unlocked, path.join(LOCK))?;
    Ok(lock)
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what builders that no longer live have left in `parent`.
fn remove_abandoned(parent: &Path, prefix: &str) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)) {
        // Without a lock file the folder was just made or is about to be renamed.
        let abandoned = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            // What cannot be removed stays; it is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Makes the names in `folder` durable.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Only Unix systems open folders as files; elsewhere names are durable on their own.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LOCK, Staging};

    #[test]
    fn a_folder_appears_whole_and_an_abandoned_one_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("run");
        let abandoned = root.path().join(".run.new-1");
        std::fs::create_dir(&abandoned).unwrap();
        std::fs::write(abandoned.join(LOCK), "").unwrap();
        let other = root.path().join(".other.new-1");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(LOCK), "").unwrap();
        let staging = Staging::new(&dir).unwrap();
        assert!(!abandoned.exists() && other.exists() && !dir.exists());
        std::fs::write(staging.path().join("file"), "x").unwrap();
        staging.publish().unwrap();
        let names: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["file"]);
    }

    #[test]
    fn what_is_not_published_goes_and_nothing_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("run");
        drop(Staging::new(&dir).unwrap());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        let late = Staging::new(&dir).unwrap();
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("mine"), "mine").unwrap();
        assert!(late.publish().unwrap_err().to_string().contains("already holds"));
        assert_eq!(std::fs::read_to_string(dir.join("mine")).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
