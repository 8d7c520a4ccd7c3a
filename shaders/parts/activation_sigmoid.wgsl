// Twin: src/model/activation.rs
// Parts: logistic, rounding
// f(y) = 1 / (1 + exp(-y)). Returns (f, f', f''), f' = f (1 - f), f'' = (1 - 2f) f'.
fn activation(y: f32) -> vec3<f32> {
    let f = sigmoid_both(y);
    let df = f.x * f.y;
    return vec3(f.x, df, (f.y - f.x) * df);
}

// The errors of these, with y off by up to `error`: |f''| and |f'''| are at most f'.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    let constant = abs(y) - error > SATURATED;
    return logistic_errors(y, f.x, f.y) + vec3(
        change(error, 1.0, f.y, 0.25, constant),
        change(error, 1.0, f.y, 0.1, constant),
        change(error, 1.0, f.y, 0.125, constant),
    );
}
