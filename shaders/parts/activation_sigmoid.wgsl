// f(y) = 1 / (1 + exp(-y)). Returns (f, f', f''), f' = f (1 - f), f'' = (1 - 2f) f'.
fn activation(y: f32) -> vec3<f32> {
    let f = sigmoid_both(y);
    let first = f.x * f.y;
    return vec3(f.x, first, (f.y - f.x) * first);
}

// For training, of t = Y_SCALE y = -y log2(e): (f, nothing more), and f' = f - f^2 from it. Where f rounds to 1 this loses the
// relative accuracy of f', not the absolute one: 6e-8, which is all that a sum over samples keeps of it.
fn unit(t: f32) -> vec2<f32> {
    return vec2(1.0 / (1.0 + exp2(t)), 0.0);
}

fn slope(unit: vec2<f32>) -> f32 {
    return fma(-unit.x, unit.x, unit.x);
}
