// f(y) = 1 / (1 + exp(-y)). Returns (f, f', f''), f' = f (1 - f), f'' = (1 - 2f) f'.
fn activation(y: f32) -> vec3<f32> {
    let f = sigmoid_both(y);
    let first = f.x * f.y;
    return vec3(f.x, first, (f.y - f.x) * first);
}
