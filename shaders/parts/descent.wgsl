// What the three training kernels share.

// Z_SCALE delta, of label = Z_SCALE (1 - 2q) with Z_SCALE = -log2(e). With the label's sign on both sides it is
// sigmoid(z) for q = 0 and -sigmoid(-z) for q = 1, so nothing cancels; exp2 that overflows makes it 0.
fn scaled_residual(z: PerSample, label: PerSample) -> PerSample {
    return label / (1.0 + exp2(label * z));
}

// Whether the descent ends before its next step, and why.
fn verdict(gradient_sq: f32, finite: bool, taken: u32) -> u32 {
    if !(finite && is_finite(gradient_sq)) {
        return NON_FINITE;
    }
    if gradient_sq < params.tolerance {
        return CONVERGED;
    }
    return select(PENDING, STEP_LIMIT, taken == params.max_steps);
}
