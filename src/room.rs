//! What this machine has room for, in memory and on a disk.
//!
//! Counts that a user gives are compared with it before any work: an allocation that fails ends the process without a message, and so
//! does a system that runs out of memory.

use std::fmt;
use std::path::Path;

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// What does not fit, and what there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} would take {} of {}, and there are {}{}", Bytes(*needed), place, Bytes(*available), Fitting(fits))]
pub struct NoRoom {
    /// What would take the room.
    pub what: String,
    /// Bytes that it takes; `u64::MAX` for what is beyond counting.
    pub needed: u64,
    /// Bytes that there are.
    pub available: u64,
    /// Where: memory, or the disk under a path.
    pub place: String,
    /// What would fit instead.
    pub fits: Option<String>,
}

impl NoRoom {
    /// Adds how many `units` would fit, each of `each` bytes.
    pub fn at_most(self, units: &str, each: u64) -> Self {
        let fits = Some(format!("at most {} {units} fit", self.available / each.max(1)));
        Self { fits, ..self }
    }
}

/// Bytes that the program takes in any case: less is not checked.
const ALWAYS: u64 = 64 << 20;

/// Fails unless `bytes` of memory are there for `what`.
///
/// # Errors
/// [`NoRoom`] with what is there.
pub fn check_memory(what: &str, bytes: u64) -> Result<(), NoRoom> {
    if bytes <= ALWAYS {
        return Ok(());
    }
    check(what, bytes, memory(), || "memory".into())
}

/// Fails unless `bytes` are free on the disk that holds `path`, or will hold it.
///
/// # Errors
/// [`NoRoom`] with what is free. A disk that does not say is taken to have room; a write to it fails if it has not.
pub fn check_disk(what: &str, bytes: u64, path: &Path) -> Result<(), NoRoom> {
    let existing = path.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    let existing = existing.unwrap_or(Path::new("."));
    let free = fs4::available_space(existing).unwrap_or(u64::MAX);
    // No system has offsets in files beyond this.
    check(what, bytes, free.min(i64::MAX as u64), || format!("disk under {}", existing.display()))
}

fn check(what: &str, needed: u64, available: u64, place: impl FnOnce() -> String) -> Result<(), NoRoom> {
    if needed <= available {
        return Ok(());
    }
    Err(NoRoom { what: what.into(), needed, available, place: place(), fits: None })
}

/// Bytes of memory that this process can take: what is free or can be freed, and what a container or a limit of the process leaves.
fn memory() -> u64 {
    let refresh = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
    let system = System::new_with_specifics(refresh).ok();
    // A system that does not say is taken to have room.
    let free = system.map_or(u64::MAX, |system| match system.available_memory() {
        0 => u64::MAX,
        available => {
            let container = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
            available.saturating_add(system.free_swap()).min(container)
        }
    });
    free.min(address_space())
}

#[cfg(unix)]
fn address_space() -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_AS).map_or(u64::MAX, |(soft, _)| soft).min(isize::MAX as u64)
}

#[cfg(not(unix))]
fn address_space() -> u64 {
    isize::MAX as u64
}

/// A number of bytes for a person.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 == u64::MAX {
            return f.write_str("more than 16 EiB");
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

/// What would fit, after a colon.
struct Fitting<'a>(&'a Option<String>);

impl fmt::Display for Fitting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |fits| write!(f, ": {fits}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{check_disk, check_memory};

    #[test]
    fn what_fits_passes_and_what_does_not_says_what_would() {
        assert_eq!(check_memory("a row", 1), Ok(()));
        assert_eq!(check_disk("a row", 1, Path::new("nowhere/at/all")), Ok(()));
        let error = check_memory("everything", u64::MAX).unwrap_err().at_most("rows", 1 << 20).to_string();
        for part in ["everything would take more than 16 EiB of memory", "and there are ", ": at most ", " rows fit"] {
            assert!(error.contains(part), "{error}");
        }
        let error = check_disk("a run", 1 << 62, Path::new("nowhere/at/all")).unwrap_err().to_string();
        assert!(error.starts_with("a run would take 4.0 EiB of disk under ."), "{error}");
    }
}
