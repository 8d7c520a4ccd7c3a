// Twin: src/model/activation.rs
// Parts: tile, log1p
// f(y) = ln(1 + exp(y)) for training: f and f' of t = Y_SCALE y = y log2(e), and then delta f'(y).
struct Unit {
    f: PerSample,
    df: PerSample,
}

fn unit(t: PerSample) -> Unit {
    let e = exp2(-abs(t));
    let large = 1.0 / (1.0 + e);
    return Unit(max(t, PerSample()) * (1.0 / Y_SCALE) + log1p_unit(e), select(large, e * large, t < PerSample()));
}

fn back(delta: PerSample, share: PerSample, unit: Unit) -> PerSample {
    return delta * unit.df;
}
