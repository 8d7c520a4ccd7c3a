//! Numbers that tell a network from all others but those that maps make of it.

use super::symmetry::Maps;
use crate::model::{Activation, Network, OneHidden};

/// The canonical form of the network `theta` (D,) under `maps`: two networks have the same form, but for rounding, if
/// and only if a map takes one to the other.
///
/// - softplus and GELU, and sigmoid under [`Maps::Symmetry`]: v_0, then the units (v_n, W_n) in ascending order, (D,);
/// - tanh: the same after each unit with v_n < 0 is turned to (-v_n, -W_n);
/// - sigmoid under [`Maps::Function`]: the same after each unit with v_n < 0 is turned to (-v_n, -W_n) and v_0 is moved
///   to v_0 + v_n, for sigmoid(-y) = 1 - sigmoid(y);
/// - linear under [`Maps::Symmetry`]: v_0 and the products of all columns of the units' matrix A = (v, W), A^T A, its
///   upper triangle row by row: what rotations A -> Q A keep, (1 + (M+2)(M+3)/2,);
/// - linear under [`Maps::Function`]: p = v_0 e_0 + sum_n v_n W_n, (M+1,).
///
/// Units with equal numbers can come in either order, and rounding can exchange units that differ by no more than it:
/// [`super::same_networks`] matches units instead, and decides by distances.
///
/// # Panics
/// If `theta` is not as long as the network has weights.
pub fn canonical_form(network: Network<OneHidden>, maps: Maps, theta: &[f64]) -> Vec<f64> {
    let Network { shape, activation } = network;
    let mut units: Vec<Vec<f64>> = (0..shape.hidden)
        .map(|n| std::iter::once(shape.v(n)).chain((0..=shape.inputs).map(move |m| shape.w(n, m))))
        .map(|places| places.map(|place| theta[place]).collect())
        .collect();
    let mut bias = theta[shape.v_bias()];
    if activation == Activation::Linear {
        return match maps {
            Maps::Symmetry => products_of_columns(bias, &units),
            Maps::Function => product_of_layers(bias, &units),
        };
    }
    let turns = activation == Activation::Tanh || (activation == Activation::Sigmoid && maps == Maps::Function);
    if turns {
        for unit in &mut units {
            // A unit without an output weight is turned by the first number that is not 0.
            if unit.iter().find(|&&x| x != 0.0).is_some_and(|&first| first < 0.0) {
                if activation == Activation::Sigmoid {
                    bias += unit[0];
                }
                unit.iter_mut().for_each(|x| *x = -*x);
            }
        }
    }
    units.sort_by(|a, b| {
        let differing = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
        differing.unwrap_or(std::cmp::Ordering::Equal)
    });
    std::iter::once(bias).chain(units.into_iter().flatten()).collect()
}

fn products_of_columns(bias: f64, units: &[Vec<f64>]) -> Vec<f64> {
    let width = units.first().map_or(0, Vec::len);
    let product = |a: usize, b: usize| units.iter().map(|unit| unit[a] * unit[b]).sum();
    let pairs = (0..width).flat_map(|a| (a..width).map(move |b| (a, b)));
    std::iter::once(bias).chain(pairs.map(|(a, b)| product(a, b))).collect()
}

fn product_of_layers(bias: f64, units: &[Vec<f64>]) -> Vec<f64> {
    let width = units.first().map_or(1, Vec::len);
    let mut product: Vec<f64> = (1..width).map(|m| units.iter().map(|unit| unit[0] * unit[m]).sum()).collect();
    if let Some(first) = product.first_mut() {
        *first += bias;
    }
    product
}
