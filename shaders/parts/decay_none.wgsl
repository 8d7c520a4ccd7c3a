// The derivative of what training minimises: the loss.
fn objective(gradient: f32, weight: f32) -> f32 {
    return gradient;
}
