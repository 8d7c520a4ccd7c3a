// Twin: src/reference/hessian.rs
// Parts: params, theta, evaluation
// tr H^2 as the sum of the squares of H's entries (paper, Eqs. 13-18). No entry is stored.
//
// Take unit 0 to be the output bias, with r = 1 and no weights of its own. Then H falls into blocks, one for each pair
// of units a <= b, and a block into tiles of inputs. One invocation: one network and one item, that is a tile of
//   H(w,w): sum_i h_p h_q (s v_a f'_a v_b f'_b + [a = b] delta v_a f''_a),
// and, with a tile on the diagonal, the same inputs' rows of both sides of
//   H(w,v): sum_i h_p (s v_a f'_a r_b + [a = b] delta f'_a), and the same with a and b exchanged,
// and with the first tile H(v,v): sum_i s r_a r_b. A block of samples is about as long
// as there are blocks.

// [sample][1, x_1 .. x_M, 0 ..], INPUT_TILES * INPUT_TILE wide.
@group(0) @binding(1) var<storage, read> inputs: array<f32>;
// [item % ITEM_SUMS][network], zero before the first item.
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn trace_sq_assembled(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    let item = params.first_row + group.y;
    let pair = triangle(item / INPUT_TILE_PAIRS);
    let tiles = triangle(item % INPUT_TILE_PAIRS);
    let a = pair.x;
    let b = pair.y;
    let diagonal = a == b;
    // Unit 0 has no weights: with v = 0 its share of every block but H(v,v) and H(w,v)'s bias column is 0.
    let v_a = select(0.0, theta[v(max(a, 1u) - 1u) * networks + network], a > 0u);
    let v_b = select(0.0, theta[v(max(b, 1u) - 1u) * networks + network], b > 0u);
    let curved = select(0.0, 1.0, diagonal && a > 0u);

    // A tile of H(w,w) at [p][q], the rows of H(w,v) and their mirror images, and H(v,v).
    var total_ww: array<array<f32, INPUT_TILE>, INPUT_TILE>;
    var total_wv: array<f32, INPUT_TILE>;
    var total_vw: array<f32, INPUT_TILE>;
    var total_vv = 0.0;
    let length = entry_block(params.samples);
    for (var block = 0u; block < params.samples; block += length) {
        var part_ww: array<array<f32, INPUT_TILE>, INPUT_TILE>;
        var part_wv: array<f32, INPUT_TILE>;
        var part_vw: array<f32, INPUT_TILE>;
        var part_vv = 0.0;
        for (var i = block; i < min(block + length, params.samples); i++) {
            let s = output_terms[(i * OUTPUT_TERMS + 1u) * networks + network];
            let delta = curved * output_terms[(i * OUTPUT_TERMS + 2u) * networks + network];
            let at_a = (i * HIDDEN + max(a, 1u) - 1u) * networks + network;
            let at_b = (i * HIDDEN + max(b, 1u) - 1u) * networks + network;
            let r_a = select(1.0, r[at_a], a > 0u);
            let r_b = select(1.0, r[at_b], b > 0u);
            let s_a = s * v_a * df[at_a];
            let s_b = s * v_b * df[at_b];
            let ww = fma(s_a, v_b * df[at_b], delta * v_a * ddf[at_a]);
            let wv = fma(s_a, r_b, delta * df[at_a]);
            let vw = s_b * r_a;
            part_vv = fma(s * r_a, r_b, part_vv);
            let row = i * (INPUT_TILES * INPUT_TILE);
            for (var p = 0u; p < INPUT_TILE; p++) {
                let h_p = inputs[row + tiles.y * INPUT_TILE + p];
                part_wv[p] = fma(wv, h_p, part_wv[p]);
                part_vw[p] = fma(vw, h_p, part_vw[p]);
                for (var q = 0u; q < INPUT_TILE; q++) {
                    if !below_diagonal(p, q) {
                        part_ww[p][q] = fma(ww * h_p, inputs[row + tiles.x * INPUT_TILE + q], part_ww[p][q]);
                    }
                }
            }
        }
        total_vv += part_vv;
        for (var p = 0u; p < INPUT_TILE; p++) {
            total_wv[p] += part_wv[p];
            total_vw[p] += part_vw[p];
            for (var q = 0u; q < INPUT_TILE; q++) {
                total_ww[p][q] += part_ww[p][q];
            }
        }
    }

    // How often each entry stands in H: a block off the diagonal has its mirror image, a tile off its block's diagonal
    // too.
    let block_count = select(2.0, 1.0, diagonal);
    let tile_count = select(2.0, 1.0, tiles.x == tiles.y);
    let rows_count = select(0.0, 2.0, tiles.x == tiles.y);
    let vw_count = select(rows_count, 0.0, diagonal);
    var square = select(0.0, block_count, tiles.y == 0u) * total_vv * total_vv;
    for (var p = 0u; p < INPUT_TILE; p++) {
        var row = rows_count * total_wv[p] * total_wv[p];
        row = fma(vw_count * total_vw[p], total_vw[p], row);
        for (var q = 0u; q < INPUT_TILE; q++) {
            let mirrored = INPUT_TILES == 1u && p != q;
            let count = block_count * tile_count * select(1.0, 2.0, mirrored);
            row = fma(count * total_ww[p][q], total_ww[p][q], row);
        }
        square += row;
    }
    sums[item % ITEM_SUMS * networks + network] += square;
}

// The samples of a block: the power of two next to the root of their number, or twice that.
fn entry_block(samples: u32) -> u32 {
    return 1u << ((33u - countLeadingZeros(samples)) / 2u);
}

// With a single tile only one half of it is summed.
fn below_diagonal(p: u32, q: u32) -> bool {
    return INPUT_TILES == 1u && q < p;
}

// The k-th pair (x, y) with x <= y, in the order (0,0), (0,1), (1,1), (0,2) ..: y (y + 1) / 2 pairs come before (0, y).
fn triangle(k: u32) -> vec2<u32> {
    // The root is exact to one: f32 holds k < 2^24 exactly.
    var y = u32((sqrt(8.0 * f32(k) + 1.0) - 1.0) * 0.5);
    if y * (y + 1u) / 2u > k {
        y -= 1u;
    }
    if (y + 1u) * (y + 2u) / 2u <= k {
        y += 1u;
    }
    return vec2(k - y * (y + 1u) / 2u, y);
}
