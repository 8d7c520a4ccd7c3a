// Parts: descent
// The weights of a network that fills a workgroup, and its gradient, in storage.
@group(0) @binding(6) var<storage, read_write> gradients: array<f32>; // [workgroup][parameter]

// Where the weights of a network stand, and where its gradient does, by its place in theta and its workgroup.
fn first_weight(place: u32, network: u32) -> u32 {
    return network * PARAMETERS;
}

fn first_gradient(place: u32, group: u32) -> u32 {
    return group * PARAMETERS;
}

fn weight(at: u32) -> f32 {
    return theta[at];
}

fn set_weight(at: u32, value: f32) {
    theta[at] = value;
}

fn gradient(at: u32) -> f32 {
    return gradients[at];
}

fn set_gradient(at: u32, value: f32) {
    gradients[at] = value;
}
