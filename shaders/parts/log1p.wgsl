// Parts: tile
// ln(1 + e) for 0 <= e <= 1 as 2 artanh(e / (2 + e)): the series in t^2 <= 1/9 is cut where a term is below 2e-8. The
// built-in log is poor near 1.
fn log1p_unit(e: PerSample) -> PerSample {
    let t = e / (2.0 + e);
    let u = t * t;
    let series = 1.0 + u * (1.0 / 3.0 + u * (0.2 + u * (1.0 / 7.0
        + u * (1.0 / 9.0 + u * (1.0 / 11.0 + u * (1.0 / 13.0 + u / 15.0))))));
    return 2.0 * t * series;
}
