//! The instruction sets that kernels are compiled for, and those that this processor has.

use std::fmt;

use super::lanes::{LaneTask, portable};
#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2, avx512};

/// How vectors are computed. Each instruction set rounds in its own way: between two of them, results agree only to the
/// accuracy of f32 (training) or f64 (evaluation). With one of them, the bits are the same for any batch, thread count
/// and lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstructionSet {
    /// x86-64 with AVX-512 F and DQ: 16 lanes of f32, 8 of f64.
    Avx512,
    /// x86-64 with AVX2 and FMA: 8 lanes of f32, 4 of f64.
    Avx2,
    /// 64-bit Arm, whose every processor has NEON: 8 lanes of f32, 4 of f64, each in two registers.
    Neon,
    /// Plain Rust for any processor: 8 lanes of f32, 4 of f64 (on x86-64 in two SSE2 registers).
    Baseline,
}

impl InstructionSet {
    /// The instruction sets of this processor, fastest first.
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                sets.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Self::Avx2);
            }
        }
        sets.push(Self::plain());
        sets
    }

    /// The one that every processor of this architecture has.
    pub(super) const fn plain() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Neon } else { Self::Baseline }
    }

    /// The number of networks in one vector of f32, which are trained side by side.
    pub const fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2 | Self::Neon | Self::Baseline => 8,
        }
    }

    /// The number of networks in one vector of f64: those that are evaluated side by side.
    pub(super) const fn double_lanes(self) -> usize {
        self.lanes() / 2
    }

    /// Runs `kernel` with this instruction set, which must be one of [`InstructionSet::available`]; others run the
    /// portable code.
    pub(super) fn dispatch<K: LaneTask>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") => {
                // SAFETY: the processor has the features that the function is compiled for.
                unsafe { avx512::run(kernel) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => {
                // SAFETY: the processor has the features that the function is compiled for.
                unsafe { avx2::run(kernel) }
            }
            _ => portable::run(kernel),
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2 and FMA",
            Self::Neon => "NEON",
            Self::Baseline => "baseline",
        })
    }
}
