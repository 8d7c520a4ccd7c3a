//! Whether a disk has room for runs, which grow to their size only while they are computed.

use std::path::Path;

use crate::records::{Column, WEIGHTS};
use crate::room::{Bytes, NoRoom, check_disk};

/// Columns above this many bytes are announced before they are computed.
const LARGE: u64 = 1 << 30;

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

/// How much of the disk runs with these rows and columns will take, if it is much; with `keep`, also how much with that
/// value of `--keep`, which leaves the weights out.
pub fn announced_size<'a>(
    runs: impl Iterator<Item = (u64, &'a [Column])> + Clone,
    keep: Option<&str>,
) -> Option<String> {
    let bytes = size(runs.clone());
    if bytes <= LARGE {
        return None;
    }
    let networks = runs.clone().map(|(rows, _)| rows).sum::<u64>();
    let weights = |column: &&Column| WEIGHTS.contains(&column.name.as_str());
    let weights = runs.flat_map(|(rows, columns)| {
        columns.iter().filter(weights).map(move |column| (rows, std::slice::from_ref(column)))
    });
    let without = bytes - size(weights);
    let keep = keep.map_or_else(String::new, |keep| format!(", with --keep {keep} {}", Bytes(without)));
    Some(format!("the columns of {networks} networks will take {} of the disk{keep}", Bytes(bytes)))
}
