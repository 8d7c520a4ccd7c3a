// Training takes four samples at a time, a tile: PerSample has a value for each of them.
alias PerSample = vec4<f32>;

// start + the sum over the samples.
fn sum_onto(start: f32, a: PerSample) -> f32 {
    return start + ((a.x + a.y) + (a.z + a.w));
}

// start + the sum over the samples of a b.
fn dot_onto(start: f32, a: PerSample, b: PerSample) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, start))));
}

// The value that a row of samples has of a tile.
fn value_of(row: vec4<f32>, which: u32) -> PerSample {
    return row;
}
