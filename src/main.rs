//! Parses the command line, runs the command, prints one error, sets the exit code.

use std::io::Write;
use std::process::ExitCode;

use sharpsweep::cli::Cli;

fn main() -> ExitCode {
    // Outside a user session Mesa's device-selection layer complains on stderr that it has no display; there is none to ask.
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this is the first statement of the program, so no other thread reads or writes the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    match Cli::typed().and_then(Cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing can be done for a terminal that has gone; the exit code remains.
            let _ = writeln!(std::io::stderr(), "{}", failure.message());
            failure.exit_code()
        }
    }
}
