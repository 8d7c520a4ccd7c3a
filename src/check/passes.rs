//! Every pass of the GPU engine beside its twin in float64, which gets what the pass got from those before it: so an
//! error is that of the pass itself.

use std::ops::RangeInclusive;

use ndarray::{Array2, Axis};

use super::cases::{Case, gradient_size};
use super::comparison::Comparison;
use super::results::VERDICTS;
use super::training;
use crate::engine::{Descent, Engine, EngineError, Status, Stop};
use crate::gpu::{CompileTime, Family, ForwardOutput, Gpu, Pass, PassOutputs, Target, TrainPlan, Tuning};
use crate::model::{Activation, PaperProblem, Problem, Stream, Theta, appendix_c, initial_theta};
use crate::reference::{
    Reference, Terms, gradient_of, hessian, hessian_of, spectrum, spread, terms, trace_vv, trace_ww,
};
use crate::watch::Pieces;

/// Opens the engine that is checked, with a tuning.
pub type Opening<'a> = &'a dyn Fn(Tuning) -> Result<Gpu, EngineError>;

/// Sums of f32 terms, relative to the sizes of the terms: rounding leaves up to 2e-6.
const SUMS: f64 = 5e-6;
/// tr H^2 relative to itself.
const SQUARES: f64 = 1e-5;
/// All eigenvalues, relative to ||H||_F.
const EIGENVALUES: f64 = 1e-5;

/// Below this, next to numbers of size 1, values may count as 0.
const TINY: f64 = 1e-30;

/// The rounding step of f32, 2^-23, in those of f64 that [`spread`] counts with, 2^-53.
const F32_STEP: f64 = (1_u64 << 30) as f64;
/// The perturbation that the forward pass finds, over that of the reference, which bounds plain sums and knows the
/// device's exponential less well: they are 0.04 to 1.3.
const PERTURBATIONS: RangeInclusive<f64> = 0.01..=5.0;

/// How far off `pass` may be.
fn allowed(pass: Pass) -> f64 {
    match pass {
        Pass::Seeds => 0.0,
        Pass::Terms | Pass::Gradient | Pass::Trace | Pass::Hessian => SUMS,
        Pass::TraceSq | Pass::TraceSqAssembled => SQUARES,
        Pass::Eigenvalues => EIGENVALUES,
        Pass::Remaining => VERDICTS,
        // The training kernels.
        _ => training::IN_F32,
    }
}

/// The comparisons of all passes, in their order.
struct PassTable(Vec<Comparison>);

impl PassTable {
    fn of(&mut self, pass: Pass) -> &mut Comparison {
        // Every pass has its row: they are made from the same list.
        let place = Pass::ONE_HIDDEN.iter().position(|&other| other == pass).unwrap_or_default();
        &mut self.0[place]
    }
}

/// How many pieces of work [`compare`] is.
pub(super) fn pieces(cases: &[Case]) -> usize {
    1 + 2 * cases.len()
}

/// Compares every pass, with each training kernel wherever it can be used, and what they took to compile.
///
/// # Errors
/// [`EngineError`] if the device cannot be opened, and once `stop` was requested. What goes wrong with a pass is in its
/// comparison.
pub(super) fn compare(
    open: Opening<'_>,
    cases: &[Case],
    stop: &Stop,
    pieces: &Pieces<'_>,
) -> Result<(Vec<Comparison>, Vec<CompileTime>), EngineError> {
    let opened = |plan| -> Result<Gpu, EngineError> {
        let mut gpu = open(Tuning { plan, ..Tuning::default() })?;
        gpu.stop_on(stop);
        Ok(gpu)
    };
    let gpu = opened(None)?;
    let forced = TrainPlan::ALL.map(|plan| opened(Some(plan)).map(|gpu| (plan, gpu)));
    let mut forced = forced.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut table =
        PassTable(Pass::ONE_HIDDEN.iter().map(|&pass| Comparison::new(pass.name(), allowed(pass))).collect());

    compare_seeds(&mut forced, table.of(Pass::Seeds));
    stop.check()?;
    let mut few_at_once = open(Tuning { lanes: 24, steps: 5, ..Tuning::default() })?;
    few_at_once.stop_on(stop);
    compare_remaining(&mut few_at_once, table.of(Pass::Remaining));
    stop.check()?;
    pieces.one();
    for case in cases {
        let PaperProblem { network, data, .. } = case.paper();
        // The kernels that a sweep takes on the kinds of adapters.
        let chosen = [Family::Software, Family::Common, Family::Nvidia]
            .map(|family| TrainPlan::of(Target::of(&case.paper(), family)));
        // Where networks and data are small, every kernel can train them.
        let small = network.parameters() <= 64 && data.samples() <= 100;
        let expected = training::expected(case);
        for (plan, gpu) in forced.iter_mut().filter(|(plan, _)| small || chosen.contains(plan)) {
            let comparison = table.of(plan.pass());
            training::compare(gpu, case, &expected, comparison);
            stop.check()?;
        }
        pieces.one();
        match gpu.pass_outputs(&case.paper(), case.theta.view().into()) {
            Ok(found) => compare_evaluation(case, found, &mut table),
            Err(error) => table.of(Pass::Terms).fail(&case.name, &error.to_string()),
        }
        stop.check()?;
        pieces.one();
    }
    let engines = forced.iter().map(|(_, gpu)| gpu).chain([&gpu]);
    let times = engines.flat_map(Gpu::compile_times).collect();
    Ok((table.0, times))
}

/// theta_0 bit by bit, as a training of no steps leaves it. One kernel that trains is enough for that.
fn compare_seeds(engines: &mut [(TrainPlan, Gpu)], comparison: &mut Comparison) {
    let Ok(data) = appendix_c(10, 0, Stream::TrainData) else { return };
    let descent = Descent { max_steps: 0, tolerance: 0.0, ..Descent::default() };
    let both_words = u64::from(u32::MAX) - 30..u64::from(u32::MAX) + 35;
    for (hidden, seeds) in [(3, 0..130), (10, both_words), (3, u64::MAX - 20..u64::MAX)] {
        let problem = Problem::new(hidden, Activation::Sigmoid, data.clone());
        let at = format!("N = {hidden}, seeds from {}", seeds.start);
        let mut last = Ok(Array2::zeros((0, 0)));
        for (_, gpu) in engines.iter_mut() {
            last = gpu.train(&problem, &descent, seeds.clone()).map(|trained| trained.theta);
            if last.is_ok() {
                break;
            }
        }
        comparison.outcome(&at, last, |comparison, theta| {
            for (row, seed) in theta.rows().into_iter().zip(seeds) {
                let expected = initial_theta(problem.network.parameters(), seed, descent.init_range);
                let same = row.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                comparison.add_error(&format!("N = {hidden}, seed {seed}"), if same { 0.0 } else { 1.0 });
            }
        });
    }
}

/// The lists of networks that go on, dispatch by dispatch: of more networks than train at once, some converge and
/// others reach the step limit, as in float64. Rounding may decide for few of them; one that is lost never ends.
fn compare_remaining(gpu: &mut Gpu, comparison: &mut Comparison) {
    let Ok(data) = appendix_c(50, 0, Stream::TrainData) else { return };
    let problem = Problem::new(3, Activation::Sigmoid, data);
    let descent = Descent { max_steps: 60, tolerance: 1.0, ..Descent::default() };
    let seeds = 0..150;
    let expected = Reference::default().train(&problem, &descent, seeds.clone());
    let at = "150 networks, 24 at once";
    comparison.outcome(
        at,
        gpu.train(&problem, &descent, seeds).and_then(|found| Ok((found, expected?))),
        |all, found| {
            let (found, expected) = found;
            if found.status.contains(&Status::Pending) {
                all.fail(at, "networks were left out before their training ended");
            }
            let differ = found.status.iter().zip(&expected.status).filter(|(a, b)| a != b).count();
            all.add_error(at, differ as f64 / found.status.len() as f64);
            all.values = found.status.len();
        },
    );
}

fn compare_evaluation(case: &Case, found: PassOutputs, table: &mut PassTable) {
    let paper = case.paper();
    let network = paper.network;
    let networks: Vec<Given> =
        found.forward.iter().enumerate().map(|(k, output)| Given::new(case, k, output)).collect();
    let hessians: Vec<_> = networks.iter().map(|given| hessian_of(&paper, &given.theta, &given.terms)).collect();
    for (k, (given, from_terms)) in networks.iter().zip(&hessians).enumerate() {
        let expected = terms(&paper, &given.theta);
        compare_forward(case, k, given, &expected, table.of(Pass::Terms));
        compare_perturbation(case, k, given, &expected, from_terms, table.of(Pass::Terms));
    }
    let at = &case.name;
    table.of(Pass::Gradient).outcome(at, found.gradient, |comparison, gradient| {
        for (k, (row, given)) in gradient.rows().into_iter().zip(&networks).enumerate() {
            let expected = gradient_of(&paper, &given.theta, &given.terms);
            comparison.add(&case.at(k), &row.to_vec(), &expected, |_| given.gradient_size);
        }
    });
    table.of(Pass::Trace).outcome(at, found.sums, |comparison, sums| {
        for (k, given) in networks.iter().enumerate() {
            let total = |values: &[f64]| values.iter().sum::<f64>();
            let expected = [
                total(&given.terms.loss),
                trace_ww(&paper, &given.theta, &given.terms),
                trace_vv(&given.terms),
                total(&given.output.size),
                total(&given.output.perturbation),
            ];
            let root = (network.shape.hidden as f64).sqrt();
            let scale = [expected[0], root * given.size, expected[2], expected[3], expected[4]];
            let found: Vec<f64> = sums.iter().map(|sum| sum[k]).collect();
            comparison.add(&case.at(k), &found, &expected, |kind| scale[kind]);
        }
    });
    let squares: Vec<f64> = hessians.iter().map(|h| h.iter().map(|h| h * h).sum()).collect();
    for (pass, found) in [(Pass::TraceSq, found.trace_sq), (Pass::TraceSqAssembled, found.trace_sq_assembled)] {
        table.of(pass).outcome(at, found, |comparison, found| {
            for (k, (found, expected)) in found.iter().zip(&squares).enumerate() {
                comparison.add(&case.at(k), &[*found], &[*expected], |_| *expected);
            }
        });
    }
    // The eigenvalues are those of the device's own matrices.
    if let (Some(eigenvalues), Ok(matrices)) = (found.eigenvalues, &found.hessians) {
        table.of(Pass::Eigenvalues).outcome(at, eigenvalues, |comparison, eigenvalues| {
            for (k, (found, matrix)) in eigenvalues.rows().into_iter().zip(matrices.axis_iter(Axis(0))).enumerate() {
                let norm = matrix.iter().map(|h| h * h).sum::<f64>().sqrt();
                match spectrum(matrix, 0) {
                    Ok(expected) => {
                        let ascending: Vec<f64> = expected.eigenvalues.iter().rev().copied().collect();
                        comparison.add(&case.at(k), &found.to_vec(), &ascending, |_| norm);
                    }
                    Err(error) => comparison.fail(&case.at(k), &error.to_string()),
                }
            }
        });
    }
    table.of(Pass::Hessian).outcome(at, found.hessians, |comparison, matrices| {
        for (k, (matrix, expected)) in matrices.axis_iter(Axis(0)).zip(&hessians).enumerate() {
            let flat = |values: &mut dyn Iterator<Item = &f64>| values.copied().collect::<Vec<f64>>();
            let (found, expected) = (flat(&mut matrix.iter()), flat(&mut expected.iter()));
            comparison.add(&case.at(k), &found, &expected, |_| networks[k].size);
        }
    });
}

/// One network, with what the forward pass gave to the passes after it.
struct Given<'a> {
    theta: Vec<f64>,
    output: &'a ForwardOutput,
    terms: Terms,
    /// The size of the gradient's sums.
    gradient_size: f64,
    /// The size of [`crate::engine::Rounding`].
    size: f64,
}

impl<'a> Given<'a> {
    fn new(case: &Case, k: usize, output: &'a ForwardOutput) -> Self {
        let PaperProblem { network, data, .. } = case.paper();
        let theta = Theta::from(case.theta.view()).network(k).to_vec();
        let terms = Terms {
            samples: data.samples(),
            hidden: network.shape.hidden,
            z: vec![f64::NAN; data.samples()],
            loss: output.loss.clone(),
            s: output.s.clone(),
            delta: output.delta.clone(),
            r: output.r.clone(),
            df: output.df.clone(),
            ddf: output.ddf.clone(),
        };
        let gradient_size = gradient_size(&case.paper(), &theta, &terms);
        let size = spread(&case.paper(), &theta, &terms).size;
        Self { theta, output, terms, gradient_size, size }
    }
}

/// The forward pass of network `k`. An error of y moves f by f' times as much, and so on: the scale of each value is
/// its own size and what the sizes in y, or in z, may move it by.
fn compare_forward(case: &Case, k: usize, given: &Given<'_>, expected: &Terms, comparison: &mut Comparison) {
    let paper = case.paper();
    let (data, shape) = (paper.data, paper.network.shape);
    let at = case.at(k);
    for i in 0..expected.samples {
        let x = data.sample(i);
        let row = |values: &'_ [f64]| values[i * shape.hidden..(i + 1) * shape.hidden].to_vec();
        let sizes: Vec<f64> = (0..shape.hidden)
            .map(|n| {
                let weight = |m: usize| given.theta[shape.w(n, m)].abs();
                weight(0) + x.iter().enumerate().map(|(m, x)| weight(m + 1) * x.abs()).sum::<f64>()
            })
            .collect();
        let (r, df, ddf) = (row(&expected.r), row(&expected.df), row(&expected.ddf));
        let r_scale: Vec<f64> = (0..shape.hidden).map(|n| r[n].abs() + df[n].abs() * sizes[n] + TINY).collect();
        comparison.add(&at, &row(&given.terms.r), &r, |n| r_scale[n]);
        comparison.add(&at, &row(&given.terms.df), &df, |n| df[n].abs() + ddf[n].abs() * sizes[n] + TINY);
        // |f'''| is below 1 for every activation.
        comparison.add(&at, &row(&given.terms.ddf), &ddf, |n| ddf[n].abs() + sizes[n].min(1.0) + TINY);
        let output = (0..shape.hidden).map(|n| given.theta[shape.v(n)].abs() * r_scale[n]).sum::<f64>();
        let z_scale = given.theta[shape.v_bias()].abs() + output;
        let (loss, s, delta) = (expected.loss[i], expected.s[i], expected.delta[i]);
        let found = [given.terms.loss[i], given.terms.s[i], given.terms.delta[i]];
        let scale = [loss + delta.abs() * z_scale, s + s * z_scale, delta.abs() + s * z_scale];
        comparison.add(&at, &found, &[loss, s, delta], |kind| scale[kind] + TINY);
    }
    let found = given.output.size.iter().sum();
    comparison.add(&at, &[found], &[given.size], |_| given.size);
}

/// The perturbation of network `k`, a bound of what the errors of its terms do to its Hessian. Nothing in float64 is
/// equal to it. But it must cover the difference between the Hessian of the device's terms, `from_terms`, and the true
/// one, and be about as large as the reference's bound for the `expected` terms.
fn compare_perturbation(
    case: &Case,
    k: usize,
    given: &Given<'_>,
    expected: &Terms,
    from_terms: &Array2<f64>,
    comparison: &mut Comparison,
) {
    let found: f64 = given.output.perturbation.iter().sum();
    let difference = from_terms - &hessian(&case.problem, &given.theta);
    let moved = difference.iter().map(|h| h * h).sum::<f64>().sqrt();
    let plain = F32_STEP * spread(&case.paper(), &given.theta, expected).perturbation;
    // A NaN is a miss.
    let holds = moved <= found && PERTURBATIONS.contains(&(found / plain));
    if !holds {
        let why = format!(
            "its terms are off by {moved:e} in the Hessian, and their perturbation is {found:e}; the reference's bound \
             is {plain:e}"
        );
        comparison.fail(&case.at(k), &why);
    }
    comparison.values += 1;
}
