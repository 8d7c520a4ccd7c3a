//! Products of the Hessian of a network of any depth with a vector.

use super::Symmetric;
use crate::model::{Layer, Problem};
use crate::reference::layers::{LayerValues, forward};

/// The Hessian of one network of any depth with K outputs and any loss as an operator: one pass forward and one back to
/// make it, then any number of products.
///
/// Forward over reverse (Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994). For a
/// direction \[U_1 .. U_P\] shaped like theta, a dot is the derivative along it, U'_l is U_l without its column of
/// biases, and V_l is W_l without its own. For each sample, of the weight omega,
///
/// - forward: dy_1 = U_1 h_0, dy_{l+1} = U_{l+1} h_l + V_{l+1} (f'_l o dy_l), with f'_l = f'(y_l) and o element by
///   element;
/// - back: dg_P = omega S dy_P, dg_l = f''_l o (V_{l+1}^T g_{l+1}) o dy_l + f'_l o (U'_{l+1}^T g_{l+1} + V_{l+1}^T
///   dg_{l+1}), with g_l = d(omega loss)/dy_l;
/// - the part for W_l is dg_l h_{l-1}^T + g_l \[0; f'_{l-1} o dy_{l-1}\]^T.
///
/// For the paper's networks it is [`HessianProduct`](super::HessianProduct), which is faster.
#[derive(Debug, Clone)]
pub struct LayersProduct {
    layers: Vec<Layer>,
    theta: Vec<f64>,
    samples: Vec<SamplePoint>,
}

/// Where one sample is, and what its loss does there to first and second order.
#[derive(Debug, Clone)]
struct SamplePoint {
    values: LayerValues,
    /// g_1 .. g_P, each (N_l,).
    g: Vec<Vec<f64>>,
    /// f''_l o (V_{l+1}^T g_{l+1}) for l = 1 .. P-1, each (N_l,).
    bent: Vec<Vec<f64>>,
    /// omega S, (K, K), row by row.
    s: Vec<f64>,
}

impl LayersProduct {
    /// The Hessian of `problem` at `theta` (D,).
    pub fn new(problem: &Problem, theta: &[f64]) -> Self {
        let layers: Vec<Layer> = problem.network.shape.layers().collect();
        let point = |i: usize| {
            let values = forward(problem.network, theta, problem.data.sample(i));
            let omega = problem.data.weights().map_or(1.0, |weights| weights[i]);
            let z = values.z.as_slice();
            let residual = problem.data.targets().sample(i).residual(z);
            let curvature = problem.loss().curvature(z);
            let outputs = z.len();
            let s = (0..outputs * outputs).map(|k| omega * curvature.at(k / outputs, k % outputs)).collect();
            let mut g = vec![residual.iter().map(|delta| omega * delta).collect::<Vec<f64>>()];
            let mut bent = Vec::new();
            for (l, next) in layers.iter().enumerate().skip(1).rev() {
                let mut back = vec![0.0; next.inputs];
                add_back(next, theta, &g[g.len() - 1], &mut back);
                bent.push(back.iter().zip(&values.ddf[l - 1]).map(|(b, ddf)| b * ddf).collect());
                g.push(back.iter().zip(&values.df[l - 1]).map(|(b, df)| b * df).collect());
            }
            g.reverse();
            bent.reverse();
            SamplePoint { values, g, bent, s }
        };
        let samples = (0..problem.data.samples()).map(point).collect();
        Self { layers, theta: theta.to_vec(), samples }
    }

    /// Floating-point operations of one product with I = `samples`, a multiplication and an addition each counting one:
    /// at each sample 4 N_l (N_{l-1} + 1) for every layer, 8 N_l N_{l-1} + 6 N_{l-1} more for every layer but the
    /// first, and 2 K^2.
    pub fn flops(layers: impl IntoIterator<Item = Layer>, samples: usize) -> u64 {
        let (mut sample, mut outputs) = (0, 0);
        for (l, Layer { inputs, units, .. }) in layers.into_iter().enumerate() {
            let (inputs, units) = (inputs as u64, units as u64);
            sample += 4 * units * (inputs + 1);
            if l > 0 {
                sample += 8 * units * inputs + 6 * inputs;
            }
            outputs = units;
        }
        (sample + 2 * outputs * outputs) * samples as u64
    }
}

/// Adds W h to `y` (N_l,), where `weights` holds W column by column, and h has its leading 1 or, for `from` = 1, lacks
/// it and the biases do not count.
fn add_forward(layer: &Layer, weights: &[f64], from: usize, h: impl IntoIterator<Item = f64>, y: &mut [f64]) {
    let columns = weights[layer.start + from * layer.units..].chunks_exact(layer.units);
    for (column, h) in columns.zip(h) {
        y.iter_mut().zip(column).for_each(|(y, w)| *y += w * h);
    }
}

/// Adds V^T g to `back` (N_{l-1},).
fn add_back(layer: &Layer, weights: &[f64], g: &[f64], back: &mut [f64]) {
    let columns = weights[layer.start + layer.units..].chunks_exact(layer.units);
    for (back, column) in back.iter_mut().zip(columns) {
        *back += column.iter().zip(g).map(|(w, g)| w * g).sum::<f64>();
    }
}

/// Adds g h^T to the columns of `out` that belong to the layer, from column `from` on.
fn add_outer(layer: &Layer, g: &[f64], from: usize, h: impl IntoIterator<Item = f64>, out: &mut [f64]) {
    let columns = out[layer.start + from * layer.units..].chunks_exact_mut(layer.units);
    for (column, h) in columns.zip(h) {
        column.iter_mut().zip(g).for_each(|(out, g)| *out += g * h);
    }
}

impl Symmetric for LayersProduct {
    fn size(&self) -> usize {
        self.theta.len()
    }

    fn apply(&self, x: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        let last = self.layers.len() - 1;
        // dy_1 .. dy_P, and f'_l o dy_l, how h_l moves.
        let mut dy: Vec<Vec<f64>> = self.layers.iter().map(|layer| vec![0.0; layer.units]).collect();
        let mut dh: Vec<Vec<f64>> = dy[..last].to_vec();
        for SamplePoint { values, g, bent, s } in &self.samples {
            for (l, layer) in self.layers.iter().enumerate() {
                dy[l].fill(0.0);
                add_forward(layer, x, 0, values.h[l].iter().copied(), &mut dy[l]);
                if l > 0 {
                    add_forward(layer, &self.theta, 1, dh[l - 1].iter().copied(), &mut dy[l]);
                }
                if l < last {
                    let moved = dy[l].iter().zip(&values.df[l]).map(|(dy, df)| dy * df);
                    dh[l].iter_mut().zip(moved).for_each(|(to, from)| *to = from);
                }
            }
            let rows = s.chunks_exact(dy[last].len());
            let mut dg: Vec<f64> = rows.map(|row| row.iter().zip(&dy[last]).map(|(s, dy)| s * dy).sum()).collect();
            for (l, layer) in self.layers.iter().enumerate().rev() {
                add_outer(layer, &dg, 0, values.h[l].iter().copied(), out);
                if l > 0 {
                    add_outer(layer, &g[l], 1, dh[l - 1].iter().copied(), out);
                    let mut back = vec![0.0; layer.inputs];
                    add_back(layer, x, &g[l], &mut back);
                    add_back(layer, &self.theta, &dg, &mut back);
                    let own = bent[l - 1].iter().zip(&dy[l - 1]).map(|(bent, dy)| bent * dy);
                    let fed = back.iter().zip(&values.df[l - 1]).map(|(back, df)| back * df);
                    dg = own.zip(fed).map(|(own, fed)| own + fed).collect();
                }
            }
        }
    }
}
