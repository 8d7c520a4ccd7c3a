// Twin: src/reference/terms.rs
// Parts: log1p
// The logistic function and the cross-entropy in float32, without cancellation.

// sigmoid(z) and sigmoid(-z) = 1 - sigmoid(z), both with a small relative error.
fn sigmoid_both(z: f32) -> vec2<f32> {
    let e = exp(-abs(z));
    let small = e / (1.0 + e);
    // Not 1 / (1 + e): close to 1 only the last rounding is left of all errors.
    let large = 1.0 - small;
    return select(vec2(large, small), vec2(small, large), z < 0.0);
}

// ln(1 + exp(z)).
fn softplus(z: f32) -> f32 {
    return max(z, 0.0) + log1p_unit(exp(-abs(z)));
}

// delta = p - q; for q = 1 it is -sigmoid(-z), so nothing cancels.
fn residual(z: f32, q: f32) -> f32 {
    let p = sigmoid_both(z);
    return select(p.x, -p.y, q > 0.5);
}

// l = softplus(z) - q z, which for q = 1 is softplus(-z).
fn sample_loss(z: f32, q: f32) -> f32 {
    return softplus(select(z, -z, q > 0.5));
}
