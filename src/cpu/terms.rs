//! What one forward pass over a block of samples leaves for the closed forms: the lanes' counterpart of the reference's terms.

use super::activation::{Gelu, Linear, Sigmoid, Softened, Softplus, Tanh, UnitFunction, scale, soften};
use super::lanes::Lanes;
use super::network::{GROUP, Networks, pre_activations, precise_pre_activations};
use crate::model::Activation;

/// Per-sample quantities of the networks in lanes. Arrays over units are (N, block): sample i of unit n at n `length` + i.
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
    pub(super) first: Vec<F>,
    /// f''_in.
    pub(super) second: Vec<F>,
    /// Pre-activations of one group.
    y: Vec<F>,
}

impl<F: Lanes> Terms<F> {
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
            first: units.clone(),
            second: units,
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

    /// Runs the networks on the samples with inputs `x` and labels as `sign` u = 1 - 2 q.
    #[inline(always)]
    pub(super) fn fill(&mut self, networks: &Networks<'_, F>, x: &[f32], sign: &[f32]) {
        let Networks { layout, scaled, .. } = networks;
        self.begin(scaled[scaled.len() - 1], sign.len());
        for &group in &layout.groups {
            let weights = layout.weights(group, scaled);
            let y = &mut self.y[..group.units * self.length];
            match group.units {
                4 => pre_activations::<F, 4>(weights, layout.inputs, x, y),
                3 => pre_activations::<F, 3>(weights, layout.inputs, x, y),
                2 => pre_activations::<F, 2>(weights, layout.inputs, x, y),
                _ => pre_activations::<F, 1>(weights, layout.inputs, x, y),
            }
            for (u, &v) in layout.output_weights(group, scaled).iter().enumerate() {
                self.fill_unit_as(networks.activation, group.first + u, u, group.units, v);
            }
        }
        self.finish(sign);
    }

    /// The same with every pre-activation correct to one rounding. `weights` is W unit by unit, one f64 a lane; `x` is in f64.
    #[inline(always)]
    pub(super) fn fill_precisely(&mut self, networks: &Networks<'_, F>, weights: &[f64], x: &[f64], sign: &[f32]) {
        let Networks { layout, theta, activation, .. } = *networks;
        self.begin(theta[theta.len() - 1], sign.len());
        let stride = (layout.inputs + 1) * F::COUNT;
        for &group in &layout.groups {
            for (u, &v) in layout.output_weights(group, theta).iter().enumerate() {
                let n = group.first + u;
                let weights = &weights[n * stride..(n + 1) * stride];
                let y = &mut self.y[..self.length];
                precise_pre_activations(weights, scale(activation), layout.inputs, x, y);
                self.fill_unit_as(activation, n, 0, 1, v);
            }
        }
        self.finish(sign);
    }

    /// Starts a block of `length` samples with z = v_0.
    #[inline(always)]
    fn begin(&mut self, bias: F, length: usize) {
        self.length = length;
        self.delta[..length].fill(bias);
    }

    #[inline(always)]
    fn fill_unit_as(&mut self, activation: Activation, n: usize, u: usize, units: usize, v: F) {
        match activation {
            Activation::Linear => self.fill_unit::<Linear>(n, u, units, v),
            Activation::Sigmoid => self.fill_unit::<Sigmoid>(n, u, units, v),
            Activation::Tanh => self.fill_unit::<Tanh>(n, u, units, v),
            Activation::Softplus => self.fill_unit::<Softplus>(n, u, units, v),
            Activation::Gelu => self.fill_unit::<Gelu>(n, u, units, v),
        }
    }

    /// From z, in `delta` until then, to loss, s and delta.
    #[inline(always)]
    fn finish(&mut self, sign: &[f32]) {
        for (i, &sign) in sign.iter().enumerate() {
            // With t = u z: l = softplus(t), delta = u sigmoid(t), s = sigmoid(t) sigmoid(-t).
            let t = self.delta[i] * F::splat(sign * std::f32::consts::LOG2_E);
            let Softened { value, large, small } = soften(t);
            self.loss[i] = value;
            self.s[i] = large * small;
            self.delta[i] = t.where_negative(small, large) * F::splat(sign);
        }
    }

    /// Unit n, number `u` of `units` in its group, from the pre-activations in `y`; adds v f(y) to z, which `delta` holds until then.
    #[inline(always)]
    fn fill_unit<A: UnitFunction>(&mut self, n: usize, u: usize, units: usize, v: F) {
        let at = n * self.length..(n + 1) * self.length;
        let (r, first, second) = (&mut self.r[at.clone()], &mut self.first[at.clone()], &mut self.second[at]);
        let (y, z) = (&self.y[..units * r.len()], &mut self.delta[..r.len()]);
        for i in 0..r.len() {
            [r[i], first[i], second[i]] = A::derivatives(y[i * units + u]);
            z[i] = v.mul_add(r[i], z[i]);
        }
    }
}
