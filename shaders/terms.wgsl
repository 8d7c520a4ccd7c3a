// One forward pass: all that the closed forms need of theta, sample by sample; the twin of src/reference/terms.rs.
// One invocation: one network and every groups.y-th sample.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>; // [sample][x_1 .. x_M, q]
@group(0) @binding(2) var<storage, read> theta: array<f32>; // [parameter][network]
@group(0) @binding(3) var<storage, read_write> output_terms: array<f32>; // [sample][loss, s, delta][network]
@group(0) @binding(4) var<storage, read_write> r: array<f32>; // [sample][unit][network]
@group(0) @binding(5) var<storage, read_write> first: array<f32>; // [sample][unit][network], f'
@group(0) @binding(6) var<storage, read_write> second: array<f32>; // [sample][unit][network], f''

@compute @workgroup_size(64)
fn terms(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    for (var i = id.y; i < params.samples; i += groups.y) {
        let sample = i * (INPUTS + 1u);
        var z = theta[V_BIAS * networks + network];
        for (var n = 0u; n < HIDDEN; n++) {
            let f = activation(pre_activation(network, n, sample));
            z += theta[v(n) * networks + network] * f.x;
            let at = (i * HIDDEN + n) * networks + network;
            r[at] = f.x;
            first[at] = f.y;
            second[at] = f.z;
        }
        let q = samples[sample + INPUTS];
        let p = sigmoid_both(z);
        let at = i * 3u * networks + network;
        output_terms[at] = sample_loss(z, q);
        output_terms[at + networks] = p.x * p.y;
        output_terms[at + 2u * networks] = residual(z, q);
    }
}

// Bits of the leading part of each factor: with so few the sum of M + 1 products of leading parts is exact in f32.
const LEADING_BITS: u32 = (24u - (32u - countLeadingZeros(INPUTS))) / 2u;

// y_in = W[n, 0] + sum_m W[n, m] x_im, to one rounding. Weights grow large in training and their products cancel; a plain sum then
// loses the digits that decide s_i, and with them the fifth digit of an eigenvalue.
fn pre_activation(network: u32, n: u32, sample: u32) -> f32 {
    var largest_weight = 0.0;
    var largest_input = 1.0;
    for (var m = 0u; m <= INPUTS; m++) {
        largest_weight = max(largest_weight, abs(theta[w(n, m) * params.networks + network]));
        largest_input = max(largest_input, abs(input(sample, m)));
    }
    let weight_unit = unit_of_leading_part(largest_weight);
    let input_unit = unit_of_leading_part(largest_input);
    var leading = 0.0;
    var rest = 0.0;
    for (var m = 0u; m <= INPUTS; m++) {
        let weight = theta[w(n, m) * params.networks + network];
        let x = input(sample, m);
        let leading_weight = round(weight / weight_unit) * weight_unit;
        let leading_x = round(x / input_unit) * input_unit;
        leading += leading_weight * leading_x;
        rest += leading_weight * (x - leading_x) + (weight - leading_weight) * x;
    }
    return leading + rest;
}

// x_im of the sample that starts at `sample`, and 1 for the bias.
fn input(sample: u32, m: u32) -> f32 {
    if m == 0u {
        return 1.0;
    }
    return samples[sample + m - 1u];
}

// The power of two whose multiples, up to `largest`, have LEADING_BITS bits.
fn unit_of_leading_part(largest: f32) -> f32 {
    // By its bits: exp2 need not be exact.
    return bitcast<f32>((bitcast<u32>(max(largest, 0x1p-60f)) & 0x7f800000u) - ((LEADING_BITS - 1u) << 23u));
}
