//! Loss, gradient norm, traces and their rounding of many networks, one in each lane, in f64.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::assembled::Assembled;
use super::lanes::{Doubles, LaneTask, Lanes as _, Vectors};
use super::network::{GROUP, LaneNetworks, Layout, add_products, load_lane};
use super::pairwise::Pairwise;
use super::samples::{Inputs, Samples, longest_block};
use super::terms::{TermErrors, Terms};
use crate::engine::{Arithmetic, ClosedForms, ExactRoute, LayerTraces, Spread, Stop};
use crate::model::{Activation, OneHidden, Theta};

/// One worker of an evaluation; it returns rows with their closed forms. It takes networks, one vector of them at a
/// time, until all are taken.
///
/// It holds one by one what the workers of a spectrum share as a `Batch`: behind that, the compiler keeps fewer of the
/// sums over pairs in registers, which takes a tenth more instructions at N = 3.
pub(super) struct Evaluating<'a> {
    /// M and N.
    pub(super) shape: OneHidden,
    /// The order of parameters.
    pub(super) layout: &'a Layout,
    /// The training samples.
    pub(super) samples: &'a Samples<f64>,
    /// The route to tr H^2.
    pub(super) route: ExactRoute,
    /// The networks, (S, D).
    pub(super) theta: Theta<'a>,
    /// How many vectors of networks have been taken, by all workers.
    pub(super) next: &'a AtomicUsize,
    /// Ends the work early.
    pub(super) stop: &'a Stop,
    /// f.
    pub(super) activation: Activation,
}

/// The sum of `values`, in the same order in every lane: four running sums, added at the end.
#[inline(always)]
pub(super) fn sum<F: Doubles>(values: &[F]) -> F {
    let (quads, rest) = values.as_chunks::<4>();
    let mut sums = [F::splat(0.0); 4];
    for quad in quads {
        for k in 0..4 {
            sums[k] += quad[k];
        }
    }
    let mut total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for &value in rest {
        total += value;
    }
    total
}

impl LaneTask for Evaluating<'_> {
    type Output = Vec<(usize, ClosedForms)>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Vec<(usize, ClosedForms)> {
        let mut worker = EvaluationWorker::<V::Doubles>::new(&self);
        let lanes = V::Doubles::COUNT;
        let mut evaluated = Vec::new();
        loop {
            let first = self.next.fetch_add(1, Ordering::Relaxed) * lanes;
            if first >= self.theta.nrows() || self.stop.is_requested() {
                return evaluated;
            }
            let rows = lanes.min(self.theta.nrows() - first);
            worker.load(&self, first, rows);
            worker.evaluate(&self);
            evaluated.extend((0..rows).map(|lane| worker.evaluated(&self, first + lane, lane)));
        }
    }
}

/// Totals over the samples, of the networks in a worker's vectors.
#[derive(Clone, Copy)]
struct Totals<F> {
    loss: F,
    gradient_sq: F,
    trace_ww: F,
    trace_vv: F,
    trace_sq: F,
    size: F,
    perturbation: F,
}

impl<F: Doubles> Totals<F> {
    fn new() -> Self {
        let zero = F::splat(0.0);
        Self {
            loss: zero,
            gradient_sq: zero,
            trace_ww: zero,
            trace_vv: zero,
            trace_sq: zero,
            size: zero,
            perturbation: zero,
        }
    }
}

/// A worker's vectors.
struct EvaluationWorker<F> {
    theta: Vec<F>,
    /// |theta|.
    magnitudes: Vec<F>,
    gradient: Vec<F>,
    terms: Terms<F>,
    errors: TermErrors<F>,
    /// Room for [`GROUP`] values per sample.
    room: Vec<F>,
    inputs: Inputs,
    longest_block: usize,
    exact: RouteMemory<F>,
    totals: Totals<F>,
}

/// The working memory of the route taken.
enum RouteMemory<F> {
    Pairwise(Pairwise<F>),
    Assembled(Assembled<F>),
}

impl<F: Doubles> RouteMemory<F> {
    /// The number of passes over the samples.
    fn passes(&self) -> usize {
        match self {
            Self::Pairwise(_) => 1,
            Self::Assembled(assembled) => assembled.passes(),
        }
    }
}

impl<F: Doubles> EvaluationWorker<F> {
    #[inline(always)]
    fn new(task: &Evaluating<'_>) -> Self {
        let (shape, samples) = (task.shape, task.samples);
        let longest_block = longest_block::<F>(shape.hidden, samples.count());
        let parameters = vec![F::splat(0.0); shape.parameters()];
        Self {
            theta: parameters.clone(),
            magnitudes: parameters.clone(),
            gradient: parameters,
            terms: Terms::new(shape.hidden, longest_block),
            errors: TermErrors::new(longest_block),
            room: vec![F::splat(0.0); GROUP * longest_block],
            inputs: Inputs::new(samples),
            longest_block,
            exact: match task.route {
                ExactRoute::Pairwise => RouteMemory::Pairwise(Pairwise::new(shape.hidden, samples)),
                ExactRoute::Assembled => RouteMemory::Assembled(Assembled::new(shape, longest_block)),
            },
            totals: Totals::new(),
        }
    }

    /// Loads `rows` rows of theta from `first` on; lanes without a network hold zeros.
    fn load(&mut self, task: &Evaluating<'_>, first: usize, rows: usize) {
        for lane in 0..F::COUNT {
            match (task.theta, first + lane) {
                _ if lane >= rows => load_lane(&task.layout.order, &mut self.theta, lane, |_| 0.0),
                (Theta::Float32(theta), row) => {
                    load_lane(&task.layout.order, &mut self.theta, lane, |d| theta[[row, d]].into())
                }
                (Theta::Float64(theta), row) => {
                    load_lane(&task.layout.order, &mut self.theta, lane, |d| theta[[row, d]])
                }
            }
        }
    }

    #[inline(always)]
    fn evaluate(&mut self, task: &Evaluating<'_>) {
        let (layout, samples) = (task.layout, task.samples);
        for (magnitude, theta) in self.magnitudes.iter_mut().zip(&self.theta) {
            *magnitude = theta.abs();
        }
        self.gradient.fill(F::splat(0.0));
        self.totals = Totals::new();
        let (theta, magnitudes) = (&self.theta[..], &self.magnitudes[..]);
        let networks = LaneNetworks { layout, theta, magnitudes, activation: task.activation };
        for pass in 0..self.exact.passes() {
            for range in samples.blocks(self.longest_block) {
                let block = self.inputs.block(samples, &range);
                if pass == 0 {
                    self.terms.fill(&networks, block, Some(&mut self.errors));
                    self.totals.loss += sum(&self.terms.loss[..range.len()]);
                    self.totals.size += sum(&self.errors.size[..range.len()]);
                    self.totals.perturbation += sum(&self.errors.perturbation[..range.len()]);
                    add_traces(&networks, &self.terms, block.norms, &mut self.room, &mut self.totals);
                    add_gradient(layout, &self.terms, block.x, &mut self.room, &mut self.gradient);
                } else {
                    self.terms.fill(&networks, block, None);
                }
                if let RouteMemory::Assembled(assembled) = &mut self.exact {
                    assembled.add_block(pass, &networks, &self.terms, block.x);
                }
            }
            if let RouteMemory::Assembled(assembled) = &mut self.exact {
                assembled.add_squares(pass, &mut self.totals.trace_sq);
            }
        }
        self.totals.gradient_sq += layout.multiply_by_output_weights(&self.theta, &mut self.gradient);
        if let RouteMemory::Pairwise(pairwise) = &mut self.exact {
            pairwise.add_all(&networks, samples, &self.inputs, &mut self.terms, &mut self.totals.trace_sq);
        }
    }

    /// `row` of theta, and the closed forms of its network, which is in `lane`.
    fn evaluated(&self, task: &Evaluating<'_>, row: usize, lane: usize) -> (usize, ClosedForms) {
        let value = |of: &F| of.values()[lane];
        let totals = &self.totals;
        let trace_sq = value(&totals.trace_sq);
        let spread = Spread { size: value(&totals.size), perturbation: value(&totals.perturbation) };
        // The additions within a block, and over the blocks.
        let chain = self.longest_block + task.samples.count().div_ceil(self.longest_block);
        let arithmetic = Arithmetic::in_f64(chain);
        let rounding = match &self.exact {
            RouteMemory::Pairwise(pairwise) => {
                arithmetic.of_pairs(task.shape, spread, pairwise.chain(task.samples.count()))
            }
            RouteMemory::Assembled(assembled) => {
                arithmetic.of_entries(task.shape, spread, chain, (trace_sq, assembled.square_chain()))
            }
        };
        (
            row,
            ClosedForms {
                loss: value(&totals.loss),
                gradient_sq: value(&totals.gradient_sq),
                layer_trace: LayerTraces::new([value(&totals.trace_ww), value(&totals.trace_vv)]),
                trace_sq,
                rounding,
            },
        )
    }
}

/// Adds the block's part of tr H(w,w) and tr H(v,v) (paper, Theorem 2). `norms` are 1 + x_i.x_i.
#[inline(always)]
fn add_traces<F: Doubles>(
    networks: &LaneNetworks<'_, F>,
    terms: &Terms<F>,
    norms: &[f64],
    room: &mut [F],
    totals: &mut Totals<F>,
) {
    let (squares, rest) = room.split_at_mut(terms.length);
    let (curvatures, rest) = rest.split_at_mut(terms.length);
    let grams = &mut rest[..terms.length];
    squares.fill(F::splat(0.0));
    curvatures.fill(F::splat(0.0));
    grams.fill(F::splat(1.0));
    for &group in &networks.layout.groups {
        for (u, &v) in networks.layout.output_weights(group, networks.theta).iter().enumerate() {
            let n = group.first + u;
            let (r, df, ddf) = (terms.unit(&terms.r, n), terms.unit(&terms.df, n), terms.unit(&terms.ddf, n));
            for i in 0..terms.length {
                let back = v * df[i];
                squares[i] = back.mul_add(back, squares[i]);
                curvatures[i] = v.mul_add(ddf[i], curvatures[i]);
                grams[i] = r[i].mul_add(r[i], grams[i]);
            }
        }
    }
    let (mut trace_ww, mut trace_vv) = (F::splat(0.0), F::splat(0.0));
    for (i, &norm) in norms.iter().enumerate() {
        let unit = terms.s[i].mul_add(squares[i], terms.delta[i] * curvatures[i]);
        trace_ww = unit.mul_add(F::splat(norm), trace_ww);
        trace_vv = terms.s[i].mul_add(grams[i], trace_vv);
    }
    totals.trace_ww += trace_ww;
    totals.trace_vv += trace_vv;
}

/// Adds the block's part of the gradient, dL/dW without the factor v_n.
#[inline(always)]
fn add_gradient<F: Doubles>(layout: &Layout, terms: &Terms<F>, x: &[f64], room: &mut [F], gradient: &mut [F]) {
    let inputs = layout.inputs;
    let bias = gradient.len() - 1;
    gradient[bias] += sum(&terms.delta[..terms.length]);
    for &group in &layout.groups {
        let start = layout.start(group);
        let (dw, dv) = gradient[start..start + group.units * (inputs + 2)].split_at_mut(group.units * (inputs + 1));
        let back = &mut room[..group.units * terms.length];
        for u in 0..group.units {
            let (r, df) = (terms.unit(&terms.r, group.first + u), terms.unit(&terms.df, group.first + u));
            let (mut value_sum, mut bias_sum) = (F::splat(0.0), F::splat(0.0));
            for i in 0..terms.length {
                let back_i = terms.delta[i] * df[i];
                value_sum = terms.delta[i].mul_add(r[i], value_sum);
                bias_sum += back_i;
                back[i * group.units + u] = back_i;
            }
            dv[u] += value_sum;
            dw[u] += bias_sum;
        }
        let dw = &mut dw[group.units..];
        match group.units {
            4 => add_products::<F, 4>(back, inputs, x, dw),
            3 => add_products::<F, 3>(back, inputs, x, dw),
            2 => add_products::<F, 2>(back, inputs, x, dw),
            _ => add_products::<F, 1>(back, inputs, x, dw),
        }
    }
}
