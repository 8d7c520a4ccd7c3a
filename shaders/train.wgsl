// Gradient descent, many steps a dispatch: theta <- theta - eta dL/dtheta until g.g < tolerance (paper, Appendix C).
// One invocation: one network, its parameters and gradient in private memory.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>; // [sample][x_1 .. x_M, q]
@group(0) @binding(2) var<storage, read> unfinished: array<u32>; // the networks still in training
@group(0) @binding(3) var<storage, read_write> theta: array<f32>; // [parameter][network]
@group(0) @binding(4) var<storage, read_write> status: array<u32>; // [network]
@group(0) @binding(5) var<storage, read_write> steps: array<u32>; // [network]

@compute @workgroup_size(64)
fn train(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.unfinished {
        return;
    }
    let network = unfinished[id.x];
    var weights: array<f32, PARAMETERS>;
    for (var d = 0u; d < PARAMETERS; d++) {
        weights[d] = theta[d * params.networks + network];
    }
    var taken = steps[network];
    var outcome = PENDING;

    for (var step = 0u; step < params.steps; step++) {
        var gradient: array<f32, PARAMETERS>;
        for (var d = 0u; d < PARAMETERS; d++) {
            gradient[d] = 0.0;
        }
        for (var i = 0u; i < params.samples; i++) {
            let sample = i * (INPUTS + 1u);
            var r: array<f32, HIDDEN>;
            var v_first: array<f32, HIDDEN>;
            var z = weights[V_BIAS];
            for (var n = 0u; n < HIDDEN; n++) {
                var y = weights[w(n, 0u)];
                for (var m = 1u; m <= INPUTS; m++) {
                    y += weights[w(n, m)] * samples[sample + m - 1u];
                }
                let f = activation(y);
                r[n] = f.x;
                v_first[n] = weights[v(n)] * f.y;
                z += weights[v(n)] * f.x;
            }
            let delta = residual(z, samples[sample + INPUTS]);
            gradient[V_BIAS] += delta;
            for (var n = 0u; n < HIDDEN; n++) {
                gradient[v(n)] += delta * r[n];
                let back = delta * v_first[n];
                gradient[w(n, 0u)] += back;
                for (var m = 1u; m <= INPUTS; m++) {
                    gradient[w(n, m)] += back * samples[sample + m - 1u];
                }
            }
        }

        var gradient_sq = 0.0;
        // A weight that overflowed can hide behind a saturated activation, so theta is looked at as well as g.g.
        var finite = true;
        for (var d = 0u; d < PARAMETERS; d++) {
            gradient_sq += gradient[d] * gradient[d];
            finite = finite && is_finite(weights[d]);
        }
        if !(finite && is_finite(gradient_sq)) {
            outcome = NON_FINITE;
            break;
        }
        if gradient_sq < params.tolerance {
            outcome = CONVERGED;
            break;
        }
        if taken == params.max_steps {
            outcome = STEP_LIMIT;
            break;
        }
        for (var d = 0u; d < PARAMETERS; d++) {
            weights[d] -= params.step_size * gradient[d];
        }
        taken += 1u;
    }

    for (var d = 0u; d < PARAMETERS; d++) {
        theta[d * params.networks + network] = weights[d];
    }
    status[network] = outcome;
    steps[network] = taken;
}
