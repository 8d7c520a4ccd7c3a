//! The data set as the kernels read it, in their precision, with labels as signs, in blocks.

use std::ops::Range;

use crate::model::Dataset;

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
    /// `data`, every number of it as `number` has it.
    pub(super) fn new(data: &Dataset, number: impl Fn(f64) -> T) -> Self {
        Self {
            inputs: data.inputs(),
            x: data.x().iter().map(|&x| number(x)).collect(),
            sign: data.q().iter().map(|&q| number(1.0 - 2.0 * q)).collect(),
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

    /// The samples in as few blocks of at most `longest` as possible, all of nearly the same length.
    pub(super) fn blocks(&self, longest: usize) -> impl Iterator<Item = Range<usize>> + use<T> {
        let (samples, blocks) = (self.count(), self.count().div_ceil(longest));
        (0..blocks).map(move |b| b * samples / blocks..(b + 1) * samples / blocks)
    }
}
