//! How far the rounding of the terms may have moved the Hessian: the sums behind [`crate::engine::Rounding`], whose
//! documentation has the derivation.

use super::Terms;
use crate::engine::{Spread, UNIT};
use crate::model::{Activation, Network, PaperProblem};

/// The relative error of an activation function or of the logistic function and its derivatives, in u: a few roundings,
/// and one of the math library's exponential.
pub(super) const FUNCTION: f64 = 8.0;

/// Up to this many steps, the derivative grows by less than the factor 1 + 2 steps. A step count is an error of y times
/// the rate at which the derivative's logarithm changes.
const SMALL: f64 = 0.5;

/// exp(-750) is 0 in f64, so the logistic function is constant beyond it.
const LOGISTIC_LIMIT: f64 = 750.0;

/// Sizes and errors, summed over the samples.
pub(crate) fn spread(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> Spread {
    let PaperProblem { network: Network { shape, activation }, data, .. } = problem;
    let mut total = Spread::default();
    for i in 0..terms.samples {
        let x = data.sample(i);
        let x_sq = 1.0 + x.dot(&x);
        let mut j = Pair { size: 0.0, error: 0.0 };
        let (mut hidden, mut curved, mut direct) = (Pair { size: 1.0, error: 0.0 }, j, j);
        let (mut z_size, mut z_error) = (theta[shape.v_bias()].abs(), 0.0);
        for n in 0..shape.hidden {
            let (r, df, ddf) = (terms.row(&terms.r, i)[n], terms.row(&terms.df, i)[n], terms.row(&terms.ddf, i)[n]);
            let weighted = (1..).zip(x).fold(theta[shape.w(n, 0)], |y, (m, &x)| y + theta[shape.w(n, m)] * x);
            let size = (1..).zip(x).fold(theta[shape.w(n, 0)].abs(), |y, (m, &x)| y + (theta[shape.w(n, m)] * x).abs());
            let error = (shape.inputs + 1) as f64 * UNIT * size;
            let errors = unit_errors(*activation, weighted, error, [r, df, ddf]);
            let v = theta[shape.v(n)];
            z_size += (v * r).abs();
            z_error += v.abs() * errors[0];
            j.add(v * df, v * errors[1]);
            hidden.add(r, errors[0]);
            curved.add(v * ddf, v * errors[2]);
            direct.add(df, errors[1]);
        }
        z_error += (shape.hidden + 1) as f64 * UNIT * z_size;
        let (s, delta) = (terms.s[i], terms.delta[i].abs());
        let along = |of: fn(&Pair) -> f64| (x_sq * of(&j) + of(&hidden)).sqrt();
        let across = |of: fn(&Pair) -> f64| (x_sq * (x_sq * of(&curved) + 2.0 * of(&direct))).sqrt();
        let (j, dj) = (along(|pair| pair.size), along(|pair| pair.error));
        let (c, dc) = (across(|pair| pair.size), across(|pair| pair.error));
        // |ds/dz| <= s and |d(delta)/dz| = s, and neither grows faster than exp(|dz|).
        let growth = growth(z_error, terms.z[i].abs() - z_error >= LOGISTIC_LIMIT);
        let ds = s * (growth * z_error + FUNCTION * UNIT);
        let d_delta = s * growth * z_error + delta * FUNCTION * UNIT;
        total.size += s * j * j + delta * c;
        total.perturbation += ds * (j + dj) * (j + dj) + s * (2.0 * j + dj) * dj + d_delta * (c + dc) + delta * dc;
    }
    total
}

/// A sum of squares of values, and the sum of squares of their errors.
#[derive(Clone, Copy)]
struct Pair {
    size: f64,
    error: f64,
}

impl Pair {
    fn add(&mut self, value: f64, error: f64) {
        self.size += value * value;
        self.error += error * error;
    }
}

/// The factor by which a derivative may grow within an error of `steps`. `constant` says that even with the error, y
/// stays where the derivative is constant in f64.
fn growth(steps: f64, constant: bool) -> f64 {
    if steps < SMALL {
        1.0 + 2.0 * steps
    } else if constant {
        1.0
    } else {
        f64::INFINITY
    }
}

/// The errors of r, f' and f'' at a y that is off by up to `error`, including the functions' own errors.
pub(super) fn unit_errors(activation: Activation, y: f64, error: f64, [value, df, ddf]: [f64; 3]) -> [f64; 3] {
    let size = y.abs();
    // The relative error of the functions as they are computed, in u.
    let units = match activation {
        // The Gaussian's exponent is rounded before the exponential magnifies the error.
        Activation::Gelu => FUNCTION + size.min(40.0).powi(2),
        Activation::Erf => FUNCTION + 2.0 * size.min(30.0).powi(2),
        // f' is s + y s', two terms of 3 and 7 u. Where they cancel, for y < 0, s < 2 s', so they are off by less than
        // 7 u (2 + |y|) s', which is less than 12 u of the bound of |f'| below.
        Activation::Silu => 12.0,
        _ => FUNCTION,
    };
    let function = UNIT * units;
    // Upper bounds of |f'|, |f''| and |f'''|; the rate at which they change; the |y| from which they are constant in
    // f64.
    let ([d1, d2, d3], rate, limit) = match activation {
        Activation::Linear => ([1.0, 0.0, 0.0], 0.0, 0.0),
        Activation::Sigmoid => ([df, df, df], 1.0, LOGISTIC_LIMIT),
        Activation::Tanh => ([df, 2.0 * df, 4.0 * df], 2.0, LOGISTIC_LIMIT / 2.0),
        Activation::Softplus => ([df, ddf, ddf], 1.0, LOGISTIC_LIMIT),
        // f' jumps at 0: where the sign of y is uncertain, f' is off by as much as 1. Where y is certainly negative, f
        // is exactly 0. The error of y is itself rounded.
        Activation::Relu => {
            let value_error = if y < -1.01 * error { 0.0 } else { error };
            return [value_error, f64::from(u8::from(size < 1.01 * error)), 0.0];
        }
        // |(y + e)^2 - y^2| <= |e| (2 |y| + |e|), and y^2 is rounded once; 2y is exact.
        Activation::Square => return [error * (2.0 * size + error) + function * value, 2.0 * error, 0.0],
        Activation::Silu => {
            // With s' = s (1-s): |s''| and |s'''| are at most s', so |f''| = |2 s' + y s''| <= (2 + |y|) s' and |f'''|
            // <= (3 + |y|) s', which change at a rate of at most 3/2. Within e < 1/3 the bound of |f''| is less than
            // 1.4 s' (2.4 + |y|), and e times that less than (1 + |y|) s' (1 + 3e), so |f'| stays below its bound.
            let near = size.min(LOGISTIC_LIMIT);
            let slope = Activation::Sigmoid.derivatives(y).df;
            ([df.abs() + (1.0 + near) * slope, (2.0 + near) * slope, (3.0 + near) * slope], 1.5, LOGISTIC_LIMIT)
        }
        Activation::Erf => {
            // |f''| = 2 |y| f' and |f'''| = |4 y^2 - 2| f'. Within e < 1/4 the bounds grow by at most exp(e (2 |y| +
            // 1.42 + e)): f' by 2 |y| + e, 2 + 4 y^2 by 1.42, and 1 + |y| by less.
            let near = size.min(30.0);
            ([df, 2.0 * (1.0 + near) * df, (2.0 + 4.0 * near * near) * df], 2.0 * (1.0 + near), 28.0)
        }
        Activation::Gelu => {
            let density = (-0.5 * size.min(40.0).powi(2)).exp();
            let near = size.min(40.0);
            let bell = |power: f64| density * (1.0 + near) * power;
            let envelopes = [df.abs() + bell(1.0), bell(2.0 + near * near), bell(4.0 + near * near)];
            // The density changes at the rate |y|, and the polynomials beside it at less than 2.5 in all.
            (envelopes, 3.0 * (1.0 + near), 39.0)
        }
    };
    // Where |y| >= 1/2, 1 - |erf| is less than f': only that part of erf has the exponential's error.
    let own = match activation {
        Activation::Erf => FUNCTION * UNIT * value.abs() + function * d1,
        _ => function * value.abs(),
    };
    let moved = error * growth(rate * error, size - error >= limit);
    [moved * d1 + own, moved * d2 + function * d1, moved * d3 + function * d2]
}
