// Twin: src/model/activation.rs
// Parts: tile
// f(y) = y s, s = sigmoid(y), for training: f and f' = s + y s (1 - s) of t = Y_SCALE y = y log2(e), and then delta
// f'(y).
struct Unit {
    f: PerSample,
    df: PerSample,
}

fn unit(t: PerSample) -> Unit {
    let e = exp2(-abs(t));
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    let y = t * (1.0 / Y_SCALE);
    let s = select(large, small, t < PerSample());
    return Unit(y * s, fma(y * small, large, s));
}

fn back(delta: PerSample, share: PerSample, unit: Unit) -> PerSample {
    return delta * unit.df;
}
