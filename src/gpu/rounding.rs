//! By how much float32 may have moved the closed forms: from the sizes and perturbations that shaders/terms.wgsl finds
//! to [`Rounding`], on any device that keeps to WGSL's rules of accuracy.

use std::ops::RangeInclusive;

use super::limits::{SUM_BLOCK, SUM_PART};
use super::pace::{PAIR_BLOCK, pair_columns};
use super::route::{ITEM_SUMS, Items};
use crate::engine::{Arithmetic, FormOperations, Rounding, Spread};
use crate::model::{Dataset, OneHidden, Shape, Theta};

/// u. WGSL leaves open in which direction a result is rounded, so it may be off by a whole step.
const UNIT: f64 = 1.0 / (1 << 23) as f64;

/// 2^-126: what is smaller may count as 0.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// The sizes whose f32 squares neither overflow nor underflow. The rounding of a network of any other size counts as
/// infinite, so that it is evaluated in f64.
const SIZES: RangeInclusive<f64> = 1e-13..=1e17;

/// A perturbation beyond this has no bound in f32.
const LARGEST: f64 = 1e37;

/// A perturbation is at least this share of |J_i|^2, ||C_i||_F and |h(x_i)|^2, added up.
pub(super) const REACH_SHARE: f32 = 1.0 / (1u64 << 60) as f32;

/// The largest relative error of an input of `data` in f32; infinite if one of them is outside its range.
pub(super) fn given_inputs(data: &Dataset) -> f64 {
    narrowing(data.x().iter().copied())
}

/// The same of the weights of a network, a row of `theta`.
pub(super) fn given_weights(theta: Theta<'_>, row: usize) -> f64 {
    match theta {
        Theta::Float32(theta) => narrowing(theta.row(row).iter().map(|&weight| weight.into())),
        Theta::Float64(theta) => narrowing(theta.row(row).iter().copied()),
    }
}

/// The relative error of `values` as f32, rounded to nearest; infinite if one of them overflows or counts as 0.
fn narrowing(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |error: f64, value| {
        let narrow = value as f32;
        if value.abs() > 0.0 && !narrow.is_normal() || value.is_nan() {
            f64::INFINITY
        } else if (f64::from(narrow) - value).abs() > 0.0 {
            error.max(UNIT / 2.0)
        } else {
            error
        }
    })
}

/// How many operations a route to tr H^2 makes one after the other, on which its rounding depends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sums {
    Pairwise { chain: usize, units: usize },
    Assembled { chain: usize, square_chain: usize, parameters: usize },
}

impl Sums {
    /// As shaders/trace_sq.wgsl adds up `samples` samples.
    pub(super) fn pairwise(shape: OneHidden, samples: usize) -> Self {
        // A tile of pairs, and four operations more than `of_pairs` has in a pair; the tiles of a block, blocks,
        // dispatches.
        let tiles = samples.min(PAIR_BLOCK).div_ceil(2);
        let blocks = samples.div_ceil(PAIR_BLOCK) + 1;
        let dispatches = samples.div_ceil(pair_columns(shape));
        Self::Pairwise { chain: 4 + 4 + tiles + blocks + dispatches, units: shape.hidden }
    }

    /// As shaders/trace_sq_assembled.wgsl adds up `items` items.
    pub(super) fn assembled(shape: OneHidden, samples: usize, items: usize) -> Self {
        let length = entry_block(samples);
        // The entries of a row of a tile, the rows, the items of a sum.
        let tile = Items::of(shape).input_tile;
        Self::Assembled {
            chain: length + samples.div_ceil(length),
            square_chain: (tile + 2) + (tile + 1) + items.div_ceil(ITEM_SUMS),
            parameters: shape.parameters(),
        }
    }

    /// As shaders/layer_trace_sq.wgsl adds up `items` tiles of entries.
    pub(super) fn of_layers(shape: Shape, samples: usize, items: usize) -> Self {
        let length = entry_block(samples);
        Self::Assembled {
            chain: length + samples.div_ceil(length),
            // The entries of a row of a tile, its rows, the items of a sum.
            square_chain: (4 + 2) + (4 + 1) + items.div_ceil(ITEM_SUMS),
            parameters: shape.parameters(),
        }
    }

    /// The rounding of a network with this tr H^2, `size` and `perturbation`, as the device has them. Each of these two
    /// is a sum of squares of up to so many `values`.
    pub(super) fn rounding(
        self,
        shape: impl Into<FormOperations>,
        values: usize,
        trace_sq: f64,
        (size, perturbation): (f64, f64),
    ) -> Rounding {
        if !(SIZES.contains(&size) && perturbation < LARGEST) {
            return Rounding { hessian: f64::INFINITY, trace: f64::INFINITY, trace_sq: f64::INFINITY };
        }
        // What the second order leaves, and the rounding of these two themselves.
        let padding = 1.01 + 4.0 * UNIT * values as f64;
        let spread = Spread { size: padding * size, perturbation: padding * perturbation };
        // The host goes on in f64.
        let trace_chain = SUM_PART + SUM_BLOCK / SUM_PART;
        let arithmetic = |underflow| Arithmetic { unit: UNIT, trace_chain, underflow };
        match self {
            Self::Pairwise { chain, units } => {
                // Every operation in a pair may lose `SMALLEST`, times what follows, at most the pair's share of the
                // square of:
                let reach = spread.perturbation / f64::from(REACH_SHARE);
                arithmetic((20 * units + 40) as f64 * SMALLEST * reach * reach).of_pairs(shape, spread, chain)
            }
            Self::Assembled { chain, square_chain, parameters } => arithmetic(
                8.0 * SMALLEST * (parameters as f64).powi(2),
            )
            .of_entries(shape, spread, chain, (trace_sq, square_chain)),
        }
    }
}

/// The number of samples in a block of the sum for an entry of the assembled Hessian, as in the shader: the power of
/// two next to the root of their number, or twice that.
pub(super) const fn entry_block(samples: usize) -> usize {
    let bits = usize::BITS - samples.leading_zeros();
    1 << bits.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::{UNIT, entry_block, narrowing};

    #[test]
    fn blocks_are_about_as_long_as_many() {
        assert_eq!([1, 2, 50, 64, 600, 10_000, 60_000].map(entry_block), [2, 2, 8, 16, 32, 128, 256]);
        for samples in 1..10_000 {
            let length = entry_block(samples);
            assert!(length * length > samples && length * length <= 4 * samples, "{length} of {samples}");
        }
    }

    #[test]
    fn rounding_to_f32_is_named_or_infinite() {
        assert_eq!(narrowing([0.0, 1.5, f64::from(-1e-30_f32)].into_iter()).to_bits(), 0.0_f64.to_bits());
        assert_eq!(narrowing([0.0, 0.1].into_iter()).to_bits(), (UNIT / 2.0).to_bits());
        for lost in [1e-39, 1e39, f64::NAN] {
            assert!(narrowing([1.0, lost].into_iter()).is_infinite(), "{lost}");
        }
    }
}
