//! What each pass of an evaluation leaves on the device, read back pass by pass: so each can be compared with its plain
//! twin, given the same input.

use ndarray::{Array2, Array3, ShapeBuilder};

use super::evaluate::{TraceSqPass, gradient, trace_sums};
use super::forward::{DeviceBatch, Forward};
use super::pass::Pass;
use super::session::Session;
use super::shader::OUTPUT_TERMS;
use super::spectrum::{eigenvalues, hessians, width};
use crate::engine::{EngineError, ExactRoute};
use crate::model::{PaperProblem, Theta};

/// What the forward pass leaves of one network. Arrays over units are (I, N), row-major: unit n of sample i at i N + n.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardOutput {
    /// l_i, the cross-entropy of each sample, (I,).
    pub loss: Vec<f64>,
    /// s_i = p_i (1 - p_i), (I,).
    pub s: Vec<f64>,
    /// delta_i = p_i - q_i, (I,).
    pub delta: Vec<f64>,
    /// What each sample adds to the size of [`crate::engine::Rounding`], (I,).
    pub size: Vec<f64>,
    /// What each sample adds to its perturbation, (I,).
    pub perturbation: Vec<f64>,
    /// f(y), (I, N).
    pub r: Vec<f64>,
    /// f'(y), (I, N).
    pub df: Vec<f64>,
    /// f''(y), (I, N).
    pub ddf: Vec<f64>,
}

/// What the passes leave of S networks.
#[derive(Debug)]
pub struct PassOutputs {
    /// The forward pass, network by network.
    pub forward: Vec<ForwardOutput>,
    /// dL/dtheta, (S, D).
    pub gradient: Result<Array2<f64>, EngineError>,
    /// The loss, tr H(w,w), tr H(v,v), the sum of the sizes and that of the perturbations, each (S,).
    pub sums: Result<[Vec<f64>; 5], EngineError>,
    /// tr H^2 over pairs of samples, (S,).
    pub trace_sq: Result<Vec<f64>, EngineError>,
    /// tr H^2 from the entries of H, (S,).
    pub trace_sq_assembled: Result<Vec<f64>, EngineError>,
    /// The Hessians, (S, D, D).
    pub hessians: Result<Array3<f64>, EngineError>,
    /// Their eigenvalues in ascending order, (S, D); `None` if there are no Hessians.
    pub eigenvalues: Option<Result<Array2<f64>, EngineError>>,
}

impl PassOutputs {
    /// Runs the passes at each row of `theta`.
    pub(super) fn of(gpu: &Session, problem: &PaperProblem<'_>, theta: Theta<'_>) -> Result<Self, EngineError> {
        let (device, parameters) = (&gpu.device, problem.network.parameters());
        let forward = Forward::new(gpu, problem)?;
        let batch = forward.run(gpu, problem, theta)?;
        let networks = theta.nrows();
        let compiled = |pass| gpu.pass(pass, problem);
        let trace_sq = |route| {
            let (found, _) = TraceSqPass::new(gpu, problem, route)?.run(gpu, problem, &batch)?;
            Ok(found)
        };
        let matrices = compiled(Pass::Hessian).and_then(|pass| hessians(gpu, problem, &batch, &pass));
        let spectra = |matrices: &wgpu::Buffer| {
            let pass = compiled(Pass::Eigenvalues)?;
            let found = eigenvalues(gpu, parameters, batch.params, &pass, matrices)?;
            let mut values = Array2::zeros((networks, parameters));
            for (mut row, found) in values.rows_mut().into_iter().zip(found.chunks_exact(width(parameters))) {
                let scale = f64::from(found[5 * parameters]);
                row.iter_mut().zip(found).for_each(|(value, &found)| *value = scale * f64::from(found));
            }
            Ok(values)
        };
        let read_matrices = |matrices: &wgpu::Buffer| {
            let found = device.read::<f32>(matrices, networks * parameters * parameters)?;
            shaped(Array3::from_shape_vec((networks, parameters, parameters), widened(&found)))
        };
        Ok(Self {
            forward: read_forward(gpu, problem, &batch)?,
            gradient: compiled(Pass::Gradient).and_then(|pass| {
                let found = gradient(device, problem, &batch, &pass)?;
                shaped(Array2::from_shape_vec((networks, parameters).f(), widened(&found)))
            }),
            sums: compiled(Pass::Trace).and_then(|pass| trace_sums(device, &batch, &pass)),
            trace_sq: trace_sq(ExactRoute::Pairwise),
            trace_sq_assembled: trace_sq(ExactRoute::Assembled),
            eigenvalues: matrices.as_ref().ok().map(spectra),
            hessians: matrices.and_then(|matrices| read_matrices(&matrices)),
        })
    }
}

fn shaped<T>(array: Result<T, ndarray::ShapeError>) -> Result<T, EngineError> {
    array.map_err(|error| EngineError::Device(error.to_string()))
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn read_forward(
    gpu: &Session,
    problem: &PaperProblem<'_>,
    batch: &DeviceBatch<'_>,
) -> Result<Vec<ForwardOutput>, EngineError> {
    let networks = batch.params.networks as usize;
    let (samples, hidden) = (problem.data.samples(), problem.network.shape.hidden);
    let read = |buffer: &wgpu::Buffer, rows: usize| gpu.device.read::<f32>(buffer, rows * networks);
    let output_terms = read(&batch.output_terms, samples * OUTPUT_TERMS)?;
    let [r, df, ddf] = [&batch.r, &batch.df, &batch.ddf].map(|buffer| read(buffer, samples * hidden));
    let (r, df, ddf) = (r?, df?, ddf?);
    let of_network = |network: usize| {
        let column = |values: &[f32]| -> Vec<f64> {
            values.iter().skip(network).step_by(networks).map(|&value| f64::from(value)).collect()
        };
        let terms = column(&output_terms);
        let term = |kind: usize| terms.iter().skip(kind).step_by(OUTPUT_TERMS).copied().collect();
        ForwardOutput {
            loss: term(0),
            s: term(1),
            delta: term(2),
            size: term(3),
            perturbation: term(4),
            r: column(&r),
            df: column(&df),
            ddf: column(&ddf),
        }
    };
    Ok((0..networks).map(of_network).collect())
}
