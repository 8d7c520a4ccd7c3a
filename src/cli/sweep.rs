//! `sharpsweep sweep`.

use std::path::{Path, PathBuf};

use super::Failure;
use super::experiment::{DataArgs, DescentArgs, EngineArgs, NetworkArgs, parse_seeds};
use super::progress::ProgressArgs;
use super::summary::OutputArgs;
use crate::records::{Dtype, columns};
use crate::run::{RunWriter, check_free};
use crate::spec::{Experiment, Work};
use crate::sweep::{Networks, Sweep};

/// Trains networks from many seeds and evaluates the closed-form sharpness of each
///
/// The defaults are the paper's experiment (Appendix C) with 512 seeds. Seed k is the same network on every engine and machine.
/// Every seed gets a row; `status` says whether it converged (0), took all its steps (1) or diverged (2).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many seeds (from 0), or a range A..B without B
    #[arg(long, value_name = "S|A..B", default_value = "512", value_parser = parse_seeds)]
    seeds: std::ops::Range<u64>,
    /// The directory for the columns; it must not hold anything yet [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    descent: DescentArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let descent = self.descent.descent();
        let (first_seed, work) = (self.seeds.start, Work::sweep(self.seeds.clone(), descent));
        let experiment = self.data.experiment(work, &self.network)?;
        let dir = match self.out {
            Some(dir) => dir,
            None => free_directory(&experiment),
        };
        check_free(&dir)?;
        let choice = self.engine.choose()?;
        let engine = choice.open()?;
        // What does not fit the device is said before a directory is made.
        engine.batch_size(&experiment.problem)?;
        let columns = columns(experiment.problem.shape, Dtype::Float32, experiment.test.is_some());
        let writer = RunWriter::create(&dir, &experiment, engine.description(), columns)?;
        let networks = Networks::Seeds { first_seed, descent };
        let sweep = Sweep { experiment: &experiment, networks, memory: self.progress.memory() };
        self.progress.run(&sweep, engine, &choice, writer, &self.output)
    }
}

/// The first free name under runs/ for `experiment`.
fn free_directory(experiment: &Experiment) -> PathBuf {
    let spec = &experiment.spec;
    (1..)
        .map(|k| {
            Path::new("runs").join(format!("{}-m{}-n{}-{k:03}", spec.activation.name(), spec.data.inputs, spec.hidden))
        })
        .find(|dir| !dir.exists())
        .unwrap_or_default()
}
