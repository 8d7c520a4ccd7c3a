//! The rows of a finished run, for the longer run that extends it.

use std::ops::Range;

use ndarray::Array2;

use super::column::{ColumnFile, OpenMode};
use super::layout::blocks;
use super::{Run, RunError};
use crate::engine::Status;
use crate::records::{Records, Values};
use crate::spec::{Spec, Work};

/// The rows of a finished sweep that become the first ones of a longer sweep.
#[derive(Debug)]
pub struct Earlier {
    columns: Vec<ColumnFile>,
    rows: u64,
    /// T of the sweep, if the networks that stopped there are trained on.
    stopped_at: Option<u32>,
    /// Where these columns stand in `columns`.
    status: usize,
    steps: usize,
    theta: Option<usize>,
}

impl Earlier {
    /// The rows of `run`, which is extended to `spec`.
    ///
    /// # Errors
    /// [`RunError::Column`] for a column that is damaged, or whose rows cannot be those of the run; the others for one that cannot be read.
    pub fn open(run: &Run, spec: &Spec) -> Result<Self, RunError> {
        let manifest = run.manifest();
        let rows = manifest.spec.rows();
        let columns: Vec<ColumnFile> = manifest
            .columns
            .iter()
            .map(|column| ColumnFile::open(run.dir(), column, rows, OpenMode::Read))
            .collect::<Result<_, _>>()?;
        let place = |name: &str| manifest.columns.iter().position(|column| column.name == name);
        let needed = |name: &str| place(name).ok_or_else(|| run.damaged(name, "this run has no such column".into()));
        let max_steps = |spec: &Spec| match spec.work {
            Work::Sweep { descent, .. } => descent.max_steps,
            Work::Evaluate { .. } => 0,
        };
        let most = max_steps(&manifest.spec);
        let stopped_at = (max_steps(spec) > most).then_some(most);
        let earlier = Self {
            columns,
            rows,
            stopped_at,
            status: needed("status")?,
            steps: needed("steps")?,
            theta: place("theta"),
        };
        earlier.check(run, needed("seed")?, most)?;
        Ok(earlier)
    }

    /// Fails unless every row is that of its seed and ended as a network can that takes at most `most` steps.
    fn check(&self, run: &Run, seed: usize, most: u32) -> Result<(), RunError> {
        let first_seed = match run.manifest().spec.work {
            Work::Sweep { first_seed, .. } => first_seed,
            Work::Evaluate { .. } => 0,
        };
        for rows in blocks(&(0..self.rows)) {
            let [seeds, status, steps] = [seed, self.status, self.steps].map(|column| self.values(column, &rows));
            let (Values::Uint64(seeds), Values::Uint8(status), Values::Uint32(steps)) = (seeds?, status?, steps?)
            else {
                return Err(run.damaged("status", "seed, status and steps are not of their types".into()));
            };
            for ((row, seed), (status, steps)) in rows.zip(seeds).zip(status.into_iter().zip(steps)) {
                let wrong = |name: &str, what: String| {
                    let problem = format!("row {row} {what}: it was changed from outside, or manifest.json was");
                    Err(run.damaged(name, problem))
                };
                let expected = first_seed + row;
                if seed != expected {
                    return wrong("seed", format!("holds seed {seed}, not {expected}"));
                }
                let can_be = match Status::from_number(status) {
                    Some(Status::StepLimit) => steps == most,
                    Some(Status::Converged | Status::NonFinite) => steps <= most,
                    _ => false,
                };
                if !can_be {
                    return wrong(
                        "steps",
                        format!("took {steps} steps and ended with status {status} at a limit of {most}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The steps that the networks to be trained on have taken; `None` if there are none.
    pub fn stopped_at(&self) -> Option<u32> {
        self.stopped_at
    }

    /// The records of `rows`.
    ///
    /// # Errors
    /// [`RunError::Io`] if a column cannot be read.
    pub fn read(&self, rows: &Range<u64>) -> Result<Records, RunError> {
        let values = (0..self.columns.len()).map(|column| self.values(column, rows)).collect::<Result<_, _>>()?;
        Ok(Records { values, rows: (rows.end - rows.start) as usize })
    }

    /// The rows among `rows` whose networks are trained on, counted from the first of `rows`.
    ///
    /// They are not only those at the step limit. An engine may notice only at the end of a network that its weights are not finite: a
    /// network that is recorded as non-finite after as many steps would have taken more, too.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn stopped(&self, rows: &Range<u64>) -> Result<Vec<usize>, RunError> {
        let Some(taken) = self.stopped_at else { return Ok(Vec::new()) };
        let (status, steps) = (self.values(self.status, rows)?, self.values(self.steps, rows)?);
        let (Values::Uint8(status), Values::Uint32(steps)) = (status, steps) else { return Ok(Vec::new()) };
        let goes_on = |row: &usize| steps[*row] == taken && status[*row] != Status::Converged as u8;
        Ok((0..status.len()).filter(goes_on).collect())
    }

    /// The weights of the networks at `stopped` among `records`, (S, D).
    pub(crate) fn theta(&self, records: &Records, stopped: &[usize]) -> Array2<f32> {
        let weights = match self.theta.and_then(|theta| records.values.get(theta)) {
            Some(Values::Float32(weights)) => weights.as_slice(),
            _ => &[],
        };
        let width = weights.len() / records.rows.max(1);
        Array2::from_shape_fn((stopped.len(), width), |(network, d)| weights[stopped[network] * width + d])
    }

    /// The longest part of `rows`, from the first on, that holds at most `most` networks to be trained on.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn part(&self, rows: Range<u64>, most: usize) -> Result<Range<u64>, RunError> {
        let stopped = self.stopped(&rows)?;
        let end = stopped.get(most.max(1)).map_or(rows.end, |&next| rows.start + next as u64);
        Ok(rows.start..end)
    }

    fn values(&self, column: usize, rows: &Range<u64>) -> Result<Values, RunError> {
        let file = &self.columns[column];
        Ok(Values::of(file.dtype(), &file.read(rows)?))
    }
}
