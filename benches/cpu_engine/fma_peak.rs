//! The most multiply-adds that this machine computes per second: independent ones in registers, on all threads at once.

use std::hint::black_box;

use sharpsweep::cpu::InstructionSet;

/// Independent chains: the latency times the throughput of today's processors, and some.
const CHAINS: usize = 12;

/// Multiply-adds in each chain.
const LENGTH: usize = 10_000_000;

/// Runs the chains of `set` on all threads of the rayon pool.
pub(crate) fn run_peak(set: InstructionSet) {
    rayon::broadcast(|_| run(set));
}

/// Flops of [`run_peak`].
pub(crate) fn peak_flops(set: InstructionSet) -> f64 {
    (2 * LENGTH * CHAINS * set.lanes() * rayon::current_num_threads()) as f64
}

fn run(set: InstructionSet) {
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: only instruction sets that this processor has are asked for.
        InstructionSet::Avx512 => unsafe { avx512() },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: only instruction sets that this processor has are asked for.
        InstructionSet::Avx2 => unsafe { avx2() },
        _ => portable(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512() {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_set1_ps};
    let (factor, term) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
    let mut chains = [factor; CHAINS];
    for _ in 0..LENGTH {
        for chain in &mut chains {
            *chain = _mm512_fmadd_ps(*chain, factor, term);
        }
    }
    black_box(chains);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2() {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps};
    let (factor, term) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(1.0)));
    let mut chains = [factor; CHAINS];
    for _ in 0..LENGTH {
        for chain in &mut chains {
            *chain = _mm256_fmadd_ps(*chain, factor, term);
        }
    }
    black_box(chains);
}

/// Without a fused operation: a multiplication and an addition.
fn portable() {
    let (factor, term) = (black_box(0.5_f32), black_box(1.0_f32));
    let mut chains = [[factor; 8]; CHAINS];
    for _ in 0..LENGTH {
        for chain in &mut chains {
            for value in chain.iter_mut() {
                *value =
                    if cfg!(target_arch = "aarch64") { value.mul_add(factor, term) } else { *value * factor + term };
            }
        }
    }
    black_box(chains);
}
