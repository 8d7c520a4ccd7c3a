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
            var y = theta[w(n, 0u) * networks + network];
            for (var m = 1u; m <= INPUTS; m++) {
                y += theta[w(n, m) * networks + network] * samples[sample + m - 1u];
            }
            let f = activation(y);
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
