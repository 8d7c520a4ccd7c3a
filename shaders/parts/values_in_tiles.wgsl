// Parts: tile
// The samples by tiles of TILE, which several invocations share: [tile][value][sample of the tile]. The host pads them
// to whole tiles with copies of the last one whose weight is 0.
@group(0) @binding(1) var<storage, read> samples: array<f32>;

// Value k of a sample: x_1 .. x_M, then the targets, then omega.
fn values(sample: u32, k: u32) -> PerSample {
    return samples[(sample / TILE * SAMPLE_VALUES + k) * TILE + sample % TILE];
}
