//! A request to stop, which long work checks for from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::EngineError;

/// A request to stop that any thread can make and any other can see: all clones share it.
///
/// Work that it cuts short ends with [`EngineError::Stopped`], and its partial results are dropped: a batch is done
/// whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks to stop. This cannot be taken back.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether someone has asked to stop.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails once someone has asked to stop.
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub fn check(&self) -> Result<(), EngineError> {
        if self.is_requested() { Err(EngineError::Stopped) } else { Ok(()) }
    }
}
