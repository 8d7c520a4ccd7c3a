// Training takes a tile of WIDTH samples at a time, here a single one: PerSample has a value for each of them.
// `sum_onto` adds a of each to `start`, `dot_onto` a b of each. `value_of` is the value with number `which` of those
// that a row of four values holds for a tile.
const WIDTH: u32 = 1u;
alias PerSample = f32;

fn sum_onto(start: f32, a: PerSample) -> f32 {
    return start + a;
}

fn dot_onto(start: f32, a: PerSample, b: PerSample) -> f32 {
    return fma(a, b, start);
}

fn value_of(row: vec4<f32>, which: u32) -> PerSample {
    return row[which];
}
