//! Why a run directory cannot be created, read or continued, as a person reads it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::input::InputError;
use crate::room::NoRoom;

/// A run directory that cannot be created, read or continued.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory for a new run is not empty.
    #[error("{} already holds {what}: choose another --out, or remove it first{}; nothing was changed", dir.display(), going_on(dir, what))]
    Exists {
        /// The directory.
        dir: PathBuf,
        /// What is in it.
        what: &'static str,
    },
    /// No manifest.
    #[error("{} is no run directory: it has no manifest.json", .0.display())]
    NoRun(PathBuf),
    /// A grid where a run was asked for.
    #[error("{} is a grid of runs: name one of the runs in it", .0.display())]
    IsGrid(PathBuf),
    /// A manifest that cannot be understood.
    #[error("{}: {problem}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A column that is missing, shortened or of the wrong kind.
    #[error("{}: {problem}", path.display())]
    Column {
        /// The column's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A journal whose lines do not follow from each other.
    #[error("{}: line {line} is corrupted, so it is not certain which rows are finished; the columns are untouched. Restore the \
             journal, or start again in another directory", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The first line that does not fit.
        line: usize,
    },
    /// An unfinished run without its journal.
    #[error("{} is missing, so it is not known which rows are finished; the columns are untouched. Restore it, or start again in \
             another directory", .0.display())]
    JournalMissing(PathBuf),
    /// A manifest that no longer says what the run was begun with.
    #[error("{}: manifest.json was changed since the run was begun ({differences}; there: as it was begun, here: manifest.json), so \
             its rows would not fit together: restore manifest.json, or start another run in another directory", dir.display())]
    Changed {
        /// The directory.
        dir: PathBuf,
        /// What differs.
        differences: String,
    },
    /// Parts of a merge that are not finished.
    #[error("unfinished: {}; finish each first: sharpsweep resume DIR", .0.join(", "))]
    Unfinished(Vec<String>),
    /// A part of a merge that is an evaluation.
    #[error("{} is an evaluation: only sweeps can be merged", .0.display())]
    NoSweep(PathBuf),
    /// A merge of nothing.
    #[error("there is nothing to merge")]
    NothingToMerge,
    /// Parts of a merge that are not of one experiment.
    #[error("{} and {} are not parts of one experiment:\n  {differences}\ncompute one of them again as the other was, or leave it out",
             first.display(), other.display())]
    Unlike {
        /// One part.
        first: PathBuf,
        /// Another.
        other: PathBuf,
        /// What differs, with the values of both in a line.
        differences: String,
    },
    /// Parts of a merge that were computed by different engines.
    #[error("{} and {} were computed by different engines ({differences}; there: the first, here: the second), so the result would \
             be that of neither; --allow-mixed-engines merges them all the same, and the manifest says which seeds are whose",
             first.display(), other.display())]
    MixedEngines {
        /// One part.
        first: PathBuf,
        /// Another.
        other: PathBuf,
        /// What differs.
        differences: String,
    },
    /// Parts of a merge that do not hold every seed once.
    #[error("the directories do not make up the seeds {}..{}: {}", whole.start, whole.end, problems.join("; "))]
    Seeds {
        /// The seeds that there should be.
        whole: Range<u64>,
        /// Gaps and overlaps.
        problems: Vec<String>,
    },
    /// No list of runs.
    #[error("{} is no grid: it has no grid.json", .0.display())]
    NoGrid(PathBuf),
    /// Another process is writing here.
    #[error("{} is being written by another sharpsweep process: wait for it or stop it", .0.display())]
    Locked(PathBuf),
    /// Another process has finished the run since its manifest was read.
    #[error("{} was finished by another process meanwhile", .0.display())]
    Finished(PathBuf),
    /// A run that claims rows which it does not have.
    #[error("{} is not complete: {pending} of its {rows} rows are not computed, though {says}. It was changed from outside, and nothing \
             was changed now: restore the changed files, or start again in another directory", dir.display())]
    Incomplete {
        /// The directory.
        dir: PathBuf,
        /// Rows without a network.
        pending: u64,
        /// Rows of the run.
        rows: u64,
        /// Who claims that they are there.
        says: &'static str,
    },
    /// The directory is another one than when it was opened.
    #[error("{} is no longer the directory that was opened: it was removed, renamed or replaced meanwhile, so nothing more was written \
             there. If it was renamed, finished rows are kept in it: go on with sharpsweep resume and its new name", .0.display())]
    Replaced(PathBuf),
    /// A symbolic link where a file of the run must stand.
    #[error("{} is a symbolic link: writing to it would change what it points to, so nothing was changed. Put the file itself in its \
             place", .0.display())]
    Link(PathBuf),
    /// Something stands where a file was to be written.
    #[error("{} is {what}: choose another --out, or move it away; nothing was changed", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// Networks that are not those that an evaluation was begun with.
    #[error("{}: the column does not hold the networks that the evaluation was begun with: evaluate them again in another \
             directory", .0.display())]
    Theta(PathBuf),
    /// The run was begun on an engine, or by a version, that computes other bits.
    #[error("{} was begun with something else, so its rows would not fit together ({differences}): go on where it was begun, \
             with the same sharpsweep, --backend and --adapter", dir.display())]
    OtherEngine {
        /// The directory.
        dir: PathBuf,
        /// What differs, then and now.
        differences: String,
    },
    /// The recorded data cannot be read.
    #[error("the run's own copy of its data cannot be used: {0}")]
    Data(#[from] InputError),
    /// The recorded experiment contradicts itself.
    #[error("{}: {problem}", path.display())]
    Experiment {
        /// The manifest.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A run that cannot be given more seeds or steps as if it had been asked for them from the start.
    #[error("{} cannot be extended: {reason}. Nothing was changed", dir.display())]
    NoExtension {
        /// The directory.
        dir: PathBuf,
        /// Why, and what to do instead.
        reason: String,
    },
    /// Another extension of the run was begun.
    #[error("{} holds another extension of {} that was begun ({differences}; there: what was begun, here: what is asked for): finish that \
             one, or remove {} to give it up", folder.display(), dir.display(), folder.display())]
    OtherExtension {
        /// The directory.
        dir: PathBuf,
        /// What holds the extension.
        folder: PathBuf,
        /// What differs.
        differences: String,
    },
    /// The disk or the memory has no room for it.
    #[error(transparent)]
    Room(#[from] NoRoom),
    /// A [`crate::engine::Stop`] was requested.
    #[error("stopped")]
    Stopped,
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RunError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What a directory that is not free may hold.
pub(super) const A_RUN: &str = "a run";
pub(super) const A_GRID: &str = "a grid of runs";

/// How to go on with a run or a grid that `dir` holds.
fn going_on(dir: &Path, what: &str) -> String {
    if ![A_RUN, A_GRID].contains(&what) {
        return String::new();
    }
    let resume = format!("sharpsweep resume {}", dir.display());
    format!("; to finish it: {resume}; for more seeds or more steps: {resume} --seeds S or --max-steps T")
}
