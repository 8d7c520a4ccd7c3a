//! No kernel reads workgroup memory that it has not written in the same dispatch. The engine does not ask drivers to
//! clear it, so on some cards it holds what an earlier program left: here it is full of NaN at first, and results keep
//! every bit.

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ndarray::{Array1, Array2};
use sharpsweep::engine::{Descent, Engine};
use sharpsweep::gpu::{Family, Gpu, LayerTarget, Pass, Target, TextChange, TrainPlan, Tuning, choose_adapter, wgsl};
use sharpsweep::model::{Activation, Dataset, OneHidden, Problem, Targets, initial_theta};
use support::gpu::skipped;

/// The arrays in workgroup memory that `text` declares: name, type and number of their elements.
fn arrays(text: &str) -> Vec<[&str; 3]> {
    let declared = text.lines().filter_map(|line| line.strip_prefix("var<workgroup> "));
    let parts = declared.map(|line| {
        let (name, array) = line.split_once(": array<").unwrap();
        let (element, count) = array.strip_suffix(">;").unwrap().rsplit_once(", ").unwrap();
        [name, element, count]
    });
    parts.collect()
}

/// `text` with NaN in all workgroup memory before its first statement; `None` if it has no such memory.
fn poisoned(text: &str) -> Option<String> {
    let arrays = arrays(text);
    if arrays.is_empty() {
        return None;
    }
    let (before, entry) = text.split_once("@compute @workgroup_size(").unwrap();
    let (size, _) = entry.split_once(')').unwrap();
    let (_, lane) = entry.split_once("@builtin(local_invocation_index) ").unwrap();
    let (lane, _) = lane.split_once(':').unwrap();
    // The head of the function ends at its first brace.
    let (head, body) = entry.split_once('{').unwrap();
    // Through a variable: WGSL forbids constants that are NaN.
    let mut poison =
        String::from("\n    var poison_bits = 0x7fc00000u;\n    let poison = bitcast<f32>(poison_bits);\n");
    for [name, element, count] in arrays {
        poison += &format!(
            "    for (var place = {lane}; place < {count}; place += {size}) {{\n        \
             {name}[place] = {element}(poison);\n    }}\n"
        );
    }
    Some(format!("{before}@compute @workgroup_size({head}{{{poison}    workgroupBarrier();{body}"))
}

/// What runs: the pass of which it is, its widths (M, those of the hidden layers, K) and samples, how it is cut, and
/// how many networks.
struct Run {
    pass: Pass,
    widths: &'static [usize],
    samples: usize,
    networks: usize,
    tuning: Tuning,
}

impl Run {
    const fn sizes(&self) -> (&[usize], usize) {
        (self.widths, self.samples)
    }

    fn problem(&self) -> Problem {
        let &Self { widths: &[inputs, ref hidden @ .., outputs], samples, .. } = self else { panic!("no widths") };
        let x = Array2::from_shape_fn((samples, inputs), |(i, m)| ((i * 37 + m * 101 + 13) % 211) as f64 / 100.0 - 1.0);
        let targets = match outputs {
            1 => Array1::from_shape_fn(samples, |i| (i % 2) as f64).into(),
            count => Targets::Classes { of: (0..samples).map(|i| i % count).collect(), count },
        };
        Problem::with_layers(hidden, Activation::Sigmoid, Dataset::new(x, targets).unwrap()).unwrap()
    }

    /// The bits of what the pass leaves, with its text as `change` makes it.
    fn bits(&self, change: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Vec<u64> {
        let pass = self.pass;
        let of_pass = TextChange::new(move |other, text| (other == pass).then(|| change(text)).flatten());
        let mut gpu = Gpu::with_texts(choose_adapter(None).unwrap(), self.tuning, of_pass).unwrap();
        let problem = self.problem();
        let networks = self.networks as u64;
        if self.tuning.plan.is_some() || pass == Pass::TrainLayersShared {
            let descent = Descent { step_size: 0.01, max_steps: 6, tolerance: 0.0, ..Descent::default() };
            let trained = gpu.train(&problem, &descent, 0..networks).unwrap();
            let ends = trained.status.iter().zip(&trained.steps);
            let theta = trained.theta.iter().map(|weight| u64::from(weight.to_bits()));
            return theta.chain(ends.map(|(&status, &steps)| u64::from(steps) << 8 | status as u64)).collect();
        }
        let shape = problem.network.shape;
        let weights =
            (0..networks).flat_map(|seed| initial_theta(shape.parameters(), seed, 1.0)).map(f64::from).collect();
        let theta = Array2::from_shape_vec((self.networks, shape.parameters()), weights).unwrap();
        let outputs = gpu.pass_outputs(&problem.paper().unwrap(), theta.view().into()).unwrap();
        let values: Vec<f64> = match pass {
            Pass::TraceSq => outputs.trace_sq.unwrap(),
            Pass::Eigenvalues => {
                let spectra = gpu.spectrum(&problem, theta.view().into()).unwrap();
                let ends = spectra.lambda_max.into_iter().chain(spectra.lambda_min);
                outputs.eigenvalues.unwrap().unwrap().into_iter().chain(ends).collect()
            }
            _ => panic!("{} has no workgroup memory", pass.name()),
        };
        values.into_iter().map(f64::to_bits).collect()
    }
}

/// Groups that are not full, several units of one invocation, several tiles of samples, several dispatches.
fn runs() -> Vec<Run> {
    let whole = Tuning::default();
    let cut = Tuning { dispatch: Duration::from_nanos(1), steps: 2, ..whole };
    let run = |pass, (widths, samples): (&'static [usize], usize), networks, tuning| Run {
        pass,
        widths,
        samples,
        networks,
        tuning,
    };
    let train =
        |plan: TrainPlan, sizes, networks| run(plan.pass(), sizes, networks, Tuning { plan: Some(plan), ..cut });
    vec![
        // Two invocations share a network, and many do.
        train(TrainPlan::Split, (&[2, 3, 1], 50), 70),
        train(TrainPlan::Split, (&[2, 3, 1], 1_000), 5),
        train(TrainPlan::Shared, (&[2, 17, 1], 50), 21),
        train(TrainPlan::Shared, (&[30, 17, 1], 11), 3),
        train(TrainPlan::Streamed, (&[2, 3, 1], 50), 3),
        train(TrainPlan::Streamed, (&[3, 70, 1], 13), 2),
        // All in workgroup memory, and weights in storage.
        run(Pass::TrainLayersShared, (&[2, 8, 8, 1], 50), 11, cut),
        run(Pass::TrainLayersShared, (&[4, 7, 5, 3], 70), 5, cut),
        run(Pass::TrainLayersShared, (&[20, 100, 3], 9), 2, cut),
        run(Pass::TraceSq, (&[2, 3, 1], 131), 70, whole),
        // Matrices that share a workgroup, in one dispatch and in many, and one that has more rows than a workgroup
        // has invocations.
        run(Pass::Eigenvalues, (&[2, 3, 1], 50), 41, whole),
        run(Pass::Eigenvalues, (&[2, 3, 1], 50), 41, cut),
        run(Pass::Eigenvalues, (&[30, 9, 1], 20), 2, cut),
    ]
}

#[test]
fn memory_full_of_nan_changes_no_bit() {
    if skipped("memory_full_of_nan_changes_no_bit") {
        return;
    }
    let seen: Arc<Mutex<BTreeSet<&str>>> = Arc::default();
    for run in runs() {
        let plain = run.bits(|_| None);
        let also_seen = Arc::clone(&seen);
        let name = run.pass.name();
        let with_nan = run.bits(move |text| {
            also_seen.lock().unwrap().insert(name);
            poisoned(text)
        });
        assert!(plain == with_nan, "{name} of {:?}", run.sizes());
    }
    // Every kernel that has such memory was among them.
    let network = sharpsweep::model::Network { shape: OneHidden::new(2, 3), activation: Activation::Sigmoid };
    let target = Target { network, samples: 50, family: Family::Software, decays: false };
    let of_layers = LayerTarget::of(&runs()[6].problem(), Family::Software);
    let has = |text: String| text.contains("var<workgroup>");
    let have = Pass::ONE_HIDDEN.into_iter().filter(|&pass| has(wgsl(pass, target)));
    let have = have.chain(Pass::LAYERS.into_iter().filter(|&pass| has(wgsl(pass, of_layers)))).map(Pass::name);
    assert_eq!(*seen.lock().unwrap(), have.collect());
}

/// One of the writes that a kernel needs.
fn needed_write(pass: Pass) -> &'static str {
    match pass {
        Pass::TrainSplit => "shares[V_BIAS * ROW + invocation] = gradient_v_bias;",
        Pass::TrainShared => "shares[i * SHARES_ROW + invocation] = z;",
        Pass::TrainStreamed => "shares[i * SHARES_ROW + lane] = z[i];",
        Pass::TrainLayersShared => "square_shares[invocation] = square_share;",
        Pass::TraceSq => "input_gram[lane] = input_products(i, block + lane);",
        // Memory that is 0 at first would hide that this is missing.
        _ => "vectors[at(slot, product_of(1u), row)] = 0.0;",
    }
}

#[test]
fn a_missing_write_shows() {
    if skipped("a_missing_write_shows") {
        return;
    }
    for run in runs() {
        let write = needed_write(run.pass);
        let without = move |text: &str| {
            assert_eq!(text.matches(write).count(), 1, "{write}");
            text.replace(write, "")
        };
        let plain = run.bits(|_| None);
        let with_nan = run.bits(move |text| poisoned(&without(text)));
        assert!(plain != with_nan, "{} of {:?}", run.pass.name(), run.sizes());
        if run.pass == Pass::Eigenvalues {
            let with_zeros = run.bits(move |text| Some(without(text)));
            assert!(plain == with_zeros, "{} of {:?}", run.pass.name(), run.sizes());
        }
    }
}
