//! Training networks of any depth: their kernels, and the samples as these read them.

use super::plan::{LayerLayout, LayerPlan, samples_are_uniform};
use super::samples::sample_row;
use super::target::LayerTarget;
use crate::engine::{Descent, EngineError, Start, Trained};
use crate::gpu::limits::UNIFORM_ROWS;
use crate::gpu::pass::Pass;
use crate::gpu::session::Session;
use crate::gpu::train::TrainKernel;
use crate::model::Problem;

/// Trains the networks of `start`.
pub(in crate::gpu) fn train_layers(
    gpu: &Session,
    problem: &Problem,
    descent: &Descent,
    start: &Start<'_>,
) -> Result<Trained, EngineError> {
    let target = gpu.layer_target(problem);
    let (plan, layout) = (LayerPlan::of(target), LayerLayout::of(target));
    let mut work = Vec::new();
    if plan == LayerPlan::Shared && layout.weights_stored {
        work.push(("gradients", problem.network.parameters()));
    }
    if plan == LayerPlan::Shared && layout.rows_stored {
        work.push(("rows of a tile", LayerLayout::rows(problem.network) * layout.row()));
    }
    let kernel = TrainKernel {
        seeds: gpu.pass_for(Pass::Seeds, target)?,
        training: gpu.pass_for(plan.pass(), LayerTarget { decays: descent.weight_decay > 0.0, ..target })?,
        sorting: gpu.pass_for(Pass::Remaining, target)?,
        samples: sample_buffer(gpu, problem, target)?,
        work,
        parameters: problem.network.parameters(),
        sample_count: problem.data.samples(),
        networks_per_group: plan.networks_per_group(target),
        most_steps: steps_within_limit(gpu, target)?,
    };
    kernel.descend(gpu, descent, start)
}

/// The most steps of one dispatch: those of the tuning, within the loop iterations that the driver allows an
/// invocation.
fn steps_within_limit(gpu: &Session, target: LayerTarget) -> Result<u32, EngineError> {
    let Some(limit) = gpu.loop_limit() else { return Ok(gpu.tuning.steps) };
    let (step, once) = LayerPlan::of(target).loop_iterations(target);
    match u64::from(limit).saturating_sub(once) / step {
        0 => Err(EngineError::Limit(format!(
            "one step of training takes {step} loop iterations of an invocation (I = {}, widths {}), but this software \
             driver stops every invocation after {limit}: use fewer samples or narrower layers, or --backend cpu",
            target.samples, target.network.shape,
        ))),
        fitting => Ok(gpu.tuning.steps.min(u32::try_from(fitting).unwrap_or(u32::MAX))),
    }
}

/// The samples as the kernel reads them: \[tile\]\[value\]\[sample of the tile\].
///
/// The values are x_1 .. x_M, the targets and omega. The last tile is filled up with copies of the last sample whose
/// omega is 0: their share in every sum is 0, and they overflow only where that sample does.
fn sample_buffer(gpu: &Session, problem: &Problem, target: LayerTarget) -> Result<wgpu::Buffer, EngineError> {
    let (device, data, plan) = (&gpu.device, &problem.data, LayerPlan::of(target));
    let tile = plan.tile(target);
    let mut rows: Vec<Vec<f32>> = (0..data.samples()).map(|i| sample_row(problem, i)).collect();
    let values = target.sample_values();
    if let Some(mut last) = rows.last().cloned() {
        last[values - 1] = 0.0;
        rows.resize(data.samples().next_multiple_of(tile), last);
    }
    let narrow = plan == LayerPlan::Narrow;
    let mut tiled: Vec<f32> = Vec::new();
    for samples in rows.chunks_exact(tile) {
        tiled.extend((0..values).flat_map(|value| samples.iter().map(move |row| row[value])));
        if narrow {
            // Whole rows of four values.
            tiled.resize(tiled.len().next_multiple_of(4), 0.0);
        }
    }
    if narrow && samples_are_uniform(target) {
        tiled.resize(4 * UNIFORM_ROWS, 0.0);
        device.uniform_with("samples", &tiled)
    } else {
        device.buffer_with("samples", &tiled)
    }
}
