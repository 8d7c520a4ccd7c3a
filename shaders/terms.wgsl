// Twin: src/reference/terms.rs, src/reference/rounding.rs
// Parts: params, theta, finite, samples, logistic, rounding, activation
// One forward pass: all that the closed forms need of theta, sample by sample, and how far its rounding may have moved
// the Hessian; src/engine/rounding.rs has the derivation. One invocation: one network and every groups.y-th sample.

// [parameter][network], and then by how much the network's weights and inputs may be off already, relative: [network].
@group(0) @binding(2) var<storage, read> theta: array<f32>;
// [sample][loss, s, delta, size, perturbation][network]
@group(0) @binding(3) var<storage, read_write> output_terms: array<f32>;
@group(0) @binding(4) var<storage, read_write> r: array<f32>; // [sample][unit][network]
@group(0) @binding(5) var<storage, read_write> df: array<f32>; // [sample][unit][network], f'
@group(0) @binding(6) var<storage, read_write> ddf: array<f32>; // [sample][unit][network], f''

// Sums of squares over the units, of values (x) and of their errors (y). They start at what squares below 2^-126 may
// lose.
struct Squares {
    back: vec2<f32>, // v f'
    hidden: vec2<f32>, // r, and 1 for the bias
    curved: vec2<f32>, // v f''
    direct: vec2<f32>, // f'
}

const LOST_SQUARES: f32 = 1e-36 * f32(HIDDEN);

// What a perturbation that has no bound in f32 counts as: the host reads all beyond 1e37 as infinite.
const UNBOUNDED: f32 = 3e38;

@compute @workgroup_size(64)
fn terms(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    let given = theta[PARAMETERS * networks + network];
    for (var i = id.y; i < params.samples; i += groups.y) {
        let sample = i * (INPUTS + 1u);
        let bias = theta[V_BIAS * networks + network];
        var largest_weight = abs(bias);
        var largest_r = 1.0;
        // Sums over the units: the errors of v f(y), sizes that tell whether anything overflowed, and squares.
        var output_error = 0.0;
        var sizes = 0.0;
        var squares = Squares(
            vec2(LOST_SQUARES),
            vec2(1.0, LOST_SQUARES),
            vec2(LOST_SQUARES),
            vec2(LOST_SQUARES),
        );
        for (var n = 0u; n < HIDDEN; n++) {
            let sum = pre_activation(network, n, sample);
            let y = sum.leading + sum.rest;
            let f = activation(y);
            let errors = activation_errors(y, split_error(sum, INPUTS, given), f);
            let at = (i * HIDDEN + n) * networks + network;
            r[at] = f.x;
            df[at] = f.y;
            ddf[at] = f.z;
            let weight = theta[v(n) * networks + network];
            largest_weight = max(largest_weight, abs(weight));
            largest_r = max(largest_r, abs(f.x));
            output_error += abs(weight) * errors.x;
            sizes += sum.size + abs(y);
            squares.back += square(weight * vec2(f.y, errors.y));
            squares.hidden += square(vec2(f.x, errors.x));
            squares.curved += square(weight * vec2(f.z, errors.z));
            squares.direct += square(vec2(f.y, errors.y));
        }
        // z, to one rounding as y is.
        let weight_unit = unit_of_leading_part(largest_weight, leading_bits(HIDDEN));
        let r_unit = unit_of_leading_part(largest_r, leading_bits(HIDDEN));
        var sum = add_product(SplitSum(), bias, 1.0, weight_unit, r_unit);
        for (var n = 0u; n < HIDDEN; n++) {
            let weight = theta[v(n) * networks + network];
            sum = add_product(sum, weight, r[(i * HIDDEN + n) * networks + network], weight_unit, r_unit);
        }
        let z = sum.leading + sum.rest;
        let z_error = output_error + split_error(sum, HIDDEN, given);
        let q = samples[sample + INPUTS];
        let p = sigmoid_both(z);
        let s = p.x * p.y;
        let delta = residual(z, q);

        // |J| and |dJ|, ||C||_F and ||dC||_F. Rounded inputs and output weights make J wrong by `given`, C by twice
        // that.
        let x_sq = input_sq(sample);
        let j = sqrt(x_sq * squares.back + squares.hidden);
        let c = sqrt(x_sq * (x_sq * squares.curved + 2.0 * squares.direct));
        let dj = j.y + given * j.x;
        let dc = c.y + 2.0 * given * c.x;
        let own = logistic_errors(z, abs(delta), s);
        let constant = abs(z) - z_error > SATURATED;
        let ds = own.y + change(z_error, 1.0, s, 0.1, constant);
        let d_delta = own.x + change(z_error, 1.0, s, 0.25, constant);
        let perturbation = ds * (j.x + dj) * (j.x + dj) + s * (2.0 * j.x + dj) * dj
            + d_delta * (c.x + dc) + abs(delta) * dc
            // What later products of J, C and x lose that are below 2^-126, and more: the host finds by this how large
            // they are.
            + REACH_SHARE * (j.x * (j.x + 2.0 * c.x) + x_sq);

        let at = i * OUTPUT_TERMS * networks + network;
        output_terms[at] = sample_loss(z, q);
        output_terms[at + networks] = s;
        output_terms[at + 2u * networks] = delta;
        output_terms[at + 3u * networks] = s * j.x * j.x + abs(delta) * c.x;
        let bounded = is_finite(64.0 * (sizes + sum.size + abs(z))) && is_finite(perturbation);
        output_terms[at + 4u * networks] = select(UNBOUNDED, perturbation, bounded);
    }
}

fn square(value: vec2<f32>) -> vec2<f32> {
    return value * value;
}

// y_in = W[n, 0] + sum_m W[n, m] x_im, to one rounding. Weights grow large in training and their products cancel; a
// plain sum then loses the digits that decide s_i, and with them the fifth digit of an eigenvalue.
fn pre_activation(network: u32, n: u32, sample: u32) -> SplitSum {
    var largest_weight = 0.0;
    var largest_input = 1.0;
    for (var m = 0u; m <= INPUTS; m++) {
        largest_weight = max(largest_weight, abs(theta[w(n, m) * params.networks + network]));
        largest_input = max(largest_input, abs(input(sample, m)));
    }
    let weight_unit = unit_of_leading_part(largest_weight, leading_bits(INPUTS));
    let input_unit = unit_of_leading_part(largest_input, leading_bits(INPUTS));
    var sum = SplitSum();
    for (var m = 0u; m <= INPUTS; m++) {
        let weight = theta[w(n, m) * params.networks + network];
        sum = add_product(sum, weight, input(sample, m), weight_unit, input_unit);
    }
    return sum;
}
