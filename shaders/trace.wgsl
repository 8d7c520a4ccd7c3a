// The loss and the two blocks of tr H (paper, Theorem 2), a partial sum for each block of samples; the twin of
// src/reference/trace.rs. The host adds the blocks in f64.
// One invocation: one network and every groups.y-th block.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>; // [sample][x_1 .. x_M, q]
@group(0) @binding(2) var<storage, read> theta: array<f32>; // [parameter][network]
@group(0) @binding(3) var<storage, read> output_terms: array<f32>; // [sample][loss, s, delta][network]
@group(0) @binding(4) var<storage, read> r: array<f32>; // [sample][unit][network]
@group(0) @binding(5) var<storage, read> first: array<f32>; // [sample][unit][network]
@group(0) @binding(6) var<storage, read> second: array<f32>; // [sample][unit][network]
@group(0) @binding(7) var<storage, read_write> sums: array<f32>; // [block][loss, trace_ww, trace_vv][network]

@compute @workgroup_size(64)
fn trace(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    let blocks = (params.samples + SUM_BLOCK - 1u) / SUM_BLOCK;
    for (var block = id.y; block < blocks; block += groups.y) {
        var loss = 0.0;
        var trace_ww = 0.0;
        var trace_vv = 0.0;
        for (var i = block * SUM_BLOCK; i < min((block + 1u) * SUM_BLOCK, params.samples); i++) {
            let at = i * 3u * networks + network;
            let s = output_terms[at + networks];
            let delta = output_terms[at + 2u * networks];
            var x_sq = 1.0;
            for (var m = 0u; m < INPUTS; m++) {
                let x = samples[i * (INPUTS + 1u) + m];
                x_sq += x * x;
            }
            var r_sq = 1.0;
            var square = 0.0;
            var curvature = 0.0;
            for (var n = 0u; n < HIDDEN; n++) {
                let unit = (i * HIDDEN + n) * networks + network;
                let weight = theta[v(n) * networks + network];
                let v_first = weight * first[unit];
                square += v_first * v_first;
                curvature += weight * second[unit];
                r_sq += r[unit] * r[unit];
            }
            loss += output_terms[at];
            trace_ww += x_sq * (s * square + delta * curvature);
            trace_vv += s * r_sq;
        }
        let at = block * 3u * networks + network;
        sums[at] = loss;
        sums[at + networks] = trace_ww;
        sums[at + 2u * networks] = trace_vv;
    }
}
