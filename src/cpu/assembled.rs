//! tr H^2 from the assembled Hessian (paper, Eqs. 15-18), each distinct entry once.
//!
//! Per sample, H(w,w) is the Kronecker product of h(x) h(x)^T and an N x N matrix, both symmetric, so that an entry depends on an
//! unordered pair of inputs and an unordered pair of units: (M+1)(M+2)/2 times N(N+1)/2 numbers hold the (M+1)^2 N^2 entries.
//! A unit pair's coefficient is computed once a sample and multiplied with the products of inputs, which all networks share.

use super::evaluate::LaneSums;
use super::lanes::Lanes;
use super::network::{GROUP, Layout, add_products};
use super::terms::Terms;
use crate::model::Shape;

/// Bytes of sums that one pass over the samples may fill; more are found in further passes.
const PASS_BYTES: usize = 32 << 20;

/// A block of the Hessian between two units, or a unit and an output weight, or two output weights. Output weights count from 0, the
/// bias v_0.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// H(w,w) of units n <= k: one sum for each unordered pair of inputs.
    HiddenHidden(usize, usize),
    /// H(w,v) of unit n and output weight k: one sum for each input.
    HiddenOutput(usize, usize),
    /// H(v,v) of output weights k <= l: one sum.
    OutputOutput(usize, usize),
}

impl Form {
    /// How often the form's blocks occur in H.
    fn occurrences(self) -> f32 {
        match self {
            Self::HiddenHidden(a, b) | Self::OutputOutput(a, b) if a == b => 1.0,
            _ => 2.0,
        }
    }
}

/// Up to [`GROUP`] forms with the same number of sums, computed together.
struct FormGroup {
    forms: Vec<Form>,
    /// The number of sums of each form.
    columns: usize,
    /// Where in the pass's sums theirs start.
    start: usize,
}

/// Working memory of the assembled route.
pub(super) struct Assembled<F> {
    passes: Vec<Vec<FormGroup>>,
    /// How often each pair of inputs occurs in an unordered sum, in the order of `products`: 1 for equal ones, else 2.
    column_weights: Vec<f32>,
    /// h(x)_m h(x)_l for m <= l, sample by sample: (0,0), (0,1) .. (0,M), (1,1) ..
    products: Vec<f32>,
    /// s_i v_n f'_in.
    s_back: Vec<F>,
    /// v_n f'_in.
    back: Vec<F>,
    /// delta_i v_n f''_in.
    curvature: Vec<F>,
    /// delta_i f'_in.
    direct: Vec<F>,
    /// Coefficients of one group of forms, sample by sample.
    coefficients: Vec<F>,
    /// The pass's distinct entries of H: group by group, column by column, the group's forms.
    sums: Vec<F>,
}

impl<F: Lanes> Assembled<F> {
    /// For networks of `shape` and blocks of up to `longest` samples.
    pub(super) fn new(shape: Shape, longest: usize) -> Self {
        let (inputs, hidden) = (shape.inputs, shape.hidden);
        let pairs: Vec<(usize, usize)> = (0..=inputs).flat_map(|m| (m..=inputs).map(move |l| (m, l))).collect();
        let passes = passes(shape, pairs.len(), PASS_BYTES / size_of::<F>());
        let vectors = |count: usize| vec![F::splat(0.0); count];
        let most = passes.iter().map(|groups| sums_of(groups)).max().unwrap_or(0);
        Self {
            passes,
            column_weights: pairs.iter().map(|(m, l)| if m == l { 1.0 } else { 2.0 }).collect(),
            products: vec![0.0; pairs.len() * longest],
            s_back: vectors(hidden * longest),
            back: vectors(hidden * longest),
            curvature: vectors(hidden * longest),
            direct: vectors(hidden * longest),
            coefficients: vectors(GROUP * longest),
            sums: vectors(most),
        }
    }
}

impl<F> Assembled<F> {
    /// How often the samples are gone through.
    pub(super) fn passes(&self) -> usize {
        self.passes.len()
    }
}

impl<F: Lanes> Assembled<F> {
    /// Adds the samples of one block, with inputs `x`, to the sums of `pass`.
    #[inline(always)]
    pub(super) fn add_block(&mut self, pass: usize, terms: &Terms<F>, layout: &Layout, theta: &[F], x: &[f32]) {
        self.fill_products(layout.inputs, x);
        self.fill_unit_factors(terms, layout, theta);
        let stride = self.column_weights.len();
        for group in &self.passes[pass] {
            let width = group.forms.len();
            for (f, &form) in group.forms.iter().enumerate() {
                fill_coefficients(
                    form,
                    terms,
                    &self.s_back,
                    &self.back,
                    &self.curvature,
                    &self.direct,
                    width,
                    f,
                    &mut self.coefficients,
                );
            }
            let coefficients = &self.coefficients[..width * terms.length];
            let sums = &mut self.sums[group.start..][..width * group.columns];
            match width {
                4 => add_products::<F, 4>(coefficients, stride, &self.products, sums),
                3 => add_products::<F, 3>(coefficients, stride, &self.products, sums),
                2 => add_products::<F, 2>(coefficients, stride, &self.products, sums),
                _ => add_products::<F, 1>(coefficients, stride, &self.products, sums),
            }
        }
    }

    /// Adds the squares of the entries found in `pass` to `trace_sq` and clears them.
    #[inline(always)]
    pub(super) fn add_squares(&mut self, pass: usize, trace_sq: &mut LaneSums) {
        for group in &self.passes[pass] {
            let width = group.forms.len();
            let sums = &mut self.sums[group.start..][..width * group.columns];
            let mut total = F::splat(0.0);
            for (f, form) in group.forms.iter().enumerate() {
                let mut squares = F::splat(0.0);
                for (column, sums) in sums.chunks_exact(width).enumerate() {
                    // A form with one sum a column input has each once; the pairs of inputs are counted by their weights.
                    let weight = if matches!(form, Form::HiddenHidden(..)) { self.column_weights[column] } else { 1.0 };
                    squares = (sums[f] * F::splat(weight)).mul_add(sums[f], squares);
                }
                total = squares.mul_add(F::splat(form.occurrences()), total);
            }
            trace_sq.add(total);
            sums.fill(F::splat(0.0));
        }
    }

    /// Gives every distinct entry of H found in `pass` to `put`, as (row, column, value) in the order of theta, and clears it. An entry
    /// that stands in several places is given for each, on one side of the diagonal.
    #[inline(always)]
    pub(super) fn take_entries(&mut self, pass: usize, shape: Shape, mut put: impl FnMut(usize, usize, F)) {
        for group in &self.passes[pass] {
            let width = group.forms.len();
            let sums = &mut self.sums[group.start..][..width * group.columns];
            for (f, &form) in group.forms.iter().enumerate() {
                let mut values = sums.iter().skip(f).step_by(width);
                match form {
                    Form::HiddenHidden(n, k) => {
                        let pairs = (0..=shape.inputs).flat_map(|m| (m..=shape.inputs).map(move |l| (m, l)));
                        for ((m, l), &value) in pairs.zip(values) {
                            put(shape.w(n, m), shape.w(k, l), value);
                            put(shape.w(n, l), shape.w(k, m), value);
                        }
                    }
                    Form::HiddenOutput(n, k) => {
                        for (m, &value) in values.enumerate() {
                            put(shape.w(n, m), shape.v_bias() + k, value);
                        }
                    }
                    Form::OutputOutput(k, l) => {
                        if let Some(&value) = values.next() {
                            put(shape.v_bias() + k, shape.v_bias() + l, value);
                        }
                    }
                }
            }
            sums.fill(F::splat(0.0));
        }
    }

    fn fill_products(&mut self, inputs: usize, x: &[f32]) {
        let stride = self.column_weights.len();
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
    fn fill_unit_factors(&mut self, terms: &Terms<F>, layout: &Layout, theta: &[F]) {
        let length = terms.length;
        for &group in &layout.groups {
            for (u, &v) in layout.output_weights(group, theta).iter().enumerate() {
                let n = group.first + u;
                let (first, second) = (terms.unit(&terms.first, n), terms.unit(&terms.second, n));
                let at = n * length..(n + 1) * length;
                let (s_back, back) = (&mut self.s_back[at.clone()], &mut self.back[at.clone()]);
                let (curvature, direct) = (&mut self.curvature[at.clone()], &mut self.direct[at]);
                for i in 0..length {
                    back[i] = v * first[i];
                    s_back[i] = terms.s[i] * back[i];
                    curvature[i] = terms.delta[i] * v * second[i];
                    direct[i] = terms.delta[i] * first[i];
                }
            }
        }
    }
}

/// The coefficient of `form` at each sample, as number `f` of `width` a sample.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the factors are borrowed apart from the coefficients")]
fn fill_coefficients<F: Lanes>(
    form: Form,
    terms: &Terms<F>,
    s_back: &[F],
    back: &[F],
    curvature: &[F],
    direct: &[F],
    width: usize,
    f: usize,
    coefficients: &mut [F],
) {
    let coefficients = &mut coefficients[..terms.length * width];
    let out = coefficients.iter_mut().skip(f).step_by(width);
    match form {
        Form::HiddenHidden(n, k) if n == k => {
            let (s_back, back, curvature) = (terms.unit(s_back, n), terms.unit(back, n), terms.unit(curvature, n));
            for (i, out) in out.enumerate() {
                *out = s_back[i].mul_add(back[i], curvature[i]);
            }
        }
        Form::HiddenHidden(n, k) => {
            let (s_back, back) = (terms.unit(s_back, n), terms.unit(back, k));
            for (i, out) in out.enumerate() {
                *out = s_back[i] * back[i];
            }
        }
        Form::HiddenOutput(n, 0) => {
            for (out, &s_back) in out.zip(terms.unit(s_back, n)) {
                *out = s_back;
            }
        }
        Form::HiddenOutput(n, k) if k == n + 1 => {
            let (s_back, r, direct) = (terms.unit(s_back, n), terms.unit(&terms.r, n), terms.unit(direct, n));
            for (i, out) in out.enumerate() {
                *out = s_back[i].mul_add(r[i], direct[i]);
            }
        }
        Form::HiddenOutput(n, k) => {
            let (s_back, r) = (terms.unit(s_back, n), terms.unit(&terms.r, k - 1));
            for (i, out) in out.enumerate() {
                *out = s_back[i] * r[i];
            }
        }
        Form::OutputOutput(0, 0) => {
            for (out, &s) in out.zip(&terms.s) {
                *out = s;
            }
        }
        Form::OutputOutput(0, l) => {
            let r = terms.unit(&terms.r, l - 1);
            for (i, out) in out.enumerate() {
                *out = terms.s[i] * r[i];
            }
        }
        Form::OutputOutput(k, l) => {
            let (r_k, r_l) = (terms.unit(&terms.r, k - 1), terms.unit(&terms.r, l - 1));
            for (i, out) in out.enumerate() {
                *out = terms.s[i] * r_k[i] * r_l[i];
            }
        }
    }
}

/// All forms of networks of `shape` in groups, and the groups in passes of at most `most` sums (a single larger group excepted).
fn passes(shape: Shape, input_pairs: usize, most: usize) -> Vec<Vec<FormGroup>> {
    let hidden = shape.hidden;
    let hidden_hidden =
        (0..hidden).flat_map(|n| (n..hidden).map(move |k| Form::HiddenHidden(n, k))).collect::<Vec<_>>();
    let hidden_output =
        (0..hidden).flat_map(|n| (0..=hidden).map(move |k| Form::HiddenOutput(n, k))).collect::<Vec<_>>();
    let output_output =
        (0..=hidden).flat_map(|k| (k..=hidden).map(move |l| Form::OutputOutput(k, l))).collect::<Vec<_>>();
    let (mut passes, mut pass) = (Vec::new(), Vec::new());
    for (forms, columns) in [(hidden_hidden, input_pairs), (hidden_output, shape.inputs + 1), (output_output, 1)] {
        for forms in forms.chunks(GROUP) {
            let mut start = sums_of(&pass);
            if start > 0 && start + forms.len() * columns > most {
                passes.push(std::mem::take(&mut pass));
                start = 0;
            }
            pass.push(FormGroup { forms: forms.to_vec(), columns, start });
        }
    }
    passes.push(pass);
    passes
}

/// The number of sums of a pass.
fn sums_of(groups: &[FormGroup]) -> usize {
    groups.last().map_or(0, |group| group.start + group.forms.len() * group.columns)
}
