// A tile of two samples; tile_1.wgsl says what each function is.
const WIDTH: u32 = 2u;
alias PerSample = vec2<f32>;

fn sum_onto(start: f32, a: PerSample) -> f32 {
    return start + (a.x + a.y);
}

fn dot_onto(start: f32, a: PerSample, b: PerSample) -> f32 {
    return fma(a.y, b.y, fma(a.x, b.x, start));
}

fn value_of(row: vec4<f32>, which: u32) -> PerSample {
    return select(row.xy, row.zw, which == 1u);
}
