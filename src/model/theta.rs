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
