// Twin: src/reference/trace.rs
// Parts: params, theta, samples, evaluation
// The loss, the two blocks of tr H (paper, Theorem 2) and what their rounding follows from, as a partial sum for each
// block of samples. The host adds the blocks in f64. One invocation: one network and every groups.y-th block.

// [block][loss, trace_ww, trace_vv, size, perturbation][network]
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn trace(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    let blocks = (params.samples + SUM_BLOCK - 1u) / SUM_BLOCK;
    for (var block = id.y; block < blocks; block += groups.y) {
        let end = min((block + 1u) * SUM_BLOCK, params.samples);
        var total = Sums();
        for (var start = block * SUM_BLOCK; start < end; start += SUM_PART) {
            var part = Sums();
            for (var i = start; i < min(start + SUM_PART, end); i++) {
                let at = i * OUTPUT_TERMS * networks + network;
                let traces = sample_traces(network, i, output_terms[at + networks], output_terms[at + 2u * networks]);
                part.loss += output_terms[at];
                part.traces += vec4(traces, output_terms[at + 3u * networks], output_terms[at + 4u * networks]);
            }
            total.loss += part.loss;
            total.traces += part.traces;
        }
        let at = block * TRACE_SUMS * networks + network;
        sums[at] = total.loss;
        sums[at + networks] = total.traces.x;
        sums[at + 2u * networks] = total.traces.y;
        sums[at + 3u * networks] = total.traces.z;
        sums[at + 4u * networks] = total.traces.w;
    }
}

struct Sums {
    loss: f32,
    traces: vec4<f32>, // trace_ww, trace_vv, size, perturbation
}

// The share of sample i in tr H(w,w) and tr H(v,v).
fn sample_traces(network: u32, i: u32, s: f32, delta: f32) -> vec2<f32> {
    let x_sq = input_sq(i * (INPUTS + 1u));
    var r_sq = 1.0;
    var square = 0.0;
    var curvature = 0.0;
    for (var n = 0u; n < HIDDEN; n++) {
        let unit = (i * HIDDEN + n) * params.networks + network;
        let weight = theta[v(n) * params.networks + network];
        let v_df = weight * df[unit];
        square += v_df * v_df;
        curvature += weight * ddf[unit];
        r_sq += r[unit] * r[unit];
    }
    return vec2(x_sq * (s * square + delta * curvature), s * r_sq);
}
