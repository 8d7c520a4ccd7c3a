// Twin: src/reference/gradient.rs
// Parts: params, theta, samples, evaluation
// dL/dtheta (paper, Eqs. 11-12), added up over dispatches. The host squares and sums it in f64.
// One invocation: one network and every groups.y-th parameter.

@group(0) @binding(7) var<storage, read_write> output: array<f32>; // [parameter][network]

@compute @workgroup_size(64)
fn gradient(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    if network >= params.networks {
        return;
    }
    for (var parameter = id.y; parameter < PARAMETERS; parameter += groups.y) {
        var total = 0.0;
        for (var block = params.first_sample; block < params.end_sample; block += SUM_BLOCK) {
            var part = 0.0;
            for (var i = block; i < min(block + SUM_BLOCK, params.end_sample); i++) {
                part += sample_gradient(network, parameter, i);
            }
            total += part;
        }
        output[parameter * params.networks + network] += total;
    }
}

// The share of sample i in dL/dtheta_parameter.
fn sample_gradient(network: u32, parameter: u32, i: u32) -> f32 {
    let networks = params.networks;
    let delta = output_terms[(i * OUTPUT_TERMS + 2u) * networks + network];
    if parameter == V_BIAS {
        return delta;
    }
    if parameter > V_BIAS {
        let n = parameter - V_BIAS - 1u;
        return delta * r[(i * HIDDEN + n) * networks + network];
    }
    let n = parameter % HIDDEN;
    let m = parameter / HIDDEN;
    let back = delta * theta[v(n) * networks + network] * df[(i * HIDDEN + n) * networks + network];
    if m == 0u {
        return back;
    }
    return back * samples[i * (INPUTS + 1u) + m - 1u];
}
