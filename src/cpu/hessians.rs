//! The Hessians of many networks, one in each lane, in f64.

use std::ops::Range;

use super::assembled::Assembled;
use super::batch::{Batch, Networks};
use super::evaluate::sum;
use super::lanes::Doubles;
use super::layers::{LayerBatch, LayerHessians};
use super::network::LaneNetworks;
use super::samples::longest_block;
use super::terms::{TermErrors, Terms};
use crate::engine::{Arithmetic, Spread, Stop};
use crate::model::{Problem, Theta};

/// Networks whose Hessians are wanted: the paper's, or any others. Each worker takes them, one vector of them at a
/// time, until all are taken.
pub(super) enum HessianBatch<'a> {
    /// The paper's.
    Paper(Batch<'a>),
    /// Of any depth.
    Layers(LayerBatch<'a>),
}

impl<'a> HessianBatch<'a> {
    /// The networks `theta` on the samples of `problem`.
    pub(super) fn new(problem: &Problem, theta: Theta<'a>, stop: &'a Stop) -> Self {
        match problem.paper() {
            Some(problem) => Self::Paper(Batch::new(&problem, theta, stop)),
            None => Self::Layers(LayerBatch::new(problem, theta, stop)),
        }
    }

    /// The networks, and the index in theta of each parameter in lanes.
    fn networks(&self) -> (&Networks<'a>, &[usize]) {
        match self {
            Self::Paper(batch) => (&batch.networks, &batch.layout.order),
            Self::Layers(batch) => (&batch.networks, &batch.order),
        }
    }

    /// D, the number of parameters.
    pub(super) fn parameters(&self) -> usize {
        self.networks().1.len()
    }

    /// The next rows of theta, at most `lanes`; `None` when all are taken or a stop was requested.
    pub(super) fn take(&self, lanes: usize) -> Option<Range<usize>> {
        self.networks().0.take(lanes)
    }

    /// Writes the networks `rows` into the lanes of `theta`; spare lanes repeat the last network.
    pub(super) fn load<F: Doubles>(&self, rows: &Range<usize>, theta: &mut [F]) {
        let (networks, order) = self.networks();
        networks.load(rows, order, theta);
    }

    /// Working memory for a worker; `bounded` says that it is to find how far the Hessians may be off.
    pub(super) fn hessians<F: Doubles>(&self, bounded: bool) -> LaneHessians<'_, F> {
        match self {
            Self::Paper(batch) => LaneHessians::Paper(PaperHessians::new(batch, bounded)),
            Self::Layers(batch) => LaneHessians::Layers(LayerHessians::new(batch, bounded)),
        }
    }
}

/// What assembles the Hessians of one vector of networks.
pub(super) enum LaneHessians<'b, F> {
    Paper(PaperHessians<'b, F>),
    Layers(LayerHessians<'b, F>),
}

impl<F: Doubles> LaneHessians<'_, F> {
    /// Passes the entries of the Hessians at `theta` to `put`, as (row, column, value). `put` gets every place on one
    /// side of the diagonal, and some places on the other.
    #[inline(always)]
    pub(super) fn assemble(&mut self, theta: &[F], put: impl FnMut(usize, usize, F)) {
        match self {
            Self::Paper(hessians) => hessians.assemble(theta, put),
            Self::Layers(hessians) => hessians.assemble(theta, put),
        }
    }

    /// A bound of how far the Hessian in `lane` is off, in the Frobenius norm.
    pub(super) fn error(&self, lane: usize) -> f64 {
        match self {
            Self::Paper(hessians) => hessians.error(lane),
            Self::Layers(hessians) => hessians.error(lane),
        }
    }
}

/// What assembles the Hessians of the paper's networks.
pub(super) struct PaperHessians<'b, F> {
    batch: &'b Batch<'b>,
    terms: Terms<F>,
    assembled: Assembled<F>,
    longest_block: usize,
    errors: Option<HessianErrors<F>>,
}

/// How far assembled Hessians may be off, summed over the samples; see [`crate::engine::Rounding`].
struct HessianErrors<F> {
    terms: TermErrors<F>,
    /// |theta|.
    magnitudes: Vec<F>,
    size: F,
    perturbation: F,
    /// The most additions that an entry goes through.
    chain: usize,
}

impl<'b, F: Doubles> PaperHessians<'b, F> {
    fn new(batch: &'b Batch<'b>, bounded: bool) -> Self {
        let shape = batch.network.shape;
        let longest_block = longest_block::<F>(shape.hidden, batch.samples.count());
        Self {
            batch,
            terms: Terms::new(shape.hidden, longest_block),
            assembled: Assembled::new(shape, longest_block),
            longest_block,
            errors: bounded.then(|| HessianErrors {
                terms: TermErrors::new(longest_block),
                magnitudes: vec![F::splat(0.0); shape.parameters()],
                size: F::splat(0.0),
                perturbation: F::splat(0.0),
                // The additions within a block, and over the blocks.
                chain: longest_block + batch.samples.count().div_ceil(longest_block),
            }),
        }
    }

    #[inline(always)]
    fn assemble(&mut self, theta: &[F], mut put: impl FnMut(usize, usize, F)) {
        let Batch { network, layout, samples, inputs, .. } = self.batch;
        if let Some(errors) = &mut self.errors {
            (errors.size, errors.perturbation) = (F::splat(0.0), F::splat(0.0));
            for (magnitude, theta) in errors.magnitudes.iter_mut().zip(theta) {
                *magnitude = theta.abs();
            }
        }
        for pass in 0..self.assembled.passes() {
            for range in samples.blocks(self.longest_block) {
                let block = inputs.block(samples, &range);
                match &mut self.errors {
                    Some(HessianErrors { terms, magnitudes, size, perturbation, .. }) if pass == 0 => {
                        let networks = LaneNetworks { layout, theta, magnitudes, activation: network.activation };
                        self.terms.fill(&networks, block, Some(terms));
                        *size += sum(&terms.size[..range.len()]);
                        *perturbation += sum(&terms.perturbation[..range.len()]);
                    }
                    _ => {
                        // Magnitudes are read only for the errors.
                        let networks =
                            LaneNetworks { layout, theta, magnitudes: theta, activation: network.activation };
                        self.terms.fill(&networks, block, None);
                    }
                }
                let networks = LaneNetworks { layout, theta, magnitudes: theta, activation: network.activation };
                self.assembled.add_block(pass, &networks, &self.terms, block.x);
            }
            self.assembled.take_entries(pass, network.shape, &mut put);
        }
    }

    fn error(&self, lane: usize) -> f64 {
        let Some(HessianErrors { size, perturbation, chain, .. }) = &self.errors else { return f64::INFINITY };
        let value = |of: &F| of.values()[lane];
        let spread = Spread { size: value(size), perturbation: value(perturbation) };
        Arithmetic::in_f64(*chain).of_entries(self.batch.network.shape, spread, *chain, (0.0, 0)).hessian
    }
}
