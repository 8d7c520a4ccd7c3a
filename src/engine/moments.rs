//! What engines find about a Hessian for a bracket of its extreme eigenvalues: traces of powers, Rayleigh quotients,
//! and whether a shifted Hessian is definite.

use super::rounding::{UNDERFLOW, UNIT};

/// Up to which power of the centred Hessian C traces are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Powers {
    /// tr C^2 to tr C^4, by one product of D x D matrices.
    Four,
    /// tr C^2 to tr C^8, by three products.
    Eight,
}

/// A Rayleigh quotient of C, and how far its vector is from an eigenvector.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rayleigh {
    /// rho = x.Cx / x.x.
    pub quotient: f64,
    /// |Cx - rho x| / |x|.
    pub residual: f64,
}

/// What is known about the Hessian H of one network, in f64, from its entries.
///
/// The engine assembles H~, which is within `error` of H, divides it by the largest magnitude of its entries, `scale`,
/// and subtracts the mean of the diagonal: C = H~ / `scale` - `shift`. So nothing overflows or underflows, and the
/// traces do not cancel. All other values are those of C as an engine in f64 finds them: with sums of D products for an
/// entry of a product, of at most [`Self::chain`] additions for a trace, and of at most D / 2 + 4 for a product of two
/// vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct HessianMoments {
    /// D, the number of parameters.
    pub parameters: usize,
    /// The largest magnitude of an entry of H~; at least 1e-290.
    pub scale: f64,
    /// The mean of the diagonal of H~ / `scale`.
    pub shift: f64,
    /// ||C||_F. NaN where an entry of H~ is not finite.
    pub norm: f64,
    /// tr C^3 and tr C^4.
    pub third_and_fourth: [f64; 2],
    /// tr C^6, tr C^7 and tr C^8, with [`Powers::Eight`].
    pub sixth_to_eighth: Option<[f64; 3]>,
    /// The largest and the smallest diagonal element of C.
    pub diagonal: [f64; 2],
    /// The largest C_dd + sum_e |C_de| and the smallest C_dd - sum_e |C_de|, e != d: the ends of Gershgorin's discs.
    pub discs: [f64; 2],
    /// Those of two vectors that power iteration brought near the ends of the spectrum, in no order.
    pub rayleigh: [Rayleigh; 2],
    /// A bound of ||H - H~||_F.
    pub error: f64,
}

impl HessianMoments {
    /// The most additions that a product goes through in the trace of a D x D matrix, D = `parameters`.
    pub fn chain(parameters: usize) -> usize {
        parameters * parameters / 4 + 8
    }

    /// ||H~||_F.
    pub fn hessian_norm(&self) -> f64 {
        self.scale * self.norm.hypot((self.parameters as f64).sqrt() * self.shift)
    }

    /// ||H~||_F / `scale`, from above.
    pub(crate) fn scaled_norm(&self) -> f64 {
        self.norm + (self.parameters as f64).sqrt() * self.shift.abs()
    }

    /// How far an eigenvalue of H may be from `scale` (`shift` + that of C): by the error of H~, and by the roundings
    /// of the division, of the subtraction, and of this formula.
    pub(crate) fn widening(&self) -> f64 {
        widening(self.error, self.scale * self.scaled_norm())
    }
}

fn widening(error: f64, norm: f64) -> f64 {
    error + 16.0 * UNIT * norm + UNDERFLOW
}

/// Where lambda_1 and lambda_D of a network should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EndEstimates {
    /// An estimate of lambda_1; NaN for none.
    pub lambda_max: f64,
    /// An estimate of lambda_D; NaN for none.
    pub lambda_min: f64,
    /// How far off they should be at most. The proof fails where they are further off, and is as wide as this.
    pub within: f64,
}

/// Proven bounds of the extreme eigenvalues of H, from a definite and an indefinite H - c on either side of an
/// estimate; NaN where the proof failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProvenEnds {
    /// A lower and an upper bound of lambda_1.
    pub lambda_max: [f64; 2],
    /// A lower and an upper bound of lambda_D.
    pub lambda_min: [f64; 2],
}

/// A Hessian that is to be shown definite or indefinite: M = c - C or C - c, by its pivots.
///
/// If the factorisation M = L D L^T in floating point has positive pivots only, the matrix that it is the exact
/// factorisation of is positive definite, and M differs from that by at most gamma tr M in norm, gamma = (D + 4) u /
/// (1 - (D + 4) u) (Demmel 1989; Rump, BIT 46, 2006, Theorem 2.3; Higham, Accuracy and Stability, Theorem 9.3). So the
/// smallest eigenvalue of M is above -gamma tr M. If pivot k is the first that is not positive, the leading block of
/// that other matrix is not positive definite, and by interlacing the smallest eigenvalue of M is below gamma (sum_d
/// |M_dd| + 2 |pivot k|).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    /// D.
    pub(crate) parameters: usize,
    /// As in [`HessianMoments`].
    pub(crate) scale: f64,
    /// As in [`HessianMoments`].
    pub(crate) shift: f64,
    /// As in [`HessianMoments`].
    pub(crate) norm: f64,
    /// As in [`HessianMoments`].
    pub(crate) error: f64,
}

/// What the pivots of a matrix prove.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sign {
    /// The smallest eigenvalue is above minus this.
    Above(f64),
    /// The smallest eigenvalue is below this.
    Below(f64),
    Nothing,
}

/// Whether a pivot proves no more of the matrix: NaN does not either.
fn is_not_positive(pivot: &f64) -> bool {
    let positive = *pivot > 0.0;
    !positive
}

impl Proof {
    /// The four values of c in the order of [`Self::ends`]: below and above lambda_1, below and above lambda_D.
    pub(crate) fn candidates(&self, near: EndEstimates) -> [f64; 4] {
        let around = near.within / self.scale;
        let [largest, smallest] = [near.lambda_max, near.lambda_min].map(|value| value / self.scale - self.shift);
        [largest - around, largest + around, smallest - around, smallest + around]
    }

    /// Whether M = c - C (for lambda_1) rather than C - c, at place `which` of the candidates.
    pub(crate) const fn is_above(which: usize) -> bool {
        which < 2
    }

    /// The bounds that the pivots of the four matrices prove. `diagonals` are the sums of |M_dd|.
    pub(crate) fn ends(
        &self,
        candidates: [f64; 4],
        diagonals: [f64; 4],
        pivots: [impl Iterator<Item = f64>; 4],
    ) -> ProvenEnds {
        let operations = (self.parameters + 4) as f64;
        let gamma = 1.05 * operations * UNIT;
        let norm = self.norm + (self.parameters as f64).sqrt() * self.shift.abs();
        let widening = widening(self.error, self.scale * norm);
        let mut pivots = pivots.into_iter();
        let mut next = |which: usize| {
            let (c, diagonal) = (candidates[which], diagonals[which]);
            let sign = pivots.next().map_or(Sign::Nothing, |mut pivots| match pivots.find(is_not_positive) {
                None => Sign::Above(gamma * diagonal),
                Some(pivot) if pivot.is_finite() => Sign::Below(gamma * (diagonal + 2.0 * pivot.abs())),
                Some(_) => Sign::Nothing,
            });
            // What is proven of lambda: a bound of it, and whether from above.
            let (bound, upper) = match (sign, Self::is_above(which)) {
                (Sign::Above(error), true) => (c + error, true),
                (Sign::Below(error), true) => (c - error, false),
                (Sign::Above(error), false) => (c - error, false),
                (Sign::Below(error), false) => (c + error, true),
                (Sign::Nothing, _) => (f64::NAN, true),
            };
            let own = self.scale * (bound + self.shift);
            (if upper { own + widening } else { own - widening }, upper)
        };
        let mut pair = |first: usize| {
            let mut ends = [f64::NAN; 2];
            for which in [first, first + 1] {
                let (bound, upper) = next(which);
                let end = &mut ends[usize::from(upper)];
                // NaN, the first value, loses against any number.
                *end = if upper { end.min(bound) } else { end.max(bound) };
            }
            ends
        };
        ProvenEnds { lambda_max: pair(0), lambda_min: pair(2) }
    }
}
