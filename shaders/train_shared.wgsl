// Gradient descent as in train.wgsl, for networks that do not fit the registers of one invocation.
// LANES invocations share a network: each owns UNITS of its hidden units, with their weights and gradient in registers. They meet
// over TILE samples at a time, since a meeting costs the same for one sample as for many: every lane leaves its share of each z in
// workgroup memory, one lane a sample adds them up and leaves delta. All sums run in a fixed order, whatever else is in the group.
// Exchanging the shares by subgroup shuffles instead needs no barrier, but more instructions: an issue cost of 639 a sample against
// 610 on gfx1100 (N = 32), so all adapters meet in workgroup memory.
//
// As in train.wgsl, arrays in registers are indexed by counters with constant ends alone.
// The twin of src/reference/train.rs.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>; // [sample][Y_SCALE x_1 .. Y_SCALE x_M, Z_SCALE (1 - 2q)]
@group(0) @binding(2) var<storage, read> unfinished: array<u32>; // the networks still in training
@group(0) @binding(3) var<storage, read_write> theta: array<f32>; // [network][parameter]
@group(0) @binding(4) var<storage, read_write> status: array<u32>; // [network]
@group(0) @binding(5) var<storage, read_write> steps: array<u32>; // [network]

// The weights of a lane's units, or their gradient.
struct Weights {
    w: array<array<f32, UNITS>, INPUTS + 1u>, // [m][k]; m = 0 is the bias
    v: array<f32, UNITS>,
}

// Each lane's share of a sum over the network, at [which sum][invocation].
var<workgroup> shares: array<f32, SHARES * GROUP>;
// Z_SCALE delta of each sample of the tile, at [network of the group][sample].
var<workgroup> deltas: array<f32, GROUP / LANES * TILE>;

@compute @workgroup_size(GROUP)
fn train_shared(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let lane = invocation % LANES;
    let first_lane = invocation - lane;
    let slot = group.x * (GROUP / LANES) + invocation / LANES;
    // Lanes past the last network stay, since all must meet at the barriers, but write nothing.
    let exists = slot < params.unfinished;
    let network = unfinished[min(slot, params.unfinished - 1u)];
    let base = network * PARAMETERS;

    // The lane's units are lane, lane + LANES and so on. One past the last unit has weights 0, which stay 0.
    var weights = Weights();
    for (var k = 0u; k < UNITS; k++) {
        let n = lane + k * LANES;
        if n < HIDDEN {
            for (var m = 0u; m <= INPUTS; m++) {
                weights.w[m][k] = theta[base + w(n, m)];
            }
            weights.v[k] = theta[base + v(n)];
        }
    }
    var v_bias = theta[base + V_BIAS];
    var taken = steps[network];
    var outcome = PENDING;

    for (var step = 0u; step < params.steps; step++) {
        var bias: array<f32, UNITS>;
        for (var k = 0u; k < UNITS; k++) {
            bias[k] = Y_SCALE * weights.w[0][k];
        }
        var gradient = Weights();
        var v_bias_share = 0.0;
        // The host pads the samples to whole tiles with rows of zeros, whose delta is 0.
        for (var tile = 0u; tile < params.samples; tile += TILE) {
            var units: array<array<Unit, UNITS>, TILE>;
            for (var i = 0u; i < TILE; i++) {
                let sample = (tile + i) * (INPUTS + 1u);
                var z = 0.0;
                for (var k = 0u; k < UNITS; k++) {
                    var y = bias[k];
                    for (var m = 1u; m <= INPUTS; m++) {
                        y = fma(weights.w[m][k], samples[sample + m - 1u], y);
                    }
                    units[i][k] = unit(y);
                    z = fma(weights.v[k], units[i][k].f, z);
                }
                shares[i * GROUP + invocation] = z;
            }
            workgroupBarrier();
            if lane < TILE {
                let sample = (tile + lane) * (INPUTS + 1u);
                let delta = scaled_residual(v_bias + network_sum(lane, first_lane), samples[sample + INPUTS]);
                deltas[first_lane / LANES * TILE + lane] = delta;
                v_bias_share += delta;
            }
            workgroupBarrier();
            for (var i = 0u; i < TILE; i++) {
                let sample = (tile + i) * (INPUTS + 1u);
                let delta = deltas[first_lane / LANES * TILE + i];
                for (var k = 0u; k < UNITS; k++) {
                    let share = delta * units[i][k].f;
                    gradient.v[k] += share;
                    let back = back(delta, share, units[i][k]);
                    gradient.w[0][k] += back;
                    for (var m = 1u; m <= INPUTS; m++) {
                        gradient.w[m][k] = fma(back, samples[sample + m - 1u], gradient.w[m][k]);
                    }
                }
            }
        }

        // What every sample's share has in common: v_n, and the scales of the samples.
        var square_share = 0.0;
        var finite = is_finite(v_bias);
        for (var k = 0u; k < UNITS; k++) {
            gradient.v[k] *= select(0.0, 1.0 / Z_SCALE, lane + k * LANES < HIDDEN);
            square_share = fma(gradient.v[k], gradient.v[k], square_share);
            finite = finite && is_finite(weights.v[k]);
            gradient.w[0][k] *= weights.v[k] * (1.0 / Z_SCALE);
            square_share = fma(gradient.w[0][k], gradient.w[0][k], square_share);
            finite = finite && is_finite(weights.w[0][k]);
            for (var m = 1u; m <= INPUTS; m++) {
                gradient.w[m][k] *= weights.v[k] * (1.0 / (Z_SCALE * Y_SCALE));
                square_share = fma(gradient.w[m][k], gradient.w[m][k], square_share);
                finite = finite && is_finite(weights.w[m][k]);
            }
        }
        shares[invocation] = v_bias_share;
        shares[GROUP + invocation] = square_share;
        shares[2u * GROUP + invocation] = select(1.0, 0.0, finite);
        workgroupBarrier();
        let v_bias_gradient = network_sum(0u, first_lane) * (1.0 / Z_SCALE);
        let gradient_sq = fma(v_bias_gradient, v_bias_gradient, network_sum(1u, first_lane));
        let all_finite = network_sum(2u, first_lane) == 0.0;
        workgroupBarrier();

        // A network that has ended waits for the others of its group.
        if outcome == PENDING {
            outcome = verdict(gradient_sq, all_finite, taken);
            if outcome == PENDING {
                v_bias = fma(-params.step_size, v_bias_gradient, v_bias);
                for (var k = 0u; k < UNITS; k++) {
                    weights.v[k] = fma(-params.step_size, gradient.v[k], weights.v[k]);
                    for (var m = 0u; m <= INPUTS; m++) {
                        weights.w[m][k] = fma(-params.step_size, gradient.w[m][k], weights.w[m][k]);
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
                    theta[base + w(n, m)] = weights.w[m][k];
                }
                theta[base + v(n)] = weights.v[k];
            }
        }
        if lane == 0u {
            theta[base + V_BIAS] = v_bias;
            status[network] = outcome;
            steps[network] = taken;
        }
    }
}

// Adds up what the lanes of a network, from `first_lane` on, left as their shares of one sum.
fn network_sum(which: u32, first_lane: u32) -> f32 {
    var sum = 0.0;
    for (var lane = 0u; lane < LANES; lane++) {
        sum += shares[which * GROUP + first_lane + lane];
    }
    return sum;
}
