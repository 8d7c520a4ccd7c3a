// The samples as in rows_uniform.wgsl, where they do not fit a uniform buffer.
@group(0) @binding(1) var<storage, read> samples: array<vec4<f32>>;
