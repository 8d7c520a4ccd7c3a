// Twin: src/reference/train.rs
// Parts: params, theta, finite, unit, decay, descent, meeting
// Gradient descent as in train.wgsl, for networks of any size: theta and its gradient stay in storage, where a step
// reads each weight twice for TILE samples and reads and writes each gradient once. One workgroup: one network. Each
// invocation owns every GROUP-th hidden unit with all its weights, and they meet as meeting.wgsl says.

// [sample][Y_SCALE x_1 .. Y_SCALE x_M, Z_SCALE (1 - 2q)].
@group(0) @binding(1) var<storage, read> samples: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradient: array<f32>; // [place in unfinished][parameter]

@compute @workgroup_size(GROUP)
fn train_streamed(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let network = unfinished.networks[group.x];
    let base = network * PARAMETERS;
    let gradient_base = group.x * PARAMETERS;
    var v_bias = theta[base + V_BIAS];
    var taken = steps[network];
    var outcome = PENDING;

    for (var step = 0u; step < params.steps; step++) {
        for (var n = lane; n < HIDDEN; n += GROUP) {
            for (var m = 0u; m <= INPUTS; m++) {
                gradient[gradient_base + w(n, m)] = 0.0;
            }
            gradient[gradient_base + v(n)] = 0.0;
        }
        var v_bias_share = 0.0;
        for (var tile = 0u; tile < params.samples; tile += TILE) {
            var z: array<f32, TILE>;
            for (var n = lane; n < HIDDEN; n += GROUP) {
                let y = pre_activations(base, n, tile);
                let weight = theta[base + v(n)];
                for (var i = 0u; i < TILE; i++) {
                    z[i] = fma(weight, unit(y[i]).f, z[i]);
                }
            }
            for (var i = 0u; i < TILE; i++) {
                shares[i * SHARES_ROW + lane] = z[i];
            }
            workgroupBarrier();
            if lane < TILE {
                let sample = (tile + lane) * (INPUTS + 1u);
                let delta = scaled_residual(v_bias + network_sum(lane, 0u), samples[sample + INPUTS]);
                deltas[lane] = delta;
                v_bias_share += delta;
            }
            workgroupBarrier();
            for (var n = lane; n < HIDDEN; n += GROUP) {
                let y = pre_activations(base, n, tile);
                var backs: array<f32, TILE>;
                var v_sum = 0.0;
                var bias_sum = 0.0;
                for (var i = 0u; i < TILE; i++) {
                    let unit = unit(y[i]);
                    let share = deltas[i] * unit.f;
                    v_sum += share;
                    backs[i] = back(deltas[i], share, unit);
                    bias_sum += backs[i];
                }
                gradient[gradient_base + v(n)] += v_sum;
                gradient[gradient_base + w(n, 0u)] += bias_sum;
                for (var m = 1u; m <= INPUTS; m++) {
                    var w_sum = 0.0;
                    for (var i = 0u; i < TILE; i++) {
                        w_sum = fma(backs[i], samples[(tile + i) * (INPUTS + 1u) + m - 1u], w_sum);
                    }
                    gradient[gradient_base + w(n, m)] += w_sum;
                }
            }
        }

        var square_share = 0.0;
        var finite = is_finite(v_bias);
        for (var n = lane; n < HIDDEN; n += GROUP) {
            let weight = theta[base + v(n)];
            finite = finite && is_finite(weight);
            let v_part = objective(v_gradient(gradient[gradient_base + v(n)]), weight);
            gradient[gradient_base + v(n)] = v_part;
            square_share = fma(v_part, v_part, square_share);
            for (var m = 0u; m <= INPUTS; m++) {
                finite = finite && is_finite(theta[base + w(n, m)]);
                let scale = select(INPUT_SCALE, BIAS_SCALE, m == 0u);
                let loss_part = w_gradient(gradient[gradient_base + w(n, m)], weight, scale);
                let w_part = objective(loss_part, theta[base + w(n, m)]);
                gradient[gradient_base + w(n, m)] = w_part;
                square_share = fma(w_part, w_part, square_share);
            }
        }
        let end = step_end(lane, 0u, v_bias, v_bias_share, square_share, finite);

        // All invocations come to the same verdict, but a compiler cannot know that: so none leaves before the others.
        if outcome == PENDING {
            outcome = verdict(end.gradient_sq, end.finite, taken);
            if outcome == PENDING {
                v_bias = stepped(end.v_bias_gradient, v_bias);
                for (var n = lane; n < HIDDEN; n += GROUP) {
                    for (var m = 0u; m <= INPUTS; m++) {
                        theta[base + w(n, m)] = stepped(gradient[gradient_base + w(n, m)], theta[base + w(n, m)]);
                    }
                    theta[base + v(n)] = stepped(gradient[gradient_base + v(n)], theta[base + v(n)]);
                }
                taken += 1u;
            }
        }
    }

    if lane == 0u {
        theta[base + V_BIAS] = v_bias;
        status[network] = outcome;
        steps[network] = taken;
    }
}

// Y_SCALE y of hidden unit n for each sample of the tile.
fn pre_activations(base: u32, n: u32, tile: u32) -> array<f32, TILE> {
    var y: array<f32, TILE>;
    for (var i = 0u; i < TILE; i++) {
        y[i] = Y_SCALE * theta[base + w(n, 0u)];
    }
    for (var m = 1u; m <= INPUTS; m++) {
        let weight = theta[base + w(n, m)];
        for (var i = 0u; i < TILE; i++) {
            y[i] = fma(weight, samples[(tile + i) * (INPUTS + 1u) + m - 1u], y[i]);
        }
    }
    return y;
}
