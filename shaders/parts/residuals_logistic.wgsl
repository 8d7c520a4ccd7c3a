// Twin: src/model/loss.rs
// Parts: tile, values
// omega delta of the logistic loss in the place of the outputs z, of the samples of a tile with the targets u = 1 - 2t:
// delta = u sigmoid(u z), so nothing cancels; exp2 that overflows makes it 0.
fn residuals(outputs: ptr<function, array<PerSample, OUTPUTS>>, tile: u32) {
    let weight = values(tile, INPUTS + TARGETS);
    for (var k = 0u; k < OUTPUTS; k++) {
        let sign = values(tile, INPUTS + k);
        (*outputs)[k] = weight * sign / (1.0 + exp2(Z_SCALE * sign * (*outputs)[k]));
    }
}
