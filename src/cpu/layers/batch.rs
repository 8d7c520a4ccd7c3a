//! A batch of networks of any depth that are evaluated.

use super::assembled::{LayerAssembled, entries};
use super::samples::LayerSamples;
use super::terms::{LaneLayers, LayerErrors, LayerTerms};
use crate::cpu::batch::Networks;
use crate::cpu::lanes::Doubles;
use crate::cpu::samples::blocks;
use crate::engine::{Arithmetic, ExactRoute, Spread, Stop};
use crate::model::{Layer, Network, Problem, Theta};

/// The most samples whose terms are at hand at once.
const LONGEST_BLOCK: usize = 32;

/// The numbers per lane that a worker takes for the terms of its samples and, on the assembled route, for the Hessian.
pub(in crate::cpu) fn layer_memory(network: Network, samples: usize, route: ExactRoute) -> u64 {
    // M and R of all pairs of layers.
    let of_sample = 2 * network.shape.layers().map(|layer| layer.units as u64).sum::<u64>().pow(2);
    let (blocks, hessian) = match route {
        ExactRoute::Pairwise => (3, 0),
        ExactRoute::Assembled => (1, entries(network) as u64),
    };
    (blocks * LONGEST_BLOCK.min(samples) as u64).saturating_mul(of_sample).saturating_add(hessian)
}

/// What all workers of a batch share, in f64.
pub(in crate::cpu) struct LayerBatch<'a> {
    /// The widths, and f.
    pub(super) network: Network,
    /// W_1 .. W_P.
    pub(super) layers: Vec<Layer>,
    /// The training samples.
    pub(super) samples: LayerSamples<f64>,
    /// The index in theta of each parameter: that of theta itself.
    pub(in crate::cpu) order: Vec<usize>,
    /// The networks.
    pub(in crate::cpu) networks: Networks<'a>,
}

impl<'a> LayerBatch<'a> {
    /// The networks `theta` on the samples of `problem`.
    pub(in crate::cpu) fn new(problem: &Problem, theta: Theta<'a>, stop: &'a Stop) -> Self {
        let network = problem.network;
        Self {
            network,
            layers: network.shape.layers().collect(),
            samples: LayerSamples::new(problem, |x| x),
            order: (0..network.parameters()).collect(),
            networks: Networks::new(theta, stop),
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
}

/// What assembles the Hessians of networks of any depth.
pub(in crate::cpu) struct LayerHessians<'b, F> {
    batch: &'b LayerBatch<'b>,
    magnitudes: Vec<F>,
    terms: Vec<LayerTerms<F>>,
    errors: Option<LayerErrors<F>>,
    assembled: LayerAssembled<F>,
    size: F,
    perturbation: F,
}

impl<'b, F: Doubles> LayerHessians<'b, F> {
    /// For the networks of `batch`; `bounded` says that it is to find how far the Hessians may be off.
    pub(in crate::cpu) fn new(batch: &'b LayerBatch<'b>, bounded: bool) -> Self {
        Self {
            batch,
            magnitudes: vec![F::splat(0.0); batch.network.parameters()],
            terms: (0..batch.longest_block()).map(|_| LayerTerms::new(batch.network)).collect(),
            errors: bounded.then(|| LayerErrors::new(batch.network)),
            assembled: LayerAssembled::new(batch.network, batch.longest_block()),
            size: F::splat(0.0),
            perturbation: F::splat(0.0),
        }
    }

    /// Passes the entries of the Hessians at `theta` to `put`, as (row, column, value): every place on one side of the
    /// diagonal, and some places on the other.
    #[inline(always)]
    pub(in crate::cpu) fn assemble(&mut self, theta: &[F], mut put: impl FnMut(usize, usize, F)) {
        for (magnitude, theta) in self.magnitudes.iter_mut().zip(theta) {
            *magnitude = theta.abs();
        }
        let LayerBatch { layers, network, samples, .. } = self.batch;
        let networks = LaneLayers { layers, activation: network.activation, theta, magnitudes: &self.magnitudes };
        (self.size, self.perturbation) = (F::splat(0.0), F::splat(0.0));
        self.assembled.clear();
        for block in blocks(samples.count(), self.terms.len()) {
            let terms = &mut self.terms[..block.len()];
            for (terms, i) in terms.iter_mut().zip(block.clone()) {
                terms.fill(&networks, samples, i, self.errors.as_mut());
                if let Some(errors) = &self.errors {
                    self.size += errors.size;
                    self.perturbation += errors.perturbation;
                }
            }
            self.assembled.add_block(samples, block.start, terms);
        }
        self.assembled.take_entries(&mut put);
    }

    /// A bound of how far the Hessian in `lane` is off, in the Frobenius norm.
    pub(in crate::cpu) fn error(&self, lane: usize) -> f64 {
        if self.errors.is_none() {
            return f64::INFINITY;
        }
        let value = |of: &F| of.values()[lane];
        let spread = Spread { size: value(&self.size), perturbation: value(&self.perturbation) };
        let chain = self.batch.entry_chain();
        Arithmetic::in_f64(chain).of_entries(self.batch.network.shape, spread, chain, (0.0, 0)).hessian
    }
}
