// Twin: src/model/activation.rs
// Parts: tile
// f(y) = tanh(y) for training: f of t = Y_SCALE y = 2 y log2(e), and then delta f'(y) = delta (1 - f^2), of share =
// delta f(y), good to 6e-8 of delta. Near 0 the polynomial of activation_tanh.wgsl, in t; elsewhere 1 - 2 / (1 +
// exp(2y)).
struct Unit {
    f: PerSample,
    df: PerSample, // not used
}

fn unit(t: PerSample) -> Unit {
    const U_SCALE = 1.0 / (Y_SCALE * Y_SCALE);
    let u = t * t;
    let near = t * fma(u, fma(u, fma(u, fma(u,
        PerSample(0.01631544 * U_SCALE * U_SCALE * U_SCALE * U_SCALE / Y_SCALE),
        PerSample(-0.05258932 * U_SCALE * U_SCALE * U_SCALE / Y_SCALE)),
        PerSample(0.13318877 * U_SCALE * U_SCALE / Y_SCALE)),
        PerSample(-0.33332795 * U_SCALE / Y_SCALE)),
        PerSample(0.99999997 / Y_SCALE));
    let far = fma(PerSample(-2.0), 1.0 / (1.0 + exp2(t)), PerSample(1.0));
    return Unit(select(far, near, abs(t) < PerSample(0.55 * Y_SCALE)), PerSample());
}

fn back(delta: PerSample, share: PerSample, unit: Unit) -> PerSample {
    return fma(-share, unit.f, delta);
}
