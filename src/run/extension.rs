//! A finished run that gets more seeds or more steps: the longer run is built aside and takes its place in one step.
//!
//! Beside the run DIR/NAME stands the folder `.NAME.extended` meanwhile. It holds the longer run, which is a run like any other: what a
//! process that was killed has computed of it is gone on with. Once it is whole, it and the run exchange their places, and what was
//! extended goes. So at any moment either of the two is there, whole. Where a system cannot exchange two folders, the run is moved
//! into the folder first: a process that is killed just then leaves no run in its place, and the next one puts it there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use same_file::Handle;

use super::differences::differences;
use super::manifest::{self, Manifest, State};
use super::staging::{INSIDE, parent, shortened, sync_folder};
use super::writer::{DATA, DATA_FILES};
use super::{Run, RunError, RunWriter, check_no_link, journal};
use crate::engine::Description;
use crate::spec::{Experiment, Keep, Seeds, Spec, Work};

/// In the folder: the file whose lock says that an extender lives, the longer run, and the run that made room for it.
const LOCK: &str = "lock";
const RUN: &str = "run";
const OLD: &str = "old";

/// Columns that were computed from a run and are those of its rows alone.
const DERIVED: [&str; 1] = ["duplicate_of"];

/// What a finished sweep is extended by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct More {
    /// Its seeds afterwards.
    pub seeds: Option<Range<u64>>,
    /// T afterwards.
    pub max_steps: Option<u32>,
}

impl Run {
    /// The experiment of this run extended by `more`; `None` where the run is that already.
    ///
    /// # Errors
    /// [`RunError::NoExtension`] where the result could not be that of one run that was asked for it from the start, and as
    /// [`Run::check_complete`] and [`Run::experiment`].
    pub fn extended(&self, more: &More) -> Result<Option<Experiment>, RunError> {
        let refused = |reason: String| Err(RunError::NoExtension { dir: self.dir.clone(), reason });
        let Manifest { spec, state, .. } = &self.manifest;
        let Work::Sweep { first_seed, seeds, shard_of, descent } = spec.work else {
            return refused("its networks came from a file: evaluate a file with more of them".into());
        };
        let now = Seeds { first_seed, seeds };
        if *state != State::Finished {
            return refused(format!("it is not finished. Finish it first: sharpsweep resume {}", self.dir.display()));
        }
        if let Some(Seeds { first_seed, .. }) = shard_of {
            let end = shard_of.unwrap_or(now).end();
            return refused(format!(
                "it is a shard of the seeds {first_seed}..{end}, and the other shards would no longer fit it. Join them with sharpsweep \
                 merge and extend the whole"
            ));
        }
        let (mut work, end) = ((now, descent), now.end());
        if let Some(wanted) = &more.seeds {
            if wanted.start != first_seed {
                return refused(format!(
                    "it holds the seeds {first_seed}..{end}, and seeds {}..{} do not begin where it begins: give --seeds {first_seed}..END",
                    wanted.start, wanted.end
                ));
            }
            if wanted.end < end {
                return refused(format!(
                    "it holds the seeds {first_seed}..{end}, and seeds {}..{} are fewer: give an end above {end}",
                    wanted.start, wanted.end
                ));
            }
            work.0 = Seeds::new(wanted);
        }
        if let Some(max_steps) = more.max_steps {
            let taken = descent.max_steps;
            if max_steps < taken {
                return refused(format!(
                    "its networks took up to {taken} steps, and --max-steps {max_steps} is fewer: it is the number of steps in all"
                ));
            }
            if max_steps > taken && spec.keep != Keep::All {
                return refused(format!(
                    "it was made with --keep {}, so the weights from which to train on are not there. Start another run with \
                     --max-steps {max_steps}",
                    if spec.keep == Keep::Converged { "converged" } else { "summary" }
                ));
            }
            work.1.max_steps = max_steps;
        }
        self.check_complete()?;
        if work == (now, descent) {
            return Ok(None);
        }
        let (then, now) = (&self.manifest.version, env!("CARGO_PKG_VERSION"));
        if then != now {
            return refused(format!(
                "sharpsweep {then} made it, and the numbers of {now} can be others. Extend it with {then}, or sweep again elsewhere"
            ));
        }
        self.check_columns()?;
        let mut experiment = self.experiment()?;
        let (Seeds { first_seed, seeds }, descent) = work;
        experiment.spec.work = Work::Sweep { first_seed, seeds, shard_of: None, descent };
        Ok(Some(experiment))
    }
}

/// The place where a run is extended, locked for one process.
#[derive(Debug)]
pub struct Extension {
    /// The run, its path without links.
    dir: PathBuf,
    folder: PathBuf,
    _lock: File,
}

/// The longer run, as an earlier process left it or as it is begun now.
#[derive(Debug)]
pub enum Longer {
    /// Rows are missing.
    Unfinished(Box<RunWriter>),
    /// Only its place is missing.
    Finished,
}

/// What took its place.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Files and folders that are not the run's own and were kept as they are, by name.
    pub kept: Vec<String>,
    /// Columns that were computed from the run as it was, and are gone with it.
    pub outdated: Vec<String>,
}

impl Extension {
    /// The place for an extension of the run in `dir`.
    ///
    /// # Errors
    /// [`RunError::Locked`] while another process extends it, [`RunError::NoExtension`] where it cannot be exchanged,
    /// [`RunError::Io`] if the system refuses, as where the folder that the run is in cannot be written to.
    pub fn of(dir: &Path) -> Result<Self, RunError> {
        let dir = real(dir)?;
        check_movable(&dir)?;
        Self::locked(dir)
    }

    fn locked(dir: PathBuf) -> Result<Self, RunError> {
        let folder = folder(&dir);
        check_no_link(&folder)?;
        let path = folder.join(LOCK);
        loop {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(RunError::io(&folder, error)),
                _ => {}
            }
            let lock = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) {
                // Whoever was here before is just removing it.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened => opened.map_err(|error| RunError::io(&path, error))?,
            };
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) => return Err(RunError::Locked(dir)),
                Err(TryLockError::Error(error)) => return Err(RunError::io(&path, error)),
                Ok(()) => {}
            }
            // Whoever held the lock before may have removed it: what is locked now is then no longer there.
            let locked = lock.try_clone().and_then(Handle::from_file).map_err(|error| RunError::io(&path, error))?;
            if Handle::from_path(&path).is_ok_and(|there| there == locked) {
                return Ok(Self { dir, folder, _lock: lock });
            }
        }
    }

    /// Puts a run in its place that a process which was killed has left beside it.
    ///
    /// # Errors
    /// [`RunError::Io`] if the system refuses.
    pub fn recover(dir: &Path) -> Result<(), RunError> {
        if dir.symlink_metadata().is_ok() {
            return Ok(());
        }
        let Ok(dir) = real(dir) else { return Ok(()) };
        if !folder(&dir).join(OLD).is_dir() {
            return Ok(());
        }
        let place = Self::locked(dir)?;
        let (old, new) = (place.folder.join(OLD), place.folder.join(RUN));
        if place.dir.symlink_metadata().is_ok() || !old.is_dir() {
            return Ok(());
        }
        let whole = Run::open(&new).is_ok_and(|new| new.manifest.state == State::Finished);
        let left = if whole { &new } else { &old };
        fs::rename(left, &place.dir).map_err(|error| RunError::io(&place.dir, error))
    }

    /// Removes what an extension of `run` left that is over. Where one was begun and not finished, the folder that holds it.
    ///
    /// # Errors
    /// [`RunError::Io`] if the system refuses.
    pub fn tidy(run: &Run) -> Result<Option<PathBuf>, RunError> {
        let dir = real(&run.dir)?;
        if folder(&dir).symlink_metadata().is_err() {
            return Ok(None);
        }
        let place = match Self::locked(dir) {
            // Its process looks after it.
            Err(RunError::Locked(_)) => return Ok(None),
            place => place?,
        };
        let new = place.folder.join(RUN);
        let over = match Run::open(&new) {
            Ok(found) => is_within(&found.manifest, &run.manifest),
            Err(error) => matches!(error, RunError::NoRun(_)),
        };
        if over {
            remove(&new)?;
        }
        Ok((!over).then(|| place.folder.clone()))
    }

    /// The longer run of `experiment`, which extends `run` on the engine that `engine` describes; and what was wrong with the one that an
    /// earlier process began, where it cannot be gone on with and is begun again.
    ///
    /// # Errors
    /// [`RunError::OtherExtension`] where another one was begun, [`RunError::Room`] if the disk cannot hold it beside the run,
    /// [`RunError::Io`] if the system refuses.
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
            Ok(found) if found.manifest.spec == experiment.spec => match go_on(&found, engine) {
                Err(error @ (RunError::Io { .. } | RunError::Locked(_))) => return Err(error),
                Err(error) => unusable = Some(error),
                longer => return Ok((longer?, None)),
            },
            // What was extended by a process that was killed before it had removed it.
            Ok(found) if is_within(&found.manifest, &run.manifest) => {}
            Ok(found) => {
                let differences = differences(&found.manifest.spec, &experiment.spec).join("; ");
                let (dir, folder) = (run.dir.clone(), self.folder.clone());
                return Err(RunError::OtherExtension { dir, folder, differences });
            }
            Err(RunError::NoRun(_)) => {}
            Err(error) => unusable = Some(error),
        }
        remove(&path)?;
        let writer = RunWriter::create_extension(&path, experiment, engine.clone(), &run.manifest)?;
        Ok((Longer::Unfinished(Box::new(writer)), unusable))
    }

    /// Puts the longer run, which is whole, in the place of `run`. Whatever else is in its directory is kept.
    ///
    /// # Errors
    /// [`RunError::Replaced`] where `run` is not what is in its place any more, [`RunError::Io`] if the system refuses; the run is as it
    /// was then, and the longer one waits.
    pub fn publish(self, run: &Run) -> Result<Published, RunError> {
        let new = self.folder.join(RUN);
        let io = |error| RunError::io(&self.dir, error);
        let published = self.carry_over(run, &new)?;
        // Rows are durable since they were journalled; from here on nothing else holds the data.
        for name in DATA_FILES {
            match OpenOptions::new().write(true).open(new.join(DATA).join(name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                file => file.and_then(|file| file.sync_all()).map_err(io)?,
            }
        }
        sync_folder(&new.join(DATA)).and_then(|()| sync_folder(&new)).map_err(io)?;
        if Run::open(&self.dir).ok().is_none_or(|found| found.manifest != run.manifest) {
            return Err(RunError::Replaced(run.dir.clone()));
        }
        let old = self.folder.join(OLD);
        match exchange(&new, &self.dir) {
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => {
                replace(&new, &self.dir, &old).map_err(io)?;
            }
            exchanged => exchanged.map_err(io)?,
        }
        sync_folder(parent(&self.dir)).and_then(|()| sync_folder(&self.folder)).map_err(io)?;
        // What cannot be removed goes with the next extension.
        let _ = remove(&new);
        Ok(published)
    }

    /// Puts what is not `run`'s own in its directory into the longer run as well.
    fn carry_over(&self, run: &Run, new: &Path) -> Result<Published, RunError> {
        let names: Vec<String> = run.manifest.columns.iter().map(|column| format!("{}.npy", column.name)).collect();
        let derived: Vec<String> = DERIVED.iter().map(|name| format!("{name}.npy")).collect();
        let is_own = |name: &str| {
            // Of files that were being replaced.
            let left = |of: &str| name.starts_with(&format!(".{of}.new-"));
            names.iter().chain(&derived).any(|own| own == name || left(own))
                || [manifest::FILE, journal::FILE, DATA, INSIDE].contains(&name)
                || left(manifest::FILE)
        };
        let kept = carry(&self.dir, new, &is_own)?;
        carry(&self.dir.join(DATA), &new.join(DATA), &|name| DATA_FILES.contains(&name))?;
        let outdated = DERIVED.iter().filter(|name| self.dir.join(format!("{name}.npy")).exists());
        Ok(Published { kept, outdated: outdated.map(|&name| name.into()).collect() })
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        // A run that is begun stays. The lock goes last: until then nobody else is here. What cannot be removed is in nobody's way.
        let _ = remove(&self.folder.join(OLD));
        if self.folder.join(RUN).symlink_metadata().is_err() {
            let _ = fs::remove_file(self.folder.join(LOCK));
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// The run `found`, which an earlier process began to make.
fn go_on(found: &Run, engine: &Description) -> Result<Longer, RunError> {
    match RunWriter::resume(&found.dir, engine) {
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
    shorter.state == State::Finished && rest == longer.spec && a <= b && then.max_steps <= now.max_steps
}

/// The path of the run in `dir` without links; of one that is not there, where it would be.
fn real(dir: &Path) -> Result<PathBuf, RunError> {
    match dir.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let parent = parent(dir).canonicalize().map_err(|error| RunError::io(dir, error))?;
            Ok(dir.file_name().map(|name| parent.join(name)).unwrap_or(parent))
        }
        real => real.map_err(|error| RunError::io(dir, error)),
    }
}

/// The folder in which the run `dir` is extended.
fn folder(dir: &Path) -> PathBuf {
    let name = dir.file_name().map(|name| shortened(&name.to_string_lossy())).unwrap_or_default();
    parent(dir).join(format!(".{name}.extended"))
}

/// Fails where the directory `dir` cannot be renamed, since a disk of its own stands there, or should not be: whoever is in it would be
/// left in the one that goes.
fn check_movable(dir: &Path) -> Result<(), RunError> {
    let refused = |reason: &str| Err(RunError::NoExtension { dir: dir.to_owned(), reason: reason.into() });
    if std::env::current_dir().is_ok_and(|current| current.starts_with(dir)) {
        return refused(
            "it is the directory that you are in, and the extended run takes its place. Go to another one, as with cd .., and name it \
             from there",
        );
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let disk =
            |path: &Path| path.metadata().map(|metadata| metadata.dev()).map_err(|error| RunError::io(path, error));
        if dir.parent().is_none() || disk(dir)? != disk(parent(dir))? {
            return refused(
                "it is a volume of its own, and the extended run is made beside it and exchanged with it. Copy it into a folder",
            );
        }
    }
    Ok(())
}

/// Exchanges two directories in one step.
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

/// Moves the directory `dir` to `old` and `new` in its place; undone where the second step fails.
fn replace(new: &Path, dir: &Path, old: &Path) -> io::Result<()> {
    fs::rename(dir, old)?;
    fs::rename(new, dir).inspect_err(|_| {
        // If this fails too, the next process that works on the run does it.
        let _ = fs::rename(old, dir);
    })
}

/// Removes the folder `path` where there is one.
fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(RunError::io(path, error)),
        _ => Ok(()),
    }
}

/// Puts everything in the folder `from` but what `is_own` also into the folder `to`, in the place of what an earlier call put there. The
/// names.
fn carry(from: &Path, to: &Path, is_own: &dyn Fn(&str) -> bool) -> Result<Vec<String>, RunError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(from).map_err(|error| RunError::io(from, error))? {
        let name = entry.map_err(|error| RunError::io(from, error))?.file_name();
        let text = name.to_string_lossy().into_owned();
        if is_own(&text) {
            continue;
        }
        let (from, to) = (from.join(&name), to.join(&name));
        link(&from, &to).map_err(|error| RunError::io(&from, error))?;
        names.push(text);
    }
    names.sort();
    Ok(names)
}

/// Gives the file or folder `from` the name `to` as well: the same files, or where a file system has no such links, copies.
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

    use super::{Extension, exchange, folder, replace};

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

    #[test]
    fn a_place_is_for_one_at_a_time_and_goes_with_the_last() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("run");
        fs::create_dir(&dir).unwrap();
        let place = Extension::of(&dir).unwrap();
        assert!(matches!(Extension::of(&dir), Err(crate::run::RunError::Locked(_))));
        drop(place);
        assert!(!folder(&dir).exists());
        let place = Extension::of(&dir).unwrap();
        // What is begun stays.
        fs::create_dir(place.folder.join(super::RUN)).unwrap();
        drop(place);
        assert!(folder(&dir).join(super::RUN).exists());
    }
}
