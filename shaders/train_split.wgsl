// Twin: src/reference/train.rs
// Parts: params, theta, finite, tile, values, unit, decay, descent
// Gradient descent as in train.wgsl, for many samples: LANES invocations share a network. Each holds all its weights in
// registers and adds up the gradient over every LANES-th tile of samples; at the end of a step they add up what they
// have, in a fixed order, whatever else is in the group. So a step takes little more than one LANES-th of the time,
// where the networks alone would leave most of the device idle.
//
// As in train.wgsl, arrays in registers are indexed by counters with constant ends alone.

// Each lane's share of each sum over the samples, at [parameter][invocation]. Lanes that read one column each, in rows
// one element longer than the group, do not ask the same memory bank.
const ROW: u32 = GROUP + 1u;
var<workgroup> shares: array<f32, PARAMETERS * ROW>;
// Those sums, at [network of the group][parameter].
var<workgroup> sums: array<f32, GROUP / LANES * PARAMETERS>;

@compute @workgroup_size(GROUP)
fn train_split(
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
    let sums_base = invocation / LANES * PARAMETERS;

    // W at [m][n], m = 0 being the bias, and v.
    var weights_w: array<array<f32, HIDDEN>, INPUTS + 1u>;
    var weights_v: array<f32, HIDDEN>;
    for (var n = 0u; n < HIDDEN; n++) {
        for (var m = 0u; m <= INPUTS; m++) {
            weights_w[m][n] = theta[base + w(n, m)];
        }
        weights_v[n] = theta[base + v(n)];
    }
    var v_bias = theta[base + V_BIAS];
    // f and f' of the units on a tile of samples.
    var units_f: array<PerSample, HIDDEN>;
    var units_df: array<PerSample, HIDDEN>;
    var taken = steps[network];
    var outcome = PENDING;

    let tiles = (params.samples + WIDTH - 1u) / WIDTH;
    for (var step = 0u; step < params.steps; step++) {
        // Samples come scaled by Y_SCALE; the bias has to be.
        var bias: array<f32, HIDDEN>;
        for (var n = 0u; n < HIDDEN; n++) {
            bias[n] = Y_SCALE * weights_w[0u][n];
        }
        var gradient_w: array<array<f32, HIDDEN>, INPUTS + 1u>;
        var gradient_v: array<f32, HIDDEN>;
        var gradient_v_bias = 0.0;
        for (var tile = lane; tile < tiles; tile += LANES) {
            var z = PerSample(v_bias);
            for (var n = 0u; n < HIDDEN; n++) {
                var y = PerSample(bias[n]);
                for (var m = 1u; m <= INPUTS; m++) {
                    y = fma(PerSample(weights_w[m][n]), values(tile, m - 1u), y);
                }
                let unit = unit(y);
                units_f[n] = unit.f;
                units_df[n] = unit.df;
                z = fma(PerSample(weights_v[n]), unit.f, z);
            }
            let delta = scaled_residual(z, values(tile, INPUTS));
            gradient_v_bias = sum_onto(gradient_v_bias, delta);
            for (var n = 0u; n < HIDDEN; n++) {
                let share = delta * units_f[n];
                gradient_v[n] = sum_onto(gradient_v[n], share);
                let back = back(delta, share, Unit(units_f[n], units_df[n]));
                gradient_w[0u][n] = sum_onto(gradient_w[0u][n], back);
                for (var m = 1u; m <= INPUTS; m++) {
                    gradient_w[m][n] = dot_onto(gradient_w[m][n], back, values(tile, m - 1u));
                }
            }
        }

        // The lanes meet. Each adds up the shares of every LANES-th sum, and then takes all sums.
        for (var n = 0u; n < HIDDEN; n++) {
            for (var m = 0u; m <= INPUTS; m++) {
                shares[w(n, m) * ROW + invocation] = gradient_w[m][n];
            }
            shares[v(n) * ROW + invocation] = gradient_v[n];
        }
        shares[V_BIAS * ROW + invocation] = gradient_v_bias;
        workgroupBarrier();
        for (var p = lane; p < PARAMETERS; p += LANES) {
            var sum = 0.0;
            for (var other = 0u; other < LANES; other++) {
                sum += shares[p * ROW + first_lane + other];
            }
            sums[sums_base + p] = sum;
        }
        workgroupBarrier();

        gradient_v_bias = objective(v_gradient(sums[sums_base + V_BIAS]), v_bias);
        var gradient_sq = gradient_v_bias * gradient_v_bias;
        var finite = is_finite(v_bias);
        for (var n = 0u; n < HIDDEN; n++) {
            gradient_v[n] = objective(v_gradient(sums[sums_base + v(n)]), weights_v[n]);
            gradient_sq = fma(gradient_v[n], gradient_v[n], gradient_sq);
            finite = finite && is_finite(weights_v[n]);
            for (var m = 0u; m <= INPUTS; m++) {
                let scale = select(INPUT_SCALE, BIAS_SCALE, m == 0u);
                let loss_gradient = w_gradient(sums[sums_base + w(n, m)], weights_v[n], scale);
                gradient_w[m][n] = objective(loss_gradient, weights_w[m][n]);
                gradient_sq = fma(gradient_w[m][n], gradient_w[m][n], gradient_sq);
                finite = finite && is_finite(weights_w[m][n]);
            }
        }
        // All lanes of a network come to the same verdict. One that has ended waits for the others of its group.
        if outcome == PENDING {
            outcome = verdict(gradient_sq, finite, taken);
            if outcome == PENDING {
                v_bias = stepped(gradient_v_bias, v_bias);
                for (var n = 0u; n < HIDDEN; n++) {
                    weights_v[n] = stepped(gradient_v[n], weights_v[n]);
                    for (var m = 0u; m <= INPUTS; m++) {
                        weights_w[m][n] = stepped(gradient_w[m][n], weights_w[m][n]);
                    }
                }
                taken += 1u;
            }
        }
    }

    if exists && lane == 0u {
        for (var n = 0u; n < HIDDEN; n++) {
            for (var m = 0u; m <= INPUTS; m++) {
                theta[base + w(n, m)] = weights_w[m][n];
            }
            theta[base + v(n)] = weights_v[n];
        }
        theta[base + V_BIAS] = v_bias;
        status[network] = outcome;
        steps[network] = taken;
    }
}
