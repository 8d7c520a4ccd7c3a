//! Ctrl-C, and the other signals that ask the program to end: SIGTERM and SIGHUP.
//!
//! All work looks at one [`Stop`], gives its batch up and ends in order. Work that does not look in time, such as a long eigenvalue
//! solve, is ended: files appear whole or row by row, so no moment is a wrong one.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use super::failure::{Failure, INTERRUPTED};
use super::terminal::notice;
use crate::clock::pause;
use crate::engine::Stop;

/// How long work may take to end in order.
const GRACE: Duration = Duration::from_millis(1500);

static STOP: LazyLock<Stop> = LazyLock::new(Stop::default);

static HOW_TO_GO_ON: Mutex<String> = Mutex::new(String::new());

/// The request to stop that Ctrl-C makes.
pub(super) fn stop() -> &'static Stop {
    &STOP
}

/// From now on an interrupted program says this: what is left, and what to do with it.
pub(super) fn leaves(what: impl Into<String>) {
    *HOW_TO_GO_ON.lock().unwrap_or_else(PoisonError::into_inner) = what.into();
}

/// The failure of a command that was interrupted.
pub(super) fn failure() -> Failure {
    let what = HOW_TO_GO_ON.lock().unwrap_or_else(PoisonError::into_inner);
    let what = if what.is_empty() { "nothing was written: start again" } else { what.as_str() };
    Failure::Interrupted(format!("stopped; {what}"))
}

/// Fails once the program was interrupted.
pub(super) fn check() -> Result<(), Failure> {
    if STOP.is_requested() { Err(failure()) } else { Ok(()) }
}

/// Catches the signals that ask to end. One that is ignored, such as SIGHUP under `nohup`, stays ignored.
pub(super) fn watch() -> Result<(), Failure> {
    let ignored = Ignored::now();
    ctrlc::set_handler(|| {
        if STOP.is_requested() {
            exit();
        }
        STOP.request();
        notice("stopping (press Ctrl-C again to stop at once)");
        // Without a thread nothing ends the work after a while, but a second Ctrl-C still does.
        let _ = std::thread::Builder::new().spawn(|| {
            pause(GRACE);
            notice(&failure().message());
            exit();
        });
    })?;
    ignored.stay_so();
    Ok(())
}

/// Ends the process at once. Other threads may be at work inside a graphics driver, or may just end in order: functions registered for
/// the end of the process would pull the ground from under them.
fn exit() -> ! {
    #[cfg(unix)]
    // SAFETY: it runs nothing and does not return; all output ends in a newline, so none is lost.
    unsafe {
        nix::libc::_exit(i32::from(INTERRUPTED))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(INTERRUPTED))
}

/// The signals that stay ignored.
struct Ignored {
    #[cfg(unix)]
    hang_up: bool,
}

#[cfg(unix)]
impl Ignored {
    fn now() -> Self {
        use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: no handler is installed, so no code runs in one.
        let before = unsafe { sigaction(Signal::SIGHUP, &default) };
        Self { hang_up: before.is_ok_and(|before| matches!(before.handler(), SigHandler::SigIgn)) }
    }

    fn stay_so(self) {
        use nix::sys::signal::{SigHandler, Signal, signal};
        // A write beyond the limit on file sizes should fail like any other, not end the process.
        let ignored = [Some(Signal::SIGXFSZ), self.hang_up.then_some(Signal::SIGHUP)];
        for kind in ignored.into_iter().flatten() {
            // SAFETY: no handler is installed, so no code runs in one. It cannot fail for these two signals.
            let _ = unsafe { signal(kind, SigHandler::SigIgn) };
        }
    }
}

#[cfg(not(unix))]
impl Ignored {
    fn now() -> Self {
        Self {}
    }

    fn stay_so(self) {}
}
