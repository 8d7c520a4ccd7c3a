// What terms.wgsl leaves of a batch, as all passes after it bind it.
//
// Whatever they add up over the samples is a sum of sums over blocks: the rounding error then grows with the length of
// a block and the number of blocks, not with their product.

@group(0) @binding(2) var<storage, read> theta: array<f32>; // [parameter][network]
// [sample][loss, s, delta, size, perturbation][network].
@group(0) @binding(3) var<storage, read> output_terms: array<f32>;
@group(0) @binding(4) var<storage, read> r: array<f32>; // f(y), [sample][unit][network]
@group(0) @binding(5) var<storage, read> df: array<f32>; // f'(y), [sample][unit][network]
@group(0) @binding(6) var<storage, read> ddf: array<f32>; // f''(y), [sample][unit][network]
