// Twin: src/reference/layers/backward.rs, src/reference/layers/rounding.rs
// Parts: params, finite, rounding, activation, layer_places, layer_room, outputs
// One sample's way through a network of any depth and back: all that the closed forms need of theta, and how far its
// rounding may have moved the sample's Hessian, as the twins derive it. One invocation: one network and one sample.
//
// With every norm (x) goes a bound of its error (y): entry by entry for vectors, in the Frobenius norm for matrices.

// Sums of squares start at what squares below 2^-126 may lose.
const LOST_SQUARES: f32 = 1e-36;

// What a perturbation that has no bound in f32 counts as: the host reads all beyond 1e37 as infinite.
const UNBOUNDED: f32 = 3e38;

// The product of two quantities, whose products add up in sums of at most `terms`.
fn times(a: vec2<f32>, b: vec2<f32>, terms: u32) -> vec2<f32> {
    let size = a.x * b.x;
    return vec2(size, a.y * (b.x + b.y) + a.x * b.y + f32(terms + 2u) * ULP * size);
}

fn plus(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    let size = a.x + b.x;
    return vec2(size, a.y + b.y + ULP * size);
}

fn square(value: vec2<f32>) -> vec2<f32> {
    return value * value;
}

// The sum of the squares of `count` elements of the matrix at `at`.
fn norm(spot: Spot, at: u32, count: u32) -> f32 {
    var sum = LOST_SQUARES;
    for (var k = 0u; k < count; k++) {
        let value = pairs[pair_at(spot, at + k)];
        sum += value * value;
    }
    return sqrt(sum);
}

@compute @workgroup_size(64)
fn layer_terms(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let network = id.x;
    let networks = params.networks;
    if network >= networks {
        return;
    }
    let given = theta[PARAMETERS * networks + network];
    let i = params.first_row + id.y;
    let spot = Spot(network, i, id.y * networks + network, groups.y * networks);
    // |h|, |f'|, |g|, ||M_ll|| and ||V F'||, layer by layer.
    var h_norms: array<vec2<f32>, LAYERS>;
    var df_norms: array<vec2<f32>, LAYERS>;
    var g_norms: array<vec2<f32>, LAYERS>;
    var m_norms: array<vec2<f32>, LAYERS>;
    var step_norms: array<vec2<f32>, LAYERS>;
    // Sizes that tell whether anything overflowed, whether every error has a bound, and the largest f' and f''.
    var sizes = 0.0;
    var bounded = true;
    var largest = 1.0;

    var input_sq = 1.0;
    for (var l = 0u; l < LAYERS; l++) {
        units[unit_at(spot, h_row(l))] = 1.0;
    }
    for (var m = 0u; m < INPUTS; m++) {
        let x = sample_value(spot, m);
        units[unit_at(spot, h_row(0u) + 1u + m)] = x;
        input_sq += x * x;
    }
    h_norms[0] = vec2(sqrt(input_sq), given * sqrt(input_sq));

    for (var l = 0u; l < LAYERS; l++) {
        let fed = inputs_of(l);
        let count = units_of(l);
        var largest_h = 1.0;
        for (var p = 1u; p <= fed; p++) {
            largest_h = max(largest_h, abs(units[unit_at(spot, h_row(l) + p)]));
        }
        let h_unit = unit_of_leading_part(largest_h, leading_bits(fed));
        var h_sq = vec2(1.0, LOST_SQUARES);
        var df_sq = vec2(LOST_SQUARES);
        for (var a = 0u; a < count; a++) {
            // y to one rounding: weights grow large in training and their products cancel.
            var largest_weight = 0.0;
            for (var p = 0u; p <= fed; p++) {
                largest_weight = max(largest_weight, abs(weight_at(spot, start_of(l) + p * count + a)));
            }
            let weight_unit = unit_of_leading_part(largest_weight, leading_bits(fed));
            var sum = SplitSum();
            var moved = 0.0;
            for (var p = 0u; p <= fed; p++) {
                let w = weight_at(spot, start_of(l) + p * count + a);
                sum = add_product(sum, w, units[unit_at(spot, h_row(l) + p)], weight_unit, h_unit);
                if l > 0u && p > 0u {
                    moved += abs(w) * work[work_at(spot, VALUE_ERROR, first_unit(l - 1u) + p - 1u)];
                }
            }
            let y = sum.leading + sum.rest;
            let y_error = split_error(sum, fed, given) + moved * (1.0 + given) * (1.0 + f32(fed) * ULP);
            sizes += sum.size + abs(y);
            bounded = bounded && is_finite(y_error);
            let unit = first_unit(l) + a;
            if l + 1u < LAYERS {
                let f = activation(y);
                let errors = activation_errors(y, y_error, f);
                units[unit_at(spot, h_row(l + 1u) + 1u + a)] = f.x;
                units[unit_at(spot, df_row(l) + a)] = f.y;
                work[work_at(spot, BENT, unit)] = f.z;
                work[work_at(spot, VALUE_ERROR, unit)] = errors.x;
                work[work_at(spot, SLOPE_ERROR, unit)] = errors.y;
                work[work_at(spot, BENT_ERROR, unit)] = errors.z;
                h_sq += square(vec2(f.x, errors.x));
                df_sq += square(vec2(f.y, errors.y));
                bounded = bounded && is_finite(errors.x + errors.y + errors.z);
                largest = max(largest, max(abs(f.y), abs(f.z)));
            } else {
                work[work_at(spot, BENT, unit)] = y;
                work[work_at(spot, VALUE_ERROR, unit)] = y_error;
            }
        }
        if l + 1u < LAYERS {
            h_norms[l + 1u] = sqrt(h_sq);
            df_norms[l] = sqrt(df_sq);
        }
    }

    let last = LAYERS - 1u;
    let found = leave_outputs(spot);
    var g_sq = vec2(LOST_SQUARES);
    for (var k = 0u; k < OUTPUTS; k++) {
        let error = work[work_at(spot, G_ERROR, first_unit(last) + k)];
        g_sq += square(vec2(units[unit_at(spot, g_row(last) + k)], error));
    }
    g_norms[last] = sqrt(g_sq);
    m_norms[last] = vec2(norm(spot, m_at(last, last), OUTPUTS * OUTPUTS), found.y);

    // From the last layer down: g, V F' (which is E of two neighbours), M of two neighbours, and M of the layer.
    for (var back = 0u; back < last; back++) {
        let l = last - 1u - back;
        let next = l + 1u;
        let count = units_of(l);
        let above = units_of(next);
        var bent_sq = vec2(LOST_SQUARES);
        var step_sq = vec2(LOST_SQUARES);
        g_sq = vec2(LOST_SQUARES);
        for (var p = 0u; p < count; p++) {
            let unit = first_unit(l) + p;
            let slope = vec2(units[unit_at(spot, df_row(l) + p)], work[work_at(spot, SLOPE_ERROR, unit)]);
            let bent = vec2(work[work_at(spot, BENT, unit)], work[work_at(spot, BENT_ERROR, unit)]);
            var sum = 0.0;
            var size = 0.0;
            var moved = 0.0;
            for (var a = 0u; a < above; a++) {
                let w = weight_at(spot, start_of(next) + (p + 1u) * above + a);
                let g = units[unit_at(spot, g_row(next) + a)];
                sum += w * g;
                size += abs(w * g);
                moved += abs(w) * work[work_at(spot, G_ERROR, first_unit(next) + a)];
                let e = w * slope.x;
                pairs[pair_at(spot, e_at(l, next) + a * count + p)] = e;
                step_sq += square(vec2(e, abs(w) * slope.y * (1.0 + given) + (ULP + given) * abs(e)));
            }
            let error = moved * (1.0 + given) + (f32(above + 1u) * ULP + given) * size;
            let through = abs(sum) + error;
            let g_error = slope.y * through + abs(slope.x) * error + ULP * abs(slope.x * sum);
            let bent_error = bent.y * through + abs(bent.x) * error + ULP * abs(bent.x * sum);
            units[unit_at(spot, g_row(l) + p)] = slope.x * sum;
            work[work_at(spot, G_ERROR, unit)] = g_error + FLUSHED;
            g_sq += square(vec2(slope.x * sum, g_error));
            bent_sq += square(vec2(bent.x * sum, bent_error));
            // What M_ll has beside the way through the layer above.
            work[work_at(spot, BENT, unit)] = bent.x * sum;
            sizes += size;
        }
        g_norms[l] = sqrt(g_sq);
        step_norms[l] = sqrt(step_sq);
        for (var p = 0u; p < count; p++) {
            for (var b = 0u; b < above; b++) {
                var sum = 0.0;
                for (var a = 0u; a < above; a++) {
                    sum += pairs[pair_at(spot, e_at(l, next) + a * count + p)]
                        * pairs[pair_at(spot, m_at(next, next) + a * above + b)];
                }
                pairs[pair_at(spot, m_at(l, next) + p * above + b)] = sum;
            }
        }
        for (var p = 0u; p < count; p++) {
            for (var q = 0u; q < count; q++) {
                var sum = select(0.0, work[work_at(spot, BENT, first_unit(l) + p)], p == q);
                for (var b = 0u; b < above; b++) {
                    sum += pairs[pair_at(spot, m_at(l, next) + p * above + b)]
                        * pairs[pair_at(spot, e_at(l, next) + b * count + q)];
                }
                pairs[pair_at(spot, m_at(l, l) + p * count + q)] = sum;
            }
        }
        let through = times(times(step_norms[l], m_norms[next], above), step_norms[l], above);
        m_norms[l] = vec2(norm(spot, m_at(l, l), count * count), plus(through, sqrt(bent_sq)).y);
    }

    // M and E of layers that are further apart, and the square of the size of the sample's Hessian with that of
    // how far it is off.
    var total_sq = vec2(0.0);
    var farthest = 1.0;
    for (var l = 0u; l < LAYERS; l++) {
        total_sq += square(times(times(h_norms[l], h_norms[l], 0u), m_norms[l], 0u));
        largest = max(largest, max(g_norms[l].x, m_norms[l].x));
        farthest *= max(1.0, step_norms[l].x);
        let count = units_of(l);
        var reach = vec2(1.0, 0.0);
        for (var m = l + 1u; m < LAYERS; m++) {
            let below = inputs_of(m);
            let above = units_of(m);
            var r_norm = df_norms[m - 1u];
            var reached = step_norms[m - 1u];
            if m > l + 1u {
                var r_sq = LOST_SQUARES;
                for (var a = 0u; a < count; a++) {
                    for (var q = 0u; q < below; q++) {
                        let r = units[unit_at(spot, df_row(m - 1u) + q)]
                            * pairs[pair_at(spot, e_at(l, m - 1u) + q * count + a)];
                        r_sq += r * r;
                    }
                    for (var b = 0u; b < above; b++) {
                        var sum = 0.0;
                        for (var q = 0u; q < below; q++) {
                            sum += pairs[pair_at(spot, e_at(m - 1u, m) + b * below + q)]
                                * pairs[pair_at(spot, e_at(l, m - 1u) + q * count + a)];
                        }
                        pairs[pair_at(spot, e_at(l, m) + b * count + a)] = sum;
                    }
                    for (var b = 0u; b < above; b++) {
                        var sum = 0.0;
                        for (var c = 0u; c < above; c++) {
                            sum += pairs[pair_at(spot, e_at(l, m) + c * count + a)]
                                * pairs[pair_at(spot, m_at(m, m) + c * above + b)];
                        }
                        pairs[pair_at(spot, m_at(l, m) + a * above + b)] = sum;
                    }
                }
                r_norm = vec2(sqrt(r_sq), times(df_norms[m - 1u], reach, 0u).y);
                reached = times(step_norms[m - 1u], reach, below);
            }
            let moved = times(reached, m_norms[m], above).y;
            let m_norm = vec2(norm(spot, m_at(l, m), count * above), moved);
            let direct = times(r_norm, g_norms[m], 0u);
            let block = times(h_norms[l], plus(times(h_norms[m], m_norm, 0u), direct), 0u);
            total_sq += 2.0 * square(block);
            reach = reached;
        }
    }
    for (var l = 0u; l < LAYERS; l++) {
        largest = max(largest, h_norms[l].x);
    }
    let total = sqrt(total_sq);
    // Whatever is below 2^-126 may count as 0: LOST counts how often, and what follows multiplies it by at most
    // this.
    let magnified = farthest * farthest * largest * largest * largest;
    let perturbation = total.y + LOST * magnified;

    let at = i * OUTPUT_TERMS * networks + network;
    output_terms[at] = found.x;
    output_terms[at + networks] = total.x;
    bounded = bounded && is_finite(64.0 * sizes) && is_finite(magnified) && is_finite(perturbation);
    output_terms[at + 2u * networks] = select(UNBOUNDED, perturbation, bounded);
    for (var l = 0u; l < LAYERS; l++) {
        var diagonal = 0.0;
        for (var a = 0u; a < units_of(l); a++) {
            diagonal += pairs[pair_at(spot, m_at(l, l) + a * units_of(l) + a)];
        }
        var h_sq = 0.0;
        for (var p = 0u; p <= inputs_of(l); p++) {
            let h = units[unit_at(spot, h_row(l) + p)];
            h_sq += h * h;
        }
        output_terms[at + (3u + l) * networks] = h_sq * diagonal;
    }
}
