//! Work in a thread of its own, while this one keeps Python's signals and progress going.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use sharpsweep::engine::Stop;
use sharpsweep::sitting::Listener;
use sharpsweep::sweep::Progress;
use sharpsweep::watch::Watch;

use crate::errors::{error, in_python};
use crate::process;

/// How often Python may handle its signals.
const TICK: Duration = Duration::from_millis(50);

/// How long work that was asked to stop may take to end in order. Then it is left to itself.
const GRACE: Duration = Duration::from_millis(1500);

/// What a thread at work tells.
enum Message<T> {
    /// So many pieces of the work called so are done, and so many there are.
    Progress(String, u64, u64),
    /// A sentence for the log, and whether it advises.
    Notice(String, bool),
    /// The work is done; `None` if it panicked.
    Done(Option<T>),
}

/// Where a thread at work reports to.
pub(crate) struct Reporter<T>(Sender<Message<T>>);

impl<T> Reporter<T> {
    /// Says what its user may want to do about the work.
    pub(crate) fn advise(&self, texts: &[String]) {
        for text in texts {
            let _ = self.0.send(Message::Notice(in_python(text), true));
        }
    }
}

// Whoever asked for the work may have left, so what cannot be sent is dropped.

impl<T: Send> Watch for Reporter<T> {
    fn at(&self, what: &str, done: u64, of: u64) {
        let _ = self.0.send(Message::Progress(what.into(), done, of));
    }
}

impl<T: Send> Listener for Reporter<T> {
    fn begun(&self, done: u64, rows: u64) {
        self.at("networks", done, rows);
    }

    fn progress(&self, progress: &Progress) {
        self.at("networks", progress.done, progress.rows);
    }

    fn ended(&self) {}

    fn notice(&self, text: &str) {
        let _ = self.0.send(Message::Notice(in_python(text), false));
    }

    fn watch<'a>(&'a self, what: &str) -> Box<dyn Watch + 'a> {
        self.at(what, 0, 0);
        Box::new(Parts(self))
    }
}

/// Parts of the work that are not networks of a run.
struct Parts<'a, T>(&'a Reporter<T>);

impl<T: Send> Watch for Parts<'_, T> {
    fn at(&self, what: &str, done: u64, of: u64) {
        self.0.at(what, done, of);
    }
}

/// Who hears of the work, in Python.
pub(crate) struct Audience<'py> {
    /// Called with what is counted, how many are done, and how many there are.
    pub(crate) progress: Option<Bound<'py, PyAny>>,
    /// Called with a sentence for the log, and whether it advises.
    pub(crate) notice: Option<Bound<'py, PyAny>>,
}

impl Audience<'_> {
    fn progress(&self, what: &str, done: u64, of: u64) -> PyResult<()> {
        self.progress.as_ref().map_or(Ok(()), |progress| progress.call1((what, done, of)).map(|_| ()))
    }

    fn notice(&self, text: &str, advises: bool) -> PyResult<()> {
        self.notice.as_ref().map_or(Ok(()), |notice| notice.call1((text, advises)).map(|_| ()))
    }
}

/// Does `job` in a thread of its own and waits for it, without the interpreter's lock. Ctrl-C, and an exception of the
/// audience, ask it to stop: it has a little time to end in order, and what it leaves after that is dropped. After
/// Ctrl-C the audience still hears how far the work came.
pub(crate) fn attend<T: Send + 'static>(
    py: Python<'_>,
    audience: &Audience<'_>,
    job: impl FnOnce(&Stop, &Reporter<T>) -> T + Send + 'static,
) -> PyResult<T> {
    process::begin()?;
    let (sender, mut receiver) = channel();
    let stop = Stop::default();
    let asked = stop.clone();
    let work = move || {
        let reporter = Reporter(sender);
        let done = catch_unwind(AssertUnwindSafe(|| job(&asked, &reporter))).ok();
        let _ = reporter.0.send(Message::Done(done));
    };
    std::thread::Builder::new()
        .name("sharpsweep".into())
        .spawn(work)
        .map_err(|cause| error(&format!("cannot start a thread: {cause}")))?;
    loop {
        let message;
        (receiver, message) = py.detach(move || {
            let message = receiver.recv_timeout(TICK);
            (receiver, message)
        });
        let heard = match message {
            Ok(Message::Done(Some(done))) => return Ok(done),
            Ok(Message::Done(None)) | Err(RecvTimeoutError::Disconnected) => {
                return Err(error("the work ended by a fault of the program; please report it"));
            }
            Ok(Message::Progress(what, done, of)) => audience.progress(&what, done, of),
            Ok(Message::Notice(text, advises)) => audience.notice(&text, advises),
            Err(RecvTimeoutError::Timeout) => Ok(()),
        };
        // An audience that has had enough hears nothing more; one that is interrupted hears which rows are kept.
        let (exception, listening) = match heard.map(|()| py.check_signals()) {
            Ok(Ok(())) => continue,
            Ok(Err(interrupted)) => (interrupted, true),
            Err(exception) => (exception, false),
        };
        stop.request();
        let last = py.detach(move || last_progress(&receiver));
        if let Some((what, done, of)) = last.filter(|_| listening) {
            // The interruption is what ends the work, whatever becomes of its last words.
            let _ = audience.progress(&what, done, of);
        }
        return Err(exception);
    }
}

/// The last progress until the work is done, for which this waits, but not for long.
fn last_progress<T>(receiver: &Receiver<Message<T>>) -> Option<(String, u64, u64)> {
    let asked = Instant::now();
    let mut last = None;
    while let Some(left) = GRACE.checked_sub(asked.elapsed()) {
        match receiver.recv_timeout(left) {
            Ok(Message::Progress(what, done, of)) => last = Some((what, done, of)),
            Ok(Message::Notice(..)) => {}
            Ok(Message::Done(_)) | Err(_) => break,
        }
    }
    last
}
