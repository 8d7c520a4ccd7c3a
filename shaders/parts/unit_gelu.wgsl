// Twin: src/model/activation.rs
// Parts: tile, normal
// f(y) = y G(y) for training: f and f' of t = Y_SCALE y = y, and then delta f'(y).
struct Unit {
    f: PerSample,
    df: PerSample,
}

fn unit(t: PerSample) -> Unit {
    let density = normal_density(t);
    let distribution = normal_distribution(t, density);
    return Unit(t * distribution, distribution + t * density);
}

fn back(delta: PerSample, share: PerSample, unit: Unit) -> PerSample {
    return delta * unit.df;
}
