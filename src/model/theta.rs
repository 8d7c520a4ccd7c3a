//! The weights of many networks.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{Array2, ArrayBase, ArrayView2, Ix2, ViewRepr, s};
use rayon::prelude::*;

/// The weights of S networks, (S, D): trained networks in f32, a user's networks in the precision of the file.
#[derive(Debug, Clone, Copy)]
pub enum Theta<'a> {
    /// In f32.
    Float32(View<'a, f32>),
    /// In f64.
    Float64(View<'a, f64>),
}

/// [`ArrayView2`], spelled out: inside another type the compiler does not shorten the alias's lifetime.
type View<'a, T> = ArrayBase<ViewRepr<&'a T>, Ix2, T>;

impl<'a> From<ArrayView2<'a, f32>> for Theta<'a> {
    fn from(theta: ArrayView2<'a, f32>) -> Self {
        Self::Float32(theta)
    }
}

impl<'a> From<ArrayView2<'a, f64>> for Theta<'a> {
    fn from(theta: ArrayView2<'a, f64>) -> Self {
        Self::Float64(theta)
    }
}

impl<'a> Theta<'a> {
    /// S, the number of networks.
    pub fn nrows(self) -> usize {
        match self {
            Self::Float32(theta) => theta.nrows(),
            Self::Float64(theta) => theta.nrows(),
        }
    }

    /// D, the number of parameters.
    pub fn ncols(self) -> usize {
        match self {
            Self::Float32(theta) => theta.ncols(),
            Self::Float64(theta) => theta.ncols(),
        }
    }

    /// The networks `rows`, without a copy.
    pub fn rows(self, rows: Range<usize>) -> Self {
        match self {
            Self::Float32(theta) => Self::Float32(theta.slice_move(s![rows, ..])),
            Self::Float64(theta) => Self::Float64(theta.slice_move(s![rows, ..])),
        }
    }

    /// The networks in pieces of `rows` rows; the last piece may hold fewer.
    pub fn chunks(self, rows: usize) -> impl Iterator<Item = Self> {
        let all = self.nrows();
        (0..all).step_by(rows.max(1)).map(move |start| self.rows(start..all.min(start.saturating_add(rows))))
    }

    /// The weights of one network in f64, (D,); copied only if they are not contiguous f64 in memory.
    pub fn network(self, row: usize) -> Cow<'a, [f64]> {
        match self {
            Self::Float32(theta) => theta.row(row).iter().copied().map(f64::from).collect(),
            Self::Float64(theta) => {
                let weights = theta.slice_move(s![row, ..]);
                weights.to_slice().map_or_else(|| weights.to_vec().into(), Cow::Borrowed)
            }
        }
    }

    /// The weights of the networks `rows`, in that order, in f64.
    pub fn select(self, rows: &[usize]) -> Array2<f64> {
        Array2::from_shape_fn((rows.len(), self.ncols()), |(row, d)| match self {
            Self::Float32(theta) => theta[[rows[row], d]].into(),
            Self::Float64(theta) => theta[[rows[row], d]],
        })
    }

    /// Applies `f` to the row and the weights of each network, in f64, on all cores; the results are in order.
    pub fn map_networks<T: Send>(self, f: impl Fn(usize, &[f64]) -> T + Sync) -> Vec<T> {
        (0..self.nrows()).into_par_iter().map(|row| f(row, &self.network(row))).collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::Theta;

    #[test]
    fn both_precisions_and_any_memory_order_give_the_same_networks() {
        let narrow: Array2<f32> = array![[1.0, 2.5], [3.0, 4.0], [5.0, -6.0]];
        let wide = narrow.mapv(f64::from);
        // The same rows, column by column in memory.
        let turned = wide.t().as_standard_layout().into_owned();
        for theta in [Theta::from(narrow.view()), wide.view().into(), turned.t().into()] {
            assert_eq!((theta.nrows(), theta.ncols()), (3, 2));
            assert_eq!(*theta.network(1), [3.0, 4.0]);
            assert_eq!(theta.select(&[2, 0]), array![[5.0, -6.0], [1.0, 2.5]]);
            assert_eq!(
                theta.map_networks(|row, weights| (row, weights.to_vec())),
                [(0, vec![1.0, 2.5]), (1, vec![3.0, 4.0]), (2, vec![5.0, -6.0])]
            );
            let pieces: Vec<_> = theta.chunks(2).map(|piece| (piece.nrows(), piece.network(0).to_vec())).collect();
            assert_eq!(pieces, [(2, vec![1.0, 2.5]), (1, vec![5.0, -6.0])]);
            assert_eq!(theta.rows(0..0).chunks(4).count(), 0);
        }
    }
}
