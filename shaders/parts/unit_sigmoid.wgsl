// Twin: src/model/activation.rs
// Parts: tile
// f(y) = 1 / (1 + exp(-y)) for training: f of t = Y_SCALE y = -y log2(e), and then delta f'(y), of share = delta f(y).
// Where f rounds to 1, share - share f loses the relative accuracy of f', not the absolute one: 6e-8, which is all that
// a sum over samples keeps of it.
struct Unit {
    f: PerSample,
    df: PerSample, // not used
}

fn unit(t: PerSample) -> Unit {
    return Unit(1.0 / (1.0 + exp2(t)), PerSample());
}

fn back(delta: PerSample, share: PerSample, unit: Unit) -> PerSample {
    return fma(-share, unit.f, share);
}
