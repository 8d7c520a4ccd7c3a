//! Proofs of how far the extreme eigenvalues of many networks are from estimates, one network in each lane, in f64.

use super::hessians::HessianBatch;
use super::lanes::{Doubles, LaneTask, Lanes as _, Vectors};
use super::moments::Centred;
use crate::engine::{EndEstimates, Proof, ProvenEnds};

/// One worker; it returns rows and what is proven of them.
pub(super) struct Proving<'a> {
    pub(super) batch: &'a HessianBatch<'a>,
    /// (S,).
    pub(super) estimates: &'a [EndEstimates],
}

impl LaneTask for Proving<'_> {
    type Output = Vec<(usize, ProvenEnds)>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Self::Output {
        let Self { batch, estimates } = self;
        let parameters = batch.parameters();
        let mut theta = vec![V::Doubles::splat(0.0); parameters];
        let mut hessians = batch.hessians::<V::Doubles>(true);
        let mut centred = Centred::<V::Doubles>::new(parameters);
        let mut factors = Factorisation::new(parameters);
        let mut found = Vec::new();
        while let Some(rows) = batch.take(V::Doubles::COUNT) {
            batch.load(&rows, &mut theta);
            hessians.assemble(&theta, |row, column, value| centred.put(row, column, value));
            centred.centre();
            let proofs: Vec<(Proof, [f64; 4])> = rows
                .clone()
                .zip(0..)
                .map(|(row, lane)| {
                    let value = |of: V::Doubles| of.values()[lane];
                    let proof = Proof {
                        parameters,
                        scale: value(centred.scale),
                        shift: value(centred.shift),
                        norm: value(centred.norm_sq).sqrt(),
                        error: hessians.error(lane),
                    };
                    (proof, proof.candidates(estimates[row]))
                })
                .collect();
            for which in 0..4 {
                let mut shift = V::Doubles::splat(0.0);
                for (to, (_, candidates)) in shift.values_mut().iter_mut().zip(&proofs) {
                    *to = candidates[which];
                }
                factors.factor(which, &centred, shift);
            }
            for ((row, (proof, candidates)), lane) in rows.zip(proofs).zip(0..) {
                let pivots =
                    [0, 1, 2, 3].map(|which| factors.pivots[which].iter().map(move |pivot| pivot.values()[lane]));
                let diagonals = factors.diagonals.map(|sum| sum.values()[lane]);
                found.push((row, proof.ends(candidates, diagonals, pivots)));
            }
        }
        found
    }
}

/// Working memory for matrices of one size, and what the four factorisations found.
struct Factorisation<F> {
    size: usize,
    /// L D and L, lower triangles in squares.
    scaled: Vec<F>,
    lower: Vec<F>,
    /// D of each factorisation.
    pivots: [Vec<F>; 4],
    /// sum_d |M_dd| of each.
    diagonals: [F; 4],
}

impl<F: Doubles> Factorisation<F> {
    fn new(size: usize) -> Self {
        let (matrix, vector) = (vec![F::splat(0.0); size * size], vec![F::splat(0.0); size]);
        Self {
            size,
            scaled: matrix.clone(),
            lower: matrix,
            pivots: [vector.clone(), vector.clone(), vector.clone(), vector],
            diagonals: [F::splat(0.0); 4],
        }
    }

    /// M = L D L^T, row by row, for M = c - C or C - c with c = `shift`. What follows a pivot that is not positive
    /// means nothing.
    #[inline(always)]
    fn factor(&mut self, which: usize, centred: &Centred<F>, shift: F) {
        let size = self.size;
        let sign = F::splat(if Proof::is_above(which) { -1.0 } else { 1.0 });
        self.diagonals[which] = F::splat(0.0);
        for row in 0..size {
            let (above, own) = self.lower.split_at_mut(row * size);
            let (lower, scaled) = (&mut own[..row], &mut self.scaled[..row]);
            let elements = &centred.matrix[row * size..][..=row];
            for column in 0..row {
                let mut element = elements[column] * sign;
                for (&g, &l) in scaled[..column].iter().zip(&above[column * size..][..column]) {
                    element = g.neg_mul_add(l, element);
                }
                scaled[column] = element;
                lower[column] = element / self.pivots[which][column];
            }
            let diagonal = (elements[row] - shift) * sign;
            self.diagonals[which] += diagonal.abs();
            let mut pivot = diagonal;
            for (&g, &l) in scaled.iter().zip(&*lower) {
                pivot = g.neg_mul_add(l, pivot);
            }
            self.pivots[which][row] = pivot;
        }
    }
}
