// f(y) = y G(y), G the standard normal distribution. Returns (f, f', f''), f' = G + y g, f'' = g (2 - y^2).
fn activation(y: f32) -> vec3<f32> {
    let density = normal_density(y);
    let distribution = normal_distribution(y, density);
    return vec3(y * distribution, distribution + y * density, density * (2.0 - y * y));
}
