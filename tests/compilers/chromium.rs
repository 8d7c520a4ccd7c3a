//! Chromium's WebGPU (Dawn, and Tint as its compiler): a second implementation beside wgpu and naga. It runs on the
//! same software driver, SwiftShader, as the engine does here, so their results can be compared bit by bit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use sharpsweep::engine::{Descent, Engine, Status};
use sharpsweep::gpu::{Gpu, Pass, PassOutputs, Target, TrainPlan, Tuning, choose_adapter, wgsl};
use sharpsweep::model::{Activation, Dataset, Network, Problem, Stream, appendix_c, initial_theta};

use crate::texts::{drawn, texts_of};

/// What chromium.mjs gets.
#[derive(Default, Serialize)]
struct Job {
    texts: Vec<Compiled>,
    /// Bytes in hexadecimal.
    buffers: BTreeMap<String, String>,
    dispatches: Vec<Dispatch>,
}

#[derive(Serialize)]
struct Compiled {
    wgsl: String,
    entry: String,
}

#[derive(Serialize)]
struct Dispatch {
    wgsl: String,
    entry: &'static str,
    bind: Vec<String>,
    groups: [usize; 2],
}

/// What it answers.
#[derive(Deserialize)]
struct Answers {
    product: String,
    adapter: String,
    /// Of each text.
    messages: Vec<Vec<String>>,
    buffers: BTreeMap<String, String>,
    /// Errors that belong to no text, such as the loss of the device.
    uncaught: Vec<String>,
}

impl Job {
    /// Has Chromium do it; `tests/webgpu.sh` installs what that needs.
    fn done(&self) -> Answers {
        let folder = tempfile::tempdir().unwrap();
        let [job, answers] = ["job.json", "answers.json"].map(|name| folder.path().join(name));
        std::fs::write(&job, serde_json::to_string(self).unwrap()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compilers/chromium.mjs");
        let ended = Command::new("node").arg(script).args([&job, &answers]).output();
        let ended = ended.unwrap_or_else(|error| panic!("node: {error}: run tests/webgpu.sh, which installs it"));
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        serde_json::from_slice(&std::fs::read(answers).unwrap()).unwrap()
    }

    fn text(&mut self, wgsl: &str, entry: &str) {
        self.texts.push(Compiled { wgsl: wgsl.to_owned(), entry: entry.to_owned() });
    }

    /// A buffer of four-byte elements.
    fn buffer(&mut self, name: &str, words: impl IntoIterator<Item = u32>) -> String {
        let bytes = words.into_iter().flat_map(u32::to_le_bytes);
        let hex = bytes.fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        assert!(self.buffers.insert(name.to_owned(), hex).is_none(), "two buffers are called {name}");
        name.to_owned()
    }

    fn floats(&mut self, name: &str, values: impl IntoIterator<Item = f32>) -> String {
        self.buffer(name, values.into_iter().map(f32::to_bits))
    }

    /// Room for so many elements, all 0.
    fn room(&mut self, name: &str, elements: usize) -> String {
        self.buffer(name, std::iter::repeat_n(0, elements))
    }

    /// Runs `pass` with these fields of its params, the rest 0.
    fn run(&mut self, pass: Pass, text: &str, fields: &[(&str, u32)], bind: &[&String], groups: [usize; 2]) {
        let params = self.buffer(&format!("params of dispatch {}", self.dispatches.len()), params(text, fields));
        let bind = std::iter::once(&params).chain(bind.iter().copied()).cloned().collect();
        self.dispatches.push(Dispatch { wgsl: with_zeros(text), entry: pass.name(), bind, groups });
    }
}

impl Answers {
    fn words(&self, buffer: &str) -> Vec<u32> {
        let hex = self.buffers[buffer].as_bytes();
        let word = |hex: &[u8]| u32::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap().swap_bytes();
        hex.chunks_exact(8).map(word).collect()
    }

    fn floats(&self, buffer: &str) -> Vec<f32> {
        self.words(buffer).into_iter().map(f32::from_bits).collect()
    }
}

/// `text` with the zero written out wherever a function declares a variable without a value. In WGSL both mean the
/// same, each time that the declaration is reached; but Chromium 156 on SwiftShader zeroes the variable only once, and
/// in the next trip of a loop it still holds what the last one left.
fn with_zeros(text: &str) -> String {
    let line = |line: &str| {
        let declared = line.trim_start().strip_prefix("var ").filter(|_| line.starts_with(' '));
        let typed = declared.and_then(|declared| declared.strip_suffix(';')?.split_once(": "));
        match typed.filter(|(_, ty)| !ty.contains('=')) {
            Some((_, ty)) => format!("{} = {ty}();\n", line.trim_end_matches(';')),
            None => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

/// The uniform of `text`, whose struct says where each field lies.
fn params(text: &str, fields: &[(&str, u32)]) -> Vec<u32> {
    let module = naga::front::wgsl::parse_str(text).unwrap();
    let inner = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).map(|(_, ty)| &ty.inner);
    let Some(naga::TypeInner::Struct { members, span }) = inner else { panic!("no params") };
    let mut words = vec![0; *span as usize / 4];
    for (name, value) in fields {
        let member = members.iter().find(|member| member.name.as_deref() == Some(name));
        words[member.unwrap_or_else(|| panic!("params have no {name}")).offset as usize / 4] = *value;
    }
    words
}

/// A constant of `text`, if it has it.
fn constant(text: &str, name: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("const {name}: "))?.strip_suffix(';'))?;
    value.split_once(" = ")?.1.trim_end_matches(['u', 'f']).parse().ok()
}

fn count(text: &str, name: &str) -> Option<usize> {
    constant(text, name).map(|value| value as usize)
}

#[test]
fn chromium_compiles_every_kernel_without_a_message() {
    let texts = texts_of(&[1, 2, 3, 5, 30, 100], &[1, 2, 3, 5, 8, 10, 14, 17, 32, 64, 100]);
    let drawn = drawn(&texts, 60);
    let mut job = Job::default();
    for text in &drawn {
        job.text(&text.wgsl, text.pass.name());
    }
    let answers = job.done();
    let mut misses = answers.uncaught.iter().map(|message| format!("{message}\n")).collect::<String>();
    for (text, messages) in drawn.iter().zip(&answers.messages) {
        for message in messages {
            let _ = writeln!(misses, "{}: {message}", text.name);
        }
    }
    assert_eq!(answers.messages.len(), drawn.len());
    println!("{}, {}: {} texts compiled", answers.product, answers.adapter, drawn.len());
    assert!(misses.is_empty(), "{misses}");
}

/// A compiler that says nothing must not look like a pass.
#[test]
fn chromium_says_what_is_wrong() {
    let head = "@group(0) @binding(0) var<storage, read_write> output: array<f32>;
        @compute @workgroup_size(64) fn f(@builtin(local_invocation_index) lane: u32) {";
    let mut job = Job::default();
    for body in ["", "nothing();", "if output[lane] > 0.0 { workgroupBarrier(); }", "return; output[0] = 1.0;"] {
        job.text(&format!("{head} {body} }}"), "f");
    }
    let answers = job.done();
    let expected = ["", "unresolved call target", "must only be called from uniform control flow", "unreachable"];
    for (messages, expected) in answers.messages.iter().zip(expected) {
        assert_eq!(messages.is_empty(), expected.is_empty(), "{messages:?}");
        assert!(messages.iter().any(|message| message.contains(expected)) || expected.is_empty(), "{messages:?}");
    }
    assert_eq!(answers.uncaught.len(), 2, "{:?}", answers.uncaught);
}

const NETWORKS: usize = 70;
const SAMPLES: usize = 50;
const STEPS: u32 = 20;

/// The paper's data, rounded to f32.
fn problem(hidden: usize) -> Problem {
    let data = appendix_c(SAMPLES, 0, Stream::TrainData).unwrap();
    let x = data.x().mapv(|x| f64::from(x as f32));
    Problem::new(hidden, Activation::Sigmoid, Dataset::new(x, data.q().unwrap().to_owned()).unwrap())
}

fn swiftshader(tuning: Tuning) -> Gpu {
    let adapter = choose_adapter(Some("SwiftShader")).unwrap_or_else(|error| panic!("{error}: run tests/webgpu.sh"));
    Gpu::new(adapter, tuning).unwrap()
}

/// The samples as the training kernel `text` takes them: shaders/parts/rows_uniform.wgsl says how, train_streamed.wgsl
/// where it differs.
fn training_samples(problem: &Problem, text: &str) -> Vec<f32> {
    let inputs = problem.data.inputs();
    // Constants are f32.
    let scale = |name| f64::from(constant(text, name).unwrap() as f32);
    let width = count(text, "WIDTH").unwrap_or(1);
    let padded = SAMPLES.next_multiple_of(width.max(count(text, "TILE").unwrap_or(1)));
    let value = |sample: usize, k: usize| match sample {
        sample if sample >= SAMPLES => 0.0,
        sample if k < inputs => (problem.data.sample(sample)[k] * scale("Y_SCALE")) as f32,
        sample => (scale("Z_SCALE") * (1.0 - 2.0 * problem.data.q().unwrap()[sample])) as f32,
    };
    if text.contains("samples: array<f32>") {
        return (0..padded).flat_map(|sample| (0..=inputs).map(move |k| value(sample, k))).collect();
    }
    let mut rows = Vec::new();
    for tile in 0..padded / width {
        rows.extend((0..=inputs).flat_map(|k| (0..width).map(move |sample| value(tile * width + sample, k))));
        rows.resize(rows.len().next_multiple_of(4), 0.0);
    }
    if let Some(uniform) = count(text, "UNIFORM_ROWS") {
        rows.resize(4 * uniform, 0.0);
    }
    rows
}

/// What a comparison found: of how many values how many differ, and by how much at most, relative to the largest.
#[derive(Default)]
struct Differences(String, bool);

impl Differences {
    fn add(&mut self, what: &str, found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len(), "{what}");
        let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        assert!(largest > 0.0, "{what}: nothing but zeros");
        let differ = found.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits());
        let worst = differ.clone().fold(0.0, |worst: f64, (a, b)| worst.max((a - b).abs() / largest));
        let count = differ.count();
        self.1 |= count > 0;
        let _ = writeln!(self.0, "{what}: {count} of {} values differ, by up to {worst:.1e}", found.len());
    }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

/// Training by every plan, with and without weight decay, from weights that the seeds gave.
#[test]
fn chromium_trains_to_the_bits_of_the_engine() {
    let mut job = Job::default();
    let mut runs = Vec::new();
    for (plan, hidden, decay) in [
        (TrainPlan::Narrow, 3, 0.0),
        (TrainPlan::Narrow, 10, 0.01),
        (TrainPlan::Split, 3, 0.01),
        (TrainPlan::Shared, 17, 0.0),
        (TrainPlan::Streamed, 3, 0.01),
    ] {
        let name = format!("{plan:?}, N = {hidden}, weight decay {decay}");
        let problem = problem(hidden);
        let mut gpu = swiftshader(Tuning { plan: Some(plan), ..Tuning::default() });
        let descent =
            Descent { step_size: 0.01, max_steps: STEPS, tolerance: 0.0, weight_decay: decay, ..Descent::default() };
        let expected = gpu.train(&problem, &descent, 5..5 + NETWORKS as u64).unwrap();

        let family = sharpsweep::gpu::Family::Software;
        let target = Target { decays: decay > 0.0, ..Target::of(&problem.paper().unwrap(), family) };
        let parameters = problem.network.parameters();
        let theta = job.room(&format!("theta, {name}"), NETWORKS * parameters);
        let networks = ("networks", NETWORKS as u32);
        let seeds = wgsl(Pass::Seeds, target);
        let fields = [networks, ("seed_low", 5), ("init_range", descent.init_range.to_bits())];
        job.run(Pass::Seeds, &seeds, &fields, &[&theta], [NETWORKS.div_ceil(64), parameters.div_ceil(4)]);
        let start = job.room(&format!("theta_0, {name}"), NETWORKS * parameters);
        job.run(Pass::Seeds, &seeds, &fields, &[&start], [NETWORKS.div_ceil(64), parameters.div_ceil(4)]);

        let text = wgsl(plan.pass(), target);
        let together = count(&text, "GROUP").unwrap_or(64) / count(&text, "LANES").unwrap_or(1);
        let groups = NETWORKS.div_ceil(together);
        let samples = job.floats(&format!("samples, {name}"), training_samples(&problem, &text));
        let list = [NETWORKS as u32, groups as u32, 1, 1].into_iter().chain(0..NETWORKS as u32);
        let list = job.buffer(&format!("unfinished, {name}"), list);
        let status = job.buffer(&format!("status, {name}"), [Status::Pending as u32; NETWORKS]);
        let steps = job.room(&format!("steps, {name}"), NETWORKS);
        let gradient = job.room(&format!("gradient, {name}"), NETWORKS * parameters);
        let mut bind = vec![&samples, &list, &theta, &status, &steps];
        bind.extend((plan == TrainPlan::Streamed).then_some(&gradient));
        let fields = [
            networks,
            ("samples", SAMPLES as u32),
            ("at_once", NETWORKS as u32),
            ("steps", STEPS + 1),
            ("max_steps", STEPS),
            ("step_size", (descent.step_size as f32).to_bits()),
            ("weight_decay", (decay as f32).to_bits()),
        ];
        job.run(plan.pass(), &text, &fields, &bind, [groups, 1]);
        runs.push((name, problem, expected));
    }
    let answers = job.done();
    assert_eq!(answers.uncaught, [""; 0]);
    let mut differences = Differences::default();
    for (name, problem, expected) in runs {
        let seeds = (5..5 + NETWORKS as u64).flat_map(|seed| initial_theta(problem.network.parameters(), seed, 10.0));
        let theta_0 = answers.floats(&format!("theta_0, {name}"));
        differences.add(&format!("seeds, {name}"), &widened(&theta_0), &widened(&seeds.collect::<Vec<f32>>()));
        let theta = answers.floats(&format!("theta, {name}"));
        let expected_theta: Vec<f32> = expected.theta.iter().copied().collect();
        differences.add(&format!("training, {name}"), &widened(&theta), &widened(&expected_theta));
        let status: Vec<u32> = expected.status.iter().map(|&status| status as u32).collect();
        assert_eq!(answers.words(&format!("status, {name}")), status, "{name}");
        assert_eq!(answers.words(&format!("steps, {name}")), expected.steps, "{name}");
        assert!(theta != theta_0, "{name}");
    }
    println!("{}, {}, beside the engine on SwiftShader:\n{}", answers.product, answers.adapter, differences.0);
    assert!(!differences.1, "{}", differences.0);
}

/// Closed forms by both routes, Hessians and eigenvalues.
#[test]
fn chromium_evaluates_to_the_bits_of_the_engine() {
    let problem = problem(3);
    let Network { shape, .. } = problem.network;
    let (parameters, hidden) = (shape.parameters(), problem.paper().unwrap().network.shape.hidden);
    let weights: Vec<f32> =
        (0..NETWORKS as u64).flat_map(|seed| initial_theta(shape.parameters(), seed, 2.0)).collect();
    let theta = Array2::from_shape_vec((NETWORKS, parameters), weights).unwrap();
    let expected = swiftshader(Tuning::default()).pass_outputs(&problem.paper().unwrap(), theta.view().into()).unwrap();

    let text = |pass| wgsl(pass, Target::of(&problem.paper().unwrap(), sharpsweep::gpu::Family::Software));
    let terms = text(Pass::Terms);
    let kinds = count(&terms, "OUTPUT_TERMS").unwrap();
    let mut job = Job::default();
    let rows = (0..SAMPLES).flat_map(|i| {
        let x = problem.data.sample(i).to_vec();
        x.into_iter().chain([problem.data.q().unwrap()[i]]).map(|value| value as f32)
    });
    let samples = job.floats("samples", rows);
    // After the weights, by how much each network's weights and inputs are off: f32 has them all.
    let by_parameter = theta.t().iter().copied().chain([0.0; NETWORKS]).collect::<Vec<f32>>();
    let theta = job.floats("theta", by_parameter);
    let output_terms = job.room("output terms", SAMPLES * kinds * NETWORKS);
    let [r, df, ddf] = ["r", "f'", "f''"].map(|name| job.room(name, SAMPLES * hidden * NETWORKS));
    let fields = [("networks", NETWORKS as u32), ("samples", SAMPLES as u32), ("end_sample", SAMPLES as u32)];
    let groups = NETWORKS.div_ceil(64);
    let forward = [&theta, &output_terms, &r, &df, &ddf];
    let bound = |samples, output| [&[samples][..], &forward, &[output]].concat();
    job.run(Pass::Terms, &terms, &fields, &[&[&samples][..], &forward].concat(), [groups, SAMPLES]);

    let gradient = job.room("gradient", parameters * NETWORKS);
    job.run(Pass::Gradient, &text(Pass::Gradient), &fields, &bound(&samples, &gradient), [groups, parameters]);
    // One block of samples.
    let sums = job.room("sums", 5 * NETWORKS);
    job.run(Pass::Trace, &text(Pass::Trace), &fields, &bound(&samples, &sums), [groups, 1]);
    let pair_rows = SAMPLES.div_ceil(2);
    let pairwise = job.room("tr H^2 by pairs", pair_rows * NETWORKS);
    job.run(Pass::TraceSq, &text(Pass::TraceSq), &fields, &bound(&samples, &pairwise), [groups, pair_rows]);

    let assembled_text = text(Pass::TraceSqAssembled);
    let width = ["INPUT_TILE", "INPUT_TILES"].map(|name| count(&assembled_text, name).unwrap()).iter().product();
    let inputs = (0..SAMPLES).flat_map(|i| {
        let x = problem.data.sample(i).to_vec().into_iter().map(|x| x as f32);
        std::iter::once(1.0).chain(x).chain(std::iter::repeat(0.0)).take(width)
    });
    let inputs = job.floats("inputs", inputs);
    let items = (hidden + 1) * (hidden + 2) / 2 * count(&assembled_text, "INPUT_TILE_PAIRS").unwrap();
    assert!(items <= count(&assembled_text, "ITEM_SUMS").unwrap());
    let assembled = job.room("tr H^2 by entries", items * NETWORKS);
    job.run(Pass::TraceSqAssembled, &assembled_text, &fields, &bound(&inputs, &assembled), [groups, items]);

    let matrices = job.room("Hessians", NETWORKS * parameters * parameters);
    let tiles = parameters.div_ceil(4);
    let bind = bound(&samples, &matrices);
    job.run(Pass::Hessian, &text(Pass::Hessian), &fields, &bind, [groups, tiles * (tiles + 1) / 2]);
    let eigenvalues_text = text(Pass::Eigenvalues);
    let together = count(&eigenvalues_text, "MAX_WORKGROUP").unwrap() / parameters;
    let places = NETWORKS.next_multiple_of(together);
    let pivots = count(&eigenvalues_text, "PIVOTS").unwrap();
    let work = job.room("work", places * (parameters + pivots) * parameters);
    let spectra = job.room("spectra", places * (5 * parameters + 1));
    // A reflection for each column, one bisection, the reflections back but two, and the residuals.
    let steps = [("networks", NETWORKS as u32), ("end_step", 2 * parameters as u32)];
    let bind = [&matrices, &work, &spectra];
    job.run(Pass::Eigenvalues, &eigenvalues_text, &steps, &bind, [places / together, 1]);

    let answers = job.done();
    assert_eq!(answers.uncaught, [""; 0]);
    let mut differences = Differences::default();
    compare_outputs(&answers, &expected, parameters, &mut differences);
    println!("{}, {}, beside the engine on SwiftShader:\n{}", answers.product, answers.adapter, differences.0);
    assert!(!differences.1, "{}", differences.0);
}

fn compare_outputs(answers: &Answers, expected: &PassOutputs, parameters: usize, differences: &mut Differences) {
    // Of an array [..][network], network by network.
    let by_network = |buffer: &str| {
        let values = widened(&answers.floats(buffer));
        let of_network = |network: usize| values.iter().skip(network).step_by(NETWORKS).copied().collect::<Vec<f64>>();
        (0..NETWORKS).map(of_network).collect::<Vec<_>>()
    };
    for (k, kind) in ["loss", "s", "delta", "size", "perturbation"].into_iter().enumerate() {
        let of_kind = |terms: Vec<f64>| terms.into_iter().skip(k).step_by(5);
        let found: Vec<f64> = by_network("output terms").into_iter().flat_map(of_kind).collect();
        let of_forward = expected.forward.iter().flat_map(|forward| {
            [&forward.loss, &forward.s, &forward.delta, &forward.size, &forward.perturbation][k].iter().copied()
        });
        differences.add(kind, &found, &of_forward.collect::<Vec<f64>>());
    }
    for (k, name) in ["r", "f'", "f''"].into_iter().enumerate() {
        let of_forward =
            expected.forward.iter().flat_map(|forward| [&forward.r, &forward.df, &forward.ddf][k].iter().copied());
        differences.add(name, &by_network(name).concat(), &of_forward.collect::<Vec<f64>>());
    }
    let gradient: Vec<f64> = expected.gradient.as_ref().unwrap().iter().copied().collect();
    differences.add("gradient", &by_network("gradient").concat(), &gradient);
    for (k, kind) in ["loss", "tr H(w,w)", "tr H(v,v)", "sizes", "perturbations"].into_iter().enumerate() {
        let found: Vec<f64> = by_network("sums").iter().map(|sums| sums[k]).collect();
        differences.add(&format!("sum of {kind}"), &found, &expected.sums.as_ref().unwrap()[k]);
    }
    for (name, expected) in
        [("tr H^2 by pairs", &expected.trace_sq), ("tr H^2 by entries", &expected.trace_sq_assembled)]
    {
        let found: Vec<f64> = by_network(name).iter().map(|sums| sums.iter().sum()).collect();
        differences.add(name, &found, expected.as_ref().unwrap());
    }
    let hessians: Vec<f64> = expected.hessians.as_ref().unwrap().iter().copied().collect();
    differences.add("Hessians", &widened(&answers.floats("Hessians")), &hessians);
    let spectra = answers.floats("spectra");
    let of_matrix = |spectrum: &[f32]| {
        let scale = f64::from(spectrum[5 * parameters]);
        spectrum[..parameters].iter().map(move |&value| scale * f64::from(value)).collect::<Vec<f64>>()
    };
    let found = spectra.chunks_exact(5 * parameters + 1).take(NETWORKS).flat_map(of_matrix).collect::<Vec<f64>>();
    let eigenvalues: Vec<f64> = expected.eigenvalues.as_ref().unwrap().as_ref().unwrap().iter().copied().collect();
    differences.add("eigenvalues", &found, &eigenvalues);
}
