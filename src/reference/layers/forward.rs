//! From the inputs to the outputs.

use nalgebra::DVector;

use crate::model::{Dataset, Layer, Network};

/// The values of one sample on its way through a network of P layers.
#[derive(Debug, Clone)]
pub struct LayerValues {
    /// h_0 .. h_{P-1}, each with its leading 1: h_l at place l, (N_l + 1,).
    pub h: Vec<DVector<f64>>,
    /// f'(y_1) .. f'(y_{P-1}), each (N_l,).
    pub df: Vec<DVector<f64>>,
    /// f''(y_1) .. f''(y_{P-1}), each (N_l,).
    pub ddf: Vec<DVector<f64>>,
    /// z = y_P, (K,).
    pub z: DVector<f64>,
}

/// Runs the network `theta` (D,) on the sample `x` (M,).
pub fn forward<'x>(network: Network, theta: &[f64], x: impl IntoIterator<Item = &'x f64>) -> LayerValues {
    let layers: Vec<Layer> = network.shape.layers().collect();
    let mut found = LayerValues {
        h: vec![with_bias(x.into_iter().copied())],
        df: Vec::with_capacity(layers.len() - 1),
        ddf: Vec::with_capacity(layers.len() - 1),
        z: DVector::zeros(0),
    };
    for (l, layer) in layers.iter().enumerate() {
        let y = pre_activations(layer, theta, &found.h[l]);
        if l + 1 == layers.len() {
            found.z = y;
        } else {
            let units: Vec<_> = y.iter().map(|&y| network.activation.derivatives(y)).collect();
            found.h.push(with_bias(units.iter().map(|unit| unit.value)));
            found.df.push(DVector::from_iterator(layer.units, units.iter().map(|unit| unit.df)));
            found.ddf.push(DVector::from_iterator(layer.units, units.iter().map(|unit| unit.ddf)));
        }
    }
    found
}

/// z_i, the outputs of the network `theta` (D,) for every sample of `data`, each (K,).
pub fn outputs(network: Network, data: &Dataset, theta: &[f64]) -> Vec<Vec<f64>> {
    data.x().rows().into_iter().map(|x| forward(network, theta, x).z.as_slice().to_vec()).collect()
}

/// W_l h.
fn pre_activations(layer: &Layer, theta: &[f64], h: &DVector<f64>) -> DVector<f64> {
    DVector::from_fn(layer.units, |a, _| (0..=layer.inputs).map(|p| theta[layer.at(a, p)] * h[p]).sum())
}

/// \[1; values\].
fn with_bias(values: impl Iterator<Item = f64>) -> DVector<f64> {
    DVector::from_vec(std::iter::once(1.0).chain(values).collect())
}
