//! Distances of one point to many, and their statistics over all pairs or a sample of them.
//!
//! Squared distances are sums of squared differences in f64, one coordinate after the other, in sixteen lanes: no
//! |x|^2 - 2 x.y + |y|^2, which cancels for near points. The lanes are spelled out and nothing is fused, so every
//! instruction set gives the same bits.

use multiversion::multiversion;
use rayon::prelude::*;

use super::rows::PointSet;
use crate::model::philox4x32_10;

/// How many points are compared with one point at a time.
pub(super) const LANES: usize = 16;

/// Rows of the triangle of pairs that make one task.
const TASK_ROWS: usize = 64;

/// Sampled pairs that make one task.
const TASK_PAIRS: u64 = 1 << 16;

/// Points in blocks of [`LANES`]: coordinate d of the points of block b is the run of lanes at (b D + d) [`LANES`]. Points at infinity
/// fill up the last block.
#[derive(Debug)]
pub(super) struct Blocks {
    values: Vec<f32>,
    dimensions: usize,
}

impl Blocks {
    /// The points of `rows` with the given indices, in that order.
    pub(super) fn new(rows: PointSet<'_>, indices: &[u32]) -> Self {
        let dimensions = rows.dimensions;
        let mut values = vec![f32::INFINITY; indices.len().div_ceil(LANES) * LANES * dimensions];
        for (position, &index) in indices.iter().enumerate() {
            let block = &mut values[position / LANES * LANES * dimensions..];
            for (d, &x) in rows.row(index as usize).iter().enumerate() {
                block[d * LANES + position % LANES] = x;
            }
        }
        Self { values, dimensions }
    }

    /// Block b: (D, [`LANES`]).
    #[inline(always)]
    pub(super) fn block(&self, b: usize) -> &[f32] {
        &self.values[b * LANES * self.dimensions..(b + 1) * LANES * self.dimensions]
    }

    /// Which of the first `count` points are nearer to `x` than `threshold`, by their position.
    pub(super) fn nearer_than(&self, x: &[f32], count: usize, threshold: f64) -> Vec<usize> {
        let mut found = Vec::new();
        for b in 0..count.div_ceil(LANES) {
            if let Some(squares) = squares_below(x, self.block(b), threshold * threshold) {
                let near = (0..LANES).filter(|&l| b * LANES + l < count && squares[l].sqrt() < threshold);
                found.extend(near.map(|l| b * LANES + l));
            }
        }
        found
    }
}

/// The squared distances of `x` to the points of a block, or `None` once none of them can be nearer than the root of
/// `limit`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2", "aarch64+neon"))]
pub(super) fn squares_below(x: &[f32], block: &[f32], limit: f64) -> Option<[f64; LANES]> {
    // The root of a square just above the limit may round to below the threshold.
    let limit = limit * (1.0 + 1e-12);
    let mut squares = [0.0; LANES];
    for (x, lanes) in x.chunks(8).zip(block.chunks(8 * LANES)) {
        for (&x, lanes) in x.iter().zip(lanes.chunks_exact(LANES)) {
            let x = f64::from(x);
            for (square, &y) in squares.iter_mut().zip(lanes) {
                let difference = x - f64::from(y);
                *square += difference * difference;
            }
        }
        if squares.iter().all(|&square| square > limit) {
            return None;
        }
    }
    Some(squares)
}

/// The Euclidean distance of two points, with the bits that the lanes give.
pub(super) fn euclidean(x: &[f32], y: &[f32]) -> f64 {
    let square = x.iter().zip(y).fold(0.0, |sum, (&x, &y)| {
        let difference = f64::from(x) - f64::from(y);
        sum + difference * difference
    });
    square.sqrt()
}

/// Mean and population standard deviation of the distances of some pairs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statistics {
    pub(super) pairs: u64,
    pub(super) mean: f64,
    pub(super) std: f64,
    skewness: f64,
    kurtosis: f64,
}

impl Statistics {
    /// From the sums of (d - centre)^k, k = 1 to 4.
    fn new(pairs: u64, centre: f64, sums: [f64; 4]) -> Self {
        let [m1, m2, m3, m4] = sums.map(|sum| sum / pairs as f64);
        let variance = (m2 - m1 * m1).max(0.0);
        let std = variance.sqrt();
        let third = m3 - 3.0 * m1 * m2 + 2.0 * m1.powi(3);
        let fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1 * m1 * m2 - 3.0 * m1.powi(4);
        let (skewness, kurtosis) =
            if std > 0.0 { (third / std.powi(3), fourth / variance.powi(2)) } else { (0.0, 1.0) };
        Self { pairs, mean: centre + m1, std, skewness, kurtosis }
    }

    /// The standard error of mean - 3 std for independent pairs: var(e - 3/2 e^2) / n in units of std, with e the
    /// standardised distance.
    pub(super) fn threshold_error(&self) -> f64 {
        let variance = 1.0 - 3.0 * self.skewness + 2.25 * (self.kurtosis - 1.0);
        self.std * (variance.max(0.0) / self.pairs as f64).sqrt()
    }
}

/// The root mean square of the pairwise distances, from the points' scatter alone: sum_ij |x_i - x_j|^2 = 2 S sum_i
/// |x_i - mean|^2. A centre near the mean distance, about which the sums lose nothing to cancellation.
fn root_mean_square(rows: PointSet<'_>, count: usize) -> f64 {
    let scatter: f64 = (0..rows.dimensions)
        .map(|d| {
            let column = || (0..count).map(|i| f64::from(rows.row(i)[d]));
            let mean = column().sum::<f64>() / count as f64;
            column().map(|x| (x - mean) * (x - mean)).sum::<f64>()
        })
        .sum();
    (2.0 * scatter / (count - 1) as f64).sqrt()
}

/// The statistics of all S (S-1) / 2 distances of `count` points, in S^2 D / 2 steps and without storing them.
pub(super) fn all_pairs(rows: PointSet<'_>, count: usize) -> Statistics {
    let centre = root_mean_square(rows, count);
    let indices: Vec<u32> = (0..count).map(|i| i as u32).collect();
    let blocks = Blocks::new(rows, &indices);
    let tasks: Vec<[f64; 2]> = (0..count.div_ceil(TASK_ROWS))
        .into_par_iter()
        .map(|task| pair_sums(rows, &blocks, task * TASK_ROWS, count, centre))
        .collect();
    // In the order of the tasks, whichever thread did them.
    let [first, second] = tasks.iter().fold([0.0; 2], |[a, b], [first, second]| [a + first, b + second]);
    let pairs = count as u64 * (count as u64 - 1) / 2;
    Statistics::new(pairs, centre, [first, second, 0.0, 0.0])
}

/// Sums of d_ij - centre and of its square for the rows i from `first` on that make one task and all j > i.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2", "aarch64+neon"))]
fn pair_sums(rows: PointSet<'_>, blocks: &Blocks, first: usize, count: usize, centre: f64) -> [f64; 2] {
    let dimensions = rows.dimensions;
    let last = count.min(first + TASK_ROWS);
    let widen = |values: &[f32]| -> Vec<f64> { values.iter().map(|&x| f64::from(x)).collect() };
    let x = widen(&rows.values[first * dimensions..last * dimensions]);
    let (mut sums, mut squared_sums) = ([0.0; LANES], [0.0; LANES]);
    for b in first / LANES..count.div_ceil(LANES) {
        let block = widen(blocks.block(b));
        for i in first..last {
            if b < i / LANES {
                continue;
            }
            let x = &x[(i - first) * dimensions..(i - first + 1) * dimensions];
            let mut squares = [0.0; LANES];
            for (&x, lanes) in x.iter().zip(block.chunks_exact(LANES)) {
                for (square, &y) in squares.iter_mut().zip(lanes) {
                    *square += (x - y) * (x - y);
                }
            }
            let mut excess = [0.0; LANES];
            for (excess, square) in excess.iter_mut().zip(squares) {
                *excess = square.sqrt() - centre;
            }
            if b == i / LANES || (b + 1) * LANES > count {
                // A pair of a point with itself, pairs that came before, and the filling of the last block do not count.
                for (l, excess) in excess.iter_mut().enumerate() {
                    let j = b * LANES + l;
                    if j <= i || j >= count {
                        *excess = 0.0;
                    }
                }
            }
            for l in 0..LANES {
                sums[l] += excess[l];
                squared_sums[l] += excess[l] * excess[l];
            }
        }
    }
    [sums.iter().sum(), squared_sums.iter().sum()]
}

/// The statistics of `pairs` distances between two different points drawn uniformly with replacement, always the same
/// ones.
pub(super) fn sampled_pairs(rows: PointSet<'_>, count: usize, pairs: u64) -> Statistics {
    let centre = root_mean_square(rows, count);
    let tasks: Vec<[f64; 4]> = (0..pairs.div_ceil(TASK_PAIRS))
        .into_par_iter()
        .map(|task| {
            let mut sums = [0.0; 4];
            for pair in task * TASK_PAIRS..pairs.min((task + 1) * TASK_PAIRS) {
                let (i, j) = random_pair(pair, count);
                let excess = euclidean(rows.row(i), rows.row(j)) - centre;
                let mut power = 1.0;
                for sum in &mut sums {
                    power *= excess;
                    *sum += power;
                }
            }
            sums
        })
        .collect();
    let sums = tasks.iter().fold([0.0; 4], |total, task| [0, 1, 2, 3].map(|k| total[k] + task[k]));
    Statistics::new(pairs, centre, sums)
}

/// Two different indices below `count`, from Philox block `pair` under a key of its own.
fn random_pair(pair: u64, count: usize) -> (usize, usize) {
    let words = philox4x32_10([pair as u32, (pair >> 32) as u32, 0, 0], [0x6475_706c, 0x6963_6174]);
    let below = |high: u32, low: u32, bound: usize| {
        let word = (u128::from(high) << 32) | u128::from(low);
        ((word * bound as u128) >> 64) as usize
    };
    let i = below(words[0], words[1], count);
    let j = below(words[2], words[3], count - 1);
    (i, if j < i { j } else { j + 1 })
}

#[cfg(test)]
mod tests {
    use super::{Statistics, random_pair};

    #[test]
    fn random_pairs_are_of_different_points_and_uniform_over_them() {
        let count = 5;
        let mut seen = [[0_u32; 5]; 5];
        for pair in 0..40_000 {
            let (i, j) = random_pair(pair, count);
            seen[i][j] += 1;
        }
        for (i, row) in seen.iter().enumerate() {
            for (j, &times) in row.iter().enumerate() {
                // 2,000 expected of each of the 20 ordered pairs, with a standard deviation of 44.
                let expected = if i == j { 0..1 } else { 1_780..2_220 };
                assert!(expected.contains(&times), "({i}, {j}) was drawn {times} times");
            }
        }
    }

    /// The threshold's standard error is that of the mean of e - 3/2 e^2, times std: here from the values one by one.
    #[test]
    fn standard_error_of_the_threshold_follows_from_the_moments() {
        let distances: Vec<f64> = (1..200).map(|k| f64::from(k).sqrt() + f64::from(k % 7)).collect();
        let (centre, n) = (9.0, distances.len() as f64);
        let sum = |k: i32| distances.iter().map(|d| (d - centre).powi(k)).sum::<f64>();
        let statistics = Statistics::new(distances.len() as u64, centre, [1, 2, 3, 4].map(sum));
        let mean = distances.iter().sum::<f64>() / n;
        let std = (distances.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
        let influence: Vec<f64> =
            distances.iter().map(|d| (d - mean) / std).map(|e| std * (e - 1.5 * (e * e - 1.0))).collect();
        let expected = (influence.iter().map(|i| i * i).sum::<f64>() / n / n).sqrt();
        assert!((statistics.mean - mean).abs() < 1e-12 && (statistics.std - std).abs() < 1e-12);
        assert!((statistics.threshold_error() - expected).abs() < 1e-10 * expected, "{expected}");
    }
}
