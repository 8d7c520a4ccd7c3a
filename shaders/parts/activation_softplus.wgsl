// f(y) = ln(1 + exp(y)), the paper's SmoothReLU. Returns (f, f', f''), f' = sigmoid(y), f'' = f' (1 - f').
fn activation(y: f32) -> vec3<f32> {
    let first = sigmoid_both(y);
    return vec3(softplus(y), first.x, first.x * first.y);
}

// For training, of t = Y_SCALE y = y log2(e): (f, f').
fn unit(t: f32) -> vec2<f32> {
    let e = exp2(-abs(t));
    let large = 1.0 / (1.0 + e);
    return vec2(fma(max(t, 0.0), 1.0 / Y_SCALE, log1p_unit(e)), select(large, e * large, t < 0.0));
}

fn slope(unit: vec2<f32>) -> f32 {
    return unit.y;
}
