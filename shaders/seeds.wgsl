// Twin: src/model/seeds.rs
// Parts: params, philox
// theta_0 of every network of the batch, bit-equal to its twin's.
// One invocation: one Philox block (four parameters) of one network.

@group(0) @binding(1) var<storage, read_write> theta: array<f32>; // [network][parameter]

@compute @workgroup_size(64)
fn seeds(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    if network >= params.networks {
        return;
    }
    // A 64-bit sum of the batch's first seed and the network's place in it.
    let seed_low = params.seed_low + network;
    let seed_high = params.seed_high + select(0u, 1u, seed_low < network);
    for (var block = id.y; block * 4u < PARAMETERS; block += groups.y) {
        let words = philox4x32_10(vec4(block, 0u, 0u, 0u), vec2(seed_low, seed_high));
        for (var k = 0u; k < 4u; k++) {
            let parameter = block * 4u + k;
            if parameter < PARAMETERS {
                theta[network * PARAMETERS + parameter] = uniform_symmetric(words[k]);
            }
        }
    }
}

// Uniform on (-a, a) from the 24 high bits: an exact integer times one factor, so there is nothing to round
// differently.
fn uniform_symmetric(word: u32) -> f32 {
    let odd = i32(2u * (word >> 8u) + 1u) - (1 << 24u);
    return f32(odd) * (params.init_range * 0x1p-24f);
}
