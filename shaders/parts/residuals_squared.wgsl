// Twin: src/model/loss.rs
// Parts: tile, values
// omega delta = omega (z - t) of the squared loss in the place of the outputs z, of the samples of a tile.
fn residuals(outputs: ptr<function, array<PerSample, OUTPUTS>>, tile: u32) {
    let weight = values(tile, INPUTS + TARGETS);
    for (var k = 0u; k < OUTPUTS; k++) {
        (*outputs)[k] = weight * ((*outputs)[k] - values(tile, INPUTS + k));
    }
}
