//! The results of one forward pass over a block of samples, from which the closed forms are computed: the counterpart
//! in lanes of the reference's terms.

use super::derivatives::{Gelu, LOGISTIC_LIMIT, Linear, Logistic, Sigmoid, Smooth, Softplus, Tanh, logistic, softplus};
use super::lanes::Doubles;
use super::network::{GROUP, LaneNetworks, pre_activations};
use super::samples::Block;
use crate::engine::UNIT;
use crate::model::Activation;

/// Per-sample quantities of the networks in lanes. Arrays over units are (N, block): sample i of unit n at n `length` +
/// i.
pub(super) struct Terms<F> {
    /// The number of samples in the block.
    pub(super) length: usize,
    /// l_i.
    pub(super) loss: Vec<F>,
    /// s_i = p_i (1 - p_i).
    pub(super) s: Vec<F>,
    /// delta_i = p_i - q_i.
    pub(super) delta: Vec<F>,
    /// r_in = f(y_in).
    pub(super) r: Vec<F>,
    /// f'_in.
    pub(super) df: Vec<F>,
    /// f''_in.
    pub(super) ddf: Vec<F>,
    /// y of one group.
    y: Vec<F>,
}

/// The sums over the units from which the rounding of one sample's terms is found; see [`crate::engine::Rounding`].
#[derive(Clone, Copy)]
struct Errors<F> {
    /// sum_n (v_n f'_n)^2, and the sum of the squares of its terms' errors.
    back: Squares<F>,
    /// |h(r)|^2, likewise.
    hidden: Squares<F>,
    /// sum_n (v_n f''_n)^2, likewise.
    curved: Squares<F>,
    /// sum_n f'_n^2, likewise.
    direct: Squares<F>,
    /// sum |v_n r_n|, and the error of z.
    output: F,
    output_error: F,
}

/// A sum of squares of values, and the sum of squares of their errors.
#[derive(Clone, Copy)]
struct Squares<F> {
    of: F,
    of_errors: F,
}

impl<F: Doubles> Squares<F> {
    #[inline(always)]
    fn new(of: f64) -> Self {
        Self { of: F::splat(of), of_errors: F::splat(0.0) }
    }

    #[inline(always)]
    fn add(&mut self, value: F, error: F) {
        self.of = value.mul_add(value, self.of);
        self.of_errors = error.mul_add(error, self.of_errors);
    }
}

/// The rounding of a block's terms, and room to compute it.
pub(super) struct TermErrors<F> {
    /// s_i |J_i|^2 + |delta_i| ||C_i||_F.
    pub(super) size: Vec<F>,
    /// A bound of how far H_i is off.
    pub(super) perturbation: Vec<F>,
    sums: Vec<Errors<F>>,
    /// sum_m |W_nm x_m| of one group.
    y_sizes: Vec<F>,
}

impl<F: Doubles> TermErrors<F> {
    /// Room for blocks of up to `longest` samples.
    pub(super) fn new(longest: usize) -> Self {
        let zero = F::splat(0.0);
        let nothing = Squares::new(0.0);
        let sums = Errors {
            back: nothing,
            hidden: nothing,
            curved: nothing,
            direct: nothing,
            output: zero,
            output_error: zero,
        };
        Self {
            size: vec![zero; longest],
            perturbation: vec![zero; longest],
            sums: vec![sums; longest],
            y_sizes: vec![zero; GROUP * longest],
        }
    }

    /// Adds the errors of unit `u` of `units` at sample i, whose `y`, `derivatives` and output weight are given.
    #[inline(always)]
    fn add_unit<A: Smooth>(&mut self, i: usize, at: usize, operations: f64, y: F, [value, df, ddf]: [F; 3], v: F) {
        let error = self.y_sizes[at] * F::splat(operations * UNIT);
        let ([d1, d2, d3], rate) = A::envelopes(y, [value, df, ddf]);
        let function = A::units(y) * F::splat(UNIT);
        let moved = error * growth(rate * error, y.abs() - error, A::LIMIT);
        let value_error = d1.mul_add(moved, function * value.abs());
        let df_error = d2.mul_add(moved, function * d1);
        let ddf_error = d3.mul_add(moved, function * d2);
        let sums = &mut self.sums[i];
        sums.back.add(v * df, v * df_error);
        sums.hidden.add(value, value_error);
        sums.curved.add(v * ddf, v * ddf_error);
        sums.direct.add(df, df_error);
        sums.output += (v * value).abs();
        sums.output_error = v.abs().mul_add(value_error, sums.output_error);
    }

    /// Computes the size and the perturbation of sample i from the sums over its units. `x_sq` is 1 + x_i.x_i, and z is
    /// a sum of `operations` terms.
    #[inline(always)]
    fn finish(&mut self, i: usize, x_sq: F, operations: f64, z: F, s: F, delta: F) {
        let Errors { back, hidden, curved, direct, output, output_error } = self.sums[i];
        let along = |back: F, hidden: F| x_sq.mul_add(back, hidden).sqrt();
        let across = |curved: F, direct: F| (x_sq * x_sq.mul_add(curved, direct + direct)).sqrt();
        let (j, dj) = (along(back.of, hidden.of), along(back.of_errors, hidden.of_errors));
        let (c, dc) = (across(curved.of, direct.of), across(curved.of_errors, direct.of_errors));
        let z_error = F::splat(operations * UNIT).mul_add(output, output_error);
        let function = F::splat(8.0 * UNIT);
        // |ds/dz| <= s and |d(delta)/dz| = s.
        let moved = s * z_error * growth(z_error, z.abs() - z_error, LOGISTIC_LIMIT);
        let (ds, d_delta) = (function.mul_add(s, moved), function.mul_add(delta.abs(), moved));
        let (both, twice) = (j + dj, j + j + dj);
        self.size[i] = (s * j).mul_add(j, delta.abs() * c);
        self.perturbation[i] =
            (ds * both).mul_add(both, (s * twice).mul_add(dj, d_delta.mul_add(c + dc, delta.abs() * dc)));
    }
}

/// The factor by which derivatives may grow within an error of `steps`, the error times the rate of their logarithm:
/// less than 1 + 2 `steps` below half a step. Otherwise it is 1 if `nearest`, the smallest |y| within the error, is
/// beyond `limit`, from where the function is constant; elsewhere there is no bound.
#[inline(always)]
pub(super) fn growth<F: Doubles>(steps: F, nearest: F, limit: f64) -> F {
    let constant = (F::splat(limit) - nearest).where_negative(F::splat(1.0), F::splat(f64::INFINITY));
    (steps - F::splat(0.5)).where_negative(F::splat(1.0) + (steps + steps), constant)
}

impl<F: Doubles> Terms<F> {
    /// Room for `hidden` units and blocks of up to `longest` samples.
    pub(super) fn new(hidden: usize, longest: usize) -> Self {
        let samples = vec![F::splat(0.0); longest];
        let units = vec![F::splat(0.0); hidden * longest];
        Self {
            length: 0,
            loss: samples.clone(),
            s: samples.clone(),
            delta: samples,
            r: units.clone(),
            df: units.clone(),
            ddf: units,
            y: vec![F::splat(0.0); GROUP * longest],
        }
    }

    /// The longest block there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.s.len()
    }

    /// The block's values of unit n in an (N, block) array of these terms.
    pub(super) fn unit<'a>(&self, array: &'a [F], n: usize) -> &'a [F] {
        &array[n * self.length..(n + 1) * self.length]
    }

    /// Runs the networks on the samples of `block`. `errors`, if given, receives how far rounding may have moved the
    /// terms.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        networks: &LaneNetworks<'_, F>,
        block: Block<'_>,
        mut errors: Option<&mut TermErrors<F>>,
    ) {
        let LaneNetworks { layout, theta, magnitudes, activation } = *networks;
        let bias = theta.len() - 1;
        self.length = block.sign.len();
        // z, until it becomes delta.
        self.delta[..self.length].fill(theta[bias]);
        if let Some(errors) = &mut errors {
            let nothing = Squares::new(0.0);
            errors.sums[..self.length].fill(Errors {
                back: nothing,
                hidden: Squares::new(1.0),
                curved: nothing,
                direct: nothing,
                output: magnitudes[bias],
                output_error: F::splat(0.0),
            });
        }
        for &group in &layout.groups {
            let used = group.units * self.length;
            fill_group(group.units, layout.weights(group, theta), layout.inputs, block.x, &mut self.y[..used]);
            if let Some(errors) = &mut errors {
                let y_sizes = &mut errors.y_sizes[..used];
                fill_group(group.units, layout.weights(group, magnitudes), layout.inputs, block.magnitudes, y_sizes);
            }
            for (u, &v) in layout.output_weights(group, theta).iter().enumerate() {
                let (n, errors) = (group.first + u, errors.as_deref_mut());
                let operations = (layout.inputs + 1) as f64;
                match activation {
                    Activation::Linear => self.fill_unit::<Linear>(n, u, group.units, v, operations, errors),
                    Activation::Sigmoid => self.fill_unit::<Sigmoid>(n, u, group.units, v, operations, errors),
                    Activation::Tanh => self.fill_unit::<Tanh>(n, u, group.units, v, operations, errors),
                    Activation::Softplus => self.fill_unit::<Softplus>(n, u, group.units, v, operations, errors),
                    Activation::Gelu => self.fill_unit::<Gelu>(n, u, group.units, v, operations, errors),
                }
            }
        }
        let operations = (layout.order.len() / (layout.inputs + 2) + 1) as f64;
        for (i, &sign) in block.sign.iter().enumerate() {
            // With t = u z: l = softplus(t), delta = u sigmoid(t), s = sigmoid(t) sigmoid(-t).
            let t = self.delta[i] * F::splat(sign);
            let Logistic { large, small, exponential } = logistic(t);
            self.loss[i] = softplus(t, exponential);
            self.s[i] = large * small;
            self.delta[i] = t.where_negative(small, large) * F::splat(sign);
            if let Some(errors) = &mut errors {
                errors.finish(i, F::splat(block.norms[i]), operations, t, self.s[i], self.delta[i]);
            }
        }
    }

    /// Fills in unit n, number `u` of `units` in its group, from the pre-activations in `y`, which are sums with
    /// `operations` roundings. Adds v f(y) to z, which `delta` holds until then.
    #[inline(always)]
    fn fill_unit<A: Smooth>(
        &mut self,
        n: usize,
        u: usize,
        units: usize,
        v: F,
        operations: f64,
        mut errors: Option<&mut TermErrors<F>>,
    ) {
        let at = n * self.length..(n + 1) * self.length;
        let (r, df, ddf) = (&mut self.r[at.clone()], &mut self.df[at.clone()], &mut self.ddf[at]);
        let (y, z) = (&self.y[..units * r.len()], &mut self.delta[..r.len()]);
        for i in 0..r.len() {
            let y = y[i * units + u];
            let derivatives = A::derivatives(y);
            [r[i], df[i], ddf[i]] = derivatives;
            z[i] = v.mul_add(r[i], z[i]);
            if let Some(errors) = &mut errors {
                errors.add_unit::<A>(i, i * units + u, operations, y, derivatives, v);
            }
        }
    }
}

/// [`pre_activations`] of a group of `units`.
#[inline(always)]
fn fill_group<F: Doubles>(units: usize, weights: &[F], inputs: usize, x: &[f64], y: &mut [F]) {
    match units {
        4 => pre_activations::<F, 4>(weights, inputs, x, y),
        3 => pre_activations::<F, 3>(weights, inputs, x, y),
        2 => pre_activations::<F, 2>(weights, inputs, x, y),
        _ => pre_activations::<F, 1>(weights, inputs, x, y),
    }
}
