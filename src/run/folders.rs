//! Folders as a whole: the one that a path is in, names, durability, and how they are exchanged, carried over and
//! removed.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::RunError;
use crate::fingerprint::Fingerprint;

/// The longest name, in bytes, that becomes a part of another: file systems end at 255.
const LONGEST_NAME: usize = 200;

/// The folder that `path` is in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name of `dir`, short enough to become a part of another.
pub(super) fn short_name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    if name.len() <= LONGEST_NAME {
        return name.into();
    }
    let start = name.floor_char_boundary(LONGEST_NAME);
    format!("{}-{}", &name[..start], &Fingerprint::default().add(name.as_bytes()).digits()[..8])
}

/// The path of `dir` without links; of one that is not there, where it would be.
pub(super) fn real(dir: &Path) -> Result<PathBuf, RunError> {
    match dir.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let parent = parent(dir).canonicalize().map_err(|error| RunError::io(dir, error))?;
            Ok(dir.file_name().map(|name| parent.join(name)).unwrap_or(parent))
        }
        real => real.map_err(|error| RunError::io(dir, error)),
    }
}

/// Makes the names in `folder` durable.
#[cfg(unix)]
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Only Unix systems open folders as files; elsewhere names are durable on their own.
#[cfg(not(unix))]
pub(super) fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Puts `new` in the place of `dir`, which ends up in the place of `new`, or in `old` where the system cannot exchange
/// two folders in one step.
pub(super) fn take_place(new: &Path, dir: &Path, old: &Path) -> io::Result<()> {
    match exchange(new, dir) {
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => {
            replace(new, dir, old)
        }
        exchanged => exchanged,
    }
}

/// Exchanges two folders in one step.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

/// Other systems have no such step.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_a: &Path, _b: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Moves `dir` to `old` and `new` in its place; undone where the second step fails.
fn replace(new: &Path, dir: &Path, old: &Path) -> io::Result<()> {
    fs::rename(dir, old)?;
    fs::rename(new, dir).inspect_err(|_| {
        // If this fails too, the next process that works on the run does it.
        let _ = fs::rename(old, dir);
    })
}

/// Removes the folder `path` where there is one.
pub(super) fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(RunError::io(path, error)),
        _ => Ok(()),
    }
}

/// Puts everything in the folder `from` for which `is_left_out` is false into the folder `to` as well, in the place of
/// what an earlier call put there. Gives the names.
pub(super) fn carry(from: &Path, to: &Path, is_left_out: &dyn Fn(&str) -> bool) -> Result<Vec<String>, RunError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(from).map_err(|error| RunError::io(from, error))? {
        let name = entry.map_err(|error| RunError::io(from, error))?.file_name();
        let text = name.to_string_lossy().into_owned();
        if is_left_out(&text) {
            continue;
        }
        let (from, to) = (from.join(&name), to.join(&name));
        link(&from, &to).map_err(|error| RunError::io(&from, error))?;
        names.push(text);
    }
    names.sort();
    Ok(names)
}

/// Gives the file or folder `from` the name `to` as well: the same files, or copies where a file system has no such
/// links.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        fs::remove_file(to).or_else(|_| fs::remove_dir_all(to))?;
    }
    let kind = from.symlink_metadata()?.file_type();
    if kind.is_dir() {
        fs::create_dir(to)?;
        return fs::read_dir(from)?.try_for_each(|entry| {
            let name = entry?.file_name();
            link(&from.join(&name), &to.join(&name))
        });
    }
    match fs::hard_link(from, to) {
        Err(_) if kind.is_file() => fs::copy(from, to).map(drop),
        #[cfg(unix)]
        Err(_) if kind.is_symlink() => std::os::unix::fs::symlink(fs::read_link(from)?, to),
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{exchange, replace};

    #[test]
    fn two_steps_do_what_one_does_and_are_undone_where_the_second_fails() {
        let root = tempfile::tempdir().unwrap();
        let [new, dir, old] = ["new", "dir", "old"].map(|name| root.path().join(name));
        for (folder, text) in [(&new, "longer"), (&dir, "shorter")] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), text).unwrap();
        }
        assert!(replace(&root.path().join("missing"), &dir, &old).is_err());
        assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "shorter");
        replace(&new, &dir, &old).unwrap();
        let text = |folder: &std::path::Path| fs::read_to_string(folder.join("file")).unwrap();
        assert_eq!((text(&dir), text(&old), new.exists()), ("longer".into(), "shorter".into(), false));
        if cfg!(any(target_os = "linux", target_vendor = "apple")) {
            exchange(&old, &dir).unwrap();
            assert_eq!((text(&dir), text(&old)), ("shorter".into(), "longer".into()));
        }
    }
}
