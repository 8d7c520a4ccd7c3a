//! A finished run that gets more seeds or more steps: the longer run is built aside and takes its place in one step.
//!
//! Meanwhile the folder `.NAME.extended` stands beside the run DIR/NAME. It holds the longer run, which is a run like
//! any other: after a kill the next process goes on with it. Once it is whole, it and the run exchange their places,
//! and the shorter one is removed. So at any moment one of the two is there, whole. Where a system cannot exchange two
//! folders, the run is moved into the folder first: a process that is killed just then leaves no run in its place, and
//! the next one puts it there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::differences::differences;
use super::files::{identity, is_at};
use super::folders::{self, carry, parent, real, remove, short_name};
use super::layout::{DATA, DATA_FILES, JOURNAL, MANIFEST, check_no_link};
use super::manifest::{Manifest, State};
use super::staging::INSIDE;
use super::{Run, RunError, RunWriter};
use crate::engine::Description;
use crate::spec::{Experiment, Spec, Work};

/// In the folder: the file whose lock says that a process is extending the run, the longer run, and the run that made
/// room for it.
const LOCK: &str = "lock";
const RUN: &str = "run";
const OLD: &str = "old";

/// Columns that were computed from the rows of a run and mean nothing for other rows.
const DERIVED: [&str; 2] = ["duplicate_of", "end_of"];

/// The place where a run is extended, locked for one process.
#[derive(Debug)]
pub struct Extension {
    /// The run's path, without links.
    dir: PathBuf,
    folder: PathBuf,
    _lock: File,
}

/// The longer run, as an earlier process left it or as it is begun now.
#[derive(Debug)]
pub enum Longer {
    /// Rows are missing.
    Unfinished(Box<RunWriter>),
    /// Every row is there; only the exchange is missing.
    Finished,
}

/// Files in the directory of an extended run that are not its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OtherFiles {
    /// Names of files and folders that were kept as they are.
    pub kept: Vec<String>,
    /// Columns that were computed from the shorter run, and are gone with it.
    pub outdated: Vec<String>,
}

impl Extension {
    /// The place for an extension of the run in `dir`.
    ///
    /// # Errors
    /// [`RunError::Locked`] while another process extends it, [`RunError::NoExtension`] where it cannot be exchanged,
    /// [`RunError::Io`] if the system refuses, for instance because the folder that the run is in is read-only.
    pub fn of(dir: &Path) -> Result<Self, RunError> {
        let dir = real(dir)?;
        check_movable(&dir)?;
        Self::locked(dir)
    }

    fn locked(dir: PathBuf) -> Result<Self, RunError> {
        let folder = folder_of(&dir);
        check_no_link(&folder)?;
        let path = folder.join(LOCK);
        loop {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(RunError::io(&folder, error)),
                _ => {}
            }
            let lock = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) {
                // Another process is just removing the folder.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened => opened.map_err(|error| RunError::io(&path, error))?,
            };
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) => return Err(RunError::Locked(dir)),
                Err(TryLockError::Error(error)) => return Err(RunError::io(&path, error)),
                Ok(()) => {}
            }
            // The process that held the lock before may have removed the file: what is locked now is then no longer
            // there.
            if is_at(&identity(&lock, &path)?, &path) {
                return Ok(Self { dir, folder, _lock: lock });
            }
        }
    }

    /// Puts the run back in its place if a process that was killed left it beside that.
    ///
    /// # Errors
    /// [`RunError::Io`] if the system refuses.
    pub fn recover(dir: &Path) -> Result<(), RunError> {
        if dir.symlink_metadata().is_ok() {
            return Ok(());
        }
        let Ok(dir) = real(dir) else { return Ok(()) };
        if !folder_of(&dir).join(OLD).is_dir() {
            return Ok(());
        }
        let place = Self::locked(dir)?;
        let (old, new) = (place.folder.join(OLD), place.folder.join(RUN));
        if place.dir.symlink_metadata().is_ok() || !old.is_dir() {
            return Ok(());
        }
        let whole = Run::open(&new).is_ok_and(|new| new.manifest().state == State::Finished);
        let left = if whole { &new } else { &old };
        fs::rename(left, &place.dir).map_err(|error| RunError::io(&place.dir, error))
    }

    /// Removes what a finished extension of `run` left. Gives the folder of one that was begun and not finished, if
    /// there is one.
    ///
    /// # Errors
    /// [`RunError::Io`] if the system refuses.
    pub fn tidy(run: &Run) -> Result<Option<PathBuf>, RunError> {
        let dir = real(run.dir())?;
        if folder_of(&dir).symlink_metadata().is_err() {
            return Ok(None);
        }
        let place = match Self::locked(dir) {
            // Its process looks after it.
            Err(RunError::Locked(_)) => return Ok(None),
            place => place?,
        };
        let new = place.folder.join(RUN);
        let is_over = match Run::open(&new) {
            Ok(found) => is_within(found.manifest(), run.manifest()),
            Err(error) => matches!(error, RunError::NoRun(_)),
        };
        if is_over {
            remove(&new)?;
        }
        Ok((!is_over).then(|| place.folder.clone()))
    }

    /// The longer run of `experiment`, which extends `run` on the engine that `engine` describes. If an earlier process
    /// began one that is unusable, it is begun again, and the error says what was wrong with it.
    ///
    /// # Errors
    /// [`RunError::OtherExtension`] if another one was begun, [`RunError::Room`] if the disk cannot hold it beside the
    /// run, [`RunError::Io`] if the system refuses.
    pub fn begin(
        &self,
        run: &Run,
        experiment: &Experiment,
        engine: &Description,
    ) -> Result<(Longer, Option<RunError>), RunError> {
        remove(&self.folder.join(OLD))?;
        let path = self.folder.join(RUN);
        let mut unusable = None;
        match Run::open(&path) {
            Ok(found) if found.manifest().spec == experiment.spec => match go_on(&found, engine) {
                Err(error @ (RunError::Io { .. } | RunError::Locked(_))) => return Err(error),
                Err(error) => unusable = Some(error),
                longer => return Ok((longer?, None)),
            },
            // The shorter run, which a process left that was killed before it had removed it.
            Ok(found) if is_within(found.manifest(), run.manifest()) => {}
            Ok(found) => {
                let differences = differences(&found.manifest().spec, &experiment.spec).join("; ");
                let (dir, folder) = (run.dir().to_owned(), self.folder.clone());
                return Err(RunError::OtherExtension { dir, folder, differences });
            }
            Err(RunError::NoRun(_)) => {}
            Err(error) => unusable = Some(error),
        }
        remove(&path)?;
        let writer = RunWriter::create_extension(&path, experiment, engine.clone(), run.manifest())?;
        Ok((Longer::Unfinished(Box::new(writer)), unusable))
    }

    /// Puts the longer run, which is whole, in the place of `run`. Other files in its directory are kept.
    ///
    /// # Errors
    /// [`RunError::Replaced`] if `run` is no longer in its place, [`RunError::Io`] if the system refuses; then the run
    /// is as it was, and the longer one waits.
    pub fn publish(self, run: &Run) -> Result<OtherFiles, RunError> {
        let new = self.folder.join(RUN);
        let io = |error| RunError::io(&self.dir, error);
        let others = self.carry_over(run, &new)?;
        // Rows became durable before they were journalled; the data must become so before the run that holds them, too,
        // is removed.
        for name in DATA_FILES {
            match OpenOptions::new().write(true).open(new.join(DATA).join(name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                file => file.and_then(|file| file.sync_all()).map_err(io)?,
            }
        }
        folders::sync(&new.join(DATA)).and_then(|()| folders::sync(&new)).map_err(io)?;
        if Run::open(&self.dir).ok().is_none_or(|found| found.manifest() != run.manifest()) {
            return Err(RunError::Replaced(run.dir().to_owned()));
        }
        folders::take_place(&new, &self.dir, &self.folder.join(OLD)).map_err(io)?;
        folders::sync(parent(&self.dir)).and_then(|()| folders::sync(&self.folder)).map_err(io)?;
        // If it cannot be removed, the next extension removes it.
        let _ = remove(&new);
        Ok(others)
    }

    /// Puts the files in the directory of `run` that are not its own into the longer run as well.
    fn carry_over(&self, run: &Run, new: &Path) -> Result<OtherFiles, RunError> {
        let names: Vec<String> = run.manifest().columns.iter().map(|column| format!("{}.npy", column.name)).collect();
        let derived: Vec<String> = DERIVED.iter().map(|name| format!("{name}.npy")).collect();
        let is_own = |name: &str| {
            // Left by a process that was killed while it replaced the file.
            let left = |of: &str| name.starts_with(&format!(".{of}.new-"));
            names.iter().chain(&derived).any(|own| own == name || left(own))
                || [MANIFEST, JOURNAL, DATA, INSIDE].contains(&name)
                || left(MANIFEST)
        };
        let kept = carry(&self.dir, new, &is_own)?;
        carry(&self.dir.join(DATA), &new.join(DATA), &|name| DATA_FILES.contains(&name))?;
        let outdated = DERIVED.iter().filter(|name| self.dir.join(format!("{name}.npy")).exists());
        Ok(OtherFiles { kept, outdated: outdated.map(|&name| name.into()).collect() })
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        // A run that is begun stays. The lock is removed last: until then no other process is here. What cannot be
        // removed does no harm.
        let _ = remove(&self.folder.join(OLD));
        if self.folder.join(RUN).symlink_metadata().is_err() {
            let _ = fs::remove_file(self.folder.join(LOCK));
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// Opens the longer run `found`, which an earlier process began.
fn go_on(found: &Run, engine: &Description) -> Result<Longer, RunError> {
    match RunWriter::resume(found.dir(), engine) {
        Err(RunError::Finished(_)) => {
            found.check_engine(engine)?;
            found.check_columns()?;
            found.tidy()?;
            Ok(Longer::Finished)
        }
        writer => Ok(Longer::Unfinished(Box::new(writer?))),
    }
}

/// Whether `longer` is the finished run `shorter` with more seeds or steps, or the same.
fn is_within(shorter: &Manifest, longer: &Manifest) -> bool {
    let (Work::Sweep { seeds: a, descent: then, .. }, Work::Sweep { seeds: b, descent: now, .. }) =
        (&shorter.spec.work, &longer.spec.work)
    else {
        return false;
    };
    let rest = Spec { work: longer.spec.work.clone(), ..shorter.spec.clone() };
    shorter.state == State::Finished
        && rest == longer.spec
        && a.first == b.first
        && a.count <= b.count
        && then.max_steps <= now.max_steps
}

/// The folder in which the run `dir` is extended.
fn folder_of(dir: &Path) -> PathBuf {
    parent(dir).join(format!(".{}.extended", short_name(dir)))
}

/// Fails if the directory `dir` cannot be renamed because it is a disk of its own, or should not be because this
/// process is in it and would be left in the one that is removed.
fn check_movable(dir: &Path) -> Result<(), RunError> {
    let refused = |reason: &str| Err(RunError::NoExtension { dir: dir.to_owned(), reason: reason.into() });
    if std::env::current_dir().is_ok_and(|current| current.starts_with(dir)) {
        return refused(
            "it is the directory that you are in, and the extended run takes its place. Go to another one, as with cd \
             .., and name it from there",
        );
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let disk =
            |path: &Path| path.metadata().map(|metadata| metadata.dev()).map_err(|error| RunError::io(path, error));
        if dir.parent().is_none() || disk(dir)? != disk(parent(dir))? {
            return refused(
                "it is a volume of its own, and the extended run is made beside it and exchanged with it. Copy it \
                 into a folder",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Extension, folder_of};

    #[test]
    fn a_place_is_for_one_at_a_time_and_goes_with_the_last() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("run");
        fs::create_dir(&dir).unwrap();
        let place = Extension::of(&dir).unwrap();
        assert!(matches!(Extension::of(&dir), Err(crate::run::RunError::Locked(_))));
        drop(place);
        assert!(!folder_of(&dir).exists());
        let place = Extension::of(&dir).unwrap();
        // A run that is begun stays.
        fs::create_dir(place.folder.join(super::RUN)).unwrap();
        drop(place);
        assert!(folder_of(&dir).join(super::RUN).exists());
    }
}
