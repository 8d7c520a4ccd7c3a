//! Both ends of the spectra of many networks, one in each lane.

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::ArrayView2;

use super::assembled::Assembled;
use super::eigenvalues::{Eigenvalues, row_start};
use super::evaluate::longest_block;
use super::lanes::{Kernel, Lanes};
use super::network::{Layout, Networks, load_lane};
use super::samples::Samples;
use super::terms::Terms;
use crate::engine::{Stop, Witnesses};
use crate::model::{Activation, Shape};

/// One worker: it takes networks, a vector full at a time, until none is left.
pub(super) struct FindingSpectra<'a> {
    /// M and N.
    pub(super) shape: Shape,
    /// f.
    pub(super) activation: Activation,
    /// The order of parameters.
    pub(super) layout: &'a Layout,
    /// The data.
    pub(super) samples: &'a Samples,
    /// The networks, (S, D).
    pub(super) theta: ArrayView2<'a, f64>,
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
    fn run<F: Lanes>(self) -> Vec<Extremes> {
        let parameters = self.shape.parameters();
        let mut theta = vec![F::splat(0.0); parameters];
        let mut hessians = Hessians::new(&self);
        let mut eigenvalues = Eigenvalues::<F>::new(parameters);
        let mut found = Vec::new();
        loop {
            let first = self.next.fetch_add(1, Ordering::Relaxed) * F::COUNT;
            if first >= self.theta.nrows() || self.stop.is_requested() {
                return found;
            }
            let rows = F::COUNT.min(self.theta.nrows() - first);
            for lane in 0..F::COUNT {
                // Lanes without a network hold the last one once more.
                let row = self.theta.row(first + lane.min(rows - 1));
                load_lane(self.layout, &mut theta, lane, |d| row[d] as f32);
            }
            hessians.assemble(&self, &theta);
            eigenvalues.find(&hessians.matrices);
            found.extend((0..rows).map(|lane| (first + lane, checked(&eigenvalues, lane))));
        }
    }
}

/// The Hessians of the networks in lanes, and what assembles them.
struct Hessians<F> {
    /// W unit by unit, one f64 a lane.
    weights: Vec<f64>,
    /// x in f64.
    x: Vec<f64>,
    terms: Terms<F>,
    assembled: Assembled<F>,
    longest_block: usize,
    /// Lower triangles, row by row.
    matrices: Vec<F>,
}

impl<F: Lanes> Hessians<F> {
    fn new(task: &FindingSpectra<'_>) -> Self {
        let longest_block = longest_block::<F>(task.shape.hidden, task.samples.count());
        Self {
            weights: vec![0.0; task.shape.hidden_weights() * F::COUNT],
            x: task.samples.x.iter().map(|&x| f64::from(x)).collect(),
            terms: Terms::new(task.shape.hidden, longest_block),
            assembled: Assembled::new(task.shape, longest_block),
            longest_block,
            matrices: vec![F::splat(0.0); row_start(task.shape.parameters())],
        }
    }

    #[inline(always)]
    fn assemble(&mut self, task: &FindingSpectra<'_>, theta: &[F]) {
        let stride = (task.shape.inputs + 1) * F::COUNT;
        for &group in &task.layout.groups {
            for (at, weights) in task.layout.weights(group, theta).iter().enumerate() {
                let (m, n) = (at / group.units, group.first + at % group.units);
                let to = &mut self.weights[n * stride + m * F::COUNT..][..F::COUNT];
                to.iter_mut().zip(weights.values()).for_each(|(to, &weight)| *to = f64::from(weight));
            }
        }
        // The pre-activations are had from `weights`, so nobody asks for scaled weights.
        let networks = Networks { layout: task.layout, theta, scaled: theta, activation: task.activation };
        for pass in 0..self.assembled.passes() {
            for block in task.samples.blocks(self.longest_block) {
                let inputs = task.samples.inputs;
                let x = &self.x[block.start * inputs..block.end * inputs];
                self.terms.fill_precisely(&networks, &self.weights, x, &task.samples.sign[block.clone()]);
                self.assembled.add_block(pass, &networks, &self.terms, task.samples.rows(&block));
            }
            let matrices = &mut self.matrices;
            self.assembled.take_entries(pass, task.shape, |row, column, value| {
                matrices[row_start(row.max(column)) + row.min(column)] = value;
            });
        }
    }
}

/// The extreme eigenvalues in one lane, if they agree with their matrix.
fn checked<F: Lanes>(eigenvalues: &Eigenvalues<F>, lane: usize) -> Result<(f64, f64), String> {
    let trace_sq = eigenvalues.trace_sq.lane(lane);
    if !trace_sq.is_finite() {
        return Err("its Hessian has elements that are not finite in f32".into());
    }
    let value = |k: usize| f64::from(eigenvalues.values[k].values()[lane]);
    let witnesses = Witnesses {
        trace: eigenvalues.trace.lane(lane),
        trace_sq,
        residuals: [0, 1].map(|which| eigenvalues.residuals_sq[which].lane(lane).sqrt()),
    };
    let size = eigenvalues.values.len();
    witnesses.check((0..size).map(value))?;
    let factor = f64::from(eigenvalues.factor.values()[lane]);
    Ok((value(size - 1) / factor, value(0) / factor))
}
