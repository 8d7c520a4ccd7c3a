//! A batch of networks whose spectra are computed.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::lanes::Lanes;
use super::network::{Layout, load_lane};
use super::samples::{Inputs, Samples};
use crate::engine::Stop;
use crate::model::{Network, OneHidden, PaperProblem, Theta};

/// What all workers of a batch of the paper's networks share, in f64.
pub(super) struct Batch<'a> {
    /// M, N and f.
    pub(super) network: Network<OneHidden>,
    /// The order of parameters in lanes.
    pub(super) layout: Layout,
    /// The training samples.
    pub(super) samples: Samples<f64>,
    /// Values of the samples that all networks share.
    pub(super) inputs: Inputs,
    /// The networks.
    pub(super) networks: Networks<'a>,
}

/// The networks of a batch. Each worker takes some, one vector of them at a time, until all are taken.
pub(super) struct Networks<'a> {
    /// (S, D).
    theta: Theta<'a>,
    /// How many vectors of networks have been taken, by all workers.
    next: AtomicUsize,
    /// Ends the work early.
    stop: &'a Stop,
}

impl<'a> Batch<'a> {
    /// The networks `theta` on the samples of `problem`.
    pub(super) fn new(problem: &PaperProblem<'_>, theta: Theta<'a>, stop: &'a Stop) -> Self {
        let samples = Samples::new(problem, |x| x);
        let (layout, inputs) = (Layout::new(problem.network.shape), Inputs::new(&samples));
        Self { network: problem.network, layout, samples, inputs, networks: Networks::new(theta, stop) }
    }
}

impl<'a> Networks<'a> {
    /// The rows of `theta` (S, D).
    pub(super) fn new(theta: Theta<'a>, stop: &'a Stop) -> Self {
        Self { theta, next: AtomicUsize::new(0), stop }
    }

    /// The next rows of theta, at most `lanes`; `None` when all are taken or a stop was requested.
    pub(super) fn take(&self, lanes: usize) -> Option<Range<usize>> {
        let start = self.next.fetch_add(1, Ordering::Relaxed) * lanes;
        let end = self.theta.nrows().min(start + lanes);
        (start < end && !self.stop.is_requested()).then_some(start..end)
    }

    /// Writes the networks `rows` into the lanes of `theta`, which hold a network in this `order`; spare lanes repeat
    /// the last network.
    pub(super) fn load<F: Lanes<Scalar = f64>>(&self, rows: &Range<usize>, order: &[usize], theta: &mut [F]) {
        for lane in 0..F::COUNT {
            let row = (rows.start + lane).min(rows.end - 1);
            match self.theta {
                Theta::Float32(networks) => load_lane(order, theta, lane, |d| networks[[row, d]].into()),
                Theta::Float64(networks) => load_lane(order, theta, lane, |d| networks[[row, d]]),
            }
        }
    }
}
