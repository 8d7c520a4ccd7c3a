//! What is seen of long work: a bar on a terminal, a plain line every 30 s elsewhere.

use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::{notice, set_bar};
use crate::clock::Instant;
use crate::summary::percent;
use crate::watch::Watch;

/// How often there is a line where there is no bar.
const EVERY: Duration = Duration::from_secs(30);

/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(200);

/// The bar of work whose length nobody knows.
const SPINNER: &str = "{spinner} {prefix}, {elapsed}";

/// The bar of work whose length is known.
const BAR: &str = "{bar:30} {human_pos}/{human_len} {prefix}  {msg}";

/// Work that someone waits for. What is seen of it goes when this is dropped.
pub(super) struct Watched {
    stage: Arc<Mutex<Stage>>,
    bar: Option<ProgressBar>,
    /// Ends the lines when it is dropped.
    lines: Option<(Sender<()>, JoinHandle<()>)>,
}

/// How far along the work is.
#[derive(Debug, Clone)]
struct Stage {
    /// What its pieces are called, a plural.
    what: String,
    /// Pieces that are done.
    done: u64,
    /// All pieces, 0 where nobody knows how many there will be.
    of: u64,
    /// Pieces that were done already when pieces of this name first came up.
    before: u64,
    /// How long the work had taken then.
    since: Duration,
    /// When the work began.
    begun: Instant,
    /// More to say.
    note: String,
}

impl Watched {
    /// Shows work on stderr, the first part of which is called `what`.
    pub(super) fn start(what: &str) -> Self {
        if std::io::stderr().is_terminal() { Self::with_bar(what) } else { Self::with_lines(what, EVERY, notice) }
    }

    /// Shows nothing.
    pub(super) fn silent() -> Self {
        Self { stage: Stage::new(""), bar: None, lines: None }
    }

    fn with_bar(what: &str) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_style(style(SPINNER));
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(TICK);
        set_bar(Some(bar.clone()));
        Self { stage: Stage::new(what), bar: Some(bar), lines: None }
    }

    fn with_lines(what: &str, every: Duration, write: impl Fn(&str) + Send + 'static) -> Self {
        let stage = Stage::new(what);
        let (end, ended) = mpsc::channel();
        let shown = Arc::clone(&stage);
        let write_lines = move || {
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let stage = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                write(&stage.line(stage.begun.elapsed()));
            }
        };
        // Without a thread for them there are no lines, and the work goes on.
        let lines = std::thread::Builder::new().spawn(write_lines).ok().map(|thread| (end, thread));
        Self { stage, bar: None, lines }
    }

    /// As [`Watch::at`], with more to say.
    pub(super) fn at_with(&self, what: &str, done: u64, of: u64, note: impl Into<String>) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = stage.begun.elapsed();
        let is_new = stage.what != what || stage.of != of;
        if is_new {
            *stage = Stage { what: what.into(), of, before: done, since: taken, ..stage.clone() };
        }
        stage.done = done;
        stage.note = note.into();
        let Some(bar) = &self.bar else { return };
        if is_new && of == 0 {
            bar.set_style(style(SPINNER));
        } else if is_new {
            bar.set_style(style(BAR));
            bar.set_length(of);
        }
        bar.set_prefix(stage.what.clone());
        bar.set_position(done);
        let left = stage.left(taken).map(|left| format!("{} left", roughly(left)));
        let note = Some(stage.note.clone()).filter(|note| !note.is_empty());
        bar.set_message(note.into_iter().chain(left).collect::<Vec<_>>().join(", "));
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
            set_bar(None);
        }
        if let Some((end, thread)) = self.lines.take() {
            drop(end);
            // It only ever waits for this or writes a line.
            let _ = thread.join();
        }
    }
}

impl Stage {
    fn new(what: &str) -> Arc<Mutex<Self>> {
        let (what, note, since, begun) = (what.into(), String::new(), Duration::ZERO, Instant::now());
        Arc::new(Mutex::new(Self { what, done: 0, of: 0, before: 0, since, begun, note }))
    }

    /// How long the rest takes if it goes on as it went; the work has `taken` so long.
    fn left(&self, taken: Duration) -> Option<Duration> {
        let done = self.done.checked_sub(self.before).filter(|&done| done > 0)?;
        let seconds = taken.saturating_sub(self.since).as_secs_f64();
        let left = self.of.saturating_sub(self.done) as f64 * seconds / done as f64;
        Duration::try_from_secs_f64(left).ok()
    }

    /// One line of a log.
    fn line(&self, taken: Duration) -> String {
        let Self { what, done, of, note, .. } = self;
        let mut parts = vec![match of {
            0 => what.clone(),
            _ => format!("{what}: {done} of {of} ({})", percent(*done, *of)),
        }];
        parts.extend(Some(note.clone()).filter(|note| !note.is_empty()));
        parts.push(format!("{} so far", whole_seconds(taken)));
        parts.extend(self.left(taken).map(|left| format!("about {} left", roughly(left))));
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
    use std::time::Duration;

    use super::{Stage, Watched};
    use crate::clock::Instant;
    use crate::watch::Watch;

    #[test]
    fn a_line_says_what_how_far_and_how_long() {
        let seconds = Duration::from_secs;
        let stage = |what: &str, done, of, before, since, note: &str| Stage {
            what: what.into(),
            done,
            of,
            before,
            since: seconds(since),
            begun: Instant::now(),
            note: note.into(),
        };
        let line = stage("spectra", 25, 100, 0, 10, "").line(seconds(60));
        assert_eq!(line, "spectra: 25 of 100 (25.0 %), 1m so far, about 2m 30s left");
        // What was there before this sitting took none of its time.
        let line = stage("seeds", 60, 100, 50, 0, "81.0 % converged").line(seconds(30));
        assert_eq!(line, "seeds: 60 of 100 (60.0 %), 81.0 % converged, 30s so far, about 2m left");
        let line = stage("comparing networks", 0, 0, 0, 0, "").line(seconds(90));
        assert_eq!(line, "comparing networks, 1m 30s so far");
        let line = stage("seeds", 1, 12_905, 0, 0, "").line(seconds(30));
        assert_eq!(line, "seeds: 1 of 12905 (0.0 %), 30s so far, about 4days 11h left");
        assert_eq!(stage("seeds", 0, 100, 0, 0, "").line(seconds(30)), "seeds: 0 of 100 (0.0 %), 30s so far");
    }

    #[test]
    fn lines_come_while_the_work_lasts_and_end_with_it() {
        let (send, heard) = mpsc::channel();
        let watched = Watched::with_lines("reading", Duration::from_millis(20), move |line| {
            let _ = send.send(line.to_owned());
        });
        assert!(heard.recv().unwrap().starts_with("reading, "));
        watched.at("spectra", 3, 10);
        let line = std::iter::from_fn(|| heard.recv().ok()).find(|line| line.starts_with("spectra: 3 of 10"));
        assert!(line.is_some());
        drop(watched);
        // The sender went with the thread.
        assert!(heard.iter().count() < 100 && heard.recv().is_err());
    }
}
