//! What lies at the end of a descent.

use super::local::{Local, length};
use super::objective::Objective;
use super::settings::Polish;
use crate::bounds::widened_bounds;
use crate::model::Activation;
use crate::reference::closed_forms;

/// What a polished network has come to. The number is what the `end` column holds.
///
/// H and g are Hessian and gradient of the objective F, and tau = 1e-9 ||H||_F. A *critical point* is where
///
/// - the Newton step along the eigenvectors with |lambda| > tau is at most 1e-8 (1 + |theta|) long,
/// - |g| <= 1e-12 (1 + ||H||_F) ([`Polish::tolerance`]), and
/// - lambda_1 is above 1e-3 of what it was at the start, or there is decay.
///
/// A *valley* is where, without decay,
///
/// - |theta| has passed 1000 (1 + |theta_0|), or
/// - |g| is as small as at a critical point (or as the rounding of theta lets it be, 4 u |theta| (1 + ||H||_F) with u =
///   2^-52), |theta| has grown beyond 1 + |theta_0|, and lambda_1 is below 1e-3 of what it was: the loss is flat all
///   around, or
/// - |g| and the Newton step are that small, no eigenvalue is below -tau, and longer input weights of some unit change
///   nothing: nine tenths of the squared length of (W_n0 .. W_nM) lie in the null space. Such a unit is saturated, or
///   dead, at all samples but those on its edge, and the loss falls on as it sharpens, however little. Units of linear,
///   relu and square do not saturate: a factor of W_n is one of v_n, which is null at every critical point.
///
/// With decay F grows in all directions far away, so there are no valleys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum End {
    /// A critical point without an eigenvalue below -tau, and no saturated unit.
    Minimum = 0,
    /// A critical point with eigenvalues below -tau.
    Saddle = 1,
    /// No critical point: the weights run to infinity while g goes to 0, or a saturated unit leaves directions in which
    /// nothing changes any more.
    Valley = 2,
    /// [`super::PolishMode::Nearest`] found no critical point within the radius.
    LeftRadius = 3,
    /// The most steps were tried, or rounding allows no further step; or the network is not finite.
    Unfinished = 4,
}

impl End {
    /// The end that a column stores as `number`.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Minimum),
            1 => Some(Self::Saddle),
            2 => Some(Self::Valley),
            3 => Some(Self::LeftRadius),
            4 => Some(Self::Unfinished),
            _ => None,
        }
    }
}

/// A polished network. Gradient, index and nullity are those of the objective F, the bound and lambda_1 those of the
/// Hessian H of the loss alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Polished {
    /// The weights, (D,).
    pub theta: Vec<f64>,
    /// What was reached.
    pub end: End,
    /// F.
    pub objective: f64,
    /// g.g with g = dF/dtheta.
    pub gradient_sq: f64,
    /// |theta - theta_0|, the Euclidean distance from where polishing began.
    pub distance: f64,
    /// Eigenvalues of the Hessian of F below -tau, with tau = 1e-9 times its Frobenius norm.
    pub index: usize,
    /// Eigenvalues of the Hessian of F within tau of 0.
    pub nullity: usize,
    /// The upper bound of lambda_1 (Theorem 1), widened for rounding.
    pub lambda_sup: f64,
    /// lambda_1, the largest eigenvalue of H.
    pub lambda_max: f64,
    /// The steps tried.
    pub steps: u32,
}

/// The longest Newton step of a critical point, as a part of 1 + |theta|.
const STEP: f64 = 1e-8;

/// At a critical point lambda_1 is more than this part of what it was at the start.
const SHARPNESS: f64 = 1e-3;

/// Weights that have grown by this factor run to infinity.
const GROWTH: f64 = 1e3;

/// The roundings of theta that may add up in g.
const ROUNDINGS: f64 = 4.0;

/// The share of the squared length of a unit's input weights that must lie in the null space for the unit to count as
/// saturated.
const SATURATED: f64 = 0.9;

/// How the end of one network is found out.
pub(super) struct Judge<'a> {
    pub(super) objective: Objective<'a>,
    pub(super) how: Polish,
    start: Vec<f64>,
    lambda_max: f64,
}

impl<'a> Judge<'a> {
    pub(super) fn new(objective: Objective<'a>, how: &Polish, start: &Local) -> Self {
        Self { objective, how: *how, start: start.theta.clone(), lambda_max: start.largest() }
    }

    /// What `local` is, if it is an end.
    pub(super) fn end(&self, local: &Local) -> Option<End> {
        let scale = 1.0 + local.norm;
        let newton = local.regular_newton().norm();
        let arrived = newton <= STEP * (1.0 + local.length());
        // With decay the objective rises in all directions far away, so there are no valleys.
        if self.objective.weight_decay == 0.0 {
            let grown = local.length() / (1.0 + length(&self.start));
            // The rounding of long weights moves g by this much.
            let rounding = ROUNDINGS * f64::EPSILON * local.length();
            let small = local.gradient <= self.how.tolerance.max(rounding) * scale;
            let flat = local.largest() <= SHARPNESS * self.lambda_max;
            let saturated = || local.index() == 0 && self.has_saturated_unit(local);
            if grown > GROWTH || (small && grown > 1.0 && flat) || (small && arrived && saturated()) {
                return Some(End::Valley);
            }
            // Next to nothing is left of the curvature, but the weights have not grown yet.
            if flat {
                return None;
            }
        }
        if !arrived || local.gradient > self.how.tolerance * scale {
            return None;
        }
        Some(if local.index() > 0 { End::Saddle } else { End::Minimum })
    }

    /// Whether longer input weights of some unit would change nothing: their direction lies in the null space.
    fn has_saturated_unit(&self, local: &Local) -> bool {
        let network = self.objective.problem.network;
        if matches!(network.activation, Activation::Linear | Activation::Relu | Activation::Square) {
            return false;
        }
        let tau = local.tau();
        let hidden = network.shape.layers().take(network.shape.hidden().len());
        let mut units = hidden.flat_map(|layer| (0..layer.units).map(move |a| (layer, a)));
        units.any(|(layer, a)| {
            let places = || (0..=layer.inputs).map(|p| layer.at(a, p));
            let whole: f64 = places().map(|place| local.theta[place].powi(2)).sum();
            let null: f64 = (0..local.eigenvalues.len())
                .filter(|&k| local.eigenvalues[k].abs() <= tau)
                .map(|k| places().map(|place| local.theta[place] * local.eigenvectors[(place, k)]).sum::<f64>().powi(2))
                .sum();
            null > SATURATED * whole
        })
    }

    /// The distance of `theta` from the start.
    pub(super) fn distance(&self, theta: &[f64]) -> f64 {
        let apart: Vec<f64> = theta.iter().zip(&self.start).map(|(a, b)| a - b).collect();
        length(&apart)
    }

    /// The network at `local`, which came to `end` after `steps`.
    pub(super) fn polished(&self, local: Local, end: End, steps: u32) -> Polished {
        let forms = closed_forms(self.objective.problem, &local.theta);
        let trace = forms.trace();
        let widened = widened_bounds(trace, forms.trace_sq, local.theta.len(), &forms.rounding);
        Polished {
            end,
            objective: local.value,
            gradient_sq: local.gradient * local.gradient,
            distance: self.distance(&local.theta),
            index: local.index(),
            nullity: local.nullity(),
            lambda_sup: widened.bounds.lambda_sup,
            lambda_max: local.largest() - self.objective.weight_decay,
            steps,
            theta: local.theta,
        }
    }
}
