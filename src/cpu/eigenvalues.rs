//! All eigenvalues of many symmetric matrices, one in each lane.
//!
//! Householder reflections make the matrices tridiagonal (Golub and Van Loan, Matrix Computations, Section 8.3),
//! bisection by Sturm counts finds every eigenvalue (Section 8.4), inverse iteration the two extreme eigenvectors, and
//! the reflections carry these back to the original matrix, where H u - lambda u shows how good they are. No step
//! branches on a value, so lanes never wait for each other.

use super::lanes::Doubles;

/// A smaller pivot is replaced by this one. With a largest element of 1, that moves no eigenvalue by more than this.
const SMALLEST_PIVOT: f64 = 1e-100;
/// The same for inverse iteration, far below the accuracy of an eigenvalue.
const SMALLEST_SOLVED_PIVOT: f64 = 1e-18;
/// Halvings of an interval as wide as the spectrum that find an eigenvalue: enough for the sums by which eigenvalues
/// are checked.
const HALVINGS: usize = 28;
/// Further halvings for the two extreme eigenvalues, until only rounding is left.
const FURTHER_HALVINGS: usize = 28;
/// Eigenvalues that are bisected together, so that one's divisions hide another's.
const TOGETHER: usize = 4;
/// Solves of inverse iteration: the second already converges, the third forgives an unlucky start.
const SOLVES: usize = 3;

/// Where row `i` starts in a lower triangle that is stored row by row.
pub(super) const fn row_start(i: usize) -> usize {
    i * (i + 1) / 2
}

/// Working memory for matrices of one size, and the results for the last ones.
pub(super) struct Eigenvalues<F> {
    size: usize,
    /// What the matrices were multiplied by, 1 / the largest |element|.
    pub(super) factor: F,
    /// The eigenvalues of the scaled matrices, ascending.
    pub(super) values: Vec<F>,
    /// sum_d H_dd of the scaled matrices.
    pub(super) trace: F,
    /// ||H||_F^2 of the scaled matrices.
    pub(super) trace_sq: F,
    /// ||H u - lambda u||^2 of the largest and of the smallest eigenvalue of the scaled matrices.
    pub(super) residuals_sq: [F; 2],
    /// The scaled matrices' lower triangles; step i leaves its reflection in row i.
    reduced: Vec<F>,
    /// The reflections' factors b: P = I - b v v^T.
    factors: Vec<F>,
    /// The last step's v and w.
    reflection: Vec<F>,
    update: Vec<F>,
    product: Vec<F>,
    /// The tridiagonal matrices: the diagonal, and the element between k and k + 1.
    diagonal: Vec<F>,
    beside: Vec<F>,
    /// Both eigenvectors, and room for a solve.
    vectors: [Vec<F>; 2],
    inverse_pivots: Vec<F>,
}

impl<F: Doubles> Eigenvalues<F> {
    /// For D = `size`.
    pub(super) fn new(size: usize) -> Self {
        let vector = vec![F::splat(0.0); size];
        let zero = F::splat(0.0);
        Self {
            size,
            factor: F::splat(0.0),
            values: vector.clone(),
            trace: zero,
            trace_sq: zero,
            residuals_sq: [zero, zero],
            reduced: vec![F::splat(0.0); row_start(size)],
            factors: vector.clone(),
            reflection: vector.clone(),
            update: vector.clone(),
            product: vector.clone(),
            diagonal: vector.clone(),
            beside: vector.clone(),
            vectors: [vector.clone(), vector.clone()],
            inverse_pivots: vector,
        }
    }

    /// Finds all eigenvalues of `matrices`, lower triangles row by row. A lane whose matrix is not finite gets NaN in
    /// `trace_sq`.
    #[inline(always)]
    pub(super) fn find(&mut self, matrices: &[F]) {
        self.load(matrices);
        self.tridiagonalise();
        self.bisect();
        for which in 0..2 {
            self.solve_for_eigenvector(which);
        }
        self.reflect_back();
        for which in 0..2 {
            self.measure_residual(which, matrices);
        }
    }

    /// lambda_1 (`which` = 0) or lambda_D of the scaled matrices.
    fn extreme(&self, which: usize) -> F {
        self.values[if which == 0 { self.size - 1 } else { 0 }]
    }

    #[inline(always)]
    fn load(&mut self, matrices: &[F]) {
        let mut largest = F::splat(1e-290); // A matrix of zeros stays one.
        for &element in matrices {
            largest = element.abs().at_least(largest);
        }
        self.factor = F::splat(1.0) / largest;
        (self.trace, self.trace_sq) = (F::splat(0.0), F::splat(0.0));
        for i in 0..self.size {
            let row = row_start(i)..row_start(i + 1);
            let mut squares = F::splat(0.0);
            for (to, &element) in self.reduced[row.clone()].iter_mut().zip(&matrices[row]) {
                *to = element * self.factor;
                squares = to.mul_add(*to, squares);
            }
            let diagonal = self.reduced[row_start(i) + i];
            // Elements off the diagonal count twice.
            self.trace_sq += squares + diagonal.neg_mul_add(diagonal, squares);
            self.trace += diagonal;
        }
    }

    /// From the last row up: step i reflects row i onto its element beside the diagonal, H <- P H P with P = I - b v
    /// v^T. With p = b H v and w = p - (b p.v / 2) v this is H - v w^T - w v^T. A row is brought up to date while the
    /// next step's product is made.
    #[inline(always)]
    fn tridiagonalise(&mut self) {
        self.reflection.fill(F::splat(0.0));
        self.update.fill(F::splat(0.0));
        for i in (1..self.size).rev() {
            let (above, row) = self.reduced.split_at_mut(row_start(i));
            let row = &mut row[..=i];
            let (v_i, w_i) = (self.reflection[i], self.update[i]);
            for ((x, &v), &w) in row.iter_mut().zip(&self.reflection).zip(&self.update) {
                *x = w_i.neg_mul_add(v, v_i.neg_mul_add(w, *x));
            }
            self.diagonal[i] = row[i];

            let v = &mut row[..i];
            let first = v[i - 1];
            let mut rest = F::splat(0.0);
            for &x in &v[..i - 1] {
                rest = x.mul_add(x, rest);
            }
            // Beside a largest element of 1, elements of 1e-30 and less are as good as 0, and their squares would soon
            // leave f64.
            let too_small = rest - F::splat(1e-60);
            let length = first.mul_add(first, rest).sqrt();
            let signed = first.where_negative(F::splat(0.0) - length, length);
            let b = F::splat(1.0) / (length * (length + first.abs()));
            let b = too_small.where_negative(F::splat(0.0), b);
            self.beside[i - 1] = too_small.where_negative(first, F::splat(0.0) - signed);
            v[i - 1] = first + signed;
            self.factors[i] = b;

            self.product[..i].fill(F::splat(0.0));
            for r in 0..i {
                let (old_v, old_w, v_r) = (self.reflection[r], self.update[r], v[r]);
                let elements = &mut above[row_start(r)..row_start(r + 1)];
                let mut sum = F::splat(0.0);
                for c in 0..r {
                    let element = old_w.neg_mul_add(self.reflection[c], old_v.neg_mul_add(self.update[c], elements[c]));
                    elements[c] = element;
                    sum = element.mul_add(v[c], sum);
                    self.product[c] = element.mul_add(v_r, self.product[c]);
                }
                let element = old_w.neg_mul_add(old_v, old_v.neg_mul_add(old_w, elements[r]));
                elements[r] = element;
                self.product[r] = element.mul_add(v_r, sum);
            }
            let mut along = F::splat(0.0);
            for (p, &v) in self.product[..i].iter_mut().zip(&*v) {
                *p = *p * b;
                along = p.mul_add(v, along);
            }
            let half = along * b * F::splat(0.5);
            self.reflection[..i].copy_from_slice(v);
            for ((update, &v), &p) in self.update.iter_mut().zip(&*v).zip(&self.product) {
                *update = half.neg_mul_add(v, p);
            }
        }
        self.diagonal[0] = self.reduced[0];
    }

    #[inline(always)]
    fn bisect(&mut self) {
        // All eigenvalues lie in Gershgorin's discs.
        let zero = F::splat(0.0);
        let (mut low, mut high, mut before) = (zero, zero, zero);
        for k in 0..self.size {
            let after = if k + 1 < self.size { self.beside[k].abs() } else { zero };
            low = (self.diagonal[k] - (before + after)).at_most(low);
            high = (self.diagonal[k] + (before + after)).at_least(high);
            before = after;
        }
        for first in (0..self.size).step_by(TOGETHER) {
            let mut numbers = [first; TOGETHER];
            for (j, number) in numbers.iter_mut().enumerate() {
                *number += j;
            }
            let (below, above) = self.halve(numbers, ([low; TOGETHER], [high; TOGETHER]), HALVINGS);
            for j in 0..TOGETHER.min(self.size - first) {
                self.values[first + j] = (below[j] + above[j]) * F::splat(0.5);
            }
        }
        let ends = [0, self.size - 1];
        let width = (high - low) * F::splat(2.0_f64.powi(1 - HALVINGS as i32));
        let around = |sign: f64| ends.map(|k| width.mul_add(F::splat(sign), self.values[k]));
        let (below, above) = self.halve(ends, (around(-1.0), around(1.0)), FURTHER_HALVINGS);
        for (j, k) in ends.into_iter().enumerate() {
            self.values[k] = (below[j] + above[j]) * F::splat(0.5);
        }
    }

    /// Halves the intervals that hold the eigenvalues with these numbers, in ascending order from 0.
    #[inline(always)]
    fn halve<const K: usize>(
        &self,
        numbers: [usize; K],
        (mut below, mut above): ([F; K], [F; K]),
        times: usize,
    ) -> ([F; K], [F; K]) {
        for _ in 0..times {
            let mut middle = below;
            for j in 0..K {
                middle[j] = (below[j] + above[j]) * F::splat(0.5);
            }
            let counts = self.count_below(middle);
            for j in 0..K {
                // If more than numbers[j] eigenvalues lie below the middle, so does this one.
                let beyond = counts[j] - F::splat(numbers[j] as f64 + 0.5);
                below[j] = beyond.where_negative(middle[j], below[j]);
                above[j] = beyond.where_negative(above[j], middle[j]);
            }
        }
        (below, above)
    }

    /// How many eigenvalues lie below each x: the negative pivots of T - x I (Sylvester's law of inertia).
    #[inline(always)]
    fn count_below<const K: usize>(&self, x: [F; K]) -> [F; K] {
        let (zero, one) = (F::splat(0.0), F::splat(1.0));
        let mut pivots = x;
        let mut counts = x;
        for j in 0..K {
            pivots[j] = away_from_zero(self.diagonal[0] - x[j], SMALLEST_PIVOT);
            counts[j] = pivots[j].where_negative(one, zero);
        }
        for (&d, &e) in self.diagonal[1..].iter().zip(&self.beside) {
            let square = e * e;
            for j in 0..K {
                pivots[j] = away_from_zero(d - x[j] - square / pivots[j], SMALLEST_PIVOT);
                counts[j] += pivots[j].where_negative(one, zero);
            }
        }
        counts
    }

    /// Inverse iteration with the tridiagonal matrix minus its largest or smallest eigenvalue. That is semidefinite, so
    /// its factorisation needs no pivoting.
    #[inline(always)]
    fn solve_for_eigenvector(&mut self, which: usize) {
        let lambda = self.extreme(which);
        let size = self.size;
        let mut inverse = F::splat(1.0) / away_from_zero(self.diagonal[0] - lambda, SMALLEST_SOLVED_PIVOT);
        self.inverse_pivots[0] = inverse;
        for k in 1..size {
            let e = self.beside[k - 1];
            let pivot = (e * e).neg_mul_add(inverse, self.diagonal[k] - lambda);
            inverse = F::splat(1.0) / away_from_zero(pivot, SMALLEST_SOLVED_PIVOT);
            self.inverse_pivots[k] = inverse;
        }
        let vector = &mut self.vectors[which];
        for (k, x) in vector.iter_mut().enumerate() {
            // Not a pattern that an eigenvector is likely to be orthogonal to.
            *x = F::splat(1.0 + 0.25 * ((k * 7) % 5) as f64);
        }
        for solve in 0..SOLVES {
            for k in 1..size {
                let ratio = self.beside[k - 1] * self.inverse_pivots[k - 1];
                vector[k] = ratio.neg_mul_add(vector[k - 1], vector[k]);
            }
            vector[size - 1] = vector[size - 1] * self.inverse_pivots[size - 1];
            for k in (0..size - 1).rev() {
                vector[k] = self.beside[k].neg_mul_add(vector[k + 1], vector[k]) * self.inverse_pivots[k];
            }
            // Scaled by the largest element first: squares of a solution may leave f64.
            let mut largest = F::splat(f64::MIN_POSITIVE);
            for x in vector.iter() {
                largest = x.abs().at_least(largest);
            }
            let mut scale = F::splat(1.0) / largest;
            if solve + 1 == SOLVES {
                let mut squares = F::splat(0.0);
                for &x in vector.iter() {
                    let x = x * scale;
                    squares = x.mul_add(x, squares);
                }
                scale = scale / squares.sqrt();
            }
            for x in vector.iter_mut() {
                *x = *x * scale;
            }
        }
    }

    /// Applies the reflections, last to first, to both eigenvectors.
    #[inline(always)]
    fn reflect_back(&mut self) {
        let [largest, smallest] = &mut self.vectors;
        for i in 1..self.size {
            let v = &self.reduced[row_start(i)..row_start(i) + i];
            let mut along = [F::splat(0.0); 2];
            for (c, &v) in v.iter().enumerate() {
                along[0] = v.mul_add(largest[c], along[0]);
                along[1] = v.mul_add(smallest[c], along[1]);
            }
            let along = [along[0] * self.factors[i], along[1] * self.factors[i]];
            for (c, &v) in v.iter().enumerate() {
                largest[c] = along[0].neg_mul_add(v, largest[c]);
                smallest[c] = along[1].neg_mul_add(v, smallest[c]);
            }
        }
    }

    #[inline(always)]
    fn measure_residual(&mut self, which: usize, matrices: &[F]) {
        let lambda = self.extreme(which);
        let u = &self.vectors[which];
        self.product.fill(F::splat(0.0));
        for r in 0..self.size {
            let row = &matrices[row_start(r)..row_start(r + 1)];
            let mut sum = F::splat(0.0);
            for c in 0..r {
                sum = row[c].mul_add(u[c], sum);
                self.product[c] = row[c].mul_add(u[r], self.product[c]);
            }
            self.product[r] = row[r].mul_add(u[r], sum);
        }
        self.residuals_sq[which] = F::splat(0.0);
        for (&p, &u) in self.product.iter().zip(u) {
            let residual = lambda.neg_mul_add(u, p * self.factor);
            self.residuals_sq[which] = residual.mul_add(residual, self.residuals_sq[which]);
        }
    }
}

/// `pivot`, or -`smallest` if it is smaller in magnitude.
#[inline(always)]
fn away_from_zero<F: Doubles>(pivot: F, smallest: f64) -> F {
    (pivot.abs() - F::splat(smallest)).where_negative(F::splat(-smallest), pivot)
}
