//! What other compilers make of the kernels, on any Linux machine: `tests/compilers.sh` installs Microsoft's and asks
//! them, `tests/webgpu.sh` does so with Chromium's, and runs the kernels there.
//!
//! `SHARPSWEEP_FULL=1` asks for every text; else each test draws some of them and says with which seed.

mod chromium;
mod directx;
mod hlsl;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use directx::{Compiler, DirectX};
use rayon::prelude::*;
use sharpsweep::gpu::{Family, Pass, Target, TrainPlan, wgsl};
use sharpsweep::model::{Activation, Network, OneHidden, philox4x32_10};

/// One kernel's complete text.
struct Text {
    pass: Pass,
    /// Its name here, such as `train m2 n3 sigmoid i50`.
    name: String,
    wgsl: String,
}

/// As [`texts_of`], at the sizes that slow compilers are asked about.
fn texts() -> Vec<Text> {
    texts_of(&[2, 30], &[1, 3, 10, 17, 32, 100])
}

/// Every text that problems with these M and N ask for, and the wider training kernels by force; each once.
fn texts_of(inputs: &[usize], hidden: &[usize]) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut known = BTreeSet::new();
    let mut add = |pass: Pass, target: Target| {
        let wgsl = wgsl(pass, target);
        if known.insert(wgsl.clone()) {
            let Target {
                network: Network { shape: OneHidden { inputs, hidden }, activation }, samples, family, ..
            } = target;
            let (pass_name, activation) = (pass.name(), activation.name());
            let name = format!("{pass_name} m{inputs} n{hidden} {activation} i{samples} {family:?}").to_lowercase();
            texts.push(Text { pass, name, wgsl });
        }
    };
    for &inputs in inputs {
        for &hidden in hidden {
            let shape = OneHidden::new(inputs, hidden);
            for activation in Activation::ALL {
                for family in [Family::Software, Family::Common, Family::Nvidia] {
                    let target =
                        |samples| Target { network: Network { shape, activation }, samples, family, decays: false };
                    // Few samples, so many that lanes split them up, and so many that they are in storage.
                    for samples in [50, 2_000, 100_000] {
                        let plan = TrainPlan::of(target(samples)).pass();
                        add(plan, target(samples));
                        add(plan, Target { decays: true, ..target(samples) });
                    }
                    for pass in Pass::ALL {
                        let fits = match pass {
                            // They are only for what the registers of one invocation hold.
                            Pass::Train | Pass::TrainSplit => false,
                            // The largest matrices that the pass takes.
                            Pass::Eigenvalues => shape.parameters() <= 1000,
                            _ => true,
                        };
                        if fits {
                            add(pass, target(50));
                        }
                    }
                }
            }
        }
    }
    texts
}

/// The compilers and shader models that wgpu takes under DirectX 12: without DXC the older one.
const DIRECTX: [(Compiler, naga::back::hlsl::ShaderModel); 3] = [
    (Compiler::Fxc, naga::back::hlsl::ShaderModel::V5_1),
    (Compiler::Dxc, naga::back::hlsl::ShaderModel::V6_0),
    (Compiler::Dxc, naga::back::hlsl::ShaderModel::V6_6),
];

/// The most seconds of processor time for one kernel.
const SECONDS: u32 = 30;

/// How many texts each of these compilers gets where not all are asked for.
const DRAWN: usize = 40;

#[test]
fn directx_compiles_every_kernel_within_half_a_minute() {
    let directx = DirectX::from_environment();
    let texts = texts();
    let mut report = String::new();
    let mut misses = String::new();
    for (compiler, model) in DIRECTX {
        let drawn = drawn(&texts, DRAWN);
        let answers: Vec<_> = drawn
            .par_iter()
            .map(|text| directx.ask(compiler, model, text.pass, &hlsl::written(&text.wgsl, text.pass, model), SECONDS))
            .collect();
        for pass in Pass::ALL {
            let of_pass = || drawn.iter().zip(&answers).filter(|(text, _)| text.pass == pass);
            let slowest = of_pass().filter_map(|(text, answer)| Some((answer.as_ref().ok()?, &text.name)));
            if let Some((seconds, name)) = slowest.max_by(|a, b| a.0.total_cmp(b.0)) {
                let (asked, pass) = (of_pass().count(), pass.name());
                let _ = writeln!(report, "{compiler:?} {}\t{pass}\t{asked}\t{seconds:.1} s\t{name}", model.to_str());
            }
        }
        for (text, answer) in drawn.iter().zip(&answers) {
            if let Err(message) = answer {
                let _ = writeln!(misses, "{compiler:?} {}, {}: {message}", model.to_str(), text.name);
            }
        }
    }
    println!("compiler\tpass\ttexts\tslowest\twhich\n{report}");
    assert!(misses.is_empty(), "{misses}");
}

/// A compiler that is not there, or that accepts everything, must not look like a pass.
#[test]
fn directx_refuses_what_is_wrong() {
    let directx = DirectX::from_environment();
    // The inner loop ends differently in each lane; the older compiler then refuses the barriers of the loop around it.
    let varying = "
        var<workgroup> shared_values: array<f32, 64>;
        @group(0) @binding(0) var<storage, read_write> output: array<f32>;
        @compute @workgroup_size(64)
        fn seeds(@builtin(local_invocation_index) lane: u32) {
            for (var block = 0u; block < u32(output[0]); block += 1u) {
                workgroupBarrier();
                shared_values[lane] = output[lane];
                workgroupBarrier();
                for (var j = 0u; j < lane; j++) {
                    output[lane] += shared_values[j];
                }
            }
        }";
    for (compiler, model) in DIRECTX {
        let broken = "[numthreads(1, 1, 1)] void seeds() { nothing(); }";
        assert!(directx.ask(compiler, model, Pass::Seeds, broken, SECONDS).is_err(), "{compiler:?}");
        let text = hlsl::written(varying, Pass::Seeds, model);
        let answer = directx.ask(compiler, model, Pass::Seeds, &text, SECONDS);
        assert_eq!(answer.is_err(), compiler == Compiler::Fxc, "{compiler:?}: {answer:?}");
    }
}

/// All texts, or `count` of them that a seed draws.
fn drawn(texts: &[Text], count: usize) -> Vec<&Text> {
    if std::env::var_os("SHARPSWEEP_FULL").is_some_and(|value| value == "1") {
        return texts.iter().collect();
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = std::env::var("SHARPSWEEP_DRAW").map_or(now.as_secs() as u32, |seed| seed.parse().unwrap());
    println!("{count} of {} texts drawn with SHARPSWEEP_DRAW={seed}", texts.len());
    let mut order: Vec<_> = (0..).zip(texts).collect();
    order.sort_by_key(|(k, _)| philox4x32_10([*k, 0, 0, 0], [seed, 0]));
    order.into_iter().map(|(_, text)| text).take(count).collect()
}
