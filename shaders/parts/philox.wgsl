// Twin: src/model/philox.rs
// Philox4x32-10 (Salmon et al. 2011).

// The high and low word of a * b, from 16-bit halves: WGSL has no wide multiplication.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let middle = a_high * b_low + (low >> 16u);
    let other = a_low * b_high + (middle & 0xffffu);
    return vec2(a_high * b_high + (middle >> 16u) + (other >> 16u), a * b);
}

fn philox4x32_10(start: vec4<u32>, start_key: vec2<u32>) -> vec4<u32> {
    var counter = start;
    var key = start_key;
    for (var round = 0u; round < 10u; round++) {
        let even = multiply_wide(0xd2511f53u, counter.x);
        let odd = multiply_wide(0xcd9e8d57u, counter.z);
        counter = vec4(odd.x ^ counter.y ^ key.x, odd.y, even.x ^ counter.w ^ key.y, even.y);
        key += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return counter;
}
