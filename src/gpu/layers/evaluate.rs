//! Evaluating the closed forms and the spectra of networks of any depth: terms, then gradient, traces, tr H^2 or the
//! Hessian from them, and their rounding.

use std::sync::Arc;

use super::places::Places;
use super::samples::sample_row;
use super::target::LayerTarget;
use crate::engine::{EngineError, Evaluation, LayerTraces, Route, Spectra};
use crate::gpu::compiled::CompiledPass;
use crate::gpu::eigenvalues::{MOST_PARAMETERS, PIVOTS, Steps};
use crate::gpu::evaluate::{column_sums, widened};
use crate::gpu::forward::weights_by_parameter;
use crate::gpu::limits::{MAX_GROUPS, SUM_BLOCK, SUM_PART, WORKGROUP, turns};
use crate::gpu::loops::iterations;
use crate::gpu::pace::{in_paced_parts, sample_parts};
use crate::gpu::params::Params;
use crate::gpu::pass::Pass;
use crate::gpu::rounding::{Sums, entry_block, given_inputs};
use crate::gpu::route::ITEM_SUMS;
use crate::gpu::session::Session;
use crate::gpu::spectrum::{checked, eigenvalues, width};
use crate::model::{Layer, Problem, Theta};

/// The most networks that are evaluated together.
const MOST_AT_ONCE: usize = 1 << 14;

/// The most elements of one array of a batch, 512 MiB: several of them are to fit beside others on a small card.
const MOST_ELEMENTS: usize = 1 << 27;

/// The most invocations of the pass over samples: each has room of its own.
const MOST_INVOCATIONS: usize = 1 << 17;

/// Values of each unit in that room.
const WORK_FIELDS: usize = 5;

/// How many networks fit one round of passes that keep `of_network` elements more in one array.
fn networks_at_once(gpu: &Session, problem: &Problem, of_network: usize) -> Result<usize, EngineError> {
    if gpu.tuning.route == Route::Pairwise {
        return Err(EngineError::Limit(
            "the GPU engine has tr H^2 of networks of any depth from the assembled Hessian alone: leave out --route \
             pairwise, or use --backend cpu"
                .into(),
        ));
    }
    let (samples, places) = (problem.data.samples(), Places::of(problem.network.shape));
    places.items()?;
    let longest = loop_iterations(&places, samples);
    if let Some(limit) = gpu.loop_limit()
        && longest > u64::from(limit)
    {
        return Err(EngineError::Limit(format!(
            "networks of the widths {} take {longest} loop iterations of an invocation on I = {samples} samples, but \
             this software driver stops every invocation after {limit}: use narrower layers or fewer samples, or \
             --backend cpu",
            problem.network.shape
        )));
    }
    let of_sample = places.unit_rows().max(places.pair_elements).max(places.output_terms());
    let largest = samples
        .saturating_mul(of_sample)
        .max(problem.network.parameters() + 1)
        .max(WORK_FIELDS * places.all_units())
        .max(of_network);
    let most = (MOST_ELEMENTS / largest).clamp(1, MOST_AT_ONCE);
    gpu.fitting("an array over samples and pairs of units", largest, most)
}

/// The most loop iterations that an invocation of any of the passes makes.
fn loop_iterations(places: &Places, samples: usize) -> u64 {
    let count = |count: usize| count as u64;
    let outputs = places.layers.last().map_or(0, |layer| count(layer.units));
    let layers = count(places.layers.len());
    let product = |rows: u64, columns: u64, length: u64| iterations(rows, iterations(columns, iterations(length, 0)));
    let forward = |layer: &Layer| {
        let fed = iterations(count(layer.inputs) + 1, 0);
        2 * fed + iterations(count(layer.units), 2 * fed) + iterations(count(layer.units), 0)
    };
    // M_lm and E_lm of all pairs of layers, with the norms of M and R.
    let of_pair = |l: usize, m: usize| {
        let [below, above] = [l, m].map(|l| &places.layers[l]);
        let (units, fed, reached) = (count(below.units), count(above.inputs), count(above.units));
        let sums = product(units, reached, fed) + product(units, reached, reached) + product(units, 1, fed);
        sums + product(units, units, reached) + iterations(units * reached, 0)
    };
    let pairs = (0..places.layers.len()).flat_map(|l| (l + 1..places.layers.len()).map(move |m| (l, m)));
    let own = |layer: &Layer| iterations(count(layer.units * layer.units), 0) + iterations(count(layer.units), 0);
    let terms = iterations(count(places.layers[0].inputs), 0)
        + places.layers.iter().map(forward).sum::<u64>()
        + places.layers.iter().map(own).sum::<u64>()
        + pairs.map(|(l, m)| of_pair(l, m)).sum::<u64>()
        + 6 * product(1, outputs, outputs)
        + 4 * iterations(layers, iterations(layers, 0));
    let length = count(entry_block(samples));
    let entries = iterations(count(samples).div_ceil(length), iterations(length, 0)) + iterations(4, 0);
    let rows = samples.div_ceil(SUM_BLOCK) * places.output_terms();
    let block = iterations(count(SUM_BLOCK / SUM_PART), iterations(count(SUM_PART), 0));
    terms.max(entries).max(iterations(turns(rows), block))
}

/// Fails unless the engine evaluates networks of `problem`.
///
/// # Errors
/// [`EngineError::Limit`] that says what is too large.
pub(in crate::gpu) fn check_layers(gpu: &Session, problem: &Problem) -> Result<(), EngineError> {
    networks_at_once(gpu, problem, 0).map(|_| ())
}

/// The closed forms of networks of any depth at each row of `theta`, in as many rounds as memory asks for.
pub(in crate::gpu) fn evaluate_layers(
    gpu: &Session,
    problem: &Problem,
    theta: Theta<'_>,
) -> Result<Evaluation, EngineError> {
    let round = networks_at_once(gpu, problem, ITEM_SUMS)?;
    let mut all = Evaluation::default();
    if theta.nrows() == 0 {
        return Ok(all);
    }
    let target = gpu.layer_target(problem);
    let forward = LayerForward::new(gpu, problem, target)?;
    let passes = [Pass::LayerGradient, Pass::LayerSums, Pass::LayerTraceSq].map(|pass| gpu.pass_for(pass, target));
    let [gradient, sums, trace_sq] = passes;
    let (gradient, sums, trace_sq) = (gradient?, sums?, trace_sq?);
    let items = gpu.device.buffer_with("items", &forward.places.item_table())?;
    for rows in theta.chunks(round) {
        let networks = rows.nrows();
        let batch = forward.run(gpu, problem, rows)?;
        let values = batch.gradient(gpu, problem, &gradient)?;
        let squares: Vec<f64> = values.iter().map(|&g| f64::from(g) * f64::from(g)).collect();
        all.gradient_sq.extend(column_sums(&squares, networks, 1, 0));

        let kinds = forward.places.output_terms();
        let found = batch.sums(gpu, problem, &sums)?;
        let [loss, sizes, perturbations] = [0, 1, 2].map(|kind| column_sums(&found, networks, kinds, kind));
        let traces: Vec<Vec<f64>> = (3..kinds).map(|kind| column_sums(&found, networks, kinds, kind)).collect();
        all.loss.extend(loss);
        all.layer_trace.extend((0..networks).map(|k| LayerTraces::new(traces.iter().map(|trace| trace[k]))));

        let squares = batch.trace_sq(gpu, &trace_sq, &items)?;
        let shape = problem.network.shape;
        let how = Sums::of_layers(shape, problem.data.samples(), forward.places.items()?);
        let values = forward.places.unit_rows() + forward.places.pair_elements;
        let spreads = sizes.iter().zip(&perturbations);
        all.rounding.extend(
            squares
                .iter()
                .zip(spreads)
                .map(|(&square, (&size, &perturbation))| how.rounding(shape, values, square, (size, perturbation))),
        );
        all.trace_sq.extend(squares);
    }
    Ok(all)
}

/// `lambda_max` and `lambda_min` of networks of any depth at each row of `theta`.
pub(in crate::gpu) fn layer_spectrum(
    gpu: &Session,
    problem: &Problem,
    theta: Theta<'_>,
) -> Result<Spectra, EngineError> {
    let parameters = problem.network.parameters();
    if parameters > MOST_PARAMETERS {
        return Err(EngineError::Limit(format!(
            "a network of the widths {} has D = {parameters} parameters, and the GPU engine finds the eigenvalues of \
             at most {MOST_PARAMETERS} x {MOST_PARAMETERS} Hessians: use narrower layers, or --backend cpu",
            problem.network.shape
        )));
    }
    let matrices = Steps::of(parameters).matrices_per_group();
    // A whole number of workgroups always fits: rounding up may add their matrices once more.
    let round = networks_at_once(gpu, problem, 2 * matrices * (parameters + PIVOTS) * parameters)?;
    let mut spectra = Spectra::default();
    if theta.nrows() == 0 {
        return Ok(spectra);
    }
    let target = gpu.layer_target(problem);
    let forward = LayerForward::new(gpu, problem, target)?;
    let (hessian, values) = (gpu.pass_for(Pass::LayerHessian, target)?, gpu.pass_for(Pass::Eigenvalues, target)?);
    let items = gpu.device.buffer_with("items", &forward.places.item_table())?;
    for rows in theta.chunks(round) {
        let batch = forward.run(gpu, problem, rows)?;
        let matrices = batch.hessians(gpu, problem, &hessian, &items)?;
        let found = eigenvalues(gpu, parameters, batch.params, &values, &matrices)?;
        found.chunks_exact(width(parameters)).for_each(|found| spectra.push(checked(found, parameters)));
    }
    Ok(spectra)
}

/// The compiled forward pass with what it reads.
struct LayerForward {
    terms: Arc<CompiledPass>,
    samples: wgpu::Buffer,
    table: wgpu::Buffer,
    places: Places,
    /// The largest relative error of an input in f32.
    given: f64,
}

/// A batch on the device after its forward pass.
struct EvaluatedLayers<'a> {
    forward: &'a LayerForward,
    /// \[sample\]\[row\]\[network\].
    units: wgpu::Buffer,
    /// \[sample\]\[element\]\[network\].
    pairs: wgpu::Buffer,
    /// \[sample\]\[loss, size, perturbation, trace of each layer\]\[network\].
    output_terms: wgpu::Buffer,
    params: Params,
    /// Workgroups that hold an invocation for each network.
    groups: usize,
}

impl LayerForward {
    fn new(gpu: &Session, problem: &Problem, target: LayerTarget) -> Result<Self, EngineError> {
        let places = Places::of(problem.network.shape);
        let rows: Vec<f32> = (0..problem.data.samples()).flat_map(|i| sample_row(problem, i)).collect();
        Ok(Self {
            terms: gpu.pass_for(Pass::LayerTerms, target)?,
            samples: gpu.device.buffer_with("samples", &rows)?,
            table: gpu.device.buffer_with("places", &places.table())?,
            places,
            given: given_inputs(&problem.data),
        })
    }

    /// Runs the networks `theta` (S, D) on every sample.
    fn run(&self, gpu: &Session, problem: &Problem, theta: Theta<'_>) -> Result<EvaluatedLayers<'_>, EngineError> {
        let (device, places, samples) = (&gpu.device, &self.places, problem.data.samples());
        let networks = theta.nrows();
        let room = WORK_FIELDS * places.all_units() * networks;
        let at_once = (MOST_INVOCATIONS / networks).min(gpu.binding_elements() / room).clamp(1, samples);
        let batch = EvaluatedLayers {
            forward: self,
            units: device.buffer("units", samples * places.unit_rows() * networks)?,
            pairs: device.buffer("pairs of units", samples * places.pair_elements * networks)?,
            output_terms: device.buffer("output terms", samples * places.output_terms() * networks)?,
            params: Params { networks: networks as u32, samples: samples as u32, ..Params::default() },
            groups: networks.div_ceil(WORKGROUP),
        };
        let theta = device.buffer_with("theta", &weights_by_parameter(theta, self.given))?;
        let work = device.buffer("work", room * at_once)?;
        let buffers = [&self.table, &self.samples, &theta, &batch.units, &batch.pairs, &batch.output_terms, &work];
        let bound = self.terms.bind(device, &buffers)?;
        let most = u32::try_from(at_once).unwrap_or(MAX_GROUPS).min(MAX_GROUPS);
        in_paced_parts(gpu.tuning.dispatch, samples, most, |first_row, rows| {
            self.terms.dispatch(device, &bound, &Params { first_row, ..batch.params }, [batch.groups, rows])
        })?;
        Ok(batch)
    }
}

impl EvaluatedLayers<'_> {
    /// dL/dtheta, \[parameter\]\[network\].
    fn gradient(&self, gpu: &Session, problem: &Problem, pass: &CompiledPass) -> Result<Vec<f32>, EngineError> {
        let (device, parameters) = (&gpu.device, problem.network.parameters());
        let values = parameters * self.params.networks as usize;
        let gradient = device.buffer("gradient", values)?;
        let bound = pass.bind(device, &[&self.forward.table, &self.units, &gradient])?;
        for part in sample_parts(problem.data.samples(), turns(parameters)) {
            let params = Params { first_sample: part.start, end_sample: part.end, ..self.params };
            pass.dispatch(device, &bound, &params, [self.groups, parameters])?;
        }
        device.read(&gradient, values)
    }

    /// What the forward pass leaves of the samples, summed over each block of them: \[block\]\[kind\]\[network\].
    fn sums(&self, gpu: &Session, problem: &Problem, pass: &CompiledPass) -> Result<Vec<f64>, EngineError> {
        let device = &gpu.device;
        let rows = problem.data.samples().div_ceil(SUM_BLOCK) * self.forward.places.output_terms();
        let values = rows * self.params.networks as usize;
        let sums = device.buffer("block sums", values)?;
        let bound = pass.bind(device, &[&self.output_terms, &sums])?;
        pass.dispatch(device, &bound, &self.params, [self.groups, rows])?;
        Ok(widened(&device.read(&sums, values)?))
    }

    /// tr H^2 of each network.
    fn trace_sq(&self, gpu: &Session, pass: &CompiledPass, items: &wgpu::Buffer) -> Result<Vec<f64>, EngineError> {
        let (device, networks) = (&gpu.device, self.params.networks as usize);
        let count = self.forward.places.items()?;
        let slots = ITEM_SUMS.min(count);
        let sums = device.buffer("item sums", slots * networks)?;
        let bound = pass.bind(device, &[items, &self.units, &self.pairs, &sums])?;
        // A dispatch has at most one item for each of its sums, so that none is added to twice at once.
        in_paced_parts(gpu.tuning.dispatch, count, slots as u32, |first_row, rows| {
            pass.dispatch(device, &bound, &Params { first_row, ..self.params }, [self.groups, rows])
        })?;
        Ok(column_sums(&widened(&device.read(&sums, slots * networks)?), networks, 1, 0))
    }

    /// The Hessian of each network, \[network\]\[column\]\[row\].
    fn hessians(
        &self,
        gpu: &Session,
        problem: &Problem,
        pass: &CompiledPass,
        items: &wgpu::Buffer,
    ) -> Result<wgpu::Buffer, EngineError> {
        let (device, parameters) = (&gpu.device, problem.network.parameters());
        let matrices = device.buffer("Hessians", parameters * parameters * self.params.networks as usize)?;
        let bound = pass.bind(device, &[items, &self.units, &self.pairs, &matrices])?;
        for part in sample_parts(problem.data.samples(), 1) {
            let params = Params { first_sample: part.start, end_sample: part.end, ..self.params };
            in_paced_parts(gpu.tuning.dispatch, self.forward.places.items()?, MAX_GROUPS, |first_row, rows| {
                pass.dispatch(device, &bound, &Params { first_row, ..params }, [self.groups, rows])
            })?;
        }
        Ok(matrices)
    }
}
