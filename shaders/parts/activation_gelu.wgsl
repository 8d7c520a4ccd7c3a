// f(y) = y G(y), G the standard normal distribution. Returns (f, f', f''), f' = G + y g, f'' = g (2 - y^2).
fn activation(y: f32) -> vec3<f32> {
    let density = 0.3989422804 * exp(-0.5 * y * y);
    // G(-t) = g(t) R(t) for t >= 0 with Mills' ratio R, fitted as a polynomial in u = 1 / (1 + t/4) without constant term
    // (relative error 3.4e-8, right down the tail).
    let u = 1.0 / (1.0 + 0.25 * abs(y));
    let mills = u * (0.24999999 + u * (0.25000216 + u * (0.23428541 + u * (0.20454865 + u * (0.14782882 + u * (0.1596699
        + u * (-0.07950392 + u * (0.23962626 + u * (-0.2027293 + u * 0.04958613)))))))));
    let tail = density * mills;
    let distribution = select(1.0 - tail, tail, y < 0.0);
    return vec3(y * distribution, distribution + y * density, density * (2.0 - y * y));
}

// For training, of t = Y_SCALE y = y: (f, f').
fn unit(t: f32) -> vec2<f32> {
    return activation(t).xy;
}

fn slope(unit: vec2<f32>) -> f32 {
    return unit.y;
}
