//! From the files in shaders/ to the complete WGSL text of one pass: shared parts, sizes as constants, and the entry file.
//!
//! WGSL's `override` cannot size private arrays, so N, M and D are generated as `const`.

use crate::engine::Status;
use crate::model::{Activation, Shape};

/// One compute pass. Its file in shaders/ and its entry point carry its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// theta_0 from the seeds.
    Seeds,
    /// Gradient descent, many steps a dispatch.
    Train,
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
}

impl Pass {
    /// Every pass, in the order in which a sweep runs them.
    pub const ALL: [Self; 8] = [
        Self::Seeds,
        Self::Train,
        Self::Terms,
        Self::Gradient,
        Self::Trace,
        Self::TraceSq,
        Self::Hessian,
        Self::Eigenvalues,
    ];

    /// The stem of the pass's file in shaders/, and the name of its entry point.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Train => "train",
            Self::Terms => "terms",
            Self::Gradient => "gradient",
            Self::Trace => "trace",
            Self::TraceSq => "trace_sq",
            Self::Hessian => "hessian",
            Self::Eigenvalues => "eigenvalues",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Seeds => include_str!("../../shaders/seeds.wgsl"),
            Self::Train => include_str!("../../shaders/train.wgsl"),
            Self::Terms => include_str!("../../shaders/terms.wgsl"),
            Self::Gradient => include_str!("../../shaders/gradient.wgsl"),
            Self::Trace => include_str!("../../shaders/trace.wgsl"),
            Self::TraceSq => include_str!("../../shaders/trace_sq.wgsl"),
            Self::Hessian => include_str!("../../shaders/hessian.wgsl"),
            Self::Eigenvalues => include_str!("../../shaders/eigenvalues.wgsl"),
        }
    }
}

/// How many samples the trace and gradient passes add up before they start a new partial sum.
pub(super) const SUM_BLOCK: usize = 64;

/// Invocations of a workgroup that every adapter has; the eigenvalue pass fills it with as many matrices as it can.
pub(super) const MAX_WORKGROUP: usize = 256;

/// The complete WGSL of `pass` for networks of `shape` with `activation`, as it is handed to the driver.
pub fn wgsl(pass: Pass, shape: Shape, activation: Activation) -> String {
    let activation = match activation {
        Activation::Linear => include_str!("../../shaders/parts/activation_linear.wgsl"),
        Activation::Sigmoid => include_str!("../../shaders/parts/activation_sigmoid.wgsl"),
        Activation::Tanh => include_str!("../../shaders/parts/activation_tanh.wgsl"),
        Activation::Softplus => include_str!("../../shaders/parts/activation_softplus.wgsl"),
        Activation::Gelu => include_str!("../../shaders/parts/activation_gelu.wgsl"),
    };
    [
        &constants(shape),
        include_str!("../../shaders/parts/params.wgsl"),
        include_str!("../../shaders/parts/theta.wgsl"),
        include_str!("../../shaders/parts/finite.wgsl"),
        include_str!("../../shaders/parts/logistic.wgsl"),
        include_str!("../../shaders/parts/philox.wgsl"),
        activation,
        pass.text(),
    ]
    .join("\n")
}

/// Sizes and status numbers, from the same definitions that the host uses.
fn constants(shape: Shape) -> String {
    format!(
        "// Generated for M = {inputs} inputs and N = {hidden} hidden units.\n\
         const INPUTS: u32 = {inputs}u;\n\
         const HIDDEN: u32 = {hidden}u;\n\
         const PARAMETERS: u32 = {parameters}u;\n\
         const V_BIAS: u32 = {v_bias}u;\n\
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
        converged = Status::Converged as u8,
        step_limit = Status::StepLimit as u8,
        non_finite = Status::NonFinite as u8,
        pending = Status::Pending as u8,
    )
}

/// A hash of all shader text: results of the GPU engine depend on it, so a run records it.
pub fn shader_hash() -> String {
    let mut hasher = blake3::Hasher::new();
    for activation in Activation::ALL {
        for pass in Pass::ALL {
            hasher.update(wgsl(pass, Shape::new(1, 1), activation).as_bytes());
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}
