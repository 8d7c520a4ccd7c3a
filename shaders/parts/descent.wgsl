// Twin: src/reference/train.rs
// Parts: params, finite, tile, unfinished
// What the training kernels share.

@group(0) @binding(2) var<storage, read> unfinished: Unfinished;
@group(0) @binding(3) var<storage, read_write> theta: array<f32>; // [network][parameter]
@group(0) @binding(4) var<storage, read_write> status: array<u32>; // [network]
@group(0) @binding(5) var<storage, read_write> steps: array<u32>; // [network]

// How many networks this dispatch trains: the first ones of the list.
fn in_training() -> u32 {
    return min(unfinished.count, params.at_once);
}

// Z_SCALE delta, of label = Z_SCALE (1 - 2q) with Z_SCALE = -log2(e). With the label's sign on both sides it is
// sigmoid(z) for q = 0 and -sigmoid(-z) for q = 1, so nothing cancels; exp2 that overflows makes it 0.
fn scaled_residual(z: PerSample, label: PerSample) -> PerSample {
    return label / (1.0 + exp2(label * z));
}

// A kernel's sums over the samples leave out what all samples have in common: v_n, the scale of the labels and that of
// the inputs; the bias's input is 1 and has none.
const BIAS_SCALE: f32 = 1.0 / Z_SCALE;
const INPUT_SCALE: f32 = 1.0 / (Z_SCALE * Y_SCALE);

// dL/dv_n from its sum.
fn v_gradient(sum: f32) -> f32 {
    return sum * BIAS_SCALE;
}

// dL/dW[n, m] from its sum, with v_n and, as `scale`, BIAS_SCALE for m = 0 or else INPUT_SCALE.
fn w_gradient(sum: f32, v_n: f32, scale: f32) -> f32 {
    return sum * (v_n * scale);
}

// Whether the descent ends before its next step, and why. A weight that overflowed can hide behind a saturated
// activation, so `finite` says whether all weights are, whatever g.g is.
fn verdict(gradient_sq: f32, finite: bool, taken: u32) -> u32 {
    if !(finite && is_finite(gradient_sq)) {
        return NON_FINITE;
    }
    if gradient_sq < params.tolerance {
        return CONVERGED;
    }
    return select(PENDING, STEP_LIMIT, taken == params.max_steps);
}

// A weight after a step along its gradient.
fn stepped(gradient: f32, weight: f32) -> f32 {
    return fma(-params.step_size, gradient, weight);
}
