// Twin: src/model/activation.rs
// f(y) = y. Returns (f, f', f'').
fn activation(y: f32) -> vec3<f32> {
    return vec3(y, 1.0, 0.0);
}

// The errors of these, with y off by up to `error`.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    return vec3(error, 0.0, 0.0);
}
