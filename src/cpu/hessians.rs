//! The Hessians of many networks, one in each lane, in f64.

use std::ops::Range;

use super::assembled::Assembled;
use super::batch::Batch;
use super::evaluate::sum;
use super::lanes::Doubles;
use super::network::LaneNetworks;
use super::samples::longest_block;
use super::terms::{TermErrors, Terms};
use crate::engine::{Arithmetic, Spread};

/// Networks whose Hessians are wanted. Each worker takes them, one vector of them at a time, until all are taken.
pub(super) trait HessianBatch: Sync {
    /// What assembles the Hessians of one vector.
    type Hessians<'b, F: Doubles>: LaneHessians<F>
    where
        Self: 'b;

    /// D, the number of parameters.
    fn parameters(&self) -> usize;

    /// The next rows of theta, at most `lanes`; `None` when all are taken or a stop was requested.
    fn take(&self, lanes: usize) -> Option<Range<usize>>;

    /// Writes the networks `rows` into the lanes of `theta`; spare lanes repeat the last network.
    fn load<F: Doubles>(&self, rows: &Range<usize>, theta: &mut [F]);

    /// Working memory for a worker; `bounded` says that it is to find how far the Hessians may be off.
    fn hessians<F: Doubles>(&self, bounded: bool) -> Self::Hessians<'_, F>;
}

/// A worker's Hessians.
pub(super) trait LaneHessians<F> {
    /// Passes the entries of the Hessians at `theta` to `put`, as (row, column, value). `put` gets every place on one
    /// side of the diagonal, and some places on the other.
    fn assemble(&mut self, theta: &[F], put: impl FnMut(usize, usize, F));

    /// A bound of how far the Hessian in `lane` is off, in the Frobenius norm.
    fn error(&self, lane: usize) -> f64;
}

impl HessianBatch for Batch<'_> {
    type Hessians<'b, F: Doubles>
        = PaperHessians<'b, F>
    where
        Self: 'b;

    fn parameters(&self) -> usize {
        self.network.parameters()
    }

    fn take(&self, lanes: usize) -> Option<Range<usize>> {
        self.networks.take(lanes)
    }

    fn load<F: Doubles>(&self, rows: &Range<usize>, theta: &mut [F]) {
        self.networks.load(rows, &self.layout.order, theta);
    }

    fn hessians<F: Doubles>(&self, bounded: bool) -> PaperHessians<'_, F> {
        let shape = self.network.shape;
        let longest_block = longest_block::<F>(shape.hidden, self.samples.count());
        PaperHessians {
            batch: self,
            terms: Terms::new(shape.hidden, longest_block),
            assembled: Assembled::new(shape, longest_block),
            longest_block,
            errors: bounded.then(|| HessianErrors {
                terms: TermErrors::new(longest_block),
                magnitudes: vec![F::splat(0.0); shape.parameters()],
                size: F::splat(0.0),
                perturbation: F::splat(0.0),
                // The additions within a block, and over the blocks.
                chain: longest_block + self.samples.count().div_ceil(longest_block),
            }),
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

impl<F: Doubles> LaneHessians<F> for PaperHessians<'_, F> {
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
