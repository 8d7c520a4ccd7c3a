//! How far rounding may have moved the closed forms of a network, so that a bound can be widened to hold.

use crate::model::{OneHidden, Shape};

/// How far the closed forms of one network may be from those of the exact Hessian H at the recorded weights.
///
/// An engine's sums are those of a nearby Hessian, H~, and are rounded themselves. Let u be the unit roundoff. A
/// computed y_n is off by at most e_n <= (M + 1) u sum_m |W_nm x_m|. By the mean value theorem, the errors of r_n, f'_n
/// and f''_n follow from f', f'' and f''' nearby, those of z from the errors of r, and those of s and delta from the
/// error of z. For sample i, with
///
/// - J = dz/dtheta, where |J|^2 = |h(x)|^2 sum_n (v_n f'_n)^2 + |h(r)|^2,
/// - C, the matrix that delta multiplies, where ||C||_F^2 = |h(x)|^4 sum_n (v_n f''_n)^2 + 2 |h(x)|^2 sum_n f'_n^2,
///
/// and d in front of a quantity for its error, H_i = s J J^T + delta C is off by at most
///
/// ds (|J| + |dJ|)^2 + s (2 |J| + |dJ|) |dJ| + d(delta) (||C||_F + ||dC||_F) + |delta| ||dC||_F.
///
/// Summed over the samples, this is the *perturbation*, a bound of ||H - H~||_F. The *size*, sum_i (s |J|^2 + |delta|
/// ||C||_F), is at least ||H||_F, and at least the sum of the absolute values of all products. So the rounding of a sum
/// is at most u times the size times the number of operations that one of its terms goes through. By Weyl's inequality,
/// no eigenvalue of H is further from that of H~ than the perturbation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rounding {
    /// A bound of ||H - H~||_F: the sums are those of H~.
    pub hessian: f64,
    /// A bound of |`trace` - tr H~|.
    pub trace: f64,
    /// A bound of |`trace_sq` - tr H~^2|.
    pub trace_sq: f64,
}

/// What an engine sums for each network besides its closed forms; see [`Rounding`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spread {
    /// sum_i (s_i |J_i|^2 + |delta_i| ||C_i||_F).
    pub(crate) size: f64,
    /// A bound of ||H - H~||_F, from the errors in the terms of each sample.
    pub(crate) perturbation: f64,
}

/// The precision of an engine's sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Arithmetic {
    /// u, half the distance from 1 to the next number.
    pub(crate) unit: f64,
    /// The most additions that one sample's share of tr H goes through.
    pub(crate) trace_chain: usize,
    /// The most that underflow may take from tr H^2, even where the sizes have become 0.
    pub(crate) underflow: f64,
}

/// u of f64, half the distance from 1 to the next number.
pub(crate) const UNIT: f64 = f64::EPSILON / 2.0;

/// The most that underflow may take from tr H^2 in f64, with room for factors of 1e60. Below it the Hessian is as good
/// as 0.
pub(super) const UNDERFLOW: f64 = 1e-240;

/// How many operations the products of the closed forms of a network go through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FormOperations {
    /// Those of a product in the forms of a pair of samples.
    pair: usize,
    /// The absolute values of all products in the forms of a pair of samples add up to at most this times the product
    /// of their sizes.
    pair_products: f64,
    /// Those of a product in one sample's share of tr H.
    trace: usize,
    /// The terms of tr H_i add up to at most the root of this times the sample's size, by the Cauchy-Schwarz
    /// inequality.
    units: usize,
}

impl From<OneHidden> for FormOperations {
    /// Those of the paper's forms.
    fn from(OneHidden { inputs, hidden }: OneHidden) -> Self {
        Self {
            // The sums A (N terms) and K (M terms), each squared, in products of six factors.
            pair: 2 * (inputs + hidden) + 16,
            // 1 for s_i s_j (A K + R)^2, 2 and 1.5 for the rests of phi and psi.
            pair_products: 5.0,
            trace: inputs + hidden + 10,
            units: hidden,
        }
    }
}

impl From<Shape> for FormOperations {
    /// Those of the forms by layers.
    fn from(shape: Shape) -> Self {
        let widest = shape.widths().iter().copied().max().unwrap_or(0);
        Self {
            // Two Gram sums, and a matrix product, entry by entry or row by row.
            pair: 2 * (widest + 1) + widest * widest + 16,
            // The size is such that they add up to the product of the sizes.
            pair_products: 1.0,
            trace: 2 * widest + 10,
            units: shape.layers().map(|layer| layer.units).sum(),
        }
    }
}

impl Arithmetic {
    /// For an engine whose sums are in f64.
    pub(crate) fn in_f64(trace_chain: usize) -> Self {
        Self { unit: UNIT, trace_chain, underflow: UNDERFLOW }
    }

    /// The rounding of sums over all pairs of samples, each of which goes through at most `chain` additions.
    pub(crate) fn of_pairs(&self, operations: impl Into<FormOperations>, spread: Spread, chain: usize) -> Rounding {
        let operations = operations.into();
        let relative = operations.pair_products * (operations.pair + chain) as f64 * self.unit;
        Rounding {
            hessian: spread.perturbation,
            trace: self.trace(operations, spread),
            trace_sq: relative * spread.size * spread.size + self.underflow,
        }
    }

    /// The rounding of the assembled Hessian, each of whose entries goes through at most `chain` additions, and of
    /// `trace_sq`, the sum of their squares, each of which goes through at most `square_chain`.
    pub(crate) fn of_entries(
        &self,
        operations: impl Into<FormOperations>,
        spread: Spread,
        chain: usize,
        (trace_sq, square_chain): (f64, usize),
    ) -> Rounding {
        // Rounded entries are those of another Hessian, which has another trace: the terms of its diagonal are those of
        // tr H.
        let operations = operations.into();
        let entries = (8 + chain) as f64 * self.unit * spread.size;
        Rounding {
            hessian: spread.perturbation + entries,
            trace: self.trace(operations, spread) + (operations.units as f64).sqrt() * entries,
            trace_sq: (4 + square_chain) as f64 * self.unit * trace_sq + self.underflow,
        }
    }

    fn trace(&self, FormOperations { trace, units, .. }: FormOperations, spread: Spread) -> f64 {
        let operations = trace + self.trace_chain;
        operations as f64 * self.unit * (units as f64).sqrt() * spread.size
    }
}
