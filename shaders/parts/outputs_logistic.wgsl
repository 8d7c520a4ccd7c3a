// Twin: src/model/loss.rs, src/reference/layers/rounding.rs
// Parts: layer_room, layer_places, logistic, rounding
// From the outputs z of a sample, off by their errors, to g = omega delta of the last layer and M = omega S, with the
// errors of g. Returns the loss and the error of S in the Frobenius norm.
fn leave_outputs(spot: Spot) -> vec2<f32> {
    let last = LAYERS - 1u;
    let weight = sample_value(spot, INPUTS + TARGETS);
    var loss = 0.0;
    var s_error_sq = LOST_SQUARES;
    for (var k = 0u; k < OUTPUTS; k++) {
        let unit = first_unit(last) + k;
        let z = work[work_at(spot, BENT, unit)];
        let z_error = work[work_at(spot, VALUE_ERROR, unit)];
        let q = 0.5 - 0.5 * sample_value(spot, INPUTS + k);
        let p = sigmoid_both(z);
        let s = p.x * p.y;
        let delta = residual(z, q);
        let own = logistic_errors(z, abs(delta), s);
        let constant = abs(z) - z_error > SATURATED;
        let ds = own.y + change(z_error, 1.0, s, 0.1, constant);
        let d_delta = own.x + change(z_error, 1.0, s, 0.25, constant);
        loss += sample_loss(z, q);
        units[unit_at(spot, g_row(last) + k)] = weight * delta;
        work[work_at(spot, G_ERROR, unit)] = weight * (d_delta + 2.0 * ULP * abs(delta)) + FLUSHED;
        for (var j = 0u; j < OUTPUTS; j++) {
            pairs[pair_at(spot, m_at(last, last) + k * OUTPUTS + j)] = select(0.0, weight * s, j == k);
        }
        let s_error = weight * (ds + 2.0 * ULP * s) + FLUSHED;
        s_error_sq += s_error * s_error;
    }
    return vec2(weight * loss, sqrt(s_error_sq));
}
