//! What training and polishing minimise.

use nalgebra::DMatrix;

use crate::model::Problem;
use crate::reference::{gradient, hessian, loss};

/// The objective F(theta) = L(theta) + alpha |theta|^2 / 2, the loss with weight decay; the biases decay as well.
///
/// Its gradient is dL/dtheta + alpha theta, and its Hessian H + alpha I. So every eigenvalue of the objective is one of
/// H plus alpha, with the same eigenvector.
#[derive(Debug, Clone, Copy)]
pub struct Objective<'a> {
    /// The network, its loss and the data.
    pub problem: &'a Problem,
    /// alpha, the decay; 0 for the loss alone.
    pub weight_decay: f64,
}

impl Objective<'_> {
    /// F at the weights `theta` (D,), whose loss is `loss`.
    pub fn of_loss(&self, loss: f64, theta: &[f64]) -> f64 {
        if self.weight_decay == 0.0 {
            return loss;
        }
        loss + 0.5 * self.weight_decay * theta.iter().map(|t| t * t).sum::<f64>()
    }

    /// F at the weights `theta` (D,).
    pub fn value(&self, theta: &[f64]) -> f64 {
        self.of_loss(loss(self.problem, theta), theta)
    }

    /// dF/dtheta, (D,).
    pub fn gradient(&self, theta: &[f64]) -> Vec<f64> {
        let mut gradient = gradient(self.problem, theta);
        if self.weight_decay > 0.0 {
            gradient.iter_mut().zip(theta).for_each(|(g, t)| *g += self.weight_decay * t);
        }
        gradient
    }

    /// g.g, the squared Euclidean norm of dF/dtheta.
    pub fn gradient_sq(&self, theta: &[f64]) -> f64 {
        self.gradient(theta).iter().map(|g| g * g).sum()
    }

    /// The Hessian of F, H + alpha I, (D, D).
    pub(super) fn hessian(&self, theta: &[f64]) -> DMatrix<f64> {
        let hessian = hessian(self.problem, theta);
        let size = theta.len();
        DMatrix::from_fn(size, size, |row, column| {
            hessian[[row, column]] + if row == column { self.weight_decay } else { 0.0 }
        })
    }
}
