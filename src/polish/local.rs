//! The objective about one point, to second order.

use nalgebra::{DMatrix, DVector};

use super::objective::Objective;
use crate::reference::symmetric_eigen;

/// Eigenvalues of the objective's Hessian H up to this part of ||H||_F in size count as 0: tau = `NULL` ||H||_F. The
/// eigenvalues themselves are off by about 1e-15 ||H||_F.
pub(super) const NULL: f64 = 1e-9;

/// The objective, its gradient and the spectrum of its Hessian H at one point.
pub(super) struct Local {
    /// The point.
    pub(super) theta: Vec<f64>,
    /// F.
    pub(super) value: f64,
    /// |g|.
    pub(super) gradient: f64,
    /// lambda_k, in no order.
    pub(super) eigenvalues: DVector<f64>,
    /// u_k, one per column.
    pub(super) eigenvectors: DMatrix<f64>,
    /// u_k.g.
    pub(super) along: DVector<f64>,
    /// ||H||_F.
    pub(super) norm: f64,
}

impl Local {
    /// At `theta`; `None` where something is not finite.
    pub(super) fn at(objective: Objective<'_>, theta: Vec<f64>) -> Option<Self> {
        let value = objective.value(&theta);
        let gradient = DVector::from_vec(objective.gradient(&theta));
        let hessian = objective.hessian(&theta);
        // An infinite weight of a saturated unit leaves everything else finite.
        let finite = value.is_finite() && theta.iter().chain(&gradient).chain(&hessian).all(|x| x.is_finite());
        let eigen = finite.then(|| symmetric_eigen(hessian)).flatten()?;
        let along = eigen.vectors.tr_mul(&gradient);
        let norm = eigen.values.norm();
        let (eigenvalues, eigenvectors) = (eigen.values, eigen.vectors);
        Some(Self { theta, value, gradient: gradient.norm(), eigenvalues, eigenvectors, along, norm })
    }

    /// tau, below which the size of an eigenvalue is as good as 0.
    pub(super) fn tau(&self) -> f64 {
        NULL * self.norm
    }

    /// lambda_1, the largest eigenvalue.
    pub(super) fn largest(&self) -> f64 {
        self.eigenvalues.max()
    }

    /// The index: how many eigenvalues are below -tau.
    pub(super) fn index(&self) -> usize {
        let tau = self.tau();
        self.eigenvalues.iter().filter(|&&value| value < -tau).count()
    }

    /// The nullity: how many eigenvalues are within tau of 0.
    pub(super) fn nullity(&self) -> usize {
        let tau = self.tau();
        self.eigenvalues.iter().filter(|value| value.abs() <= tau).count()
    }

    /// The Newton step along the eigenvectors whose eigenvalue is beyond tau, in coordinates of the eigenvectors.
    pub(super) fn regular_newton(&self) -> DVector<f64> {
        let tau = self.tau();
        self.along.zip_map(&self.eigenvalues, |along, value| if value.abs() > tau { -along / value } else { 0.0 })
    }

    /// The point that lies `step`, in coordinates of the eigenvectors, away.
    pub(super) fn moved(&self, step: &DVector<f64>) -> Vec<f64> {
        let step = &self.eigenvectors * step;
        self.theta.iter().zip(&step).map(|(theta, step)| theta + step).collect()
    }

    /// |theta|.
    pub(super) fn length(&self) -> f64 {
        length(&self.theta)
    }
}

/// The Euclidean norm.
pub(super) fn length(theta: &[f64]) -> f64 {
    theta.iter().map(|t| t * t).sum::<f64>().sqrt()
}
