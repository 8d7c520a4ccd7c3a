// Twin: src/model/activation.rs
// Parts: normal, rounding
// f(y) = erf(y). Returns (f, f', f''), f' = 2/sqrt(pi) exp(-y^2), f'' = -2 y f'.
fn activation(y: f32) -> vec3<f32> {
    let near = clamp(y, -EXPONENTIAL_END, EXPONENTIAL_END);
    let u = near * near;
    let e = exp(-u);
    // Below 1 an odd polynomial fitted to erf (relative error 5.4e-8); beyond, 1 - 2 G(-sqrt(2) |y|).
    let odd = y * (1.1283791 + u * (-0.37612325 + u * (0.1128018 + u * (-0.026711311 + u * (0.0049175513
        + u * -0.00056314224)))));
    let tail = normal_distribution(-1.41421356 * abs(near), 0.3989422804 * e);
    let value = select(sign(y) * (1.0 - 2.0 * tail), odd, abs(y) < 1.0);
    let df = 1.12837917 * e;
    return vec3(value, df, -2.0 * near * df);
}

// From here on exp(-y^2) is 0 in float32, as is its product with any polynomial.
const EXPONENTIAL_END: f32 = 14.0;

// The errors of these, with y off by up to `error`. exp(-y^2) is good to 3 + 3 y^2 ulp, a third of the slope from its
// exponent's rounding, and less than 2.5 more with its factor; Mills' ratio (normal.wgsl) to less than 20, and 1.5 of
// its argument; the polynomial to 4. |f''| = 2 |y| f' and |f'''| = |4 y^2 - 2| f'; the logarithms of f', (1 + |y|) f'
// and (2 + 4 y^2) f' change at a rate of at most 2 |y| + 1.42, and 2 |y| by less than 1/2 within 1/4.
fn activation_errors(y: f32, error: f32, f: vec3<f32>) -> vec3<f32> {
    let constant = abs(y) - error > EXPONENTIAL_END;
    let near = min(abs(y), EXPONENTIAL_END);
    let square = near * near;
    let relative = 5.5 + 3.0 * square;
    let far = (1.0 - abs(f.x)) * (relative + 23.0) + 2.0;
    let own = ULP * vec3(
        select(far, 4.0 * abs(f.x), abs(y) < 1.0),
        f.y * relative,
        abs(f.z) * (relative + 2.0),
    ) + FLUSHED;
    let rate = 2.0 + 2.0 * near;
    return own + vec3(
        change(error, rate, f.y, 1.13, constant),
        change(error, rate, rate * f.y, 0.97, constant),
        change(error, rate, (2.0 + 4.0 * square) * f.y, 2.26, constant),
    );
}
