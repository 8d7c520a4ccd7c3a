//! Wall time and processor time of a piece of work, and their medians.

use std::time::Instant;

/// Seconds that one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// By the clock.
    pub(crate) wall: f64,
    /// Of all threads of this process together.
    pub(crate) processor: f64,
}

/// All runs of one case.
#[derive(Default)]
pub(crate) struct Timings(Vec<Timing>);

impl Timings {
    pub(crate) fn push(&mut self, timing: Timing) {
        self.0.push(timing);
    }

    /// Median wall time.
    pub(crate) fn wall(&self) -> f64 {
        median(self.0.iter().map(|timing| timing.wall).collect())
    }

    /// Median processor time.
    pub(crate) fn processor(&self) -> f64 {
        median(self.0.iter().map(|timing| timing.processor).collect())
    }
}

/// Runs `work` once.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (Timing, T) {
    let (start, before) = (Instant::now(), processor_seconds());
    let result = work();
    let wall = start.elapsed().as_secs_f64();
    let processor = match (before, processor_seconds()) {
        (Some(before), Some(after)) => after - before,
        _ => wall * rayon::current_num_threads() as f64,
    };
    (Timing { wall, processor }, result)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds that the threads of this process have run so far, where Linux says so. Rayon's threads live as long as the
/// process.
fn processor_seconds() -> Option<f64> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let schedstat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += schedstat.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(nanoseconds as f64 * 1e-9)
}
