// Parts: tile, rows
// The samples by tiles. The host pads them to whole ones with zeros, whose delta is 0.

// Value k of the samples of a tile: the scaled x_1 .. x_M, then the label.
fn values(tile: u32, k: u32) -> PerSample {
    const VALUES_PER_ROW = 4u / WIDTH;
    return value_of(samples[tile * SAMPLE_ROWS + k / VALUES_PER_ROW], k % VALUES_PER_ROW);
}
