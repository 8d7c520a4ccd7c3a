// Twin: src/model/loss.rs, src/reference/layers/rounding.rs
// Parts: layer_room, layer_places, rounding
// As outputs_logistic.wgsl for the squared loss: delta = z - t, S = 1. A target is rounded once, as is omega.
fn leave_outputs(spot: Spot) -> vec2<f32> {
    let last = LAYERS - 1u;
    let weight = sample_value(spot, INPUTS + TARGETS);
    var loss = 0.0;
    for (var k = 0u; k < OUTPUTS; k++) {
        let unit = first_unit(last) + k;
        let z = work[work_at(spot, BENT, unit)];
        let z_error = work[work_at(spot, VALUE_ERROR, unit)];
        let expected = sample_value(spot, INPUTS + k);
        let delta = z - expected;
        loss += 0.5 * delta * delta;
        units[unit_at(spot, g_row(last) + k)] = weight * delta;
        let moved = z_error + ULP * (3.0 * abs(delta) + abs(expected));
        work[work_at(spot, G_ERROR, unit)] = weight * moved + FLUSHED;
        for (var j = 0u; j < OUTPUTS; j++) {
            pairs[pair_at(spot, m_at(last, last) + k * OUTPUTS + j)] = select(0.0, weight, j == k);
        }
    }
    return vec2(weight * loss, ULP * weight * f32(OUTPUTS));
}
