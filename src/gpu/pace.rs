//! How much work to put into one dispatch, so that none runs long.
//!
//! Desktop systems reset a device whose dispatch takes about two seconds, and a desktop stutters well before that.

use std::ops::Range;
use std::time::Duration;

use super::limits::{LOOP_ITERATIONS, SUM_BLOCK};
use super::loops::iterations;
use crate::clock::Instant;
use crate::engine::EngineError;
use crate::model::OneHidden;

/// The samples of each dispatch of a pass whose invocations sum over all `samples` in order, `turns` times. They are
/// cut at whole sums of [`SUM_BLOCK`], so the cuts do not depend on time.
pub(super) fn sample_parts(samples: usize, turns: u64) -> impl Iterator<Item = Range<u32>> {
    let block = 1 + iterations(SUM_BLOCK as u64, 0);
    let longest = ((LOOP_ITERATIONS / turns / block).max(1) as usize).saturating_mul(SUM_BLOCK);
    (0..samples).step_by(longest).map(move |first| first as u32..samples.min(first + longest) as u32)
}

/// Samples j of a block of pairs for tr H^2, two per tile.
pub(super) const PAIR_BLOCK: usize = 64;

/// The loop iterations of a block of tr H^2: the products of M inputs, and a tile's N units.
pub(super) const fn pair_block_iterations(shape: OneHidden) -> u64 {
    let tiles = iterations(PAIR_BLOCK as u64 / 2, iterations(shape.hidden as u64, 0));
    1 + iterations(shape.inputs as u64, 0) + tiles
}

/// The columns j of one dispatch of tr H^2.
pub(super) fn pair_columns(shape: OneHidden) -> usize {
    ((LOOP_ITERATIONS / pair_block_iterations(shape)).max(1) as usize).saturating_mul(PAIR_BLOCK)
}

/// Chooses the amount of work (steps, rows) per dispatch from the time that the last one took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    amount: u32,
    most: u32,
    budget: Duration,
    /// When the device began what it does now.
    since: Instant,
}

impl Pace {
    /// Starts at `first` units of work and never exceeds `most`; aims at `budget` per dispatch.
    pub(super) fn new(first: u32, most: u32, budget: Duration) -> Self {
        Self { amount: first.clamp(1, most.max(1)), most: most.max(1), budget, since: Instant::now() }
    }

    /// Units of work for the next dispatch.
    pub(super) fn amount(&self) -> u32 {
        self.amount
    }

    /// Runs a dispatch of [`Self::amount`] units and learns from the time that it takes.
    pub(super) fn time(&mut self, dispatch: impl FnOnce() -> Result<(), EngineError>) -> Result<(), EngineError> {
        self.since = Instant::now();
        dispatch()?;
        self.done(self.amount);
        Ok(())
    }

    /// Learns that a dispatch of `amount` units has just ended, which began as soon as the one before had ended.
    pub(super) fn done(&mut self, amount: u32) {
        let now = Instant::now();
        let elapsed = now - self.since;
        self.since = now;
        self.record(amount, elapsed);
    }

    /// The amount shrinks as far as the time asks and at most doubles, since the first dispatches also pay for warming
    /// up.
    fn record(&mut self, amount: u32, elapsed: Duration) {
        let ratio = self.budget.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
        let next = f64::from(amount) * ratio.min(2.0);
        // The cast saturates: whatever the ratio, the result is a number of units.
        self.amount = (next as u32).clamp(1, self.most);
    }
}

/// Runs `dispatch(first, amount)` over `all` units of work, as many at a time as take `budget`, at most `most`.
pub(super) fn in_paced_parts(
    budget: Duration,
    all: usize,
    most: u32,
    mut dispatch: impl FnMut(u32, usize) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut pace = Pace::new(64, most, budget);
    let mut first = 0;
    while first < all {
        let now = (pace.amount() as usize).min(all - first);
        pace.time(|| dispatch(first as u32, now))?;
        first += now;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, sample_parts};

    #[test]
    fn parts_hold_every_sample_once() {
        assert!(sample_parts(70, 1).eq(std::iter::once(0..70)));
        let parts: Vec<_> = sample_parts(200_000, 1).collect();
        assert_eq!((parts.len(), parts[0].start, parts[3].end), (4, 0, 200_000));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].end % 64 == 0));
    }

    #[test]
    fn a_slow_dispatch_shrinks_the_next_one_and_a_fast_one_at_most_doubles_it() {
        let mut pace = Pace::new(64, 1000, Duration::from_millis(50));
        pace.record(pace.amount(), Duration::from_millis(200));
        assert_eq!(pace.amount(), 16);
        pace.record(pace.amount(), Duration::from_nanos(1));
        assert_eq!(pace.amount(), 32);
        pace.record(pace.amount(), Duration::from_secs(3600));
        assert_eq!(pace.amount(), 1);
    }

    #[test]
    fn the_amount_stays_within_its_limits() {
        let mut pace = Pace::new(0, 100, Duration::from_millis(50));
        assert_eq!(pace.amount(), 1);
        for _ in 0..20 {
            pace.record(pace.amount(), Duration::ZERO);
        }
        assert_eq!(pace.amount(), 100);
    }
}
