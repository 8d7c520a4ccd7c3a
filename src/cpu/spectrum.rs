//! Both ends of the spectra of many networks, one in each lane, in f64.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::assembled::Assembled;
use super::eigenvalues::{Eigenvalues, row_start};
use super::lanes::{Doubles, Kernel, Lanes as _, Vectors};
use super::network::{Layout, Networks, load_lane};
use super::samples::{Inputs, Samples, longest_block};
use super::terms::Terms;
use crate::engine::{Allowed, Stop, Witnesses};
use crate::model::{Activation, OneHidden, Theta};

/// One worker: it takes networks, a vector full at a time, until none is left.
pub(super) struct FindingSpectra<'a> {
    /// M and N.
    pub(super) shape: OneHidden,
    /// f.
    pub(super) activation: Activation,
    /// The order of parameters.
    pub(super) layout: &'a Layout,
    /// The data.
    pub(super) samples: &'a Samples<f64>,
    /// The networks, (S, D).
    pub(super) theta: Theta<'a>,
    /// How many vectors of networks have been taken, by all workers.
    pub(super) next: &'a AtomicUsize,
    /// Ends the work early.
    pub(super) stop: &'a Stop,
}

/// Row, and (`lambda_max`, `lambda_min`) or why it has none.
pub(super) type Extremes = (usize, Result<(f64, f64), String>);

impl Kernel for FindingSpectra<'_> {
    type Output = Vec<Extremes>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Vec<Extremes> {
        let (parameters, lanes) = (self.shape.parameters(), V::Doubles::COUNT);
        let mut theta = vec![V::Doubles::splat(0.0); parameters];
        let mut hessians = Hessians::new(&self);
        let mut eigenvalues = Eigenvalues::<V::Doubles>::new(parameters);
        let mut found = Vec::new();
        loop {
            let first = self.next.fetch_add(1, Ordering::Relaxed) * lanes;
            if first >= self.theta.nrows() || self.stop.is_requested() {
                return found;
            }
            let rows = lanes.min(self.theta.nrows() - first);
            for lane in 0..lanes {
                // Lanes without a network hold the last one once more.
                let network = self.theta.network(first + lane.min(rows - 1));
                load_lane(self.layout, &mut theta, lane, |d| network[d]);
            }
            hessians.assemble(&self, &theta);
            eigenvalues.find(&hessians.matrices);
            found.extend((0..rows).map(|lane| (first + lane, checked(&eigenvalues, lane))));
        }
    }
}

/// The Hessians of the networks in lanes, and what assembles them.
struct Hessians<F> {
    inputs: Inputs,
    terms: Terms<F>,
    assembled: Assembled<F>,
    longest_block: usize,
    /// Lower triangles, row by row.
    matrices: Vec<F>,
}

impl<F: Doubles> Hessians<F> {
    fn new(task: &FindingSpectra<'_>) -> Self {
        let longest_block = longest_block::<F>(task.shape.hidden, task.samples.count());
        Self {
            inputs: Inputs::new(task.samples),
            terms: Terms::new(task.shape.hidden, longest_block),
            assembled: Assembled::new(task.shape, longest_block),
            longest_block,
            matrices: vec![F::splat(0.0); row_start(task.shape.parameters())],
        }
    }

    #[inline(always)]
    fn assemble(&mut self, task: &FindingSpectra<'_>, theta: &[F]) {
        // Nobody asks for errors, so nobody reads magnitudes.
        let networks = Networks { layout: task.layout, theta, magnitudes: theta, activation: task.activation };
        for pass in 0..self.assembled.passes() {
            for range in task.samples.blocks(self.longest_block) {
                let block = self.inputs.block(task.samples, &range);
                self.terms.fill(&networks, block, None);
                self.assembled.add_block(pass, &networks, &self.terms, block.x);
            }
            let matrices = &mut self.matrices;
            self.assembled.take_entries(pass, task.shape, |row, column, value| {
                matrices[row_start(row.max(column)) + row.min(column)] = value;
            });
        }
    }
}

/// The extreme eigenvalues in one lane, if they agree with their matrix.
fn checked<F: Doubles>(eigenvalues: &Eigenvalues<F>, lane: usize) -> Result<(f64, f64), String> {
    let trace_sq = eigenvalues.trace_sq.values()[lane];
    if !trace_sq.is_finite() {
        return Err("its Hessian has elements that are not finite in f64".into());
    }
    let value = |k: usize| eigenvalues.values[k].values()[lane];
    let witnesses = Witnesses {
        trace: eigenvalues.trace.values()[lane],
        trace_sq,
        residuals: eigenvalues.residuals_sq.map(|squares| squares.values()[lane].sqrt()),
    };
    let size = eigenvalues.values.len();
    witnesses.check((0..size).map(value), CHECKS)?;
    let factor = eigenvalues.factor.values()[lane];
    Ok((value(size - 1) / factor, value(0) / factor))
}

/// All eigenvalues but the extremes are halved to 1e-8 of the spectrum; the extremes are as good as f64 and the size of the matrix allow.
const CHECKS: Allowed = Allowed { sums: 1e-6, residuals: 1e-11 };
