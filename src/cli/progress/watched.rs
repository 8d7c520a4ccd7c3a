//! What is seen of long work: a bar on a terminal, a plain line every 30 s elsewhere.

use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::watch::Watch;

/// How often there is a line where there is no bar.
const EVERY: Duration = Duration::from_secs(30);

/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(200);

/// The bar that is on the terminal.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes something while no bar is in the way.
pub(in crate::cli) fn beside_the_bar<T>(write: impl FnOnce() -> T) -> T {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match shown {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Work that someone waits for. What is seen of it goes when this is dropped.
pub(in crate::cli) struct Watched {
    work: Arc<Mutex<Work>>,
    bar: Option<ProgressBar>,
    /// Ends the lines when it is dropped.
    lines: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Where the work is.
#[derive(Debug, Clone)]
struct Work {
    what: String,
    done: u64,
    of: u64,
    /// What was done already when pieces of this name were first heard of.
    before: u64,
    /// When that was.
    since: Instant,
    /// When all of it began.
    begun: Instant,
    /// More to say.
    note: String,
}

impl Watched {
    /// Shows work on stderr, the first part of which is called `what`.
    pub(in crate::cli) fn start(what: &str) -> Self {
        if std::io::stderr().is_terminal() {
            Self::with_bar(what)
        } else {
            Self::with_lines(what, EVERY, super::notice)
        }
    }

    /// Shows nothing.
    pub(in crate::cli) fn silent() -> Self {
        Self { work: Work::new(""), bar: None, lines: None }
    }

    fn with_bar(what: &str) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_style(style("{spinner} {prefix}, {elapsed}"));
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(TICK);
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Self { work: Work::new(what), bar: Some(bar), lines: None }
    }

    fn with_lines(what: &str, every: Duration, write: impl Fn(&str) + Send + 'static) -> Self {
        let work = Work::new(what);
        let (end, ended) = mpsc::channel();
        let shown = Arc::clone(&work);
        let write_lines = move || {
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let work = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                write(&work.line(Instant::now()));
            }
        };
        // Without a thread for them there are no lines, and the work goes on.
        let lines = std::thread::Builder::new().spawn(write_lines).ok().map(|thread| (end, thread));
        Self { work, bar: None, lines }
    }

    /// As [`Watch::at`], with more to say of it.
    pub(in crate::cli) fn at_with(&self, what: &str, done: u64, of: u64, note: impl Into<String>) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let other = work.what != what || work.of != of;
        if other {
            *work = Work { what: what.into(), of, before: done, since: Instant::now(), ..work.clone() };
        }
        work.done = done;
        work.note = note.into();
        let Some(bar) = &self.bar else { return };
        if other && of == 0 {
            bar.set_style(style("{spinner} {prefix}, {elapsed}"));
        } else if other {
            bar.set_style(style("{bar:30} {human_pos}/{human_len} {prefix}  {msg}"));
            bar.set_length(of);
        }
        bar.set_prefix(work.what.clone());
        bar.set_position(done);
        let left = work.left(Instant::now()).map(|left| format!("{} left", roughly(left)));
        let said = [Some(work.note.clone()).filter(|note| !note.is_empty()), left];
        bar.set_message(said.into_iter().flatten().collect::<Vec<_>>().join(", "));
    }
}

impl Watch for Watched {
    fn at(&self, what: &str, done: u64, of: u64) {
        self.at_with(what, done, of, "");
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        if let Some((end, thread)) = self.lines.take() {
            drop(end);
            // It only ever waits for this or writes a line.
            let _ = thread.join();
        }
    }
}

impl Work {
    fn new(what: &str) -> Arc<Mutex<Self>> {
        let now = Instant::now();
        let what = what.into();
        Arc::new(Mutex::new(Self { what, done: 0, of: 0, before: 0, since: now, begun: now, note: String::new() }))
    }

    /// How long the rest takes if it goes on as it went.
    fn left(&self, now: Instant) -> Option<Duration> {
        let done = self.done.checked_sub(self.before).filter(|&done| done > 0)?;
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        let left = self.of.saturating_sub(self.done) as f64 * seconds / done as f64;
        Duration::try_from_secs_f64(left).ok()
    }

    /// One line of a log.
    fn line(&self, now: Instant) -> String {
        let Self { what, done, of, note, .. } = self;
        let mut parts = Vec::new();
        if *of > 0 {
            parts.push(format!("{what}: {done} of {of} ({:.1} %)", 100.0 * *done as f64 / *of as f64));
        } else {
            parts.push(what.clone());
        }
        if !note.is_empty() {
            parts.push(note.clone());
        }
        parts.push(format!("{} so far", whole_seconds(now.saturating_duration_since(self.begun))));
        parts.extend(self.left(now).map(|left| format!("about {} left", roughly(left))));
        parts.join(", ")
    }
}

/// `2m 5s`.
fn whole_seconds(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs_f64().round() as u64)).to_string()
}

/// `4days 11h`: an estimate needs no more than two units.
fn roughly(time: Duration) -> String {
    whole_seconds(time).split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A template is a constant; a bar without it would still count.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::{Watched, Work};
    use crate::watch::Watch;

    #[test]
    fn a_line_says_what_how_far_and_how_long() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let work = |what: &str, done, of, before, since, note: &str| Work {
            what: what.into(),
            done,
            of,
            before,
            since: at(since),
            begun,
            note: note.into(),
        };
        let line = work("spectra", 25, 100, 0, 10, "").line(at(60));
        assert_eq!(line, "spectra: 25 of 100 (25.0 %), 1m so far, about 2m 30s left");
        // What was there before this sitting took none of its time.
        let line = work("seeds", 60, 100, 50, 0, "81.0 % converged").line(at(30));
        assert_eq!(line, "seeds: 60 of 100 (60.0 %), 81.0 % converged, 30s so far, about 2m left");
        assert_eq!(work("comparing networks", 0, 0, 0, 0, "").line(at(90)), "comparing networks, 1m 30s so far");
        let line = work("seeds", 1, 12_905, 0, 0, "").line(at(30));
        assert_eq!(line, "seeds: 1 of 12905 (0.0 %), 30s so far, about 4days 11h left");
        assert_eq!(work("seeds", 0, 100, 0, 0, "").line(at(30)), "seeds: 0 of 100 (0.0 %), 30s so far");
    }

    #[test]
    fn lines_come_while_the_work_lasts_and_end_with_it() {
        let (send, heard) = mpsc::channel();
        let watched = Watched::with_lines("reading", Duration::from_millis(20), move |line| {
            let _ = send.send(line.to_owned());
        });
        assert!(heard.recv().unwrap().starts_with("reading, "));
        watched.at("spectra", 3, 10);
        let told = std::iter::from_fn(|| heard.recv().ok()).find(|line| line.starts_with("spectra: 3 of 10"));
        assert!(told.is_some());
        drop(watched);
        // The sender went with the thread.
        assert!(heard.iter().count() < 100 && heard.recv().is_err());
    }
}
