//! `sharpsweep resume`.

use std::path::PathBuf;

use anyhow::anyhow;

use super::Failure;
use super::experiment::EngineArgs;
use super::progress::ProgressArgs;
use super::summary::{self, OutputArgs};
use crate::run::{Run, RunWriter, State};
use crate::spec::Work;
use crate::sweep::{Networks, Sweep};

/// Goes on with a sweep that was interrupted
///
/// Rows that were finished are kept, the others computed; the columns end up byte for byte as without the interruption. A
/// finished run is left as it is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let run = Run::open(&self.dir)?;
        if run.manifest().state == State::Finished {
            super::notice(&format!("{} is finished: nothing to do", self.dir.display()));
            return summary::show(&run, &self.output);
        }
        let experiment = run.experiment()?;
        let Work::Sweep { first_seed, descent, .. } = experiment.spec.work else {
            return Err(Failure::Failed(anyhow!(
                "{} is an evaluation, which cannot be resumed: remove it and run `sharpsweep evaluate` again",
                self.dir.display()
            )));
        };
        let choice = self.engine.choose()?;
        let engine = choice.open()?;
        run.check_engine(&engine.description())?;
        let writer = RunWriter::resume(&run)?;
        let sweep = Sweep {
            experiment: &experiment,
            networks: Networks::Seeds { first_seed, descent },
            memory: self.progress.memory(),
        };
        self.progress.run(&sweep, engine, &choice, writer, &self.output)
    }
}
