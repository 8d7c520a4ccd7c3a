//! The run directory: one `.npy` file per column, `manifest.json`, the data that were used, and while it is written a
//! journal.
//!
//! Columns have their final size and header from the start, so NumPy can read them at any moment. Finished rows are
//! written in place, made durable, and only then entered in the journal; a run that was cut off goes on from there.

mod column;
mod derived;
mod differences;
mod earlier;
mod error;
mod extension;
mod files;
mod folders;
mod grid;
mod journal;
mod layout;
mod manifest;
mod merge;
mod more;
mod output;
mod population;
mod reader;
mod sink;
mod space;
mod staging;
mod timer;
mod values;
mod writer;

pub use earlier::Earlier;
pub use error::RunError;
pub use extension::{Extension, Longer, OtherFiles};
pub use files::create_file;
pub use grid::{Grid, GridRun, NewRun, number};
pub use layout::is_grid;
pub use manifest::{Derived, Manifest, MergedPart, Seconds, State};
pub use merge::merge;
pub use more::More;
pub use output::Output;
pub use population::{EndCounts, Population, StatusCounts};
pub use reader::Run;
pub use sink::Sink;
pub use space::{announced_size, check_space, size};
pub use staging::{Staging, check_free};
pub use values::PolishedPoints;
pub use writer::RunWriter;
