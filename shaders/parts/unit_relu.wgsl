// Twin: src/model/activation.rs
// Parts: tile
// f(y) = max(y, 0) for training: f of t = Y_SCALE y = y, and then delta f'(y), f' = 0 at the kink.
struct Unit {
    f: PerSample,
    df: PerSample, // not used
}

fn unit(t: PerSample) -> Unit {
    return Unit(max(t, PerSample()), PerSample());
}

fn back(delta: PerSample, share: PerSample, unit: Unit) -> PerSample {
    return select(PerSample(), delta, unit.f > PerSample());
}
