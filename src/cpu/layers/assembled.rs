//! The assembled Hessian, each distinct entry once, and tr H^2 from it.
//!
//! The entries between unit a of layer l and unit b of layer m >= l are sum_i h_{l-1}\[p\] (M_lm\[a, b\] h_{m-1}\[q\] +
//! R_lm\[q, a\] g_m\[b\]): a product over the samples of a block, for each pair of units.

use super::products::{AddedProduct, ColumnFactor, Shared, Sizes, product};
use super::samples::LayerSamples;
use super::terms::LayerTerms;
use crate::cpu::lanes::Doubles;
use crate::model::{Layer, Network};

/// Working memory of the assembled route.
pub(in crate::cpu) struct LayerAssembled<F> {
    layers: Vec<Layer>,
    /// Pair of layers by pair of layers, pair of units by pair of units: (p, q).
    entries: Vec<F>,
    /// h of every layer, sample by sample of one block.
    h: Vec<Vec<F>>,
    /// M\[a, b\] h\[q\] + R\[q, a\] g\[b\], sample by sample.
    right: Vec<F>,
}

/// The pairs of units whose entries are kept: all between two layers, and a <= b within one.
fn unit_pairs(first: Layer, second: Layer) -> impl Iterator<Item = (usize, usize)> {
    let same = first.start == second.start;
    (0..first.units).flat_map(move |a| (if same { a } else { 0 }..second.units).map(move |b| (a, b)))
}

/// The number of entries that are kept.
pub(super) fn entries(network: Network) -> usize {
    let layers: Vec<Layer> = network.shape.layers().collect();
    let of_pair = |first: &Layer, second: &Layer| {
        let pairs =
            if first.start == second.start { first.units * (first.units + 1) / 2 } else { first.units * second.units };
        pairs * (first.inputs + 1) * (second.inputs + 1)
    };
    (0..layers.len()).flat_map(|l| layers[l..].iter().map(move |m| (l, m))).map(|(l, m)| of_pair(&layers[l], m)).sum()
}

impl<F: Doubles> LayerAssembled<F> {
    /// For networks like `network` and up to `longest` samples at a time.
    pub(super) fn new(network: Network, longest: usize) -> Self {
        let zero = F::splat(0.0);
        let layers: Vec<Layer> = network.shape.layers().collect();
        let widest = layers.iter().map(|layer| layer.inputs + 1).max().unwrap_or(1);
        Self {
            entries: vec![zero; entries(network)],
            h: layers.iter().map(|layer| vec![zero; longest * (layer.inputs + 1)]).collect(),
            right: vec![zero; longest * widest],
            layers,
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.fill(F::splat(0.0));
    }

    /// Adds the samples from `first` on, whose terms these are.
    #[inline(always)]
    pub(super) fn add_block(&mut self, samples: &LayerSamples<f64>, first: usize, terms: &[LayerTerms<F>]) {
        let (length, inputs) = (terms.len(), samples.inputs + 1);
        let x = Shared(ColumnFactor { values: &samples.x[first * inputs..(first + length) * inputs], stride: inputs });
        for (l, h) in self.h.iter_mut().enumerate().skip(1) {
            let fed = self.layers[l].inputs + 1;
            for (h, terms) in h.chunks_exact_mut(fed).zip(terms) {
                h.copy_from_slice(&terms.h[l]);
            }
        }
        let mut start = 0;
        for l in 0..self.layers.len() {
            for m in l..self.layers.len() {
                let (below, above) = (self.layers[l], self.layers[m]);
                let (rows, columns) = (below.inputs + 1, above.inputs + 1);
                let sizes = Sizes { rows, columns, length };
                let h = ColumnFactor { values: &self.h[l][..length * rows], stride: rows };
                for a in 0..below.units {
                    for b in if l == m { a } else { 0 }..above.units {
                        let right = &mut self.right[..length * columns];
                        for (right, terms) in right.chunks_exact_mut(columns).zip(terms) {
                            fill_right(terms, (l, m), (a, b), right);
                        }
                        let right = ColumnFactor { values: &*right, stride: columns };
                        let output =
                            AddedProduct { sums: &mut self.entries[start..][..rows * columns], stride: columns };
                        if l == 0 {
                            product(sizes, x, right, output);
                        } else {
                            product(sizes, h, right, output);
                        }
                        start += rows * columns;
                    }
                }
            }
        }
    }

    /// The most additions that a square goes through.
    pub(super) fn square_chain(&self) -> usize {
        let most = self.layers.iter().map(|layer| (layer.inputs + 1) * layer.units).max().unwrap_or(1);
        // Four running sums, those of a pair of units, of pairs of units and of layers.
        most + most + self.layers.len() * self.layers.len() + 8
    }

    /// tr H^2.
    #[inline(always)]
    pub(super) fn trace_sq(&self) -> F {
        let mut total = F::splat(0.0);
        let mut start = 0;
        for (l, &first) in self.layers.iter().enumerate() {
            for &second in &self.layers[l..] {
                let mut of_layers = F::splat(0.0);
                let size = (first.inputs + 1) * (second.inputs + 1);
                for (a, b) in unit_pairs(first, second) {
                    let entries = &self.entries[start..start + size];
                    let squares = super::sums::dot(entries, entries);
                    let once = first.start == second.start && a == b;
                    of_layers += if once { squares } else { squares + squares };
                    start += size;
                }
                total += of_layers;
            }
        }
        total
    }

    /// Passes the entries to `put`, as (row, column, value): every place on one side of the diagonal, and some places
    /// on the other.
    #[inline(always)]
    pub(super) fn take_entries(&self, put: &mut impl FnMut(usize, usize, F)) {
        let mut start = 0;
        for (l, &first) in self.layers.iter().enumerate() {
            for &second in &self.layers[l..] {
                for (a, b) in unit_pairs(first, second) {
                    for p in 0..=first.inputs {
                        for q in 0..=second.inputs {
                            put(first.at(a, p), second.at(b, q), self.entries[start]);
                            start += 1;
                        }
                    }
                }
            }
        }
    }
}

/// M\[a, b\] h\[q\] + R\[q, a\] g\[b\] of one sample, for all q.
#[inline(always)]
fn fill_right<F: Doubles>(terms: &LayerTerms<F>, (l, m): (usize, usize), (a, b): (usize, usize), right: &mut [F]) {
    let (units, above) = (terms.g[l].len(), terms.g[m].len());
    let curvature = terms.m[l][m - l][a * above + b];
    for (right, &h) in right.iter_mut().zip(&terms.h[m]) {
        *right = curvature * h;
    }
    let g = terms.g[m][b];
    match m - l {
        0 => {}
        // R is diagonal.
        1 => right[a + 1] = terms.df[l][a].mul_add(g, right[a + 1]),
        _ => {
            for (right, row) in right[1..].iter_mut().zip(terms.r[l][m - l - 1].chunks_exact(units)) {
                *right = row[a].mul_add(g, *right);
            }
        }
    }
}
