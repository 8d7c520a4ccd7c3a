//! How many loop iterations an invocation makes, counted as by the driver that limits them
//! ([`super::Adapter::loop_limit`]).

/// The iterations of a loop of `trips` trips with `inside` iterations of other loops in each. The trip that finds the
/// loop at its end counts as well.
pub(super) const fn iterations(trips: u64, inside: u64) -> u64 {
    trips.saturating_mul(inside.saturating_add(1)).saturating_add(1)
}
