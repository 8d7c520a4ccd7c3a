// Twin: src/model/activation.rs
// Parts: logistic, rounding
// f(y) = ln(1 + exp(y)), the paper's SmoothReLU. Returns (f, f', f''), f' = sigmoid(y), f'' = f' (1 - f').
fn activation(y: f32) -> vec3<f32> {
    let df = sigmoid_both(y);
    return vec3(softplus(y), df.x, df.x * df.y);
}

// The errors of these, with y off by up to `error`: |f'''| is at most f''. For |y| beyond the error of exp(-|y|) alone,
// ln(1 + exp(-|y|)) is good to 8.5 ulp (log1p.wgsl): its quotient, its square, four products and the sums that matter.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    let constant = abs(y) - error > SATURATED;
    let logistic = logistic_errors(y, f.y, f.z);
    let small = min(f.y, 1.0 - f.y);
    let series = 8.5 * min(f.x, 2.0 * small);
    let own = ULP * (small * (3.0 + 2.0 * min(abs(y), SATURATED)) + series + f.x) + FLUSHED;
    return vec3(
        own + change(error, 1.0, f.y, 1.0, constant),
        logistic.x + change(error, 1.0, f.z, 0.25, constant),
        logistic.y + change(error, 1.0, f.z, 0.1, constant),
    );
}
