// Twin: src/model/loss.rs
// Parts: tile, values
// omega delta of softmax in the place of the outputs z, of the samples of a tile with the classes t: p_k of the other
// classes, and minus their sum for t, so that nothing cancels.
fn residuals(outputs: ptr<function, array<PerSample, OUTPUTS>>, tile: u32) {
    let own_class = values(tile, INPUTS);
    var largest = (*outputs)[0];
    for (var k = 1u; k < OUTPUTS; k++) {
        largest = max(largest, (*outputs)[k]);
    }
    var others = PerSample();
    var own = PerSample();
    for (var k = 0u; k < OUTPUTS; k++) {
        let power = exp2(((*outputs)[k] - largest) * -Z_SCALE);
        let is_own = own_class == PerSample(f32(k));
        own += select(PerSample(), power, is_own);
        others += select(power, PerSample(), is_own);
        (*outputs)[k] = power;
    }
    let scale = values(tile, INPUTS + TARGETS) / (own + others);
    for (var k = 0u; k < OUTPUTS; k++) {
        (*outputs)[k] = scale * select((*outputs)[k], -others, own_class == PerSample(f32(k)));
    }
}
