//! How many rows to do at once.

use std::time::Duration;

/// The time that a chunk should take, which Ctrl-C or a crash may cost.
const CHUNK: Duration = Duration::from_secs(3);

/// The size of the next chunk.
pub(super) struct Chunk {
    /// The rows that it has.
    pub(super) rows: usize,
    /// The most that it may have.
    most: usize,
}

impl Chunk {
    /// `first` rows, or `most` where that is less.
    pub(super) fn new(first: usize, most: usize) -> Self {
        Self { rows: most.min(first), most }
    }

    /// Grows while chunks are quick and shrinks when they are slow.
    pub(super) fn learn(&mut self, elapsed: Duration) {
        let ratio = CHUNK.as_secs_f64() / elapsed.as_secs_f64().max(1e-6);
        self.rows = ((self.rows as f64 * ratio.clamp(0.25, 16.0)) as usize).clamp(1, self.most);
    }

    /// Halves the chunk, for good.
    pub(super) fn halve(&mut self) {
        self.rows = (self.rows / 2).max(1);
        self.most = self.rows;
    }
}
