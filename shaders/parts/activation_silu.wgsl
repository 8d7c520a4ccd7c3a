// Twin: src/model/activation.rs
// Parts: logistic, rounding
// f(y) = y s, s = sigmoid(y). Returns (f, f', f''), f' = s + y s', f'' = s' (2 + y (1 - 2s)), s' = s (1 - s).
fn activation(y: f32) -> vec3<f32> {
    let s = sigmoid_both(y);
    let slope = s.x * s.y;
    return vec3(y * s.x, s.x + y * slope, slope * (2.0 + y * (s.y - s.x)));
}

// The errors of these, with y off by up to `error`. Those of s and s' count |y| times, up to where s' is as good as 0;
// 1 - 2s is off by twice that of s and two roundings. As |s''| and |s'''| are at most s', |f''| is at most (2 + |y|) s'
// and |f'''| at most (3 + |y|) s', below 1; their logarithms change at a rate of at most 3/2.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    let constant = abs(y) - error > SATURATED;
    let near = min(abs(y), SATURATED);
    let s = sigmoid_both(y);
    let slope = s.x * s.y;
    let logistic = logistic_errors(y, s.x, slope);
    let bracket = 2.0 + near;
    let own = vec3(
        near * logistic.x + 2.0 * ULP * abs(f.x),
        logistic.x + near * (logistic.y + ULP * slope) + ULP * abs(f.y),
        bracket * logistic.y + slope * (2.0 * near * logistic.x + 2.0 * ULP * (near + bracket)) + ULP * abs(f.z),
    ) + FLUSHED;
    let bent = change(error, 1.5, bracket * slope, 0.5, constant);
    // f' over the interval is at most |f'| and what f'' adds.
    let steepest = min(abs(f.y) + bent, 1.1);
    return own + vec3(
        error * steepest,
        bent,
        change(error, 1.5, (3.0 + near) * slope, 1.0, constant),
    );
}
