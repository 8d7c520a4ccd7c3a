//! What one forward pass over a block of samples leaves for the closed forms: the lanes' counterpart of the reference's terms.

use super::activation::{Softened, UnitFunction, soften};
use super::lanes::Lanes;
use super::network::{GROUP, Layout, pre_activations};

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

    /// Runs the networks on the samples with inputs `x` and labels as `sign` u = 1 - 2 q. `scaled` is theta with W times the
    /// activation's scale.
    #[inline(always)]
    pub(super) fn fill<A: UnitFunction>(&mut self, layout: &Layout, scaled: &[F], x: &[f32], sign: &[f32]) {
        let length = sign.len();
        self.length = length;
        let z = &mut self.delta[..length];
        z.fill(scaled[scaled.len() - 1]);
        for &group in &layout.groups {
            let weights = layout.weights(group, scaled);
            let y = &mut self.y[..group.units * length];
            match group.units {
                4 => pre_activations::<F, 4>(weights, layout.inputs, x, y),
                3 => pre_activations::<F, 3>(weights, layout.inputs, x, y),
                2 => pre_activations::<F, 2>(weights, layout.inputs, x, y),
                _ => pre_activations::<F, 1>(weights, layout.inputs, x, y),
            }
            for (u, &v) in layout.output_weights(group, scaled).iter().enumerate() {
                let at = (group.first + u) * length..(group.first + u + 1) * length;
                let (r, first, second) =
                    (&mut self.r[at.clone()], &mut self.first[at.clone()], &mut self.second[at]);
                for i in 0..length {
                    [r[i], first[i], second[i]] = A::derivatives(y[i * group.units + u]);
                    z[i] = v.mul_add(r[i], z[i]);
                }
            }
        }
        for (i, &sign) in sign.iter().enumerate() {
            // With t = u z: l = softplus(t), delta = u sigmoid(t), s = sigmoid(t) sigmoid(-t).
            let t = self.delta[i] * F::splat(sign * std::f32::consts::LOG2_E);
            let Softened { value, large, small } = soften(t);
            self.loss[i] = value;
            self.s[i] = large * small;
            self.delta[i] = t.where_negative(small, large) * F::splat(sign);
        }
    }
}
