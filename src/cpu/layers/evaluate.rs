//! Loss, gradient norm, traces and their rounding of many networks of any depth, one in each lane, in f64.

use super::assembled::LayerAssembled;
use super::batch::LayerBatch;
use super::pairs::LayerPairs;
use super::sums::dot;
use super::terms::{LaneLayers, LayerErrors, LayerTerms};
use crate::cpu::lanes::{Doubles, LaneTask, Lanes as _, Vectors};
use crate::cpu::samples::blocks;
use crate::engine::{Arithmetic, ClosedForms, ExactRoute, LayerTraces, Spread};

/// One worker of an evaluation; it returns rows with their closed forms.
pub(in crate::cpu) struct EvaluatingLayers<'a> {
    /// The networks and the samples.
    pub(in crate::cpu) batch: &'a LayerBatch<'a>,
    /// The route to tr H^2.
    pub(in crate::cpu) route: ExactRoute,
}

impl LaneTask for EvaluatingLayers<'_> {
    type Output = Vec<(usize, ClosedForms)>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Vec<(usize, ClosedForms)> {
        let Self { batch, route } = self;
        let mut worker = LayerEvaluation::<V::Doubles>::new(batch, route);
        let mut found = Vec::new();
        while let Some(rows) = batch.networks.take(V::Doubles::COUNT) {
            batch.networks.load(&rows, &batch.order, &mut worker.theta);
            worker.evaluate(batch);
            for (lane, row) in rows.enumerate() {
                found.push((row, worker.in_lane(batch, lane)));
            }
        }
        found
    }
}

/// A worker's vectors.
struct LayerEvaluation<F> {
    theta: Vec<F>,
    magnitudes: Vec<F>,
    gradient: Vec<F>,
    terms: Vec<LayerTerms<F>>,
    errors: LayerErrors<F>,
    exact: LayerRoute<F>,
    loss: F,
    gradient_sq: F,
    traces: Vec<F>,
    trace_sq: F,
    size: F,
    perturbation: F,
}

/// The working memory of the route taken.
enum LayerRoute<F> {
    Pairwise(LayerPairs<F>),
    Assembled(LayerAssembled<F>),
}

impl<F: Doubles> LayerEvaluation<F> {
    #[inline(always)]
    fn new(batch: &LayerBatch<'_>, route: ExactRoute) -> Self {
        let zero = F::splat(0.0);
        let parameters = vec![zero; batch.network.parameters()];
        let longest = batch.longest_block();
        Self {
            theta: parameters.clone(),
            magnitudes: parameters.clone(),
            gradient: parameters,
            terms: (0..longest).map(|_| LayerTerms::new(batch.network)).collect(),
            errors: LayerErrors::new(batch.network),
            exact: match route {
                ExactRoute::Pairwise => LayerRoute::Pairwise(LayerPairs::new(batch.network, &batch.samples)),
                ExactRoute::Assembled => LayerRoute::Assembled(LayerAssembled::new(batch.network, longest)),
            },
            loss: zero,
            gradient_sq: zero,
            traces: vec![zero; batch.layers.len()],
            trace_sq: zero,
            size: zero,
            perturbation: zero,
        }
    }

    #[inline(always)]
    fn evaluate(&mut self, batch: &LayerBatch<'_>) {
        let zero = F::splat(0.0);
        for (magnitude, theta) in self.magnitudes.iter_mut().zip(&self.theta) {
            *magnitude = theta.abs();
        }
        let (theta, magnitudes) = (&self.theta[..], &self.magnitudes[..]);
        let networks = LaneLayers { layers: &batch.layers, activation: batch.network.activation, theta, magnitudes };
        self.gradient.fill(zero);
        self.traces.fill(zero);
        (self.loss, self.size, self.perturbation) = (zero, zero, zero);
        if let LayerRoute::Assembled(assembled) = &mut self.exact {
            assembled.clear();
        }
        for block in blocks(batch.samples.count(), self.terms.len()) {
            let terms = &mut self.terms[..block.len()];
            for (terms, i) in terms.iter_mut().zip(block.clone()) {
                terms.fill(&networks, &batch.samples, i, Some(&mut self.errors));
                self.loss += terms.loss;
                self.size += self.errors.size;
                self.perturbation += self.errors.perturbation;
                terms.add_gradient(&batch.layers, &mut self.gradient);
                for (l, trace) in self.traces.iter_mut().enumerate() {
                    *trace += terms.layer_trace(l);
                }
            }
            if let LayerRoute::Assembled(assembled) = &mut self.exact {
                assembled.add_block(&batch.samples, block.start, terms);
            }
        }
        self.gradient_sq = dot(&self.gradient, &self.gradient);
        self.trace_sq = match &mut self.exact {
            LayerRoute::Pairwise(pairs) => pairs.sum(&networks, &batch.samples),
            LayerRoute::Assembled(assembled) => assembled.trace_sq(),
        };
    }

    /// The closed forms of the network in `lane`.
    fn in_lane(&self, batch: &LayerBatch<'_>, lane: usize) -> ClosedForms {
        let value = |of: &F| of.values()[lane];
        let (shape, samples) = (batch.network.shape, batch.samples.count());
        let spread = Spread { size: value(&self.size), perturbation: value(&self.perturbation) };
        let trace_sq = value(&self.trace_sq);
        let arithmetic = Arithmetic::in_f64(samples);
        let rounding = match &self.exact {
            LayerRoute::Pairwise(pairs) => arithmetic.of_pairs(shape, spread, pairs.chain(samples)),
            LayerRoute::Assembled(assembled) => {
                arithmetic.of_entries(shape, spread, batch.entry_chain(), (trace_sq, assembled.square_chain()))
            }
        };
        ClosedForms {
            loss: value(&self.loss),
            gradient_sq: value(&self.gradient_sq),
            layer_trace: LayerTraces::new(self.traces.iter().map(value)),
            trace_sq,
            rounding,
        }
    }
}
