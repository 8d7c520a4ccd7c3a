// Twin: src/reference/layers/forms.rs
// Parts: params, layer_entries
// tr H^2 of networks of any depth as the sum of the squares of H's entries. No entry is stored. One invocation: one
// network and one item, a tile of entries on or above the diagonal. A block of samples is about as long as there are
// blocks.

// [item % ITEM_SUMS][network], zero before the first item.
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn layer_trace_sq(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    let number = params.first_row + group.y;
    let item = item(number);
    var total = mat4x4<f32>();
    let length = entry_block(params.samples);
    for (var block = 0u; block < params.samples; block += length) {
        let part = tile_sums(item, block, min(block + length, params.samples), network);
        total[0] += part[0];
        total[1] += part[1];
        total[2] += part[2];
        total[3] += part[3];
    }
    // How often each entry of the tile stands in H.
    let times = f32(items[number * ITEM_FIELDS + 11u]);
    let is_column = vec4(0u, 1u, 2u, 3u) < vec4(item.right_count);
    var square = 0.0;
    for (var p = 0u; p < 4u; p++) {
        let row = select(vec4(0.0), total[p], is_column);
        square += select(0.0, dot(row, row), p < item.left_count);
    }
    sums[number % ITEM_SUMS * networks + network] += times * square;
}

// The samples of a block: the power of two next to the root of their number, or twice that.
fn entry_block(samples: u32) -> u32 {
    return 1u << ((33u - countLeadingZeros(samples)) / 2u);
}
