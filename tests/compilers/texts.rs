//! The texts that the compilers and validators get.

use std::collections::BTreeSet;

use sharpsweep::gpu::{Family, LayerPlan, LayerTarget, Pass, Target, TrainPlan, wgsl};
use sharpsweep::model::{Activation, Loss, Network, OneHidden, Shape, philox4x32_10};

/// One kernel's complete text.
pub(crate) struct Text {
    pub(crate) pass: Pass,
    /// Its name here, such as `train m2 n3 sigmoid i50`.
    pub(crate) name: String,
    pub(crate) wgsl: String,
}

/// As [`texts_of`], at the sizes that slow compilers are asked about.
pub(crate) fn texts() -> Vec<Text> {
    texts_of(&[2, 30], &[1, 3, 10, 17, 32, 100])
}

/// Every text that problems with these M and N ask for, and the wider training kernels by force; each once. And those
/// for networks of any depth.
pub(crate) fn texts_of(inputs: &[usize], hidden: &[usize]) -> Vec<Text> {
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
                    for pass in Pass::ONE_HIDDEN {
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
    texts.extend(texts_of_layers());
    texts
}

/// Widths of networks of any depth, M first and K last: those that one invocation trains, those that several share in
/// workgroup memory, those that are in storage in part and as a whole, and as many layers as there may be.
const WIDTHS: [&[usize]; 9] = [
    &[2, 3],
    &[2, 3, 3],
    &[2, 2, 2, 1],
    &[2, 8, 8, 1],
    &[4, 16, 16, 3],
    &[3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 2],
    &[64, 32, 10],
    &[64, 200, 10],
    &[300, 3000, 4],
];

/// Every text of the passes for networks of any depth at these widths; each once.
fn texts_of_layers() -> Vec<Text> {
    let mut texts = Vec::new();
    let mut known = BTreeSet::new();
    for widths in WIDTHS {
        let last = widths.len() - 1;
        let shape = Shape::new(widths[0], &widths[1..last], widths[last]).unwrap();
        for activation in Activation::ALL {
            for (loss, family) in
                [(Loss::Logistic, Family::Software), (Loss::Softmax, Family::Nvidia), (Loss::Squared, Family::Common)]
            {
                for (samples, decays) in [(50, false), (100_000, true)] {
                    let target = LayerTarget { network: Network { shape, activation }, loss, samples, family, decays };
                    let evaluation = Pass::LAYERS.into_iter().filter(|pass| {
                        // One kernel trains a network.
                        ![Pass::TrainLayers, Pass::TrainLayersShared].contains(pass)
                    });
                    for pass in [LayerPlan::of(target).pass()].into_iter().chain(evaluation) {
                        let wgsl = wgsl(pass, target);
                        if known.insert(wgsl.clone()) {
                            let (pass_name, activation, loss) = (pass.name(), activation.name(), loss.name());
                            let name = format!("{pass_name} {shape} {activation} {loss} i{samples} {family:?}");
                            texts.push(Text { pass, name: name.to_lowercase(), wgsl });
                        }
                    }
                }
            }
        }
    }
    texts
}

/// All texts, or `count` of them that a seed draws.
pub(crate) fn drawn(texts: &[Text], count: usize) -> Vec<&Text> {
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
