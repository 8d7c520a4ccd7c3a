//! Printing: results to stdout and everything else to stderr, around the progress bar that may be on the terminal.

use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

use super::failure::Failure;
use super::words::visible;

/// The bar that is on the terminal.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// From now on this bar is on the terminal, or none.
pub(super) fn set_bar(bar: Option<ProgressBar>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// Writes something while no bar is in the way.
fn beside_the_bar(write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Prints a line of results; a reader that went away (`| head`) is no error, results that cannot be written are one.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let write = || {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", visible(text)).and_then(|()| out.flush())
    };
    match beside_the_bar(write) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(anyhow::anyhow!("cannot write the results to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints results as JSON.
pub(super) fn print_json(results: &impl serde::Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(results)?)
}

/// Tells the user something beside the results.
pub(super) fn notice(text: &str) {
    // Nothing can be done for a terminal that has gone.
    let _ = beside_the_bar(|| writeln!(io::stderr().lock(), "{}", visible(text)));
}
