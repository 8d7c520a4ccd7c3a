// The data as the evaluation reads them.

@group(0) @binding(1) var<storage, read> samples: array<f32>; // [sample][x_1 .. x_M, q]

// x_im of the sample that starts at `start`, and 1 for the bias.
fn input(start: u32, m: u32) -> f32 {
    if m == 0u {
        return 1.0;
    }
    return samples[start + m - 1u];
}

// 1 + x_i.x_i of the sample that starts at `start`.
fn input_sq(start: u32) -> f32 {
    var sum = 1.0;
    for (var m = 0u; m < INPUTS; m++) {
        let x = samples[start + m];
        sum += x * x;
    }
    return sum;
}
