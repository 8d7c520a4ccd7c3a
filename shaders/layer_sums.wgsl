// Twin: src/reference/layers/forms.rs
// Parts: params
// What layer_terms.wgsl leaves of each sample, as a partial sum for each block of samples: the host adds the blocks in
// f64. One invocation: one network and every groups.y-th sum.

// [sample][loss, size, perturbation, trace of each layer][network].
@group(0) @binding(1) var<storage, read> output_terms: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>; // [block][as output_terms][network]

@compute @workgroup_size(64)
fn layer_sums(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    let blocks = (params.samples + SUM_BLOCK - 1u) / SUM_BLOCK;
    for (var row = id.y; row < blocks * OUTPUT_TERMS; row += groups.y) {
        let block = row / OUTPUT_TERMS;
        let end = min((block + 1u) * SUM_BLOCK, params.samples);
        var total = 0.0;
        for (var start = block * SUM_BLOCK; start < end; start += SUM_PART) {
            var part = 0.0;
            for (var i = start; i < min(start + SUM_PART, end); i++) {
                part += output_terms[(i * OUTPUT_TERMS + row % OUTPUT_TERMS) * networks + network];
            }
            total += part;
        }
        sums[row * networks + network] = total;
    }
}
