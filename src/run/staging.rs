//! A directory that appears whole or not at all: it is built under another name beside its place, then renamed.
//!
//! A process that is killed while it builds leaves `.NAME.new-..` behind. That is harmless, and the next one that creates NAME
//! in the same place removes it: the lock in it is free then. An empty directory that is there already may be one that cannot be
//! replaced, such as a volume, and belongs to somebody: the new content is built in a folder inside, then moved up.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RunError;
use super::error::{A_GRID, A_RUN};
use super::folders::{self, parent, short_name};
use super::layout::{GRID, MANIFEST, is_grid};

/// The file in a folder under construction whose lock says that its builder lives. While the folder's files are moved up it lists
/// their names.
const LOCK: &str = ".building";

/// The folder under construction inside an empty directory.
pub(super) const INSIDE: &str = ".sharpsweep.new";

/// The age at which a folder without a lock file counts as abandoned. A new folder has none for an instant.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// A folder under construction. It is removed if it is dropped before it is published.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    dir: PathBuf,
    published: bool,
    lock: File,
}

impl Staging {
    /// A folder that will become `dir`, which must be free.
    ///
    /// # Errors
    /// [`RunError::Exists`] if `dir` holds anything, [`RunError::Io`] if the system refuses.
    pub fn new(dir: &Path) -> Result<Self, RunError> {
        check_free(dir)?;
        let path = if dir.is_dir() { make_inside(dir)? } else { make_beside(dir)? };
        let lock = locked(&path).map_err(|error| RunError::io(&path, error))?;
        Ok(Self { path, dir: dir.to_owned(), published: false, lock })
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
        // Another process may have been quicker.
        check_free(&self.dir)?;
        let dir = self.dir.clone();
        let io = |error| RunError::io(&dir, error);
        folders::sync(&self.path).map_err(io)?;
        if self.path.starts_with(&self.dir) {
            self.move_up().map_err(io)?;
            self.published = true;
            return folders::sync(&self.dir).map_err(io);
        }
        fs::remove_file(self.path.join(LOCK)).map_err(io)?;
        // A directory that has come into its place since is empty, and not every system can rename onto one. Another process may take
        // the place at any moment, and then one of the two steps fails.
        let placed = match fs::remove_dir(&self.dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::rename(&self.path, &self.dir),
        };
        if let Err(error) = placed {
            check_free(&self.dir)?;
            return Err(io(error));
        }
        self.published = true;
        folders::sync(parent(&self.dir)).map_err(io)
    }

    /// Moves all files of the folder up into its directory, last those by which a directory is a run or a grid.
    fn move_up(&mut self) -> io::Result<()> {
        let mut names: Vec<_> = fs::read_dir(&self.path)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .filter(|name| !name.as_ref().is_ok_and(|name| name == LOCK))
            .collect::<io::Result<_>>()?;
        names.sort_by_key(|name| name == MANIFEST || name == GRID);
        // Made by this program, so of plain characters.
        let list: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        self.lock.write_all(list.join("\n").as_bytes())?;
        self.lock.sync_data()?;
        for (moved, name) in names.iter().enumerate() {
            if let Err(error) = fs::rename(self.path.join(name), self.dir.join(name)) {
                for name in &names[..moved] {
                    // The first error is the one to report.
                    let _ = fs::rename(self.dir.join(name), self.path.join(name));
                }
                return Err(error);
            }
        }
        fs::remove_dir_all(&self.path)
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

/// Makes the lock of the new folder `path`. It gets its name only once it is locked: else it would pass for abandoned for a moment.
fn locked(path: &Path) -> io::Result<File> {
    let unlocked = path.join(format!("{LOCK}.new"));
    let lock = File::create_new(&unlocked)?;
    lock.lock()?;
    fs::rename(unlocked, path.join(LOCK))?;
    Ok(lock)
}

/// A new folder beside `dir`.
fn make_beside(dir: &Path) -> Result<PathBuf, RunError> {
    let parent = parent(dir);
    fs::create_dir_all(parent).map_err(|error| RunError::io(parent, error))?;
    let prefix = format!(".{}.new-", short_name(dir));
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)) {
        if is_abandoned(&entry.path()) {
            // What cannot be removed does no harm.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    // In a container, every process may have the same number.
    let own = std::process::id();
    let names = std::iter::once(format!("{prefix}{own}")).chain((2..).map(|k| format!("{prefix}{own}-{k}")));
    for path in names.map(|name| parent.join(name)) {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path.clone()).map_err(|error| RunError::io(&path, error)),
        }
    }
    Err(RunError::io(parent, ErrorKind::AlreadyExists.into()))
}

/// A new folder in the empty directory `dir`; one builder at a time.
fn make_inside(dir: &Path) -> Result<PathBuf, RunError> {
    let path = dir.join(INSIDE);
    let io = |error| RunError::io(&path, error);
    if is_abandoned(&path) {
        let moved = fs::read_to_string(path.join(LOCK)).unwrap_or_default();
        for name in moved.lines().filter(|name| !name.contains(['/', '\\'])) {
            let moved = dir.join(name);
            // One of the two fails; if something stays, the check below finds it.
            let _ = fs::remove_file(&moved).or_else(|_| fs::remove_dir_all(&moved));
        }
        fs::remove_dir_all(&path).map_err(io)?;
        check_free(dir)?;
    }
    match fs::create_dir(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(RunError::Exists { dir: dir.to_owned(), what: "what another process is just making of it" })
        }
        made => made.map(|()| path.clone()).map_err(io),
    }
}

/// Fails unless `dir` is free for a new run: it does not exist, or it is an empty directory.
///
/// # Errors
/// [`RunError::Exists`], and [`RunError::Io`] if it cannot be looked at.
pub fn check_free(dir: &Path) -> Result<(), RunError> {
    let exists = |what| Err(RunError::Exists { dir: dir.to_owned(), what });
    if dir.join(MANIFEST).exists() {
        return exists(A_RUN);
    }
    if is_grid(dir) {
        return exists(A_GRID);
    }
    if dir.is_file() {
        return exists("a file");
    }
    if dir.is_symlink() && !dir.exists() {
        return exists("a symbolic link that leads nowhere");
    }
    match fs::read_dir(dir) {
        // What a killed process has begun to make of an empty directory is removed by the next one that makes something of it.
        Ok(mut entries) => match entries.find(|entry| !entry.as_ref().is_ok_and(is_inside)) {
            Some(_) if !is_left_half_made(dir) => exists("other files"),
            _ => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(RunError::io(dir, error)),
    }
}

/// Whether `entry` of a directory is a folder under construction inside it.
fn is_inside(entry: &fs::DirEntry) -> bool {
    entry.file_name() == INSIDE
}

/// Whether the directory `dir` holds what a builder that no longer lives had begun to make of it.
fn is_left_half_made(dir: &Path) -> bool {
    is_abandoned(&dir.join(INSIDE)) && !dir.join(MANIFEST).exists() && !is_grid(dir)
}

/// Whether the builder of the folder `path` no longer lives.
fn is_abandoned(path: &Path) -> bool {
    match File::open(path.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        // The folder was just made or is about to be renamed, unless its builder was killed just then.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let age =
                path.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
            age.is_some_and(|age| age > FORGOTTEN)
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{INSIDE, LOCK, Staging};

    fn names(dir: &Path) -> Vec<String> {
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = std::fs::read_dir(dir).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn an_empty_directory_is_filled_and_stays_the_directory_that_it_was() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("volume");
        std::fs::create_dir(&dir).unwrap();
        let opened = std::fs::canonicalize(&dir).unwrap();
        // Left by a builder that was killed while it moved its files up.
        std::fs::create_dir(dir.join(INSIDE)).unwrap();
        std::fs::write(dir.join(INSIDE).join(LOCK), "moved.npy\nmanifest.json").unwrap();
        std::fs::write(dir.join("moved.npy"), "half").unwrap();
        let staging = Staging::new(&dir).unwrap();
        assert_eq!(names(&dir), [INSIDE]);
        // A second builder is told so.
        assert!(Staging::new(&dir).unwrap_err().to_string().contains("volume already holds"));
        std::fs::create_dir(staging.path().join("data")).unwrap();
        std::fs::write(staging.path().join("manifest.json"), "x").unwrap();
        staging.publish().unwrap();
        assert_eq!(names(&opened), ["data", "manifest.json"]);
        // Nothing is left of a folder that is not published.
        let other = root.path().join("other");
        std::fs::create_dir(&other).unwrap();
        drop(Staging::new(&other).unwrap());
        assert_eq!(names(&other), [""; 0]);
    }

    #[test]
    fn a_folder_of_a_process_with_the_same_number_is_in_nobodys_way() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("run");
        std::fs::create_dir(root.path().join(format!(".run.new-{}", std::process::id()))).unwrap();
        Staging::new(&dir).unwrap().publish().unwrap();
        assert!(dir.is_dir());
    }

    #[test]
    fn a_name_may_be_as_long_as_the_file_system_allows() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a".repeat(255), "\u{3b1}".repeat(127)] {
            Staging::new(&root.path().join(&name)).unwrap().publish().unwrap();
            assert!(root.path().join(&name).is_dir());
        }
    }

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
