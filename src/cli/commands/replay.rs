//! `sharpsweep replay`: single seeds in f64, with what changes on the way.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde_json::Value;

use crate::cli::args::{DataArgs, DescentsArgs, NetworkArgs, OutputArgs, check_distinct};
use crate::cli::failure::Failure;
use crate::cli::place::placed;
use crate::cli::progress::Watched;
use crate::cli::terminal::{print, print_json};
use crate::engine::{Descent, Status};
use crate::model::Problem;
use crate::reference::{check_spectra, check_terms};
use crate::replay::{Replay, Trajectory, replay_with};
use crate::report::training_of_seed;
use crate::room::{NoRoom, check_memory};
use crate::run::{RunError, Staging, check_free, create_file};
use crate::spec::{SeedList, Spec, Work, parse_seed_list};
use crate::watch::Watch;
use clap::value_parser;

/// Trains seeds again in f64 and records what changes on the way
///
/// Writes loss, gradient_sq, lambda_sup, lambda_max and lambda_min over the steps as .npy, theta_trajectory (the
/// weights at each of these steps, one row each), theta (where it ended), and a figure. Each of several seeds has a
/// folder seed-K of its own. A long f32 run of the same seed can end elsewhere: seeds that start above 2 / lambda_1
/// oscillate, and rounding decides where to.
#[derive(Debug, clap::Args)]
#[command(mut_arg("data_seed", |arg| arg.value_delimiter(None).help("Which draw of the built-in data")))]
#[command(mut_arg("step_size", |arg| arg.value_delimiter(None).help("eta in theta <- theta - eta dL/dtheta")))]
pub(crate) struct Args {
    /// The seeds: one, such as 7, or a list of seeds and ranges A..B without B, such as 1,2,5 or 1..4
    #[arg(value_name = "SEEDS", value_parser = parse_seed_list)]
    seeds: SeedList,
    /// Record every K steps; the start and the end are always recorded
    #[arg(long, alias = "every", value_name = "K", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    record_every: u32,
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
    pub(crate) fn run(self) -> Result<(), Failure> {
        let [gradient_descent] = self.descents.each()?[..] else {
            return Err(Failure::Usage(anyhow::anyhow!("a replay follows one network: give one --step-size")));
        };
        let seeds = &self.seeds.0;
        check_distinct("SEEDS", seeds)?;
        let experiments = seeds
            .iter()
            .map(|&seed| self.data.experiment(Work::sweep(seed..seed + 1, gradient_descent), &self.network))
            .collect::<Result<Vec<_>, _>>()?;
        let Some(first) = experiments.first() else { return Ok(()) };
        if let Some(dir) = &self.out {
            check_free(dir)?;
        }
        let problem = &first.problem;
        check_terms(problem)?;
        check_spectra(problem.network.parameters())?;
        self.check_room(problem.network.parameters(), gradient_descent.max_steps)?;

        let replays = self.replays(problem, &gradient_descent);
        let is_several = seeds.len() > 1;
        let mut files = Vec::new();
        let mut summaries = Vec::new();
        for (replay, experiment) in replays.iter().zip(&experiments) {
            let folder = if is_several { format!("seed-{}/", replay.trajectory.seed) } else { String::new() };
            let summary = self.summary(replay, &experiment.spec);
            let of_seed = files_of(replay, &summary)?;
            files.extend(of_seed.into_iter().map(|(name, content)| (format!("{folder}{name}"), content)));
            summaries.push(summary);
        }
        let name = if let [seed] = seeds[..] { format!("replay-{seed}") } else { "replays".into() };
        let dir = placed(self.out.as_deref(), &name, |dir| {
            let staging = Staging::new(dir)?;
            for (name, content) in &files {
                let path = staging.path().join(name);
                create_file(&path, content).map_err(|source| RunError::Io { path, source })?;
            }
            staging.publish()?;
            Ok(dir.to_owned())
        })?;
        if self.output.json {
            return match summaries.as_slice() {
                [summary] => print_json(summary),
                summaries => print_json(&summaries),
            };
        }
        for replay in &replays {
            print(&one_line(replay))?;
        }
        let (records, dir) = (replays.iter().map(|replay| replay.trajectory.steps.len()).sum::<usize>(), dir.display());
        let folder = if is_several { format!("{dir}/seed-{}", seeds[0]) } else { dir.to_string() };
        let more = if is_several { " and the like of the others" } else { "" };
        print(&format!(
            "{records} records in {dir}: numpy.load(\"{folder}/replay/lambda_sup.npy\"), the weights at each in \
             theta_trajectory.npy; figure {folder}/replay.svg{more}"
        ))
    }

    /// Trains every seed.
    fn replays(&self, problem: &Problem, descent: &Descent) -> Vec<Replay> {
        let watched = Watched::start("steps");
        let seeds = &self.seeds.0;
        let (done, all) = (AtomicU64::new(0), u64::from(descent.max_steps).saturating_mul(seeds.len() as u64));
        let replay = |&seed: &u64| {
            let mut before = 0;
            let mut count = |taken: u32| {
                let now = u64::from(taken - before);
                before = taken;
                watched.at("steps", done.fetch_add(now, Ordering::Relaxed) + now, all);
            };
            let replay = replay_with(problem, descent, seed, |taken| {
                count(taken);
                taken.saturating_add(self.record_every)
            });
            // Steps that it did not need count as done, too.
            count(descent.max_steps);
            replay
        };
        seeds.par_iter().map(replay).collect()
    }

    /// Fails unless the records, and their copy on the way to the disk, fit into memory.
    fn check_room(&self, parameters: usize, max_steps: u32) -> Result<(), NoRoom> {
        let records = u64::from(max_steps / self.record_every) + 2;
        let bytes = records.saturating_mul(16 * (parameters as u64 + 6)).saturating_mul(self.seeds.0.len() as u64);
        check_memory("the weights at every record", bytes)
            .map_err(|error| NoRoom { fits: Some("with a larger --record-every there are fewer".into()), ..error })
    }

    /// The content of `replay.json`.
    fn summary(&self, replay: &Replay, spec: &Spec) -> Value {
        let trajectory = &replay.trajectory;
        let mut summary = serde_json::json!({
            "seed": trajectory.seed,
            "ended": ended(replay.status),
            "steps": trajectory.steps.last(),
            "records": trajectory.steps.len(),
            "every": self.record_every,
            "loss": last(&trajectory.loss),
            "gradient_sq": last(&trajectory.gradient_sq),
            "lambda_sup": last(&trajectory.lambda_sup),
            "lambda_max": last(&trajectory.lambda_max),
            "lambda_min": last(&trajectory.lambda_min),
            "spec": spec,
        });
        if let Some((objective, gradient_sq)) = objective(trajectory) {
            summary["objective"] = objective.into();
            summary["objective_gradient_sq"] = gradient_sq.into();
        }
        summary
    }
}

/// The files of one seed: the figure with its numbers, the weights, and `summary`.
fn files_of(replay: &Replay, summary: &Value) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut figure = training_of_seed(&replay.trajectory)?;
    figure.data.push(("theta".into(), ndarray::Array1::from(replay.theta.clone()).into_dyn()));
    figure.data.push(("theta_trajectory".into(), replay.theta_trajectory.clone().into_dyn()));
    let mut files = figure.files()?;
    files.push(("replay.json".into(), format!("{}\n", serde_json::to_string_pretty(summary)?).into_bytes()));
    Ok(files)
}

fn last(values: &[f64]) -> f64 {
    values.last().copied().unwrap_or(f64::NAN)
}

/// The objective and the squared norm of its gradient at the end, with weight decay.
fn objective(trajectory: &Trajectory) -> Option<(f64, f64)> {
    trajectory.objective.last().copied().zip(trajectory.objective_gradient_sq.last().copied())
}

fn ended(status: Status) -> &'static str {
    match status {
        Status::Converged => "converged",
        Status::NonFinite => "diverged",
        Status::StepLimit | Status::Evaluated | Status::Pending => "reached the step limit",
    }
}

/// One line on how a seed ended.
fn one_line(replay: &Replay) -> String {
    let trajectory = &replay.trajectory;
    let objective = objective(trajectory).map_or_else(String::new, |(objective, gradient_sq)| {
        format!("; with the weight decay {objective:.6}, g.g = {gradient_sq:.3e}")
    });
    format!(
        "seed {} {} after {} steps: L = {:.6}, g.g = {:.3e}, lambda_sup = {:.6}, lambda_1 = {:.6}, \
         lambda_D = {:.3e}{objective}",
        trajectory.seed,
        ended(replay.status),
        trajectory.steps.last().copied().unwrap_or(0),
        last(&trajectory.loss),
        last(&trajectory.gradient_sq),
        last(&trajectory.lambda_sup),
        last(&trajectory.lambda_max),
        last(&trajectory.lambda_min)
    )
}
