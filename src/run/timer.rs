//! When the rows of a run that were written last are made durable.

use std::time::Duration;

use crate::clock::Instant;

/// How long written rows wait at least and at most: what a crash costs besides the current chunk.
const PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(10)];

/// The pause is this many times as long as it took to make rows durable: one part in twenty of the time goes into that.
const PAUSES: u32 = 20;

/// The time from one checkpoint to the next.
#[derive(Debug)]
pub(super) struct Timer {
    last: Instant,
    pause: Duration,
}

impl Timer {
    /// A timer that runs from now on.
    pub(super) fn start() -> Self {
        Self { last: Instant::now(), pause: PAUSE[0] }
    }

    /// Whether the next checkpoint is due.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.pause
    }

    /// Runs from now on again, after a checkpoint that began when `checkpoint` was started.
    pub(super) fn restart(&mut self, checkpoint: &Self) {
        let pause = (checkpoint.last.elapsed() * PAUSES).clamp(PAUSE[0], PAUSE[1]);
        *self = Self { pause, ..Self::start() };
    }
}
