//! A batch of networks of any depth that are evaluated.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::samples::LayerSamples;
use crate::cpu::lanes::Lanes;
use crate::engine::Stop;
use crate::model::{Layer, Network, Problem, Theta};

/// The most samples whose terms are at hand at once.
const LONGEST_BLOCK: usize = 32;

/// What all workers of a batch share, in f64. Each worker takes networks, one vector of them at a time, until all are
/// taken.
pub(in crate::cpu) struct LayerBatch<'a> {
    /// The widths, and f.
    pub(super) network: Network,
    /// W_1 .. W_P.
    pub(super) layers: Vec<Layer>,
    /// The training samples.
    pub(super) samples: LayerSamples<f64>,
    /// The networks, (S, D).
    theta: Theta<'a>,
    /// How many vectors of networks have been taken, by all workers.
    next: AtomicUsize,
    /// Ends the work early.
    stop: &'a Stop,
}

impl<'a> LayerBatch<'a> {
    /// The networks `theta` on the samples of `problem`.
    pub(in crate::cpu) fn new(problem: &Problem, theta: Theta<'a>, stop: &'a Stop) -> Self {
        let network = problem.network;
        Self {
            network,
            layers: network.shape.layers().collect(),
            samples: LayerSamples::new(problem, |x| x),
            theta,
            next: AtomicUsize::new(0),
            stop,
        }
    }

    /// The samples whose terms are at hand at once.
    pub(super) fn longest_block(&self) -> usize {
        LONGEST_BLOCK.min(self.samples.count())
    }

    /// The most additions that an entry of the assembled Hessian goes through.
    pub(super) fn entry_chain(&self) -> usize {
        let longest = self.longest_block();
        longest + self.samples.count().div_ceil(longest)
    }

    /// The next rows of theta, at most `lanes`; `None` when all are taken or a stop was requested.
    pub(super) fn take(&self, lanes: usize) -> Option<Range<usize>> {
        let start = self.next.fetch_add(1, Ordering::Relaxed) * lanes;
        let end = self.theta.nrows().min(start + lanes);
        (start < end && !self.stop.is_requested()).then_some(start..end)
    }

    /// Writes the networks `rows` into the lanes of `theta`; spare lanes repeat the last network.
    pub(super) fn load<F: Lanes<Scalar = f64>>(&self, rows: &Range<usize>, theta: &mut [F]) {
        for lane in 0..F::COUNT {
            let network = self.theta.network((rows.start + lane).min(rows.end - 1));
            for (parameter, &weight) in theta.iter_mut().zip(&*network) {
                parameter.values_mut()[lane] = weight;
            }
        }
    }
}
