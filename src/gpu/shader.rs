//! From the files in shaders/ to the complete WGSL text of one pass: shared parts, sizes as constants, and the entry file.
//!
//! WGSL's `override` cannot size private arrays, so N, M and D are generated as `const`.

use std::f32::consts::LOG2_E;

use super::eigenvalues::{HALVINGS, PIVOTS};
use super::limits::{MAX_WORKGROUP, SUM_BLOCK, SUM_PART, UNIFORM_ROWS};
use super::pass::Pass;
use super::plan::{NarrowLayout, STREAMED_TILE, SharedLayout};
use super::rounding::REACH_SHARE;
use super::route::{ITEM_SUMS, Items};
use crate::engine::Status;
use crate::fingerprint::Fingerprint;
use crate::model::{Activation, Network, OneHidden, Problem};

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
pub fn wgsl(pass: Pass, shape: OneHidden, activation: Activation, samples: usize) -> String {
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
fn constants(shape: OneHidden, activation: Activation) -> String {
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
fn pass_constants(pass: Pass, shape: OneHidden, activation: Activation, samples: usize) -> String {
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
    let Network { shape, activation } = problem.network;
    let texts = passes.iter().map(|&pass| wgsl(pass, shape, activation, problem.data.samples()));
    texts.fold(Fingerprint::default(), |hash, text| hash.add(text.as_bytes())).digits()
}
