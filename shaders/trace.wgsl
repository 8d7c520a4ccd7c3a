// The loss, the two blocks of tr H (paper, Theorem 2) and what their rounding follows from, a partial sum for each block of samples;
// the twin of src/reference/trace.rs. The host adds the blocks in f64.
// One invocation: one network and every groups.y-th block.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>; // [sample][x_1 .. x_M, q]
@group(0) @binding(2) var<storage, read> theta: array<f32>; // [parameter][network]
// [sample][loss, s, delta, size, perturbation][network]
@group(0) @binding(3) var<storage, read> output_terms: array<f32>;
@group(0) @binding(4) var<storage, read> r: array<f32>; // [sample][unit][network]
@group(0) @binding(5) var<storage, read> first: array<f32>; // [sample][unit][network]
@group(0) @binding(6) var<storage, read> second: array<f32>; // [sample][unit][network]
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
            // Sums of sums: the rounding error grows with the part and the number of parts, not with their product.
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
    var x_sq = 1.0;
    for (var m = 0u; m < INPUTS; m++) {
        let x = samples[i * (INPUTS + 1u) + m];
        x_sq += x * x;
    }
    var r_sq = 1.0;
    var square = 0.0;
    var curvature = 0.0;
    for (var n = 0u; n < HIDDEN; n++) {
        let unit = (i * HIDDEN + n) * params.networks + network;
        let weight = theta[v(n) * params.networks + network];
        let v_first = weight * first[unit];
        square += v_first * v_first;
        curvature += weight * second[unit];
        r_sq += r[unit] * r[unit];
    }
    return vec2(x_sq * (s * square + delta * curvature), s * r_sq);
}
