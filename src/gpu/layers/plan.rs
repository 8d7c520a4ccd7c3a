//! How training spreads a network of any depth over invocations.

use super::target::LayerTarget;
use crate::gpu::limits::{MAX_WORKGROUP, UNIFORM_ROWS, WORKGROUP_ELEMENTS};
use crate::gpu::loops::iterations;
use crate::gpu::pass::Pass;
use crate::gpu::plan::{Family, GROUP};
use crate::model::{Layer, Network};

/// How training spreads one network of any depth over invocations. All compute the same descent; sums round
/// differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerPlan {
    /// One invocation per network, with everything in registers: shaders/train_layers.wgsl.
    Narrow,
    /// Several invocations per network, which share its samples and units: shaders/train_layers_shared.wgsl.
    Shared,
}

/// The most registers, of values that live through the sample loop, with which the narrow kernel compiles without
/// spilling, where an invocation has 128.
const NARROW_REGISTERS: usize = 104;
/// The registers of an invocation of NVIDIA's.
const NVIDIA_REGISTERS: usize = 255;
/// The most sample values that the narrow kernel takes at a time.
const NARROW_SAMPLE_VALUES: usize = 32;
/// The tiles of samples that the invocations of a network take at a time.
const TILES: [usize; 4] = [8, 16, 32, 64];
/// Blocks of a product, of so many rows and columns. What an invocation reads of a row it uses for all columns.
const BLOCKS: [(usize, usize); 7] = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 4), (4, 2), (4, 4)];

impl LayerPlan {
    /// The fastest plan that keeps networks in registers or workgroup memory.
    pub fn of(target: LayerTarget) -> Self {
        if narrow_fits(target, 1) { Self::Narrow } else { Self::Shared }
    }

    /// The pass that trains by this plan.
    pub const fn pass(self) -> Pass {
        match self {
            Self::Narrow => Pass::TrainLayers,
            Self::Shared => Pass::TrainLayersShared,
        }
    }

    /// Networks per workgroup.
    pub(super) fn networks_per_group(self, target: LayerTarget) -> usize {
        match self {
            Self::Narrow => GROUP,
            Self::Shared => LayerLayout::of(target).networks(),
        }
    }

    /// Samples that are taken at a time. The number of samples is padded to a multiple of this.
    pub(super) fn tile(self, target: LayerTarget) -> usize {
        match self {
            Self::Narrow => narrow_tile(target),
            Self::Shared => LayerLayout::of(target).tile,
        }
    }

    /// How many loop iterations, over all loops, one invocation makes in each step, and how many once. Every loop
    /// counts as if no compiler unrolled it.
    pub(super) fn loop_iterations(self, target: LayerTarget) -> (u64, u64) {
        let shape = target.network.shape;
        let tiles = target.samples.div_ceil(self.tile(target)) as u64;
        match self {
            Self::Narrow => {
                let weights: u64 = shape.layers().map(|layer| of_matrix(layer.inputs + 1, layer.units)).sum();
                let outputs = iterations(3 * shape.outputs() as u64, 0);
                let tile = iterations(shape.inputs() as u64, 0) + 3 * weights + outputs;
                (1 + iterations(tiles, tile) + 2 * weights, 1 + 2 * weights)
            }
            Self::Shared => {
                let layout = LayerLayout::of(target);
                let lanes = |count: usize, inside: u64| iterations(count.div_ceil(layout.lanes) as u64, inside);
                let products = |blocks: &LayerBlocks| {
                    let of = |product: Product, units: usize| {
                        let (rows, columns) = (product.rows as u64, product.columns as u64);
                        let body = iterations(columns, 0) + iterations(rows, iterations(columns, 0));
                        lanes(product.blocks, iterations(units as u64, body) + iterations(rows, iterations(columns, 0)))
                    };
                    let Layer { inputs, units, .. } = blocks.layer;
                    of(blocks.forward, inputs + 1) + of(blocks.back, units) + of(blocks.gradient, layout.tile)
                };
                let of_samples = lanes(layout.tile, 5 * iterations(shape.outputs() as u64, 0));
                let of_layers: u64 = layout.products(target.network).iter().map(products).sum();
                let tile = lanes(shape.inputs() * layout.tile, 0) + of_samples + of_layers;
                let parameters = lanes(shape.parameters(), 0);
                let step = 1 + iterations(tiles, tile) + 3 * parameters + iterations(layout.lanes as u64, 0);
                (step, 1 + 2 * parameters + lanes(layout.tile, 0))
            }
        }
    }

    /// The plan in words, with all that decides in which order its sums are formed.
    pub fn in_words(self, target: LayerTarget) -> String {
        let tile = match self.tile(target) {
            1 => "1 sample at a time".to_owned(),
            tile => format!("{tile} samples at a time"),
        };
        match self {
            Self::Narrow => format!("layers, narrow, {tile}"),
            Self::Shared => format!("layers, shared by {} invocations, {tile}", LayerLayout::of(target).lanes),
        }
    }
}

/// The loop iterations of a loop over the rows of a matrix and one over its columns inside.
const fn of_matrix(rows: usize, columns: usize) -> u64 {
    iterations(rows as u64, iterations(columns as u64, 0))
}

/// Whether registers hold what the narrow kernel needs for `tile` samples at a time: theta and its gradient, f and f'
/// of every unit, and dL/dy of two layers.
fn narrow_fits(target: LayerTarget, tile: usize) -> bool {
    let shape = target.network.shape;
    match target.family {
        Family::Software | Family::Common => {
            let units: usize = shape.hidden().iter().sum();
            let mut widths = shape.widths()[1..].to_vec();
            widths.sort_unstable();
            let widest: usize = widths.iter().rev().take(2).sum();
            2 * shape.parameters() + tile * (2 * units + widest + 4) <= NARROW_REGISTERS
        }
        // As Mesa's compiler counts them for two samples at a time: 8 for each weight; NVIDIA's own needs fewer.
        Family::Nvidia => 8 * shape.parameters() + 48 <= NVIDIA_REGISTERS && tile <= 2,
    }
}

/// Samples that the narrow kernel takes at a time.
fn narrow_tile(target: LayerTarget) -> usize {
    let values = target.network.shape.inputs() + target.targets() + 1;
    let fits = |tile: &usize| narrow_fits(target, *tile) && tile * values <= NARROW_SAMPLE_VALUES;
    [4, 2].into_iter().find(fits).unwrap_or(1)
}

/// Rows of four values of a tile of the narrow kernel.
pub(super) fn narrow_rows(target: LayerTarget) -> usize {
    (target.sample_values() * narrow_tile(target)).div_ceil(4)
}

/// Whether the narrow kernel reads the samples from a uniform buffer: if they fit.
pub(super) fn samples_are_uniform(target: LayerTarget) -> bool {
    let tiles = target.samples.div_ceil(narrow_tile(target));
    tiles.saturating_mul(narrow_rows(target)) <= UNIFORM_ROWS
}

/// How the shared kernel lays a network out over invocations and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LayerLayout {
    /// Invocations that share a network, a power of two.
    pub(super) lanes: usize,
    /// Samples that they take at a time, a power of two.
    pub(super) tile: usize,
    /// Whether weights and gradients are in storage, for want of workgroup memory.
    pub(super) weights_stored: bool,
    /// Whether what they share of a tile of samples is.
    pub(super) rows_stored: bool,
}

/// A product of matrices, cut into blocks of so many rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// How many blocks there are.
    pub(super) blocks: usize,
}

/// The products of one layer: its y, dL/dy of the layer below, and its gradient.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerBlocks {
    layer: Layer,
    pub(super) forward: Product,
    pub(super) back: Product,
    pub(super) gradient: Product,
}

impl Product {
    /// The cheapest blocks for a product of so many `rows` and `columns` on so many `lanes`.
    fn of(rows: usize, columns: usize, lanes: usize) -> Self {
        let products = BLOCKS.map(|(high, wide)| Self {
            rows: high,
            columns: wide,
            blocks: rows.div_ceil(high) * columns.div_ceil(wide),
        });
        let cost = |product: &Self| product.cost(lanes);
        products.into_iter().min_by_key(cost).unwrap_or(Self { rows: 1, columns: 1, blocks: rows * columns })
    }

    /// Instructions of a lane for each element that a sum runs over: multiply-adds, and what their loads take.
    const fn cost(&self, lanes: usize) -> usize {
        self.blocks.div_ceil(lanes) * (self.rows * self.columns + 2 * (self.rows + self.columns))
    }
}

impl LayerLayout {
    /// The cheapest layout that keeps in workgroup memory what it has room for.
    pub(super) fn of(target: LayerTarget) -> Self {
        let network = target.network;
        let lanes = (3..=MAX_WORKGROUP.ilog2()).map(|power| 1 << power);
        let layouts = lanes.flat_map(|lanes| {
            let of_tile = move |tile| [(false, false), (true, false), (true, true)].map(|stored| (lanes, tile, stored));
            TILES.into_iter().flat_map(of_tile)
        });
        let layouts = layouts.map(|(lanes, tile, (weights_stored, rows_stored))| Self {
            lanes,
            tile,
            weights_stored,
            rows_stored,
        });
        // What is in storage belongs to one network per workgroup.
        let fits = |layout: &Self| {
            layout.elements(network) <= WORKGROUP_ELEMENTS && (!layout.weights_stored || layout.networks() == 1)
        };
        // All in storage always fits.
        let all_stored = Self { lanes: GROUP, tile: TILES[0], weights_stored: true, rows_stored: true };
        let key = |layout: &Self| (layout.rows_stored, layout.weights_stored, layout.cost(target));
        layouts.filter(fits).min_by_key(key).unwrap_or(all_stored)
    }

    /// Invocations of a workgroup.
    pub(super) const fn group(&self) -> usize {
        if self.lanes > GROUP { self.lanes } else { GROUP }
    }

    /// Networks per workgroup.
    pub(super) const fn networks(&self) -> usize {
        self.group() / self.lanes
    }

    /// The elements of a row: one more than samples, so that neighbouring rows are in different banks.
    pub(super) const fn row(&self) -> usize {
        self.tile + 1
    }

    /// The rows of a network: h with its bias, and what belongs to each unit.
    pub(super) fn rows(network: Network) -> usize {
        network.shape.layers().map(|layer| layer.inputs + 1 + layer.units).sum()
    }

    /// The products of each layer.
    pub(super) fn products(&self, network: Network) -> Vec<LayerBlocks> {
        let of_layer = |layer: Layer| LayerBlocks {
            layer,
            forward: Product::of(layer.units, self.tile, self.lanes),
            back: Product::of(layer.inputs, self.tile, self.lanes),
            gradient: Product::of(layer.inputs + 1, layer.units, self.lanes),
        };
        network.shape.layers().map(of_layer).collect()
    }

    /// The elements of workgroup memory.
    fn elements(&self, network: Network) -> usize {
        let weights = if self.weights_stored { 0 } else { 2 * network.parameters() };
        let rows = if self.rows_stored { 0 } else { Self::rows(network) * self.row() };
        self.networks() * (weights + rows) + 2 * self.group()
    }

    /// Instructions of a step over all lanes of a network.
    fn cost(&self, target: LayerTarget) -> usize {
        let of_layer = |blocks: &LayerBlocks| {
            let Layer { inputs, units, start } = blocks.layer;
            let back = if start == 0 { 0 } else { blocks.back.cost(self.lanes) * units };
            let sums = blocks.forward.cost(self.lanes) * (inputs + 1) + blocks.gradient.cost(self.lanes) * self.tile;
            // What a unit's f takes, and a meeting.
            sums + back + (units * self.tile).div_ceil(self.lanes) * 20 + 60
        };
        let tile: usize = self.products(target.network).iter().map(of_layer).sum();
        let step = target.network.parameters().div_ceil(self.lanes) * 24 + 6 * self.lanes + 60;
        self.lanes * (target.samples.div_ceil(self.tile) * tile + step)
    }
}

#[cfg(test)]
mod tests {
    use super::{LayerLayout, LayerPlan, LayerTarget, TILES};
    use crate::gpu::limits::WORKGROUP_ELEMENTS;
    use crate::gpu::plan::Family;
    use crate::model::{Activation, Loss, Network, Shape};

    fn target(widths: &[usize], family: Family) -> LayerTarget {
        let last = widths.len() - 1;
        let shape = Shape::new(widths[0], &widths[1..last], widths[last]).unwrap();
        let network = Network { shape, activation: Activation::Tanh };
        LayerTarget { network, loss: Loss::Softmax, samples: 50, family, decays: false }
    }

    #[test]
    fn the_plan_widens_with_the_network() {
        let words = |widths: &[usize]| {
            let target = target(widths, Family::Common);
            LayerPlan::of(target).in_words(target)
        };
        assert_eq!(words(&[2, 2, 2]), "layers, narrow, 4 samples at a time");
        assert_eq!(words(&[2, 3, 3]), "layers, narrow, 2 samples at a time");
        assert!(words(&[2, 8, 8, 1]).starts_with("layers, shared by "));
        // Mesa's compiler for NVIDIA keeps up to 25 weights in registers.
        let plan = |widths: &[usize]| LayerPlan::of(target(widths, Family::Nvidia));
        assert_eq!([plan(&[2, 3, 3]), plan(&[2, 4, 3])], [LayerPlan::Narrow, LayerPlan::Shared]);
    }

    /// Every element of every product is in a block, and workgroup memory holds what is not in storage.
    #[test]
    fn shared_layouts_cover_the_network_and_fit() {
        for widths in [&[2, 3][..], &[2, 8, 8, 1], &[4, 16, 16, 3], &[64, 32, 10], &[8, 120, 3], &[300, 3000, 4]] {
            let target = target(widths, Family::Common);
            let layout = LayerLayout::of(target);
            assert!(layout.elements(target.network) <= WORKGROUP_ELEMENTS, "{layout:?}");
            assert!(layout.group() <= 256 && layout.group().is_multiple_of(layout.lanes), "{layout:?}");
            assert!(TILES.contains(&layout.tile) && (!layout.weights_stored || layout.networks() == 1), "{layout:?}");
            for blocks in layout.products(target.network) {
                let (inputs, units) = (blocks.layer.inputs, blocks.layer.units);
                for (product, rows, columns) in [
                    (blocks.forward, units, layout.tile),
                    (blocks.back, inputs, layout.tile),
                    (blocks.gradient, inputs + 1, units),
                ] {
                    let covered = rows.div_ceil(product.rows) * columns.div_ceil(product.columns);
                    assert_eq!(product.blocks, covered, "{widths:?} {product:?}");
                    assert!(columns != layout.tile || layout.tile.is_multiple_of(product.columns));
                }
            }
        }
        let stored = |widths: &[usize]| {
            let layout = LayerLayout::of(target(widths, Family::Common));
            [layout.weights_stored, layout.rows_stored]
        };
        assert_eq!(stored(&[4, 16, 16, 3]), [false, false]);
        assert_eq!(stored(&[64, 32, 10]), [true, false]);
        assert_eq!(stored(&[300, 3000, 4]), [true, true]);
    }
}
