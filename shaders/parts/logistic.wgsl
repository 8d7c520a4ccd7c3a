// The logistic function and the cross-entropy in float32, without cancellation.

// sigmoid(z) and sigmoid(-z) = 1 - sigmoid(z), both with a small relative error.
fn sigmoid_both(z: f32) -> vec2<f32> {
    let e = exp(-abs(z));
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    return select(vec2(large, small), vec2(small, large), z < 0.0);
}

// ln(1 + e) for 0 <= e <= 1 as 2 artanh(e / (2 + e)): the series in t^2 <= 1/9 is cut where a term is below 2e-8. The built-in
// log is poor near 1.
fn log1p_unit(e: f32) -> f32 {
    let t = e / (2.0 + e);
    let u = t * t;
    let series = 1.0 + u * (1.0 / 3.0 + u * (0.2 + u * (1.0 / 7.0 + u * (1.0 / 9.0 + u * (1.0 / 11.0 + u * (1.0 / 13.0 + u / 15.0))))));
    return 2.0 * t * series;
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

// Z_SCALE delta for training, of label = Z_SCALE (1 - 2q) with Z_SCALE = -log2(e). With the label's sign on both sides it is
// sigmoid(z) for q = 0 and -sigmoid(-z) for q = 1, so nothing cancels; exp2 that overflows makes it 0.
fn scaled_residual(z: f32, label: f32) -> f32 {
    return label / (1.0 + exp2(label * z));
}

// l = softplus(z) - q z, which for q = 1 is softplus(-z).
fn sample_loss(z: f32, q: f32) -> f32 {
    return softplus(select(z, -z, q > 0.5));
}
