//! Training on the GPU, end to end: seeds per second to convergence or 10,000 steps, and sample steps per second.
//!
//! `cargo bench --bench gpu_training -- [--repeats R] [--seeds S] [--hidden N]... [--json]`; the problem is the paper's Appendix C
//! (M = 2, sigmoid, I = 50, data seed 0), whose sizes are N = 3 and N = 10. 4,096 seeds keep both cores of a small machine busy
//! until nearly the end. With `--json` a run is one line with the fields that `benches/peer.py` reads. The first run of a size warms the
//! driver's shader cache and is not counted.

use std::time::Instant;

use anyhow::{Context as _, bail};
use sharpsweep::engine::{Descent, Engine as _, Status};
use sharpsweep::gpu::{Gpu, Tuning, choose_adapter};
use sharpsweep::model::{Activation, Problem, Stream, appendix_c};

fn main() -> anyhow::Result<()> {
    let (mut repeats, mut seeds, mut sizes, mut json) = (1, 4096, Vec::new(), false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        // Cargo passes --bench to every bench program.
        if word == "--bench" {
            continue;
        }
        if word == "--json" {
            json = true;
            continue;
        }
        let number: u64 = words.next().with_context(|| format!("{word} needs a number"))?.parse()?;
        match word.as_str() {
            "--repeats" => repeats = number,
            "--seeds" => seeds = number,
            "--hidden" => sizes.push(usize::try_from(number)?),
            _ => bail!("unknown option {word}: there are --repeats, --seeds, --hidden and --json"),
        }
    }
    if sizes.is_empty() {
        sizes = vec![3, 10];
    }
    let mut gpu = Gpu::new(choose_adapter(None)?, Tuning::default())?;
    for hidden in sizes {
        let problem = Problem::new(hidden, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData)?);
        gpu.train(&problem, &Descent { max_steps: 20, ..Descent::default() }, 0..64)?;
        for _ in 0..repeats {
            let start = Instant::now();
            let trained = gpu.train(&problem, &Descent::default(), 0..seeds)?;
            let seconds = start.elapsed().as_secs_f64();
            let evaluations: u64 = trained.steps.iter().map(|&steps| u64::from(steps) + 1).sum();
            let converged = trained.status.iter().filter(|&&status| status == Status::Converged).count();
            if json {
                report(format_args!(
                    "{}",
                    serde_json::json!({
                        "hidden": hidden,
                        "seeds": seeds,
                        "train_s": seconds,
                        "converged": converged,
                        "seeds_per_s": seeds as f64 / seconds,
                    })
                ));
                continue;
            }
            report(format_args!(
                "N = {hidden:3}  {:8.0} seeds/s  {:7.1} M sample steps/s  {seeds} seeds in {seconds:.2} s, {converged} converged",
                seeds as f64 / seconds,
                evaluations as f64 * 50.0 / seconds / 1e6,
            ));
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
fn report(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
