//! What every adapter has, and how the passes keep to it: the ground that all of them are cut on.

/// Workgroups along one dimension that every adapter has.
pub(super) const MAX_GROUPS: u32 = 65_535;

/// Invocations of a workgroup that every adapter has; the eigenvalue pass fills it with as many matrices as it can.
pub(super) const MAX_WORKGROUP: usize = 256;

/// The rows of four values in the largest uniform buffer that every adapter has, 64 KiB.
pub(super) const UNIFORM_ROWS: usize = 4096;

/// The loop iterations of an invocation that the passes keep to where they can be cut: below what any known driver allows
/// ([`super::Adapter::loop_limit`]), and short enough for every watchdog.
pub(super) const LOOP_ITERATIONS: u64 = 60_000;

/// Networks per workgroup in the passes with one invocation for each network.
pub(super) const WORKGROUP: usize = 64;

/// How many samples an invocation of the trace pass adds up, and the gradient and Hessian passes before they start a new partial sum.
pub(super) const SUM_BLOCK: usize = 64;

/// How many samples the trace pass adds up before it starts a new partial sum, within [`SUM_BLOCK`].
pub(super) const SUM_PART: usize = 8;

/// How many of `rows` one invocation takes where a dispatch has fewer.
pub(super) const fn turns(rows: usize) -> u64 {
    rows.div_ceil(MAX_GROUPS as usize) as u64
}
