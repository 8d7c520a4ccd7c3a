//! The forward pass of a batch: where every evaluation on the device begins.

use std::sync::Arc;

use ndarray::ArrayView2;

use super::Gpu;
use super::engine::packed_samples;
use super::kernel::{Kernel, WORKGROUP, turns};
use super::loops::iterations;
use super::params::Params;
use super::shader::Pass;
use crate::engine::EngineError;
use crate::model::Problem;

/// The compiled pass and the samples.
pub(super) struct Forward {
    terms: Arc<Kernel>,
    samples: wgpu::Buffer,
}

/// A batch on the device after its forward pass.
pub(super) struct Batch<'a> {
    samples: &'a wgpu::Buffer,
    /// \[parameter\]\[network\].
    pub(super) theta: wgpu::Buffer,
    /// \[sample\]\[loss, s, delta\]\[network\].
    pub(super) output_terms: wgpu::Buffer,
    /// \[sample\]\[unit\]\[network\], as the next two.
    pub(super) r: wgpu::Buffer,
    /// f'.
    pub(super) first: wgpu::Buffer,
    /// f''.
    pub(super) second: wgpu::Buffer,
    /// The sizes of the batch; what a single pass needs besides is 0.
    pub(super) params: Params,
    /// Workgroups that hold an invocation for each network.
    pub(super) groups: usize,
}

/// How many loop iterations an invocation of the pass makes: for each of its samples and every hidden unit it goes through the M + 1
/// weights twice.
pub(super) fn loop_iterations(problem: &Problem) -> u64 {
    let weights = iterations(problem.shape.inputs as u64 + 1, 0);
    iterations(turns(problem.data.samples()), iterations(problem.shape.hidden as u64, 2 * weights))
}

impl Forward {
    pub(super) fn new(gpu: &Gpu, problem: &Problem) -> Result<Self, EngineError> {
        Ok(Self {
            terms: gpu.kernels.get(&gpu.device, Pass::Terms, problem)?,
            samples: gpu.device.buffer_with("samples", &packed_samples(problem))?,
        })
    }

    /// Runs the networks `theta` (S, D) on every sample.
    pub(super) fn run(
        &self,
        gpu: &Gpu,
        problem: &Problem,
        theta: ArrayView2<'_, f64>,
    ) -> Result<Batch<'_>, EngineError> {
        let device = &gpu.device;
        let networks = theta.nrows();
        let (samples, hidden) = (problem.data.samples(), problem.shape.hidden);
        let by_parameter: Vec<f32> = theta.t().iter().map(|&value| value as f32).collect();
        let batch = Batch {
            samples: &self.samples,
            theta: device.buffer_with("theta", &by_parameter)?,
            output_terms: device.buffer("output terms", samples * 3 * networks)?,
            r: device.buffer("r", samples * hidden * networks)?,
            first: device.buffer("f'", samples * hidden * networks)?,
            second: device.buffer("f''", samples * hidden * networks)?,
            params: Params { networks: networks as u32, samples: samples as u32, ..Params::default() },
            groups: networks.div_ceil(WORKGROUP),
        };
        let bound = self.terms.bind(device, &batch.buffers())?;
        self.terms.dispatch(device, &bound, &batch.params, [batch.groups, samples])?;
        Ok(batch)
    }
}

impl Batch<'_> {
    /// Everything that a pass after this one reads, in the order of its bindings.
    pub(super) fn buffers(&self) -> [&wgpu::Buffer; 6] {
        [self.samples, &self.theta, &self.output_terms, &self.r, &self.first, &self.second]
    }
}
