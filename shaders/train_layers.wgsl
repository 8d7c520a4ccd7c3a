// Twin: src/reference/train.rs
// Parts: params, finite, tile, values, unit, residuals, decay, descent
// Gradient descent as in train.wgsl, for networks of any depth and any loss. One invocation: one network, its weights
// and gradient in registers. src/gpu/layers/template.rs says how the blocks between //@ lines are meant; arrays are
// indexed by loop counters with constant ends alone, for the reasons of train.wgsl.

@compute @workgroup_size(64)
fn train_layers(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= in_training() {
        return;
    }
    let network = unfinished.networks[id.x];
    let base = network * PARAMETERS;
    //@ for each layer
    // W at [p][a], p = 0 being the bias.
    var weights_LAYER: array<array<f32, UNITS_LAYER>, INPUTS_LAYER + 1u>;
    for (var p = 0u; p <= INPUTS_LAYER; p++) {
        for (var a = 0u; a < UNITS_LAYER; a++) {
            weights_LAYER[p][a] = theta[base + START_LAYER + p * UNITS_LAYER + a];
        }
    }
    //@ end
    // The inputs, f and f' of the units, and dL/dy, on a tile of samples. In the loop, HLSL would want a zero for them,
    // which naga defines twice where PerSample is f32.
    var f_0: array<PerSample, INPUTS>;
    //@ for each hidden layer
    var f_LAYER: array<PerSample, UNITS_LAYER>;
    var slope_LAYER: array<PerSample, UNITS_LAYER>;
    //@ end
    //@ for each layer
    var g_LAYER: array<PerSample, UNITS_LAYER>;
    //@ end
    var taken = steps[network];
    var outcome = PENDING;

    let tiles = (params.samples + WIDTH - 1u) / WIDTH;
    for (var step = 0u; step < params.steps; step++) {
        //@ for each layer
        var gradient_LAYER: array<array<f32, UNITS_LAYER>, INPUTS_LAYER + 1u>;
        //@ end
        for (var tile = 0u; tile < tiles; tile++) {
            for (var m = 0u; m < INPUTS; m++) {
                f_0[m] = values(tile, m);
            }
            //@ for each hidden layer
            for (var a = 0u; a < UNITS_LAYER; a++) {
                var y = PerSample(weights_LAYER[0][a]);
                for (var p = 1u; p <= INPUTS_LAYER; p++) {
                    y = fma(PerSample(weights_LAYER[p][a]), f_BELOW[p - 1u], y);
                }
                let unit = unit(Y_SCALE * y);
                f_LAYER[a] = unit.f;
                slope_LAYER[a] = back(PerSample(1.0), unit.f, unit);
            }
            //@ end
            //@ for the last layer
            // z, and then dL/dz.
            for (var a = 0u; a < UNITS_LAYER; a++) {
                var z = PerSample(weights_LAYER[0][a]);
                for (var p = 1u; p <= INPUTS_LAYER; p++) {
                    z = fma(PerSample(weights_LAYER[p][a]), f_BELOW[p - 1u], z);
                }
                g_LAYER[a] = z;
            }
            residuals(&g_LAYER, tile);
            //@ end
            //@ for each layer after the first, from the last
            // dL/dy of the layer below.
            for (var p = 0u; p < INPUTS_LAYER; p++) {
                var sum = PerSample();
                for (var a = 0u; a < UNITS_LAYER; a++) {
                    sum = fma(PerSample(weights_LAYER[p + 1u][a]), g_LAYER[a], sum);
                }
                g_BELOW[p] = slope_BELOW[p] * sum;
            }
            //@ end
            //@ for each layer
            for (var a = 0u; a < UNITS_LAYER; a++) {
                gradient_LAYER[0][a] = sum_onto(gradient_LAYER[0][a], g_LAYER[a]);
                for (var p = 1u; p <= INPUTS_LAYER; p++) {
                    gradient_LAYER[p][a] = dot_onto(gradient_LAYER[p][a], g_LAYER[a], f_BELOW[p - 1u]);
                }
            }
            //@ end
        }

        var gradient_sq = 0.0;
        var finite = true;
        //@ for each layer
        for (var p = 0u; p <= INPUTS_LAYER; p++) {
            for (var a = 0u; a < UNITS_LAYER; a++) {
                gradient_LAYER[p][a] = objective(gradient_LAYER[p][a], weights_LAYER[p][a]);
                gradient_sq = fma(gradient_LAYER[p][a], gradient_LAYER[p][a], gradient_sq);
                finite = finite && is_finite(weights_LAYER[p][a]);
            }
        }
        //@ end
        outcome = verdict(gradient_sq, finite, taken);
        if outcome != PENDING {
            break;
        }
        //@ for each layer
        for (var p = 0u; p <= INPUTS_LAYER; p++) {
            for (var a = 0u; a < UNITS_LAYER; a++) {
                weights_LAYER[p][a] = stepped(gradient_LAYER[p][a], weights_LAYER[p][a]);
            }
        }
        //@ end
        taken += 1u;
    }

    //@ for each layer
    for (var p = 0u; p <= INPUTS_LAYER; p++) {
        for (var a = 0u; a < UNITS_LAYER; a++) {
            theta[base + START_LAYER + p * UNITS_LAYER + a] = weights_LAYER[p][a];
        }
    }
    //@ end
    status[network] = outcome;
    steps[network] = taken;
}
