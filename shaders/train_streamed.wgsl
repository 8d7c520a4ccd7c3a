// Gradient descent as in train.wgsl, for networks of any size: theta and its gradient stay in storage, where a step reads each
// weight twice for TILE samples and reads and writes each gradient once.
// One workgroup: one network. Each invocation owns every GROUP-th hidden unit with all its weights. As in train_shared.wgsl they
// meet over a tile of samples for the shares of z and for delta.
// The twin of src/reference/train.rs.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>; // [sample][Y_SCALE x_1 .. Y_SCALE x_M, Z_SCALE (1 - 2q)]
@group(0) @binding(2) var<storage, read> unfinished: array<u32>; // the networks still in training
@group(0) @binding(3) var<storage, read_write> theta: array<f32>; // [network][parameter]
@group(0) @binding(4) var<storage, read_write> status: array<u32>; // [network]
@group(0) @binding(5) var<storage, read_write> steps: array<u32>; // [network]
@group(0) @binding(6) var<storage, read_write> gradient: array<f32>; // [place in unfinished][parameter]

const GROUP: u32 = 64u;

// Each invocation's share of a sum over the network, at [which sum][invocation].
var<workgroup> shares: array<f32, TILE * GROUP>;
// Z_SCALE delta of each sample of the tile.
var<workgroup> deltas: array<f32, TILE>;

@compute @workgroup_size(GROUP)
fn train_streamed(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let network = unfinished[group.x];
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
        // The host pads the samples to whole tiles with rows of zeros, whose delta is 0.
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
                shares[i * GROUP + lane] = z[i];
            }
            workgroupBarrier();
            if lane < TILE {
                let sample = (tile + lane) * (INPUTS + 1u);
                let delta = scaled_residual(v_bias + network_sum(lane), samples[sample + INPUTS]);
                deltas[lane] = delta;
                v_bias_share += delta;
            }
            workgroupBarrier();
            for (var n = lane; n < HIDDEN; n += GROUP) {
                let y = pre_activations(base, n, tile);
                var backs: array<f32, TILE>;
                var v_gradient = 0.0;
                var bias_gradient = 0.0;
                for (var i = 0u; i < TILE; i++) {
                    let unit = unit(y[i]);
                    let share = deltas[i] * unit.f;
                    v_gradient += share;
                    backs[i] = back(deltas[i], share, unit);
                    bias_gradient += backs[i];
                }
                gradient[gradient_base + v(n)] += v_gradient;
                gradient[gradient_base + w(n, 0u)] += bias_gradient;
                for (var m = 1u; m <= INPUTS; m++) {
                    var w_gradient = 0.0;
                    for (var i = 0u; i < TILE; i++) {
                        w_gradient = fma(backs[i], samples[(tile + i) * (INPUTS + 1u) + m - 1u], w_gradient);
                    }
                    gradient[gradient_base + w(n, m)] += w_gradient;
                }
            }
        }

        // What every sample's share has in common: v_n, and the scales of the samples.
        var square_share = 0.0;
        var finite = is_finite(v_bias);
        for (var n = lane; n < HIDDEN; n += GROUP) {
            let weight = theta[base + v(n)];
            finite = finite && is_finite(weight);
            let v_gradient = gradient[gradient_base + v(n)] * (1.0 / Z_SCALE);
            gradient[gradient_base + v(n)] = v_gradient;
            square_share = fma(v_gradient, v_gradient, square_share);
            for (var m = 0u; m <= INPUTS; m++) {
                finite = finite && is_finite(theta[base + w(n, m)]);
                let scale = weight * select(1.0 / (Z_SCALE * Y_SCALE), 1.0 / Z_SCALE, m == 0u);
                let w_gradient = gradient[gradient_base + w(n, m)] * scale;
                gradient[gradient_base + w(n, m)] = w_gradient;
                square_share = fma(w_gradient, w_gradient, square_share);
            }
        }
        shares[lane] = v_bias_share;
        shares[GROUP + lane] = square_share;
        shares[2u * GROUP + lane] = select(1.0, 0.0, finite);
        workgroupBarrier();
        let v_bias_gradient = network_sum(0u) * (1.0 / Z_SCALE);
        let gradient_sq = fma(v_bias_gradient, v_bias_gradient, network_sum(1u));
        let all_finite = network_sum(2u) == 0.0;
        workgroupBarrier();

        // All invocations come to the same verdict, but a compiler cannot know that: so none leaves before the others.
        if outcome == PENDING {
            outcome = verdict(gradient_sq, all_finite, taken);
            if outcome == PENDING {
                v_bias = fma(-params.step_size, v_bias_gradient, v_bias);
                for (var n = lane; n < HIDDEN; n += GROUP) {
                    for (var m = 0u; m <= INPUTS; m++) {
                        theta[base + w(n, m)] =
                            fma(-params.step_size, gradient[gradient_base + w(n, m)], theta[base + w(n, m)]);
                    }
                    theta[base + v(n)] = fma(-params.step_size, gradient[gradient_base + v(n)], theta[base + v(n)]);
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

// Adds up what the invocations left as their shares of one sum.
fn network_sum(which: u32) -> f32 {
    var sum = 0.0;
    for (var lane = 0u; lane < GROUP; lane++) {
        sum += shares[which * GROUP + lane];
    }
    return sum;
}
