//! Which process works here: what has threads or an open device does not survive a fork.

use std::sync::OnceLock;

use pyo3::prelude::*;
use rayon::ThreadPoolBuilder;

use crate::errors::error;

/// The process in which the first work was done.
static WORKS: OnceLock<u32> = OnceLock::new();

/// Fails in a process that was forked from one that had begun to work: threads and open devices are not in the child,
/// and waiting for them would never end.
pub(crate) fn begin() -> PyResult<()> {
    let here = std::process::id();
    let first = *WORKS.get_or_init(|| {
        // The threads of the whole process; a program that has started its own goes on with those.
        let _ = ThreadPoolBuilder::new().build_global();
        here
    });
    if first == here {
        return Ok(());
    }
    Err(error(&format!(
        "this process ({here}) was forked from one that had used sharpsweep ({first}), and its threads and graphics \
         device are not here. Start processes by spawn: multiprocessing.get_context(\"spawn\")"
    )))
}
