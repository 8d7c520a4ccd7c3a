//! Loss, gradient norm and traces of many networks, one in each lane.

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::ArrayView2;

use super::activation::scale;
use super::assembled::Assembled;
use super::lanes::{Kernel, Lanes};
use super::network::{GROUP, Layout, Networks, add_products, load_lane};
use super::pairwise::Pairwise;
use super::route::ExactRoute;
use super::samples::Samples;
use super::terms::Terms;
use crate::engine::Stop;
use crate::model::{Activation, Shape};

/// One worker of an evaluation: it takes networks, a vector full at a time, until none is left.
pub(super) struct Evaluating<'a> {
    /// M and N.
    pub(super) shape: Shape,
    /// The order of parameters.
    pub(super) layout: &'a Layout,
    /// The data.
    pub(super) samples: &'a Samples,
    /// The way to tr H^2.
    pub(super) route: ExactRoute,
    /// The networks, (S, D).
    pub(super) theta: ArrayView2<'a, f64>,
    /// How many vectors of networks have been taken, by all workers.
    pub(super) next: &'a AtomicUsize,
    /// Ends the work early.
    pub(super) stop: &'a Stop,
    /// f.
    pub(super) activation: Activation,
}

/// The closed forms of one network.
pub(super) struct Evaluated {
    /// Its row of theta.
    pub(super) row: usize,
    /// L.
    pub(super) loss: f64,
    /// g.g.
    pub(super) gradient_sq: f64,
    /// tr H(w,w).
    pub(super) trace_ww: f64,
    /// tr H(v,v).
    pub(super) trace_vv: f64,
    /// tr H^2.
    pub(super) trace_sq: f64,
}

/// A sum of one number a lane, in f64 so that long data sets cost no accuracy.
#[derive(Clone)]
pub(super) struct LaneSums(Vec<f64>);

impl LaneSums {
    /// Zero in each of F's lanes.
    pub(super) fn new<F: Lanes>() -> Self {
        Self(vec![0.0; F::COUNT])
    }

    /// Adds each lane of `values`.
    #[inline(always)]
    pub(super) fn add<F: Lanes>(&mut self, values: F) {
        for (sum, &value) in self.0.iter_mut().zip(values.values()) {
            *sum += f64::from(value);
        }
    }

    /// The sum in `lane`.
    pub(super) fn lane(&self, lane: usize) -> f64 {
        self.0[lane]
    }
}

/// The sum of `values`, the same order in every lane: four running sums, added at the end.
#[inline(always)]
pub(super) fn sum<F: Lanes>(values: &[F]) -> F {
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

impl Kernel for Evaluating<'_> {
    type Output = Vec<Evaluated>;

    #[inline(always)]
    fn run<F: Lanes>(self) -> Vec<Evaluated> {
        let mut worker = Worker::<F>::new(&self);
        let mut evaluated = Vec::new();
        loop {
            let first = self.next.fetch_add(1, Ordering::Relaxed) * F::COUNT;
            if first >= self.theta.nrows() || self.stop.is_requested() {
                return evaluated;
            }
            let rows = F::COUNT.min(self.theta.nrows() - first);
            worker.load(&self, first, rows);
            worker.evaluate(&self);
            let found = &worker.found;
            evaluated.extend((0..rows).map(|lane| Evaluated {
                row: first + lane,
                loss: found.loss.0[lane],
                gradient_sq: found.gradient_sq.0[lane],
                trace_ww: found.trace_ww.0[lane],
                trace_vv: found.trace_vv.0[lane],
                trace_sq: found.trace_sq.0[lane],
            }));
        }
    }
}

/// What a worker has found about the networks in its vectors.
struct Found {
    loss: LaneSums,
    gradient_sq: LaneSums,
    trace_ww: LaneSums,
    trace_vv: LaneSums,
    trace_sq: LaneSums,
}

impl Found {
    fn new<F: Lanes>() -> Self {
        let zero = LaneSums::new::<F>();
        Self {
            loss: zero.clone(),
            gradient_sq: zero.clone(),
            trace_ww: zero.clone(),
            trace_vv: zero.clone(),
            trace_sq: zero,
        }
    }
}

/// A worker's vectors.
struct Worker<F> {
    theta: Vec<F>,
    /// theta with W times the activation's scale.
    scaled: Vec<F>,
    gradient: Vec<F>,
    terms: Terms<F>,
    /// Room for [`GROUP`] values a sample.
    room: Vec<F>,
    /// 1 + x_i.x_i.
    input_norms: Vec<f32>,
    longest_block: usize,
    exact: TraceSq<F>,
    found: Found,
}

/// The working memory of the route taken.
enum TraceSq<F> {
    Pairwise(Pairwise<F>),
    Assembled(Assembled<F>),
}

impl<F: Lanes> TraceSq<F> {
    /// How often the samples are gone through.
    fn passes(&self) -> usize {
        match self {
            Self::Pairwise(_) => 1,
            Self::Assembled(assembled) => assembled.passes(),
        }
    }
}

impl<F: Lanes> Worker<F> {
    #[inline(always)]
    fn new(task: &Evaluating<'_>) -> Self {
        let (shape, samples) = (task.shape, task.samples);
        let longest_block = longest_block::<F>(shape.hidden, samples.count());
        let parameters = vec![F::splat(0.0); shape.parameters()];
        let norm = |row: &[f32]| row.iter().fold(1.0, |sum, x| sum + x * x);
        Self {
            theta: parameters.clone(),
            scaled: parameters.clone(),
            gradient: parameters,
            terms: Terms::new(shape.hidden, longest_block),
            room: vec![F::splat(0.0); GROUP * longest_block],
            input_norms: samples.x.chunks_exact(samples.inputs).map(norm).collect(),
            longest_block,
            exact: match task.route {
                ExactRoute::Pairwise => TraceSq::Pairwise(Pairwise::new(shape.hidden, samples)),
                ExactRoute::Assembled => TraceSq::Assembled(Assembled::new(shape, longest_block)),
            },
            found: Found::new::<F>(),
        }
    }

    /// Loads `rows` rows of theta from `first` on; lanes without a network hold zeros.
    fn load(&mut self, task: &Evaluating<'_>, first: usize, rows: usize) {
        for lane in 0..F::COUNT {
            if lane < rows {
                let row = task.theta.row(first + lane);
                load_lane(task.layout, &mut self.theta, lane, |d| row[d] as f32);
            } else {
                load_lane(task.layout, &mut self.theta, lane, |_| 0.0);
            }
        }
    }

    #[inline(always)]
    fn evaluate(&mut self, task: &Evaluating<'_>) {
        let (layout, samples) = (task.layout, task.samples);
        layout.scale_weights(F::splat(scale(task.activation)), &self.theta, &mut self.scaled);
        self.gradient.fill(F::splat(0.0));
        self.found = Found::new::<F>();
        let networks = Networks { layout, theta: &self.theta, scaled: &self.scaled, activation: task.activation };
        for pass in 0..self.exact.passes() {
            for block in samples.blocks(self.longest_block) {
                let x = samples.rows(&block);
                self.terms.fill(&networks, x, &samples.sign[block.clone()]);
                if pass == 0 {
                    self.found.loss.add(sum(&self.terms.loss[..block.len()]));
                    let norms = &self.input_norms[block];
                    add_traces(&networks, &self.terms, norms, &mut self.room, &mut self.found);
                    add_gradient(layout, &self.terms, x, &mut self.room, &mut self.gradient);
                }
                if let TraceSq::Assembled(assembled) = &mut self.exact {
                    assembled.add_block(pass, &networks, &self.terms, x);
                }
            }
            if let TraceSq::Assembled(assembled) = &mut self.exact {
                assembled.add_squares(pass, &mut self.found.trace_sq);
            }
        }
        self.found.gradient_sq.add(layout.multiply_by_output_weights(&self.theta, &mut self.gradient));
        if let TraceSq::Pairwise(pairwise) = &mut self.exact {
            pairwise.add_all(&networks, samples, &mut self.terms, &mut self.found.trace_sq);
        }
    }
}

/// Adds the block's part of tr H(w,w) and tr H(v,v) (paper, Theorem 2). `norms` are 1 + x_i.x_i.
#[inline(always)]
fn add_traces<F: Lanes>(
    networks: &Networks<'_, F>,
    terms: &Terms<F>,
    norms: &[f32],
    room: &mut [F],
    found: &mut Found,
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
            let (r, first, second) =
                (terms.unit(&terms.r, n), terms.unit(&terms.first, n), terms.unit(&terms.second, n));
            for i in 0..terms.length {
                let back = v * first[i];
                squares[i] = back.mul_add(back, squares[i]);
                curvatures[i] = v.mul_add(second[i], curvatures[i]);
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
    found.trace_ww.add(trace_ww);
    found.trace_vv.add(trace_vv);
}

/// Adds the block's part of the gradient, dL/dW without the factor v_n.
#[inline(always)]
fn add_gradient<F: Lanes>(layout: &Layout, terms: &Terms<F>, x: &[f32], room: &mut [F], gradient: &mut [F]) {
    let inputs = layout.inputs;
    let bias = gradient.len() - 1;
    gradient[bias] += sum(&terms.delta[..terms.length]);
    for &group in &layout.groups {
        let start = layout.start(group);
        let (dw, dv) = gradient[start..start + group.units * (inputs + 2)].split_at_mut(group.units * (inputs + 1));
        let back = &mut room[..group.units * terms.length];
        for u in 0..group.units {
            let (r, first) = (terms.unit(&terms.r, group.first + u), terms.unit(&terms.first, group.first + u));
            let (mut value_sum, mut bias_sum) = (F::splat(0.0), F::splat(0.0));
            for i in 0..terms.length {
                let back_i = terms.delta[i] * first[i];
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

/// Bytes of a block's terms and of what the routes derive from them, about nine vectors a unit and sample: half of a common second-level
/// cache.
const BLOCK_BYTES: usize = 512 << 10;

/// The longest block of samples for networks of `hidden` units.
pub(super) fn longest_block<F: Lanes>(hidden: usize, samples: usize) -> usize {
    (BLOCK_BYTES / (9 * hidden * size_of::<F>())).clamp(16, 64).min(samples)
}
