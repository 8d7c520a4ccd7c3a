// Parts: params
// What layer_terms.wgsl reads, leaves and works with.

// [sample][x_1 .. x_M, the targets, omega].
@group(0) @binding(2) var<storage, read> samples: array<f32>;
// [parameter][network], and then by how much the network's weights and inputs may be off already, relative: [network].
@group(0) @binding(3) var<storage, read> theta: array<f32>;
// [sample][row][network]: h of every layer, then g of every unit, then f' of every hidden unit.
@group(0) @binding(4) var<storage, read_write> units: array<f32>;
// [sample][element][network]: the matrices M and E.
@group(0) @binding(5) var<storage, read_write> pairs: array<f32>;
// [sample][loss, size, perturbation, trace of each layer][network].
@group(0) @binding(6) var<storage, read_write> output_terms: array<f32>;
// [field][unit][invocation].
@group(0) @binding(7) var<storage, read_write> work: array<f32>;

// What is kept of each unit while a sample is evaluated: f'' or an output z, and the errors of h or z, f', f'' and g.
const BENT: u32 = 0u;
const VALUE_ERROR: u32 = 1u;
const SLOPE_ERROR: u32 = 2u;
const BENT_ERROR: u32 = 3u;
const G_ERROR: u32 = 4u;

// A network and one of its samples.
struct Spot {
    network: u32,
    sample: u32,
    // The invocation, and how many there are.
    slot: u32,
    slots: u32,
}

fn unit_at(spot: Spot, row: u32) -> u32 {
    return (spot.sample * UNIT_ROWS + row) * params.networks + spot.network;
}

fn pair_at(spot: Spot, element: u32) -> u32 {
    return (spot.sample * PAIR_ELEMENTS + element) * params.networks + spot.network;
}

fn work_at(spot: Spot, field: u32, unit: u32) -> u32 {
    return (field * ALL_UNITS + unit) * spot.slots + spot.slot;
}

fn weight_at(spot: Spot, parameter: u32) -> f32 {
    return theta[parameter * params.networks + spot.network];
}

// Value k of a sample: x_1 .. x_M, the targets, omega.
fn sample_value(spot: Spot, k: u32) -> f32 {
    return samples[spot.sample * SAMPLE_VALUES + k];
}
