// Parts: decay, descent
// What the two training kernels share whose invocations share a network: LANES of each GROUP. They meet over TILE
// samples at a time, since a meeting costs the same for one sample as for many: every lane leaves its share of each z
// in workgroup memory, one lane per sample adds them up and leaves delta. The host pads the samples to whole tiles with
// zeros, whose delta is 0. All sums run in a fixed order, whatever else is in the group.

// Each lane's share of a sum over the network, at [which sum][invocation]. Lanes that add up a sum each do not ask the
// same memory bank, since a row is one element longer than the group.
const SHARES_ROW: u32 = GROUP + 1u;
var<workgroup> shares: array<f32, SHARES * SHARES_ROW>;
// Z_SCALE delta of each sample of the tile, at [network of the group][sample].
var<workgroup> deltas: array<f32, GROUP / LANES * TILE>;

// Adds up what the lanes of a network, from `first_lane` on, left as their shares of one sum.
fn network_sum(which: u32, first_lane: u32) -> f32 {
    var sum = 0.0;
    for (var lane = 0u; lane < LANES; lane++) {
        sum += shares[which * SHARES_ROW + first_lane + lane];
    }
    return sum;
}

// What the lanes of a network know once they have met at the end of a step.
struct StepEnd {
    v_bias_gradient: f32,
    gradient_sq: f32,
    finite: bool, // all weights
}

// Meets with an invocation's shares of dL/dv_0, as a sum over samples, and of the square of the rest of the gradient,
// and with whether its weights are finite.
fn step_end(
    invocation: u32,
    first_lane: u32,
    v_bias: f32,
    v_bias_share: f32,
    square_share: f32,
    finite: bool,
) -> StepEnd {
    shares[invocation] = v_bias_share;
    shares[SHARES_ROW + invocation] = square_share;
    shares[2u * SHARES_ROW + invocation] = select(1.0, 0.0, finite);
    workgroupBarrier();
    let v_bias_gradient = objective(v_gradient(network_sum(0u, first_lane)), v_bias);
    let gradient_sq = fma(v_bias_gradient, v_bias_gradient, network_sum(1u, first_lane));
    let all_finite = network_sum(2u, first_lane) == 0.0;
    workgroupBarrier();
    return StepEnd(v_bias_gradient, gradient_sq, all_finite);
}
