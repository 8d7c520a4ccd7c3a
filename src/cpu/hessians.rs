//! The Hessians of many networks, one in each lane, in f64.

use super::assembled::Assembled;
use super::batch::Batch;
use super::evaluate::sum;
use super::lanes::Doubles;
use super::network::LaneNetworks;
use super::samples::longest_block;
use super::terms::{TermErrors, Terms};
use crate::engine::{Arithmetic, Spread};
use crate::model::OneHidden;

/// What assembles Hessians.
pub(super) struct Hessians<F> {
    terms: Terms<F>,
    assembled: Assembled<F>,
    longest_block: usize,
}

/// How far assembled Hessians may be off, summed over the samples; see [`crate::engine::Rounding`].
pub(super) struct HessianErrors<F> {
    terms: TermErrors<F>,
    /// |theta|.
    magnitudes: Vec<F>,
    size: F,
    perturbation: F,
    /// The most additions that an entry goes through.
    chain: usize,
}

impl<F: Doubles> Hessians<F> {
    pub(super) fn new(batch: &Batch<'_>) -> Self {
        let shape = batch.network.shape;
        let longest_block = longest_block::<F>(shape.hidden, batch.samples.count());
        Self {
            terms: Terms::new(shape.hidden, longest_block),
            assembled: Assembled::new(shape, longest_block),
            longest_block,
        }
    }

    /// Room for the errors of these Hessians.
    pub(super) fn errors(&self, batch: &Batch<'_>) -> HessianErrors<F> {
        HessianErrors {
            terms: TermErrors::new(self.longest_block),
            magnitudes: vec![F::splat(0.0); batch.network.parameters()],
            size: F::splat(0.0),
            perturbation: F::splat(0.0),
            // The additions within a block, and over the blocks.
            chain: self.longest_block + batch.samples.count().div_ceil(self.longest_block),
        }
    }

    /// Passes the entries of the Hessians at `theta` to `put`, as (row, column, value). `put` gets every place on one
    /// side of the diagonal, and some places on the other. `errors`, if given, receives how far they may be off.
    #[inline(always)]
    pub(super) fn assemble(
        &mut self,
        batch: &Batch<'_>,
        theta: &[F],
        mut errors: Option<&mut HessianErrors<F>>,
        mut put: impl FnMut(usize, usize, F),
    ) {
        let Batch { network, layout, samples, inputs, .. } = batch;
        if let Some(errors) = &mut errors {
            (errors.size, errors.perturbation) = (F::splat(0.0), F::splat(0.0));
            for (magnitude, theta) in errors.magnitudes.iter_mut().zip(theta) {
                *magnitude = theta.abs();
            }
        }
        for pass in 0..self.assembled.passes() {
            for range in samples.blocks(self.longest_block) {
                let block = inputs.block(samples, &range);
                match &mut errors {
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
}

impl<F: Doubles> HessianErrors<F> {
    /// A bound of how far the Hessian in `lane` is off, in the Frobenius norm.
    pub(super) fn in_lane(&self, shape: OneHidden, lane: usize) -> f64 {
        let value = |of: &F| of.values()[lane];
        let spread = Spread { size: value(&self.size), perturbation: value(&self.perturbation) };
        Arithmetic::in_f64(self.chain).of_entries(shape, spread, self.chain, (0.0, 0)).hessian
    }
}
