//! The command line: what was typed, and what a person gets to read.
//!
//! Each command is a file in `commands`. The other files serve several of them: what they take (`args`), how they carry
//! out runs (`runner`, `extend`), what they show of them (`summary`, `grid_table`) and how they speak (`terminal`,
//! `progress`, `words`).

mod args;
mod commands;
mod extend;
mod failure;
mod grid_table;
mod interruption;
mod place;
mod progress;
mod runner;
mod summary;
mod terminal;
mod threads;
mod unknown;
mod words;

use clap::{CommandFactory, Parser, Subcommand};

use commands::{
    adapters, bench, check, duplicates, evaluate, merge, replay, report, reproduce, resume, shader, show, sweep,
};
pub use failure::Failure;

/// Trains small neural networks from many random seeds at once and bounds the sharpness of every minimum in closed
/// form.
///
/// A network has one hidden layer and tells two classes apart; it is trained by full-batch gradient descent on the
/// cross-entropy summed over the samples.
///
/// The sharpness is the largest eigenvalue lambda_1 of the Hessian of the loss. Its upper bound lambda_sup needs only
/// tr H and tr H^2, and both have closed forms for a three-layer network with cross-entropy loss (Omae et al. 2026,
/// arXiv 2604.10202).
///
/// Results go to a run directory: one .npy file per column, one row per network, and manifest.json.
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
  sharpsweep sweep --hidden 3,10 --step-size 0.05,0.1     a grid: one run per combination, and a table
  sharpsweep resume runs/wide                        go on after an interruption
  sharpsweep show runs/wide                          its summary again, also while it runs
  sharpsweep reproduce                               the paper whole: every published number and figure
  sharpsweep report runs/wide                        its figures and one HTML page
  sharpsweep replay 7                                one seed in f64, with its whole trajectory
  sharpsweep bench --out bench                       what each route to sharpness costs on this machine
  sharpsweep sweep --seeds 100000 --shard 2/8 --out part-2     one eighth, for another machine
  sharpsweep merge part-* --out runs/whole           the eighths in one run
  sharpsweep duplicates runs/wide                    which networks are the same
  sharpsweep adapters                                what this machine offers
  sharpsweep check                                   whether it computes what it should, and how fast";

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
    Check(check::Args),
    Shader(shader::Args),
}

impl Cli {
    /// The command line that was typed.
    ///
    /// # Errors
    /// [`Failure::Unknown`] for an option that does not exist where it is known what was meant: it says what there is
    /// instead. Any other command line that makes no sense, and `--help`, is answered by clap, which ends the program.
    pub fn typed() -> Result<Self, Failure> {
        Self::try_parse().map_err(|error| {
            let typed: Vec<String> = std::env::args().skip(1).collect();
            match unknown::explained(&error, &Self::command(), &typed) {
                Some(instead) => Failure::Unknown(instead),
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
            Err(failure) if failure.is_stop() => Err(interruption::failure()),
            other => other,
        }
    }
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
            Self::Check(args) => args.run(),
            Self::Shader(args) => args.run(),
        }
    }
}
