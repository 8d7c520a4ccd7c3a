// Twin: src/model/activation.rs
// Parts: rounding
// f(y) = y^2. Returns (f, f', f''), f' = 2y, f'' = 2.
fn activation(y: f32) -> vec3<f32> {
    return vec3(y * y, 2.0 * y, 2.0);
}

// The errors of these, with y off by up to `error`: |(y + e)^2 - y^2| <= |e| (2 |y| + |e|), and y^2 is rounded once.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    return vec3(error * (abs(f.y) + error) + ULP * f.x + FLUSHED, 2.0 * error, 0.0);
}
