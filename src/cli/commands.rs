//! The commands: their arguments, their help texts, and what each does, in a file of its own.

pub(super) mod adapters;
pub(super) mod bench;
pub(super) mod check;
pub(super) mod duplicates;
pub(super) mod evaluate;
pub(super) mod merge;
pub(super) mod replay;
pub(super) mod report;
pub(super) mod reproduce;
pub(super) mod resume;
pub(super) mod shader;
pub(super) mod show;
pub(super) mod sweep;
