// Twin: src/reference/trace_sq.rs
// Parts: params, theta, samples, evaluation
// tr H^2 from Phi, Psi and Omega of every unordered pair of samples, each once (paper, Theorem 5 and Eq. 25). No
// Hessian is formed.
//
// One workgroup: 64 networks and one row of tiles, that is two samples i against the dispatch's j >= i, two at a time.
// The four pairs of a tile sit in the lanes of a vec4 as (i0 j0, i0 j1, i1 j0, i1 j1). K depends on the data alone, so
// the workgroup computes it once for its 64 networks. The host adds the rows in f64.

@group(0) @binding(7) var<storage, read_write> sums: array<f32>; // [row][network]

// K_ij = 1 + x_i.x_j of the row's two samples with the next 64 samples j: (K of i0, K of i1) at j.
var<workgroup> input_gram: array<vec2<f32>, 64>;

@compute @workgroup_size(64)
fn trace_sq(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Lanes past the last network do not leave, since all must meet at the barriers: they sum the last one's pairs once
    // more and store nothing. So all loops end alike in all lanes, which some compilers want around a barrier.
    let present = group.x * 64u + lane < params.networks;
    let network = min(group.x * 64u + lane, params.networks - 1u);
    let row = params.first_row + group.y;
    let i = 2u * row;
    var total = 0.0;
    for (var block = max(i, params.first_sample); block < params.end_sample; block += 64u) {
        workgroupBarrier();
        input_gram[lane] = input_products(i, block + lane);
        workgroupBarrier();
        var part = 0.0;
        let end = min(block + 64u, params.end_sample);
        for (var j = block; j < end; j += 2u) {
            let k_j0 = input_gram[j - block];
            let k_j1 = input_gram[j - block + 1u];
            part += tile(network, i, j, vec4(k_j0.x, k_j1.x, k_j0.y, k_j1.y));
        }
        total += part;
    }
    if present {
        sums[row * params.networks + network] += total;
    }
}

// 1 + x_i.x_j for i and i + 1; samples past the end count as the last one, and their pairs get no weight.
fn input_products(i: u32, j: u32) -> vec2<f32> {
    let last = params.samples - 1u;
    let row0 = i * (INPUTS + 1u);
    let row1 = min(i + 1u, last) * (INPUTS + 1u);
    let column = min(j, last) * (INPUTS + 1u);
    var products = vec2(1.0);
    for (var m = 0u; m < INPUTS; m++) {
        products += vec2(samples[row0 + m], samples[row1 + m]) * samples[column + m];
    }
    return products;
}

// How often a pair counts: twice for i < j, once on the diagonal, never below it or past the last sample.
fn pair_weight(i: u32, j: u32) -> f32 {
    if i >= params.samples || j >= params.samples || j < i {
        return 0.0;
    }
    return select(2.0, 1.0, i == j);
}

// The weighted sum of phi K^2 + 2 psi K + omega R^2 over the pairs of {i, i + 1} and {j, j + 1}.
fn tile(network: u32, i: u32, j: u32, k: vec4<f32>) -> f32 {
    let networks = params.networks;
    let last = params.samples - 1u;
    let i0 = i;
    let i1 = min(i + 1u, last);
    let j0 = j;
    let j1 = min(j + 1u, last);

    var a = vec4(0.0);
    var b_ij = vec4(0.0);
    var b_ji = vec4(0.0);
    var c = vec4(0.0);
    var e_ij = vec4(0.0);
    var e_ji = vec4(0.0);
    var g = vec4(0.0);
    var hidden_gram = vec4(1.0);
    for (var n = 0u; n < HIDDEN; n++) {
        let weight = theta[v(n) * networks + network];
        let at_i0 = (i0 * HIDDEN + n) * networks + network;
        let at_i1 = (i1 * HIDDEN + n) * networks + network;
        let at_j0 = (j0 * HIDDEN + n) * networks + network;
        let at_j1 = (j1 * HIDDEN + n) * networks + network;
        let r_i = vec4(r[at_i0], r[at_i0], r[at_i1], r[at_i1]);
        let r_j = vec4(r[at_j0], r[at_j1], r[at_j0], r[at_j1]);
        let df_i = vec4(df[at_i0], df[at_i0], df[at_i1], df[at_i1]);
        let df_j = vec4(df[at_j0], df[at_j1], df[at_j0], df[at_j1]);
        // v f' and v f'': each form is then a plain product of the two sides.
        let v_df_i = weight * df_i;
        let v_df_j = weight * df_j;
        let v_ddf_i = weight * vec4(ddf[at_i0], ddf[at_i0], ddf[at_i1], ddf[at_i1]);
        let v_ddf_j = weight * vec4(ddf[at_j0], ddf[at_j1], ddf[at_j0], ddf[at_j1]);
        a += v_df_i * v_df_j;
        b_ij += v_df_i * v_df_i * v_ddf_j;
        b_ji += v_df_j * v_df_j * v_ddf_i;
        c += v_ddf_i * v_ddf_j;
        e_ij += r_i * v_df_i * df_j;
        e_ji += r_j * v_df_j * df_i;
        g += df_i * df_j;
        hidden_gram += r_i * r_j;
    }

    let s_at = networks + network;
    let delta_at = 2u * networks + network;
    let stride = OUTPUT_TERMS * networks;
    let s_i = vec4(vec2(output_terms[i0 * stride + s_at]), vec2(output_terms[i1 * stride + s_at]));
    let s_j = vec2(output_terms[j0 * stride + s_at], output_terms[j1 * stride + s_at]).xyxy;
    let delta_i = vec4(vec2(output_terms[i0 * stride + delta_at]), vec2(output_terms[i1 * stride + delta_at]));
    let delta_j = vec2(output_terms[j0 * stride + delta_at], output_terms[j1 * stride + delta_at]).xyxy;

    let phi = s_i * s_j * a * a + s_i * delta_j * b_ij + s_j * delta_i * b_ji + delta_i * delta_j * c;
    let psi = s_i * s_j * hidden_gram * a + s_i * delta_j * e_ij + s_j * delta_i * e_ji + delta_i * delta_j * g;
    let omega = s_i * s_j;
    let pairs = phi * k * k + 2.0 * psi * k + omega * hidden_gram * hidden_gram;
    let weights = vec4(
        pair_weight(i, j),
        pair_weight(i, j + 1u),
        pair_weight(i + 1u, j),
        pair_weight(i + 1u, j + 1u),
    );
    return dot(weights, pairs);
}
