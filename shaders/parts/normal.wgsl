// Parts: tile
// The standard normal distribution, for GELU.

// g(y).
fn normal_density(y: PerSample) -> PerSample {
    return 0.3989422804 * exp(-0.5 * y * y);
}

// G(y). For t >= 0, G(-t) = g(t) R(t) with Mills' ratio R, fitted as a polynomial in u = 1 / (1 + t/4) without constant
// term (relative error 3.4e-8, right down the tail).
fn normal_distribution(y: PerSample, density: PerSample) -> PerSample {
    let u = 1.0 / (1.0 + 0.25 * abs(y));
    let mills = u * (0.24999999 + u * (0.25000216 + u * (0.23428541 + u * (0.20454865 + u * (0.14782882 + u * (0.1596699
        + u * (-0.07950392 + u * (0.23962626 + u * (-0.2027293 + u * 0.04958613)))))))));
    let tail = density * mills;
    return select(1.0 - tail, tail, y < PerSample());
}
