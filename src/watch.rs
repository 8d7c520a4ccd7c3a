//! How far along long work is, for someone who waits for it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Someone who waits for long work.
pub trait Watch: Sync {
    /// Any thread says by this that `done` of the `of` pieces of the work called `what`, a plural such as `spectra`, are done. If nobody
    /// knows how many there will be, `of` is 0.
    fn at(&self, what: &str, done: u64, of: u64);
}

/// Nobody waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn at(&self, _: &str, _: u64, _: u64) {}
}

/// Pieces of work that threads finish in any order.
pub struct Pieces<'a> {
    watch: &'a dyn Watch,
    what: &'a str,
    done: AtomicU64,
    of: u64,
}

impl<'a> Pieces<'a> {
    /// `of` pieces of the work called `what`, of which none is done, as `watch` is told.
    pub fn new(watch: &'a dyn Watch, what: &'a str, of: usize) -> Self {
        watch.at(what, 0, of as u64);
        Self { watch, what, done: AtomicU64::new(0), of: of as u64 }
    }

    /// One more is done.
    pub fn one(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.watch.at(self.what, done, self.of);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rayon::prelude::*;

    use super::{Pieces, Watch};

    #[derive(Default)]
    struct Recorder(Mutex<Vec<u64>>);

    impl Watch for Recorder {
        fn at(&self, what: &str, done: u64, of: u64) {
            assert_eq!((what, of), ("pieces", 100));
            self.0.lock().unwrap().push(done);
        }
    }

    #[test]
    fn every_piece_is_counted_once_whichever_thread_does_it() {
        let recorder = Recorder::default();
        let pieces = Pieces::new(&recorder, "pieces", 100);
        (0..100).into_par_iter().for_each(|_| pieces.one());
        let mut done = recorder.0.into_inner().unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..=100).collect::<Vec<u64>>());
    }
}
