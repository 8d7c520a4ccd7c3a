// Parts: params
// The derivative of what training minimises: L + alpha |theta|^2 / 2, from dL/dtheta at a weight.
fn objective(gradient: f32, weight: f32) -> f32 {
    return fma(params.weight_decay, weight, gradient);
}
