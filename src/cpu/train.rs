//! The gradients of the paper's networks for their training, one network in each lane.

use std::marker::PhantomData;
use std::ops::Range;
use std::slice::ChunksExact;

use bytemuck::Zeroable as _;

use super::activation::UnitFunction;
use super::descents::{Descents, Gradients, TrainedNetwork, descend};
use super::lanes::{LaneTask, Singles, Vectors};
use super::network::{Layout, add_products, pre_activations};
use super::samples::Samples;
use crate::model::OneHidden;

/// Bytes of unit values of one block of samples: half of a typical first-level cache; the rest is for weights and
/// samples.
const BLOCK_BYTES: usize = 24 << 10;

/// One worker of a training. `DECAY` says whether the weights decay: where they do not, the kernel has no instruction
/// for it.
pub(super) struct Training<'a, A, const DECAY: bool> {
    /// M and N.
    pub(super) shape: OneHidden,
    /// The order of parameters.
    pub(super) layout: &'a Layout,
    /// The training samples.
    pub(super) samples: &'a Samples<f32>,
    /// The networks.
    pub(super) descents: Descents<'a>,
    /// f, the activation function.
    pub(super) activation: PhantomData<A>,
}

impl<A: UnitFunction, const DECAY: bool> LaneTask for Training<'_, A, DECAY> {
    type Output = Vec<TrainedNetwork>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Vec<TrainedNetwork> {
        let Training { shape, layout, samples, descents, .. } = self;
        let weight_decay = descents.descent.weight_decay as f32;
        descend(descents, PaperGradients::<V::Singles, A, DECAY>::new(shape, layout, samples, weight_decay))
    }
}

/// The working memory of a worker.
struct PaperGradients<'a, F: Singles, A: UnitFunction, const DECAY: bool> {
    shape: OneHidden,
    layout: &'a Layout,
    samples: &'a Samples<f32>,
    weight_decay: F,
    longest_block: usize,
    /// theta with W times the activation's scale: what the sample loops read.
    scaled: Vec<F>,
    /// z_i, then delta_i, of one block.
    outputs: Vec<F>,
    /// Of one block: group by group, sample by sample, f(y) of the group's units.
    values: Vec<F>,
    /// What is kept for f'(y), in the same order.
    kept: Vec<A::Kept<F>>,
}

impl<'a, F: Singles, A: UnitFunction, const DECAY: bool> PaperGradients<'a, F, A, DECAY> {
    #[inline(always)]
    fn new(shape: OneHidden, layout: &'a Layout, samples: &'a Samples<f32>, weight_decay: f32) -> Self {
        let zero = F::splat(0.0);
        let hidden = shape.hidden;
        let longest_block = (BLOCK_BYTES / (hidden * size_of::<F>())).clamp(16, 64).min(samples.count());
        Self {
            shape,
            layout,
            samples,
            weight_decay: F::splat(weight_decay),
            longest_block,
            scaled: vec![zero; shape.parameters()],
            outputs: vec![zero; longest_block],
            values: vec![zero; longest_block * hidden],
            kept: vec![A::Kept::zeroed(); longest_block * hidden],
        }
    }
}

impl<F: Singles, A: UnitFunction, const DECAY: bool> Gradients<F> for PaperGradients<'_, F, A, DECAY> {
    #[inline(always)]
    fn gradient(&mut self, theta: &[F], gradient: &mut [F]) -> F {
        let layout = self.layout;
        layout.scale_weights(F::splat(A::SCALE), theta, &mut self.scaled);
        gradient.fill(F::splat(0.0));
        for block in self.samples.blocks(self.longest_block) {
            // The paper's two inputs have code of their own, without a loop over inputs.
            if self.shape.inputs == 2 {
                self.add_block::<2>(&block, gradient);
            } else {
                self.add_block::<0>(&block, gradient);
            }
        }
        let gradient_sq = layout.multiply_by_output_weights(theta, gradient);
        if !DECAY {
            return gradient_sq;
        }
        let mut gradient_sq = F::splat(0.0);
        for (gradient, &theta) in gradient.iter_mut().zip(theta) {
            *gradient = self.weight_decay.mul_add(theta, *gradient);
            gradient_sq = gradient.mul_add(*gradient, gradient_sq);
        }
        gradient_sq
    }
}

impl<F: Singles, A: UnitFunction, const DECAY: bool> PaperGradients<'_, F, A, DECAY> {
    /// Adds the sums over the samples of `block` to `gradient`. `INPUTS` is M, or 0 for any M.
    #[inline(always)]
    fn add_block<const INPUTS: usize>(&mut self, block: &Range<usize>, gradient: &mut [F]) {
        let (layout, samples) = (self.layout, self.samples);
        let (inputs, x) = (self.shape.inputs, samples.rows(block));
        let length = block.len();
        let outputs = &mut self.outputs[..length];
        let bias = self.scaled.len() - 1;

        outputs.fill(self.scaled[bias]);
        for &group in &layout.groups {
            let weights = layout.weights(group, &self.scaled);
            let v = layout.output_weights(group, &self.scaled);
            let at = group.first * length..(group.first + group.units) * length;
            let values = &mut self.values[at.clone()];
            let kept = &mut self.kept[at];
            match group.units {
                4 => forward::<F, A, INPUTS, 4>(weights, v, inputs, x, outputs, values, kept),
                3 => forward::<F, A, INPUTS, 3>(weights, v, inputs, x, outputs, values, kept),
                2 => forward::<F, A, INPUTS, 2>(weights, v, inputs, x, outputs, values, kept),
                _ => forward::<F, A, INPUTS, 1>(weights, v, inputs, x, outputs, values, kept),
            }
        }

        let mut total = F::splat(0.0);
        for (output, &sign) in outputs.iter_mut().zip(&samples.sign[block.clone()]) {
            // delta = u sigmoid(u z).
            let sigmoid = (*output * F::splat(-sign * std::f32::consts::LOG2_E)).one_over_one_plus_exp2();
            *output = sigmoid * F::splat(sign);
            total += *output;
        }
        gradient[bias] += total;

        for &group in &layout.groups {
            let at = group.first * length..(group.first + group.units) * length;
            let values = &mut self.values[at.clone()];
            let kept = &self.kept[at];
            let start = layout.start(group);
            let gradient = &mut gradient[start..start + group.units * (inputs + 2)];
            match group.units {
                4 => backward::<F, A, INPUTS, 4>(inputs, x, outputs, values, kept, gradient),
                3 => backward::<F, A, INPUTS, 3>(inputs, x, outputs, values, kept, gradient),
                2 => backward::<F, A, INPUTS, 2>(inputs, x, outputs, values, kept, gradient),
                _ => backward::<F, A, INPUTS, 1>(inputs, x, outputs, values, kept, gradient),
            }
        }
    }
}

/// The rows of `x`, whose length the compiler knows. For any number of inputs, whose rows nobody reads here, there are
/// at least as many.
#[inline(always)]
fn rows<const INPUTS: usize>(x: &[f32]) -> ChunksExact<'_, f32> {
    x.chunks_exact(if INPUTS == 0 { 1 } else { INPUTS })
}

/// f(y) of the `U` units of one group on each row of `x`, and z += v f(y).
#[inline(always)]
fn forward<F: Singles, A: UnitFunction, const INPUTS: usize, const U: usize>(
    weights: &[F],
    v: &[F],
    inputs: usize,
    x: &[f32],
    z: &mut [F],
    values: &mut [F],
    kept: &mut [A::Kept<F>],
) {
    if INPUTS == 0 {
        pre_activations::<F, U>(weights, inputs, x, values);
    }
    let (weights, _) = weights.as_chunks::<U>();
    let (bias, v) = (weights[0], v.as_chunks::<U>().0[0]);
    let mut w = [bias; INPUTS];
    w.copy_from_slice(&weights[1..=INPUTS]);
    let (values, _) = values.as_chunks_mut::<U>();
    let (kept, _) = kept.as_chunks_mut::<U>();
    for (((z, values), kept), x) in z.iter_mut().zip(values).zip(kept).zip(rows::<INPUTS>(x)) {
        let mut sum = *z;
        let mut y = if INPUTS == 0 { *values } else { bias };
        for m in 0..INPUTS {
            let x = F::splat(x[m]);
            for u in 0..U {
                y[u] = w[m][u].mul_add(x, y[u]);
            }
        }
        for u in 0..U {
            (values[u], kept[u]) = A::value_and_kept(y[u]);
            sum = v[u].mul_add(values[u], sum);
        }
        *z = sum;
    }
}

/// Adds the sums over one block of samples to the `gradient` of one group's `U` units, dL/dW without the factor v_n.
#[inline(always)]
fn backward<F: Singles, A: UnitFunction, const INPUTS: usize, const U: usize>(
    inputs: usize,
    x: &[f32],
    delta: &[F],
    values: &mut [F],
    kept: &[A::Kept<F>],
    gradient: &mut [F],
) {
    let (dw, dv) = gradient.split_at_mut(U * (inputs + 1));
    let (chunks, _) = values.as_chunks_mut::<U>();
    let (kept, _) = kept.as_chunks::<U>();
    let zero = F::splat(0.0);
    let (mut value_sums, mut bias_sums, mut input_sums) = ([zero; U], [zero; U], [[zero; U]; INPUTS]);
    for (((&delta, values), kept), x) in delta.iter().zip(chunks).zip(kept).zip(rows::<INPUTS>(x)) {
        for u in 0..U {
            let value = delta * values[u];
            let back = A::times_df(delta, value, values[u], kept[u]);
            value_sums[u] += value;
            bias_sums[u] += back;
            for m in 0..INPUTS {
                input_sums[m][u] = back.mul_add(F::splat(x[m]), input_sums[m][u]);
            }
            if INPUTS == 0 {
                values[u] = back;
            }
        }
    }
    let (dw, _) = dw.as_chunks_mut::<U>();
    for u in 0..U {
        dv[u] += value_sums[u];
        dw[0][u] += bias_sums[u];
        for m in 0..INPUTS {
            dw[m + 1][u] += input_sums[m][u];
        }
    }
    if INPUTS == 0 {
        add_products::<F, U>(values, inputs, x, dw[1..].as_flattened_mut());
    }
}
