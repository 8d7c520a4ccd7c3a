//! The two exact routes to tr H^2 as passes: how the assembled one is cut up, and which of them is faster for given
//! sizes.

use crate::engine::{EngineError, ExactRoute, Route};
use crate::model::OneHidden;

/// The most inputs of a tile of H(w,w): two sets of sums over a tile of 6 x 6 stay in registers.
const MOST_INPUTS: usize = 6;
/// The number of sums that the items of the assembled route are added to in turn: an item's sum is its number modulo
/// this.
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
    pub(super) fn of(shape: OneHidden) -> Self {
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
                "the assembled Hessian of this many hidden units and inputs has {count} tiles, more than the GPU can \
                 number: use --route pairwise"
            )))
        }
    }

    /// Vector instructions per item and sample: a multiply-add for each of its sums, and what the coefficients and
    /// their loads take.
    const fn cost(&self) -> usize {
        let square = if self.input_tiles == 1 {
            self.input_tile * (self.input_tile + 1) / 2
        } else {
            self.input_tile * self.input_tile
        };
        square + 3 * self.input_tile + 20
    }
}

/// Vector instructions of the pairwise route for a tile, the four pairs of two samples with two others: 53 per unit and
/// 86 more, and its share of the products of M inputs.
fn pair_tile_cost(shape: OneHidden) -> f64 {
    (53 * shape.hidden + 86) as f64 + 3.0 / 32.0 * shape.inputs as f64
}

/// What the tiles of the pairwise route cost on a processor against the assembled route's items, beyond their vector
/// instructions: a processor loads from memory lane by lane, and a tile has more to load.
const PAIR_TILE_IN_SOFTWARE: f64 = 1.9;

/// The route that `route` stands for, for networks of `shape` on `samples` samples: `auto` takes what costs less on a
/// GPU (`hardware`) or on a software adapter.
///
/// The costs are those of the machine code that Mesa's compiler makes of the two kernels for one GPU, AMD's gfx1100:
/// vector instructions, without memory operations (13 N + 8 per tile, 7 per item and sample). No route has been timed
/// on a GPU; `sharpsweep bench` does that. On software adapters the pairwise route's cost is multiplied by
/// [`PAIR_TILE_IN_SOFTWARE`]. That is fitted to the times of both routes on llvmpipe (AVX2, two cores) over 23 shapes,
/// M from 2 to 64, N from 1 to 128, I from 20 to 600: the ratios of the times are 0.8 to 1.3 times those of the costs.
pub(super) fn exact_route(route: Route, shape: OneHidden, samples: usize, hardware: bool) -> ExactRoute {
    route.or_faster(|| {
        let items = Items::of(shape);
        let tiles = pairs(samples.div_ceil(2) as u128) as f64;
        let pairwise = tiles * pair_tile_cost(shape) * if hardware { 1.0 } else { PAIR_TILE_IN_SOFTWARE };
        let item_samples = items.unit_pairs as f64 * (items.input_tile_pairs() * samples) as f64;
        if items.count().is_ok() && item_samples * (items.cost() as f64) < pairwise {
            ExactRoute::Assembled
        } else {
            ExactRoute::Pairwise
        }
    })
}

/// Unordered pairs out of `count`, each with itself included.
const fn pairs(count: u128) -> u128 {
    count * (count + 1) / 2
}

#[cfg(test)]
mod tests {
    use super::{Items, exact_route, pair_tile_cost};
    use crate::engine::{ExactRoute, Route};
    use crate::model::OneHidden;

    #[test]
    fn tiles_cover_the_inputs_and_no_more_than_they_must() {
        for inputs in 1..=100 {
            let items = Items::of(OneHidden::new(inputs, 3));
            assert!(
                items.width() > inputs && items.width() <= inputs + items.input_tiles,
                "{items:?} for M = {inputs}"
            );
            assert!(items.input_tile <= 6);
        }
        assert_eq!(Items::of(OneHidden::new(2, 3)).count().unwrap(), 10);
        assert_eq!(Items::of(OneHidden::new(30, 6)).count().unwrap(), 28 * 21);
        assert!(Items::of(OneHidden::new(1, 300_000)).count().is_err());
    }

    #[test]
    fn auto_assembles_narrow_networks_and_many_samples() {
        for hardware in [true, false] {
            let auto = |inputs, hidden, samples| {
                exact_route(Route::Auto, OneHidden::new(inputs, hidden), samples, hardware) == ExactRoute::Assembled
            };
            assert!(auto(2, 3, 50) && auto(2, 10, 50) && auto(30, 6, 10_000) && auto(64, 2, 60_000));
            assert!(!auto(2, 128, 50) && !auto(30, 6, 10) && !auto(1, 300_000, 10));
        }
        assert_eq!(exact_route(Route::Pairwise, OneHidden::new(2, 3), 50, true), ExactRoute::Pairwise);
        assert_eq!(exact_route(Route::Assembled, OneHidden::new(2, 128), 5, true), ExactRoute::Assembled);
    }

    /// What tests/machine_code measures of the two kernels' innermost loops.
    #[test]
    fn costs_are_those_of_the_machine_code() {
        let (mut tiles, mut items) = (Vec::new(), Vec::new());
        for line in include_str!("../../tests/machine_code/measured.tsv").lines() {
            let cells: Vec<&str> = line.split(['\t', ' ']).collect();
            let number = |cell: &str| cell[1..].parse::<usize>().unwrap();
            match cells[0] {
                "trace_sq" => tiles.push((number(cells[1]), number(cells[2]), cells[7].parse::<f64>().unwrap())),
                "trace_sq_assembled" => items.push((number(cells[1]), number(cells[2]), cells[7].parse().unwrap())),
                _ => {}
            }
        }
        assert!(tiles.len() >= 16 && items.len() >= 22, "{} and {} kernels", tiles.len(), items.len());
        let near = |cost: f64, measured: f64| (cost - measured).abs() <= 0.02 * measured;
        for (inputs, hidden, measured) in tiles {
            let without_inputs = pair_tile_cost(OneHidden::new(0, hidden));
            // From some width on the loop over the units stays a loop, and what is measured is one unit.
            let cost = if measured < 86.0 {
                without_inputs - pair_tile_cost(OneHidden::new(0, hidden - 1))
            } else {
                without_inputs
            };
            assert!(near(cost, measured), "trace_sq, M = {inputs}, N = {hidden}: {cost}, measured {measured}");
            assert!(!near(cost * 1.05, measured));
        }
        for (inputs, hidden, measured) in items {
            let cost = Items::of(OneHidden::new(inputs, hidden)).cost() as f64;
            assert!(
                near(cost, measured),
                "trace_sq_assembled, M = {inputs}, N = {hidden}: {cost}, measured {measured}"
            );
        }
    }
}
