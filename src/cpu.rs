//! The CPU engine: many networks side by side in SIMD lanes, all cores; training in f32, closed forms and spectra in
//! f64.
//!
//! Every quantity of a network lives in one lane of a vector, so the code reads as it would for one network. Each
//! kernel is written once and compiled for several instruction sets, chosen when the program runs ([`InstructionSet`]).
//! Sums over samples go block by block, so that a block's values stay in the first-level cache and rounding errors do
//! not grow with the number of samples.
//!
//! A network's results are the same bits in any batch, in any lane and on any number of threads. They depend on the
//! instruction set, and with AVX-512 on the make of the processor (its reciprocal estimate), within the stated
//! accuracy.

mod activation;
mod assembled;
mod batch;
mod derivatives;
mod descents;
mod eigenvalues;
mod engine;
mod evaluate;
mod hessians;
mod instruction_set;
mod lanes;
mod layers;
mod moments;
mod network;
mod pairwise;
mod pivots;
mod route;
mod samples;
mod spectrum;
mod terms;
mod train;

pub use engine::Cpu;
pub use instruction_set::InstructionSet;
pub(crate) use route::{layer_assembled_cost, layer_pairs_cost};
