// Twin: src/model/activation.rs
// Parts: normal, rounding
// f(y) = y G(y), G the standard normal distribution. Returns (f, f', f''), f' = G + y g, f'' = g (2 - y^2).
fn activation(y: f32) -> vec3<f32> {
    let near = min(abs(y), DENSITY_END);
    let density = normal_density(near);
    let distribution = normal_distribution(y, density);
    return vec3(y * distribution, distribution + y * density, density * (2.0 - near * near));
}

// From here on g is 0 in float32, as is its product with any polynomial.
const DENSITY_END: f32 = 20.0;

// The errors of these, with y off by up to `error`. That of g is 5.5 + 1.5 y^2 ulp, half of the slope from its
// exponent's rounding; that of Mills' ratio (normal.wgsl) is less than 20. g (2 + y^2) and g (1 + |y|) (4 + y^2) are at
// least |f''| and |f'''|, and their logarithms change at a rate of at most |y| + 2 within 1/4.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    let constant = abs(y) - error > DENSITY_END;
    let near = min(abs(y), DENSITY_END);
    let square = near * near;
    let density = normal_density(near);
    let relative = 5.5 + 1.5 * square;
    let tail = relative + 21.0;
    let own = ULP * vec3(
        abs(f.x - max(y, 0.0)) * tail + 2.0 * abs(f.x),
        density * (1.26 * tail + near * (relative + 2.0)) + 2.0 * abs(f.y),
        density * (2.0 + square) * (relative + 3.0),
    ) + FLUSHED;
    let rate = near + 2.0;
    let curvature = density * (2.0 + square);
    // f' over the interval is at most |f'| and what f'' adds.
    let slope = min(abs(f.y) + change(error, rate, curvature, 0.8, constant), 1.13);
    return own + vec3(
        error * slope,
        change(error, rate, curvature, 0.8, constant),
        change(error, rate, density * (1.0 + near) * (4.0 + square), 1.0, constant),
    );
}
