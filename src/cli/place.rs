//! The directory that a command writes to if none is given.

use std::path::{Path, PathBuf};

use crate::run::RunError;

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
