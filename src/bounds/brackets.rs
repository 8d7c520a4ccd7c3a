//! Brackets: two numbers that provably hold lambda_1, and two that hold lambda_D, from the entries of the Hessian.
//!
//! With C = H / scale - mu as in [`HessianMoments`], t_k = tr C^k, and rho_1, rho_D the larger and the smaller of two
//! Rayleigh quotients of C with residuals r_1 and r_D, every line below holds for any symmetric matrix. lambda is an
//! eigenvalue of C; the bounds of lambda_D are those of lambda_1 for -C.
//!
//! - Two moments: Theorem 1. With a Hessian of rank at most k < D, which [`known_rank`] finds in the data, D - k
//!   eigenvalues are 0, and Theorem 1 holds for the other k.
//! - Four moments. With mu and sigma the mean and the standard deviation of the D eigenvalues, gamma = m_3 / sigma^3
//!   and kappa = m_4 / sigma^4: lambda_1 <= mu + sigma u*, where u* is the largest root of (u^2 - gamma u - 1)^2 + d
//!   (u^2 + 1 - D) = 0 and d = kappa - gamma^2 - 1 >= 0. The spectral measure has mass at least 1/D at lambda_1, so the
//!   squares of its orthonormal polynomials there sum to at most D: 1 + u^2 <= D is Theorem 1, and 1 + u^2 + (u^2 -
//!   gamma u - 1)^2 / d <= D is this bound. So u* <= sqrt(D-1). With three moments, lambda_1 >= mu + sigma (gamma +
//!   sqrt(gamma^2 + 4)) / 2. With t_4 alone, lambda_1^4 <= t_4 - lambda_D^4.
//! - Eight moments: lambda_1^8 <= t_8 - lambda_D^8; lambda_1 >= t_7 / t_6, the mean of lambda with the weights
//!   lambda^6; and lambda_1 >= sqrt(t_8 / t_6) where lambda_D > -sqrt(t_8 / t_6), since some |lambda| is at least that.
//! - Rayleigh quotients: lambda_1 >= rho_1. All eigenvalues but lambda_1 and lambda_D are at most beta in magnitude,
//!   with beta^p = t_p - rho_1^p - rho_D^p and p = 2, 4, 6 or 8 (a term counts where rho_1 > 0, or rho_D < 0). Where
//!   beta is below rho_1, Temple's inequality gives lambda_1 <= rho_1 + r_1^2 / (rho_1 - beta): the product of
//!   (lambda - beta) and (lambda - lambda_1) is not negative at any eigenvalue, and its mean over the vector is r_1^2
//!   plus (rho_1 - beta) (rho_1 - lambda_1) (Temple 1928; Parlett, The Symmetric Eigenvalue Problem, Section 10.6).
//! - Entries: lambda_1 >= max_d C_dd, and lambda_1 is at most the largest end of Gershgorin's discs.
//! - A proven eigenvalue ([`ProvenEnds`]).
//!
//! Each bound is widened by what rounding may have done. Let u be the unit roundoff of f64 and n = ||C||_F. A product
//! of matrices is off by D u times the product of their norms in the Frobenius norm, sqrt(2) times that where only one
//! triangle is computed, and a trace by as many u as it has additions. So t_3 is off by about (3 D / 2 + D^2 / 4) u
//! n^3, t_4 by about (3 D + D^2 / 4) u n^4, and a Rayleigh quotient and its residual by 2 D u n. The error of the
//! entries, [`HessianMoments::error`], is added to each bound (Weyl). All of it is about 1e-13 ||H||_F, but the
//! four-moment upper bound loses more near spectra of two points, where d = kappa - gamma^2 - 1 is 0: u* there grows as
//! the root of the error of d, to about 1e-6.

use std::collections::HashSet;

use super::four_moments::{largest_root, orthogonal_root};
use super::wolkowicz_styan::{WolkowiczStyan, widened_bounds};
use crate::engine::{ClosedForms, HessianMoments, ProvenEnds, Rayleigh, Rounding, UNIT};
use crate::model::{Loss, Problem};

/// The single bounds from three and four moments, named as their columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentBounds {
    /// lambda_1 <= this, from four moments.
    pub lambda_max_upper4: f64,
    /// lambda_1 >= this, from three moments.
    pub lambda_max_lower3: f64,
    /// lambda_D >= this, from four moments.
    pub lambda_min_lower4: f64,
    /// lambda_D <= this, from three moments.
    pub lambda_min_upper3: f64,
}

/// What gives an end of a bracket. The column `bracket_by` holds ten times the number for `bracket_upper` plus that for
/// `bracket_lower`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BracketSource {
    /// There is no bracket.
    Nothing = 0,
    /// Theorem 1: tr H and tr H^2.
    TwoMoments = 1,
    /// The powers up to the fourth.
    FourMoments = 2,
    /// The powers up to the eighth.
    EightMoments = 3,
    /// A Rayleigh quotient, for the outer end with Temple's inequality.
    Rayleigh = 4,
    /// A diagonal element.
    Diagonal = 5,
    /// Gershgorin's discs.
    Gershgorin = 6,
    /// Theorem 1 with the rank that the data allow.
    Rank = 7,
    /// A numerical eigenvalue and the proof of its error.
    Eigenvalue = 8,
}

/// A bound and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BracketEnd {
    /// The bound; NaN if there is none.
    pub bound: f64,
    /// What gives it.
    pub source: BracketSource,
}

/// Proven bounds of the extreme eigenvalues of one Hessian: the tightest of all that are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bracket {
    /// lambda_1 >= this.
    pub lower: BracketEnd,
    /// lambda_1 <= this; never above the `lambda_sup` that is recorded.
    pub upper: BracketEnd,
    /// lambda_D >= this.
    pub min_lower: BracketEnd,
    /// lambda_D <= this.
    pub min_upper: BracketEnd,
    /// The single bounds, widened, and never worse than those from two moments.
    pub moments: MomentBounds,
}

impl BracketEnd {
    const NONE: Self = Self { bound: f64::NAN, source: BracketSource::Nothing };

    /// The smaller of two upper bounds. NaN is none.
    fn at_most(&mut self, bound: f64, source: BracketSource) {
        let keep = bound.is_nan() || self.bound <= bound;
        if !keep {
            *self = Self { bound, source };
        }
    }

    /// The larger of two lower bounds.
    fn at_least(&mut self, bound: f64, source: BracketSource) {
        let keep = bound.is_nan() || self.bound >= bound;
        if !keep {
            *self = Self { bound, source };
        }
    }
}

impl Bracket {
    /// (upper - lower) / |upper|, both of lambda_1; 0 if the two are equal.
    pub fn width(&self) -> f64 {
        relative(self.lower.bound, self.upper.bound, self.upper.bound)
    }

    /// The width of the bracket of lambda_D, relative to |upper| of lambda_1.
    pub fn min_width(&self) -> f64 {
        relative(self.min_lower.bound, self.min_upper.bound, self.upper.bound)
    }

    /// The number in the column `bracket_by`.
    pub fn by(&self) -> u8 {
        10 * self.upper.source as u8 + self.lower.source as u8
    }
}

fn relative(lower: f64, upper: f64, scale: f64) -> f64 {
    let width = upper - lower;
    if width.abs() > 0.0 || width.is_nan() { width / scale.abs() } else { 0.0 }
}

/// The number of samples and inputs bounds the rank of the Hessian: this is at least the rank, and at most D. It is at
/// least 2, as Theorem 1 has it and every D is.
///
/// In the first layer's weights, H maps into span {h(x_i)} (x) R^(N_1), and in the others' into all of them. So its
/// rank is at most N_1 rank(h(X)) + D - (M+1) N_1, for the paper's networks N rank(h(X)) + N + 1, and rank(h(X)) is at
/// most the number of different samples, and 1 plus the number of different inputs that are not constant. With softmax,
/// one vector added to all K rows of the last layer's weights changes nothing, so that these give 1 / K less.
pub fn known_rank(problem: &Problem) -> usize {
    let x = problem.data.x();
    let bits = |values: ndarray::ArrayView1<'_, f64>| values.iter().map(|v| (v + 0.0).to_bits()).collect::<Vec<u64>>();
    let samples: HashSet<Vec<u64>> = x.outer_iter().map(bits).collect();
    let inputs: HashSet<Vec<u64>> = x.columns().into_iter().map(bits).collect();
    let varying = inputs.iter().filter(|input| input.iter().any(|value| *value != input[0])).count();
    let of_inputs = samples.len().min(1 + varying);
    let shape = problem.network.shape;
    let last = shape.hidden().len();
    let of_layers = shape.layers().enumerate().map(|(l, layer)| {
        let units = if l == last && problem.loss() == Loss::Softmax { layer.units - 1 } else { layer.units };
        units * if l == 0 { of_inputs } else { layer.inputs + 1 }
    });
    of_layers.sum::<usize>().max(2)
}

/// How far the numbers behind the moments of C may be off.
#[derive(Clone, Copy)]
struct Slack {
    /// The mean of the eigenvalues of C, which is 0 but for rounding.
    mean: f64,
    /// ||C||_F.
    norm: f64,
    /// t_3 and t_4.
    third: f64,
    fourth: f64,
}

/// u D and the additions of a trace, with room for the second order.
#[derive(Clone, Copy)]
struct Operations {
    /// The relative error of a product of matrices.
    product: f64,
    /// The relative error of a trace of one.
    trace: f64,
    /// The relative error of a Rayleigh quotient and its residual.
    vector: f64,
}

impl Operations {
    fn of(parameters: usize) -> Self {
        let d = parameters as f64;
        Self {
            product: 1.55 * d * UNIT,
            trace: 1.05 * HessianMoments::chain(parameters) as f64 * UNIT,
            vector: 2.1 * (d + 6.0) * UNIT,
        }
    }
}

impl Slack {
    const NONE: Self = Self { mean: 0.0, norm: 0.0, third: 0.0, fourth: 0.0 };

    fn of(moments: &HessianMoments) -> Self {
        let d = moments.parameters as f64;
        let (n, [third, fourth]) = (moments.norm, moments.third_and_fourth);
        let Operations { product, trace, .. } = Operations::of(moments.parameters);
        // The sum of the diagonal, the division, the subtractions.
        let mean = 1.05 * (d + 3.0) / d * UNIT * d.sqrt() * moments.scaled_norm();
        Self {
            mean,
            norm: trace * n + d.sqrt() * mean,
            third: (product + trace) * n.powi(3) + 3.0 * mean * n * n + 2.0 * d * mean.powi(3),
            fourth: 2.05 * product * n * n * fourth.sqrt()
                + (product * n * n).powi(2)
                + trace * fourth
                + 4.0 * mean * third.abs()
                + 6.0 * (mean * n).powi(2)
                + 3.0 * d * mean.powi(4),
        }
    }
}

/// Bounds of one end of C from three and four moments: (upper, lower), `sign` = -1 for those of -C.
fn of_moments(moments: &HessianMoments, sign: f64, slack: Slack) -> (f64, f64) {
    let d = moments.parameters as f64;
    let n = moments.norm;
    let (least, most) = (n - slack.norm, n + slack.norm);
    let far = ((d - 1.0) / d).sqrt() * most;
    let known = least > 0.5 * n;
    if !known {
        // The moments above the first are pure rounding, or C is 0.
        return (slack.mean + far, -slack.mean);
    }
    let [third, fourth] = moments.third_and_fourth;
    let third = sign * third;
    let skewness = |third: f64, norm: f64| d.sqrt() * third / norm.powi(3);
    let (lowest, highest) = (third - slack.third, third + slack.third);
    let low = skewness(lowest, if lowest > 0.0 { most } else { least });
    let high = skewness(highest, if highest > 0.0 { least } else { most });
    let nearest = if low > 0.0 { low } else { high.min(0.0) };
    let excess = d * (fourth + slack.fourth) / least.powi(4) - nearest * nearest - 1.0;
    let excess = if excess < 0.0 { 0.0 } else { excess };
    let root = largest_root(high, excess, d);
    // The root is found to a few roundings of its square.
    let root = (root + 8.0 * UNIT * root * root).min((d - 1.0).sqrt());
    (slack.mean + root * most / d.sqrt(), orthogonal_root(low) * least / d.sqrt() - slack.mean)
}

/// The single bounds by their formulas, in exact arithmetic.
pub fn moment_bounds(moments: &HessianMoments) -> MomentBounds {
    single_bounds(moments, Slack::NONE, 0.0)
}

fn single_bounds(moments: &HessianMoments, slack: Slack, widening: f64) -> MomentBounds {
    let ((upper, lower), (min_lower, min_upper)) = (of_moments(moments, 1.0, slack), of_moments(moments, -1.0, slack));
    let value = |c: f64| moments.scale * (moments.shift + c);
    MomentBounds {
        lambda_max_upper4: value(upper) + widening,
        lambda_max_lower3: value(lower) - widening,
        lambda_min_lower4: value(-min_lower) - widening,
        lambda_min_upper3: value(-min_upper) + widening,
    }
}

/// The bracket of a network with these closed `forms`, `moments` and, where an eigenvalue was found and proven,
/// `proven` ends. `rank` is what [`known_rank`] says.
///
/// All are NaN where neither the traces nor the entries of the Hessian bound anything: where they are not finite, or
/// rounding may have moved them by more than ||H||_F.
pub fn bracket(forms: &ClosedForms, rank: usize, moments: &HessianMoments, proven: Option<&ProvenEnds>) -> Bracket {
    let parameters = moments.parameters;
    let trace = forms.trace();
    let two = widened_bounds(trace, forms.trace_sq, parameters, &forms.rounding).bounds;
    let none = BracketEnd::NONE;
    let nothing = f64::NAN;
    let mut found = Bracket {
        lower: none,
        upper: none,
        min_lower: none,
        min_upper: none,
        moments: MomentBounds {
            lambda_max_upper4: nothing,
            lambda_max_lower3: nothing,
            lambda_min_lower4: nothing,
            lambda_min_upper3: nothing,
        },
    };
    found.take(&two, BracketSource::TwoMoments);
    if rank < parameters
        && let Some(bounds) = with_rank(forms, rank, parameters)
    {
        found.take(&bounds, BracketSource::Rank);
    }
    // As in `no_bound`: below 1e-30 a Hessian is as good as 0.
    let norm = moments.hessian_norm();
    let widening = moments.widening();
    let known = norm.is_finite() && (widening <= norm || widening <= 1e-30);
    if known {
        found.take_moments(moments, widening);
    }
    if let Some(&ProvenEnds { lambda_max: [lower, upper], lambda_min: [min_lower, min_upper] }) =
        proven.filter(|_| known)
    {
        found.lower.at_least(lower, BracketSource::Eigenvalue);
        found.upper.at_most(upper, BracketSource::Eigenvalue);
        found.min_lower.at_least(min_lower, BracketSource::Eigenvalue);
        found.min_upper.at_most(min_upper, BracketSource::Eigenvalue);
    }
    let single = &mut found.moments;
    // `min` and `max` leave out NaN.
    single.lambda_max_upper4 = single.lambda_max_upper4.min(two.lambda_sup);
    single.lambda_max_lower3 = single.lambda_max_lower3.max(two.lambda_max_lower);
    single.lambda_min_lower4 = single.lambda_min_lower4.max(two.lambda_min_lower);
    single.lambda_min_upper3 = single.lambda_min_upper3.min(two.lambda_min_upper);
    found
}

/// Theorem 1 for the k = `rank` eigenvalues that need not be 0.
fn with_rank(forms: &ClosedForms, rank: usize, parameters: usize) -> Option<WolkowiczStyan> {
    let ClosedForms { layer_trace, trace_sq, rounding, .. } = *forms;
    // It is H that has the zeros, not the nearby Hessian whose traces these are.
    let norm = (trace_sq + rounding.trace_sq).max(0.0).sqrt();
    let rounding = Rounding {
        hessian: 0.0,
        trace: rounding.trace + (parameters as f64).sqrt() * rounding.hessian,
        trace_sq: rounding.trace_sq + 1.01 * rounding.hessian * (2.0 * norm + rounding.hessian),
    };
    let WolkowiczStyan { lambda_sup, lambda_max_lower, lambda_min_upper, lambda_min_lower } =
        widened_bounds(layer_trace.sum(), trace_sq, rank, &rounding).bounds;
    let known = !lambda_sup.is_nan();
    known.then(|| WolkowiczStyan {
        lambda_sup: lambda_sup.max(0.0),
        lambda_max_lower: lambda_max_lower.max(0.0),
        lambda_min_upper: lambda_min_upper.min(0.0),
        lambda_min_lower: lambda_min_lower.min(0.0),
    })
}

impl Bracket {
    fn take(&mut self, bounds: &WolkowiczStyan, source: BracketSource) {
        self.upper.at_most(bounds.lambda_sup, source);
        self.lower.at_least(bounds.lambda_max_lower, source);
        self.min_upper.at_most(bounds.lambda_min_upper, source);
        self.min_lower.at_least(bounds.lambda_min_lower, source);
    }

    fn take_moments(&mut self, moments: &HessianMoments, widening: f64) {
        self.moments = single_bounds(moments, Slack::of(moments), widening);
        let MomentBounds { lambda_max_upper4, lambda_max_lower3, lambda_min_lower4, lambda_min_upper3 } = self.moments;
        self.upper.at_most(lambda_max_upper4, BracketSource::FourMoments);
        self.lower.at_least(lambda_max_lower3, BracketSource::FourMoments);
        self.min_lower.at_least(lambda_min_lower4, BracketSource::FourMoments);
        self.min_upper.at_most(lambda_min_upper3, BracketSource::FourMoments);
        for sign in [1.0, -1.0] {
            let ends = Ends::new(moments, sign);
            let mut upper = |bound: f64, source| {
                let bound = moments.scale * (moments.shift + sign * bound);
                if sign > 0.0 {
                    self.upper.at_most(bound + widening, source);
                } else {
                    self.min_lower.at_least(bound - widening, source);
                }
            };
            ends.upper_bounds(&mut upper);
            let mut lower = |bound: f64, source| {
                let bound = moments.scale * (moments.shift + sign * bound);
                if sign > 0.0 {
                    self.lower.at_least(bound - widening, source);
                } else {
                    self.min_upper.at_most(bound + widening, source);
                }
            };
            ends.lower_bounds(&mut lower);
        }
    }
}

/// Takes a bound of the largest eigenvalue.
type Taker<'a> = dyn FnMut(f64, BracketSource) + 'a;

/// What is known of the largest eigenvalue of C, or of -C.
struct Ends<'a> {
    moments: &'a HessianMoments,
    operations: Operations,
    /// 1 for C, -1 for -C.
    sign: f64,
    /// rho_1 less its error, and r_1 with it.
    quotient: f64,
    residual: f64,
    /// -rho_D less its error, where that is positive: the smallest eigenvalue is at most minus this.
    opposite: f64,
}

impl<'a> Ends<'a> {
    fn new(moments: &'a HessianMoments, sign: f64) -> Self {
        let operations = Operations::of(moments.parameters);
        let error = operations.vector * moments.norm;
        let [a, b] = moments.rayleigh.map(|Rayleigh { quotient, residual }| (sign * quotient, residual));
        let ((quotient, residual), (smallest, _)) = if a.0 >= b.0 { (a, b) } else { (b, a) };
        Self {
            moments,
            operations,
            sign,
            quotient: quotient - error,
            residual: residual * (1.0 + operations.vector) + error,
            opposite: (-smallest - error).max(0.0),
        }
    }

    /// (p, an upper and a lower bound of t_p) for each even power at hand.
    fn even_powers(&self) -> Vec<(i32, [f64; 2])> {
        let n = self.moments.norm;
        let Operations { product, trace, .. } = self.operations;
        // `off` is the error of the matrix whose squares are added up, in units of n^(p/2).
        let within = |p: i32, value: f64, off: f64| {
            let size = n.powi(p / 2) * off;
            let error = 2.05 * size * value.sqrt() + size * size + (trace + 16.0 * UNIT) * value;
            (p, [value + error, value - error])
        };
        let mut powers = vec![within(2, n * n, 0.0), within(4, self.moments.third_and_fourth[1], product)];
        if let Some([sixth, _, eighth]) = self.moments.sixth_to_eighth {
            powers.extend([within(6, sixth, 2.6 * product), within(8, eighth, 4.2 * product)]);
        }
        powers
    }

    fn upper_bounds(&self, take: &mut Taker<'_>) {
        let Self { quotient, residual, opposite, .. } = *self;
        let n = self.moments.norm;
        let discs = if self.sign > 0.0 { self.moments.discs[0] } else { -self.moments.discs[1] };
        let d = self.moments.parameters as f64;
        take(discs + 1.05 * (d + 4.0) * UNIT * d.sqrt() * n, BracketSource::Gershgorin);
        // A root of p: a rounding or two. NaN stays NaN, and bounds nothing.
        let root = |value: f64, p: i32| {
            if value < 0.0 { 0.0 } else { (1.0 + 8.0 * UNIT) * value.powf(f64::from(p).recip()) }
        };
        let mut others = f64::INFINITY;
        for (p, [most, _]) in self.even_powers() {
            let source = if p > 4 { BracketSource::EightMoments } else { BracketSource::FourMoments };
            let without = most - (1.0 - 32.0 * UNIT) * opposite.powi(p);
            take(root(without, p), source);
            others = others.min(root(without - (1.0 - 32.0 * UNIT) * quotient.max(0.0).powi(p), p));
        }
        if quotient > others {
            let temple = quotient + 2.0 * self.operations.vector * n + residual * residual / (quotient - others);
            take(temple * (1.0 + 8.0 * UNIT * temple.signum()), BracketSource::Rayleigh);
        }
    }

    fn lower_bounds(&self, take: &mut Taker<'_>) {
        let diagonal = if self.sign > 0.0 { self.moments.diagonal[0] } else { -self.moments.diagonal[1] };
        take(diagonal, BracketSource::Diagonal);
        take(self.quotient, BracketSource::Rayleigh);
        let Some([_, seventh, _]) = self.moments.sixth_to_eighth else { return };
        let [.., (_, [sixth, _]), (_, [most_eighth, eighth])] = self.even_powers()[..] else { return };
        let n = self.moments.norm;
        let Operations { product, trace, .. } = self.operations;
        let (third_norm, fourth_norm) = (sixth.sqrt(), most_eighth.max(0.0).sqrt());
        let products = n.powi(4) * third_norm * 4.3 + n.powi(3) * fourth_norm * 2.7;
        let error = 1.05 * (product * products + trace * third_norm * fourth_norm);
        let mean = (self.sign * seventh - error) / sixth;
        if mean > 0.0 {
            take(mean * (1.0 - 8.0 * UNIT), BracketSource::EightMoments);
        }
        let largest = (1.0 - 8.0 * UNIT) * (eighth.max(0.0) / sixth).sqrt();
        // The smallest eigenvalue is above minus the largest of -C.
        let mut smallest = f64::INFINITY;
        Self::new(self.moments, -self.sign).upper_bounds(&mut |bound, _| smallest = smallest.min(bound));
        if smallest < largest {
            take(largest, BracketSource::EightMoments);
        }
    }
}
