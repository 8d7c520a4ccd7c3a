//! What a run reports while it works, and how it ends.

use std::time::Duration;

use crate::engine::MissingSpectrum;
use crate::run::StatusCounts;

/// How far a run is, after a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The first row of the chunk.
    pub first: u64,
    /// Rows written, in this and earlier sittings.
    pub done: u64,
    /// Rows of the whole run.
    pub rows: u64,
    /// Rows that this sitting has written, without the chunks that an extension took over unchanged.
    pub done_now: u64,
    /// How the networks of the written rows ended.
    pub outcome: StatusCounts,
    /// The rows of the chunk.
    pub chunk: u64,
    /// How long this sitting has taken.
    pub elapsed: Duration,
}

/// What a run reports while it works.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The first chunk is about to be computed.
    Begun {
        /// Rows that earlier sittings wrote.
        done: u64,
        /// Rows of the whole run.
        rows: u64,
    },
    /// A chunk was written.
    Progress(Progress),
    /// Something went wrong and was mended.
    Mended(String),
    /// Networks of the last chunk have no spectrum: their `lambda_max` and `lambda_min` are NaN.
    NoSpectrum {
        /// The seed, or row of the file, of the chunk's first network.
        first: u64,
        /// Which of the chunk's networks, and why.
        missing: Vec<MissingSpectrum>,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every row is written.
    Finished,
    /// A stop was requested; every row that is written is durable.
    Stopped,
}
