// Weights and gradients of the networks of a workgroup, in its memory.
var<workgroup> group_weights: array<f32, NETWORKS * PARAMETERS>;
var<workgroup> group_gradients: array<f32, NETWORKS * PARAMETERS>;

// Where the weights of a network stand, and where its gradient does, by its place in the group and in theta.
fn first_weight(place: u32, network: u32) -> u32 {
    return place * PARAMETERS;
}

fn first_gradient(place: u32, group: u32) -> u32 {
    return place * PARAMETERS;
}

fn weight(at: u32) -> f32 {
    return group_weights[at];
}

fn set_weight(at: u32, value: f32) {
    group_weights[at] = value;
}

fn gradient(at: u32) -> f32 {
    return group_gradients[at];
}

fn set_gradient(at: u32, value: f32) {
    group_gradients[at] = value;
}
