// A tile of four samples; tile_1.wgsl says what each function is.
const WIDTH: u32 = 4u;
alias PerSample = vec4<f32>;

fn sum_onto(start: f32, a: PerSample) -> f32 {
    return start + ((a.x + a.y) + (a.z + a.w));
}

fn dot_onto(start: f32, a: PerSample, b: PerSample) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, start))));
}

fn value_of(row: vec4<f32>, which: u32) -> PerSample {
    return row;
}
