//! The two exact routes to tr H^2 as passes: how the assembled one is cut up, and which of them is faster for given sizes.

use crate::engine::{EngineError, Route};
use crate::model::Shape;

/// The most inputs of a tile of H(w,w): two sets of sums over a tile of 6 x 6 stay in registers.
const MOST_INPUTS: usize = 6;
/// Sums that items of the assembled route are added to, one after the other: an item's is its number modulo this.
pub(super) const ITEM_SUMS: usize = 256;

/// How the assembled route cuts the Hessian into items (shaders/trace_sq_assembled.wgsl).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Items {
    /// Rows and columns of a tile.
    pub(super) input_tile: usize,
    /// Tiles along a side of H(w,w)'s block of a pair of units.
    pub(super) input_tiles: usize,
    unit_pairs: u128,
}

impl Items {
    /// The items of a network of `shape`.
    pub(super) fn of(shape: Shape) -> Self {
        let input_tiles = (shape.inputs + 1).div_ceil(MOST_INPUTS);
        Self {
            input_tile: (shape.inputs + 1).div_ceil(input_tiles),
            input_tiles,
            unit_pairs: pairs(shape.hidden as u128 + 1),
        }
    }

    /// Pairs of tiles of a block on or above its diagonal.
    pub(super) const fn input_tile_pairs(&self) -> usize {
        self.input_tiles * (self.input_tiles + 1) / 2
    }

    /// Inputs of a sample with the bias and what fills the last tile.
    pub(super) const fn width(&self) -> usize {
        self.input_tile * self.input_tiles
    }

    /// The number of items.
    ///
    /// # Errors
    /// [`EngineError::Limit`] if the shader could not number them.
    pub(super) fn count(&self) -> Result<usize, EngineError> {
        // It finds a pair by a root in f32.
        let count = self.unit_pairs * self.input_tile_pairs() as u128;
        if self.unit_pairs < 1 << 24 && count < 1 << 31 {
            Ok(count as usize)
        } else {
            Err(EngineError::Limit(format!(
                "the assembled Hessian of this many hidden units and inputs has {count} tiles, more than the GPU can number: \
                 use --route pairwise"
            )))
        }
    }

    /// Multiply-adds of an item and sample: its sums, and about 20 for the coefficients and their loads.
    const fn cost(&self) -> usize {
        let square = if self.input_tiles == 1 {
            self.input_tile * (self.input_tile + 1) / 2
        } else {
            self.input_tile * self.input_tile
        };
        square + 3 * self.input_tile + 20
    }
}

/// Whether tr H^2 of networks of `shape` on `samples` samples is assembled rather than summed over pairs: `auto` takes what costs
/// fewer operations.
///
/// A pair of samples costs 20 N + 30, of which there are I (I + 1) / 2; an item costs its sums and coefficients for each of I
/// samples. The constants are counts of operations, not fits. On a software adapter (llvmpipe, 256 bits) the model names the faster
/// route in 10 of 11 measured shapes, M in {2, 8, 30}, N from 3 to 64 and I from 20 to 1,000; it misses M = 2, N = 32, I = 50, which lies at
/// the border. On a physical GPU it has not been measured: `sharpsweep bench` does so.
pub(super) fn assembles(route: Route, shape: Shape, samples: usize) -> bool {
    let items = Items::of(shape);
    match route {
        Route::Pairwise => false,
        Route::Assembled => true,
        Route::Auto => {
            let pairwise = pairs(samples as u128) * (20 * shape.hidden as u128 + 30);
            let assembled = items.unit_pairs * (items.input_tile_pairs() * items.cost() * samples) as u128;
            items.count().is_ok() && assembled < pairwise
        }
    }
}

/// Unordered pairs out of `count`, each with itself included.
const fn pairs(count: u128) -> u128 {
    count * (count + 1) / 2
}

#[cfg(test)]
mod tests {
    use super::{Items, assembles};
    use crate::engine::Route;
    use crate::model::Shape;

    #[test]
    fn tiles_cover_the_inputs_and_no_more_than_they_must() {
        for inputs in 1..=100 {
            let items = Items::of(Shape::new(inputs, 3));
            assert!(
                items.width() > inputs && items.width() <= inputs + items.input_tiles,
                "{items:?} for M = {inputs}"
            );
            assert!(items.input_tile <= 6);
        }
        assert_eq!(Items::of(Shape::new(2, 3)).count().unwrap(), 10);
        assert_eq!(Items::of(Shape::new(30, 6)).count().unwrap(), 28 * 21);
        assert!(Items::of(Shape::new(1, 300_000)).count().is_err());
    }

    #[test]
    fn auto_assembles_narrow_networks_and_many_samples() {
        let auto = |inputs, hidden, samples| assembles(Route::Auto, Shape::new(inputs, hidden), samples);
        assert!(auto(2, 3, 50) && auto(2, 10, 50) && auto(30, 6, 10_000) && auto(64, 2, 60_000));
        assert!(!auto(2, 128, 50) && !auto(30, 6, 10) && !auto(1, 300_000, 10));
        assert!(
            !assembles(Route::Pairwise, Shape::new(2, 3), 50) && assembles(Route::Assembled, Shape::new(2, 128), 5)
        );
    }
}
