//! Which of the training kernels a shape calls for, and how many invocations then share a network.
//!
//! The register counts are those of a compiler with 128 registers per invocation (AMD's for a wave of 64). A kernel
//! that needs more keeps arrays in memory and is several times slower. tests/machine_code/ holds the plans to it.

use super::limits::{MAX_WORKGROUP, UNIFORM_ROWS, WORKGROUP_ELEMENTS};
use super::loops::iterations;
use super::pass::Pass;
use crate::model::{Activation, Network, OneHidden, Problem};

/// How training spreads one network over invocations. All compute the same descent; sums round differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainPlan {
    /// One invocation per network, with everything in registers: shaders/train.wgsl.
    Narrow,
    /// Several invocations per network, each with all weights in registers and its own samples:
    /// shaders/train_split.wgsl.
    Split,
    /// Several invocations per network, each with its own hidden units in registers: shaders/train_shared.wgsl.
    Shared,
    /// A workgroup per network, with the weights in storage: shaders/train_streamed.wgsl.
    Streamed,
}

/// The most registers, of values that live through the sample loop, with which the narrow kernel compiles without
/// spilling.
const NARROW_REGISTERS: usize = 116;
/// The same where it takes several samples at a time, with what it needs for each of them.
const NARROW_TILE_REGISTERS: usize = 120;
/// The most sample values that it takes at a time: they live in scalar registers.
const NARROW_SAMPLE_VALUES: usize = 64;
/// As [`NARROW_REGISTERS`] for the shared kernel, which needs more for addresses.
const SHARED_REGISTERS: usize = 102;
/// The most samples that the invocations of a network meet over.
const MOST_SAMPLES: usize = 8;
/// The most sample values of one meeting: they live in scalar registers.
const MOST_SAMPLE_VALUES: usize = 128;
/// Invocations of a workgroup that holds several networks, and of one in the streamed kernel.
pub(super) const GROUP: usize = 64;

/// Samples that the invocations of the streamed kernel meet over.
pub(super) const STREAMED_TILE: usize = 8;

impl TrainPlan {
    /// Every plan, from the narrowest networks to the widest.
    pub const ALL: [Self; 4] = [Self::Narrow, Self::Split, Self::Shared, Self::Streamed];

    /// The fastest plan that keeps a network of `shape` in registers, or else [`TrainPlan::Streamed`].
    pub fn of(shape: OneHidden) -> Self {
        // Theta and its gradient, the scaled biases, and r and f' of every unit.
        if 2 * shape.parameters() + 3 * shape.hidden <= NARROW_REGISTERS {
            Self::Narrow
        } else if SharedLayout::of(shape).fits() {
            Self::Shared
        } else {
            Self::Streamed
        }
    }

    /// The same, but the samples split up where a device has more invocations than a sweep has networks, and where that
    /// costs next to nothing if it has not: for many samples.
    pub fn on_hardware(network: Network, samples: usize) -> Self {
        let plan = Self::of(network.shape);
        let split = SplitLayout::that_pays(network.shape, network.activation, samples);
        if plan == Self::Narrow && split.is_some() { Self::Split } else { plan }
    }

    /// The pass that trains by this plan.
    pub const fn pass(self) -> Pass {
        match self {
            Self::Narrow => Pass::Train,
            Self::Split => Pass::TrainSplit,
            Self::Shared => Pass::TrainShared,
            Self::Streamed => Pass::TrainStreamed,
        }
    }

    /// Networks per workgroup.
    pub(super) fn networks_per_group(self, problem: &Problem) -> usize {
        match self {
            Self::Narrow => GROUP,
            Self::Split => split(problem).networks_per_group(),
            Self::Shared => SharedLayout::of(problem.network.shape).networks_per_group(),
            Self::Streamed => 1,
        }
    }

    /// How many loop iterations, over all loops, one invocation makes in each step, and how many once. Every loop
    /// counts as if no compiler unrolled it, except that over the samples of a tile inside the streamed kernel's loops
    /// over inputs: it indexes arrays of that size, and a test checks that it is unrolled.
    pub(super) fn loop_iterations(self, problem: &Problem) -> (u64, u64) {
        let shape = problem.network.shape;
        let tiles = problem.data.samples().div_ceil(self.tile(problem.network)) as u64;
        let hidden = shape.hidden as u64;
        let inputs = iterations(shape.inputs as u64, 0);
        let weights = iterations(shape.inputs as u64 + 1, 0);
        match self {
            Self::Narrow => {
                let descent = iterations(hidden, 0) + iterations(hidden, inputs) + iterations(hidden, weights);
                let step = 1 + iterations(tiles, 2 * iterations(hidden, inputs)) + descent;
                (step, 1 + 2 * iterations(hidden, weights))
            }
            Self::Split => {
                let lanes = split(problem).lanes as u64;
                let descent = iterations(hidden, 0) + 3 * iterations(hidden, weights);
                let meeting = iterations((shape.parameters() as u64).div_ceil(lanes), iterations(lanes, 0));
                let step = 1 + iterations(tiles.div_ceil(lanes), 2 * iterations(hidden, inputs)) + descent + meeting;
                (step, 1 + 2 * iterations(hidden, weights))
            }
            Self::Shared => {
                let layout = SharedLayout::of(shape);
                let (units, sum) = (layout.units as u64, iterations(layout.lanes as u64, 0));
                let meeting = 2 * iterations(layout.tile as u64, iterations(units, inputs)) + sum;
                let descent = iterations(units, 0) + iterations(units, inputs) + iterations(units, weights) + 3 * sum;
                (1 + iterations(tiles, meeting) + descent, 1 + 2 * iterations(units, weights))
            }
            Self::Streamed => {
                let (units, sum) = (hidden.div_ceil(GROUP as u64), iterations(GROUP as u64, 0));
                let tile = iterations(STREAMED_TILE as u64, 0);
                let (forward, backward) = (inputs + 2 * tile, 2 * inputs + 2 * tile);
                let meeting = iterations(units, forward) + tile + sum + iterations(units, backward);
                (1 + iterations(tiles, meeting) + 3 * iterations(units, weights) + 3 * sum, 1)
            }
        }
    }

    /// How the kernel takes the samples; `None` if it reads them one value at a time.
    pub(super) fn sample_layout(self, network: Network) -> Option<SampleLayout> {
        match self {
            Self::Narrow => Some(SampleLayout::of(network.shape, network.activation)),
            Self::Split => Some(SampleLayout::of_own(network.shape, network.activation)),
            Self::Shared => Some(SampleLayout::single(network.shape)),
            Self::Streamed => None,
        }
    }

    /// Samples that are taken at a time. The number of samples is padded to a multiple of this.
    pub(super) fn tile(self, network: Network) -> usize {
        match self {
            Self::Narrow | Self::Split => self.sample_layout(network).map_or(1, |layout| layout.tile),
            Self::Shared => SharedLayout::of(network.shape).tile,
            Self::Streamed => STREAMED_TILE,
        }
    }
}

/// How the split kernel lays out `problem`.
fn split(problem: &Problem) -> SplitLayout {
    SplitLayout::of(problem.network.shape, problem.network.activation, problem.data.samples())
}

/// How the kernels that read samples in rows of four values take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SampleLayout {
    /// Samples at a time: 4, 2 or 1.
    pub(super) tile: usize,
    inputs: usize,
    /// Whether they come from storage, however few they are.
    stored: bool,
}

impl SampleLayout {
    /// The largest tile for which scalar registers hold the samples, and vector registers theta, its gradient, the
    /// scaled biases, what every unit keeps of each sample between the forward and the backward pass, and what it takes
    /// to get there.
    fn of(shape: OneHidden, activation: Activation) -> Self {
        Self::within(shape, activation, false)
    }

    /// As [`Self::of`], where each invocation has samples of its own, which then need vector registers too.
    fn of_own(shape: OneHidden, activation: Activation) -> Self {
        Self::within(shape, activation, true)
    }

    fn within(shape: OneHidden, activation: Activation, own: bool) -> Self {
        let values = |tile: usize| (shape.inputs + 1) * tile;
        let fits = |tile: usize| {
            let registers = Self::registers(shape, activation, tile) + if own { values(tile) } else { 0 };
            registers <= NARROW_TILE_REGISTERS && (own || values(tile) <= NARROW_SAMPLE_VALUES)
        };
        let tile = [4, 2].into_iter().find(|&tile| fits(tile)).unwrap_or(1);
        Self { tile, inputs: shape.inputs, stored: own }
    }

    /// One sample at a time, for all invocations. On an H200 the shared kernel reads long samples faster from storage,
    /// where an instruction loads four values (M = 30: 23 against 14 x 10^9 samples per second), and short ones from a
    /// uniform buffer (M = 2).
    const fn single(shape: OneHidden) -> Self {
        Self { tile: 1, inputs: shape.inputs, stored: shape.inputs > 7 }
    }

    fn registers(shape: OneHidden, activation: Activation, tile: usize) -> usize {
        let kept = match activation {
            Activation::Linear | Activation::Sigmoid | Activation::Tanh => 1,
            // f' does not follow from f.
            Activation::Softplus | Activation::Gelu => 2,
        };
        2 * shape.parameters() + shape.hidden + kept * tile * (shape.hidden + 4)
    }

    /// Rows of four values for a tile: M inputs and the label of each sample.
    pub(super) const fn rows(&self) -> usize {
        ((self.inputs + 1) * self.tile).div_ceil(4)
    }

    /// Whether I = `samples` come from a uniform buffer: if they fit. From there a value reaches all invocations at
    /// once, both on hardware with such a path (NVIDIA's constant cache) and on a software adapter, which reads storage
    /// invocation by invocation. Values that invocations do not share come from storage faster.
    pub(super) const fn samples_are_uniform(&self, samples: usize) -> bool {
        !self.stored && samples.div_ceil(self.tile).saturating_mul(self.rows()) <= UNIFORM_ROWS
    }
}

/// How the split kernel lays a network's samples out over invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SplitLayout {
    /// Invocations that share a network, a power of two.
    pub(super) lanes: usize,
    /// Invocations of a workgroup, a power of two.
    pub(super) group: usize,
}

impl SplitLayout {
    /// The layout that pays, or one with two invocations per network.
    pub(super) fn of(shape: OneHidden, activation: Activation, samples: usize) -> Self {
        let two = || Self::with_lanes(2, shape).unwrap_or(Self { lanes: 2, group: 2 });
        Self::that_pays(shape, activation, samples).unwrap_or_else(two)
    }

    /// The most invocations per network that cost together at most a twelfth more than a single one; `None` if fewer
    /// than eight do, or if the registers do not hold what each needs. A sweep that leaves no invocation of the device
    /// idle loses that twelfth; one of few networks gains nearly the number of invocations.
    fn that_pays(shape: OneHidden, activation: Activation, samples: usize) -> Option<Self> {
        let alone = Self::cost(shape, samples, SampleLayout::of(shape, activation), 1);
        let tiles = SampleLayout::of_own(shape, activation);
        let registers = SampleLayout::registers(shape, activation, tiles.tile) + (shape.inputs + 1) * tiles.tile;
        let pays = |layout: &Self| 12 * Self::cost(shape, samples, tiles, layout.lanes) <= 13 * alone;
        let mut layouts = (3..=GROUP.ilog2()).rev().filter_map(|power| Self::with_lanes(1 << power, shape));
        layouts.find(|layout| registers <= NARROW_TILE_REGISTERS && pays(layout))
    }

    /// As many networks per workgroup as it has invocations and memory for; `None` if there is no room for one.
    fn with_lanes(lanes: usize, shape: OneHidden) -> Option<Self> {
        let elements = |group: usize| shape.parameters() * (group + 1 + group / lanes);
        let mut groups = (lanes.ilog2()..=GROUP.ilog2()).rev().map(|power| 1 << power);
        Some(Self { lanes, group: groups.find(|&group| elements(group) <= WORKGROUP_ELEMENTS)? })
    }

    /// Networks per workgroup.
    pub(super) const fn networks_per_group(&self) -> usize {
        self.group / self.lanes
    }

    /// Instructions of a step, over all `lanes`. Those of a sample are the narrow kernel's with sigmoid units, the
    /// cheapest that are not linear; each lane finishes every sum, and before, where they are several, they meet.
    fn cost(shape: OneHidden, samples: usize, tiles: SampleLayout, lanes: usize) -> usize {
        let sample = shape.hidden * (2 * shape.inputs + 14) + 12;
        let meeting = if lanes == 1 { 0 } else { 4 * shape.parameters() + 60 };
        let samples = samples.div_ceil(tiles.tile).div_ceil(lanes) * tiles.tile;
        lanes * (samples * sample + 6 * shape.parameters() + meeting)
    }
}

/// How the shared kernel lays a network out over invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SharedLayout {
    /// Invocations that share a network, a power of two.
    pub(super) lanes: usize,
    /// Hidden units of each. The last one may not exist.
    pub(super) units: usize,
    /// Samples that they meet over, at most `lanes`.
    pub(super) tile: usize,
    inputs: usize,
}

impl SharedLayout {
    /// The cheapest layout for `shape` that fits registers; if none does, the one that needs fewest.
    pub(super) fn of(shape: OneHidden) -> Self {
        let layouts = (1..=MAX_WORKGROUP.ilog2()).map(|power| {
            let lanes = 1 << power;
            let values = MOST_SAMPLE_VALUES / (shape.inputs + 1);
            let tile = MOST_SAMPLES.min(lanes).min(1 << values.max(1).ilog2());
            Self { lanes, units: shape.hidden.div_ceil(lanes), tile, inputs: shape.inputs }
        });
        let key = |layout: &Self| if layout.fits() { (0, layout.cost()) } else { (layout.registers(), layout.cost()) };
        // There is always a layout: the range of powers is not empty.
        layouts.min_by_key(key).unwrap_or(Self {
            lanes: 2,
            units: shape.hidden.div_ceil(2),
            tile: 1,
            inputs: shape.inputs,
        })
    }

    /// Invocations of a workgroup.
    pub(super) const fn group(&self) -> usize {
        if self.lanes > GROUP { self.lanes } else { GROUP }
    }

    /// Networks per workgroup.
    pub(super) const fn networks_per_group(&self) -> usize {
        self.group() / self.lanes
    }

    const fn fits(&self) -> bool {
        self.registers() <= SHARED_REGISTERS
    }

    /// Those of weights and gradient of a lane's units, their scaled biases, and r and f' of each on every sample of a
    /// tile.
    const fn registers(&self) -> usize {
        self.units * (2 * (self.inputs + 2) + 1 + 2 * self.tile)
    }

    /// Vector instructions per sample, over all lanes, in eighths: 2M + 14 per unit, and for each meeting a sum over
    /// the lanes and about 30 more.
    const fn cost(&self) -> usize {
        let units = self.lanes * self.units * (2 * self.inputs + 14);
        8 * units + 8 * self.lanes * (self.lanes + 30) / self.tile
    }
}

#[cfg(test)]
mod tests {
    use super::{SampleLayout, SharedLayout, SplitLayout, TrainPlan};
    use crate::model::{Activation, OneHidden};

    #[test]
    fn the_plan_widens_with_the_network() {
        let plan = |inputs, hidden| TrainPlan::of(OneHidden::new(inputs, hidden));
        for hidden in 1..=10 {
            assert_eq!(plan(2, hidden), TrainPlan::Narrow, "N = {hidden}");
        }
        for hidden in 11..=1024 {
            assert_eq!(plan(2, hidden), TrainPlan::Shared, "N = {hidden}");
        }
        assert_eq!(plan(2, 4096), TrainPlan::Streamed);
        assert_eq!(
            (plan(30, 1), plan(30, 2), plan(30, 128)),
            (TrainPlan::Narrow, TrainPlan::Shared, TrainPlan::Shared)
        );
        assert_eq!((plan(64, 1), plan(784, 32)), (TrainPlan::Streamed, TrainPlan::Streamed));
    }

    #[test]
    fn the_narrow_kernel_takes_as_many_samples_at_a_time_as_registers_hold() {
        let layout = |inputs, hidden, activation| SampleLayout::of(OneHidden::new(inputs, hidden), activation);
        let tiles = |activation| [1, 5, 7, 8, 10].map(|hidden| layout(2, hidden, activation).tile);
        assert_eq!(tiles(Activation::Sigmoid), [4, 4, 4, 2, 2]);
        assert_eq!(tiles(Activation::Softplus), [4, 4, 2, 1, 1]);
        // Wider than it is meant for, by force; and more values a sample than scalar registers hold of four.
        assert_eq!((layout(2, 60, Activation::Sigmoid).tile, layout(30, 1, Activation::Sigmoid).tile), (1, 2));

        // Rows hold every value of a tile and less than a row more.
        for inputs in 1..=70 {
            for hidden in [1, 4, 8, 10] {
                let layout = layout(inputs, hidden, Activation::Sigmoid);
                let values = (inputs + 1) * layout.tile;
                assert!((values..values + 4).contains(&(4 * layout.rows())), "{layout:?}");
            }
        }
        let layout = layout(2, 3, Activation::Sigmoid);
        assert_eq!(
            (layout.rows(), layout.samples_are_uniform(5_460), layout.samples_are_uniform(5_461)),
            (3, true, false)
        );
    }

    /// Samples are split where that costs next to nothing: the more of them, the more invocations share a network.
    #[test]
    fn many_samples_are_split_among_invocations() {
        let lanes = |inputs, hidden, samples| {
            let layout = SplitLayout::that_pays(OneHidden::new(inputs, hidden), Activation::Sigmoid, samples)?;
            assert!(layout.group >= layout.lanes && layout.networks_per_group() * layout.lanes == layout.group);
            Some(layout.lanes)
        };
        let sizes = [50, 400, 1_000, 2_000, 20_000];
        assert_eq!(sizes.map(|samples| lanes(2, 3, samples)), [None, None, Some(16), Some(32), Some(64)]);
        assert_eq!(sizes.map(|samples| lanes(2, 10, samples)), [None, Some(8), Some(16), Some(32), Some(64)]);
        assert_eq!(lanes(100, 1, 20_000), None);
    }

    /// Every unit has a lane, a meeting has a lane for each of its samples, and groups stay within what adapters have.
    #[test]
    fn shared_layouts_cover_the_network() {
        for inputs in [1, 2, 5, 30, 45, 784] {
            for hidden in 1..=1100 {
                let layout = SharedLayout::of(OneHidden::new(inputs, hidden));
                assert!(layout.lanes * layout.units >= hidden, "{layout:?} for N = {hidden}");
                assert!(layout.tile >= 1 && layout.tile <= layout.lanes, "{layout:?}");
                assert!(layout.group() <= 256 && layout.group().is_multiple_of(layout.lanes), "{layout:?}");
                // max(tile, 3) shares and the deltas in 16 KiB.
                assert!((layout.tile.max(3) + layout.tile) * layout.group() * 4 <= 16 << 10, "{layout:?}");
            }
        }
        assert_eq!(SharedLayout::of(OneHidden::new(2, 32)), SharedLayout { lanes: 8, units: 4, tile: 8, inputs: 2 });
    }
}
