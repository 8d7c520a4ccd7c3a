// Twin: src/model/loss.rs, src/reference/layers/rounding.rs
// Parts: layer_room, layer_places, log1p, rounding
// As outputs_logistic.wgsl for softmax: delta = p - e_t, S = diag(p) - p p^T. Minus p of the other classes stands for
// p_t - 1, and p (1 - p) has their sum as well, so nothing cancels.
//
// A power exp(z_k - z_max) is good to 3 + 3 |z_k - z_max| ulp, its difference's rounding included. If no output is off
// by more than e, every p is wrong by a factor of at most exp(2 e).
fn leave_outputs(spot: Spot) -> vec2<f32> {
    let last = LAYERS - 1u;
    let first = first_unit(last);
    let weight = sample_value(spot, INPUTS + TARGETS);
    let own_class = u32(sample_value(spot, INPUTS));
    var largest = work[work_at(spot, BENT, first)];
    var top = 0u;
    var moved = 0.0;
    for (var k = 0u; k < OUTPUTS; k++) {
        let z = work[work_at(spot, BENT, first + k)];
        top = select(top, k, z > largest);
        largest = max(largest, z);
        moved = max(moved, work[work_at(spot, VALUE_ERROR, first + k)]);
    }
    // The powers, and how far they are off, relative.
    var total = 0.0;
    var total_error = 0.0;
    var below_top = 0.0;
    for (var k = 0u; k < OUTPUTS; k++) {
        let below = work[work_at(spot, BENT, first + k)] - largest;
        let power = exp(below);
        let relative = ULP * (3.0 + 3.0 * min(-below, SATURATED));
        work[work_at(spot, SLOPE_ERROR, first + k)] = power;
        work[work_at(spot, BENT_ERROR, first + k)] = relative;
        total += power;
        total_error += power * relative;
        below_top += select(power, 0.0, k == top);
    }
    let inverse = 1.0 / total;
    // Of every p: the sum's error, the quotient, the products with it, and what moves the outputs.
    let twice = 2.0 * moved;
    let of_all = total_error * inverse + ULP * (f32(OUTPUTS) + 6.0) + select(2.0, twice * (1.0 + twice), twice < 0.5);
    var s_error_sq = LOST_SQUARES;
    for (var k = 0u; k < OUTPUTS; k++) {
        let power = work[work_at(spot, SLOPE_ERROR, first + k)];
        let relative = work[work_at(spot, BENT_ERROR, first + k)] + of_all;
        let p = power * inverse;
        // 1 - p, and its error.
        var others = 0.0;
        var others_error = 0.0;
        for (var j = 0u; j < OUTPUTS; j++) {
            if j != k {
                let other = work[work_at(spot, SLOPE_ERROR, first + j)] * inverse;
                let other_relative = work[work_at(spot, BENT_ERROR, first + j)] + of_all;
                others += other;
                others_error += other * other_relative;
                pairs[pair_at(spot, m_at(last, last) + k * OUTPUTS + j)] = -weight * (p * other);
                let s_error = min(p * other * (relative + other_relative + relative * other_relative), 1.0) + FLUSHED;
                s_error_sq += s_error * s_error;
            }
        }
        others_error += ULP * f32(OUTPUTS) * others;
        pairs[pair_at(spot, m_at(last, last) + k * OUTPUTS + k)] = weight * (p * others);
        let s_error = min(p * (relative * others + (1.0 + relative) * others_error), 1.0) + FLUSHED;
        s_error_sq += s_error * s_error;
        let is_own = k == own_class;
        units[unit_at(spot, g_row(last) + k)] = weight * select(p, -others, is_own);
        let moved_by = min(select(p * relative, others_error, is_own), 1.0) + 2.0 * ULP * select(p, others, is_own);
        work[work_at(spot, G_ERROR, first + k)] = weight * moved_by + FLUSHED;
    }
    // ln(sum_k exp(z_k - z_t)): the largest term is taken out, and the sum of the rest may exceed 1.
    let rest = select(log(1.0 + below_top), log1p_unit(below_top), below_top <= 1.0);
    let loss = (largest - work[work_at(spot, BENT, first + own_class)]) + rest;
    return vec2(weight * loss, weight * (1.01 * sqrt(s_error_sq)));
}
