//! tr H^2 from the forms Phi, Psi and Omega of every pair of samples (paper, Theorem 5): no Hessian is formed.
//!
//! With K = 1 + x_i.x_j, R = 1 + r_i.r_j, A = sum_n a_in a_jn for a = v f', and per unit alpha = s a^2, beta = alpha +
//! delta v f'', epsilon = s r a, eta = epsilon + delta f', the sum over a pair phi K^2 + 2 psi K + omega R^2 is
//!
//! s_i s_j (A K + R)^2 + K (K sum_n (beta_i beta_j - alpha_i alpha_j) + 2 sum_n (eta_i eta_j - epsilon_i epsilon_j)),
//!
//! because beta_i beta_j - alpha_i alpha_j collects B_ij, B_ji and C_ij, and eta_i eta_j - epsilon_i epsilon_j collects
//! E_ij, E_ji and G_ij: six multiply-adds per unit and pair.

use std::ops::Range;

use super::lanes::Doubles;
use super::network::LaneNetworks;
use super::samples::{Inputs, Samples};
use super::terms::Terms;

/// Factors per sample and unit: a, r, alpha, beta, epsilon, eta.
const FACTORS: usize = 6;

/// Samples on either side of a pair that are computed together.
const TILE: usize = 2;

/// Bytes of one block's factors: two blocks fit a typical second-level cache. Longer data sets are paired block by
/// block.
const BLOCK_BYTES: usize = 384 << 10;

/// The fewest samples per block: with shorter blocks, computing a block's factors again for every other block would
/// cost too much.
const SHORTEST_BLOCK: usize = 64;

/// Pairs of tiles per partial sum, so that no term goes through many additions.
const RUN: usize = 32;

/// The factors of one block of samples, in tiles. Zeros fill up the last tile; their pairs are 0.
struct Factors<F> {
    /// By tile, unit and factor: that of each sample of the tile.
    units: Vec<[[F; TILE]; FACTORS]>,
    /// s, by tile.
    s: Vec<[F; TILE]>,
    /// x, input by input, each with room for the longest block.
    x_by_input: Vec<f64>,
}

impl<F: Doubles> Factors<F> {
    /// Room for `longest` samples of networks of `hidden` units.
    fn new(hidden: usize, inputs: usize, longest: usize) -> Self {
        let zero = F::splat(0.0);
        let tiles = longest / TILE;
        Self {
            units: vec![[[zero; TILE]; FACTORS]; tiles * hidden],
            s: vec![[zero; TILE]; tiles],
            x_by_input: vec![0.0; inputs * longest],
        }
    }
}

/// Working memory of the pairwise route.
pub(super) struct Pairwise<F> {
    hidden: usize,
    /// The most samples per block.
    longest: usize,
    left: Factors<F>,
    right: Factors<F>,
    /// K between the samples of one tile (rows) and those of a block (columns).
    input_gram: [Vec<f64>; TILE],
}

impl<F: Doubles> Pairwise<F> {
    /// For networks of `hidden` units on `samples`.
    pub(super) fn new(hidden: usize, samples: &Samples<f64>) -> Self {
        let count = samples.count();
        let padded = count.next_multiple_of(TILE);
        let fitting = BLOCK_BYTES / (FACTORS * hidden * size_of::<F>()) / TILE * TILE;
        let longest = fitting.max(SHORTEST_BLOCK).min(padded);
        Self {
            hidden,
            longest,
            left: Factors::new(hidden, samples.inputs, longest),
            right: Factors::new(hidden, samples.inputs, if longest < padded { longest } else { 0 }),
            input_gram: [vec![0.0; longest], vec![0.0; longest]],
        }
    }

    /// The most additions that the term of one pair goes through with `samples` samples: in its tile and run, over the
    /// runs of a row and the rows of two blocks, and over pairs of blocks.
    pub(super) fn chain(&self, samples: usize) -> usize {
        let (tiles, blocks) = (self.longest.div_ceil(TILE), samples.div_ceil(self.longest));
        3 + RUN + tiles.div_ceil(RUN) + tiles + blocks * blocks
    }

    /// Adds the sum over all pairs of samples to `trace_sq`. `terms` is working memory.
    #[inline(always)]
    pub(super) fn add_all(
        &mut self,
        networks: &LaneNetworks<'_, F>,
        samples: &Samples<f64>,
        inputs: &Inputs,
        terms: &mut Terms<F>,
        trace_sq: &mut F,
    ) {
        let block = |start: usize| start..samples.count().min(start + self.longest);
        let blocks: Vec<Range<usize>> = (0..samples.count()).step_by(self.longest).map(block).collect();
        for (k, left) in blocks.iter().enumerate() {
            fill_factors(&mut self.left, self.hidden, networks, samples, inputs, left, terms);
            *trace_sq += pairs(self.hidden, (&self.left, left), (&self.left, left), &mut self.input_gram);
            for right in &blocks[k + 1..] {
                fill_factors(&mut self.right, self.hidden, networks, samples, inputs, right, terms);
                *trace_sq += pairs(self.hidden, (&self.left, left), (&self.right, right), &mut self.input_gram);
            }
        }
    }
}

/// Writes K_ij = 1 + x_i.x_j between sample `i` of the block `left` and the samples `j` of the block `right`.
#[inline(always)]
fn fill_gram<F>(left: &Factors<F>, i: usize, right: &Factors<F>, j: Range<usize>, longest: usize, gram: &mut [f64]) {
    gram.fill(1.0);
    for (left, right) in left.x_by_input.chunks_exact(longest).zip(right.x_by_input.chunks_exact(longest)) {
        let x_i = left[i];
        for (gram, x_j) in gram.iter_mut().zip(&right[j.clone()]) {
            *gram += x_i * x_j;
        }
    }
}

/// Computes the factors of the samples of `block`, in pieces that fit `terms`.
#[inline(always)]
fn fill_factors<F: Doubles>(
    factors: &mut Factors<F>,
    hidden: usize,
    networks: &LaneNetworks<'_, F>,
    samples: &Samples<f64>,
    inputs: &Inputs,
    block: &Range<usize>,
    terms: &mut Terms<F>,
) {
    let layout = networks.layout;
    let longest = factors.x_by_input.len() / samples.inputs;
    for (m, x) in factors.x_by_input.chunks_exact_mut(longest).enumerate() {
        // Old inputs may remain past the block's end: their pairs are 0 through the other factors.
        for (x, row) in x.iter_mut().zip(samples.rows(block).chunks_exact(samples.inputs)) {
            *x = row[m];
        }
    }
    if !block.len().is_multiple_of(TILE) {
        let (last, zero) = (block.len() / TILE, F::splat(0.0));
        factors.units[last * hidden..(last + 1) * hidden].fill([[zero; TILE]; FACTORS]);
        factors.s[last].fill(zero);
    }
    let step = terms.capacity();
    for start in block.clone().step_by(step) {
        let piece = start..block.end.min(start + step);
        terms.fill(networks, inputs.block(samples, &piece), None);
        let place = |i: usize| ((start - block.start + i) / TILE, (start - block.start + i) % TILE);
        for i in 0..piece.len() {
            let (tile, at) = place(i);
            factors.s[tile][at] = terms.s[i];
        }
        for &group in &layout.groups {
            for (u, &v) in layout.output_weights(group, networks.theta).iter().enumerate() {
                let n = group.first + u;
                let (r, df, ddf) = (terms.unit(&terms.r, n), terms.unit(&terms.df, n), terms.unit(&terms.ddf, n));
                for i in 0..piece.len() {
                    let (s, delta) = (terms.s[i], terms.delta[i]);
                    let a = v * df[i];
                    let (alpha, epsilon) = (s * a * a, s * r[i] * a);
                    let beta = (delta * v).mul_add(ddf[i], alpha);
                    let eta = delta.mul_add(df[i], epsilon);
                    let (tile, at) = place(i);
                    let unit = &mut factors.units[tile * hidden + n];
                    for (slot, factor) in unit.iter_mut().zip([a, r[i], alpha, beta, epsilon, eta]) {
                        slot[at] = factor;
                    }
                }
            }
        }
    }
}

/// The sum over pairs of a sample of `left` and one of `right`. Between two blocks every pair counts twice, once for
/// each order. Within one block every unordered pair counts twice, and every sample paired with itself once.
#[inline(always)]
fn pairs<F: Doubles>(
    hidden: usize,
    (left, i): (&Factors<F>, &Range<usize>),
    (right, j): (&Factors<F>, &Range<usize>),
    input_gram: &mut [Vec<f64>; TILE],
) -> F {
    let mut total = F::splat(0.0);
    let same = i == j;
    let tiles = j.len().div_ceil(TILE);
    let longest = input_gram[0].len();
    for tile_i in 0..i.len().div_ceil(TILE) {
        let first = if same { tile_i } else { 0 };
        for (row, gram) in input_gram.iter_mut().enumerate() {
            let columns = first * TILE..tiles * TILE;
            fill_gram(left, tile_i * TILE + row, right, columns.clone(), longest, &mut gram[columns]);
        }
        let units_i = &left.units[tile_i * hidden..(tile_i + 1) * hidden];
        let s_i = left.s[tile_i];
        let mut row = F::splat(0.0);
        for run in (first..tiles).step_by(RUN) {
            let mut sum = F::splat(0.0);
            for tile_j in run..tiles.min(run + RUN) {
                let units_j = &right.units[tile_j * hidden..(tile_j + 1) * hidden];
                let pairs = pair_sums(units_i, units_j, s_i, right.s[tile_j], |a, b| input_gram[a][tile_j * TILE + b]);
                let [[p00, p01], [p10, p11]] = pairs;
                sum += if same && tile_j == tile_i {
                    (p00 + p11) + (p01 + p01)
                } else {
                    let all = (p00 + p01) + (p10 + p11);
                    all + all
                };
            }
            row += sum;
        }
        total += row;
    }
    total
}

/// phi K^2 + 2 psi K + omega R^2 of the pairs of two tiles.
#[inline(always)]
fn pair_sums<F: Doubles>(
    units_i: &[[[F; TILE]; FACTORS]],
    units_j: &[[[F; TILE]; FACTORS]],
    s_i: [F; TILE],
    s_j: [F; TILE],
    input_gram: impl Fn(usize, usize) -> f64,
) -> [[F; TILE]; TILE] {
    let zero = [[F::splat(0.0); TILE]; TILE];
    let (mut gauss_newton, mut hidden_gram) = (zero, [[F::splat(1.0); TILE]; TILE]);
    let (mut phi_rest, mut psi_rest) = (zero, zero);
    for ([a_i, r_i, alpha_i, beta_i, epsilon_i, eta_i], [a_j, r_j, alpha_j, beta_j, epsilon_j, eta_j]) in
        units_i.iter().zip(units_j)
    {
        for p in 0..TILE {
            for q in 0..TILE {
                gauss_newton[p][q] = a_i[p].mul_add(a_j[q], gauss_newton[p][q]);
                hidden_gram[p][q] = r_i[p].mul_add(r_j[q], hidden_gram[p][q]);
                phi_rest[p][q] = beta_i[p].mul_add(beta_j[q], phi_rest[p][q]);
                phi_rest[p][q] = alpha_i[p].neg_mul_add(alpha_j[q], phi_rest[p][q]);
                psi_rest[p][q] = eta_i[p].mul_add(eta_j[q], psi_rest[p][q]);
                psi_rest[p][q] = epsilon_i[p].neg_mul_add(epsilon_j[q], psi_rest[p][q]);
            }
        }
    }
    let mut pairs = zero;
    for p in 0..TILE {
        for q in 0..TILE {
            let k = F::splat(input_gram(p, q));
            let root = gauss_newton[p][q].mul_add(k, hidden_gram[p][q]);
            let rest = k.mul_add(phi_rest[p][q], psi_rest[p][q] + psi_rest[p][q]);
            pairs[p][q] = (s_i[p] * s_j[q] * root).mul_add(root, k * rest);
        }
    }
    pairs
}
