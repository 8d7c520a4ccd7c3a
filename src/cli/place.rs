//! The directory that a command writes to if none is given, and how much it will hold.

use std::path::{Path, PathBuf};

use super::terminal::notice;
use crate::records::{Column, WEIGHTS};
use crate::room::Bytes;
use crate::run::{RunError, size};

/// Columns above this many bytes are announced before they are computed.
const LARGE: u64 = 1 << 30;

/// Says how much of the disk runs with these rows and columns will take, if it is much; with `keep`, also how much with
/// that value of `--keep`, which leaves the weights out.
pub(super) fn announce_size<'a>(runs: impl Iterator<Item = (u64, &'a [Column])> + Clone, keep: Option<&str>) {
    let bytes = size(runs.clone());
    if bytes <= LARGE {
        return;
    }
    let networks = runs.clone().map(|(rows, _)| rows).sum::<u64>();
    let weights = |column: &&Column| WEIGHTS.contains(&column.name.as_str());
    let weights = runs.flat_map(|(rows, columns)| {
        columns.iter().filter(weights).map(move |column| (rows, std::slice::from_ref(column)))
    });
    let without = bytes - size(weights);
    let keep = keep.map_or_else(String::new, |keep| format!(", with --keep {keep} {}", Bytes(without)));
    notice(&format!("the columns of {networks} networks will take {} of the disk{keep}", Bytes(bytes)));
}

/// Makes something at `out`, or else at the first of runs/NAME-001, runs/NAME-002, .. that is free. If another process
/// takes the name meanwhile, the next one is tried.
pub(super) fn placed<T>(
    out: Option<&Path>,
    name: &str,
    make: impl Fn(&Path) -> Result<T, RunError>,
) -> Result<T, RunError> {
    if let Some(dir) = out {
        return make(dir);
    }
    let mut k = 1_u64;
    loop {
        let dir = PathBuf::from("runs").join(format!("{name}-{k:03}"));
        // A link that leads nowhere takes its name as well.
        if dir.symlink_metadata().is_err() {
            match make(&dir) {
                Err(RunError::Exists { .. }) => {}
                made => return made,
            }
        }
        k += 1;
    }
}
