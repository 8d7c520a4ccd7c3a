//! `sharpsweep replay`.

use std::path::PathBuf;

use ndarray::Array1;

use super::experiment::{DataArgs, DescentsArgs, NetworkArgs};
use super::place::placed;
use super::summary::OutputArgs;
use super::{Failure, print};
use crate::engine::Status;
use crate::reference::{check_spectra, check_terms};
use crate::replay::replay;
use crate::report::descent;
use crate::run::{RunError, Staging, check_free, create_file};
use crate::spec::Work;

/// Trains one seed again in f64 and records what changes on the way
///
/// Writes loss, gradient_sq, lambda_sup, lambda_max and lambda_min over the steps as .npy, and a figure. A long f32 run of the same
/// seed can end elsewhere: seeds that start above 2 / lambda_1 oscillate, and rounding decides where to.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The seed
    #[arg(value_name = "SEED")]
    seed: u64,
    /// Record every K steps; the start and the end are always recorded
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// The directory to write to; it must not hold anything yet [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    descents: DescentsArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let [gradient_descent] = self.descents.each()?[..] else {
            return Err(Failure::Usage(anyhow::anyhow!("a replay follows one network: give one --step-size")));
        };
        let end = self.seed.checked_add(1).ok_or_else(|| {
            Failure::Usage(anyhow::anyhow!("seed {} is the largest number there is: take a smaller one", self.seed))
        })?;
        let experiment = self.data.experiment(Work::sweep(self.seed..end, gradient_descent), &self.network)?;
        if let Some(dir) = &self.out {
            check_free(dir)?;
        }
        check_terms(&experiment.problem)?;
        check_spectra(experiment.problem.shape)?;
        let replay = replay(&experiment.problem, &gradient_descent, self.seed, self.every);
        let mut figure = descent(&replay.trajectory)?;
        figure.data.push(("theta".into(), Array1::from(replay.theta).into_dyn()));
        let trajectory = &replay.trajectory;
        let last = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
        let ended = match replay.status {
            Status::Converged => "converged",
            Status::NonFinite => "diverged",
            Status::StepLimit | Status::Evaluated | Status::Pending => "reached the step limit",
        };
        let summary = serde_json::json!({
            "seed": self.seed,
            "ended": ended,
            "steps": trajectory.steps.last(),
            "records": trajectory.steps.len(),
            "every": self.every,
            "loss": last(&trajectory.loss),
            "gradient_sq": last(&trajectory.gradient_sq),
            "lambda_sup": last(&trajectory.lambda_sup),
            "lambda_max": last(&trajectory.lambda_max),
            "lambda_min": last(&trajectory.lambda_min),
            "spec": experiment.spec,
        });
        let text = serde_json::to_string_pretty(&summary)?;
        let mut files = figure.files()?;
        files.push(("replay.json".into(), format!("{text}\n").into_bytes()));
        let dir = placed(self.out.as_deref(), &format!("replay-{}", self.seed), |dir| {
            let staging = Staging::new(dir)?;
            for (name, content) in &files {
                let path = staging.path().join(name);
                create_file(&path, content).map_err(|source| RunError::Io { path, source })?;
            }
            staging.publish()?;
            Ok(dir.to_owned())
        })?;
        if self.output.json() {
            return print(&text);
        }
        print(&format!(
            "seed {} {ended} after {} steps: L = {:.6}, g.g = {:.3e}, lambda_sup = {:.6}, lambda_1 = {:.6}, lambda_D = {:.3e}",
            self.seed,
            trajectory.steps.last().copied().unwrap_or(0),
            last(&trajectory.loss),
            last(&trajectory.gradient_sq),
            last(&trajectory.lambda_sup),
            last(&trajectory.lambda_max),
            last(&trajectory.lambda_min)
        ))?;
        print(&format!(
            "{} records in {dir}/replay: numpy.load(\"{dir}/replay/lambda_sup.npy\"); figure {dir}/replay.svg",
            trajectory.steps.len(),
            dir = dir.display()
        ))
    }
}
