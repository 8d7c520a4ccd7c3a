//! The spectrum of a batch: terms, the Hessians from them, and all eigenvalues of each, checked one by one.

use ndarray::{ArrayView2, Axis};

use super::Gpu;
use super::forward::Forward;
use super::kernel::{Kernel, MAX_GROUPS};
use super::loops::iterations;
use super::pace::in_paced_parts;
use super::params::Params;
use super::shader::{MAX_WORKGROUP, Pass, SUM_BLOCK};
use crate::engine::{EngineError, Spectra, Witnesses};
use crate::model::Problem;

/// The largest D: four vectors of a matrix must fit 16 KiB of workgroup memory beside its eigenvalues.
const MOST_PARAMETERS: usize = 1000;

/// The most networks of one round.
const MOST_AT_ONCE: usize = 1 << 14;

/// Columns of `work` beyond those of the matrix, as in shaders/eigenvalues.wgsl.
const PIVOTS: usize = 4;

/// `lambda_max` and `lambda_min` at each row of `theta`, in as many rounds as memory asks for.
pub(super) fn spectrum(gpu: &Gpu, problem: &Problem, theta: ArrayView2<'_, f64>) -> Result<Spectra, EngineError> {
    let (samples, hidden, parameters) = (problem.data.samples(), problem.shape.hidden, problem.shape.parameters());
    if parameters > MOST_PARAMETERS {
        return Err(EngineError::Limit(format!(
            "a network of M = {} inputs and N = {hidden} hidden units has D = {parameters} parameters, and the GPU engine finds the \
             eigenvalues of at most {MOST_PARAMETERS} x {MOST_PARAMETERS} Hessians: use fewer hidden units, or --backend cpu",
            problem.shape.inputs
        )));
    }
    // The Hessian pass goes through all samples, in blocks; an invocation of the eigenvalue pass owns several rows of a large matrix.
    let rows = parameters.div_ceil(MAX_WORKGROUP);
    let summed = iterations(samples.div_ceil(SUM_BLOCK) as u64, iterations(SUM_BLOCK as u64, 0));
    let longest = summed.max((rows * 2 * parameters * (parameters + 17)) as u64);
    if let Some(limit) = gpu.loop_limit()
        && longest > u64::from(limit)
    {
        return Err(EngineError::Limit(format!(
            "the Hessian of D = {parameters} parameters from {samples} samples and its eigenvalues take {longest} loop iterations of an \
             invocation, but this software driver stops every invocation after {limit}: use fewer of them, or --backend cpu"
        )));
    }
    let largest = (samples * hidden.max(3)).max((parameters + PIVOTS) * parameters);
    let matrices = matrices_a_group(parameters);
    // A whole number of workgroups always fits: rounding up may add their matrices once more.
    let round = gpu.fitting(
        "an array over samples and hidden units, or the Hessian,",
        largest * matrices,
        MOST_AT_ONCE / matrices,
    )?;
    let passes = Passes::new(gpu, problem)?;
    let mut spectra = Spectra::default();
    for rows in theta.axis_chunks_iter(Axis(0), round * matrices) {
        passes.round(gpu, problem, rows, &mut spectra)?;
    }
    Ok(spectra)
}

/// Matrices that share a workgroup of the eigenvalue pass.
fn matrices_a_group(parameters: usize) -> usize {
    MAX_WORKGROUP / parameters.min(MAX_WORKGROUP)
}

/// The passes of a spectrum.
struct Passes {
    forward: Forward,
    hessian: Kernel,
    eigenvalues: Kernel,
}

impl Passes {
    fn new(gpu: &Gpu, problem: &Problem) -> Result<Self, EngineError> {
        let device = &gpu.device;
        Ok(Self {
            forward: Forward::new(gpu, problem)?,
            hessian: Kernel::new(device, Pass::Hessian, problem)?,
            eigenvalues: Kernel::new(device, Pass::Eigenvalues, problem)?,
        })
    }

    /// Finds the spectra at `theta` (S, D) and appends them to `spectra`.
    fn round(
        &self,
        gpu: &Gpu,
        problem: &Problem,
        theta: ArrayView2<'_, f64>,
        spectra: &mut Spectra,
    ) -> Result<(), EngineError> {
        let device = &gpu.device;
        let (networks, parameters) = theta.dim();
        let batch = self.forward.run(gpu, problem, theta)?;

        let matrices = device.buffer("Hessians", parameters * parameters * networks)?;
        let [samples, theta, output_terms, r, first, second] = batch.buffers();
        let bound = self.hessian.bind(device, &[samples, theta, output_terms, r, first, second, &matrices])?;
        let tiles = parameters.div_ceil(4);
        in_paced_parts(gpu.tuning.dispatch, tiles * (tiles + 1) / 2, MAX_GROUPS, |first_row, amount| {
            self.hessian.dispatch(device, &bound, &Params { first_row, ..batch.params }, [batch.groups, amount])
        })?;

        let groups = networks.div_ceil(matrices_a_group(parameters));
        let places = groups * matrices_a_group(parameters);
        let work = device.buffer("tridiagonalisation", (parameters + PIVOTS) * parameters * places)?;
        let width = 5 * parameters + 1;
        let output = device.buffer("eigenvalues", width * places)?;
        let bound = self.eigenvalues.bind(device, &[&matrices, &work, &output])?;
        in_paced_parts(gpu.tuning.dispatch, groups, MAX_GROUPS, |first_row, amount| {
            self.eigenvalues.dispatch(device, &bound, &Params { first_row, ..batch.params }, [amount, 1])
        })?;
        for found in device.read::<f32>(&output, width * networks)?.chunks_exact(width) {
            spectra.push(checked(found, parameters));
        }
        Ok(())
    }
}

/// (`lambda_max`, `lambda_min`) from what the eigenvalue pass says about one matrix, if that agrees with the matrix.
fn checked(found: &[f32], parameters: usize) -> Result<(f64, f64), String> {
    let (columns, scale) = found.split_at(5 * parameters);
    let scale = f64::from(scale[0]);
    if scale < 0.0 {
        return Err("its Hessian has elements that are not finite in f32".into());
    }
    let column = |k: usize| columns[k * parameters..(k + 1) * parameters].iter().map(|&value| f64::from(value));
    let length = |k: usize| column(k).map(|value| value * value).sum::<f64>().sqrt();
    let witnesses = Witnesses { trace: column(1).sum(), trace_sq: column(2).sum(), residuals: [length(3), length(4)] };
    witnesses.check(column(0))?;
    Ok((scale * f64::from(columns[parameters - 1]), scale * f64::from(columns[0])))
}
