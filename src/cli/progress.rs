//! Carrying out a run while someone watches: progress, Ctrl-C, and the summary at the end.

use std::io::{ErrorKind, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use clap::ValueEnum;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::summary::{self, OutputArgs};
use super::{Failure, notice};
use crate::backend::Choice;
use crate::engine::Engine;
use crate::run::{Run, RunError, RunWriter};
use crate::sweep::{Ended, Event, Progress, Sweep, SweepError};

/// How progress is shown, on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Show {
    /// A bar on a terminal, nothing elsewhere
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
    /// The memory for networks in flight, bytes.
    pub(super) fn memory(&self) -> u64 {
        self.memory << 20
    }

    /// Carries out `sweep` and prints the summary.
    pub(super) fn run(
        &self,
        sweep: &Sweep<'_>,
        engine: Box<dyn Engine>,
        choice: &Choice,
        writer: RunWriter,
        output: &OutputArgs,
    ) -> Result<(), Failure> {
        summary::show(&self.carry_out(sweep, engine, choice, writer)?, output)
    }

    /// Carries out `sweep`; the finished run.
    pub(super) fn carry_out(
        &self,
        sweep: &Sweep<'_>,
        engine: Box<dyn Engine>,
        choice: &Choice,
        writer: RunWriter,
    ) -> Result<Run, Failure> {
        let dir = writer.dir().to_owned();
        self.carry_out_within(&dir, sweep, engine, choice, writer)
    }

    /// Carries out `sweep`, a part of what `sharpsweep resume` goes on with in `resumable`; the finished run.
    pub(super) fn carry_out_within(
        &self,
        resumable: &Path,
        sweep: &Sweep<'_>,
        engine: Box<dyn Engine>,
        choice: &Choice,
        writer: RunWriter,
    ) -> Result<Run, Failure> {
        let dir = writer.dir().to_owned();
        let interrupted = watch_for_interruption()?;
        let bar = self.bar();
        let ended = sweep.run(engine, &|| choice.open(), writer, &mut |event| {
            match event {
                Event::Progress(progress) => self.show(&bar, &progress),
                Event::Mended(what) => bar.suspend(|| notice(&what)),
            }
            if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        bar.finish_and_clear();
        let command = format!("go on with: sharpsweep resume {}", quoted(resumable));
        match ended {
            Ok(Ended::Finished(manifest)) => {
                let run = Run::open(&dir)?;
                // What is summed up must be what was computed here.
                if *run.manifest() == *manifest { Ok(run) } else { Err(RunError::Replaced(dir).into()) }
            }
            Ok(Ended::Stopped) => Err(Failure::Interrupted(format!("stopped; finished rows are kept; {command}"))),
            // What is there now is not this run, or is not to be trusted: the error says what to do.
            Err(error @ SweepError::Run(RunError::Replaced(_) | RunError::Incomplete { .. })) => Err(error.into()),
            Err(error) => {
                let first = if no_room(&error) { "make room on the disk, then " } else { "" };
                Err(Failure::Failed(anyhow!("{error}\nfinished rows are kept; {first}{command}")))
            }
        }
    }

    fn bar(&self) -> ProgressBar {
        if self.progress != Show::Auto || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} seeds  {msg}");
        // The template is a constant; a bar without style would still count.
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar
    }

    fn show(&self, bar: &ProgressBar, progress: &Progress) {
        let Progress { first, done, rows, done_now, outcome, chunk, elapsed } = *progress;
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let rate = done_now as f64 / seconds;
        let left = (rows - done) as f64 / rate.max(1e-9);
        if self.progress == Show::Json {
            let line = serde_json::json!({
                "done": done, "rows": rows, "first_row": first, "chunk": chunk, "converged": outcome.converged, "step_limit": outcome.step_limit,
                "non_finite": outcome.non_finite, "seconds": seconds, "seeds_per_second": rate, "seconds_left": left,
            });
            notice(&line.to_string());
            return;
        }
        let share = 100.0 * outcome.converged as f64 / done as f64;
        let left = HumanDuration(std::time::Duration::from_secs_f64(left.min(1e9)));
        bar.set_length(rows);
        bar.set_position(done);
        bar.set_message(format!("{share:.1} % converged, {rate:.0} seeds/s, {left} left"));
    }
}

/// Whether Ctrl-C was pressed; asked for once a process, whatever the number of its runs.
fn watch_for_interruption() -> Result<&'static AtomicBool, Failure> {
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    static WATCHING: AtomicBool = AtomicBool::new(false);
    if !WATCHING.swap(true, Ordering::Relaxed) {
        ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                // Asked twice: the journal is consistent at any moment.
                std::process::exit(130);
            }
            notice("stopping after this chunk (press Ctrl-C again to stop at once)");
        })?;
    }
    Ok(&INTERRUPTED)
}

/// Whether the disk, a quota or a limit on file sizes is what stopped the run.
fn no_room(error: &SweepError) -> bool {
    let SweepError::Run(RunError::Io { source, .. }) = error else { return false };
    matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+=:,@".contains(character);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::quoted;

    #[test]
    fn a_directory_with_a_space_can_be_pasted_into_a_shell() {
        assert_eq!(quoted(Path::new("runs/a-1")), "runs/a-1");
        assert_eq!(quoted(Path::new("my runs/it's")), r"'my runs/it'\''s'");
    }
}
