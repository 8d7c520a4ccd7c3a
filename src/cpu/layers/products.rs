//! Products of matrices of which every lane has its own, and of those with one matrix that all lanes share.
//!
//! A product sum_k a_rk b_kc goes in tiles of `R` rows and `C` columns, whose sums stay in registers. An element is a
//! whole vector of lanes, so it does not matter in which order the elements of a matrix lie.

use bytemuck::Zeroable as _;

use crate::cpu::lanes::Lanes;

/// One factor of a product, by the index k that is summed over and the index r that is not.
pub(super) trait Factor<F>: Copy {
    /// `R` neighbouring r of the factor, for k from 0 to where the product ends.
    type Tile<const R: usize>: FactorTile<F, R>;

    /// Those from `first` on, for `length` values of k.
    fn tile<const R: usize>(self, first: usize, length: usize) -> Self::Tile<R>;
}

/// Some of the r of a [`Factor`], by ascending k.
pub(super) trait FactorTile<F, const R: usize>: Copy {
    /// The elements at the next k; `None` after the last.
    fn next(&mut self) -> Option<[F; R]>;
}

/// A factor whose k lie side by side: (k, r) at r `stride` + k.
#[derive(Clone, Copy)]
pub(super) struct RowFactor<'a, T> {
    pub(super) values: &'a [T],
    pub(super) stride: usize,
}

/// A factor whose r lie side by side: (k, r) at k `stride` + r.
#[derive(Clone, Copy)]
pub(super) struct ColumnFactor<'a, T> {
    pub(super) values: &'a [T],
    pub(super) stride: usize,
}

/// A factor that all lanes share.
#[derive(Clone, Copy)]
pub(super) struct Shared<M>(pub(super) M);

/// `R` rows.
#[derive(Clone, Copy)]
pub(super) struct RowTile<'a, T, const R: usize> {
    rows: [&'a [T]; R],
    length: usize,
    k: usize,
}

/// Some columns, from the next row on.
#[derive(Clone, Copy)]
pub(super) struct ColumnTile<'a, T> {
    rest: &'a [T],
    stride: usize,
}

impl<'a, T: Copy> RowFactor<'a, T> {
    // Loops and no `from_fn`, here and below: only what is inlined is compiled for the instruction set.
    #[inline(always)]
    fn of<const R: usize>(self, first: usize, length: usize) -> RowTile<'a, T, R> {
        let mut rows = [&self.values[..0]; R];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = &self.values[(first + r) * self.stride..][..length];
        }
        RowTile { rows, length, k: 0 }
    }
}

impl<'a, T: Copy> ColumnFactor<'a, T> {
    #[inline(always)]
    fn of(self, first: usize, length: usize) -> ColumnTile<'a, T> {
        ColumnTile { rest: &self.values[..length * self.stride][first..], stride: self.stride }
    }
}

impl<T: Copy, const R: usize> RowTile<'_, T, R> {
    #[inline(always)]
    fn next_of(&mut self, zero: T) -> Option<[T; R]> {
        if self.k >= self.length {
            return None;
        }
        let mut elements = [zero; R];
        for (element, row) in elements.iter_mut().zip(self.rows) {
            *element = row[self.k];
        }
        self.k += 1;
        Some(elements)
    }
}

impl<T: Copy> ColumnTile<'_, T> {
    #[inline(always)]
    fn next_of<const R: usize>(&mut self) -> Option<[T; R]> {
        let elements = *self.rest.first_chunk::<R>()?;
        self.rest = if self.rest.len() < self.stride { &[] } else { &self.rest[self.stride..] };
        Some(elements)
    }
}

/// Each of `elements` in all lanes.
#[inline(always)]
fn in_all_lanes<F: Lanes, const R: usize>(elements: [F::Scalar; R]) -> [F; R] {
    let mut vectors = [F::zeroed(); R];
    for r in 0..R {
        vectors[r] = F::splat(elements[r]);
    }
    vectors
}

impl<'a, F: Lanes> Factor<F> for RowFactor<'a, F> {
    type Tile<const R: usize> = RowTile<'a, F, R>;

    #[inline(always)]
    fn tile<const R: usize>(self, first: usize, length: usize) -> RowTile<'a, F, R> {
        self.of(first, length)
    }
}

impl<'a, F: Lanes> Factor<F> for Shared<RowFactor<'a, F::Scalar>> {
    type Tile<const R: usize> = Shared<RowTile<'a, F::Scalar, R>>;

    #[inline(always)]
    fn tile<const R: usize>(self, first: usize, length: usize) -> Self::Tile<R> {
        Shared(self.0.of(first, length))
    }
}

impl<'a, F: Lanes> Factor<F> for ColumnFactor<'a, F> {
    type Tile<const R: usize> = ColumnTile<'a, F>;

    #[inline(always)]
    fn tile<const R: usize>(self, first: usize, length: usize) -> ColumnTile<'a, F> {
        self.of(first, length)
    }
}

impl<'a, F: Lanes> Factor<F> for Shared<ColumnFactor<'a, F::Scalar>> {
    type Tile<const R: usize> = Shared<ColumnTile<'a, F::Scalar>>;

    #[inline(always)]
    fn tile<const R: usize>(self, first: usize, length: usize) -> Self::Tile<R> {
        Shared(self.0.of(first, length))
    }
}

impl<F: Lanes, const R: usize> FactorTile<F, R> for RowTile<'_, F, R> {
    #[inline(always)]
    fn next(&mut self) -> Option<[F; R]> {
        self.next_of(F::zeroed())
    }
}

impl<F: Lanes, const R: usize> FactorTile<F, R> for Shared<RowTile<'_, F::Scalar, R>> {
    #[inline(always)]
    fn next(&mut self) -> Option<[F; R]> {
        self.0.next_of(F::Scalar::zeroed()).map(in_all_lanes)
    }
}

impl<F: Lanes, const R: usize> FactorTile<F, R> for ColumnTile<'_, F> {
    #[inline(always)]
    fn next(&mut self) -> Option<[F; R]> {
        self.next_of()
    }
}

impl<F: Lanes, const R: usize> FactorTile<F, R> for Shared<ColumnTile<'_, F::Scalar>> {
    #[inline(always)]
    fn next(&mut self) -> Option<[F; R]> {
        self.0.next_of().map(in_all_lanes)
    }
}

/// The sizes of a product.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// The terms of each sum.
    pub(super) length: usize,
}

/// What becomes of a product.
///
/// It is a trait and no closure: a closure may stay a function of its own, which is not compiled for the instruction
/// set.
pub(super) trait ProductOutput<F> {
    /// Takes the sum at (r, c).
    fn put(&mut self, r: usize, c: usize, sum: F);
}

/// Adds the products of matrices to what is there: (r, c) at r `stride` + c.
pub(super) struct AddedProduct<'a, F> {
    pub(super) sums: &'a mut [F],
    pub(super) stride: usize,
}

impl<F: Lanes> ProductOutput<F> for AddedProduct<'_, F> {
    #[inline(always)]
    fn put(&mut self, r: usize, c: usize, sum: F) {
        self.sums[r * self.stride + c] += sum;
    }
}

/// Writes the product.
pub(super) struct WrittenProduct<'a, F> {
    pub(super) values: &'a mut [F],
    pub(super) stride: usize,
}

impl<F: Lanes> ProductOutput<F> for WrittenProduct<'_, F> {
    #[inline(always)]
    fn put(&mut self, r: usize, c: usize, sum: F) {
        self.values[r * self.stride + c] = sum;
    }
}

/// Writes the product times `factors`, place by place.
pub(super) struct ScaledProduct<'a, F> {
    pub(super) factors: &'a [F],
    pub(super) values: &'a mut [F],
    pub(super) stride: usize,
}

impl<F: Lanes> ProductOutput<F> for ScaledProduct<'_, F> {
    #[inline(always)]
    fn put(&mut self, r: usize, c: usize, sum: F) {
        let at = r * self.stride + c;
        self.values[at] = sum * self.factors[at];
    }
}

/// Passes the sums over k of a_rk b_kc to `output`.
///
/// Columns are outermost, so that the tile of `b` stays in the first-level cache while all rows pass. There are as many
/// sums as the registers hold beside the factors, 32 with AVX-512, of 64 bytes each, and 16 elsewhere; and never so few
/// that a sum waits for itself.
#[inline(always)]
pub(super) fn product<F: Lanes, A: Factor<F>, B: Factor<F>>(
    sizes: Sizes,
    a: A,
    b: B,
    mut output: impl ProductOutput<F>,
) {
    let tiled = sizes.columns / 4 * 4;
    for column in (0..tiled).step_by(4) {
        if size_of::<F>() == 64 {
            row_tiles::<F, A, 4, 4>(column, sizes, a, b.tile::<4>(column, sizes.length), &mut output);
        } else {
            row_tiles::<F, A, 2, 4>(column, sizes, a, b.tile::<4>(column, sizes.length), &mut output);
        }
    }
    match sizes.columns - tiled {
        3 => row_tiles::<F, A, 3, 3>(tiled, sizes, a, b.tile::<3>(tiled, sizes.length), &mut output),
        2 => row_tiles::<F, A, 4, 2>(tiled, sizes, a, b.tile::<2>(tiled, sizes.length), &mut output),
        1 => row_tiles::<F, A, 8, 1>(tiled, sizes, a, b.tile::<1>(tiled, sizes.length), &mut output),
        _ => {}
    }
}

/// All rows of one tile of columns, `R` at a time.
#[inline(always)]
fn row_tiles<F: Lanes, A: Factor<F>, const R: usize, const C: usize>(
    column: usize,
    Sizes { rows, length, .. }: Sizes,
    a: A,
    b: impl FactorTile<F, C>,
    output: &mut impl ProductOutput<F>,
) {
    let tiled = rows / R * R;
    for row in (0..tiled).step_by(R) {
        tile((row, column), a.tile::<R>(row, length), b, output);
    }
    for row in tiled..rows {
        tile((row, column), a.tile::<1>(row, length), b, output);
    }
}

#[inline(always)]
fn tile<F: Lanes, const R: usize, const C: usize>(
    (row, column): (usize, usize),
    mut a: impl FactorTile<F, R>,
    mut b: impl FactorTile<F, C>,
    output: &mut impl ProductOutput<F>,
) {
    let mut sums = [[F::zeroed(); C]; R];
    while let (Some(a), Some(b)) = (a.next(), b.next()) {
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = a[r].mul_add(b[c], sums[r][c]);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (c, &sum) in sums.iter().enumerate() {
            output.put(row + r, column + c, sum);
        }
    }
}
