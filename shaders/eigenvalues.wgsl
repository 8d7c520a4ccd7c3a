// Twin: src/reference/spectrum.rs
// Parts: params, finite
// All eigenvalues of a batch of symmetric matrices, and the residuals of the two extreme ones; its twin takes one
// matrix.
//
// Householder reflections make each matrix tridiagonal (Golub and Van Loan, Matrix Computations, Section 8.3);
// bisection by Sturm counts finds one eigenvalue per row (Section 8.4); a twisted factorisation gives the two extreme
// eigenvectors (Parlett and Dhillon 1997), and the reflections take them back to the matrix they came from, where H u -
// lambda u says how good they are.
//
// One workgroup: as many matrices as fit with one invocation per row, or one matrix where D exceeds the workgroup,
// whose invocations then own several rows each. Only its owner reads and writes a row; what a step needs of the other
// rows goes through workgroup memory. Every owner makes the sums over a column for itself, in the same order, so a step
// takes two barriers.
//
// A dispatch takes some of the steps, in order; src/gpu/eigenvalues.rs chooses how many. Their state in workgroup
// memory waits for the next dispatch in `work`, so where they are cut changes no bit.

@group(0) @binding(1) var<storage, read> matrices: array<f32>; // [network][column][row]
// The matrix as it becomes tridiagonal, with its largest |element| scaled to 1. Step k leaves its reflection in column
// k below the diagonal, its factor on the diagonal. PIVOTS more columns hold the two factorisations, and between
// dispatches the vectors.
@group(0) @binding(2) var<storage, read_write> work: array<f32>; // [network][column][row]
// Of the scaled matrix: eigenvalues in ascending order; the diagonal; the sum of the squares of each row; H u - lambda
// u of the largest and of the smallest eigenvalue. And the scale; -1 if an element was not finite.
@group(0) @binding(3) var<storage, read_write> output: array<f32>; // [network][5 D + 1]

// Invocations that share a matrix, matrices that share a workgroup, invocations in all.
const OWNERS: u32 = min(PARAMETERS, MAX_WORKGROUP);
const MATRICES: u32 = MAX_WORKGROUP / OWNERS;
const WIDTH: u32 = OWNERS * MATRICES;
// The most rows of an owner.
const ROWS: u32 = (PARAMETERS + OWNERS - 1u) / OWNERS;
// The steps: a reflection for each column; from here a bisection for each of an owner's rows; from here the reflections
// back, last to first, the first of these steps with the eigenvectors before it; and one for the residuals.
const BISECTIONS_BEGIN: u32 = PARAMETERS;
const RETURN_BEGINS: u32 = BISECTIONS_BEGIN + ROWS;
const RESIDUALS: u32 = RETURN_BEGINS + PARAMETERS - 2u;
// A smaller pivot counts as this one. With a largest element of 1 that moves no eigenvalue by more.
const SMALLEST_PIVOT: f32 = 1e-20;

// Four vectors for each matrix: columns and products of this step and the last. Elements that these no longer need hold
// the tridiagonal matrix. In the end the vectors hold the two eigenvectors, twice.
var<workgroup> vectors: array<f32, 4u * PARAMETERS * MATRICES>;
// The largest and the smallest eigenvalue of each matrix, and the lengths of their vectors.
var<workgroup> extremes: array<f32, 2u * MATRICES>;
var<workgroup> lengths: array<f32, 2u * MATRICES>;

// Element `row` of vector `which` of the matrix in `slot`.
fn at(slot: u32, which: u32, row: u32) -> u32 {
    return (slot * 4u + which) * PARAMETERS + row;
}

// The vectors of step k: its column, and its product with the matrix.
fn column_of(k: u32) -> u32 {
    return k & 1u;
}

fn product_of(k: u32) -> u32 {
    return 2u + (k & 1u);
}

// The tridiagonal matrix. Step k leaves its diagonal element on top of its column, and the one beside it in the last
// step's product, whose element k no later step needs.
fn diagonal(slot: u32, k: u32) -> f32 {
    return vectors[at(slot, column_of(k), k)];
}

fn beside(slot: u32, k: u32) -> f32 {
    return vectors[at(slot, product_of(k + 1u), k)];
}

fn away_from_zero(pivot: f32) -> f32 {
    return select(pivot, -SMALLEST_PIVOT, abs(pivot) < SMALLEST_PIVOT);
}

@compute @workgroup_size(WIDTH)
fn eigenvalues(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let slot = lane / OWNERS;
    let owner = lane % OWNERS;
    // Slots past the last matrix work on it once more instead of leaving, since all must meet at the barriers; `work`
    // and `output` have room for them.
    let place = (params.first_row + group.x) * MATRICES + slot;
    let source = min(place, params.networks - 1u) * PARAMETERS * PARAMETERS;
    let target_matrix = place * (PARAMETERS + PIVOTS) * PARAMETERS;
    let result = place * (5u * PARAMETERS + 1u);

    if params.first_step == 0u {
        load(slot, owner, source, target_matrix, result);
    } else {
        resume(slot, owner, target_matrix, result);
    }
    tridiagonalise(slot, owner, target_matrix);
    bisect(slot, owner, result);
    if params.first_step <= RETURN_BEGINS && RETURN_BEGINS < params.end_step {
        workgroupBarrier();
        if owner < 2u {
            eigenvector(slot, owner, target_matrix);
        }
        storageBarrier();
        workgroupBarrier();
        take_eigenvectors(slot, owner, target_matrix);
    }
    reflect_back(slot, owner, target_matrix);
    if params.end_step > RESIDUALS {
        residuals(slot, owner, source, result);
    } else {
        pause(slot, owner, target_matrix);
    }
}

// Keeps the vectors for the next dispatch.
fn pause(slot: u32, owner: u32, target_matrix: u32) {
    for (var row = owner; row < PARAMETERS; row += OWNERS) {
        for (var which = 0u; which < PIVOTS; which++) {
            work[target_matrix + (PARAMETERS + which) * PARAMETERS + row] = vectors[at(slot, which, row)];
        }
    }
}

// Takes up what the last dispatch kept.
fn resume(slot: u32, owner: u32, target_matrix: u32, result: u32) {
    for (var row = owner; row < PARAMETERS; row += OWNERS) {
        for (var which = 0u; which < PIVOTS; which++) {
            vectors[at(slot, which, row)] = work[target_matrix + (PARAMETERS + which) * PARAMETERS + row];
        }
    }
    if owner == 0u {
        extremes[2u * slot] = output[result + PARAMETERS - 1u];
        extremes[2u * slot + 1u] = output[result];
    }
    workgroupBarrier();
}

// A matrix that cannot be scaled is worked on as if it were 0.
fn scaling(scale: f32) -> f32 {
    return select(0.0, 1.0 / scale, scale >= 0x1p-100f);
}

// Copies the rows to `work`, scaled.
fn load(slot: u32, owner: u32, source: u32, target_matrix: u32, result: u32) {
    for (var row = owner; row < PARAMETERS; row += OWNERS) {
        var largest = 0.0;
        for (var j = 0u; j < PARAMETERS; j++) {
            let element = matrices[source + j * PARAMETERS + row];
            largest = select(-1.0, max(largest, abs(element)), largest >= 0.0 && is_finite(element));
        }
        vectors[at(slot, 0u, row)] = largest;
    }
    workgroupBarrier();
    var scale = 0.0;
    for (var row = 0u; row < PARAMETERS; row++) {
        let largest = vectors[at(slot, 0u, row)];
        scale = select(-1.0, max(scale, largest), scale >= 0.0 && largest >= 0.0);
    }
    let factor = scaling(scale);
    if owner == 0u {
        output[result + 5u * PARAMETERS] = scale;
    }
    for (var row = owner; row < PARAMETERS; row += OWNERS) {
        var squares = 0.0;
        for (var j = 0u; j < PARAMETERS; j++) {
            let element = select(0.0, matrices[source + j * PARAMETERS + row] * factor, factor > 0.0);
            squares += element * element;
            work[target_matrix + j * PARAMETERS + row] = element;
        }
        output[result + PARAMETERS + row] = work[target_matrix + row * PARAMETERS + row];
        output[result + 2u * PARAMETERS + row] = squares;
        // Step 0 has no step before it.
        vectors[at(slot, column_of(1u), row)] = 0.0;
        vectors[at(slot, product_of(1u), row)] = 0.0;
        // Its own product begins below the first row, and is kept whole from one dispatch to the next.
        vectors[at(slot, product_of(0u), row)] = 0.0;
    }
    workgroupBarrier();
}

// Step k reflects column k onto its first element below the diagonal, H <- P H P with P = I - b v v^T, v the column
// with `head` in that place. With p = b H v and c = b (p.v) / 2 this is H - v (p - c v)^T - (p - c v) v^T; a row is
// brought up to date while the next step's product is made.
fn tridiagonalise(slot: u32, owner: u32, target_matrix: u32) {
    // Of the last step: `head`, and b.
    var head = 0.0;
    var old_b = 0.0;
    if params.first_step > 0u && params.first_step < PARAMETERS {
        let last = target_matrix + (params.first_step - 1u) * (PARAMETERS + 1u);
        old_b = work[last];
        head = work[last + 1u];
    }
    for (var k = params.first_step; k < min(params.end_step, PARAMETERS); k++) {
        let old_column = column_of(k + 1u);
        let old_product = product_of(k + 1u);
        let column = column_of(k);
        let product = product_of(k);

        // Column k, up to date.
        let p_k = vectors[at(slot, old_product, k)];
        var twice_c = head * p_k;
        for (var j = k + 1u; j < PARAMETERS; j++) {
            twice_c += vectors[at(slot, old_column, j)] * vectors[at(slot, old_product, j)];
        }
        twice_c *= old_b;
        for (var row = first_owned(owner, k); row < PARAMETERS; row += OWNERS) {
            let v = select(vectors[at(slot, old_column, row)], head, row == k);
            let q = vectors[at(slot, old_product, row)] - twice_c * v;
            let element = work[target_matrix + k * PARAMETERS + row] - v * p_k - q * head;
            vectors[at(slot, column, row)] = element;
        }
        workgroupBarrier();

        // The reflection of the column with this top.
        var rest = 0.0;
        for (var j = k + 2u; j < PARAMETERS; j++) {
            let x = vectors[at(slot, column, j)];
            rest += x * x;
        }
        var top = 0.0;
        if k + 1u < PARAMETERS {
            top = vectors[at(slot, column, k + 1u)];
        }
        // Elements of 1e-15 and less beside a largest one of 1 are as good as 0, and their squares would soon leave
        // f32.
        let reflects = rest > 1e-30;
        let length = sqrt(top * top + rest);
        let next_head = top + select(length, -length, top < 0.0);
        let b = select(0.0, 1.0 / (length * (length + abs(top))), reflects);
        if owner == k % OWNERS {
            vectors[at(slot, old_product, k)] = select(top, select(-length, length, top < 0.0), reflects);
            work[target_matrix + k * PARAMETERS + k] = b;
        }

        // The last step's update of the rows below, and their products with v.
        for (var row = first_owned(owner, k + 1u); row < PARAMETERS; row += OWNERS) {
            let v = vectors[at(slot, old_column, row)];
            let q = vectors[at(slot, old_product, row)] - twice_c * v;
            let to_v = -q;
            let to_p = -v;
            // The head of this reflection replaces the column's own element.
            var j = k + 1u;
            var index = target_matrix + j * PARAMETERS + row;
            var element = work[index] + to_p * vectors[at(slot, old_product, j)]
                + to_v * vectors[at(slot, old_column, j)];
            work[index] = element;
            var sum = element * next_head;
            for (j = k + 2u; j < PARAMETERS; j++) {
                index += PARAMETERS;
                element = work[index] + to_p * vectors[at(slot, old_product, j)]
                    + to_v * vectors[at(slot, old_column, j)];
                work[index] = element;
                sum += element * vectors[at(slot, column, j)];
            }
            vectors[at(slot, product, row)] = b * sum;
            let left = select(vectors[at(slot, column, row)], next_head, row == k + 1u);
            work[target_matrix + k * PARAMETERS + row] = left;
        }
        workgroupBarrier();

        head = next_head;
        old_b = b;
    }
}

// The owner's first row at or past `start`.
fn first_owned(owner: u32, start: u32) -> u32 {
    if start <= owner {
        return owner;
    }
    return owner + (start - owner + OWNERS - 1u) / OWNERS * OWNERS;
}

// The eigenvalue of each row: the row-th smallest of the tridiagonal matrix.
fn bisect(slot: u32, owner: u32, result: u32) {
    if params.end_step <= BISECTIONS_BEGIN || params.first_step >= RETURN_BEGINS {
        return;
    }
    // Gershgorin's discs hold all eigenvalues.
    var low = 0.0;
    var high = 0.0;
    var before = 0.0;
    for (var k = 0u; k < PARAMETERS; k++) {
        let after = select(abs(beside(slot, k)), 0.0, k == PARAMETERS - 1u);
        low = min(low, diagonal(slot, k) - before - after);
        high = max(high, diagonal(slot, k) + before + after);
        before = after;
    }
    let first_row = owner + (max(params.first_step, BISECTIONS_BEGIN) - BISECTIONS_BEGIN) * OWNERS;
    let end_row = min((params.end_step - BISECTIONS_BEGIN) * OWNERS, PARAMETERS);
    for (var row = first_row; row < end_row; row += OWNERS) {
        var below = low;
        var above = high;
        for (var halving = 0u; halving < HALVINGS; halving++) {
            let middle = 0.5 * (below + above);
            if count_below(slot, middle) > row {
                above = middle;
            } else {
                below = middle;
            }
        }
        let value = 0.5 * (below + above);
        output[result + row] = value;
        if row == PARAMETERS - 1u {
            extremes[2u * slot] = value;
        }
        if row == 0u {
            extremes[2u * slot + 1u] = value;
        }
    }
}

// How many eigenvalues lie below x: the negative pivots of T - x I (Sylvester's law of inertia).
fn count_below(slot: u32, x: f32) -> u32 {
    var pivot = away_from_zero(diagonal(slot, 0u) - x);
    var count = select(0u, 1u, pivot < 0.0);
    for (var k = 1u; k < PARAMETERS; k++) {
        let e = beside(slot, k - 1u);
        pivot = away_from_zero(diagonal(slot, k) - x - e * e / pivot);
        count += select(0u, 1u, pivot < 0.0);
    }
    return count;
}

// The eigenvector of the tridiagonal matrix for the largest (which = 0) or smallest eigenvalue, to column D + 2 which
// of `work`. Pivots from the top and from the bottom meet at the row where their mismatch is least; there the vector is
// 1.
fn eigenvector(slot: u32, which: u32, target_matrix: u32) {
    let lambda = extremes[2u * slot + which];
    let down = target_matrix + (PARAMETERS + 2u * which) * PARAMETERS;
    let up = down + PARAMETERS;
    var pivot = away_from_zero(diagonal(slot, PARAMETERS - 1u) - lambda);
    work[up + PARAMETERS - 1u] = pivot;
    for (var step = 1u; step < PARAMETERS; step++) {
        let k = PARAMETERS - 1u - step;
        let e = beside(slot, k);
        pivot = away_from_zero(diagonal(slot, k) - lambda - e * e / pivot);
        work[up + k] = pivot;
    }
    var least = 0.0;
    var twist = 0u;
    for (var k = 0u; k < PARAMETERS; k++) {
        let plain = diagonal(slot, k) - lambda;
        pivot = plain;
        if k > 0u {
            let e = beside(slot, k - 1u);
            pivot = plain - e * e / work[down + k - 1u];
        }
        pivot = away_from_zero(pivot);
        work[down + k] = pivot;
        let mismatch = abs(pivot + work[up + k] - plain);
        if k == 0u || mismatch < least {
            least = mismatch;
            twist = k;
        }
    }
    work[down + twist] = 1.0;
    var squares = 1.0;
    var z = 1.0;
    for (var step = 0u; step < twist; step++) {
        let k = twist - 1u - step;
        z = -beside(slot, k) * z / work[down + k];
        work[down + k] = z;
        squares += z * z;
    }
    z = 1.0;
    for (var k = twist + 1u; k < PARAMETERS; k++) {
        z = -beside(slot, k - 1u) * z / work[up + k];
        work[down + k] = z;
        squares += z * z;
    }
    lengths[2u * slot + which] = sqrt(squares);
}

// The two eigenvectors of the tridiagonal matrix, at unit length, for the reflections back.
fn take_eigenvectors(slot: u32, owner: u32, target_matrix: u32) {
    for (var row = owner; row < PARAMETERS; row += OWNERS) {
        for (var which = 0u; which < 2u; which++) {
            let z = work[target_matrix + (PARAMETERS + 2u * which) * PARAMETERS + row] / lengths[2u * slot + which];
            vectors[at(slot, which, row)] = z;
            vectors[at(slot, 2u + which, row)] = z;
        }
    }
    workgroupBarrier();
}

// Applies the reflections to both vectors, last to first. Vectors 0 and 1 hold them at even steps, 2 and 3 at odd ones.
fn reflect_back(slot: u32, owner: u32, target_matrix: u32) {
    for (var step = max(params.first_step, RETURN_BEGINS); step < min(params.end_step, RESIDUALS); step++) {
        let k = RESIDUALS - 1u - step;
        let read = 2u * (k & 1u);
        let write = 2u - read;
        let reflection = target_matrix + k * PARAMETERS;
        var along = vec2(0.0);
        for (var j = k + 1u; j < PARAMETERS; j++) {
            along += work[reflection + j] * vec2(vectors[at(slot, read, j)], vectors[at(slot, read + 1u, j)]);
        }
        along *= work[reflection + k];
        for (var row = first_owned(owner, k + 1u); row < PARAMETERS; row += OWNERS) {
            let v = work[reflection + row];
            vectors[at(slot, write, row)] = vectors[at(slot, read, row)] - along.x * v;
            vectors[at(slot, write + 1u, row)] = vectors[at(slot, read + 1u, row)] - along.y * v;
        }
        workgroupBarrier();
    }
}

// H u - lambda u of both vectors, which the last step, an even one, left in vectors 2 and 3.
fn residuals(slot: u32, owner: u32, source: u32, result: u32) {
    let factor = scaling(output[result + 5u * PARAMETERS]);
    let lambda = vec2(extremes[2u * slot], extremes[2u * slot + 1u]);
    for (var row = owner; row < PARAMETERS; row += OWNERS) {
        var sum = -lambda * vec2(vectors[at(slot, 2u, row)], vectors[at(slot, 3u, row)]);
        if factor > 0.0 {
            for (var j = 0u; j < PARAMETERS; j++) {
                let element = matrices[source + j * PARAMETERS + row] * factor;
                sum += element * vec2(vectors[at(slot, 2u, j)], vectors[at(slot, 3u, j)]);
            }
        }
        output[result + 3u * PARAMETERS + row] = sum.x;
        output[result + 4u * PARAMETERS + row] = sum.y;
    }
}
