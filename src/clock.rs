//! The time and pauses. Nothing else in this crate asks the system for either, so a platform with another clock, such
//! as a browser, needs changes only here.

pub(crate) use std::thread::sleep as pause;
pub(crate) use std::time::{Instant, SystemTime, UNIX_EPOCH};
