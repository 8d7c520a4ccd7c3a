// Twin: src/reference/train.rs
// Parts: params, theta, finite, tile, values, unit, decay, descent
// Gradient descent, many steps per dispatch: theta <- theta - eta dL/dtheta until g.g < tolerance (paper, Appendix C).
// One invocation: one network, its parameters and gradient in registers.
//
// Every array is indexed by loop counters with constant ends alone: compilers unroll such loops, and only then does an
// array stay in registers. Theta is [network][parameter] for the same reason: one address lives through the loops. No
// array is part of a struct, nor a struct of an array: DirectX's older compiler would unroll all loops around it.

@compute @workgroup_size(64)
fn train(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= in_training() {
        return;
    }
    let network = unfinished.networks[id.x];
    let base = network * PARAMETERS;
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
    // f and f' of the units on a tile of samples. In the loop, HLSL would want a zero for them, which naga defines
    // twice where PerSample is f32.
    var units_f: array<PerSample, HIDDEN>;
    var units_df: array<PerSample, HIDDEN>;
    var taken = steps[network];
    var outcome = PENDING;

    let tiles = (params.samples + WIDTH - 1u) / WIDTH;
    for (var step = 0u; step < params.steps; step++) {
        // Samples come scaled by Y_SCALE; the bias has to be.
        var bias: array<f32, HIDDEN>;
        for (var n = 0u; n < HIDDEN; n++) {
            bias[n] = Y_SCALE * weights_w[0][n];
        }
        var gradient_w: array<array<f32, HIDDEN>, INPUTS + 1u>;
        var gradient_v: array<f32, HIDDEN>;
        var gradient_v_bias = 0.0;
        for (var tile = 0u; tile < tiles; tile++) {
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
                gradient_w[0][n] = sum_onto(gradient_w[0][n], back);
                for (var m = 1u; m <= INPUTS; m++) {
                    gradient_w[m][n] = dot_onto(gradient_w[m][n], back, values(tile, m - 1u));
                }
            }
        }

        gradient_v_bias = objective(v_gradient(gradient_v_bias), v_bias);
        var gradient_sq = gradient_v_bias * gradient_v_bias;
        var finite = is_finite(v_bias);
        for (var n = 0u; n < HIDDEN; n++) {
            gradient_v[n] = objective(v_gradient(gradient_v[n]), weights_v[n]);
            gradient_sq = fma(gradient_v[n], gradient_v[n], gradient_sq);
            finite = finite && is_finite(weights_v[n]);
            gradient_w[0][n] = objective(w_gradient(gradient_w[0][n], weights_v[n], BIAS_SCALE), weights_w[0][n]);
            gradient_sq = fma(gradient_w[0][n], gradient_w[0][n], gradient_sq);
            finite = finite && is_finite(weights_w[0][n]);
            for (var m = 1u; m <= INPUTS; m++) {
                gradient_w[m][n] = objective(w_gradient(gradient_w[m][n], weights_v[n], INPUT_SCALE), weights_w[m][n]);
                gradient_sq = fma(gradient_w[m][n], gradient_w[m][n], gradient_sq);
                finite = finite && is_finite(weights_w[m][n]);
            }
        }
        outcome = verdict(gradient_sq, finite, taken);
        if outcome != PENDING {
            break;
        }
        v_bias = stepped(gradient_v_bias, v_bias);
        for (var n = 0u; n < HIDDEN; n++) {
            weights_v[n] = stepped(gradient_v[n], weights_v[n]);
            for (var m = 0u; m <= INPUTS; m++) {
                weights_w[m][n] = stepped(gradient_w[m][n], weights_w[m][n]);
            }
        }
        taken += 1u;
    }

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
