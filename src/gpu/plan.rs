//! Which of the training kernels a network, its samples and the adapter call for, and how many invocations then share a
//! network.
//!
//! A kernel that needs more registers than an invocation has keeps arrays in memory and is several times slower.
//! tests/machine_code/ holds the plans to what AMD's compiler has. Those for NVIDIA were measured on an H200; it holds
//! them to what Mesa's compiler for NVIDIA has.

use super::limits::{MAX_WORKGROUP, UNIFORM_ROWS, WORKGROUP_ELEMENTS};
use super::loops::iterations;
use super::pass::Pass;
use crate::model::{Activation, Network, OneHidden, PaperProblem};

/// The kinds of adapter that plans tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Family {
    /// Software, where invocations run in turn, so that none is idle. Registers as for [`Family::Common`].
    Software,
    /// Hardware with 128 registers per invocation: AMD's in waves of 64, Intel's in waves of 8, and Apple's.
    Common,
    /// NVIDIA's, with 255 registers per invocation; the fewer it takes, the more of them run at once.
    Nvidia,
}

/// What a kernel is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The network that it trains or evaluates.
    pub network: Network<OneHidden>,
    /// I, the number of samples. It decides where training reads them from, and whether it splits them up.
    pub samples: usize,
    /// The adapter. It decides only how training spreads a network over invocations.
    pub family: Family,
    /// Whether training minimises the loss with weight decay.
    pub decays: bool,
}

impl Target {
    /// `problem` on an adapter of `family`, without weight decay.
    pub fn of(problem: &PaperProblem<'_>, family: Family) -> Self {
        Self { network: problem.network, samples: problem.data.samples(), family, decays: false }
    }
}

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
/// The registers of an invocation of NVIDIA's.
const NVIDIA_REGISTERS: usize = 255;
/// The most sample values that several samples at a time may have there.
const NVIDIA_SAMPLE_VALUES: usize = 32;
/// The most sample values that it takes at a time: they live in scalar registers.
const NARROW_SAMPLE_VALUES: usize = 64;
/// As [`NARROW_REGISTERS`] for the shared kernel, which needs more for addresses.
const SHARED_REGISTERS: usize = 102;
/// The same on NVIDIA, where it was fastest on an H200: beyond, too few invocations run at once.
const NVIDIA_SHARED_REGISTERS: usize = 150;
/// The most values that a lane may keep of its units on a tile of samples there: Mesa's compiler does not unroll longer
/// loops, and arrays in loops that stay loops are in memory.
const NVIDIA_KEPT_VALUES: usize = 32;
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

    /// The fastest plan that keeps networks in registers, or else [`TrainPlan::Streamed`]. Samples are split up where
    /// that costs next to nothing even if all invocations of the device are busy.
    pub fn of(target: Target) -> Self {
        if !SampleLayout::narrow_fits(target) {
            return if SharedLayout::of(target).fits(target.family) { Self::Shared } else { Self::Streamed };
        }
        let splits = target.family != Family::Software && SplitLayout::that_pays(target).is_some();
        if splits { Self::Split } else { Self::Narrow }
    }

    /// Whether workgroup memory holds what the plan needs: a plan that was asked for may not.
    pub(super) fn fits(self, target: Target) -> bool {
        self != Self::Split || SplitLayout::with_lanes(2, target.network.shape).is_some()
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
    pub(super) fn networks_per_group(self, target: Target) -> usize {
        match self {
            Self::Narrow => GROUP,
            Self::Split => SplitLayout::of(target).networks_per_group(),
            Self::Shared => SharedLayout::of(target).networks_per_group(),
            Self::Streamed => 1,
        }
    }

    /// How many loop iterations, over all loops, one invocation makes in each step, and how many once. Every loop
    /// counts as if no compiler unrolled it, except that over the samples of a tile inside the streamed kernel's loops
    /// over inputs: it indexes arrays of that size, and a test checks that it is unrolled.
    pub(super) fn loop_iterations(self, target: Target) -> (u64, u64) {
        let shape = target.network.shape;
        let tiles = target.samples.div_ceil(self.tile(target)) as u64;
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
                let lanes = SplitLayout::of(target).lanes as u64;
                let descent = iterations(hidden, 0) + 3 * iterations(hidden, weights);
                let meeting = iterations((shape.parameters() as u64).div_ceil(lanes), iterations(lanes, 0));
                let step = 1 + iterations(tiles.div_ceil(lanes), 2 * iterations(hidden, inputs)) + descent + meeting;
                (step, 1 + 2 * iterations(hidden, weights))
            }
            Self::Shared => {
                let layout = SharedLayout::of(target);
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
    pub(super) fn sample_layout(self, target: Target) -> Option<SampleLayout> {
        match self {
            Self::Narrow => Some(SampleLayout::of(target)),
            Self::Split => Some(SampleLayout::of_own(target)),
            Self::Shared => Some(SampleLayout::single(target.network.shape)),
            Self::Streamed => None,
        }
    }

    /// Samples that are taken at a time. The number of samples is padded to a multiple of this.
    pub(super) fn tile(self, target: Target) -> usize {
        match self {
            Self::Narrow | Self::Split => self.sample_layout(target).map_or(1, |layout| layout.tile),
            Self::Shared => SharedLayout::of(target).tile,
            Self::Streamed => STREAMED_TILE,
        }
    }

    /// The plan in words, with all that decides in which order its sums are formed.
    pub fn in_words(self, target: Target) -> String {
        let tile = match self.tile(target) {
            1 => "1 sample at a time".to_owned(),
            tile => format!("{tile} samples at a time"),
        };
        match self {
            Self::Narrow => format!("narrow, {tile}"),
            Self::Split => format!("split over {} invocations, {tile}", SplitLayout::of(target).lanes),
            Self::Shared => format!("shared by {} invocations, {tile}", SharedLayout::of(target).lanes),
            Self::Streamed => format!("streamed, {tile}"),
        }
    }
}

/// Values that every unit keeps of each sample between the forward and the backward pass.
const fn kept(activation: Activation) -> usize {
    match activation {
        Activation::Linear | Activation::Sigmoid | Activation::Tanh | Activation::Relu => 1,
        // f' does not follow from f.
        Activation::Softplus | Activation::Gelu | Activation::Silu | Activation::Erf | Activation::Square => 2,
    }
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
    /// The largest tile for which scalar registers hold the samples, and vector registers all else.
    fn of(target: Target) -> Self {
        Self::within(target, false)
    }

    /// As [`Self::of`], where each invocation has samples of its own, which then need vector registers too.
    fn of_own(target: Target) -> Self {
        Self::within(target, true)
    }

    /// Whether the narrow kernel keeps a network in registers, if need be with one sample at a time.
    fn narrow_fits(target: Target) -> bool {
        let shape = target.network.shape;
        match target.family {
            // Theta and its gradient, the scaled biases, and r and f' of every unit.
            Family::Software | Family::Common => 2 * shape.parameters() + 3 * shape.hidden <= NARROW_REGISTERS,
            Family::Nvidia => Self::fits(target, 1, false),
        }
    }

    fn within(target: Target, own: bool) -> Self {
        // On an H200, four samples at a time are nowhere faster than two.
        let tiles: &[usize] = if target.family == Family::Nvidia { &[2] } else { &[4, 2] };
        let tile = tiles.iter().copied().find(|&tile| Self::fits(target, tile, own)).unwrap_or(1);
        Self { tile, inputs: target.network.shape.inputs, stored: own }
    }

    /// Whether registers hold what the narrow kernel needs for `tile` samples at a time.
    fn fits(target: Target, tile: usize, own: bool) -> bool {
        let OneHidden { inputs, hidden } = target.network.shape;
        let kept = kept(target.network.activation);
        let values = (inputs + 1) * tile;
        let own_values = if own { values } else { 0 };
        match target.family {
            // Theta, its gradient, the scaled biases, and what it takes to get from a unit's inputs to what it keeps.
            Family::Software | Family::Common => {
                let parameters = target.network.shape.parameters();
                let registers = 2 * parameters + hidden + kept * tile * (hidden + 4) + own_values;
                registers <= NARROW_TILE_REGISTERS && (own || values <= NARROW_SAMPLE_VALUES)
            }
            // As Mesa's compiler counts them; NVIDIA's own needs fewer.
            Family::Nvidia => {
                let unit = 7 * (inputs + 2) - 3 + kept * tile;
                // Tanh and erf have two ways to f, and what both give is there at a time.
                let ways = usize::from(matches!(target.network.activation, Activation::Tanh | Activation::Erf));
                let registers = hidden * unit + 16 + (1 + 4 * kept) * tile + ways + own_values;
                registers <= NVIDIA_REGISTERS && (tile == 1 || values <= NVIDIA_SAMPLE_VALUES)
            }
        }
    }

    /// One sample at a time, for all invocations. On an H200 the shared kernel reads long samples faster from storage,
    /// where an instruction loads four values (M = 30: 23 against 14 x 10^9 samples per second), and short ones from a
    /// uniform buffer (M = 2).
    const fn single(shape: OneHidden) -> Self {
        Self { tile: 1, inputs: shape.inputs, stored: shape.inputs > 7 }
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
    pub(super) fn of(target: Target) -> Self {
        let two = || Self::with_lanes(2, target.network.shape).unwrap_or(Self { lanes: 2, group: 2 });
        Self::that_pays(target).unwrap_or_else(two)
    }

    /// The most invocations per network that cost together at most a twelfth more than a single one; `None` if fewer
    /// than eight do, or if the registers do not hold what each needs. A sweep that leaves no invocation of the device
    /// idle loses that twelfth; one of few networks gains nearly the number of invocations.
    fn that_pays(target: Target) -> Option<Self> {
        let tiles = SampleLayout::of_own(target);
        if !SampleLayout::fits(target, tiles.tile, true) {
            return None;
        }
        let alone = Self::cost(target, SampleLayout::of(target), 1);
        let pays = |layout: &Self| 12 * Self::cost(target, tiles, layout.lanes) <= 13 * alone;
        (3..=GROUP.ilog2()).rev().filter_map(|power| Self::with_lanes(1 << power, target.network.shape)).find(pays)
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
    fn cost(target: Target, tiles: SampleLayout, lanes: usize) -> usize {
        let shape = target.network.shape;
        let sample = shape.hidden * (2 * shape.inputs + 14) + 12;
        let meeting = if lanes == 1 { 0 } else { 4 * shape.parameters() + 60 };
        let samples = target.samples.div_ceil(tiles.tile).div_ceil(lanes) * tiles.tile;
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
    /// The cheapest layout for the network that fits registers; if none does, the one that needs fewest.
    pub(super) fn of(target: Target) -> Self {
        let OneHidden { inputs, hidden } = target.network.shape;
        let layouts = (1..=MAX_WORKGROUP.ilog2()).map(|power| {
            let lanes = 1 << power;
            let values = MOST_SAMPLE_VALUES / (inputs + 1);
            let tile = MOST_SAMPLES.min(lanes).min(1 << values.max(1).ilog2());
            Self { lanes, units: hidden.div_ceil(lanes), tile, inputs }
        });
        let key = |layout: &Self| {
            let fits = layout.fits(target.family);
            if fits { (0, layout.cost()) } else { (layout.registers(), layout.cost()) }
        };
        // There is always a layout: the range of powers is not empty.
        let two = Self { lanes: 2, units: hidden.div_ceil(2), tile: 1, inputs };
        let layout = layouts.min_by_key(key).unwrap_or(two);
        match target.family {
            Family::Software | Family::Common => layout,
            Family::Nvidia => {
                let most = NVIDIA_KEPT_VALUES / (layout.units * kept(target.network.activation));
                Self { tile: layout.tile.min(1 << most.max(1).ilog2()), ..layout }
            }
        }
    }

    /// Invocations of a workgroup.
    pub(super) const fn group(&self) -> usize {
        if self.lanes > GROUP { self.lanes } else { GROUP }
    }

    /// Networks per workgroup.
    pub(super) const fn networks_per_group(&self) -> usize {
        self.group() / self.lanes
    }

    const fn fits(&self, family: Family) -> bool {
        self.registers()
            <= match family {
                Family::Software | Family::Common => SHARED_REGISTERS,
                Family::Nvidia => NVIDIA_SHARED_REGISTERS,
            }
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
    use super::{Family, SampleLayout, SharedLayout, SplitLayout, Target, TrainPlan};
    use crate::model::{Activation, Network, OneHidden};

    fn target(inputs: usize, hidden: usize, activation: Activation) -> Target {
        let network = Network { shape: OneHidden::new(inputs, hidden), activation };
        Target { network, samples: 50, family: Family::Software, decays: false }
    }

    #[test]
    fn the_plan_widens_with_the_network() {
        let plan = |inputs, hidden| TrainPlan::of(target(inputs, hidden, Activation::Sigmoid));
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

    /// The plans that were fastest on an H200, of those that do not spill.
    #[test]
    fn nvidia_takes_fewer_samples_at_a_time_and_fewer_invocations_a_network() {
        let on = |inputs, hidden, activation| Target { family: Family::Nvidia, ..target(inputs, hidden, activation) };
        let words = |inputs, hidden, activation| {
            let target = on(inputs, hidden, activation);
            TrainPlan::of(target).in_words(target)
        };
        assert_eq!(words(2, 3, Activation::Sigmoid), "narrow, 2 samples at a time");
        assert_eq!(words(2, 9, Activation::Sigmoid), "narrow, 1 sample at a time");
        assert_eq!(words(2, 9, Activation::Softplus), "shared by 2 invocations, 2 samples at a time");
        assert_eq!(words(2, 20, Activation::Sigmoid), "shared by 2 invocations, 2 samples at a time");
        assert_eq!(words(2, 64, Activation::Sigmoid), "shared by 16 invocations, 8 samples at a time");
        assert_eq!(words(2, 64, Activation::Gelu), "shared by 16 invocations, 4 samples at a time");
        assert_eq!(words(30, 1, Activation::Sigmoid), "narrow, 1 sample at a time");
        assert_eq!(words(30, 3, Activation::Sigmoid), "shared by 2 invocations, 2 samples at a time");
        assert_eq!(words(30, 10, Activation::Sigmoid), "shared by 8 invocations, 4 samples at a time");
    }

    #[test]
    fn the_narrow_kernel_takes_as_many_samples_at_a_time_as_registers_hold() {
        let layout = |inputs, hidden, activation| SampleLayout::of(target(inputs, hidden, activation));
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
        let on =
            |inputs, hidden, samples, family| Target { samples, family, ..target(inputs, hidden, Activation::Sigmoid) };
        let lanes = |inputs, hidden, samples| {
            let target = on(inputs, hidden, samples, Family::Common);
            let layout = SplitLayout::that_pays(target)?;
            assert!(layout.group >= layout.lanes && layout.networks_per_group() * layout.lanes == layout.group);
            assert_eq!(TrainPlan::of(target), TrainPlan::Split);
            Some(layout.lanes)
        };
        let sizes = [50, 400, 1_000, 2_000, 20_000];
        assert_eq!(sizes.map(|samples| lanes(2, 3, samples)), [None, None, Some(16), Some(32), Some(64)]);
        assert_eq!(sizes.map(|samples| lanes(2, 10, samples)), [None, Some(8), Some(16), Some(32), Some(64)]);
        assert_eq!(lanes(100, 1, 20_000), None);
        assert_eq!(TrainPlan::of(on(2, 3, 2_000, Family::Nvidia)), TrainPlan::Split);
        assert_eq!(TrainPlan::of(on(2, 3, 2_000, Family::Software)), TrainPlan::Narrow);
    }

    /// Every unit has a lane, a meeting has a lane for each of its samples, and groups stay within what adapters have.
    #[test]
    fn shared_layouts_cover_the_network() {
        for inputs in [1, 2, 5, 30, 45, 784] {
            for hidden in 1..=1100 {
                let layout = SharedLayout::of(target(inputs, hidden, Activation::Sigmoid));
                assert!(layout.lanes * layout.units >= hidden, "{layout:?} for N = {hidden}");
                assert!(layout.tile >= 1 && layout.tile <= layout.lanes, "{layout:?}");
                assert!(layout.group() <= 256 && layout.group().is_multiple_of(layout.lanes), "{layout:?}");
                // max(tile, 3) shares and the deltas in 16 KiB.
                assert!(
                    (layout.tile.max(3) * (layout.group() + 1) + layout.networks_per_group() * layout.tile) * 4
                        <= 16 << 10,
                    "{layout:?}"
                );
            }
        }
        let layout = SharedLayout::of(target(2, 32, Activation::Sigmoid));
        assert_eq!(layout, SharedLayout { lanes: 8, units: 4, tile: 8, inputs: 2 });
    }
}
