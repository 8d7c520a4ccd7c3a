// Parts: params, tile, rows
// The samples a tile at a time, for the kernels whose invocations hold whole networks.

// How many tiles there are. The host pads the samples to whole ones with zeros, whose delta is 0.
fn tiles() -> u32 {
    return (params.samples + TILE - 1u) / TILE;
}

// Value k of the samples of a tile: the scaled x_1 .. x_M, then the label.
fn values(tile: u32, k: u32) -> PerSample {
    const VALUES_PER_ROW = 4u / TILE;
    return value_of(samples[tile * SAMPLE_ROWS + k / VALUES_PER_ROW], k % VALUES_PER_ROW);
}
