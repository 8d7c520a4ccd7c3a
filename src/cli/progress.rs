//! Carrying out a run while someone watches: progress, and the summary at the end.

mod watched;

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::anyhow;
use clap::ValueEnum;

use super::summary::{self, SummaryArgs};
use super::{Failure, interruption, notice};
use crate::backend::Choice;
use crate::engine::{Engine, MissingSpectrum};
use crate::run::{Run, RunError, RunWriter};
use crate::spec::Experiment;
use crate::sweep::{Ended, Event, Progress, Sweep, SweepError};
use crate::watch::Watch;
pub(super) use watched::{Watched, beside_the_bar};

/// How progress is shown, on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Show {
    /// A bar on a terminal, a line every 30 s elsewhere
    Auto,
    /// One JSON object a line after every chunk
    Json,
    /// Nothing
    None,
}

/// Watching and limiting a run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct ProgressArgs {
    /// How to show progress, on stderr
    #[arg(long, default_value = "auto")]
    progress: Show,
    /// MiB of memory that the networks in flight may take, beside the driver's
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    memory: u64,
}

impl ProgressArgs {
    /// Whether a program reads stderr: nothing that is no progress follows the first line of it.
    pub(super) fn json(&self) -> bool {
        self.progress == Show::Json
    }

    /// The sweep that carries out `experiment` within the memory for networks in flight, until Ctrl-C.
    pub(super) fn sweep<'a>(&self, experiment: &'a Experiment) -> Sweep<'a> {
        let memory = self.memory.saturating_mul(1 << 20);
        Sweep { experiment, given: None, earlier: None, memory, stop: interruption::stop() }
    }

    /// Carries out `sweep` and prints the summary. `go_on` says what to do with the run where it is not finished.
    pub(super) fn run(
        &self,
        sweep: &Sweep<'_>,
        engine: Box<dyn Engine>,
        choice: &Choice,
        writer: RunWriter,
        go_on: &str,
        output: &SummaryArgs,
    ) -> Result<(), Failure> {
        let run = self.carry_out(sweep, engine, choice, writer, go_on)?;
        interruption::leaves(format!("the run is finished; {}", show_with(run.dir())));
        summary::show(&run, output)
    }

    /// Carries out `sweep`; the finished run. `go_on` says what to do with the run where it is not finished.
    pub(super) fn carry_out(
        &self,
        sweep: &Sweep<'_>,
        engine: Box<dyn Engine>,
        choice: &Choice,
        mut writer: RunWriter,
        go_on: &str,
    ) -> Result<Run, Failure> {
        let dir = writer.dir().to_owned();
        interruption::leaves(format!("finished rows are kept; {go_on}"));
        let watched = self.watch("the first networks");
        let mut named = 0;
        let ended = sweep.run(engine, &|| choice.open(), &mut writer, &mut |event| match event {
            Event::Begun { done, rows } => watched.at("networks", done, rows),
            Event::Progress(progress) => self.show(&watched, &progress),
            Event::Mended(what) => notice(&what),
            Event::NoSpectrum { first, missing } => name_missing(first, &missing, &mut named),
        });
        drop(watched);
        let finished = ended.and_then(|ended| match ended {
            Ended::Finished => Ok(Some(writer.finish()?)),
            Ended::Stopped => Ok(None),
        });
        match finished {
            Ok(Some(manifest)) => {
                let run = Run::open(&dir)?;
                // What is summed up must be what was computed here.
                if *run.manifest() == manifest { Ok(run) } else { Err(RunError::Replaced(dir).into()) }
            }
            Ok(None) => Err(interruption::failure()),
            // What is there now is not this run, or is not to be trusted: the error says what to do.
            Err(error @ SweepError::Run(RunError::Replaced(_) | RunError::Incomplete { .. })) => Err(error.into()),
            Err(error) => {
                let first = if no_room(&error) { "make room on the disk, then " } else { "" };
                Err(Failure::Failed(anyhow!("{error}\nfinished rows are kept; {first}{go_on}")))
            }
        }
    }

    /// Shows work, the first part of which is called `what`, unless progress is not to be shown or is for a program.
    pub(super) fn watch(&self, what: &str) -> Watched {
        if self.progress == Show::Auto { Watched::start(what) } else { Watched::silent() }
    }

    fn show(&self, watched: &Watched, progress: &Progress) {
        let Progress { first, done, rows, done_now, outcome, chunk, elapsed } = *progress;
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let rate = done_now as f64 / seconds;
        if self.progress == Show::Json {
            let left = (rows - done) as f64 / rate.max(1e-9);
            let line = serde_json::json!({
                "done": done, "rows": rows, "first_row": first, "chunk": chunk, "converged": outcome.converged, "step_limit": outcome.step_limit,
                "non_finite": outcome.non_finite, "evaluated": outcome.evaluated, "seconds": seconds, "seeds_per_second": rate, "seconds_left": left,
            });
            notice(&line.to_string());
            return;
        }
        let converged = match outcome.evaluated {
            0 => format!("{:.1} % converged, ", 100.0 * outcome.converged as f64 / done as f64),
            _ => String::new(),
        };
        watched.at_with("networks", done, rows, format!("{converged}{rate:.0} a second"));
    }
}

/// How many networks without a spectrum are named one by one.
const NAMED: usize = 10;

/// Names the networks that have no spectrum, of which `named` have been named before; `first` is the seed of the first of their chunk.
fn name_missing(first: u64, missing: &[MissingSpectrum], named: &mut usize) {
    for MissingSpectrum { row, reason } in missing.iter().take(NAMED.saturating_sub(*named)) {
        notice(&format!("seed {} has no lambda_max and lambda_min: {reason}", first + *row as u64));
    }
    if (*named..*named + missing.len()).contains(&NAMED) {
        notice("further networks without eigenvalues are not named; the summary counts them");
    }
    *named += missing.len();
}

/// Whether the disk, a quota or a limit on file sizes is what stopped the run.
fn no_room(error: &SweepError) -> bool {
    let SweepError::Run(RunError::Io { source, .. }) = error else { return false };
    matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// What to do with an unfinished run or grid in `dir`.
pub(super) fn go_on_with(dir: &Path) -> String {
    format!("go on with: sharpsweep resume {}", quoted(dir))
}

/// How to see what the finished run or grid in `dir` came to.
pub(super) fn show_with(dir: &Path) -> String {
    format!("show it with: sharpsweep show {}", quoted(dir))
}

pub(super) fn resume_command(dir: &Path) -> String {
    format!("sharpsweep resume {}", quoted(dir))
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    // No path holds a NUL, the one thing that cannot be quoted.
    shlex::try_quote(&text).map_or_else(|_| text.clone(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::quoted;

    #[test]
    fn a_directory_with_a_space_can_be_pasted_into_a_shell() {
        assert_eq!(quoted(Path::new("runs/a-1")), "runs/a-1");
        assert_eq!(quoted(Path::new("my runs/it's")), r#""my runs/it's""#);
        assert_eq!(quoted(Path::new("a; rm -r $HOME")), "'a; rm -r $HOME'");
    }
}
