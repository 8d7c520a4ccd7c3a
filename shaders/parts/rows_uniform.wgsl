// The samples in rows of four values, SAMPLE_ROWS for each tile: Y_SCALE x_1 of all its samples, and so on to x_M, then
// Z_SCALE (1 - 2q). They are uniform as long as they fit such a buffer, else in storage (rows_storage.wgsl).
@group(0) @binding(1) var<uniform> samples: array<vec4<f32>, UNIFORM_ROWS>;
