//! tr H^2 from the assembled Hessian (paper, Eqs. 15-18), each distinct entry once.
//!
//! Per sample, H(w,w) is the Kronecker product of h(x) h(x)^T and an N x N matrix, both symmetric, so that an entry
//! depends on an unordered pair of inputs and an unordered pair of units: (M+1)(M+2)/2 times N(N+1)/2 numbers hold the
//! (M+1)^2 N^2 entries of H(w,w).
//!
//! Every block of H between two units or output weights is a sum over samples of one coefficient times products of
//! inputs, which all networks share. A coefficient is the product of a left and a right factor, s v_n f'_n or s h(r)_k
//! and v_k f'_k or h(r)_k, plus, where a unit meets itself, the part with delta.

use super::lanes::Doubles;
use super::network::{GROUP, LaneNetworks, add_products};
use super::terms::Terms;
use crate::model::OneHidden;

/// Bytes of sums that one pass over the samples may fill; more are found in further passes.
const PASS_BYTES: usize = 32 << 20;

/// Up to [`GROUP`] blocks of H with the same left factor and the same number of sums, computed together.
struct BlockGroup {
    /// The row of the left factor.
    left: usize,
    /// The rows of the right factors.
    rights: Vec<usize>,
    /// The row that is added to the first block's coefficients.
    addend: usize,
    /// The number of sums of each block: one for each unordered pair of inputs, for each input with the bias, or one.
    columns: usize,
    /// How often the first block occurs in H, and how often each of the others.
    occurrences: [f64; 2],
    /// Where the group's sums start among those of the pass.
    start: usize,
}

/// The row of each factor of one block of samples.
#[derive(Clone, Copy)]
struct Rows {
    hidden: usize,
}

impl Rows {
    const ZERO: usize = 0;

    /// s v_n f'_n.
    fn s_back(self, n: usize) -> usize {
        1 + n
    }

    /// v_n f'_n.
    fn back(self, n: usize) -> usize {
        1 + self.hidden + n
    }

    /// delta v_n f''_n.
    fn curvature(self, n: usize) -> usize {
        1 + 2 * self.hidden + n
    }

    /// delta f'_n.
    fn direct(self, n: usize) -> usize {
        1 + 3 * self.hidden + n
    }

    /// h(r)_k, which is 1 for k = 0 and r_k after that.
    fn output(self, k: usize) -> usize {
        1 + 4 * self.hidden + k
    }

    /// s h(r)_k.
    fn s_output(self, k: usize) -> usize {
        2 + 5 * self.hidden + k
    }

    fn count(self) -> usize {
        3 + 6 * self.hidden
    }
}

/// Working memory of the assembled route.
pub(super) struct Assembled<F> {
    passes: Vec<Vec<BlockGroup>>,
    rows: Rows,
    /// How often each unordered pair of inputs occurs, in the order of `products`: 1 for equal ones, else 2.
    pair_occurrences: Vec<f64>,
    /// h(x)_m h(x)_l for m <= l, sample by sample: (0,0), (0,1) .. (0,M), (1,1) ..
    products: Vec<f64>,
    /// Row by row, one value per sample.
    factors: Vec<F>,
    /// Coefficients of one group of blocks, sample by sample.
    coefficients: Vec<F>,
    /// The pass's distinct entries of H: group by group, column by column, the group's blocks.
    sums: Vec<F>,
}

impl<F: Doubles> Assembled<F> {
    /// For networks of `shape` and up to `longest` samples at a time.
    pub(super) fn new(shape: OneHidden, longest: usize) -> Self {
        let inputs = shape.inputs;
        let pairs = (0..=inputs).flat_map(|m| (m..=inputs).map(move |l| if m == l { 1.0 } else { 2.0 }));
        let pair_occurrences: Vec<f64> = pairs.collect();
        let rows = Rows { hidden: shape.hidden };
        let passes = passes(shape, PASS_BYTES / size_of::<F>());
        let most = passes.iter().map(|groups| sums_of(groups)).max().unwrap_or(0);
        let vectors = |count: usize| vec![F::splat(0.0); count];
        Self {
            passes,
            rows,
            products: vec![0.0; pair_occurrences.len() * longest],
            pair_occurrences,
            factors: vectors(rows.count() * longest),
            coefficients: vectors(GROUP * longest),
            sums: vectors(most),
        }
    }

    /// The number of passes over the samples.
    pub(super) fn passes(&self) -> usize {
        self.passes.len()
    }

    /// The most additions that the square of an entry goes through in `trace_sq`.
    pub(super) fn square_chain(&self) -> usize {
        let groups: usize = self.passes.iter().map(Vec::len).sum();
        GROUP * self.pair_occurrences.len() + groups
    }

    /// Adds the samples of one block, with inputs `x`, to the sums of `pass`.
    #[inline(always)]
    pub(super) fn add_block(&mut self, pass: usize, networks: &LaneNetworks<'_, F>, terms: &Terms<F>, x: &[f64]) {
        self.fill_products(networks.layout.inputs, x);
        self.fill_factors(networks, terms);
        for group in &self.passes[pass] {
            let sums = &mut self.sums[group.start..][..group.rights.len() * group.columns];
            let coefficients = &mut self.coefficients[..group.rights.len() * terms.length];
            let (factors, products, stride) = (&self.factors[..], &self.products[..], self.pair_occurrences.len());
            match group.rights.len() {
                4 => add_group::<F, 4>(group, terms.length, factors, products, stride, coefficients, sums),
                3 => add_group::<F, 3>(group, terms.length, factors, products, stride, coefficients, sums),
                2 => add_group::<F, 2>(group, terms.length, factors, products, stride, coefficients, sums),
                _ => add_group::<F, 1>(group, terms.length, factors, products, stride, coefficients, sums),
            }
        }
    }

    /// Adds the squares of the entries found in `pass` to `trace_sq` and clears them.
    #[inline(always)]
    pub(super) fn add_squares(&mut self, pass: usize, trace_sq: &mut F) {
        for group in &self.passes[pass] {
            let width = group.rights.len();
            let sums = &mut self.sums[group.start..][..width * group.columns];
            // Only pairs of inputs are unordered.
            let paired = group.columns == self.pair_occurrences.len();
            let (mut first, mut others) = (F::splat(0.0), F::splat(0.0));
            for (sums, &occurrences) in sums.chunks_exact(width).zip(&self.pair_occurrences) {
                let occurrences = F::splat(if paired { occurrences } else { 1.0 });
                first = (sums[0] * occurrences).mul_add(sums[0], first);
                for &sum in &sums[1..] {
                    others = (sum * occurrences).mul_add(sum, others);
                }
            }
            let [once, more] = group.occurrences;
            *trace_sq += first.mul_add(F::splat(once), others * F::splat(more));
            sums.fill(F::splat(0.0));
        }
    }

    /// Passes the distinct entries of H found in `pass` to `put`, as (row, column, value) in the order of theta, and
    /// clears them. `put` gets every place on one side of H's diagonal, and some places on the other.
    #[inline(always)]
    pub(super) fn take_entries(&mut self, pass: usize, shape: OneHidden, mut put: impl FnMut(usize, usize, F)) {
        let rows = self.rows;
        for group in &self.passes[pass] {
            let width = group.rights.len();
            let sums = &mut self.sums[group.start..][..width * group.columns];
            for (b, &right) in group.rights.iter().enumerate() {
                let values = sums.iter().skip(b).step_by(width);
                if group.left >= rows.s_output(0) {
                    let (k, l) = (group.left - rows.s_output(0), right - rows.output(0));
                    values.for_each(|&value| put(shape.v_bias() + k, shape.v_bias() + l, value));
                } else if right >= rows.output(0) {
                    let (n, k) = (group.left - rows.s_back(0), right - rows.output(0));
                    values.enumerate().for_each(|(m, &value)| put(shape.w(n, m), shape.v_bias() + k, value));
                } else {
                    let (n, k) = (group.left - rows.s_back(0), right - rows.back(0));
                    let pairs = (0..=shape.inputs).flat_map(|m| (m..=shape.inputs).map(move |l| (m, l)));
                    for ((m, l), &value) in pairs.zip(values) {
                        put(shape.w(n, m), shape.w(k, l), value);
                        put(shape.w(n, l), shape.w(k, m), value);
                    }
                }
            }
            sums.fill(F::splat(0.0));
        }
    }

    fn fill_products(&mut self, inputs: usize, x: &[f64]) {
        let stride = self.pair_occurrences.len();
        for (row, products) in x.chunks_exact(inputs).zip(self.products.chunks_exact_mut(stride)) {
            products[0] = 1.0;
            products[1..=inputs].copy_from_slice(row);
            let mut at = inputs + 1;
            for m in 0..inputs {
                for (product, x) in products[at..].iter_mut().zip(&row[m..]) {
                    *product = row[m] * x;
                }
                at += inputs - m;
            }
        }
    }

    #[inline(always)]
    fn fill_factors(&mut self, networks: &LaneNetworks<'_, F>, terms: &Terms<F>) {
        let (length, rows) = (terms.length, self.rows);
        let factors = &mut self.factors[..];
        for i in 0..length {
            factors[Rows::ZERO * length + i] = F::splat(0.0);
            factors[rows.output(0) * length + i] = F::splat(1.0);
            factors[rows.s_output(0) * length + i] = terms.s[i];
        }
        for &group in &networks.layout.groups {
            for (u, &v) in networks.layout.output_weights(group, networks.theta).iter().enumerate() {
                let n = group.first + u;
                let (r, df, ddf) = (terms.unit(&terms.r, n), terms.unit(&terms.df, n), terms.unit(&terms.ddf, n));
                for i in 0..length {
                    let back = v * df[i];
                    factors[rows.back(n) * length + i] = back;
                    factors[rows.s_back(n) * length + i] = terms.s[i] * back;
                    factors[rows.curvature(n) * length + i] = terms.delta[i] * v * ddf[i];
                    factors[rows.direct(n) * length + i] = terms.delta[i] * df[i];
                    factors[rows.output(n + 1) * length + i] = r[i];
                    factors[rows.s_output(n + 1) * length + i] = terms.s[i] * r[i];
                }
            }
        }
    }
}

/// Adds, for the `W` blocks of `group`, the sums over one block of samples.
#[inline(always)]
fn add_group<F: Doubles, const W: usize>(
    group: &BlockGroup,
    length: usize,
    factors: &[F],
    products: &[f64],
    stride: usize,
    coefficients: &mut [F],
    sums: &mut [F],
) {
    let row = |row: usize| &factors[row * length..][..length];
    let (left, addend) = (row(group.left), row(group.addend));
    let mut rights = [left; W];
    for (right, &index) in rights.iter_mut().zip(&group.rights) {
        *right = row(index);
    }
    // With few columns, all sums and the coefficients stay in registers. The paper's two inputs give 6, 3 and 1.
    match group.columns {
        6 => add_columns::<F, W, 6>(left, addend, rights, products, stride, sums),
        3 => add_columns::<F, W, 3>(left, addend, rights, products, stride, sums),
        1 => add_columns::<F, W, 1>(left, addend, rights, products, stride, sums),
        _ => {
            let (chunks, _) = coefficients.as_chunks_mut::<W>();
            for (i, coefficients) in chunks.iter_mut().enumerate() {
                *coefficients = coefficients_of(i, left, addend, rights);
            }
            add_products::<F, W>(coefficients, stride, products, sums);
        }
    }
}

/// [`add_group`] for `C` columns.
#[inline(always)]
fn add_columns<F: Doubles, const W: usize, const C: usize>(
    left: &[F],
    addend: &[F],
    rights: [&[F]; W],
    products: &[f64],
    stride: usize,
    sums: &mut [F],
) {
    let mut partial = [[F::splat(0.0); W]; C];
    for i in 0..left.len() {
        let coefficients = coefficients_of(i, left, addend, rights);
        let products = &products[i * stride..][..C];
        for c in 0..C {
            let product = F::splat(products[c]);
            for w in 0..W {
                partial[c][w] = coefficients[w].mul_add(product, partial[c][w]);
            }
        }
    }
    let (sums, _) = sums.as_chunks_mut::<W>();
    for (sums, partial) in sums.iter_mut().zip(partial) {
        for w in 0..W {
            sums[w] += partial[w];
        }
    }
}

/// The coefficients of `W` blocks at sample i.
#[inline(always)]
fn coefficients_of<F: Doubles, const W: usize>(i: usize, left: &[F], addend: &[F], rights: [&[F]; W]) -> [F; W] {
    let mut coefficients = [left[i].mul_add(rights[0][i], addend[i]); W];
    for w in 1..W {
        coefficients[w] = left[i] * rights[w][i];
    }
    coefficients
}

/// All blocks of the Hessian of networks of `shape` in groups, and the groups in passes of at most `most` sums, except
/// for a single larger group.
fn passes(shape: OneHidden, most: usize) -> Vec<Vec<BlockGroup>> {
    let (hidden, inputs) = (shape.hidden, shape.inputs);
    let rows = Rows { hidden };
    let (mut passes, mut pass) = (Vec::new(), Vec::new());
    let mut add = |left: usize, rights: Vec<usize>, addend: usize, columns: usize, once: f64| {
        let mut first = true;
        for rights in rights.chunks(GROUP) {
            let mut start = sums_of(&pass);
            if start > 0 && start + rights.len() * columns > most {
                passes.push(std::mem::take(&mut pass));
                start = 0;
            }
            let (addend, once) = if first { (addend, once) } else { (Rows::ZERO, 2.0) };
            pass.push(BlockGroup { left, rights: rights.to_vec(), addend, columns, occurrences: [once, 2.0], start });
            first = false;
        }
    };
    for n in 0..hidden {
        let rights = (n..hidden).map(|k| rows.back(k)).collect();
        add(rows.s_back(n), rights, rows.curvature(n), (inputs + 1) * (inputs + 2) / 2, 1.0);
        // The unit's own output weight comes first, where the addend goes.
        let others = (0..=hidden).filter(|&k| k != n + 1);
        let rights = std::iter::once(n + 1).chain(others).map(|k| rows.output(k)).collect();
        add(rows.s_back(n), rights, rows.direct(n), inputs + 1, 2.0);
    }
    for k in 0..=hidden {
        add(rows.s_output(k), (k..=hidden).map(|l| rows.output(l)).collect(), Rows::ZERO, 1, 1.0);
    }
    passes.push(pass);
    passes
}

/// The number of sums of a pass.
fn sums_of(groups: &[BlockGroup]) -> usize {
    groups.last().map_or(0, |group| group.start + group.rights.len() * group.columns)
}
