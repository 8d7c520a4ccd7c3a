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
