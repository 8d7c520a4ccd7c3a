//! tr H^2 from the forms of every pair of samples: no Hessian is formed. The sum is that of
//! [`crate::reference::layers::trace_sq`].

use std::ops::Range;

use super::samples::LayerSamples;
use super::sums::{add_scaled, dot};
use super::terms::{LaneLayers, LayerTerms};
use crate::cpu::lanes::Doubles;
use crate::cpu::samples::blocks;
use crate::model::Network;

/// Bytes of the terms of one block of samples: two blocks fit a typical second-level cache.
const BLOCK_BYTES: usize = 192 << 10;

/// The fewest samples per block: with shorter blocks, computing a block's terms again for every other block would cost
/// too much.
const SHORTEST_BLOCK: usize = 16;

/// Working memory of the route over pairs.
pub(super) struct LayerPairs<F> {
    longest: usize,
    left: Vec<LayerTerms<F>>,
    right: Vec<LayerTerms<F>>,
    /// R^T h' and M g of one pair of layers.
    fed: Vec<F>,
    moved: Vec<F>,
}

impl<F: Doubles> LayerPairs<F> {
    /// For networks like `network` on `samples`.
    pub(super) fn new(network: Network, samples: &LayerSamples<f64>) -> Self {
        let numbers: usize = network.shape.layers().map(|layer| layer.units).sum::<usize>().pow(2);
        let longest = (BLOCK_BYTES / (numbers * size_of::<F>())).max(SHORTEST_BLOCK).min(samples.count());
        let widest = network.shape.widths().iter().copied().max().unwrap_or(1);
        let terms = |count: usize| (0..count).map(|_| LayerTerms::new(network)).collect();
        Self {
            longest,
            left: terms(longest),
            right: terms(if longest < samples.count() { longest } else { 0 }),
            fed: vec![F::splat(0.0); widest],
            moved: vec![F::splat(0.0); widest],
        }
    }

    /// The most additions that the term of one pair goes through with `samples` samples: within a row of a block, over
    /// its rows and over the pairs of blocks.
    pub(super) fn chain(&self, samples: usize) -> usize {
        let blocks = samples.div_ceil(self.longest);
        2 * self.longest + blocks * blocks + 4
    }

    /// The sum over all pairs of samples.
    #[inline(always)]
    pub(super) fn sum(&mut self, networks: &LaneLayers<'_, F>, samples: &LayerSamples<f64>) -> F {
        let mut total = F::splat(0.0);
        let all: Vec<Range<usize>> = blocks(samples.count(), self.longest).collect();
        for (k, left) in all.iter().enumerate() {
            fill(&mut self.left, networks, samples, left);
            for (i, of_i) in self.left[..left.len()].iter().enumerate() {
                let room = (&mut self.fed[..], &mut self.moved[..]);
                total += row(networks, of_i, &self.left[i..left.len()], true, room);
            }
            for right in &all[k + 1..] {
                fill(&mut self.right, networks, samples, right);
                for of_i in &self.left[..left.len()] {
                    let room = (&mut self.fed[..], &mut self.moved[..]);
                    total += row(networks, of_i, &self.right[..right.len()], false, room);
                }
            }
        }
        total
    }
}

/// Runs the networks on the samples of `block`.
#[inline(always)]
fn fill<F: Doubles>(
    terms: &mut [LayerTerms<F>],
    networks: &LaneLayers<'_, F>,
    samples: &LayerSamples<f64>,
    block: &Range<usize>,
) {
    for (terms, i) in terms.iter_mut().zip(block.clone()) {
        terms.fill(networks, samples, i, None);
    }
}

/// The sum over the pairs of sample `i` and each of `others`, in both orders; `with_itself` says that the first of them
/// is i.
#[inline(always)]
fn row<F: Doubles>(
    networks: &LaneLayers<'_, F>,
    i: &LayerTerms<F>,
    others: &[LayerTerms<F>],
    with_itself: bool,
    (fed, moved): (&mut [F], &mut [F]),
) -> F {
    let mut row = F::splat(0.0);
    for (k, j) in others.iter().enumerate() {
        let pair = pair(networks, i, j, (&mut *fed, &mut *moved));
        row += if with_itself && k == 0 { pair } else { pair + pair };
    }
    row
}

/// The terms of one pair, symmetric in the samples.
#[inline(always)]
fn pair<F: Doubles>(
    networks: &LaneLayers<'_, F>,
    i: &LayerTerms<F>,
    j: &LayerTerms<F>,
    (fed, moved): (&mut [F], &mut [F]),
) -> F {
    let layers = networks.layers.len();
    let mut sum = F::splat(0.0);
    for l in 0..layers {
        let below = dot(&i.h[l], &j.h[l]);
        let mut across = F::splat(0.0);
        for m in l + 1..layers {
            let above = dot(&i.h[m], &j.h[m]);
            let curvatures = dot(&i.m[l][m - l], &j.m[l][m - l]);
            let (r_i, r_j) = match m - l {
                1 => (&i.df[l], &j.df[l]),
                _ => (&i.r[l][m - l - 1], &j.r[l][m - l - 1]),
            };
            let direct = dot(&i.g[m], &j.g[m]) * dot(r_i, r_j);
            let crossed =
                crossed(i, j, (l, m), (&mut *fed, &mut *moved)) + crossed(j, i, (l, m), (&mut *fed, &mut *moved));
            across += above.mul_add(curvatures, crossed + direct);
        }
        let own = dot(&i.m[l][0], &j.m[l][0]);
        sum = below.mul_add(below.mul_add(own, across + across), sum);
    }
    sum
}

/// (R^T h') . (M g) of the layers l and m, M and h' of the sample `first`, R and g of `second`.
#[inline(always)]
fn crossed<F: Doubles>(
    first: &LayerTerms<F>,
    second: &LayerTerms<F>,
    (l, m): (usize, usize),
    (fed, moved): (&mut [F], &mut [F]),
) -> F {
    let units = first.g[l].len();
    let (fed, moved) = (&mut fed[..units], &mut moved[..units]);
    let h = &first.h[m][1..];
    if m == l + 1 {
        for ((fed, &df), &h) in fed.iter_mut().zip(&second.df[l]).zip(h) {
            *fed = df * h;
        }
    } else {
        fed.fill(F::splat(0.0));
        for (r, &h) in second.r[l][m - l - 1].chunks_exact(units).zip(h) {
            add_scaled(h, r, fed);
        }
    }
    let g = &second.g[m];
    for (moved, row) in moved.iter_mut().zip(first.m[l][m - l].chunks_exact(g.len())) {
        *moved = dot(row, g);
    }
    dot(fed, moved)
}
