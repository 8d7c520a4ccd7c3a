// Twin: src/reference/train.rs
// Parts: params, theta, finite, values, unit, decay, descent, meeting
// Gradient descent as in train.wgsl, for networks that do not fit the registers of one invocation. LANES invocations
// share a network: each owns UNITS of its hidden units, with their weights and gradient in registers, and they meet as
// meeting.wgsl says. Exchanging the shares by subgroup shuffles instead needs no barrier, but more instructions: an
// issue cost of 639 per sample against 610 on gfx1100 (N = 32), so all adapters meet in workgroup memory.
//
// As in train.wgsl, arrays in registers are indexed by counters with constant ends alone, and none is part of a struct.

@compute @workgroup_size(GROUP)
fn train_shared(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let lane = invocation % LANES;
    let first_lane = invocation - lane;
    let slot = group.x * (GROUP / LANES) + invocation / LANES;
    // Lanes past the last network stay, since all must meet at the barriers, but write nothing.
    let exists = slot < in_training();
    let network = unfinished.networks[select(0u, slot, exists)];
    let base = network * PARAMETERS;

    // The lane's units are lane, lane + LANES and so on. One past the last unit has weights 0, which stay 0.
    // At [m][k], m = 0 being the bias.
    var weights_w: array<array<f32, UNITS>, INPUTS + 1u>;
    var weights_v: array<f32, UNITS>;
    for (var k = 0u; k < UNITS; k++) {
        let n = lane + k * LANES;
        if n < HIDDEN {
            for (var m = 0u; m <= INPUTS; m++) {
                weights_w[m][k] = theta[base + w(n, m)];
            }
            weights_v[k] = theta[base + v(n)];
        }
    }
    var v_bias = theta[base + V_BIAS];
    var taken = steps[network];
    var outcome = PENDING;

    for (var step = 0u; step < params.steps; step++) {
        var bias: array<f32, UNITS>;
        for (var k = 0u; k < UNITS; k++) {
            bias[k] = Y_SCALE * weights_w[0][k];
        }
        var gradient_w: array<array<f32, UNITS>, INPUTS + 1u>;
        var gradient_v: array<f32, UNITS>;
        var v_bias_share = 0.0;
        for (var tile = 0u; tile < params.samples; tile += TILE) {
            var units_f: array<array<f32, UNITS>, TILE>;
            var units_df: array<array<f32, UNITS>, TILE>;
            for (var i = 0u; i < TILE; i++) {
                var z = 0.0;
                for (var k = 0u; k < UNITS; k++) {
                    var y = bias[k];
                    for (var m = 1u; m <= INPUTS; m++) {
                        y = fma(weights_w[m][k], values(tile + i, m - 1u), y);
                    }
                    let unit = unit(y);
                    units_f[i][k] = unit.f;
                    units_df[i][k] = unit.df;
                    z = fma(weights_v[k], unit.f, z);
                }
                shares[i * SHARES_ROW + invocation] = z;
            }
            workgroupBarrier();
            if lane < TILE {
                let delta = scaled_residual(v_bias + network_sum(lane, first_lane), values(tile + lane, INPUTS));
                deltas[first_lane / LANES * TILE + lane] = delta;
                v_bias_share += delta;
            }
            workgroupBarrier();
            for (var i = 0u; i < TILE; i++) {
                let delta = deltas[first_lane / LANES * TILE + i];
                for (var k = 0u; k < UNITS; k++) {
                    let unit = Unit(units_f[i][k], units_df[i][k]);
                    let share = delta * unit.f;
                    gradient_v[k] += share;
                    let back = back(delta, share, unit);
                    gradient_w[0][k] += back;
                    for (var m = 1u; m <= INPUTS; m++) {
                        gradient_w[m][k] = fma(back, values(tile + i, m - 1u), gradient_w[m][k]);
                    }
                }
            }
        }

        var square_share = 0.0;
        var finite = is_finite(v_bias);
        for (var k = 0u; k < UNITS; k++) {
            let v_part = objective(v_gradient(gradient_v[k]), weights_v[k]);
            gradient_v[k] = select(0.0, v_part, lane + k * LANES < HIDDEN);
            square_share = fma(gradient_v[k], gradient_v[k], square_share);
            finite = finite && is_finite(weights_v[k]);
            gradient_w[0][k] = objective(w_gradient(gradient_w[0][k], weights_v[k], BIAS_SCALE), weights_w[0][k]);
            square_share = fma(gradient_w[0][k], gradient_w[0][k], square_share);
            finite = finite && is_finite(weights_w[0][k]);
            for (var m = 1u; m <= INPUTS; m++) {
                gradient_w[m][k] = objective(w_gradient(gradient_w[m][k], weights_v[k], INPUT_SCALE), weights_w[m][k]);
                square_share = fma(gradient_w[m][k], gradient_w[m][k], square_share);
                finite = finite && is_finite(weights_w[m][k]);
            }
        }
        let end = step_end(invocation, first_lane, v_bias, v_bias_share, square_share, finite);

        // A network that has ended waits for the others of its group.
        if outcome == PENDING {
            outcome = verdict(end.gradient_sq, end.finite, taken);
            if outcome == PENDING {
                v_bias = stepped(end.v_bias_gradient, v_bias);
                for (var k = 0u; k < UNITS; k++) {
                    weights_v[k] = stepped(gradient_v[k], weights_v[k]);
                    for (var m = 0u; m <= INPUTS; m++) {
                        weights_w[m][k] = stepped(gradient_w[m][k], weights_w[m][k]);
                    }
                }
                taken += 1u;
            }
        }
    }

    if exists {
        for (var k = 0u; k < UNITS; k++) {
            let n = lane + k * LANES;
            if n < HIDDEN {
                for (var m = 0u; m <= INPUTS; m++) {
                    theta[base + w(n, m)] = weights_w[m][k];
                }
                theta[base + v(n)] = weights_v[k];
            }
        }
        if lane == 0u {
            theta[base + V_BIAS] = v_bias;
            status[network] = outcome;
            steps[network] = taken;
        }
    }
}
