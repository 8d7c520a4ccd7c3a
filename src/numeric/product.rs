//! Products of the Hessian with a vector, exact and without forming it.

use ndarray::ArrayView2;

use crate::model::{OneHidden, PaperProblem};
use crate::reference::{Terms, terms};

/// A symmetric matrix, known only through its products with vectors.
pub trait Symmetric {
    /// D, the number of rows and of columns.
    fn size(&self) -> usize;

    /// Writes the product with `x` (D,) to `out` (D,).
    fn apply(&self, x: &[f64], out: &mut [f64]);
}

/// A matrix in memory, taken to be symmetric.
impl Symmetric for ArrayView2<'_, f64> {
    fn size(&self) -> usize {
        self.nrows()
    }

    fn apply(&self, x: &[f64], out: &mut [f64]) {
        for (out, row) in out.iter_mut().zip(self.rows()) {
            *out = row.iter().zip(x).map(|(a, x)| a * x).sum();
        }
    }
}

/// The Hessian of one network as an operator: one forward pass to make it, then any number of products.
///
/// From Eqs. 15-18, for a direction \[U; u\] with U shaped like W and u like V, with a_in = U_n.h(x_i) and the change
/// of the output dz_i = u_0 + sum_n (u_n r_in + v_n f'_in a_in),
///
/// - the part for W_n is sum_i h(x_i) \[s_i dz_i v_n f'_in + delta_i (v_n f''_in a_in + f'_in u_n)\],
/// - the part for v_0 is sum_i s_i dz_i,
/// - the part for v_n is sum_i \[s_i dz_i r_in + delta_i f'_in a_in\].
///
/// Pearlmutter, Fast exact multiplication by the Hessian (Neural Computation 6, 1994), gives such products for any
/// network.
#[derive(Debug, Clone)]
pub struct HessianProduct<'a> {
    problem: PaperProblem<'a>,
    terms: Terms,
    /// v_n f'_in, (I, N).
    v_df: Vec<f64>,
    /// delta_i f'_in, (I, N).
    delta_df: Vec<f64>,
    /// delta_i v_n f''_in, (I, N).
    curvature: Vec<f64>,
}

impl<'a> HessianProduct<'a> {
    /// The Hessian of `problem` at `theta` (D,).
    pub fn new(problem: &PaperProblem<'a>, theta: &[f64]) -> Self {
        let shape = problem.network.shape;
        let terms = terms(problem, theta);
        let weights = &theta[shape.v(0)..];
        let units = || (0..terms.samples).flat_map(|i| (0..shape.hidden).map(move |n| (i, n))).enumerate();
        let v_df = units().map(|(at, (_, n))| weights[n] * terms.df[at]).collect();
        let delta_df = units().map(|(at, (i, _))| terms.delta[i] * terms.df[at]).collect();
        let curvature = units().map(|(at, (i, n))| terms.delta[i] * weights[n] * terms.ddf[at]).collect();
        Self { problem: *problem, terms, v_df, delta_df, curvature }
    }

    /// Floating-point operations of one product with I = `samples`: I N (4 (M+1) + 13) + 3 I, a multiplication and an
    /// addition each counting one.
    pub const fn flops(shape: OneHidden, samples: usize) -> u64 {
        let (samples, hidden, inputs) = (samples as u64, shape.hidden as u64, shape.inputs as u64);
        samples * hidden * (4 * (inputs + 1) + 13) + 3 * samples
    }
}

impl Symmetric for HessianProduct<'_> {
    fn size(&self) -> usize {
        self.problem.network.parameters()
    }

    fn apply(&self, x: &[f64], out: &mut [f64]) {
        let (shape, data) = (self.problem.network.shape, self.problem.data);
        let hidden = shape.hidden;
        let (direction_w, direction_v) = x.split_at(shape.v_bias());
        out.fill(0.0);
        let (out_w, out_v) = out.split_at_mut(shape.v_bias());
        let mut along = vec![0.0; hidden];
        for (i, sample) in data.x().rows().into_iter().enumerate() {
            let units = i * hidden..(i + 1) * hidden;
            let (v_df, r) = (&self.v_df[units.clone()], &self.terms.r[units.clone()]);
            let (delta_df, curvature) = (&self.delta_df[units.clone()], &self.curvature[units]);
            // w stacks the columns of W: the first N numbers belong to the bias, then N to each input.
            along.copy_from_slice(&direction_w[..hidden]);
            for (column, &x) in direction_w[hidden..].chunks_exact(hidden).zip(sample) {
                along.iter_mut().zip(column).for_each(|(a, u)| *a += u * x);
            }
            let mut output_change = direction_v[0];
            for n in 0..hidden {
                output_change += direction_v[n + 1] * r[n] + v_df[n] * along[n];
            }
            let scaled = self.terms.s[i] * output_change;
            out_v[0] += scaled;
            for n in 0..hidden {
                out_v[n + 1] += scaled * r[n] + delta_df[n] * along[n];
                along[n] = scaled * v_df[n] + curvature[n] * along[n] + delta_df[n] * direction_v[n + 1];
                out_w[n] += along[n];
            }
            for (column, &x) in out_w[hidden..].chunks_exact_mut(hidden).zip(sample) {
                column.iter_mut().zip(&along).for_each(|(out, back)| *out += back * x);
            }
        }
    }
}
