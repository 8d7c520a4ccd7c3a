// Twin: src/reference/layers/forms.rs
// Parts: params, layer_places
// dL/dW_l = sum_i g_l h_{l-1}^T, added up over dispatches. The host squares and sums it in f64.
// One invocation: one network and every groups.y-th parameter.

@group(0) @binding(2) var<storage, read> units: array<f32>; // [sample][row][network]
@group(0) @binding(3) var<storage, read_write> output: array<f32>; // [parameter][network]

@compute @workgroup_size(64)
fn layer_gradient(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    for (var parameter = id.y; parameter < PARAMETERS; parameter += groups.y) {
        var l = 0u;
        for (var next = 1u; next < LAYERS; next++) {
            l = select(l, next, parameter >= start_of(next));
        }
        let place = parameter - start_of(l);
        let g = g_row(l) + place % units_of(l);
        let h = h_row(l) + place / units_of(l);
        var total = 0.0;
        for (var block = params.first_sample; block < params.end_sample; block += SUM_BLOCK) {
            var part = 0.0;
            for (var i = block; i < min(block + SUM_BLOCK, params.end_sample); i++) {
                let sample = i * UNIT_ROWS;
                part += units[(sample + g) * networks + network] * units[(sample + h) * networks + network];
            }
            total += part;
        }
        output[parameter * networks + network] += total;
    }
}
