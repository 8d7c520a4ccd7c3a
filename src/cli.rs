//! The command line: what was typed, and what a person gets to read. One file a command.

mod adapters;
mod advice;
mod bench;
mod duplicates;
mod evaluate;
mod experiment;
mod grid;
mod interruption;
mod merge;
mod place;
mod progress;
mod replay;
mod report;
mod reproduce;
mod resume;
mod shader;
mod show;
mod summary;
mod sweep;
mod threads;
mod unknown;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::engine::EngineError;
use crate::run::RunError;

/// Trains small neural networks from many random seeds at once and bounds the sharpness of every minimum in closed form.
///
/// A network has one hidden layer and tells two classes apart; it is trained by full-batch gradient descent on the cross-entropy summed
/// over the samples.
///
/// The sharpness is the largest eigenvalue lambda_1 of the Hessian of the loss. Its upper bound lambda_sup needs only tr H and
/// tr H^2, and both have closed forms for a three-layer network with cross-entropy loss (Omae et al. 2026, arXiv 2604.10202).
///
/// Results go to a run directory: one .npy file a column, one row a network, and manifest.json.
#[derive(Debug, Parser)]
#[command(name = "sharpsweep", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  sharpsweep sweep                                   the paper's experiment, 512 seeds
  sharpsweep sweep --hidden 10 --seeds 100000 --out runs/wide
  sharpsweep sweep --x X.npy --q Q.npy --hidden 6    your own data
  sharpsweep evaluate --theta T.npy --x X.npy --q Q.npy --hidden 6
  sharpsweep sweep --hidden 3,10 --step-size 0.05,0.1     a grid: one run a combination, and a table
  sharpsweep resume runs/wide                        go on after an interruption
  sharpsweep show runs/wide                          its summary again, also while it runs
  sharpsweep reproduce                               the paper whole: every published number and figure
  sharpsweep report runs/wide                        its figures and one HTML page
  sharpsweep replay 7                                one seed in f64, with its whole trajectory
  sharpsweep bench --out bench                       what each route to sharpness costs on this machine
  sharpsweep sweep --seeds 100000 --shard 2/8 --out part-2     one eighth, for another machine
  sharpsweep merge part-* --out runs/whole           the eighths in one run
  sharpsweep duplicates runs/wide                    which networks are the same critical point
  sharpsweep adapters                                what this machine offers";

#[derive(Debug, Subcommand)]
enum Command {
    Sweep(sweep::Args),
    Evaluate(evaluate::Args),
    Resume(resume::Args),
    Show(show::Args),
    Reproduce(reproduce::Args),
    Report(report::Args),
    Replay(replay::Args),
    Bench(bench::Args),
    Merge(merge::Args),
    Duplicates(duplicates::Args),
    Adapters(adapters::Args),
    Shader(shader::Args),
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The command line makes no sense: exit code 2.
    Usage(anyhow::Error),
    /// The command line has an option that is none: exit code 2. The text says what there is instead.
    Unknown(String),
    /// Everything else: exit code 1.
    Failed(anyhow::Error),
    /// Stopped by Ctrl-C: exit code 130. The text says how to go on.
    Interrupted(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Failure {
    /// The exit code: 2 for a command line that makes no sense, 130 after Ctrl-C, 1 for the rest.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::Unknown(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Interrupted(_) => ExitCode::from(interruption::EXIT_CODE),
        }
    }

    /// What to print.
    pub fn message(&self) -> String {
        match self {
            Self::Usage(error) | Self::Failed(error) => visible(&format!("error: {}", with_causes(error))),
            Self::Unknown(text) | Self::Interrupted(text) => visible(text),
        }
    }
}

impl Cli {
    /// What was typed.
    ///
    /// # Errors
    /// [`Failure::Unknown`] that says what there is instead, where an option is not one but it is known what was meant. Any other command
    /// line that makes no sense, and `--help`, is answered by clap, which ends the program.
    pub fn typed() -> Result<Self, Failure> {
        Self::try_parse().map_err(|error| {
            let typed: Vec<String> = std::env::args().skip(1).collect();
            match unknown::explained(&error, &Self::command(), &typed) {
                Some(said) => Failure::Unknown(said),
                None => error.exit(),
            }
        })
    }

    /// Carries out the command.
    ///
    /// # Errors
    /// [`Failure`] with what to print and the exit code.
    pub fn run(self) -> Result<(), Failure> {
        interruption::watch()?;
        threads::start()?;
        match self.command.run() {
            Err(Failure::Failed(error)) if is_stop(&error) => Err(interruption::failure()),
            other => other,
        }
    }
}

/// `error` and what it was caused by, as far as its own text does not say that already.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.as_str() {
            "" => cause,
            said if said.contains(&cause) => text,
            said => format!("{said}: {cause}"),
        }
    })
}

/// Whether work ended because it was asked to.
fn is_stop(error: &anyhow::Error) -> bool {
    error.chain().any(|error| {
        matches!(error.downcast_ref(), Some(EngineError::Stopped))
            || matches!(error.downcast_ref(), Some(RunError::Stopped))
    })
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Sweep(args) => args.run(),
            Self::Evaluate(args) => args.run(),
            Self::Resume(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::Reproduce(args) => args.run(),
            Self::Report(args) => args.run(),
            Self::Replay(args) => args.run(),
            Self::Bench(args) => args.run(),
            Self::Merge(args) => args.run(),
            Self::Duplicates(args) => args.run(),
            Self::Adapters(args) => args.run(),
            Self::Shader(args) => args.run(),
        }
    }
}

/// Prints a line of results; a reader that went away (`| head`) is no error, results that cannot be written are one.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write};
    let write = || {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", visible(text)).and_then(|()| out.flush())
    };
    match progress::beside_the_bar(write) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(anyhow::anyhow!("cannot write the results to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tells the user something beside the results.
fn notice(text: &str) {
    use std::io::Write;
    // Nothing can be done for a terminal that has gone.
    let _ = progress::beside_the_bar(|| writeln!(std::io::stderr().lock(), "{}", visible(text)));
}

/// `text` for a terminal: characters that would steer it or turn the order of others are shown by their number, as JSON writes them.
/// Names and paths may come from files of other people.
fn visible(text: &str) -> String {
    let steers = |character: char| {
        (character.is_control() && !matches!(character, '\n' | '\t'))
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            shown += &format!("\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn nothing_that_is_printed_steers_the_terminal() {
        assert_eq!(visible("λ_1 = 3\tx\n"), "λ_1 = 3\tx\n");
        assert_eq!(visible("a\x1b[2J\r\u{7f}\u{9b}\u{202e}b"), r"a\u001b[2J\u000d\u007f\u009b\u202eb");
    }
}
