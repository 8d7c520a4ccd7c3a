//! What f64 computes from the weights of critical points. It does so for as many as about half a minute of two cores
//! allows, evenly spaced in the order of rows.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::bounds::gram_norms;
use crate::model::Problem;
use crate::reference::{central_difference_hessian, hessian, spectrum, terms};
use crate::watch::{Pieces, Watch};

/// Half the distance between the two gradients of a central difference.
pub(super) const DIFFERENCE_STEP: f64 = 1e-4;

/// The most multiplications for each of spectra, differences and norms; a core does some 10^9 per second.
pub(super) const MOST_WORK: f64 = 2e10;

/// The most critical points for which anything is computed.
const MOST_MEASURED: usize = 5000;

/// Quantities of some critical points, from theta in f64; NaN where a network has none. An index holds positions in
/// [`CriticalPoints::rows`](super::CriticalPoints::rows), ascending: the columns below it have one value for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Points whose eigenvalues are known.
    pub index: Vec<usize>,
    /// lambda_1 of the closed-form Hessian.
    pub lambda_max: Vec<f64>,
    /// lambda_D of the closed-form Hessian.
    pub lambda_min: Vec<f64>,
    /// Whether the eigenvalues are columns of the run, in the precision of its engine, or computed again.
    pub recorded: bool,
    /// Points whose Hessian was also computed by central differences.
    pub difference_index: Vec<usize>,
    /// Trace of the central-difference Hessian.
    pub trace: Vec<f64>,
    /// Squared Frobenius norm of the central-difference Hessian, which is tr H^2.
    pub trace_sq: Vec<f64>,
    /// ||H_closed - H_difference||_F.
    pub difference: Vec<f64>,
    /// Points whose norms are known.
    pub norm_index: Vec<usize>,
    /// ||V||_F^2.
    pub v_norm_sq: Vec<f64>,
    /// ||W||_F^2.
    pub w_norm_sq: Vec<f64>,
    /// ||R^T R||_F^2.
    pub hidden_gram_sq: Vec<f64>,
}

/// The columns `lambda_max` and `lambda_min` of a run.
pub(super) type Recorded = (Vec<f64>, Vec<f64>);

/// Computes [`Measured`] from the rows of `theta` (S, D), on all cores; eigenvalues only if the run has not `recorded`
/// them.
pub(super) fn measure(
    problem: &Problem,
    theta: ArrayView2<'_, f64>,
    recorded: Option<Recorded>,
    watch: &dyn Watch,
) -> Measured {
    let (samples, parameters) = (problem.data.samples() as f64, problem.network.parameters() as f64);
    let closed = samples * parameters.powi(2);
    let eigenvalues = closed + 10.0 * parameters.powi(3);
    let differences = 5.0 * closed;

    let mut measured = Measured { recorded: recorded.is_some(), ..Measured::default() };
    (measured.index, [measured.lambda_max, measured.lambda_min]) = match recorded {
        Some((max, min)) => ((0..theta.nrows()).collect(), [max, min]),
        None => each(theta, eigenvalues, "spectra", watch, |theta| match spectrum(hessian(problem, theta).view(), 0) {
            Ok(spectrum) => [spectrum.lambda_max(), spectrum.lambda_min()],
            Err(_) => [f64::NAN; 2],
        }),
    };
    (measured.difference_index, [measured.trace, measured.trace_sq, measured.difference]) =
        each(theta, differences, "finite differences", watch, |theta| {
            let closed = hessian(problem, theta);
            let difference = central_difference_hessian(problem, theta, DIFFERENCE_STEP);
            let norm_sq = |matrix: &Array2<f64>| matrix.iter().map(|value| value * value).sum::<f64>();
            [difference.diag().sum(), norm_sq(&difference), norm_sq(&(&closed - &difference)).sqrt()]
        });
    if let Some(problem) = problem.paper() {
        let shape = problem.network.shape;
        let norms = samples * (2.0 * parameters + (shape.hidden as f64).powi(2));
        (measured.norm_index, [measured.v_norm_sq, measured.w_norm_sq, measured.hidden_gram_sq]) =
            each(theta, norms, "norms", watch, |theta| {
                let (w, v) = theta.split_at(shape.hidden_weights());
                let norm_sq = |weights: &[f64]| weights.iter().map(|weight| weight * weight).sum();
                let terms = terms(&problem, theta);
                let hidden = ArrayView2::from_shape((terms.samples, terms.hidden), &terms.r);
                [norm_sq(v), norm_sq(w), hidden.map_or(f64::NAN, |hidden| gram_norms(hidden).plain)]
            });
    }
    measured
}

/// `values` of as many rows of `theta` as there is time for, where one row takes `work`: which rows, and a column for
/// each value.
fn each<const K: usize>(
    theta: ArrayView2<'_, f64>,
    work: f64,
    what: &str,
    watch: &dyn Watch,
    values: impl Fn(&[f64]) -> [f64; K] + Sync,
) -> (Vec<usize>, [Vec<f64>; K]) {
    let points = theta.nrows();
    let count = points.min(MOST_MEASURED).min((MOST_WORK / work) as usize);
    let index: Vec<usize> = (0..count).map(|k| k * points / count).collect();
    let done = Pieces::new(watch, what, count);
    let found: Vec<[f64; K]> = index
        .par_iter()
        .map(|&row| {
            let found = values(&theta.index_axis(Axis(0), row).to_vec());
            done.one();
            found
        })
        .collect();
    (index, std::array::from_fn(|k| found.iter().map(|values| values[k]).collect()))
}

/// The values of a column at the points of an `index`.
pub(super) fn at(column: &[f64], index: &[usize]) -> Vec<f64> {
    index.iter().map(|&k| column[k]).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::{MOST_WORK, each, measure};
    use crate::bounds::network_bounds_of_each;
    use crate::model::{Activation, Problem, Stream, appendix_c, initial_theta};
    use crate::reference::spectra;
    use crate::watch::Unwatched;

    #[test]
    fn what_takes_long_is_computed_for_evenly_spaced_networks() {
        let theta = Array2::from_shape_fn((1000, 1), |(row, _)| row as f64);
        let (index, [found]) = each(theta.view(), MOST_WORK / 4.5, "rows", &Unwatched, |theta| [theta[0]]);
        assert_eq!((index, found), (vec![0, 250, 500, 750], vec![0.0, 250.0, 500.0, 750.0]));
        let (index, [none]) = each(theta.view(), 2.0 * MOST_WORK, "rows", &Unwatched, |theta| [theta[0]]);
        assert!(index.is_empty() && none.is_empty());
        assert_eq!(each(theta.view(), 1.0, "rows", &Unwatched, |_| [0.0]).0.len(), 1000);
    }

    #[test]
    fn eigenvalues_are_the_runs_own_where_it_has_them() {
        let problem = Problem::new(3, Activation::Tanh, appendix_c(20, 0, Stream::TrainData).unwrap());
        let rows: Vec<f64> =
            (0..4).flat_map(|seed| initial_theta(problem.network.parameters(), seed, 3.0)).map(f64::from).collect();
        let theta = Array2::from_shape_vec((4, 13), rows).unwrap();
        let computed = measure(&problem, theta.view(), None, &Unwatched);
        for (k, spectrum) in spectra(&problem, theta.view().into(), 0).into_iter().enumerate() {
            let spectrum = spectrum.unwrap();
            assert!((computed.lambda_max[k] - spectrum.lambda_max()).abs() <= 0.0);
            assert!((computed.lambda_min[k] - spectrum.lambda_min()).abs() <= 0.0);
        }
        let bounds = network_bounds_of_each(&problem.paper().unwrap(), theta.view().into());
        assert!(
            bounds
                .iter()
                .zip(&computed.hidden_gram_sq)
                .all(|(bound, found)| (bound.hidden_gram_sq - found).abs() <= 0.0)
        );
        let (max, min) = (vec![1.0, 2.0, 3.0, 4.0], vec![-1.0; 4]);
        let recorded = measure(&problem, theta.view(), Some((max.clone(), min.clone())), &Unwatched);
        assert!(recorded.recorded && !computed.recorded);
        assert_eq!((recorded.index, recorded.lambda_max, recorded.lambda_min), (vec![0, 1, 2, 3], max, min));
        assert_eq!(recorded.difference, computed.difference);
    }
}
