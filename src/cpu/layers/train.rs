//! The gradients of networks of any depth for their training, one network in each lane.
//!
//! The activation function and the loss are chosen once per block of samples, not compiled into the kernel: a block's
//! products, which do not depend on them, take most of the time.

use std::ops::Range;

use super::products::{AddedProduct, ColumnFactor, RowFactor, ScaledProduct, Shared, Sizes, WrittenProduct, product};
use super::samples::{LaneTargets, LayerSamples};
use crate::cpu::activation::{Erf, Gelu, Linear, Relu, Sigmoid, Silu, Softplus, Square, Tanh, UnitFunction};
use crate::cpu::descents::{Descents, Gradients, TrainedNetwork, descend};
use crate::cpu::lanes::{LaneTask, Singles, Vectors};
use crate::cpu::samples::blocks;
use crate::model::{Activation, Layer, Network};

/// Bytes of unit values of one block of samples: they stay in the first-level cache beside the weights of a layer.
const BLOCK_BYTES: usize = 64 << 10;

/// One worker of a training.
pub(in crate::cpu) struct LayerTraining<'a> {
    /// The widths, and f.
    pub(in crate::cpu) network: Network,
    /// The training samples.
    pub(in crate::cpu) samples: &'a LayerSamples<f32>,
    /// The networks.
    pub(in crate::cpu) descents: Descents<'a>,
}

impl LaneTask for LayerTraining<'_> {
    type Output = Vec<TrainedNetwork>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Vec<TrainedNetwork> {
        let Self { network, samples, descents } = self;
        let weight_decay = descents.descent.weight_decay as f32;
        descend(descents, LayerGradients::<V::Singles>::new(network, samples, weight_decay))
    }
}

/// The working memory of a worker.
struct LayerGradients<'a, F> {
    activation: Activation,
    layers: Vec<Layer>,
    samples: &'a LayerSamples<f32>,
    weight_decay: f32,
    longest_block: usize,
    /// theta with the weights of hidden layers times the activation's scale: what the way forward reads.
    scaled: Vec<F>,
    /// Of one block, for each hidden layer: h = [1; f(y)], sample by sample.
    values: Vec<Vec<F>>,
    /// Of one block, for each hidden layer: f'(y).
    slopes: Vec<Vec<F>>,
    /// Of one block: on the way forward y of a layer, on the way back dL/dy of a layer and of the one below it.
    back: [Vec<F>; 2],
}

impl<'a, F: Singles> LayerGradients<'a, F> {
    #[inline(always)]
    fn new(network: Network, samples: &'a LayerSamples<f32>, weight_decay: f32) -> Self {
        let zero = F::splat(0.0);
        let layers: Vec<Layer> = network.shape.layers().collect();
        let widest = layers.iter().map(|layer| layer.units).max().unwrap_or(1);
        let longest_block = (BLOCK_BYTES / (widest * size_of::<F>())).clamp(8, 64).min(samples.count());
        let hidden = network.shape.hidden();
        Self {
            activation: network.activation,
            values: hidden.iter().map(|units| vec![F::splat(1.0); longest_block * (units + 1)]).collect(),
            slopes: hidden.iter().map(|units| vec![zero; longest_block * units]).collect(),
            back: [vec![zero; longest_block * widest], vec![zero; longest_block * widest]],
            scaled: vec![zero; network.parameters()],
            layers,
            samples,
            weight_decay,
            longest_block,
        }
    }

    /// The factor of the weights of hidden layers in `scaled`.
    fn scale(&self) -> f32 {
        match self.activation {
            Activation::Linear => Linear::SCALE,
            Activation::Sigmoid => Sigmoid::SCALE,
            Activation::Tanh => Tanh::SCALE,
            Activation::Softplus => Softplus::SCALE,
            Activation::Gelu => Gelu::SCALE,
            Activation::Relu => Relu::SCALE,
            Activation::Silu => Silu::SCALE,
            Activation::Erf => Erf::SCALE,
            Activation::Square => Square::SCALE,
        }
    }

    /// Adds the sums over the samples of `block`.
    #[inline(always)]
    fn add_block(&mut self, block: &Range<usize>, theta: &[F], gradient: &mut [F]) {
        let (length, inputs) = (block.len(), self.samples.inputs + 1);
        let x = &self.samples.x[block.start * inputs..block.end * inputs];
        let last = self.layers.len() - 1;
        for (l, layer) in self.layers.iter().enumerate() {
            let Layer { units, start, .. } = *layer;
            let fed = layer.inputs + 1;
            let (below, here) = self.values.split_at_mut(l);
            let weights = ColumnFactor { values: &self.scaled[start..][..fed * units], stride: units };
            let sizes = Sizes { rows: length, columns: units, length: fed };
            let y = &mut self.back[0][..length * units];
            let output = WrittenProduct { values: &mut *y, stride: units };
            match below.last() {
                None => product(sizes, Shared(RowFactor { values: x, stride: inputs }), weights, output),
                Some(below) => product(sizes, RowFactor { values: below, stride: fed }, weights, output),
            }
            if l < last {
                apply(self.activation, y, units, &mut here[0], &mut self.slopes[l]);
            }
        }

        let outputs = self.layers[last].units;
        let [mut back, mut next] = self.back.each_mut().map(|back| &mut back[..]);
        residuals(self.samples, block, &mut back[..length * outputs]);
        for (l, layer) in self.layers.iter().enumerate().rev() {
            let Layer { units, start, .. } = *layer;
            let fed = layer.inputs + 1;
            let here = &back[..length * units];
            let output = AddedProduct { sums: &mut gradient[start..][..fed * units], stride: units };
            let sizes = Sizes { rows: fed, columns: units, length };
            let by_unit = ColumnFactor { values: here, stride: units };
            if l == 0 {
                product(sizes, Shared(ColumnFactor { values: x, stride: inputs }), by_unit, output);
                return;
            }
            product(sizes, ColumnFactor { values: &self.values[l - 1], stride: fed }, by_unit, output);
            let weights = RowFactor { values: &theta[start + units..][..layer.inputs * units], stride: units };
            let sizes = Sizes { rows: length, columns: layer.inputs, length: units };
            let output = ScaledProduct { factors: &self.slopes[l - 1], values: &mut *next, stride: layer.inputs };
            product(sizes, RowFactor { values: here, stride: units }, weights, output);
            std::mem::swap(&mut back, &mut next);
        }
    }
}

impl<F: Singles> Gradients<F> for LayerGradients<'_, F> {
    #[inline(always)]
    fn gradient(&mut self, theta: &[F], gradient: &mut [F]) -> F {
        let scale = F::splat(self.scale());
        let outputs = self.layers[self.layers.len() - 1].start;
        for (scaled, &weight) in self.scaled[..outputs].iter_mut().zip(theta) {
            *scaled = weight * scale;
        }
        self.scaled[outputs..].copy_from_slice(&theta[outputs..]);
        gradient.fill(F::splat(0.0));
        for block in blocks(self.samples.count(), self.longest_block) {
            self.add_block(&block, theta, gradient);
        }
        if self.weight_decay > 0.0 {
            let decay = F::splat(self.weight_decay);
            for (gradient, &theta) in gradient.iter_mut().zip(theta) {
                *gradient = decay.mul_add(theta, *gradient);
            }
        }
        let mut sums = [F::splat(0.0); 4];
        let (quads, rest) = gradient.as_chunks::<4>();
        for quad in quads {
            for k in 0..4 {
                sums[k] = quad[k].mul_add(quad[k], sums[k]);
            }
        }
        for &g in rest {
            sums[0] = g.mul_add(g, sums[0]);
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
}

/// Writes f(y) to `values`, each sample's after its leading 1, and f'(y) to `slopes`, from `y` times the scale of
/// `activation`, of a layer of so many `units`.
#[inline(always)]
fn apply<F: Singles>(activation: Activation, y: &[F], units: usize, values: &mut [F], slopes: &mut [F]) {
    match activation {
        Activation::Linear => apply_unit::<F, Linear>(y, units, values, slopes),
        Activation::Sigmoid => apply_unit::<F, Sigmoid>(y, units, values, slopes),
        Activation::Tanh => apply_unit::<F, Tanh>(y, units, values, slopes),
        Activation::Softplus => apply_unit::<F, Softplus>(y, units, values, slopes),
        Activation::Gelu => apply_unit::<F, Gelu>(y, units, values, slopes),
        Activation::Relu => apply_unit::<F, Relu>(y, units, values, slopes),
        Activation::Silu => apply_unit::<F, Silu>(y, units, values, slopes),
        Activation::Erf => apply_unit::<F, Erf>(y, units, values, slopes),
        Activation::Square => apply_unit::<F, Square>(y, units, values, slopes),
    }
}

#[inline(always)]
fn apply_unit<F: Singles, A: UnitFunction>(y: &[F], units: usize, values: &mut [F], slopes: &mut [F]) {
    let rows = values.chunks_exact_mut(units + 1).zip(slopes.chunks_exact_mut(units));
    for ((values, slopes), y) in rows.zip(y.chunks_exact(units)) {
        for ((value, slope), &y) in values[1..].iter_mut().zip(slopes).zip(y) {
            let (found, kept) = A::value_and_kept(y);
            *slope = A::times_df(F::splat(1.0), found, found, kept);
            *value = found;
        }
    }
}

/// Replaces z of the samples of `block`, (I, K), by omega delta.
#[inline(always)]
fn residuals<F: Singles>(samples: &LayerSamples<f32>, block: &Range<usize>, outputs: &mut [F]) {
    let count = outputs.len() / block.len();
    let weights = &samples.weights[block.clone()];
    let targets = block.start * count..block.end * count;
    let rows = outputs.chunks_exact_mut(count).zip(weights);
    match &samples.targets {
        LaneTargets::Signs(signs) => {
            for ((outputs, &weight), signs) in rows.zip(signs[targets].chunks_exact(count)) {
                for (output, &sign) in outputs.iter_mut().zip(signs) {
                    // delta = u sigmoid(u z).
                    let sigmoid = (*output * F::splat(-sign * std::f32::consts::LOG2_E)).one_over_one_plus_exp2();
                    *output = sigmoid * F::splat(sign * weight);
                }
            }
        }
        LaneTargets::Classes(classes) => {
            for ((outputs, &weight), &class) in rows.zip(&classes[block.clone()]) {
                softmax_residuals(class, weight, outputs);
            }
        }
        LaneTargets::Values(values) => {
            for ((outputs, &weight), values) in rows.zip(values[targets].chunks_exact(count)) {
                for (output, &value) in outputs.iter_mut().zip(values) {
                    *output = (*output - F::splat(value)) * F::splat(weight);
                }
            }
        }
    }
}

/// Replaces z of one sample of the class t by omega (p - e_t): the probabilities of the other classes, and minus their
/// sum for t, so that nothing cancels.
#[inline(always)]
fn softmax_residuals<F: Singles>(class: usize, weight: f32, outputs: &mut [F]) {
    let mut largest = outputs[0];
    for &z in &outputs[1..] {
        largest = largest.at_least(z);
    }
    let mut others = F::splat(0.0);
    for (k, output) in outputs.iter_mut().enumerate() {
        *output = ((*output - largest) * F::splat(std::f32::consts::LOG2_E)).exp2();
        if k != class {
            others += *output;
        }
    }
    let scale = (others + outputs[class]).reciprocal() * F::splat(weight);
    outputs[class] = F::splat(0.0) - others;
    for output in outputs {
        *output = *output * scale;
    }
}
