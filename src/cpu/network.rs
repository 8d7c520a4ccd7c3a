//! The order of the weights of the networks in lanes, and the products that every pass over the samples needs.

use super::lanes::Lanes;
use crate::model::{Activation, OneHidden};

/// The most hidden units that one inner loop carries in registers.
pub(super) const GROUP: usize = 4;

/// Consecutive hidden units that are computed together: [`GROUP`] of them, or fewer at the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnitGroup {
    /// The index of the first unit, from 0.
    pub(super) first: usize,
    /// The number of units.
    pub(super) units: usize,
}

/// The order of parameters in lanes. Group by group: first W (all units for input 0, for input 1, ..), then v of the
/// units. v_0 is at the end.
pub(super) struct Layout {
    /// All units, in order.
    pub(super) groups: Vec<UnitGroup>,
    /// The index in theta of each parameter in this order.
    pub(super) order: Vec<usize>,
    /// M, the number of inputs.
    pub(super) inputs: usize,
}

impl Layout {
    /// The order for networks of `shape`.
    pub(super) fn new(shape: OneHidden) -> Self {
        let groups: Vec<UnitGroup> = (0..shape.hidden)
            .step_by(GROUP)
            .map(|first| UnitGroup { first, units: GROUP.min(shape.hidden - first) })
            .collect();
        let mut order = Vec::with_capacity(shape.parameters());
        for group in &groups {
            let units = group.first..group.first + group.units;
            for m in 0..=shape.inputs {
                order.extend(units.clone().map(|n| shape.w(n, m)));
            }
            order.extend(units.map(|n| shape.v(n)));
        }
        order.push(shape.v_bias());
        Self { groups, order, inputs: shape.inputs }
    }

    /// Where the parameters of `group` start.
    pub(super) fn start(&self, group: UnitGroup) -> usize {
        group.first * (self.inputs + 2)
    }

    /// W of `group` in `parameters`: input m, unit u of the group at m units + u.
    pub(super) fn weights<'a, F>(&self, group: UnitGroup, parameters: &'a [F]) -> &'a [F] {
        &parameters[self.start(group)..][..group.units * (self.inputs + 1)]
    }

    /// v of the units of `group` in `parameters`.
    pub(super) fn output_weights<'a, F>(&self, group: UnitGroup, parameters: &'a [F]) -> &'a [F] {
        &parameters[self.start(group) + group.units * (self.inputs + 1)..][..group.units]
    }

    /// Copies `theta` to `scaled` with W times `scale`.
    #[inline(always)]
    pub(super) fn scale_weights<F: Lanes>(&self, scale: F, theta: &[F], scaled: &mut [F]) {
        scaled.copy_from_slice(theta);
        for &group in &self.groups {
            let start = self.start(group);
            for weight in &mut scaled[start..start + group.units * (self.inputs + 1)] {
                *weight = *weight * scale;
            }
        }
    }

    /// Multiplies dL/dW in `gradient` by v, the factor that the sums over samples leave out, and returns g.g.
    #[inline(always)]
    pub(super) fn multiply_by_output_weights<F: Lanes>(&self, theta: &[F], gradient: &mut [F]) -> F {
        let bias = gradient[gradient.len() - 1];
        let mut gradient_sq = bias * bias;
        for &group in &self.groups {
            let start = self.start(group);
            let weights = group.units * (self.inputs + 1);
            let (dw, dv) = gradient[start..start + weights + group.units].split_at_mut(weights);
            for (u, &v) in self.output_weights(group, theta).iter().enumerate() {
                let mut unit = dv[u] * dv[u];
                for dw in dw.iter_mut().skip(u).step_by(group.units) {
                    *dw = *dw * v;
                    unit = dw.mul_add(*dw, unit);
                }
                gradient_sq += unit;
            }
        }
        gradient_sq
    }
}

/// The networks in the lanes of one vector, during their evaluation.
pub(super) struct LaneNetworks<'a, F> {
    /// The order of their parameters.
    pub(super) layout: &'a Layout,
    /// theta, (D,), in this order.
    pub(super) theta: &'a [F],
    /// |theta|.
    pub(super) magnitudes: &'a [F],
    /// f, the activation function.
    pub(super) activation: Activation,
}

/// y_in times the scale of `weights`, for the `U` units of one group and every row of `x`: `y` holds U values per
/// sample.
#[inline(always)]
pub(super) fn pre_activations<F: Lanes, const U: usize>(weights: &[F], inputs: usize, x: &[F::Scalar], y: &mut [F]) {
    const SAMPLES: usize = 4;
    let (weights, _) = weights.as_chunks::<U>();
    let (y, _) = y.as_chunks_mut::<U>();
    let (tiles, rest) = y.as_chunks_mut::<SAMPLES>();
    let (x_tiles, x_rest) = x.split_at(tiles.len() * SAMPLES * inputs);
    for (tile, x) in tiles.iter_mut().zip(x_tiles.chunks_exact(SAMPLES * inputs)) {
        let mut sums = [weights[0]; SAMPLES];
        for (m, weights) in weights[1..].iter().enumerate() {
            for sample in 0..SAMPLES {
                let x = F::splat(x[sample * inputs + m]);
                for u in 0..U {
                    sums[sample][u] = weights[u].mul_add(x, sums[sample][u]);
                }
            }
        }
        *tile = sums;
    }
    for (y, x) in rest.iter_mut().zip(x_rest.chunks_exact(inputs)) {
        let mut sums = weights[0];
        for (weights, &x) in weights[1..].iter().zip(x) {
            for u in 0..U {
                sums[u] = weights[u].mul_add(F::splat(x), sums[u]);
            }
        }
        *y = sums;
    }
}

/// Adds sum_i back_iu x_im to `sums` (column m, u at m U + u): a matrix product over the samples of one block. `back`
/// holds `U` values per sample, `x` one row of `stride` numbers per sample, of which the leading ones are used, as many
/// as `sums` has columns.
#[inline(always)]
pub(super) fn add_products<F: Lanes, const U: usize>(back: &[F], stride: usize, x: &[F::Scalar], sums: &mut [F]) {
    let (back, _) = back.as_chunks::<U>();
    let (sums, _) = sums.as_chunks_mut::<U>();
    // As many sums as the registers hold: there are 32 with AVX-512, of 64 bytes each, and 16 elsewhere.
    if size_of::<F>() == 64 {
        add_product_tiles::<F, U, 6>(back, stride, x, sums);
    } else {
        add_product_tiles::<F, U, 2>(back, stride, x, sums);
    }
}

/// [`add_products`], `C` columns at a time.
#[inline(always)]
fn add_product_tiles<F: Lanes, const U: usize, const C: usize>(
    back: &[[F; U]],
    stride: usize,
    x: &[F::Scalar],
    sums: &mut [[F; U]],
) {
    let (tiles, rest) = sums.as_chunks_mut::<C>();
    let tiled = tiles.len() * C;
    for (tile, first) in tiles.iter_mut().zip((0..).step_by(C)) {
        add_product_tile::<F, U, C>(back, stride, &x[first..], tile);
    }
    let x = &x[tiled..];
    match rest {
        [a, b, c, d, e] => add_product_tile::<F, U, 5>(back, stride, x, [a, b, c, d, e]),
        [a, b, c, d] => add_product_tile::<F, U, 4>(back, stride, x, [a, b, c, d]),
        [a, b, c] => add_product_tile::<F, U, 3>(back, stride, x, [a, b, c]),
        [a, b] => add_product_tile::<F, U, 2>(back, stride, x, [a, b]),
        [a] => add_product_tile::<F, U, 1>(back, stride, x, [a]),
        _ => {}
    }
}

/// [`add_products`] for `C` columns, whose sums stay in registers over the block.
#[inline(always)]
fn add_product_tile<'a, F: Lanes, const U: usize, const C: usize>(
    back: &[[F; U]],
    stride: usize,
    x: &[F::Scalar],
    sums: impl IntoIterator<Item = &'a mut [F; U]>,
) {
    let mut partial = [[F::zeroed(); U]; C];
    for (i, back) in back.iter().enumerate() {
        let x = &x[i * stride..][..C];
        for m in 0..C {
            let x = F::splat(x[m]);
            for u in 0..U {
                partial[m][u] = back[u].mul_add(x, partial[m][u]);
            }
        }
    }
    for (sums, partial) in sums.into_iter().zip(partial) {
        for u in 0..U {
            sums[u] += partial[u];
        }
    }
}

/// Writes `theta` (D,) into `lane` of `parameters`, which hold it in this `order`.
pub(super) fn load_lane<F: Lanes>(
    order: &[usize],
    parameters: &mut [F],
    lane: usize,
    theta: impl Fn(usize) -> F::Scalar,
) {
    for (parameter, &d) in parameters.iter_mut().zip(order) {
        parameter.values_mut()[lane] = theta(d);
    }
}
