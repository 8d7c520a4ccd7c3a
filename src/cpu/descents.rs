//! Gradient descent of many networks, one in each lane; a network that ends makes room for the next one.

use std::sync::atomic::{AtomicU64, Ordering};

use super::lanes::Singles;
use super::network::load_lane;
use crate::engine::{Descent, Start, Status, Stop};
use crate::model::initial_theta;

/// The steps of a worker between two checks for a stop, times I D: about ten milliseconds of work.
const PATIENCE: u64 = 1 << 22;

/// The descents that all workers of a training share.
pub(super) struct Descents<'a> {
    /// The step size, the step limit, the tolerance and the decay.
    pub(super) descent: &'a Descent,
    /// The networks to train.
    pub(super) start: Start<'a>,
    /// How many of them have been taken, by all workers.
    pub(super) next: &'a AtomicU64,
    /// Ends the work early.
    pub(super) stop: &'a Stop,
    /// The index in theta of each parameter in the order of the lanes.
    pub(super) order: &'a [usize],
    /// I, the number of samples.
    pub(super) samples: usize,
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

/// What computes the gradients of the networks in lanes.
pub(super) trait Gradients<F> {
    /// Writes the objective's gradient at `theta` (D,) and returns g.g.
    fn gradient(&mut self, theta: &[F], gradient: &mut [F]) -> F;
}

/// The network in one lane.
#[derive(Clone, Copy)]
struct Occupant {
    index: usize,
    /// The worker's step count when the network had taken no step.
    arrived: u64,
}

/// One worker of a training.
struct DescentWorker<'a, F> {
    task: Descents<'a>,
    tolerance: f32,
    step_size: F,
    occupants: Vec<Option<Occupant>>,
    /// The worker's step count. It begins with the steps that its first networks had taken before.
    step: u64,
    /// The step at which some occupant will have taken all its steps, or at which to check for a stop.
    deadline: u64,
    /// Steps between two checks for a stop.
    patience: u64,
    theta: Vec<F>,
    gradient: Vec<F>,
    trained: Vec<TrainedNetwork>,
}

/// Takes networks from those of `task` until none is left, and trains them by `gradients`.
#[inline(always)]
pub(super) fn descend<F: Singles>(task: Descents<'_>, mut gradients: impl Gradients<F>) -> Vec<TrainedNetwork> {
    let parameters = task.order.len();
    let zero = F::splat(0.0);
    let mut worker = DescentWorker {
        tolerance: task.descent.tolerance_in_f32(),
        step_size: F::splat(task.descent.step_size as f32),
        occupants: vec![None; F::COUNT],
        step: task.start.taken().into(),
        deadline: 0,
        patience: (PATIENCE / (task.samples as u64 * parameters as u64)).clamp(1, 4096),
        theta: vec![zero; parameters],
        gradient: vec![zero; parameters],
        trained: Vec::new(),
        task,
    };
    worker.run(&mut gradients);
    worker.trained
}

impl<F: Singles> DescentWorker<'_, F> {
    #[inline(always)]
    fn run(&mut self, gradients: &mut impl Gradients<F>) {
        for lane in 0..F::COUNT {
            self.occupy(lane, self.step);
        }
        let tolerance = F::splat(self.tolerance);
        while self.occupants.iter().any(Option::is_some) && !self.task.stop.is_requested() {
            self.deadline = self.next_deadline().min(self.step + self.patience);
            loop {
                let gradient_sq = gradients.gradient(&self.theta, &mut self.gradient);
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
            for (parameter, &d) in self.theta.iter().zip(self.task.order) {
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
        let Descents { start, next, order, descent, .. } = &self.task;
        let index = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
        let waiting = index < start.count();
        match start {
            Start::Seeds(seeds) if waiting => {
                let theta = initial_theta(order.len(), seeds.start + index as u64, descent.init_range);
                load_lane(order, &mut self.theta, lane, |d| theta[d]);
            }
            Start::Theta { theta, .. } if waiting => {
                let theta = theta.row(index);
                load_lane(order, &mut self.theta, lane, |d| theta[d]);
            }
            _ => load_lane(order, &mut self.theta, lane, |_| 0.0),
        }
        // The gradient at hand is the predecessor's: it must not move this network.
        for gradient in &mut self.gradient {
            gradient.values_mut()[lane] = 0.0;
        }
        let arrived = step - u64::from(start.taken());
        self.occupants[lane] = waiting.then_some(Occupant { index, arrived });
    }
}
