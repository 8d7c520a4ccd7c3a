// f(y) = ln(1 + exp(y)), the paper's SmoothReLU. Returns (f, f', f''), f' = sigmoid(y), f'' = f' (1 - f').
fn activation(y: f32) -> vec3<f32> {
    let first = sigmoid_both(y);
    return vec3(softplus(y), first.x, first.x * first.y);
}
