// Twin: src/reference/train.rs
// Parts: params, theta, finite, tile, values, unit, descent
// Gradient descent, many steps per dispatch: theta <- theta - eta dL/dtheta until g.g < tolerance (paper, Appendix C).
// One invocation: one network, its parameters and gradient in registers.
//
// Every array is indexed by loop counters with constant ends alone: compilers unroll such loops, and only then does an
// array stay in registers. Theta is [network][parameter] for the same reason: one address lives through the loops.

// One value for each parameter.
struct Weights {
    w: array<array<f32, HIDDEN>, INPUTS + 1u>, // [m][n]; m = 0 is the bias
    v: array<f32, HIDDEN>,
    v_bias: f32,
}

@compute @workgroup_size(64)
fn train(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= in_training() {
        return;
    }
    let network = unfinished.networks[id.x];
    let base = network * PARAMETERS;
    var weights: Weights;
    for (var n = 0u; n < HIDDEN; n++) {
        for (var m = 0u; m <= INPUTS; m++) {
            weights.w[m][n] = theta[base + w(n, m)];
        }
        weights.v[n] = theta[base + v(n)];
    }
    weights.v_bias = theta[base + V_BIAS];
    var taken = steps[network];
    var outcome = PENDING;

    let tiles = tiles();
    for (var step = 0u; step < params.steps; step++) {
        // Samples come scaled by Y_SCALE; the bias has to be.
        var bias: array<f32, HIDDEN>;
        for (var n = 0u; n < HIDDEN; n++) {
            bias[n] = Y_SCALE * weights.w[0][n];
        }
        var gradient = Weights();
        for (var tile = 0u; tile < tiles; tile++) {
            var units: array<Unit, HIDDEN>;
            var z = PerSample(weights.v_bias);
            for (var n = 0u; n < HIDDEN; n++) {
                var y = PerSample(bias[n]);
                for (var m = 1u; m <= INPUTS; m++) {
                    y = fma(PerSample(weights.w[m][n]), values(tile, m - 1u), y);
                }
                units[n] = unit(y);
                z = fma(PerSample(weights.v[n]), units[n].f, z);
            }
            let delta = scaled_residual(z, values(tile, INPUTS));
            gradient.v_bias = sum_onto(gradient.v_bias, delta);
            for (var n = 0u; n < HIDDEN; n++) {
                let share = delta * units[n].f;
                gradient.v[n] = sum_onto(gradient.v[n], share);
                let back = back(delta, share, units[n]);
                gradient.w[0][n] = sum_onto(gradient.w[0][n], back);
                for (var m = 1u; m <= INPUTS; m++) {
                    gradient.w[m][n] = dot_onto(gradient.w[m][n], back, values(tile, m - 1u));
                }
            }
        }

        gradient.v_bias = v_gradient(gradient.v_bias);
        var gradient_sq = gradient.v_bias * gradient.v_bias;
        var finite = is_finite(weights.v_bias);
        for (var n = 0u; n < HIDDEN; n++) {
            gradient.v[n] = v_gradient(gradient.v[n]);
            gradient_sq = fma(gradient.v[n], gradient.v[n], gradient_sq);
            finite = finite && is_finite(weights.v[n]);
            gradient.w[0][n] = w_gradient(gradient.w[0][n], weights.v[n], BIAS_SCALE);
            gradient_sq = fma(gradient.w[0][n], gradient.w[0][n], gradient_sq);
            finite = finite && is_finite(weights.w[0][n]);
            for (var m = 1u; m <= INPUTS; m++) {
                gradient.w[m][n] = w_gradient(gradient.w[m][n], weights.v[n], INPUT_SCALE);
                gradient_sq = fma(gradient.w[m][n], gradient.w[m][n], gradient_sq);
                finite = finite && is_finite(weights.w[m][n]);
            }
        }
        outcome = verdict(gradient_sq, finite, taken);
        if outcome != PENDING {
            break;
        }
        weights.v_bias = stepped(gradient.v_bias, weights.v_bias);
        for (var n = 0u; n < HIDDEN; n++) {
            weights.v[n] = stepped(gradient.v[n], weights.v[n]);
            for (var m = 0u; m <= INPUTS; m++) {
                weights.w[m][n] = stepped(gradient.w[m][n], weights.w[m][n]);
            }
        }
        taken += 1u;
    }

    for (var n = 0u; n < HIDDEN; n++) {
        for (var m = 0u; m <= INPUTS; m++) {
            theta[base + w(n, m)] = weights.w[m][n];
        }
        theta[base + v(n)] = weights.v[n];
    }
    theta[base + V_BIAS] = weights.v_bias;
    status[network] = outcome;
    steps[network] = taken;
}
