// WGSL may assume that no value is NaN or infinite, so comparisons cannot find one: the exponent's bits can.

fn is_finite(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}
