//! Evaluating the closed forms of a batch: terms, then gradient, trace and tr H^2 from them, and their rounding.

use std::sync::Arc;

use super::compiled::CompiledPass;
use super::device::Device;
use super::forward::{self, DeviceBatch, Forward};
use super::limits::{MAX_GROUPS, SUM_BLOCK, SUM_PART, turns};
use super::loops::iterations;
use super::pace::{in_paced_parts, pair_block_iterations, pair_columns, sample_parts};
use super::params::Params;
use super::pass::Pass;
use super::rounding::{Sums, entry_block};
use super::route::{ITEM_SUMS, Items};
use super::session::{Session, trace_sq_pass};
use super::shader::{OUTPUT_TERMS, TRACE_SUMS};
use crate::engine::{EngineError, Evaluation, ExactRoute, LayerTraces};
use crate::model::{PaperProblem, Theta};

/// The most networks that are evaluated together: a few workgroups for every processor of a large GPU.
const MOST_AT_ONCE: usize = 1 << 14;

/// How many networks fit one round of passes.
pub(super) fn networks_at_once(gpu: &Session, problem: &PaperProblem<'_>) -> Result<usize, EngineError> {
    let (samples, shape) = (problem.data.samples(), problem.network.shape);
    let (hidden, inputs) = (shape.hidden, shape.inputs);
    let blocks = samples.div_ceil(SUM_BLOCK);
    // These are not cut: the forward pass, the blocks of trace sums, a block of tr H^2.
    let block = iterations(inputs as u64, 0) + iterations(hidden as u64, 0);
    let parts = iterations((SUM_BLOCK / SUM_PART) as u64, iterations(SUM_PART as u64, block));
    let trace = iterations(turns(blocks), parts);
    let longest = forward::loop_iterations(problem).max(trace).max(1 + pair_block_iterations(shape));
    if let Some(limit) = gpu.loop_limit()
        && longest > u64::from(limit)
    {
        return Err(EngineError::Limit(format!(
            "networks of N = {hidden} hidden units and M = {inputs} inputs take {longest} loop iterations of an \
             invocation on I = {samples} samples, but this software driver stops every invocation after {limit}: use \
             fewer of them, or --backend cpu"
        )));
    }
    // The assembled route sums each entry of H over all samples in one invocation; its loops over a tile are unrolled.
    let length = entry_block(samples);
    let summed = iterations(samples.div_ceil(length) as u64, iterations(length as u64, 0));
    if let Some(limit) = gpu.loop_limit()
        && summed > u64::from(limit)
        && gpu.route(problem) == ExactRoute::Assembled
    {
        return Err(EngineError::Limit(format!(
            "the assembled route to tr H^2 takes {summed} loop iterations of an invocation for I = {samples} samples, \
             but this software driver stops every invocation after {limit}: use --route pairwise, or --backend cpu"
        )));
    }
    let largest = (samples * hidden.max(OUTPUT_TERMS)).max(problem.network.shape.parameters() + 1);
    gpu.fitting("the forward pass's array over samples and hidden units", largest, MOST_AT_ONCE)
}

/// Evaluates each row of `theta`, in as many rounds as memory asks for.
pub(super) fn evaluate(gpu: &Session, problem: &PaperProblem<'_>, theta: Theta<'_>) -> Result<Evaluation, EngineError> {
    let round = networks_at_once(gpu, problem)?;
    let mut all = Evaluation::default();
    if theta.nrows() == 0 {
        return Ok(all);
    }
    let passes = EvaluationPasses::new(gpu, problem)?;
    for rows in theta.chunks(round) {
        passes.round(gpu, problem, rows, &mut all)?;
    }
    Ok(all)
}

/// The passes of an evaluation.
struct EvaluationPasses {
    forward: Forward,
    gradient: Arc<CompiledPass>,
    trace: Arc<CompiledPass>,
    trace_sq: TraceSqPass,
}

impl EvaluationPasses {
    fn new(gpu: &Session, problem: &PaperProblem<'_>) -> Result<Self, EngineError> {
        Ok(Self {
            forward: Forward::new(gpu, problem)?,
            gradient: gpu.pass(Pass::Gradient, problem)?,
            trace: gpu.pass(Pass::Trace, problem)?,
            trace_sq: TraceSqPass::new(gpu, problem, gpu.route(problem))?,
        })
    }

    /// Evaluates `theta` (S, D) and appends to `all`.
    fn round(
        &self,
        gpu: &Session,
        problem: &PaperProblem<'_>,
        theta: Theta<'_>,
        all: &mut Evaluation,
    ) -> Result<(), EngineError> {
        let (device, networks, shape) = (&gpu.device, theta.nrows(), problem.network.shape);
        let batch = self.forward.run(gpu, problem, theta)?;

        let gradient = gradient(device, problem, &batch, &self.gradient)?;
        let squares: Vec<f64> = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).collect();
        all.gradient_sq.extend(column_sums(&squares, networks, 1, 0));

        let [loss, trace_ww, trace_vv, sizes, perturbations] = trace_sums(device, &batch, &self.trace)?;
        all.loss.extend(loss);
        all.layer_trace.extend(trace_ww.into_iter().zip(trace_vv).map(|(ww, vv)| LayerTraces::new([ww, vv])));

        let (trace_sq, sums) = self.trace_sq.run(gpu, problem, &batch)?;
        let found = trace_sq.iter().zip(sizes.iter().zip(&perturbations));
        all.rounding.extend(found.map(|(&trace_sq, (&size, &perturbation))| {
            sums.rounding(shape, shape.inputs + shape.hidden, trace_sq, (size, perturbation))
        }));
        all.trace_sq.extend(trace_sq);
        Ok(())
    }
}

/// dL/dtheta of each network of `batch`, \[parameter\]\[network\].
pub(super) fn gradient(
    device: &Device,
    problem: &PaperProblem<'_>,
    batch: &DeviceBatch<'_>,
    pass: &CompiledPass,
) -> Result<Vec<f32>, EngineError> {
    let (samples, parameters) = (problem.data.samples(), problem.network.parameters());
    let values = parameters * batch.params.networks as usize;
    let gradient = device.buffer("gradient", values)?;
    let bound = batch.bind(device, pass, &gradient)?;
    for part in sample_parts(samples, turns(parameters)) {
        let params = Params { first_sample: part.start, end_sample: part.end, ..batch.params };
        pass.dispatch(device, &bound, &params, [batch.groups, parameters])?;
    }
    device.read(&gradient, values)
}

/// The sums of the trace pass for each network of `batch`: the loss, tr H(w,w), tr H(v,v), sizes and perturbations.
pub(super) fn trace_sums(
    device: &Device,
    batch: &DeviceBatch<'_>,
    pass: &CompiledPass,
) -> Result<[Vec<f64>; TRACE_SUMS], EngineError> {
    let networks = batch.params.networks as usize;
    let blocks = (batch.params.samples as usize).div_ceil(SUM_BLOCK);
    let sums = device.buffer("block sums", blocks * TRACE_SUMS * networks)?;
    let bound = batch.bind(device, pass, &sums)?;
    pass.dispatch(device, &bound, &batch.params, [batch.groups, blocks])?;
    let sums = widened(&device.read(&sums, blocks * TRACE_SUMS * networks)?);
    Ok(std::array::from_fn(|kind| column_sums(&sums, networks, TRACE_SUMS, kind)))
}

/// The pass to tr H^2 with what it needs.
pub(super) enum TraceSqPass {
    Pairwise(Arc<CompiledPass>),
    Assembled { pass: Arc<CompiledPass>, inputs: wgpu::Buffer, items: usize },
}

impl TraceSqPass {
    pub(super) fn new(gpu: &Session, problem: &PaperProblem<'_>, route: ExactRoute) -> Result<Self, EngineError> {
        let pass = gpu.pass(trace_sq_pass(route), problem)?;
        match route {
            ExactRoute::Pairwise => Ok(Self::Pairwise(pass)),
            ExactRoute::Assembled => {
                let items = Items::of(problem.network.shape);
                let rows: Vec<f32> = (0..problem.data.samples())
                    .flat_map(|i| {
                        let x = problem.data.sample(i);
                        let row = std::iter::once(1.0).chain(x.to_vec()).chain(std::iter::repeat(0.0));
                        row.take(items.width()).map(|value| value as f32)
                    })
                    .collect();
                Ok(Self::Assembled { pass, inputs: gpu.device.buffer_with("inputs", &rows)?, items: items.count()? })
            }
        }
    }

    /// tr H^2 of each network of `batch`, and how it was added up.
    pub(super) fn run(
        &self,
        gpu: &Session,
        problem: &PaperProblem<'_>,
        batch: &DeviceBatch<'_>,
    ) -> Result<(Vec<f64>, Sums), EngineError> {
        let (device, budget) = (&gpu.device, gpu.tuning.dispatch);
        let (shape, samples) = (problem.network.shape, problem.data.samples());
        let networks = batch.params.networks as usize;
        let (sums, count, how) = match self {
            Self::Pairwise(pass) => {
                let rows = samples.div_ceil(2);
                let sums = device.buffer("row sums", rows * networks)?;
                let bound = batch.bind(device, pass, &sums)?;
                for start in (0..samples).step_by(pair_columns(shape)) {
                    let end = samples.min(start + pair_columns(shape));
                    let params = Params { first_sample: start as u32, end_sample: end as u32, ..batch.params };
                    // Rows below the columns hold no pair with i <= j.
                    in_paced_parts(budget, end.div_ceil(2), MAX_GROUPS, |first_row, rows| {
                        pass.dispatch(device, &bound, &Params { first_row, ..params }, [batch.groups, rows])
                    })?;
                }
                (sums, rows, Sums::pairwise(shape, samples))
            }
            Self::Assembled { pass, inputs, items } => {
                let slots = ITEM_SUMS.min(*items);
                let sums = device.buffer("item sums", slots * networks)?;
                let bound = batch.bind_to(device, pass, inputs, &sums)?;
                // A dispatch has at most one item for each of its sums, so that none is added to twice at once.
                in_paced_parts(budget, *items, slots as u32, |first_row, rows| {
                    pass.dispatch(device, &bound, &Params { first_row, ..batch.params }, [batch.groups, rows])
                })?;
                (sums, slots, Sums::assembled(shape, samples, *items))
            }
        };
        Ok((column_sums(&widened(&device.read(&sums, count * networks)?), networks, 1, 0), how))
    }
}

pub(super) fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Sums over the blocks of an array \[block\]\[kind\]\[network\], for one kind: one value per network.
pub(super) fn column_sums(values: &[f64], networks: usize, kinds: usize, kind: usize) -> Vec<f64> {
    let mut sums = vec![0.0; networks];
    for block in values.chunks_exact(networks * kinds) {
        for (sum, value) in sums.iter_mut().zip(&block[kind * networks..]) {
            *sum += value;
        }
    }
    sums
}
