//! The moments of the Hessians of many networks, one in each lane, in f64.

use super::hessians::HessianBatch;
use super::lanes::{Doubles, LaneTask, Lanes as _, Vectors};
use crate::engine::{HessianMoments, Powers, Rayleigh};

/// One worker; it returns rows and their moments.
pub(super) struct FindingMoments<'a> {
    pub(super) batch: &'a HessianBatch<'a>,
    pub(super) powers: Powers,
}

impl LaneTask for FindingMoments<'_> {
    type Output = Vec<(usize, HessianMoments)>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Self::Output {
        let Self { batch, powers } = self;
        let parameters = batch.parameters();
        let mut theta = vec![V::Doubles::splat(0.0); parameters];
        let mut hessians = batch.hessians::<V::Doubles>(true);
        let mut centred = Centred::<V::Doubles>::new(parameters);
        let mut moments = Moments::new(parameters, powers);
        let mut found = Vec::new();
        while let Some(rows) = batch.take(V::Doubles::COUNT) {
            batch.load(&rows, &mut theta);
            hessians.assemble(&theta, |row, column, value| centred.put(row, column, value));
            centred.centre();
            moments.find(&centred);
            found.extend(rows.zip(0..).map(|(row, lane)| (row, moments.in_lane(&centred, hessians.error(lane), lane))));
        }
        found
    }
}

/// Symmetric matrices, one in each lane, scaled and centred.
pub(super) struct Centred<F> {
    /// D.
    pub(super) size: usize,
    /// C, (D, D), row by row, both sides of the diagonal.
    pub(super) matrix: Vec<F>,
    /// The largest magnitude of an entry before, at least 1e-290.
    pub(super) scale: F,
    /// The mean of the scaled diagonal.
    pub(super) shift: F,
    /// ||C||_F^2.
    pub(super) norm_sq: F,
}

impl<F: Doubles> Centred<F> {
    /// For D = `size`.
    pub(super) fn new(size: usize) -> Self {
        let zero = F::splat(0.0);
        Self { size, matrix: vec![zero; size * size], scale: zero, shift: zero, norm_sq: zero }
    }

    /// Takes one entry, and its mirror image.
    #[inline(always)]
    pub(super) fn put(&mut self, row: usize, column: usize, value: F) {
        self.matrix[row * self.size + column] = value;
        self.matrix[column * self.size + row] = value;
    }

    /// Scales and centres the matrices that were put.
    #[inline(always)]
    pub(super) fn centre(&mut self) {
        let mut largest = [F::splat(1e-290); 4]; // A matrix of zeros stays one.
        let (quads, rest) = self.matrix.as_chunks::<4>();
        for quad in quads {
            for k in 0..4 {
                largest[k] = quad[k].abs().at_least(largest[k]);
            }
        }
        for &element in rest {
            largest[0] = element.abs().at_least(largest[0]);
        }
        self.scale = largest[0].at_least(largest[1]).at_least(largest[2].at_least(largest[3]));
        let factor = F::splat(1.0) / self.scale;
        for element in &mut self.matrix {
            *element = *element * factor;
        }
        let mut trace = F::splat(0.0);
        for d in 0..self.size {
            trace += self.matrix[d * self.size + d];
        }
        self.shift = trace / F::splat(self.size as f64);
        for d in 0..self.size {
            let diagonal = &mut self.matrix[d * self.size + d];
            *diagonal = *diagonal - self.shift;
        }
        self.norm_sq = inner(&self.matrix, &self.matrix);
    }
}

/// Working memory for matrices of one size, and what was found of the last ones.
struct Moments<F> {
    /// C^2.
    square: Vec<F>,
    /// C^3 and C^4, with [`Powers::Eight`].
    cube_and_fourth: Option<[Vec<F>; 2]>,
    third_and_fourth: [F; 2],
    sixth_to_eighth: [F; 3],
    diagonal: [F; 2],
    discs: [F; 2],
    quotients: [F; 2],
    residuals_sq: [F; 2],
    /// A vector of power iteration, and room for its images.
    vector: Vec<F>,
    image: Vec<F>,
    square_image: Vec<F>,
}

/// Products with C^2, or with C^4 if that is at hand, that follow the first one of power iteration.
const FURTHER: usize = 2;

impl<F: Doubles> Moments<F> {
    fn new(size: usize, powers: Powers) -> Self {
        let zero = F::splat(0.0);
        let (matrix, vector) = (vec![zero; size * size], vec![zero; size]);
        Self {
            cube_and_fourth: (powers == Powers::Eight).then(|| [matrix.clone(), matrix.clone()]),
            square: matrix,
            third_and_fourth: [zero; 2],
            sixth_to_eighth: [zero; 3],
            diagonal: [zero; 2],
            discs: [zero; 2],
            quotients: [zero; 2],
            residuals_sq: [zero; 2],
            vector: vector.clone(),
            image: vector.clone(),
            square_image: vector,
        }
    }

    #[inline(always)]
    fn find(&mut self, centred: &Centred<F>) {
        let (size, c) = (centred.size, &centred.matrix[..]);
        symmetric_product(c, c, size, &mut self.square);
        self.third_and_fourth = [inner(c, &self.square), inner(&self.square, &self.square)];
        if let Some([cube, fourth]) = &mut self.cube_and_fourth {
            symmetric_product(c, &self.square, size, cube);
            symmetric_product(&self.square, &self.square, size, fourth);
            self.sixth_to_eighth = [inner(cube, cube), inner(cube, fourth), inner(fourth, fourth)];
        }
        self.bound_by_entries(centred);
        let power = self.cube_and_fourth.as_ref().map_or(&self.square, |[_, fourth]| fourth);
        // From a column of the power at the end of the spectrum that has the larger magnitude.
        column_at_largest_diagonal(size, &mut self.vector, |row, column| power[row * size + column]);
        for _ in 0..FURTHER {
            normalise(&mut self.vector);
            multiply(power, &self.vector, &mut self.image);
            self.vector.copy_from_slice(&self.image);
        }
        self.measure(0, c);
        // The other end has the largest magnitude of (C - rho)^2 = C^2 - 2 rho C + rho^2.
        let rho = self.quotients[0];
        let (twice, rho_sq) = (rho + rho, rho * rho);
        let square = &self.square[..];
        column_at_largest_diagonal(size, &mut self.vector, |row, column| {
            let element = twice.neg_mul_add(c[row * size + column], square[row * size + column]);
            if row == column { element + rho_sq } else { element }
        });
        for _ in 0..if self.cube_and_fourth.is_some() { 2 * FURTHER } else { FURTHER } {
            normalise(&mut self.vector);
            multiply(c, &self.vector, &mut self.image);
            multiply(square, &self.vector, &mut self.square_image);
            for ((x, &image), &square_image) in self.vector.iter_mut().zip(&self.image).zip(&self.square_image) {
                *x = rho_sq.mul_add(*x, twice.neg_mul_add(image, square_image));
            }
        }
        self.measure(1, c);
    }

    /// The diagonal and Gershgorin's discs.
    #[inline(always)]
    fn bound_by_entries(&mut self, centred: &Centred<F>) {
        for (d, row) in centred.matrix.chunks_exact(centred.size).enumerate() {
            let diagonal = row[d];
            let mut radius = F::splat(0.0) - diagonal.abs();
            for &element in row {
                radius += element.abs();
            }
            let (high, low) = (diagonal + radius, diagonal - radius);
            if d == 0 {
                (self.diagonal, self.discs) = ([diagonal; 2], [high, low]);
            } else {
                self.diagonal = [diagonal.at_least(self.diagonal[0]), diagonal.at_most(self.diagonal[1])];
                self.discs = [high.at_least(self.discs[0]), low.at_most(self.discs[1])];
            }
        }
    }

    /// The Rayleigh quotient of the vector and its residual.
    #[inline(always)]
    fn measure(&mut self, which: usize, c: &[F]) {
        normalise(&mut self.vector);
        multiply(c, &self.vector, &mut self.image);
        let length_sq = inner(&self.vector, &self.vector);
        let quotient = inner(&self.vector, &self.image) / length_sq;
        for (image, &x) in self.image.iter_mut().zip(&self.vector) {
            *image = quotient.neg_mul_add(x, *image);
        }
        self.quotients[which] = quotient;
        self.residuals_sq[which] = inner(&self.image, &self.image) / length_sq;
    }

    fn in_lane(&self, centred: &Centred<F>, error: f64, lane: usize) -> HessianMoments {
        let value = |of: F| of.values()[lane];
        let rayleigh = |which: usize| Rayleigh {
            quotient: value(self.quotients[which]),
            residual: value(self.residuals_sq[which]).sqrt(),
        };
        HessianMoments {
            parameters: centred.size,
            scale: value(centred.scale),
            shift: value(centred.shift),
            norm: value(centred.norm_sq).sqrt(),
            third_and_fourth: self.third_and_fourth.map(value),
            sixth_to_eighth: self.cube_and_fourth.as_ref().map(|_| self.sixth_to_eighth.map(value)),
            diagonal: self.diagonal.map(value),
            discs: self.discs.map(value),
            rayleigh: [rayleigh(0), rayleigh(1)],
            error,
        }
    }
}

/// sum_k a_k b_k, in four running sums.
#[inline(always)]
fn inner<F: Doubles>(a: &[F], b: &[F]) -> F {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [F::splat(0.0); 4];
    for (a, b) in a.iter().zip(b) {
        for k in 0..4 {
            sums[k] = a[k].mul_add(b[k], sums[k]);
        }
    }
    let mut total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        total = a.mul_add(b, total);
    }
    total
}

/// Divides by the length; a vector of zeros stays one.
#[inline(always)]
fn normalise<F: Doubles>(vector: &mut [F]) {
    let factor = F::splat(1.0) / inner(vector, vector).sqrt().at_least(F::splat(1e-150));
    for x in vector {
        *x = *x * factor;
    }
}

/// Sets `vector` to the column whose diagonal element is the largest, lane by lane.
#[inline(always)]
fn column_at_largest_diagonal<F: Doubles>(size: usize, vector: &mut [F], element: impl Fn(usize, usize) -> F) {
    let mut best = F::splat(-1.0);
    for column in 0..size {
        let diagonal = element(column, column);
        let behind = best - diagonal;
        best = behind.where_negative(diagonal, best);
        for (row, x) in vector.iter_mut().enumerate() {
            *x = behind.where_negative(element(column, row), *x);
        }
    }
}

/// `image` = `matrix` `vector`, for a square matrix, row by row.
#[inline(always)]
fn multiply<F: Doubles>(matrix: &[F], vector: &[F], image: &mut [F]) {
    let size = vector.len();
    let (tiles, rest) = image.as_chunks_mut::<4>();
    let tiled = 4 * size * tiles.len();
    for (tile, rows) in tiles.iter_mut().zip(matrix.chunks_exact(4 * size)) {
        let mut sums = [F::splat(0.0); 4];
        for (k, &x) in vector.iter().enumerate() {
            for r in 0..4 {
                sums[r] = rows[r * size + k].mul_add(x, sums[r]);
            }
        }
        *tile = sums;
    }
    for (sum, row) in rest.iter_mut().zip(matrix[tiled..].chunks_exact(size)) {
        *sum = F::splat(0.0);
        for (&element, &x) in row.iter().zip(vector) {
            *sum = element.mul_add(x, *sum);
        }
    }
}

/// Rows and columns of a product that are found together: nine sums and six factors fit the registers.
const TILE: usize = 3;

/// `product` = A B of two symmetric matrices that commute, so that the product is symmetric: the lower triangle, and
/// its mirror image.
#[inline(always)]
fn symmetric_product<F: Doubles>(a: &[F], b: &[F], size: usize, product: &mut [F]) {
    for row in (0..size).step_by(TILE) {
        for column in (0..=row).step_by(TILE) {
            match (size - row, size - column) {
                (1, 1) => product_tile::<F, 1, 1>(a, b, size, row, column, product),
                (1, _) => product_tile::<F, 1, 3>(a, b, size, row, column, product),
                (2, 2) => product_tile::<F, 2, 2>(a, b, size, row, column, product),
                (2, _) => product_tile::<F, 2, 3>(a, b, size, row, column, product),
                _ => product_tile::<F, 3, 3>(a, b, size, row, column, product),
            }
        }
    }
}

/// `R` rows and `C` columns of [`symmetric_product`].
#[inline(always)]
fn product_tile<F: Doubles, const R: usize, const C: usize>(
    a: &[F],
    b: &[F],
    size: usize,
    row: usize,
    column: usize,
    product: &mut [F],
) {
    let (a, b) = (&a[row * size..][..R * size], &b[column * size..][..C * size]);
    let mut sums = [[F::splat(0.0); C]; R];
    for k in 0..size {
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = a[r * size + k].mul_add(b[c * size + k], sums[r][c]);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (c, sum) in sums.into_iter().enumerate() {
            product[(row + r) * size + column + c] = sum;
            product[(column + c) * size + row + r] = sum;
        }
    }
}
