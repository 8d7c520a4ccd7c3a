// Twin: src/gpu/params.rs
// What changes from dispatch to dispatch, for every pass. A test compares the two layouts.
struct Params {
    // S, the networks of the batch: the stride of every [..][network] array.
    networks: u32,
    // I, the number of samples.
    samples: u32,
    // The most networks that train at once; others wait until one has finished (train and remaining only).
    at_once: u32,
    // How many of them a workgroup trains (remaining only).
    networks_per_group: u32,
    // Gradient evaluations in this dispatch (train only).
    steps: u32,
    // T, the most steps a network takes (train only).
    max_steps: u32,
    // The first row of sample pairs (trace_sq), item (trace_sq_assembled), tile (hessian) or workgroup of matrices
    // (eigenvalues) of this dispatch.
    first_row: u32,
    // The samples j of this dispatch, the end excluded (gradient, trace_sq and hessian only): an invocation's loops
    // stay short.
    first_sample: u32,
    end_sample: u32,
    // The steps of this dispatch, the end excluded (eigenvalues only), likewise.
    first_step: u32,
    end_step: u32,
    // The seed of network 0, low and high word (seeds only).
    seed_low: u32,
    seed_high: u32,
    // a, the half-width of theta_0's interval (seeds only).
    init_range: f32,
    // eta, the step size (train only).
    step_size: f32,
    // alpha, the weight decay (train only).
    weight_decay: f32,
    // g.g below this has converged (train only).
    tolerance: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
