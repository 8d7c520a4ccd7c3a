// Twin: src/reference/hessian.rs
// Parts: params, theta, samples, evaluation
// The full Hessian of every network (paper, Eqs. 15-18), added up over dispatches.
//
// With J_i = dz_i/dtheta it is sum_i s_i J_i J_i^T plus, between parameters of one and the same unit, a part with
// delta_i. One invocation: one network and one tile of 4 x 4 elements on or above the diagonal; the mirror images are
// written too.

@group(0) @binding(7) var<storage, read_write> matrices: array<f32>; // [network][column][row]

const TILES: u32 = (PARAMETERS + 3u) / 4u;

// Where a parameter stands in the network.
struct Place {
    // The hidden unit; HIDDEN for v_0.
    unit: u32,
    // Whether it belongs to W, and to which input (0 is the bias).
    in_w: bool,
    input: u32,
    // v_n for W[n, m], 1 for the rest.
    weight: f32,
}

@compute @workgroup_size(64)
fn hessian(@builtin(global_invocation_id) id: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    // Tile number -> (row, column) of the triangle, row by row.
    var tile = params.first_row + id.y;
    var tile_row = 0u;
    for (var row = 0u; row < TILES; row++) {
        tile_row = row;
        if tile < TILES - row {
            break;
        }
        tile -= TILES - row;
    }
    let row = 4u * tile_row;
    let column = 4u * (tile_row + tile);

    var rows: array<Place, 4>;
    var columns: array<Place, 4>;
    for (var k = 0u; k < 4u; k++) {
        rows[k] = place(network, row + k);
        columns[k] = place(network, column + k);
    }
    // Where the tile has two parameters of one unit: both of W, or the second an output weight.
    var both_in_w = mat4x4<f32>();
    var across = mat4x4<f32>();
    var same_unit = false;
    for (var a = 0u; a < 4u; a++) {
        for (var b = 0u; b < 4u; b++) {
            let same = rows[a].in_w && rows[a].unit == columns[b].unit;
            both_in_w[a][b] = select(0.0, rows[a].weight, same && columns[b].in_w);
            across[a][b] = select(0.0, 1.0, same && !columns[b].in_w);
            same_unit = same_unit || same;
        }
    }

    var total = mat4x4<f32>();
    for (var block = params.first_sample; block < params.end_sample; block += SUM_BLOCK) {
        var part = mat4x4<f32>();
        for (var i = block; i < min(block + SUM_BLOCK, params.end_sample); i++) {
            let s = output_terms[(i * OUTPUT_TERMS + 1u) * networks + network];
            let left = s * vec4(
                output_change(network, i, rows[0]),
                output_change(network, i, rows[1]),
                output_change(network, i, rows[2]),
                output_change(network, i, rows[3]),
            );
            let right = vec4(
                output_change(network, i, columns[0]),
                output_change(network, i, columns[1]),
                output_change(network, i, columns[2]),
                output_change(network, i, columns[3]),
            );
            part[0] += left[0] * right;
            part[1] += left[1] * right;
            part[2] += left[2] * right;
            part[3] += left[3] * right;
            if same_unit {
                let delta = output_terms[(i * OUTPUT_TERMS + 2u) * networks + network];
                let sample = i * (INPUTS + 1u);
                let x = vec4(
                    input(sample, columns[0].input),
                    input(sample, columns[1].input),
                    input(sample, columns[2].input),
                    input(sample, columns[3].input),
                );
                part[0] += delta * curvature(network, i, rows[0], both_in_w[0] * x, across[0]);
                part[1] += delta * curvature(network, i, rows[1], both_in_w[1] * x, across[1]);
                part[2] += delta * curvature(network, i, rows[2], both_in_w[2] * x, across[2]);
                part[3] += delta * curvature(network, i, rows[3], both_in_w[3] * x, across[3]);
            }
        }
        total[0] += part[0];
        total[1] += part[1];
        total[2] += part[2];
        total[3] += part[3];
    }

    let matrix = network * PARAMETERS * PARAMETERS;
    for (var a = 0u; a < 4u; a++) {
        for (var b = 0u; b < 4u; b++) {
            if row + a <= column + b && column + b < PARAMETERS {
                let above = matrix + (row + a) * PARAMETERS + column + b;
                let sum = matrices[above] + total[a][b];
                matrices[above] = sum;
                matrices[matrix + (column + b) * PARAMETERS + row + a] = sum;
            }
        }
    }
}

// Parameters past the last count as the last one, and their elements are not written.
fn place(network: u32, parameter: u32) -> Place {
    let d = min(parameter, PARAMETERS - 1u);
    if d < V_BIAS {
        let n = d % HIDDEN;
        return Place(n, true, d / HIDDEN, theta[v(n) * params.networks + network]);
    }
    return Place(select(d - V_BIAS - 1u, HIDDEN, d == V_BIAS), false, 0u, 1.0);
}

// dz_i/dtheta of one parameter: v_n f'_in x_im, 1, or r_in.
fn output_change(network: u32, i: u32, at: Place) -> f32 {
    if at.unit == HIDDEN {
        return 1.0;
    }
    let unit = (i * HIDDEN + at.unit) * params.networks + network;
    if at.in_w {
        return at.weight * df[unit] * input(i * (INPUTS + 1u), at.input);
    }
    return r[unit];
}

// What delta multiplies in a row of W: v_n f''_in x_im x_il beside W[n, l], f'_in x_im beside v_n, 0 beside other
// units.
fn curvature(network: u32, i: u32, row: Place, both_in_w: vec4<f32>, across: vec4<f32>) -> vec4<f32> {
    if !row.in_w {
        return vec4(0.0);
    }
    let unit = (i * HIDDEN + row.unit) * params.networks + network;
    return input(i * (INPUTS + 1u), row.input) * (ddf[unit] * both_in_w + df[unit] * across);
}
