//! Where the rows of a sweep go: into a run directory, or wherever else a front end wants them.

use std::ops::Range;

use super::{RunError, Seconds, StatusCounts};
use crate::records::Records;

/// Takes the rows of a sweep.
pub trait Sink {
    /// The rows that it does not have yet, in order.
    fn missing(&self) -> Vec<Range<u64>>;

    /// How the networks of the rows that it has ended.
    ///
    /// # Errors
    /// [`RunError`] if they cannot be read.
    fn outcome(&self) -> Result<StatusCounts, RunError>;

    /// Takes `records`, which took `spent`, as the rows from `first_row` on.
    ///
    /// # Errors
    /// [`RunError`] if they cannot be written.
    fn write(&mut self, first_row: u64, records: Records, spent: Seconds) -> Result<(), RunError>;

    /// Makes every row durable that it has.
    ///
    /// # Errors
    /// [`RunError`] if they cannot be written.
    fn checkpoint(&mut self) -> Result<(), RunError>;
}
