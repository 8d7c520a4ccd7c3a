//! Gradient descent of many networks, one in each lane; a network that ends makes room for the next one.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::Zeroable as _;

use super::activation::UnitFunction;
use super::lanes::{LaneTask, Singles, Vectors};
use super::network::{Layout, add_products, load_lane, pre_activations};
use super::samples::Samples;
use crate::engine::{Descent, Start, Status, Stop};
use crate::model::{OneHidden, initial_theta};

/// Bytes of unit values of one block of samples: half of a typical first-level cache; the rest is for weights and
/// samples.
const BLOCK_BYTES: usize = 24 << 10;

/// The steps of a worker between two checks for a stop, times I D: about ten milliseconds of work.
const PATIENCE: u64 = 1 << 22;

/// One worker of a training: it takes networks from `next` until none is left. `DECAY` says whether the weights decay:
/// where they do not, the kernel has no instruction for it.
pub(super) struct Training<'a, A, const DECAY: bool> {
    /// M and N.
    pub(super) shape: OneHidden,
    /// The order of parameters.
    pub(super) layout: &'a Layout,
    /// The training samples.
    pub(super) samples: &'a Samples<f32>,
    /// The step size, the step limit, the tolerance and the decay.
    pub(super) descent: &'a Descent,
    /// The networks to train.
    pub(super) start: Start<'a>,
    /// How many of them have been taken, by all workers.
    pub(super) next: &'a AtomicU64,
    /// Ends the work early.
    pub(super) stop: &'a Stop,
    /// f, the activation function.
    pub(super) activation: PhantomData<A>,
}

/// A network whose descent has ended.
pub(super) struct TrainedNetwork {
    /// Its place in the batch.
    pub(super) index: usize,
    /// Why it ended.
    pub(super) status: Status,
    /// Steps taken.
    pub(super) steps: u32,
    /// Where it ended, (D,).
    pub(super) theta: Vec<f32>,
}

impl<A: UnitFunction, const DECAY: bool> LaneTask for Training<'_, A, DECAY> {
    type Output = Vec<TrainedNetwork>;

    #[inline(always)]
    fn run<V: Vectors>(self) -> Vec<TrainedNetwork> {
        let mut worker = TrainingWorker::<V::Singles, A, DECAY>::new(self);
        worker.run();
        worker.trained
    }
}

/// The network in one lane.
#[derive(Clone, Copy)]
struct Occupant {
    index: usize,
    /// The worker's step count when the network had taken no step.
    arrived: u64,
}

struct TrainingWorker<'a, F: Singles, A: UnitFunction, const DECAY: bool> {
    task: Training<'a, A, DECAY>,
    tolerance: f32,
    step_size: F,
    longest_block: usize,
    occupants: Vec<Option<Occupant>>,
    /// The worker's step count. It begins with the steps that its first networks had taken before.
    step: u64,
    /// The step at which some occupant will have taken all its steps, or at which to check for a stop.
    deadline: u64,
    /// Steps between two checks for a stop.
    patience: u64,
    theta: Vec<F>,
    /// theta with W times the activation's scale: what the sample loops read.
    scaled: Vec<F>,
    gradient: Vec<F>,
    /// z_i, then delta_i, of one block.
    outputs: Vec<F>,
    /// Of one block: group by group, sample by sample, f(y) of the group's units.
    values: Vec<F>,
    /// What is kept for f'(y), in the same order.
    kept: Vec<A::Kept<F>>,
    trained: Vec<TrainedNetwork>,
}

impl<'a, F: Singles, A: UnitFunction, const DECAY: bool> TrainingWorker<'a, F, A, DECAY> {
    #[inline(always)]
    fn new(task: Training<'a, A, DECAY>) -> Self {
        let zero = F::splat(0.0);
        let (hidden, parameters) = (task.shape.hidden, task.shape.parameters());
        let longest_block = (BLOCK_BYTES / (hidden * size_of::<F>())).clamp(16, 64).min(task.samples.count());
        Self {
            tolerance: task.descent.tolerance_in_f32(),
            step_size: F::splat(task.descent.step_size as f32),
            longest_block,
            occupants: vec![None; F::COUNT],
            step: task.start.taken().into(),
            deadline: 0,
            patience: (PATIENCE / (task.samples.count() as u64 * parameters as u64)).clamp(1, 4096),
            theta: vec![zero; parameters],
            scaled: vec![zero; parameters],
            gradient: vec![zero; parameters],
            outputs: vec![zero; longest_block],
            values: vec![zero; longest_block * hidden],
            kept: vec![A::Kept::zeroed(); longest_block * hidden],
            trained: Vec::new(),
            task,
        }
    }

    #[inline(always)]
    fn run(&mut self) {
        for lane in 0..F::COUNT {
            self.occupy(lane, self.step);
        }
        let tolerance = F::splat(self.tolerance);
        while self.occupants.iter().any(Option::is_some) && !self.task.stop.is_requested() {
            self.deadline = self.next_deadline().min(self.step + self.patience);
            loop {
                let gradient_sq = self.gradient();
                let someone_ended = self.step >= self.deadline || !gradient_sq.all_finite_and_at_least(tolerance);
                let look_up = someone_ended && self.retire(gradient_sq);
                for (theta, gradient) in self.theta.iter_mut().zip(&self.gradient) {
                    *theta = gradient.neg_mul_add(self.step_size, *theta);
                }
                self.step += 1;
                if look_up {
                    break;
                }
            }
        }
    }

    /// The first step at which an occupant's last test is due.
    fn next_deadline(&self) -> u64 {
        let last = |occupant: &Occupant| occupant.arrived + u64::from(self.task.descent.max_steps);
        self.occupants.iter().flatten().map(last).min().unwrap_or(u64::MAX)
    }

    /// Takes networks that have ended out of their lanes and lets waiting ones in. Returns whether the deadline has
    /// changed.
    #[cold]
    fn retire(&mut self, gradient_sq: F) -> bool {
        let mut look_up = self.step >= self.deadline;
        for lane in 0..F::COUNT {
            let Some(Occupant { index, arrived }) = self.occupants[lane] else { continue };
            let steps = (self.step - arrived) as u32;
            let gradient_sq = f64::from(gradient_sq.values()[lane]);
            let Some(status) = self.task.descent.verdict(gradient_sq, steps) else { continue };
            let mut theta = vec![0.0; self.theta.len()];
            for (parameter, &d) in self.theta.iter().zip(&self.task.layout.order) {
                theta[d] = parameter.values()[lane];
            }
            // Where f saturates, theta can overflow while the gradient is 0.
            let status = if theta.iter().all(|t| t.is_finite()) { status } else { Status::NonFinite };
            self.trained.push(TrainedNetwork { index, status, steps, theta });
            self.occupy(lane, self.step + 1);
            look_up = true;
        }
        look_up
    }

    /// Lets the next waiting network into `lane` at `step`; without one the lane idles at theta = 0.
    fn occupy(&mut self, lane: usize, step: u64) {
        let Training { start, next, layout, shape, descent, .. } = &self.task;
        let index = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
        let waiting = index < start.count();
        match start {
            Start::Seeds(seeds) if waiting => {
                let theta = initial_theta(shape.parameters(), seeds.start + index as u64, descent.init_range);
                load_lane(layout, &mut self.theta, lane, |d| theta[d]);
            }
            Start::Theta { theta, .. } if waiting => {
                let theta = theta.row(index);
                load_lane(layout, &mut self.theta, lane, |d| theta[d]);
            }
            _ => load_lane(layout, &mut self.theta, lane, |_| 0.0),
        }
        // The gradient at hand is the predecessor's: it must not move this network.
        for gradient in &mut self.gradient {
            gradient.values_mut()[lane] = 0.0;
        }
        let arrived = step - u64::from(start.taken());
        self.occupants[lane] = waiting.then_some(Occupant { index, arrived });
    }

    /// Leaves the objective's gradient of every lane in `self.gradient` and returns g.g.
    #[inline(always)]
    fn gradient(&mut self) -> F {
        let layout = self.task.layout;
        layout.scale_weights(F::splat(A::SCALE), &self.theta, &mut self.scaled);
        self.gradient.fill(F::splat(0.0));
        for block in self.task.samples.blocks(self.longest_block) {
            // The paper's two inputs have code of their own, without a loop over inputs.
            if self.task.shape.inputs == 2 {
                self.add_block::<2>(&block);
            } else {
                self.add_block::<0>(&block);
            }
        }
        let gradient_sq = layout.multiply_by_output_weights(&self.theta, &mut self.gradient);
        if !DECAY {
            return gradient_sq;
        }
        let decay = F::splat(self.task.descent.weight_decay as f32);
        let mut gradient_sq = F::splat(0.0);
        for (gradient, &theta) in self.gradient.iter_mut().zip(&self.theta) {
            *gradient = decay.mul_add(theta, *gradient);
            gradient_sq = gradient.mul_add(*gradient, gradient_sq);
        }
        gradient_sq
    }

    /// Adds the sums over the samples of `block`. `INPUTS` is M, or 0 for any M.
    #[inline(always)]
    fn add_block<const INPUTS: usize>(&mut self, block: &Range<usize>) {
        let Training { layout, samples, shape, .. } = &self.task;
        let (inputs, x) = (shape.inputs, samples.rows(block));
        let length = block.len();
        let outputs = &mut self.outputs[..length];
        let bias = self.theta.len() - 1;

        outputs.fill(self.theta[bias]);
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
        self.gradient[bias] += total;

        for &group in &layout.groups {
            let at = group.first * length..(group.first + group.units) * length;
            let values = &mut self.values[at.clone()];
            let kept = &self.kept[at];
            let start = layout.start(group);
            let gradient = &mut self.gradient[start..start + group.units * (inputs + 2)];
            match group.units {
                4 => backward::<F, A, INPUTS, 4>(inputs, x, outputs, values, kept, gradient),
                3 => backward::<F, A, INPUTS, 3>(inputs, x, outputs, values, kept, gradient),
                2 => backward::<F, A, INPUTS, 2>(inputs, x, outputs, values, kept, gradient),
                _ => backward::<F, A, INPUTS, 1>(inputs, x, outputs, values, kept, gradient),
            }
        }
    }
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
    for (i, ((z, values), kept)) in z.iter_mut().zip(values).zip(kept).enumerate() {
        let mut sum = *z;
        let mut y = if INPUTS == 0 { *values } else { bias };
        for m in 0..INPUTS {
            let x = F::splat(x[i * INPUTS + m]);
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
    for (i, ((&delta, values), kept)) in delta.iter().zip(chunks).zip(kept).enumerate() {
        for u in 0..U {
            let value = delta * values[u];
            let back = A::times_df(delta, value, values[u], kept[u]);
            value_sums[u] += value;
            bias_sums[u] += back;
            for m in 0..INPUTS {
                input_sums[m][u] = back.mul_add(F::splat(x[i * INPUTS + m]), input_sums[m][u]);
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
