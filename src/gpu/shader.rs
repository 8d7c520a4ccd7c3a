//! From the files in shaders/ to the complete WGSL text of one pass: shared parts, sizes as constants, and the entry file.
//!
//! WGSL's `override` cannot size private arrays, so N, M and D are generated as `const`.

use std::f32::consts::LOG2_E;

use clap::ValueEnum;

use super::eigenvalues::{HALVINGS, PIVOTS};
use super::plan::{NarrowLayout, STREAMED_TILE, SharedLayout};
use super::rounding::REACH_SHARE;
use super::route::{ITEM_SUMS, Items};
use crate::engine::Status;
use crate::model::{Activation, Problem, Shape};

/// One compute pass. Its file in shaders/ and its entry point carry its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Pass {
    /// theta_0 from the seeds.
    Seeds,
    /// Gradient descent, many steps a dispatch, one invocation a network.
    Train,
    /// Gradient descent with several invocations a network.
    TrainShared,
    /// Gradient descent with a workgroup a network and its weights in storage.
    TrainStreamed,
    /// The forward pass and its derivatives, sample by sample.
    Terms,
    /// dL/dtheta.
    Gradient,
    /// The loss, tr H(w,w) and tr H(v,v).
    Trace,
    /// tr H^2 from Phi, Psi and Omega.
    TraceSq,
    /// The full Hessian.
    Hessian,
    /// All eigenvalues of the Hessian.
    Eigenvalues,
    /// tr H^2 from the entries of H.
    TraceSqAssembled,
}

impl Pass {
    /// Every pass, in the order in which a sweep runs them.
    pub const ALL: [Self; 11] = [
        Self::Seeds,
        Self::Train,
        Self::TrainShared,
        Self::TrainStreamed,
        Self::Terms,
        Self::Gradient,
        Self::Trace,
        Self::TraceSq,
        Self::Hessian,
        Self::Eigenvalues,
        Self::TraceSqAssembled,
    ];

    /// The stem of the pass's file in shaders/, and the name of its entry point.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Train => "train",
            Self::TrainShared => "train_shared",
            Self::TrainStreamed => "train_streamed",
            Self::Terms => "terms",
            Self::Gradient => "gradient",
            Self::Trace => "trace",
            Self::TraceSq => "trace_sq",
            Self::Hessian => "hessian",
            Self::Eigenvalues => "eigenvalues",
            Self::TraceSqAssembled => "trace_sq_assembled",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Seeds => include_str!("../../shaders/seeds.wgsl"),
            Self::Train => include_str!("../../shaders/train.wgsl"),
            Self::TrainShared => include_str!("../../shaders/train_shared.wgsl"),
            Self::TrainStreamed => include_str!("../../shaders/train_streamed.wgsl"),
            Self::Terms => include_str!("../../shaders/terms.wgsl"),
            Self::Gradient => include_str!("../../shaders/gradient.wgsl"),
            Self::Trace => include_str!("../../shaders/trace.wgsl"),
            Self::TraceSq => include_str!("../../shaders/trace_sq.wgsl"),
            Self::Hessian => include_str!("../../shaders/hessian.wgsl"),
            Self::Eigenvalues => include_str!("../../shaders/eigenvalues.wgsl"),
            Self::TraceSqAssembled => include_str!("../../shaders/trace_sq_assembled.wgsl"),
        }
    }
}

/// How many samples an invocation of the trace pass adds up, and the gradient and Hessian passes before they start a new partial sum.
pub(super) const SUM_BLOCK: usize = 64;

/// Invocations of a workgroup that every adapter has; the eigenvalue pass fills it with as many matrices as it can.
pub(super) const MAX_WORKGROUP: usize = 256;

/// The rows of four values in the largest uniform buffer that every adapter has, 64 KiB.
pub(super) const UNIFORM_ROWS: usize = 4096;

/// What training multiplies the inputs of `activation`'s units by, so that the shader's exp2 stands for the exp that f needs.
pub(super) const fn y_scale(activation: Activation) -> f32 {
    match activation {
        Activation::Sigmoid => -LOG2_E,
        Activation::Tanh => 2.0 * LOG2_E,
        Activation::Softplus => LOG2_E,
        Activation::Linear | Activation::Gelu => 1.0,
    }
}

/// What training multiplies labels by, for the exp of the loss.
pub(super) const Z_SCALE: f32 = -LOG2_E;

/// The complete WGSL of `pass` for networks of `shape` with `activation` on I = `samples`, as it is handed to the driver.
///
/// The number of samples decides only where [`Pass::Train`] reads them from: a uniform buffer as long as they fit one.
pub fn wgsl(pass: Pass, shape: Shape, activation: Activation, samples: usize) -> String {
    let evaluated = evaluation_constants();
    let (tile, parts) = match pass {
        Pass::Seeds => (1, vec![include_str!("../../shaders/parts/philox.wgsl"), ""]),
        Pass::Train => (NarrowLayout::of(shape, activation).tile, training_parts(activation)),
        Pass::TrainShared | Pass::TrainStreamed => (1, training_parts(activation)),
        _ => (1, evaluation_parts(activation, &evaluated)),
    };
    let tile_part = match tile {
        4 => include_str!("../../shaders/parts/tile_4.wgsl"),
        2 => include_str!("../../shaders/parts/tile_2.wgsl"),
        _ => include_str!("../../shaders/parts/tile_1.wgsl"),
    };
    let texts = [
        &constants(shape, activation),
        &pass_constants(pass, shape, activation, samples),
        include_str!("../../shaders/parts/params.wgsl"),
        include_str!("../../shaders/parts/theta.wgsl"),
        include_str!("../../shaders/parts/finite.wgsl"),
        tile_part,
        include_str!("../../shaders/parts/log1p.wgsl"),
        include_str!("../../shaders/parts/normal.wgsl"),
    ];
    [&texts[..], &parts, &[pass.text()]].concat().join("\n")
}

/// What the training kernels share, and the activation as they use it.
fn training_parts(activation: Activation) -> Vec<&'static str> {
    let unit = match activation {
        Activation::Linear => include_str!("../../shaders/parts/unit_linear.wgsl"),
        Activation::Sigmoid => include_str!("../../shaders/parts/unit_sigmoid.wgsl"),
        Activation::Tanh => include_str!("../../shaders/parts/unit_tanh.wgsl"),
        Activation::Softplus => include_str!("../../shaders/parts/unit_softplus.wgsl"),
        Activation::Gelu => include_str!("../../shaders/parts/unit_gelu.wgsl"),
    };
    vec![include_str!("../../shaders/parts/descent.wgsl"), unit]
}

/// What the other passes share: f, f' and f'' to full accuracy, and by how much they may be off.
fn evaluation_parts(activation: Activation, constants: &str) -> Vec<&str> {
    let activation = match activation {
        Activation::Linear => include_str!("../../shaders/parts/activation_linear.wgsl"),
        Activation::Sigmoid => include_str!("../../shaders/parts/activation_sigmoid.wgsl"),
        Activation::Tanh => include_str!("../../shaders/parts/activation_tanh.wgsl"),
        Activation::Softplus => include_str!("../../shaders/parts/activation_softplus.wgsl"),
        Activation::Gelu => include_str!("../../shaders/parts/activation_gelu.wgsl"),
    };
    vec![
        constants,
        include_str!("../../shaders/parts/logistic.wgsl"),
        include_str!("../../shaders/parts/rounding.wgsl"),
        activation,
    ]
}

/// Values that the forward pass leaves of each sample: loss, s, delta, size and perturbation.
pub(super) const OUTPUT_TERMS: usize = 5;

/// How many samples the trace pass adds up before it starts a new partial sum, within [`SUM_BLOCK`].
pub(super) const SUM_PART: usize = 8;

/// Sums of the trace pass: loss, the two blocks of tr H, size and perturbation.
pub(super) const TRACE_SUMS: usize = 5;

fn evaluation_constants() -> String {
    format!(
        "const OUTPUT_TERMS: u32 = {OUTPUT_TERMS}u;\n\
         const TRACE_SUMS: u32 = {TRACE_SUMS}u;\n\
         const SUM_PART: u32 = {SUM_PART}u;\n\
         const REACH_SHARE: f32 = {REACH_SHARE:?}f;\n"
    )
}

/// Sizes and status numbers, from the same definitions that the host uses.
fn constants(shape: Shape, activation: Activation) -> String {
    format!(
        "// Generated for M = {inputs} inputs and N = {hidden} hidden units.\n\
         const INPUTS: u32 = {inputs}u;\n\
         const HIDDEN: u32 = {hidden}u;\n\
         const PARAMETERS: u32 = {parameters}u;\n\
         const V_BIAS: u32 = {v_bias}u;\n\
         const Y_SCALE: f32 = {y_scale:?}f;\n\
         const Z_SCALE: f32 = {Z_SCALE:?}f;\n\
         const SUM_BLOCK: u32 = {SUM_BLOCK}u;\n\
         const MAX_WORKGROUP: u32 = {MAX_WORKGROUP}u;\n\
         const CONVERGED: u32 = {converged}u;\n\
         const STEP_LIMIT: u32 = {step_limit}u;\n\
         const NON_FINITE: u32 = {non_finite}u;\n\
         const PENDING: u32 = {pending}u;\n",
        inputs = shape.inputs,
        hidden = shape.hidden,
        parameters = shape.parameters(),
        v_bias = shape.v_bias(),
        y_scale = y_scale(activation),
        converged = Status::Converged as u8,
        step_limit = Status::StepLimit as u8,
        non_finite = Status::NonFinite as u8,
        pending = Status::Pending as u8,
    )
}

/// What only `pass` needs to know.
fn pass_constants(pass: Pass, shape: Shape, activation: Activation, samples: usize) -> String {
    match pass {
        Pass::Train => {
            let layout = NarrowLayout::of(shape, activation);
            format!(
                "const TILE: u32 = {tile}u;\n\
                 const SAMPLE_ROWS: u32 = {rows}u;\n\
                 @group(0) @binding(1) var{samples};\n",
                tile = layout.tile,
                rows = layout.rows(),
                samples = if layout.samples_are_uniform(samples) {
                    format!("<uniform> samples: array<vec4<f32>, {UNIFORM_ROWS}>")
                } else {
                    "<storage, read> samples: array<vec4<f32>>".to_owned()
                },
            )
        }
        Pass::TrainShared => {
            let layout = SharedLayout::of(shape);
            format!(
                "const LANES: u32 = {lanes}u;\n\
                 const UNITS: u32 = {units}u;\n\
                 const TILE: u32 = {tile}u;\n\
                 const SHARES: u32 = {shares}u;\n\
                 const GROUP: u32 = {group}u;\n",
                lanes = layout.lanes,
                units = layout.units,
                tile = layout.tile,
                // z of every sample of a tile, and three sums at the end of a step.
                shares = layout.tile.max(3),
                group = layout.group(),
            )
        }
        Pass::Eigenvalues => format!(
            "const PIVOTS: u32 = {PIVOTS}u;\n\
             const HALVINGS: u32 = {HALVINGS}u;\n"
        ),
        Pass::TrainStreamed => format!("const TILE: u32 = {STREAMED_TILE}u;\n"),
        Pass::TraceSqAssembled => {
            let items = Items::of(shape);
            format!(
                "const INPUT_TILE: u32 = {}u;\n\
                 const INPUT_TILES: u32 = {}u;\n\
                 const INPUT_TILE_PAIRS: u32 = {}u;\n\
                 const ITEM_SUMS: u32 = {ITEM_SUMS}u;\n",
                items.input_tile,
                items.input_tiles,
                items.input_tile_pairs(),
            )
        }
        _ => String::new(),
    }
}

/// A hash of the texts of `passes` for `problem`: results of the GPU engine depend on them, so a run records it.
pub(super) fn code_hash(passes: &[Pass], problem: &Problem) -> String {
    let mut hasher = blake3::Hasher::new();
    for &pass in passes {
        hasher.update(wgsl(pass, problem.shape, problem.activation, problem.data.samples()).as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::Pass;

    /// A pass is asked for by the name of its file.
    #[test]
    fn every_pass_is_listed_once_under_its_name() {
        let names: Vec<String> = Pass::value_variants()
            .iter()
            .filter_map(|pass| Some(pass.to_possible_value()?.get_name().to_owned()))
            .collect();
        assert_eq!(names, Pass::ALL.map(Pass::name));
    }

    /// Every pass says which plain code it is held to, and that code exists.
    #[test]
    fn every_shader_names_its_twin() {
        for pass in Pass::ALL {
            let words = pass.text().split_whitespace().map(|word| word.trim_end_matches(['.', ';', ',']));
            let twins: Vec<&str> = words.filter(|word| word.starts_with("src/") && word.ends_with(".rs")).collect();
            assert!(!twins.is_empty(), "shaders/{}.wgsl names no twin", pass.name());
            for twin in twins {
                assert!(
                    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(twin).exists(),
                    "{}: {twin}",
                    pass.name()
                );
            }
        }
    }
}
