// Twin: src/gpu/layers/places.rs
// Parts: params
// Tiles of the Hessian of networks of any depth. Between unit a of layer l and unit b of layer m >= l, the entry of
// their inputs p and q is sum_i h_l[p] (M_lm[a, b] h_m[q] + R_lm[q, a] g_m[b]), with R_lm[q, a] = f'_{m-1}[q]
// E_{l,m-1}[q, a], where the bias has none; a tile has up to 4 x 4 of them. The host says where an item, one tile,
// finds what.

@group(0) @binding(1) var<storage, read> items: array<u32>; // [item][field]
@group(0) @binding(2) var<storage, read> units: array<f32>; // [sample][row][network]
@group(0) @binding(3) var<storage, read> pairs: array<f32>; // [sample][element][network]

// How an item has R: not at all, from f' of unit a alone, or from E.
const SAME_LAYER: u32 = 0u;
const NEXT_LAYER: u32 = 1u;

struct Item {
    // The rows of h_l[p] and h_m[q], and how many.
    left: u32,
    left_count: u32,
    right: u32,
    right_count: u32,
    // M[a, b], and the row of g_m[b].
    m: u32,
    g: u32,
    // How it has R.
    kind: u32,
    // For NEXT_LAYER the row of f' of unit a, and the column of the tile where R is that. For others the row of f'
    // of the first column, that column's E, the distance to the next column's, and the first column that has any.
    df: u32,
    e: u32,
    e_stride: u32,
    first_fed: u32,
}

fn item(number: u32) -> Item {
    let at = number * ITEM_FIELDS;
    return Item(
        items[at],
        items[at + 1u],
        items[at + 2u],
        items[at + 3u],
        items[at + 4u],
        items[at + 5u],
        items[at + 6u],
        items[at + 7u],
        items[at + 8u],
        items[at + 9u],
        items[at + 10u],
    );
}

// Up to four neighbouring rows of one sample; those past the last count as the last.
fn four(sample: u32, row: u32, count: u32, network: u32) -> vec4<f32> {
    let networks = params.networks;
    let first = (sample * UNIT_ROWS + row) * networks + network;
    return vec4(
        units[first],
        units[first + min(1u, count - 1u) * networks],
        units[first + min(2u, count - 1u) * networks],
        units[first + min(3u, count - 1u) * networks],
    );
}

// R of the column k of a tile.
fn fed(item: Item, sample: u32, k: u32, network: u32) -> f32 {
    let column = clamp(k, item.first_fed, item.right_count - 1u);
    let networks = params.networks;
    let slope = units[(sample * UNIT_ROWS + item.df + column) * networks + network];
    let e = pairs[(sample * PAIR_ELEMENTS + item.e + column * item.e_stride) * networks + network];
    return select(0.0, slope * e, k == column);
}

// What the samples `first` to `end` add to a tile, at [p][q].
fn tile_sums(item: Item, first: u32, end: u32, network: u32) -> mat4x4<f32> {
    let networks = params.networks;
    var part = mat4x4<f32>();
    for (var i = first; i < end; i++) {
        let left = four(i, item.left, item.left_count, network);
        let curvature = pairs[(i * PAIR_ELEMENTS + item.m) * networks + network];
        var right = curvature * four(i, item.right, item.right_count, network);
        if item.kind != SAME_LAYER {
            let g = units[(i * UNIT_ROWS + item.g) * networks + network];
            if item.kind == NEXT_LAYER {
                let moved = g * units[(i * UNIT_ROWS + item.df) * networks + network];
                right += select(vec4(0.0), vec4(moved), vec4(0u, 1u, 2u, 3u) == vec4(item.e));
            } else {
                let r = vec4(
                    fed(item, i, 0u, network),
                    fed(item, i, 1u, network),
                    fed(item, i, 2u, network),
                    fed(item, i, 3u, network),
                );
                right += g * r;
            }
        }
        part[0] += left[0] * right;
        part[1] += left[1] * right;
        part[2] += left[2] * right;
        part[3] += left[3] * right;
    }
    return part;
}
