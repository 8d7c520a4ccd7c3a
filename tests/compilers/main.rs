//! What other compilers and validators make of the kernels, on any Linux machine: `tests/compilers.sh` installs
//! Microsoft's and asks them, `tests/validators.sh` does so with Khronos', and `tests/webgpu.sh` with Chromium's, where
//! it also runs the kernels.
//!
//! `SHARPSWEEP_FULL=1` asks for every text; else each test draws some of them and says with which seed.

#![expect(clippy::print_stdout, reason = "the scripts that run this show what was asked of whom")]

mod chromium;
mod directx;
mod glsl;
mod hlsl;
mod msl;
#[path = "../support/spirv.rs"]
mod spirv;
mod texts;
mod validators;

use std::fmt::Write as _;

use directx::{Compiler, DirectX};
use rayon::prelude::*;
use sharpsweep::gpu::Pass;
use texts::{Text, drawn, texts};

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

/// The widths of networks whose training the older compiler takes longer for, as README.md says: many layers, and
/// layers of thousands of units. It unrolls all loops around an array.
const SLOW_WITH_FXC: [&str; 2] = [" 3-2-3-2-3-2-3-2-3-2-2 ", " 300-3000-4 "];

#[test]
fn directx_compiles_every_kernel_within_half_a_minute() {
    let directx = DirectX::from_environment();
    let is_slow = |text: &Text| {
        text.pass == Pass::TrainLayersShared && SLOW_WITH_FXC.iter().any(|widths| text.name.contains(widths))
    };
    let (all, quick) = (texts(), texts().into_iter().filter(|text| !is_slow(text)).collect::<Vec<_>>());
    assert!(quick.len() < all.len());
    let mut report = String::new();
    let mut misses = String::new();
    for (compiler, model) in DIRECTX {
        let drawn = drawn(if compiler == Compiler::Fxc { &quick } else { &all }, DRAWN);
        let answers: Vec<_> = drawn
            .par_iter()
            .map(|text| directx.ask(compiler, model, text.pass, &hlsl::written(&text.wgsl, text.pass, model), SECONDS))
            .collect();
        for pass in Pass::ONE_HIDDEN.into_iter().chain(Pass::LAYERS) {
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
