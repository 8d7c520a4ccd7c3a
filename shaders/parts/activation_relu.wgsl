// Twin: src/model/activation.rs
// f(y) = max(y, 0). Returns (f, f', f''); f' is 0 at the kink, f'' everywhere.
fn activation(y: f32) -> vec3<f32> {
    return vec3(max(y, 0.0), select(0.0, 1.0, y > 0.0), 0.0);
}

// The errors of these, with y off by up to `error`: where its sign is uncertain, f' is off by as much as 1; where it is
// certainly negative, f is exactly 0. The error is itself rounded.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    let reach = 1.01 * error;
    return vec3(select(error, 0.0, y < -reach), select(0.0, 1.0, abs(y) < reach), 0.0);
}
