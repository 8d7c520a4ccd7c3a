//! The spectrum of a batch: terms, the Hessians from them, and all eigenvalues of each, checked one by one.

use std::sync::Arc;

use super::compiled::CompiledPass;
use super::eigenvalues::{MOST_PARAMETERS, PIVOTS, Steps};
use super::forward::{DeviceBatch, Forward};
use super::limits::MAX_GROUPS;
use super::pace::{in_paced_parts, sample_parts};
use super::params::Params;
use super::pass::Pass;
use super::session::Session;
use super::shader::OUTPUT_TERMS;
use crate::engine::{Allowed, EngineError, Spectra, Witnesses};
use crate::model::{PaperProblem, Theta};

/// The most networks per round.
const MOST_AT_ONCE: usize = 1 << 14;

/// `lambda_max` and `lambda_min` at each row of `theta`, in as many rounds as memory asks for.
pub(super) fn spectrum(gpu: &Session, problem: &PaperProblem<'_>, theta: Theta<'_>) -> Result<Spectra, EngineError> {
    let (samples, hidden, parameters) =
        (problem.data.samples(), problem.network.shape.hidden, problem.network.parameters());
    if parameters > MOST_PARAMETERS {
        return Err(EngineError::Limit(format!(
            "a network of M = {} inputs and N = {hidden} hidden units has D = {parameters} parameters, and the GPU \
             engine finds the eigenvalues of at most {MOST_PARAMETERS} x {MOST_PARAMETERS} Hessians: use fewer hidden \
             units, or --backend cpu",
            problem.network.shape.inputs
        )));
    }
    let largest = (samples * hidden.max(OUTPUT_TERMS)).max((parameters + PIVOTS) * parameters);
    let matrices = Steps::of(parameters).matrices_per_group();
    // A whole number of workgroups always fits: rounding up may add their matrices once more.
    let round = gpu.fitting(
        "an array over samples and hidden units, or the Hessian,",
        largest * matrices,
        MOST_AT_ONCE / matrices,
    )?;
    let mut spectra = Spectra::default();
    if theta.nrows() == 0 {
        return Ok(spectra);
    }
    let passes = SpectrumPasses::new(gpu, problem)?;
    for rows in theta.chunks(round * matrices) {
        passes.round(gpu, problem, rows, &mut spectra)?;
    }
    Ok(spectra)
}

/// The passes of a spectrum.
struct SpectrumPasses {
    forward: Forward,
    hessian: Arc<CompiledPass>,
    eigenvalues: Arc<CompiledPass>,
}

impl SpectrumPasses {
    fn new(gpu: &Session, problem: &PaperProblem<'_>) -> Result<Self, EngineError> {
        Ok(Self {
            forward: Forward::new(gpu, problem)?,
            hessian: gpu.pass(Pass::Hessian, problem)?,
            eigenvalues: gpu.pass(Pass::Eigenvalues, problem)?,
        })
    }

    /// Finds the spectra at `theta` (S, D) and appends them to `spectra`.
    fn round(
        &self,
        gpu: &Session,
        problem: &PaperProblem<'_>,
        theta: Theta<'_>,
        spectra: &mut Spectra,
    ) -> Result<(), EngineError> {
        let parameters = theta.ncols();
        let batch = self.forward.run(gpu, problem, theta)?;
        let matrices = hessians(gpu, problem, &batch, &self.hessian)?;
        let width = width(parameters);
        let found = eigenvalues(gpu, parameters, batch.params, &self.eigenvalues, &matrices)?;
        found.chunks_exact(width).for_each(|found| spectra.push(checked(found, parameters)));
        Ok(())
    }
}

/// Values that the eigenvalue pass leaves of each D x D matrix: its eigenvalues in ascending order and four columns
/// more of D, for its checks, and the scale.
pub(super) const fn width(parameters: usize) -> usize {
    5 * parameters + 1
}

/// The Hessian of each network of `batch`, \[network\]\[column\]\[row\].
pub(super) fn hessians(
    gpu: &Session,
    problem: &PaperProblem<'_>,
    batch: &DeviceBatch<'_>,
    pass: &CompiledPass,
) -> Result<wgpu::Buffer, EngineError> {
    let (device, parameters) = (&gpu.device, problem.network.parameters());
    let matrices = device.buffer("Hessians", parameters * parameters * batch.params.networks as usize)?;
    let bound = batch.bind(device, pass, &matrices)?;
    let tiles = parameters.div_ceil(4);
    for part in sample_parts(problem.data.samples(), 1) {
        let params = Params { first_sample: part.start, end_sample: part.end, ..batch.params };
        in_paced_parts(gpu.tuning.dispatch, tiles * (tiles + 1) / 2, MAX_GROUPS, |first_row, amount| {
            pass.dispatch(device, &bound, &Params { first_row, ..params }, [batch.groups, amount])
        })?;
    }
    Ok(matrices)
}

/// What the eigenvalue pass leaves of the D x D `matrices` of a batch with these `params`, [`width`] values of each.
pub(super) fn eigenvalues(
    gpu: &Session,
    parameters: usize,
    params: Params,
    pass: &CompiledPass,
    matrices: &wgpu::Buffer,
) -> Result<Vec<f32>, EngineError> {
    let (device, networks) = (&gpu.device, params.networks as usize);
    let steps = Steps::of(parameters);
    let groups = networks.div_ceil(steps.matrices_per_group());
    let places = groups * steps.matrices_per_group();
    let work = device.buffer("tridiagonalisation", (parameters + PIVOTS) * parameters * places)?;
    let output = device.buffer("eigenvalues", width(parameters) * places)?;
    let bound = pass.bind(device, &[matrices, &work, &output])?;
    steps.in_paced_parts(gpu.tuning.dispatch, groups, |groups, steps| {
        let params = Params {
            first_row: groups.start as u32,
            first_step: steps.start as u32,
            end_step: steps.end as u32,
            ..params
        };
        pass.dispatch(device, &bound, &params, [groups.len(), 1])
    })?;
    device.read(&output, width(parameters) * networks)
}

/// (`lambda_max`, `lambda_min`) from what the eigenvalue pass found of one matrix, if that agrees with the matrix.
pub(super) fn checked(found: &[f32], parameters: usize) -> Result<(f64, f64), String> {
    let (columns, scale) = found.split_at(5 * parameters);
    let scale = f64::from(scale[0]);
    if scale < 0.0 {
        return Err("its Hessian has elements that are not finite in f32".into());
    }
    let column = |k: usize| columns[k * parameters..(k + 1) * parameters].iter().map(|&value| f64::from(value));
    let length = |k: usize| column(k).map(|value| value * value).sum::<f64>().sqrt();
    let witnesses = Witnesses { trace: column(1).sum(), trace_sq: column(2).sum(), residuals: [length(3), length(4)] };
    witnesses.check(column(0), CHECKS)?;
    Ok((scale * f64::from(columns[parameters - 1]), scale * f64::from(columns[0])))
}

/// Three times the worst that f32 rounding left in a million random matrices of D = 4 to 128, without a trend in D.
const CHECKS: Allowed = Allowed { sums: 6e-6, residuals: 6e-6 };
