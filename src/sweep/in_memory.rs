//! The rows of a sweep in memory.

use std::collections::BTreeMap;
use std::ops::Range;

use ndarray::ArrayView2;

use crate::model::Theta;
use crate::records::{Column, Records, Values};
use crate::run::{Manifest, RunError, Seconds, Sink, StatusCounts};
use crate::spec::Experiment;
use crate::summary::{InMemoryRun, ValuesView};

/// Keeps the rows in memory.
#[derive(Debug)]
pub struct InMemory {
    columns: Vec<Column>,
    rows: u64,
    /// By first row.
    chunks: BTreeMap<u64, Records>,
    outcome: StatusCounts,
    seconds: Seconds,
}

/// A finished sweep in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// Every column with its S rows.
    pub columns: Vec<(Column, Values)>,
    /// How the networks ended.
    pub outcome: StatusCounts,
    /// Where the time went.
    pub seconds: Seconds,
}

impl Columns {
    /// The rows of the column `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|(column, _)| column.name == name).map(|(_, values)| values)
    }
}

impl Columns {
    /// The run of `experiment` that left these columns; `manifest` says how it went.
    pub fn as_run<'a>(&'a self, manifest: &'a Manifest, experiment: &'a Experiment) -> InMemoryRun<'a> {
        let plain = self.columns.iter().filter(|(column, _)| column.width.is_none());
        let columns = plain.filter_map(|(column, values)| Some((column.name.as_str(), ValuesView::of(values)?)));
        let dim = (manifest.spec.rows() as usize, experiment.problem.network.parameters());
        let theta = self.get("theta").and_then(|theta| match theta {
            Values::Float32(theta) => ArrayView2::from_shape(dim, theta).ok().map(Theta::from),
            Values::Float64(theta) => ArrayView2::from_shape(dim, theta).ok().map(Theta::from),
            Values::Uint8(_) | Values::Uint32(_) | Values::Uint64(_) => None,
        });
        InMemoryRun { manifest, experiment, columns: columns.collect(), theta }
    }
}

impl InMemory {
    /// For the `rows` rows of a run with these `columns`.
    pub fn new(columns: Vec<Column>, rows: u64) -> Self {
        let (outcome, seconds) = (StatusCounts::default(), Seconds::default());
        Self { columns, rows, chunks: BTreeMap::new(), outcome, seconds }
    }

    /// The rows written so far, column by column.
    pub fn finish(self) -> Columns {
        let empty = |column: Column| (Values::of(column.dtype, &[]), column);
        let mut columns: Vec<(Values, Column)> = self.columns.into_iter().map(empty).collect();
        for records in self.chunks.into_values() {
            for ((values, _), more) in columns.iter_mut().zip(records.values) {
                values.append(more);
            }
        }
        let columns = columns.into_iter().map(|(values, column)| (column, values)).collect();
        Columns { columns, outcome: self.outcome, seconds: self.seconds }
    }
}

impl Sink for InMemory {
    fn missing(&self) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut next = 0;
        for (&first, records) in &self.chunks {
            missing.push(next..first);
            next = first + records.rows as u64;
        }
        missing.push(next..self.rows);
        missing.retain(|rows| !rows.is_empty());
        missing
    }

    fn outcome(&self) -> Result<StatusCounts, RunError> {
        Ok(self.outcome)
    }

    fn write(&mut self, first_row: u64, records: Records, spent: Seconds) -> Result<(), RunError> {
        self.outcome.count(records.status());
        self.seconds.add(spent);
        self.chunks.insert(first_row, records);
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), RunError> {
        Ok(())
    }
}
