// Twin: src/reference/train.rs
// Parts: params, finite, tile, values, unit, residuals, decay, descent, layer_weights, layer_rows
// Gradient descent as in train_layers.wgsl, for networks that do not fit the registers of one invocation. LANES
// invocations share a network, whose weights and gradient are in workgroup memory or, where that has no room for them,
// in storage. They take TILE samples at a time through the layers and back, and meet after each layer.
//
// Each step of a layer is a product of matrices, of which an invocation forms blocks of a few rows and columns: what it
// reads of one it uses for every column, and the other way round. The sizes of blocks divide TILE, and rows past the
// last count as the last and are not written.
//
// The rows that they share: for each layer the row of ones that its bias is fed with, h = f(y) of each unit below it
// (H_0, H_1 ..), and f'(y) of each of its units, then dL/dy of it (G_1, G_2 ..). A row is one element longer than a
// tile, so that neighbouring rows are in different banks of memory.

// Shares of g.g, and whether a weight is not finite (1 or 0).
var<workgroup> square_shares: array<f32, GROUP>;
var<workgroup> non_finite_shares: array<f32, GROUP>;

// All see what each has written.
fn meet() {
    if STORED {
        storageBarrier();
    }
    workgroupBarrier();
}

//@ for each hidden layer
// Leaves f and f' of a unit at its y for a sample; those of the first unit stand at H_LAYER + 1 and G_LAYER.
fn leave_LAYER(at: u32, y: f32) {
    let unit = unit(Y_SCALE * y);
    share(at + (H_LAYER + 1u) * SHARED_ROW, unit.f);
    share(at + G_LAYER * SHARED_ROW, back(1.0, unit.f, unit));
}

//@ end
//@ for the last layer
// Leaves an output.
fn leave_LAYER(at: u32, z: f32) {
    share(at + G_LAYER * SHARED_ROW, z);
}

//@ end
@compute @workgroup_size(GROUP)
fn train_layers_shared(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let lane = invocation % LANES;
    let place = invocation / LANES;
    let slot = group.x * NETWORKS + place;
    // Lanes past the last network stay, since all must meet at the barriers, but leave nothing.
    let exists = slot < in_training();
    let network = unfinished.networks[select(0u, slot, exists)];
    let base = network * PARAMETERS;
    let weights = first_weight(place, network);
    let gradient_base = first_gradient(place, group.x);
    let rows_base = first_row(place, group.x);
    for (var d = lane; d < PARAMETERS; d += LANES) {
        set_weight(weights + d, theta[base + d]);
    }
    for (var i = lane; i < TILE; i += LANES) {
        //@ for each layer
        share(rows_base + H_BELOW * SHARED_ROW + i, 1.0);
        //@ end
    }
    // z of a sample, and then dL/dz. In the loop, HLSL would want a zero for them, which naga defines twice: the other
    // arrays of this length have another name for f32.
    var outputs: array<PerSample, OUTPUTS>;
    var taken = steps[network];
    var outcome = PENDING;

    for (var step = 0u; step < params.steps; step++) {
        for (var d = lane; d < PARAMETERS; d += LANES) {
            set_gradient(gradient_base + d, 0.0);
        }
        for (var tile = 0u; tile < params.samples; tile += TILE) {
            for (var k = lane; k < INPUTS * TILE; k += LANES) {
                share(rows_base + (H_0 + 1u + k / TILE) * SHARED_ROW + k % TILE, values(tile + k % TILE, k / TILE));
            }
            meet();
            //@ for each layer
            for (var block = lane; block < FORWARD_BLOCKS_LAYER; block += LANES) {
                let first_a = block / (TILE / FORWARD_SAMPLES_LAYER) * FORWARD_UNITS_LAYER;
                let first_i = block % (TILE / FORWARD_SAMPLES_LAYER) * FORWARD_SAMPLES_LAYER;
                var sums: array<array<f32, FORWARD_SAMPLES_LAYER>, FORWARD_UNITS_LAYER>;
                for (var p = 0u; p <= INPUTS_LAYER; p++) {
                    var h: array<f32, FORWARD_SAMPLES_LAYER>;
                    for (var i = 0u; i < FORWARD_SAMPLES_LAYER; i++) {
                        h[i] = shared_value(rows_base + (H_BELOW + p) * SHARED_ROW + first_i + i);
                    }
                    for (var a = 0u; a < FORWARD_UNITS_LAYER; a++) {
                        let w = weight(weights + START_LAYER + p * UNITS_LAYER + min(first_a + a, UNITS_LAYER - 1u));
                        for (var i = 0u; i < FORWARD_SAMPLES_LAYER; i++) {
                            sums[a][i] = fma(w, h[i], sums[a][i]);
                        }
                    }
                }
                for (var a = 0u; a < FORWARD_UNITS_LAYER; a++) {
                    if first_a + a < UNITS_LAYER {
                        for (var i = 0u; i < FORWARD_SAMPLES_LAYER; i++) {
                            leave_LAYER(rows_base + (first_a + a) * SHARED_ROW + first_i + i, sums[a][i]);
                        }
                    }
                }
            }
            meet();
            //@ end
            //@ for the last layer
            for (var i = lane; i < TILE; i += LANES) {
                for (var k = 0u; k < OUTPUTS; k++) {
                    outputs[k] = shared_value(rows_base + (G_LAYER + k) * SHARED_ROW + i);
                }
                residuals(&outputs, tile + i);
                for (var k = 0u; k < OUTPUTS; k++) {
                    share(rows_base + (G_LAYER + k) * SHARED_ROW + i, outputs[k]);
                }
            }
            meet();
            //@ end
            //@ for each layer after the first, from the last
            for (var block = lane; block < BACK_BLOCKS_LAYER; block += LANES) {
                let first_p = block / (TILE / BACK_SAMPLES_LAYER) * BACK_INPUTS_LAYER;
                let first_i = block % (TILE / BACK_SAMPLES_LAYER) * BACK_SAMPLES_LAYER;
                var sums: array<array<f32, BACK_SAMPLES_LAYER>, BACK_INPUTS_LAYER>;
                for (var a = 0u; a < UNITS_LAYER; a++) {
                    var g: array<f32, BACK_SAMPLES_LAYER>;
                    for (var i = 0u; i < BACK_SAMPLES_LAYER; i++) {
                        g[i] = shared_value(rows_base + (G_LAYER + a) * SHARED_ROW + first_i + i);
                    }
                    for (var p = 0u; p < BACK_INPUTS_LAYER; p++) {
                        let row = 1u + min(first_p + p, INPUTS_LAYER - 1u);
                        let w = weight(weights + START_LAYER + row * UNITS_LAYER + a);
                        for (var i = 0u; i < BACK_SAMPLES_LAYER; i++) {
                            sums[p][i] = fma(w, g[i], sums[p][i]);
                        }
                    }
                }
                for (var p = 0u; p < BACK_INPUTS_LAYER; p++) {
                    if first_p + p < INPUTS_LAYER {
                        for (var i = 0u; i < BACK_SAMPLES_LAYER; i++) {
                            let at = rows_base + (G_BELOW + first_p + p) * SHARED_ROW + first_i + i;
                            share(at, shared_value(at) * sums[p][i]);
                        }
                    }
                }
            }
            meet();
            //@ end
            //@ for each layer
            for (var block = lane; block < GRADIENT_BLOCKS_LAYER; block += LANES) {
                let first_p = block / GRADIENT_COLUMNS_LAYER * GRADIENT_INPUTS_LAYER;
                let first_a = block % GRADIENT_COLUMNS_LAYER * GRADIENT_UNITS_LAYER;
                var sums: array<array<f32, GRADIENT_UNITS_LAYER>, GRADIENT_INPUTS_LAYER>;
                for (var i = 0u; i < TILE; i++) {
                    var g: array<f32, GRADIENT_UNITS_LAYER>;
                    for (var a = 0u; a < GRADIENT_UNITS_LAYER; a++) {
                        let row = G_LAYER + min(first_a + a, UNITS_LAYER - 1u);
                        g[a] = shared_value(rows_base + row * SHARED_ROW + i);
                    }
                    for (var p = 0u; p < GRADIENT_INPUTS_LAYER; p++) {
                        let h = shared_value(rows_base + (H_BELOW + min(first_p + p, INPUTS_LAYER)) * SHARED_ROW + i);
                        for (var a = 0u; a < GRADIENT_UNITS_LAYER; a++) {
                            sums[p][a] = fma(g[a], h, sums[p][a]);
                        }
                    }
                }
                for (var p = 0u; p < GRADIENT_INPUTS_LAYER; p++) {
                    for (var a = 0u; a < GRADIENT_UNITS_LAYER; a++) {
                        if first_p + p <= INPUTS_LAYER && first_a + a < UNITS_LAYER {
                            let at = gradient_base + START_LAYER + (first_p + p) * UNITS_LAYER + first_a + a;
                            set_gradient(at, gradient(at) + sums[p][a]);
                        }
                    }
                }
            }
            //@ end
            // The next tile overwrites what these sums read.
            meet();
        }

        var square_share = 0.0;
        var finite = true;
        for (var d = lane; d < PARAMETERS; d += LANES) {
            let part = objective(gradient(gradient_base + d), weight(weights + d));
            square_share = fma(part, part, square_share);
            finite = finite && is_finite(weight(weights + d));
        }
        square_shares[invocation] = square_share;
        non_finite_shares[invocation] = select(1.0, 0.0, finite);
        workgroupBarrier();
        var gradient_sq = 0.0;
        var non_finite = 0.0;
        for (var other = 0u; other < LANES; other++) {
            gradient_sq += square_shares[invocation - lane + other];
            non_finite += non_finite_shares[invocation - lane + other];
        }
        workgroupBarrier();

        // A network that has ended waits for the others of its group.
        if outcome == PENDING {
            outcome = verdict(gradient_sq, non_finite == 0.0, taken);
            if outcome == PENDING {
                for (var d = lane; d < PARAMETERS; d += LANES) {
                    let part = objective(gradient(gradient_base + d), weight(weights + d));
                    set_weight(weights + d, stepped(part, weight(weights + d)));
                }
                taken += 1u;
            }
        }
    }

    if exists {
        for (var d = lane; d < PARAMETERS; d += LANES) {
            theta[base + d] = weight(weights + d);
        }
        if lane == 0u {
            status[network] = outcome;
            steps[network] = taken;
        }
    }
}
