//! Whether a disk has room for runs, which grow to their size only while they are computed.

use std::path::Path;

use crate::records::Column;
use crate::room::{NoRoom, check_disk};

/// Bytes per row of these columns.
fn row(columns: &[Column]) -> u64 {
    columns.iter().fold(0, |sum: u64, column| {
        sum.saturating_add(column.dtype.size().saturating_mul(column.width.unwrap_or(1) as u64))
    })
}

/// Bytes on the disk of finished runs with these rows and columns; `u64::MAX` for what is beyond counting.
pub fn size<'a>(runs: impl Iterator<Item = (u64, &'a [Column])>) -> u64 {
    runs.fold(0, |sum: u64, (rows, columns)| sum.saturating_add(rows.saturating_mul(row(columns))))
}

/// Fails unless the disk that will hold `dir` has room for runs with these rows and columns.
///
/// # Errors
/// [`NoRoom`] with how many networks would fit.
pub fn check_space<'a>(dir: &Path, runs: impl Iterator<Item = (u64, &'a [Column])> + Clone) -> Result<(), NoRoom> {
    let networks = runs.clone().map(|(rows, _)| rows).max().unwrap_or(0);
    let each = runs.clone().fold(0, |sum: u64, (_, columns)| sum.saturating_add(row(columns)));
    check_disk(&format!("{networks} networks"), size(runs), dir).map_err(|room| room.at_most("networks", each))
}
