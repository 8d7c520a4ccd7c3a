// Twin: src/gpu/layers/places.rs
// Where what belongs to a layer stands. Layers count from 0 here: layer l takes h_l to y_{l+1}, and LAYERS - 1 leaves
// the outputs.

@group(0) @binding(1) var<storage, read> places: array<u32>;

fn inputs_of(l: u32) -> u32 {
    return places[l * LAYER_PLACES];
}

fn units_of(l: u32) -> u32 {
    return places[l * LAYER_PLACES + 1u];
}

// The first weight in theta.
fn start_of(l: u32) -> u32 {
    return places[l * LAYER_PLACES + 2u];
}

// The first unit of the layer among those of all layers.
fn first_unit(l: u32) -> u32 {
    return places[l * LAYER_PLACES + 3u];
}

// The row of h_l's leading 1.
fn h_row(l: u32) -> u32 {
    return places[l * LAYER_PLACES + 4u];
}

// The row of the first unit's g, the derivative of the loss in y.
fn g_row(l: u32) -> u32 {
    return UNITS_FED + first_unit(l);
}

// The row of the first unit's f'.
fn df_row(l: u32) -> u32 {
    return UNITS_FED + ALL_UNITS + first_unit(l);
}

// Where M of the layers l <= m starts, row by row.
fn m_at(l: u32, m: u32) -> u32 {
    return places[LAYERS * LAYER_PLACES + 2u * (l * LAYERS + m)];
}

// Where E of the layers l < m starts, how y of layer m moves with y of layer l, row by row.
fn e_at(l: u32, m: u32) -> u32 {
    return places[LAYERS * LAYER_PLACES + 2u * (l * LAYERS + m) + 1u];
}
