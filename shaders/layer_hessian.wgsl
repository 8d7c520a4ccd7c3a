// Twin: src/reference/layers/forms.rs
// Parts: params, layer_entries
// The full Hessian of networks of any depth, added up over dispatches. One invocation: one network and one item, a tile
// of entries on or above the diagonal; the mirror images are written too.

@group(0) @binding(4) var<storage, read_write> matrices: array<f32>; // [network][column][row]

@compute @workgroup_size(64)
fn layer_hessian(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let network = id.x;
    if network >= params.networks {
        return;
    }
    let number = params.first_row + group.y;
    let item = item(number);
    var total = mat4x4<f32>();
    for (var block = params.first_sample; block < params.end_sample; block += SUM_BLOCK) {
        let part = tile_sums(item, block, min(block + SUM_BLOCK, params.end_sample), network);
        total[0] += part[0];
        total[1] += part[1];
        total[2] += part[2];
        total[3] += part[3];
    }
    // The parameters of the first row and column, and the distances to the next.
    let at = number * ITEM_FIELDS + 12u;
    let matrix = network * PARAMETERS * PARAMETERS;
    for (var p = 0u; p < 4u; p++) {
        for (var q = 0u; q < 4u; q++) {
            // A tile on the diagonal has its mirror images itself.
            let is_own = items[at] != items[at + 2u] || p <= q;
            if is_own && p < item.left_count && q < item.right_count {
                let row = items[at] + p * items[at + 1u];
                let column = items[at + 2u] + q * items[at + 3u];
                let place = matrix + row * PARAMETERS + column;
                let sum = matrices[place] + total[p][q];
                matrices[place] = sum;
                matrices[matrix + column * PARAMETERS + row] = sum;
            }
        }
    }
}
