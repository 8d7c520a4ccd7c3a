//! What Mesa's compiler for NVIDIA (NAK) makes of the kernels that are chosen there. An invocation has 255 registers;
//! what they do not hold is in local memory, and several times slower.
//!
//! `nvidia.tsv` holds the recorded values (Mesa 25.0, Turing). More than 32 inputs are not asked about: that compiler
//! leaves loops over them as loops, and what these index is in local memory. NVIDIA's own compiler does better: on an
//! H100 the shared kernel takes a twenty-sixth of the streamed one's time at M = 33 and 40 (N = 3), so it stays.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rayon::prelude::*;
use sharpsweep::gpu::{Family, Pass, Target, TrainPlan, wgsl};
use sharpsweep::model::{Activation, Network, OneHidden, philox4x32_10};

use super::mesa::{Mesa, Vendor};
use super::spirv::Driver;
use super::{RECORD, layer_variants};

/// The driver gets what it gets from wgpu.
const NVK: Vendor = Vendor {
    name: "NVK",
    driver: Driver { language: (1, 6), keeps_bounds: true, checks_indices: true },
    is_robust: true,
};

/// One kernel as the compiler left it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Code {
    registers: u32,
    /// Bytes of each invocation that are not in registers.
    local: u32,
    instructions: u32,
}

fn compile(nak: &Mesa, text: &str) -> Code {
    let compiled = nak.compile(text);
    let [registers, local, instructions] =
        ["Number of GPRs", "SLM Size", "Instruction count"].map(|label| compiled.figure(label));
    Code { registers, local, instructions }
}

fn target(inputs: usize, hidden: usize, activation: Activation, samples: usize) -> Target {
    let network = Network { shape: OneHidden::new(inputs, hidden), activation };
    Target { network, samples, family: Family::Nvidia, decays: false }
}

/// Every text that is checked, by a name such as `train m2 n3 sigmoid i50`.
fn texts() -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut add = |pass: Pass, target: Target| {
        let Target { network: Network { shape: OneHidden { inputs, hidden }, activation }, samples, .. } = target;
        let decays = if target.decays { " decays" } else { "" };
        let name = format!("{} m{inputs} n{hidden} {} i{samples}{decays}", pass.name(), activation.name());
        // The same text may serve several targets: the first name stands for it.
        names.entry(wgsl(pass, target)).or_insert(name);
    };
    let mut train = |target: Target| add(TrainPlan::of(target).pass(), target);
    for activation in Activation::ALL {
        for inputs in [2, 30] {
            for hidden in [1, 3, 10, 16, 17, 32, 64, 100] {
                // Few samples, so many that lanes split them up, and so many that they are in storage.
                for samples in [50, 2_000, 100_000] {
                    let target = target(inputs, hidden, activation, samples);
                    train(target);
                    train(Target { decays: true, ..target });
                }
            }
        }
        // Every width in between, and every number of inputs.
        for hidden in 1..=128 {
            train(target(2, hidden, activation, 50));
        }
        for inputs in 1..=32 {
            train(target(inputs, 3, activation, 50));
        }
    }
    for inputs in [1, 2, 3, 4, 5, 6, 8, 30] {
        for hidden in [1, 3, 10, 17, 32, 100] {
            for pass in Pass::ONE_HIDDEN {
                let wanted = match pass {
                    Pass::Train | Pass::TrainSplit | Pass::TrainShared => false,
                    // The largest matrices that the pass takes.
                    Pass::Eigenvalues => OneHidden::new(inputs, hidden).parameters() <= 1000,
                    _ => true,
                };
                for activation in Activation::ALL.into_iter().filter(|_| wanted) {
                    add(pass, target(inputs, hidden, activation, 50));
                }
            }
        }
    }
    for (name, pass, target) in layer_variants(Family::Nvidia) {
        names.entry(wgsl(pass, target)).or_insert(name);
    }
    names.into_iter().map(|(text, name)| (name, text)).collect()
}

/// How many of the texts are compiled where not all are asked for.
const DRAWN: usize = 400;

/// All texts, or some of them that a seed draws.
fn drawn(texts: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_one = |name: &str| std::env::var(name).is_ok_and(|value| value == "1");
    if is_one("SHARPSWEEP_FULL") || is_one(RECORD) {
        return texts;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = std::env::var("SHARPSWEEP_DRAW").map_or(now.as_secs() as u32, |seed| seed.parse().unwrap());
    println!("{DRAWN} of {} texts drawn with SHARPSWEEP_DRAW={seed}", texts.len());
    let mut order: Vec<_> = (0..).zip(texts).collect();
    order.sort_by_key(|(k, _)| philox4x32_10([*k, 0, 0, 0], [seed, 0]));
    order.into_iter().map(|(_, text)| text).take(DRAWN).collect()
}

#[test]
#[ignore = "tests/nak.sh runs it: it needs a newer Mesa than many systems have"]
fn nvidia_plans_keep_everything_in_registers() {
    let nak = Mesa::open(NVK).unwrap_or_else(|error| panic!("{error}: run tests/nak.sh, which brings it"));
    let texts = drawn(texts());
    let found: BTreeMap<String, Code> =
        texts.par_iter().map(|(name, text)| (name.clone(), compile(&nak, text))).collect();

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine_code/nvidia.tsv");
    if std::env::var(RECORD).is_ok_and(|value| value == "1") {
        std::fs::write(&file, table(&found)).unwrap();
    }
    let recorded = parse(&std::fs::read_to_string(&file).unwrap());
    println!("pass\ttexts\tmost registers\tmost local memory\tmost instructions");
    for pass in Pass::ONE_HIDDEN.into_iter().chain(Pass::LAYERS) {
        let of_pass: Vec<Code> = found
            .iter()
            .filter(|(name, _)| name.split(' ').next() == Some(pass.name()))
            .map(|(_, code)| *code)
            .collect();
        let most = |figure: fn(&Code) -> u32| of_pass.iter().map(figure).max().unwrap_or(0);
        let [registers, local, instructions] =
            [most(|code| code.registers), most(|code| code.local), most(|code| code.instructions)];
        println!("{}\t{}\t{registers}\t{local}\t{instructions}", pass.name(), of_pass.len());
    }
    let mut misses = String::new();
    for (name, code) in &found {
        if let Err(miss) = holds(name, *code, &recorded) {
            let _ = write!(misses, "\n  {name}: {miss}");
        }
    }
    assert!(misses.is_empty(), "worse than recorded in {}:{misses}", file.display());

    // The comparison is not blind, nor is the compiler: a plan that is too narrow for the network does not fit.
    let (name, code) = found.first_key_value().unwrap();
    for worse in [
        Code { registers: code.registers + 24, ..*code },
        Code { local: 16, ..*code },
        Code { instructions: code.instructions * 2 + 100, ..*code },
    ] {
        assert!(holds(name, worse, &recorded).is_err(), "{worse:?} passes for {name}");
    }
    assert!(holds("a new kernel", *code, &recorded).is_err());
    let narrow = compile(&nak, &wgsl(Pass::Train, target(2, 16, Activation::Softplus, 50)));
    assert!(narrow.local > 0, "{narrow:?}");
}

/// Nothing in local memory, but in the pass over samples of networks of any depth, which keeps norms layer by layer,
/// and there no more than recorded; registers within two of the steps of 8 in which they are allocated, instructions
/// within a tenth.
fn holds(name: &str, code: Code, recorded: &BTreeMap<String, Code>) -> Result<(), String> {
    let Some(bar) = recorded.get(name) else {
        return Err(format!("not recorded: run with {RECORD}=1"));
    };
    let most_local = if name.starts_with(Pass::LayerTerms.name()) { bar.local } else { 0 };
    let fine = code.local <= most_local
        && code.registers <= bar.registers + 16
        && 10 * code.instructions <= 11 * bar.instructions + 200;
    if fine { Ok(()) } else { Err(format!("{code:?}, recorded {bar:?}")) }
}

fn table(codes: &BTreeMap<String, Code>) -> String {
    let mut text = String::from("variant\tregisters\tlocal memory\tinstructions\n");
    for (name, Code { registers, local, instructions }) in codes {
        let _ = writeln!(text, "{name}\t{registers}\t{local}\t{instructions}");
    }
    text
}

fn parse(table: &str) -> BTreeMap<String, Code> {
    table
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [registers, local, instructions] =
                [1, 2, 3].map(|k| cells[k].parse().unwrap_or_else(|error| panic!("{line}: {error}")));
            (cells[0].to_owned(), Code { registers, local, instructions })
        })
        .collect()
}
