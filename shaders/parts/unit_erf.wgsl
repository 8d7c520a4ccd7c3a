// Twin: src/model/activation.rs
// Parts: tile
// f(y) = erf(y) for training: f and f' of t = Y_SCALE y = y, and then delta f'(y). Near 0 an odd polynomial fitted to
// erf (relative error 5.7e-8); elsewhere 1 - 2^(-|y| q(|y|)), q fitted up to 4 (6.5e-8), from where erf is 1.
struct Unit {
    f: PerSample,
    df: PerSample,
}

fn unit(t: PerSample) -> Unit {
    let u = t * t;
    let near = t * fma(u, fma(u, fma(u, fma(u,
        PerSample(0.0047179903),
        PerSample(-0.026757184)),
        PerSample(0.112828225)),
        PerSample(-0.37612608)),
        PerSample(1.1283791));
    let a = min(abs(t), PerSample(4.0));
    let q = fma(a, fma(a, fma(a, fma(a, fma(a, fma(a, fma(a,
        PerSample(0.0000586449),
        PerSample(-0.0005490332)),
        PerSample(0.0018040392)),
        PerSample(0.00029943476)),
        PerSample(-0.0278773)),
        PerSample(0.14833055)),
        PerSample(0.9184434)),
        PerSample(1.627907));
    let far = sign(t) * (1.0 - exp2(-a * q));
    return Unit(select(far, near, a < PerSample(0.5)), 1.12837917 * exp(-u));
}

fn back(delta: PerSample, share: PerSample, unit: Unit) -> PerSample {
    return delta * unit.df;
}
