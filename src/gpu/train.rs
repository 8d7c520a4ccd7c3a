//! Training a batch: dispatch after dispatch over the networks that are still unfinished.

use std::sync::Arc;

use ndarray::Array2;

use super::compiled::{CompiledPass, Groups};
use super::device::Reading;
use super::limits::{MAX_GROUPS, UNIFORM_ROWS, WORKGROUP};
use super::pace::Pace;
use super::params::Params;
use super::pass::Pass;
use super::plan::{Target, TrainPlan};
use super::session::Session;
use super::shader::{Z_SCALE, y_scale};
use crate::engine::{Descent, EngineError, Start, Status, Trained};
use crate::model::PaperProblem;

/// Where a list of unfinished networks says how many workgroups train them.
const GROUPS_OFFSET: u64 = 4;
/// The bytes of its two counts.
const COUNTS_BYTES: u64 = 8;

/// A compiled kernel that trains, with what it binds beside the networks.
pub(super) struct TrainKernel {
    /// theta_0 from the seeds.
    pub(super) seeds: Arc<CompiledPass>,
    /// The descent.
    pub(super) training: Arc<CompiledPass>,
    /// The list of the networks that go on.
    pub(super) sorting: Arc<CompiledPass>,
    /// The samples, as the descent reads them.
    pub(super) samples: wgpu::Buffer,
    /// Elements of each further buffer that it needs, per network that trains at once.
    pub(super) work: Vec<(&'static str, usize)>,
    /// D.
    pub(super) parameters: usize,
    /// I.
    pub(super) sample_count: usize,
    /// Networks per workgroup.
    pub(super) networks_per_group: usize,
    /// The most steps of one dispatch.
    pub(super) most_steps: u32,
}

/// Trains the networks of `start`.
pub(super) fn train(
    gpu: &Session,
    problem: &PaperProblem<'_>,
    descent: &Descent,
    start: &Start<'_>,
) -> Result<Trained, EngineError> {
    let parameters = problem.network.parameters();
    let (plan, target) = (gpu.plan(problem), gpu.target(problem));
    if !plan.fits(target) {
        return Err(EngineError::Limit(format!(
            "the split kernel keeps D = {parameters} sums of each invocation in workgroup memory, which has no room \
             for them: use another plan"
        )));
    }
    let kernel = TrainKernel {
        seeds: gpu.pass(Pass::Seeds, problem)?,
        training: gpu.pass_for(plan.pass(), Target { decays: descent.weight_decay > 0.0, ..target })?,
        sorting: gpu.pass(Pass::Remaining, problem)?,
        samples: sample_buffer(gpu, problem, plan)?,
        work: if plan == TrainPlan::Streamed { vec![("gradient", parameters)] } else { Vec::new() },
        parameters,
        sample_count: problem.data.samples(),
        networks_per_group: plan.networks_per_group(target),
        most_steps: steps_within_limit(gpu, problem, plan)?,
    };
    kernel.descend(gpu, descent, start)
}

impl TrainKernel {
    /// Trains the networks of `start`. Finished networks leave the list that is dispatched, and waiting ones take their
    /// lanes. Where and beside which others a network runs changes nothing about it.
    pub(super) fn descend(&self, gpu: &Session, descent: &Descent, start: &Start<'_>) -> Result<Trained, EngineError> {
        let Self { seeds, training, sorting, samples, work, networks_per_group, .. } = self;
        let (parameters, device, count) = (self.parameters, &gpu.device, start.count());
        if count == 0 {
            return Ok(Trained { theta: Array2::zeros((0, parameters)), status: Vec::new(), steps: Vec::new() });
        }
        if gpu.fitting("theta", parameters, count)? < count {
            return Err(EngineError::OutOfMemory(format!("{count} networks of {parameters} parameters in one batch")));
        }

        // What further buffers hold.
        let fitting = work.iter().map(|(_, each)| gpu.binding_elements() / each).min().unwrap_or(usize::MAX);
        let at_once = gpu.tuning.lanes.min(networks_per_group * MAX_GROUPS as usize).min(fitting).clamp(1, count);
        let theta = device.buffer("theta", parameters * count)?;
        let status = device.buffer_with("status", &vec![Status::Pending as u32; count])?;
        let steps = device.buffer_with("steps", &vec![start.taken(); count])?;

        let mut params = Params {
            networks: count as u32,
            samples: self.sample_count as u32,
            at_once: at_once as u32,
            networks_per_group: *networks_per_group as u32,
            max_steps: descent.max_steps,
            init_range: descent.init_range,
            step_size: descent.step_size as f32,
            weight_decay: descent.weight_decay as f32,
            tolerance: descent.tolerance_in_f32(),
            ..Params::default()
        };

        match start {
            Start::Seeds(range) => {
                params.seed_low = (range.start & 0xFFFF_FFFF) as u32;
                params.seed_high = (range.start >> 32) as u32;
                let bound = seeds.bind(device, &[&theta])?;
                seeds.dispatch(device, &bound, &params, [count.div_ceil(WORKGROUP), parameters.div_ceil(4)])?;
            }
            // As the kernels leave them from one dispatch to the next.
            Start::Theta { theta: weights, .. } => {
                device.write(&theta, &weights.iter().copied().collect::<Vec<f32>>());
            }
        }

        let work: Vec<wgpu::Buffer> =
            work.iter().map(|(label, each)| device.buffer(label, each * at_once)).collect::<Result<_, _>>()?;
        // One list is read and the other one made, in turn: shaders/parts/unfinished.wgsl says what they hold.
        let groups = at_once.div_ceil(*networks_per_group) as u32;
        let all: Vec<u32> = [params.networks, groups, 1, 1].into_iter().chain(0..params.networks).collect();
        let lists =
            [all.as_slice(), &[0, 0, 1, 1]].map(|values| device.indirect_buffer("unfinished", all.len(), values));
        let [first, second] = lists;
        let lists = [first?, second?];
        let bound = |from: usize| -> Result<_, EngineError> {
            let buffers = [samples, &lists[from], &theta, &status, &steps];
            let buffers: Vec<_> = buffers.into_iter().chain(&work).collect();
            let sorted = [&lists[from], &status, &lists[1 - from]];
            Ok((training.bind(device, &buffers)?, sorting.bind(device, &sorted)?))
        };
        let bound = [bound(0)?, bound(1)?];
        let mut pace = Pace::new(8, self.most_steps, gpu.tuning.dispatch);
        let mut left = count;
        // Training steps since a network finished. If none has in as many as all together can need, none will.
        let mut in_vain = 0;
        let all_need = (u64::from(descent.max_steps) + 2) * count.div_ceil(at_once) as u64;
        let mut running: Option<(u32, Reading<u32>)> = None;
        // The next dispatch waits behind the one that runs, so the device never waits for the host. The device itself
        // counts which networks go on.
        for from in [0, 1].into_iter().cycle() {
            device.check_stop()?;
            params.steps = pace.amount();
            training.set(device, &params);
            sorting.set(device, &params);
            let (to_train, to_sort) = &bound[from];
            let next = device.submit_reading(&lists[1 - from], 1, |encoder| {
                training.record(encoder, to_train, Groups::In(&lists[from], GROUPS_OFFSET), device.clock());
                encoder.clear_buffer(&lists[1 - from], 0, Some(COUNTS_BYTES));
                sorting.record(encoder, to_sort, Groups::Given([left.div_ceil(WORKGROUP), 1]), None);
            })?;
            device.read_clock()?;
            // With a clock the dispatch has been waited for already.
            let now = Some((params.steps, next));
            let ended = if device.clock().is_some() { now } else { std::mem::replace(&mut running, now) };
            if let Some((steps, reading)) = ended {
                let still = reading.finish(device)?[0] as usize;
                pace.done(steps);
                if still == 0 {
                    break;
                }
                in_vain = if still < left { 0 } else { in_vain + u64::from(steps) };
                left = still;
                if in_vain > all_need {
                    return Err(EngineError::Device(format!("{left} networks go on beyond their last step")));
                }
            }
        }

        let theta = Array2::from_shape_vec((count, parameters), device.read::<f32>(&theta, count * parameters)?)
            .map_err(|error| EngineError::Device(error.to_string()))?;
        Ok(Trained {
            theta,
            status: device.read::<u32>(&status, count)?.into_iter().map(status_of).collect::<Result<_, _>>()?,
            steps: device.read(&steps, count)?,
        })
    }
}

/// The most steps of one dispatch: those of the tuning, within the loop iterations that the driver allows an
/// invocation.
fn steps_within_limit(gpu: &Session, problem: &PaperProblem<'_>, plan: TrainPlan) -> Result<u32, EngineError> {
    let Some(limit) = gpu.loop_limit() else { return Ok(gpu.tuning.steps) };
    let (step, once) = plan.loop_iterations(gpu.target(problem));
    match u64::from(limit).saturating_sub(once) / step {
        0 => Err(EngineError::Limit(format!(
            "one step of training takes {step} loop iterations of an invocation (I = {}, N = {}, M = {}), but this \
             software driver stops every invocation after {limit}: use at most {} samples, or --backend cpu",
            problem.data.samples(),
            problem.network.shape.hidden,
            problem.network.shape.inputs,
            problem.data.samples() as u64 * u64::from(limit) / (2 * step).max(1),
        ))),
        fitting => Ok(gpu.tuning.steps.min(u32::try_from(fitting).unwrap_or(u32::MAX))),
    }
}

/// The samples as the kernel of `plan` reads them.
fn sample_buffer(gpu: &Session, problem: &PaperProblem<'_>, plan: TrainPlan) -> Result<wgpu::Buffer, EngineError> {
    let (device, target) = (&gpu.device, gpu.target(problem));
    let width = problem.network.shape.inputs + 1;
    let scaled = scaled_samples(problem, plan.tile(target));
    let Some(layout) = plan.sample_layout(target) else { return device.buffer_with("samples", &scaled) };
    // [tile][value][sample of the tile], each tile filled up to whole rows of four.
    let mut tiled: Vec<f32> = Vec::new();
    for samples in scaled.chunks_exact(layout.tile * width) {
        tiled.extend((0..width).flat_map(|value| samples.iter().skip(value).step_by(width)));
        tiled.resize(tiled.len().next_multiple_of(4), 0.0);
    }
    if layout.samples_are_uniform(problem.data.samples()) {
        tiled.resize(4 * UNIFORM_ROWS, 0.0);
        device.uniform_with("samples", &tiled)
    } else {
        device.buffer_with("samples", &tiled)
    }
}

/// The samples as training reads them: rows of \[x_1 .. x_M, 1 - 2q\], each with its scale, f32.
///
/// The scale is one more rounding of each x, as large as the one that made it f32. Rows of zeros fill up the last
/// `tile`: with a label of 0 their share in every sum is 0.
fn scaled_samples(problem: &PaperProblem<'_>, tile: usize) -> Vec<f32> {
    let (data, scale) = (&problem.data, f64::from(y_scale(problem.network.activation)));
    let mut rows: Vec<f32> = data
        .x()
        .rows()
        .into_iter()
        .zip(problem.q)
        .flat_map(|(x, &q)| {
            let label = f64::from(Z_SCALE) * (1.0 - 2.0 * q);
            x.to_vec().into_iter().map(move |x| x * scale).chain([label]).map(|value| value as f32)
        })
        .collect();
    rows.resize(data.samples().next_multiple_of(tile) * (problem.network.shape.inputs + 1), 0.0);
    rows
}

/// The status that the shader wrote; anything else means that the driver did not run it as written.
fn status_of(number: u32) -> Result<Status, EngineError> {
    u8::try_from(number)
        .ok()
        .and_then(Status::from_number)
        .filter(|status| *status != Status::Evaluated)
        .ok_or_else(|| EngineError::Device(format!("the training pass left the status {number}, which does not exist")))
}
