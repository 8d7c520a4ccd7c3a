//! Sums over short rows of which every lane has its own.

use crate::cpu::lanes::Doubles;

/// a.b, in four running sums.
#[inline(always)]
pub(super) fn dot<F: Doubles>(a: &[F], b: &[F]) -> F {
    let ((a_quads, a_rest), (b_quads, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [F::splat(0.0); 4];
    for (a, b) in a_quads.iter().zip(b_quads) {
        for k in 0..4 {
            sums[k] = a[k].mul_add(b[k], sums[k]);
        }
    }
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        sums[0] = a.mul_add(b, sums[0]);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Adds `factor` times `row` to `sums`.
#[inline(always)]
pub(super) fn add_scaled<F: Doubles>(factor: F, row: &[F], sums: &mut [F]) {
    for (sum, &element) in sums.iter_mut().zip(row) {
        *sum = factor.mul_add(element, *sum);
    }
}

/// a b of matrices, both row by row: a has `inner` columns, b and the product have `columns`.
#[inline(always)]
pub(super) fn multiply<F: Doubles>(a: &[F], inner: usize, b: &[F], columns: usize, product: &mut [F]) {
    product.fill(F::splat(0.0));
    for (a, product) in a.chunks_exact(inner).zip(product.chunks_exact_mut(columns)) {
        for (&a, b) in a.iter().zip(b.chunks_exact(columns)) {
            add_scaled(a, b, product);
        }
    }
}

/// a^T b of matrices with as many rows, both row by row: a has `rows` columns, b and the product have `columns`.
#[inline(always)]
pub(super) fn multiply_transposed<F: Doubles>(a: &[F], rows: usize, b: &[F], columns: usize, product: &mut [F]) {
    product.fill(F::splat(0.0));
    for (a, b) in a.chunks_exact(rows).zip(b.chunks_exact(columns)) {
        for (&a, product) in a.iter().zip(product.chunks_exact_mut(columns)) {
            add_scaled(a, b, product);
        }
    }
}
