//! The threads that compute everything.

use std::thread::available_parallelism;

use anyhow::anyhow;
use rayon::ThreadPoolBuilder;

use super::failure::Failure;
use super::terminal::notice;

/// The environment variable that sets the number of threads.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Threads per core beyond which more only take turns.
const MOST_PER_CORE: usize = 16;

/// Starts as many threads as there are cores, or as the environment asks for.
pub(super) fn start() -> Result<(), Failure> {
    let cores = available_parallelism().map_or(1, usize::from);
    let most = cores.saturating_mul(MOST_PER_CORE);
    let asked = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).filter(|&asked| asked > 0);
    let threads = asked.unwrap_or(cores).min(most);
    if let Some(asked) = asked.filter(|asked| *asked > most) {
        notice(&format!("{VARIABLE} is {asked}: {most} threads are enough for {cores} cores, no result depends on it"));
    }
    ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(|error| {
        Failure::Failed(anyhow!(
            "cannot start {threads} threads ({error}): set {VARIABLE} to fewer, such as {VARIABLE}=1"
        ))
    })
}
