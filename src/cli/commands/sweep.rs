//! `sharpsweep sweep`: networks from many seeds.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::anyhow;

use crate::advice;
use crate::cli::args::{
    ColumnArgs, DataArgs, DescentsArgs, EngineArgs, NetworkArgs, NetworksArgs, ProgressArgs, SummaryArgs,
};
use crate::cli::failure::Failure;
use crate::cli::place::placed;
use crate::cli::runner::RunSetup;
use crate::cli::summary;
use crate::cli::terminal::notice;
use crate::records::{Column, Dtype, columns};
use crate::run::{Grid, GridRun, NewRun, RunWriter, announced_size, check_free, layers_in_names};
use crate::spec::{Experiment, Keep, Seeds, Work, parse_seeds, parse_shard};
use crate::sweep::admit;

/// Trains networks from many seeds and evaluates the closed-form sharpness of each
///
/// Networks of up to nine hidden layers, by default of one for two classes, trained by full-batch gradient descent on a
/// --loss summed over the I samples. In terms of the mean loss: a learning rate lr is --step-size lr / I, lambda is I
/// times as large, and g.g, which is compared with --tolerance, I^2 times; --reduction mean takes the mean itself.
///
/// --hidden 8x8 --loss softmax, for instance, trains networks of two hidden layers on class numbers. Every network gets
/// the bounds of its Hessian's eigenvalues in closed form; --gauss-newton adds those of its Gauss-Newton part.
///
/// The defaults are the paper's experiment (Appendix C) with 512 seeds. Seed k is the same network on every engine and
/// machine. Every seed gets a row; `status` says whether it converged (0), took all its steps (1) or diverged (2).
///
/// Lists, such as --hidden 3,10 --step-size 0.05,0.1, give one run per combination, all in one directory, and a table
/// over them; so does --data-seed 0,1,2, over several draws of built-in data.
///
/// A sweep may be as long as you like: its memory does not grow with the seeds, and after Ctrl-C, a crash or a full
/// disk `sharpsweep resume DIR` goes on with it. On several machines or GPUs let each compute one --shard K/N into a
/// directory of its own, then join them with `sharpsweep merge`; examples/slurm does so on a cluster. No result depends
/// on --memory, --dispatch-ms, --shard or the number of threads (RAYON_NUM_THREADS in the environment sets it).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many seeds (from 0), or a range A..B without B
    #[arg(long, value_name = "S|A..B", default_value = "512", value_parser = parse_seeds)]
    seeds: Range<u64>,
    /// Only the K-th of N equal parts of the seeds, K from 1; `sharpsweep merge` joins the parts
    #[arg(long, value_name = "K/N", value_parser = parse_shard)]
    shard: Option<(u64, u64)>,
    /// The directory for the columns; it must not hold anything yet [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Which weights to keep; the other columns hold every network
    #[arg(long, default_value = "all")]
    keep: Keep,
    #[command(flatten)]
    networks: NetworksArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    descents: DescentsArgs,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    output: SummaryArgs,
}

/// One combination of parameters.
struct Combination {
    run: GridRun,
    experiment: Experiment,
    columns: Vec<Column>,
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let combinations = self.combinations()?;
        if let Some(dir) = &self.out {
            check_free(dir)?;
        }
        let choice = self.engine.choose()?;
        let mut engine = choice.open()?;
        // Networks that do not fit the device are refused before a directory is made.
        for combination in &combinations {
            admit(&combination.experiment, engine.as_mut())?;
        }
        // Each draw of the data has labels of its own.
        let draws = self.data.each()?.len();
        let mut said = Vec::new();
        for Combination { experiment, .. } in combinations.iter().take(draws) {
            for text in advice::before(experiment, None, engine.as_ref()) {
                if !said.contains(&text) {
                    notice(&text);
                    said.push(text);
                }
            }
        }
        let setup = RunSetup { choice: &choice, progress: &self.progress };
        let name = name(&combinations);
        if let [Combination { experiment, columns, .. }] = combinations.as_slice() {
            let description = engine.description(&experiment.problem, experiment.spec.tasks());
            let writer = placed(self.out.as_deref(), &name, |dir| {
                RunWriter::create(dir, experiment, description.clone(), columns.clone())
            })?;
            self.announce_size(std::iter::once((experiment.spec.rows(), columns.as_slice())));
            let run = setup.carry_out((experiment, None), engine, writer)?;
            summary::show_finished(&run, &self.output)?;
            if !self.progress.json() {
                advice::after_training(&run, experiment)?.iter().for_each(|text| notice(text));
            }
            return Ok(());
        }
        let runs: Vec<NewRun> = combinations
            .into_iter()
            .map(|Combination { run, experiment, columns, .. }| {
                let engine = engine.description(&experiment.problem, experiment.spec.tasks());
                NewRun { run, experiment, engine, columns }
            })
            .collect();
        drop(engine);
        let (dir, grid) = placed(self.out.as_deref(), &name, |dir| Ok((dir.to_owned(), Grid::create(dir, &runs)?)))?;
        self.announce_size(runs.iter().map(|new| (new.experiment.spec.rows(), new.columns.as_slice())));
        setup.finish_grid(&dir, &grid, &self.output)
    }

    /// Says how much of the disk these rows and columns will take, if it is much, and with which --keep less.
    fn announce_size<'a>(&self, runs: impl Iterator<Item = (u64, &'a [Column])> + Clone) {
        let less = (self.keep != Keep::Summary).then_some("summary");
        announced_size(runs, less).iter().for_each(|text| notice(text));
    }

    fn combinations(&self) -> Result<Vec<Combination>, Failure> {
        let mut combinations = Vec::new();
        for network in &self.networks.each()? {
            for descent in self.descents.each()? {
                for data in self.data.each()? {
                    let part = self.part()?;
                    let work = match self.shard {
                        None => Work::sweep(part, descent),
                        Some(_) => Work::shard(part, Seeds::new(&self.seeds), descent),
                    };
                    let mut experiment = data.experiment(work, network)?;
                    experiment.spec.keep = self.keep;
                    experiment.spec.extra = self.columns.extra()?;
                    let columns = columns(&experiment.spec, Dtype::Float32);
                    let NetworkArgs { hidden, activation } = network.clone();
                    let run = GridRun::new(hidden, activation, descent.step_size, data.seed_among(&self.data));
                    combinations.push(Combination { run, experiment, columns });
                }
            }
        }
        Ok(combinations)
    }

    /// The seeds of this sweep: all, or those of its shard.
    fn part(&self) -> Result<Range<u64>, Failure> {
        let Some((part, parts)) = self.shard else { return Ok(self.seeds.clone()) };
        let whole = Seeds::new(&self.seeds);
        whole.part(part, parts).ok_or_else(|| {
            Failure::Usage(anyhow!(
                "{} seeds cannot be cut into {parts} parts: part {part} would hold none",
                whole.count
            ))
        })
    }
}

/// The first part of the name of a directory for these combinations.
fn name(combinations: &[Combination]) -> String {
    match combinations {
        [one] => {
            let spec = &one.experiment.spec;
            format!("{}-m{}-{}", spec.activation.name(), spec.data.inputs, layers_in_names(&spec.hidden))
        }
        _ => "grid".into(),
    }
}
