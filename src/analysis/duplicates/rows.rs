//! Points in memory.

/// Points, row-major.
#[derive(Debug, Clone, Copy)]
pub(super) struct PointSet<'a> {
    pub(super) values: &'a [f32],
    /// Numbers per point.
    pub(super) dimensions: usize,
}

impl<'a> PointSet<'a> {
    /// Point `i`.
    pub(super) fn row(self, i: usize) -> &'a [f32] {
        &self.values[i * self.dimensions..(i + 1) * self.dimensions]
    }
}
