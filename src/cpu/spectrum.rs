//! Both ends of the spectra of many networks, one in each lane, in f64.

use super::eigenvalues::{Eigenvalues, row_start};
use super::hessians::HessianBatch;
use super::lanes::{Doubles, LaneTask, Lanes as _, Vectors};
use crate::engine::{Allowed, Witnesses};

/// One worker; it returns rows and their `lambda_max` and `lambda_min`, or why a row has none.
pub(super) struct FindingSpectra<'a>(pub(super) &'a HessianBatch<'a>);

impl LaneTask for FindingSpectra<'_> {
    type Output = Vec<(usize, Result<(f64, f64), String>)>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Self::Output {
        let Self(batch) = self;
        let parameters = batch.parameters();
        let mut theta = vec![V::Doubles::splat(0.0); parameters];
        let mut hessians = batch.hessians::<V::Doubles>(false);
        // Lower triangles, row by row.
        let mut triangles = vec![V::Doubles::splat(0.0); row_start(parameters)];
        let mut eigenvalues = Eigenvalues::<V::Doubles>::new(parameters);
        let mut found = Vec::new();
        while let Some(rows) = batch.take(V::Doubles::COUNT) {
            batch.load(&rows, &mut theta);
            hessians.assemble(&theta, |row, column, value| {
                triangles[row_start(row.max(column)) + row.min(column)] = value;
            });
            eigenvalues.find(&triangles);
            found.extend(rows.zip(0..).map(|(row, lane)| (row, checked(&eigenvalues, lane))));
        }
        found
    }
}

/// The extreme eigenvalues in one lane, if they agree with their matrix.
fn checked<F: Doubles>(eigenvalues: &Eigenvalues<F>, lane: usize) -> Result<(f64, f64), String> {
    let trace_sq = eigenvalues.trace_sq.values()[lane];
    if !trace_sq.is_finite() {
        return Err("its Hessian has elements that are not finite in f64".into());
    }
    let value = |k: usize| eigenvalues.values[k].values()[lane];
    let witnesses = Witnesses {
        trace: eigenvalues.trace.values()[lane],
        trace_sq,
        residuals: eigenvalues.residuals_sq.map(|squares| squares.values()[lane].sqrt()),
    };
    let size = eigenvalues.values.len();
    witnesses.check((0..size).map(value), CHECKS)?;
    let factor = eigenvalues.factor.values()[lane];
    Ok((value(size - 1) / factor, value(0) / factor))
}

/// All eigenvalues but the extremes are bisected to 1e-8 of the spectrum; the extremes are as accurate as f64 and the
/// size of the matrix allow.
const CHECKS: Allowed = Allowed { sums: 1e-6, residuals: 1e-11 };
