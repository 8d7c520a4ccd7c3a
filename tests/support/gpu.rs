//! The adapter that GPU tests run on, or a failure: a test that ran nothing must not look like a test that passed.

use std::io::Write as _;

use sharpsweep::gpu::{Gpu, Tuning, choose_adapter};

/// Set to 1 by a developer without an adapter: GPU tests are then skipped, and each says so.
const SKIP: &str = "SHARPSWEEP_SKIP_GPU";

/// The GPU engine on the best adapter, software included. `None` only if [`SKIP`] is set, with a line on stderr.
///
/// Panics without an adapter, with instructions for getting one.
pub(crate) fn gpu(test: &str, tuning: Tuning) -> Option<Gpu> {
    if skipped(test) {
        return None;
    }
    let adapter = choose_adapter(None)
        .unwrap_or_else(|error| panic!("{error}\n(without an adapter, {SKIP}=1 skips the GPU tests and says so)"));
    Some(Gpu::new(adapter, tuning).unwrap_or_else(|error| panic!("{error}")))
}

/// Whether [`SKIP`] asks to skip `test`; if so, a line on stderr says it.
pub(crate) fn skipped(test: &str) -> bool {
    let skip = std::env::var(SKIP).is_ok_and(|value| value == "1");
    if skip {
        // Straight to stderr: the test harness hides what passing tests print.
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {SKIP}=1");
    }
    skip
}
