//! What every adapter has, and how all passes keep to it.

/// Workgroups along one dimension that every adapter has.
pub(super) const MAX_GROUPS: u32 = 65_535;

/// Invocations of a workgroup that every adapter allows. The eigenvalue pass fills it with as many matrices as it can.
pub(super) const MAX_WORKGROUP: usize = 256;

/// The elements of four bytes that the invocations of a workgroup can share on every adapter, 16 KiB.
pub(super) const WORKGROUP_ELEMENTS: usize = 4096;

/// The rows of four values in the largest uniform buffer that every adapter has, 64 KiB.
pub(super) const UNIFORM_ROWS: usize = 4096;

/// The most loop iterations of an invocation in passes that can be cut: fewer than any known driver allows
/// ([`super::Adapter::loop_limit`]), and short enough for every watchdog.
pub(super) const LOOP_ITERATIONS: u64 = 60_000;

/// Networks per workgroup in the passes with one invocation per network.
pub(super) const WORKGROUP: usize = 64;

/// How many samples an invocation of the trace pass adds up, and how many the gradient and Hessian passes add up before
/// they start a new partial sum.
pub(super) const SUM_BLOCK: usize = 64;

/// How many samples the trace pass adds up before it starts a new partial sum, within [`SUM_BLOCK`].
pub(super) const SUM_PART: usize = 8;

/// How many of `rows` one invocation takes where they are more than a dispatch has.
pub(super) const fn turns(rows: usize) -> u64 {
    rows.div_ceil(MAX_GROUPS as usize) as u64
}
