//! The data set as the kernels read it: rounded to f32, labels as signs, in blocks.

use std::ops::Range;

use crate::model::Dataset;

/// All samples in f32.
pub(super) struct Samples {
    /// M, the number of inputs.
    pub(super) inputs: usize,
    /// x, (I, M), row-major.
    pub(super) x: Vec<f32>,
    /// u_i = 1 - 2 q_i: with it delta = u sigmoid(u z) and l = softplus(u z), where nothing cancels.
    pub(super) sign: Vec<f32>,
}

impl Samples {
    /// Rounds `data` to nearest.
    pub(super) fn new(data: &Dataset) -> Self {
        Self {
            inputs: data.inputs(),
            x: data.x().iter().map(|&x| x as f32).collect(),
            sign: data.q().iter().map(|&q| 1.0 - 2.0 * q as f32).collect(),
        }
    }

    /// I, the number of samples.
    pub(super) fn count(&self) -> usize {
        self.sign.len()
    }

    /// Rows `range` of x.
    pub(super) fn rows(&self, range: &Range<usize>) -> &[f32] {
        &self.x[range.start * self.inputs..range.end * self.inputs]
    }

    /// The samples in as few blocks of at most `longest` as possible, all of nearly the same length.
    pub(super) fn blocks(&self, longest: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (samples, blocks) = (self.count(), self.count().div_ceil(longest));
        (0..blocks).map(move |b| b * samples / blocks..(b + 1) * samples / blocks)
    }
}
