//! `sharpsweep evaluate`.

use std::path::PathBuf;

use super::experiment::{ColumnArgs, DataArgs, EngineArgs, NetworkArgs, name_rounded_inputs};
use super::place::announce_size;
use super::progress::{ProgressArgs, go_on_with};
use super::summary::SummaryArgs;
use super::{Failure, interruption};
use crate::input::read_theta;
use crate::records::{Theta, columns};
use crate::run::{RunWriter, check_free};
use crate::spec::Work;
use crate::sweep::{Networks, Sweep, admit};

/// Evaluates the closed-form sharpness of networks that were trained elsewhere
///
/// theta is a .npy array (S, D), f32 or f64, one network a row: D = (M+1)N + N+1 weights, first W (N x (M+1)) column by column,
/// biases first, then v_0 .. v_N. The columns are those of `sweep`; `seed` counts the rows, `steps` is 0, and `status` is 3:
/// evaluated, no verdict (2 where g.g is not finite). After Ctrl-C or a crash `sharpsweep resume DIR` goes on with it, without the
/// file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The networks: a .npy array (S, D)
    #[arg(long, value_name = "T.npy")]
    theta: PathBuf,
    /// The directory for the columns; it must not hold anything yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Judge the networks: `status` is 0, converged, where the squared gradient norm g.g is below this, else 1 [default: no verdict]
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    tolerance: Option<f64>,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    output: SummaryArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        check_free(&self.out)?;
        // The data come first: they say how many inputs theta must have been trained for.
        let unknown = Work::Evaluate { networks: 1, theta_hash: String::new(), tolerance: self.tolerance };
        self.output.check(&unknown)?;
        let mut experiment = self.data.experiment(unknown, &self.network)?;
        let theta = read_theta(&self.theta, experiment.problem.shape)?;
        experiment.spec.work =
            Work::Evaluate { networks: theta.rows() as u64, theta_hash: theta.hash(), tolerance: self.tolerance };
        experiment.spec.extra = self.columns.extra();
        let choice = self.engine.choose()?;
        let mut engine = choice.open()?;
        admit(&experiment, engine.as_mut())?;
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        if matches!(theta.view(), Theta::Float64(_)) && !engine.evaluates_in_f64() {
            super::notice("theta is float64: this engine rounds it to float32 (--backend cpu does not)");
        }
        if !engine.evaluates_in_f64() {
            name_rounded_inputs(&experiment.problem.data, "evaluation", "--backend cpu");
        }
        let columns = columns(&experiment.spec, theta.dtype());
        let writer = RunWriter::create_evaluation(&self.out, &experiment, description, columns, theta.view())?;
        announce_size(std::iter::once((experiment.spec.rows(), writer.manifest().columns.as_slice())), None);
        let networks = Networks::Given { theta: theta.view(), tolerance: self.tolerance };
        let sweep =
            Sweep { experiment: &experiment, networks, memory: self.progress.memory(), stop: interruption::stop() };
        self.progress.run(&sweep, engine, &choice, writer, &go_on_with(&self.out), &self.output)
    }
}
