//! The forward pass of a batch: where every evaluation on the device begins.

use std::sync::Arc;

use super::compiled::CompiledPass;
use super::device::Device;
use super::limits::{WORKGROUP, turns};
use super::loops::iterations;
use super::params::Params;
use super::pass::Pass;
use super::rounding::{given_inputs, given_weights};
use super::session::Session;
use super::shader::OUTPUT_TERMS;
use crate::engine::EngineError;
use crate::model::{PaperProblem, Theta};

/// The compiled pass and the samples.
pub(super) struct Forward {
    terms: Arc<CompiledPass>,
    samples: wgpu::Buffer,
    /// The largest relative error of an input in f32.
    given: f64,
}

/// A batch on the device after its forward pass.
pub(super) struct DeviceBatch<'a> {
    /// \[sample\]\[x_1 .. x_M, q\].
    samples: &'a wgpu::Buffer,
    /// \[parameter\]\[network\], and then \[network\]: by how much rounding to f32 moved weights and inputs, relative.
    theta: wgpu::Buffer,
    /// \[sample\]\[loss, s, delta, size, perturbation\]\[network\].
    pub(super) output_terms: wgpu::Buffer,
    /// f(y), \[sample\]\[unit\]\[network\], as the next two.
    pub(super) r: wgpu::Buffer,
    /// f'(y).
    pub(super) df: wgpu::Buffer,
    /// f''(y).
    pub(super) ddf: wgpu::Buffer,
    /// The sizes of the batch. What only one pass reads is 0.
    pub(super) params: Params,
    /// Workgroups that hold an invocation for each network.
    pub(super) groups: usize,
}

/// How many loop iterations an invocation of the pass makes. For each of its samples it goes through the M + 1 weights
/// of every hidden unit twice, and then through the units and the M inputs once more.
pub(super) fn loop_iterations(problem: &PaperProblem<'_>) -> u64 {
    let (inputs, hidden) = (problem.network.shape.inputs as u64, problem.network.shape.hidden as u64);
    let units = iterations(hidden, 2 * iterations(inputs + 1, 0));
    iterations(turns(problem.data.samples()), units + iterations(hidden, 0) + iterations(inputs, 0))
}

impl Forward {
    pub(super) fn new(gpu: &Session, problem: &PaperProblem<'_>) -> Result<Self, EngineError> {
        Ok(Self {
            terms: gpu.pass(Pass::Terms, problem)?,
            samples: gpu.device.buffer_with("samples", &packed_samples(problem))?,
            given: given_inputs(problem.data),
        })
    }

    /// Runs the networks `theta` (S, D) on every sample.
    pub(super) fn run(
        &self,
        gpu: &Session,
        problem: &PaperProblem<'_>,
        theta: Theta<'_>,
    ) -> Result<DeviceBatch<'_>, EngineError> {
        let device = &gpu.device;
        let networks = theta.nrows();
        let (samples, hidden) = (problem.data.samples(), problem.network.shape.hidden);
        let batch = DeviceBatch {
            samples: &self.samples,
            theta: device.buffer_with("theta", &weights_by_parameter(theta, self.given))?,
            output_terms: device.buffer("output terms", samples * OUTPUT_TERMS * networks)?,
            r: device.buffer("r", samples * hidden * networks)?,
            df: device.buffer("f'", samples * hidden * networks)?,
            ddf: device.buffer("f''", samples * hidden * networks)?,
            params: Params { networks: networks as u32, samples: samples as u32, ..Params::default() },
            groups: networks.div_ceil(WORKGROUP),
        };
        let bound = self.terms.bind(device, &batch.buffers())?;
        self.terms.dispatch(device, &bound, &batch.params, [batch.groups, samples])?;
        Ok(batch)
    }
}

impl DeviceBatch<'_> {
    fn buffers(&self) -> [&wgpu::Buffer; 6] {
        [self.samples, &self.theta, &self.output_terms, &self.r, &self.df, &self.ddf]
    }

    /// Binds the batch to a pass after the forward pass (shaders/parts/evaluation.wgsl), with what that pass writes.
    pub(super) fn bind(
        &self,
        device: &Device,
        pass: &CompiledPass,
        output: &wgpu::Buffer,
    ) -> Result<wgpu::BindGroup, EngineError> {
        self.bind_to(device, pass, self.samples, output)
    }

    /// As [`Self::bind`], with `samples` in place of the rows of \[x_1 .. x_M, q\].
    pub(super) fn bind_to(
        &self,
        device: &Device,
        pass: &CompiledPass,
        samples: &wgpu::Buffer,
        output: &wgpu::Buffer,
    ) -> Result<wgpu::BindGroup, EngineError> {
        let [_, forward @ ..] = self.buffers();
        pass.bind(device, &[&[samples][..], &forward, &[output]].concat())
    }
}

/// The weights of networks, \[parameter\]\[network\], and then, \[network\], by how much rounding to f32 moved weights
/// and inputs, relative, if inputs are off by `given`.
pub(super) fn weights_by_parameter(theta: Theta<'_>, given: f64) -> Vec<f32> {
    let mut by_parameter: Vec<f32> = match theta {
        Theta::Float32(theta) => theta.t().iter().copied().collect(),
        Theta::Float64(theta) => theta.t().iter().map(|&weight| weight as f32).collect(),
    };
    // A large finite number for what has no bound: a shader need not know infinity.
    let rounding = |row| (given + given_weights(theta, row)).min(3e38) as f32;
    by_parameter.extend((0..theta.nrows()).map(rounding));
    by_parameter
}

/// The samples as shaders/parts/samples.wgsl has them: rows of \[x_1 .. x_M, q\], f32.
fn packed_samples(problem: &PaperProblem<'_>) -> Vec<f32> {
    let data = &problem.data;
    data.x()
        .rows()
        .into_iter()
        .zip(problem.q)
        .flat_map(|(x, &q)| x.to_vec().into_iter().chain([q]).map(|value| value as f32))
        .collect()
}
