//! The data set as the kernels read it: in their precision, in blocks, with labels as signs.

use std::ops::Range;

use crate::model::PaperProblem;

/// All samples, in f32 where networks are trained and in f64 where they are evaluated.
pub(super) struct Samples<T> {
    /// M, the number of inputs.
    pub(super) inputs: usize,
    /// x, (I, M), row-major.
    pub(super) x: Vec<T>,
    /// u_i = 1 - 2 q_i: with it delta = u sigmoid(u z) and l = softplus(u z), where nothing cancels.
    pub(super) sign: Vec<T>,
}

impl<T> Samples<T> {
    /// Those of `problem`, with every number converted by `number`.
    pub(super) fn new(problem: &PaperProblem<'_>, number: impl Fn(f64) -> T) -> Self {
        Self {
            inputs: problem.data.inputs(),
            x: problem.data.x().iter().map(|&x| number(x)).collect(),
            sign: problem.q.iter().map(|&q| number(1.0 - 2.0 * q)).collect(),
        }
    }

    /// I, the number of samples.
    pub(super) fn count(&self) -> usize {
        self.sign.len()
    }

    /// Rows `range` of x.
    pub(super) fn rows(&self, range: &Range<usize>) -> &[T] {
        &self.x[range.start * self.inputs..range.end * self.inputs]
    }

    /// The samples in [`blocks`].
    pub(super) fn blocks(&self, longest: usize) -> impl Iterator<Item = Range<usize>> + use<T> {
        blocks(self.count(), longest)
    }
}

/// So many `samples` in as few blocks of at most `longest` as possible, all of nearly the same length.
pub(super) fn blocks(samples: usize, longest: usize) -> impl Iterator<Item = Range<usize>> {
    let blocks = samples.div_ceil(longest);
    (0..blocks).map(move |b| b * samples / blocks..(b + 1) * samples / blocks)
}

/// A block of samples.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    /// x, one row per sample.
    pub(super) x: &'a [f64],
    /// |x|.
    pub(super) magnitudes: &'a [f64],
    /// u = 1 - 2 q.
    pub(super) sign: &'a [f64],
    /// 1 + x.x.
    pub(super) norms: &'a [f64],
}

/// Values of the samples that all networks share.
pub(super) struct Inputs {
    /// |x|.
    magnitudes: Vec<f64>,
    /// 1 + x_i.x_i.
    norms: Vec<f64>,
}

impl Inputs {
    /// Those of `samples`.
    pub(super) fn new(samples: &Samples<f64>) -> Self {
        let norm = |row: &[f64]| row.iter().fold(1.0, |sum, x| sum + x * x);
        Self {
            magnitudes: samples.x.iter().map(|x| x.abs()).collect(),
            norms: samples.x.chunks_exact(samples.inputs).map(norm).collect(),
        }
    }

    /// The samples in `range`.
    pub(super) fn block<'a>(&'a self, samples: &'a Samples<f64>, range: &Range<usize>) -> Block<'a> {
        let numbers = range.start * samples.inputs..range.end * samples.inputs;
        Block {
            x: samples.rows(range),
            magnitudes: &self.magnitudes[numbers],
            sign: &samples.sign[range.clone()],
            norms: &self.norms[range.clone()],
        }
    }
}

/// Bytes of a block's terms and of what the routes derive from them, about nine vectors per unit and sample: half of a
/// typical second-level cache.
const BLOCK_BYTES: usize = 512 << 10;

/// The longest block of samples for networks of `hidden` units.
pub(super) fn longest_block<F>(hidden: usize, samples: usize) -> usize {
    (BLOCK_BYTES / (9 * hidden * size_of::<F>())).clamp(16, 64).min(samples)
}
