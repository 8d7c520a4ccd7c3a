// One sample at a time: PerSample is its value.
alias PerSample = f32;

// start + the sum over the samples.
fn sum_onto(start: f32, a: PerSample) -> f32 {
    return start + a;
}

// start + the sum over the samples of a b.
fn dot_onto(start: f32, a: PerSample, b: PerSample) -> f32 {
    return fma(a, b, start);
}

// Value `which` of the four that a row of samples has.
fn value_of(row: vec4<f32>, which: u32) -> PerSample {
    return row[which];
}
