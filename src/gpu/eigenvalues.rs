//! The eigenvalue pass (shaders/eigenvalues.wgsl), cut into dispatches: how long each of its steps is, and how many
//! make a dispatch.

use std::ops::Range;
use std::time::Duration;

use super::limits::{LOOP_ITERATIONS, MAX_GROUPS, MAX_WORKGROUP};
use super::pace::Pace;
use crate::engine::EngineError;

/// The largest D: four vectors of a matrix must fit 16 KiB of workgroup memory beside its eigenvalues.
pub(super) const MOST_PARAMETERS: usize = 1000;

/// Columns of the shader's `work` beyond those of the matrix.
pub(super) const PIVOTS: usize = 4;

/// How often the shader halves an interval as wide as the spectrum for each eigenvalue: until only rounding is left in
/// it.
pub(super) const HALVINGS: usize = 28;

/// The steps of the pass for matrices of one size, in the shader's order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    parameters: usize,
    /// Invocations that share a matrix.
    owners: usize,
}

impl Steps {
    /// The steps for D x D matrices.
    pub(super) fn of(parameters: usize) -> Self {
        Self { parameters, owners: parameters.min(MAX_WORKGROUP) }
    }

    /// Matrices that share a workgroup.
    pub(super) fn matrices_per_group(self) -> usize {
        MAX_WORKGROUP / self.owners
    }

    /// The first step that bisects; before it are the reflections.
    fn bisections_begin(self) -> usize {
        self.parameters
    }

    /// The first step that takes a reflection back.
    fn return_begins(self) -> usize {
        self.bisections_begin() + self.parameters.div_ceil(self.owners)
    }

    /// The number of steps, the residuals last.
    fn count(self) -> usize {
        self.return_begins() + self.parameters - 1
    }

    /// The most loop iterations that an invocation makes in `step`, as if no compiler unrolled a loop.
    fn iterations(self, step: usize) -> usize {
        let size = self.parameters;
        let rows = size.div_ceil(self.owners);
        // Reflecting column k: two sums over what is below it, and the rows that are brought up to date along it.
        let reflection = |k: usize| (2 + (size - k).div_ceil(self.owners)) * (size - k) + 2 * rows;
        let last = self.count() - 1;
        if step == 0 {
            reflection(0) + 2 * rows * (size + 1) + size
        } else if step < self.bisections_begin() {
            reflection(step)
        } else if step < self.return_begins() {
            HALVINGS * (size + 1) + 1
        } else if step < last {
            let eigenvectors = if step == self.return_begins() { 3 * size + 3 * rows } else { 0 };
            let k = last - 1 - step;
            eigenvectors + size - k + rows
        } else {
            rows * (size + 1)
        }
    }

    /// What a dispatch makes besides its steps: taking up and leaving the vectors, and where the spectrum lies.
    fn overhead(self) -> usize {
        10 * self.parameters.div_ceil(self.owners) + self.parameters
    }

    /// The steps from `first` on of a dispatch of at most `iterations` loop iterations an invocation; one step at
    /// least.
    fn within(self, first: usize, iterations: usize) -> Range<usize> {
        let mut sum = self.overhead();
        let fits = |step: &usize| {
            sum += self.iterations(*step);
            sum <= iterations
        };
        let fitting = (first..self.count()).take_while(fits).count();
        first..first + fitting.max(1)
    }

    /// Runs `dispatch(groups, steps)` until all steps of all `groups` workgroups are done, in order, each dispatch
    /// within `budget` and [`LOOP_ITERATIONS`]. Where time asks for less than one workgroup, its steps are cut further.
    pub(super) fn in_paced_parts(
        self,
        budget: Duration,
        groups: usize,
        mut dispatch: impl FnMut(Range<usize>, Range<usize>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        const LONGEST: u32 = LOOP_ITERATIONS as u32;
        // In loop iterations of a workgroup.
        let mut pace = Pace::new(64 * LONGEST, MAX_GROUPS * LONGEST, budget);
        let mut first_group = 0;
        while first_group < groups {
            let amount = ((pace.amount() / LONGEST) as usize).clamp(1, groups - first_group);
            let mut first_step = 0;
            while first_step < self.count() {
                let steps = self.within(first_step, (LOOP_ITERATIONS as usize).min(pace.amount() as usize / amount));
                first_step = steps.end;
                pace.time(|| dispatch(first_group..first_group + amount, steps))?;
            }
            first_group += amount;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LOOP_ITERATIONS, MOST_PARAMETERS, Steps};

    /// No step is too long by itself, and cut as far as the longest dispatch goes they are all there, in order.
    #[test]
    fn dispatches_hold_every_step_once_and_none_is_too_long() {
        for parameters in (4..=MOST_PARAMETERS).step_by(7).chain([255, 256, 257, 512, 513, MOST_PARAMETERS]) {
            let steps = Steps::of(parameters);
            let mut seen = vec![0; 3];
            steps
                .in_paced_parts(Duration::from_secs(1), 3, |groups, range| {
                    let iterations = steps.overhead() + range.clone().map(|step| steps.iterations(step)).sum::<usize>();
                    assert!(iterations as u64 <= LOOP_ITERATIONS, "D = {parameters}, {range:?}: {iterations}");
                    for seen in &mut seen[groups] {
                        assert_eq!(*seen, range.start, "D = {parameters}");
                        *seen = range.end;
                    }
                    Ok(())
                })
                .unwrap();
            assert_eq!(seen, [steps.count(); 3], "D = {parameters}");
        }
    }

    /// Small matrices are done in one dispatch, so that cutting costs them nothing; once time is found to be short each
    /// step is one.
    #[test]
    fn small_matrices_are_not_cut_until_time_asks_for_it() {
        let dispatches = |parameters, groups, budget| {
            let mut count = 0;
            let every = |_, _| {
                count += 1;
                Ok(())
            };
            Steps::of(parameters).in_paced_parts(budget, groups, every).unwrap();
            count
        };
        assert_eq!(dispatches(13, 64, Duration::from_secs(1)), 1);
        assert_eq!(dispatches(160, 64, Duration::from_secs(1)), 1);
        assert_eq!(dispatches(13, 66, Duration::ZERO), 1 + 2 * Steps::of(13).count());
    }
}
