// Twin: src/model/activation.rs
// Parts: rounding
// f(y) = tanh(y). Returns (f, f', f''), f' = 1 - f^2, f'' = -2 f f'.
fn activation(y: f32) -> vec3<f32> {
    // Below 0.55 in magnitude an odd polynomial fitted to tanh (relative error 3.3e-8): the built-in tanh and the
    // quotient of exponentials lose all relative accuracy near 0.
    let u = y * y;
    let near = y * (0.99999997 + u * (-0.33332795 + u * (0.13318877 + u * (-0.05258932 + u * 0.01631544))));
    let e = exp(-2.0 * abs(y));
    // 1 - 2e / (1 + e) rather than (1 - e) / (1 + e): close to 1 only the last rounding is left of all errors.
    let far = sign(y) * (1.0 - 2.0 * e / (1.0 + e));
    let f = select(far, near, abs(y) < 0.55);
    // 1 - f^2 = 4 e / (1 + e)^2 does not cancel where |f| is close to 1.
    let df = 4.0 * e / ((1.0 + e) * (1.0 + e));
    return vec3(f, df, -2.0 * f * df);
}

// The errors of these, with y off by up to `error`: |f''| is at most 2 f' and |f'''| at most 4 f'. In (1 + e)^2 and 2 e
// / (1 + e) that of e = exp(-2 |y|), 3 + 4 |y| ulp, counts |f| times and 1/2 f' times; the polynomial is good to 3 ulp.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    let constant = abs(y) - error > 0.5 * SATURATED;
    let exponential = 4.0 * min(abs(y), 0.5 * SATURATED);
    let far = f.y * (4.5 + 0.5 * exponential) + abs(f.x);
    let value = ULP * select(far, 3.0 * abs(f.x), abs(y) < 0.55);
    let relative = ULP * (abs(f.x) * (3.0 + exponential) + 5.5);
    return FLUSHED + vec3(
        value + change(error, 2.0, f.y, 1.0, constant),
        relative * f.y + change(error, 2.0, 2.0 * f.y, 0.8, constant),
        2.0 * f.y * value + (relative + 2.0 * ULP) * abs(f.z) + change(error, 2.0, 4.0 * f.y, 2.0, constant),
    );
}
