// Twelve independent chains of multiply-adds in every invocation: enough to hide the latency of an operation, and few
// enough for the registers of a processor. The values converge to term / (1 - factor), so none leaves the range of
// normal numbers.

struct Chain {
    trips: u32,
    factor: f32,
    term: f32,
}

@group(0) @binding(0) var<uniform> chain: Chain;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(256)
fn fma_peak(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = vec4(chain.factor);
    let term = vec4(chain.term);
    var a = vec4(f32(id.x)) + vec4(0.0, 1.0, 2.0, 3.0);
    var b = a + 4.0;
    var c = a + 8.0;
    for (var trip = 0u; trip < chain.trips; trip++) {
        a = fma(a, factor, term);
        b = fma(b, factor, term);
        c = fma(c, factor, term);
        a = fma(a, factor, term);
        b = fma(b, factor, term);
        c = fma(c, factor, term);
        a = fma(a, factor, term);
        b = fma(b, factor, term);
        c = fma(c, factor, term);
        a = fma(a, factor, term);
        b = fma(b, factor, term);
        c = fma(c, factor, term);
    }
    sums[id.x] = dot(a + b + c, vec4(1.0));
}
