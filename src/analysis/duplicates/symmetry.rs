//! Networks that are the same but for what tells no network from another: the order of its hidden units, and their
//! signs.
//!
//! W_n are the weights that go into unit n of a hidden layer, with its bias, and v_n those that go out of it: a number,
//! or with several outputs or a layer above a vector. v_0 are the biases of what they feed.
//!
//! A map of theta that is orthogonal and keeps the loss keeps g.g and the Hessian's spectrum as well
//! ([`Maps::Symmetry`]): any order of the units of a hidden layer; for tanh and erf the sign of a unit with that of its
//! output weight, (W_n, v_n) -> (-W_n, -v_n), as f(-y) = -f(y); for square the sign of W_n alone, as f(-y) = f(y); for
//! linear every rotation of the hidden layer, (W, v) -> (Q W, Q v). So does a shift that keeps the loss: for softmax
//! one row added to all rows of W_P, which networks are compared without.
//!
//! Others keep the function z(x) alone ([`Maps::Function`]). sigmoid, f(-y) = 1 - f(y): W_n -> -W_n, v_n -> -v_n, v_0
//! -> v_0 + v_n. linear: every invertible map between the layers, so that only the M+1 numbers of z = p.h(x), p = v_0
//! e_0 + sum_n v_n W_n, count for each output. relu, f(c y) = c f(y) for c > 0: (W_n, v_n) -> (c W_n, v_n / c);
//! networks are compared with every unit scaled to |W_n| = |v_n|. square: everything that keeps the quadratic form z =
//! h(x)^T Q h(x), Q = v_0 e_0 e_0^T + sum_n v_n W_n W_n^T, which is what is compared, in the Frobenius norm. softplus,
//! GELU, silu and relu, f(-y) = f(y) - y: turning units round leaves a linear term sum v_n W_n.h(x) over them, which
//! nothing else in the network takes up. It is zero for exceptional weights only, so these have no more.
//!
//! With several hidden layers, rotations of linear units, scales of relu ones and what square does beyond signs are not
//! looked for: networks of these are refused by that rule.
//!
//! What is not looked for: other weights that happen to give the same outputs, such as those of a unit with v_n = 0 or
//! of two units with equal W_n, or equal outputs at the samples alone. The Hessian tells them apart, and so does any
//! other sample.

use std::fmt;

use nalgebra::{DMatrix, DVector};
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::super::{AnalysisError, median};
use super::first::{Sameness, first_of_each};
use super::layered::{Layered, Turns, square};
use super::matching::least_sum;
use super::rows::PointSet;
use crate::model::{Activation, Layer, Loss, Shape};

/// Two networks are the same where the distance of their weights, with those of one mapped as near to the other's as
/// the maps allow, is at most this part of the longer of the two, and their values agree ([`VALUES_WITHIN`]).
///
/// Training stops before it arrives, at g.g below its tolerance, so copies of one minimum are not equal: between g.g of
/// 1e-3 and 1e-5 half of the networks of Appendix C (N = 3) still move by more than nine tenths of their length with
/// sigmoid and tanh, and there is no gap between pairs that are copies and pairs that are not. A tenth is about as far
/// as pairs go on towards each other whatever the activation: of 185 pairs that are the same by it at g.g of 1e-3, 180
/// are nearer to each other at 1e-5; with softplus, 2 of the 5 pairs next beyond it are not. Networks that differ are
/// far beyond: the nearest of 512 on the wine data (N = 4) differ by 0.78.
pub const WITHIN: f64 = 0.1;

/// The part of the larger by which the losses, and by [`Maps::Symmetry`] the `lambda_sup`, of networks that are the
/// same may differ.
pub const VALUES_WITHIN: f64 = 0.05;

/// How near two networks have to be to be the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearness {
    /// The distance of their weights, as a part of the longer of the two.
    pub theta: f64,
    /// The difference of their values, as a part of the larger.
    pub values: f64,
}

impl Default for Nearness {
    /// That of networks whose training stopped before it arrived.
    fn default() -> Self {
        Self { theta: WITHIN, values: VALUES_WITHIN }
    }
}

impl Nearness {
    /// The largest difference of the logarithms of two positive numbers that agree.
    fn log_values(self) -> f64 {
        -(1.0 - self.values).ln()
    }

    fn agree(self, a: f64, b: f64) -> bool {
        (a - b).abs() <= self.values * a.abs().max(b.abs())
    }
}

/// The most hidden units that are matched with each other: the exact assignment takes N^3 steps and N^2 memory.
pub const MOST_MATCHED: usize = 2048;

/// What a network is the same under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Maps {
    /// What keeps loss, g.g and spectrum: the order of the hidden units, and their signs where f is odd or even.
    Symmetry,
    /// What keeps the function, though not the spectrum.
    Function,
}

/// The networks that are compared. Each has one row, and one value.
#[derive(Debug, Clone, Copy)]
pub struct ComparedNetworks<'a> {
    /// The widths of their layers.
    pub shape: Shape,
    /// Their activation f.
    pub activation: Activation,
    /// What they minimise: softmax does not change where one row is added to all rows of W_P.
    pub trained_on: Loss,
    /// Weights, (S, D).
    pub theta: ArrayView2<'a, f32>,
    /// L, (S,).
    pub loss: &'a [f64],
    /// `lambda_sup`, (S,).
    pub lambda_sup: &'a [f64],
}

/// Which networks are kept, and for which others.
#[derive(Debug, Clone, PartialEq)]
pub struct Same {
    /// Whether each network is kept, (S,).
    pub kept: Vec<bool>,
    /// The first kept network that each is the same as, (S,): itself for a kept one.
    pub duplicate_of: Vec<usize>,
    /// The maps that they are the same under.
    pub maps: Maps,
    /// How `lambda_sup` differs among networks that are the same; `None` where every network is kept.
    pub lambda_ratio: Option<LambdaRatio>,
    /// How near networks that are the same lie.
    pub within: Nearness,
    /// The maps in words.
    compared_under: String,
}

/// The largest `lambda_sup` of a kept network and those that are the same, divided by their smallest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LambdaRatio {
    /// How many kept networks stand for more than themselves.
    pub classes: usize,
    /// The median ratio over these.
    pub median: f64,
    /// The largest ratio.
    pub largest: f64,
    /// The kept network whose class has the largest ratio.
    pub at: usize,
    /// The smallest and the largest `lambda_sup` of that class.
    pub range: (f64, f64),
}

impl Same {
    /// The number of networks kept.
    pub fn unique(&self) -> usize {
        self.kept.iter().filter(|&&kept| kept).count()
    }
}

impl fmt::Display for Same {
    /// One sentence that says what was found and how.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unique, all) = (self.unique(), self.kept.len());
        let (by, values) = match self.maps {
            Maps::Symmetry => ("symmetry", "loss and lambda_sup"),
            Maps::Function => ("function", "loss"),
        };
        write!(
            f,
            "{unique} of {all} networks are unique by {by}: no two are the same under {}, ",
            self.compared_under
        )?;
        write!(f, "theta within {} % and {values} within {} %", 100.0 * self.within.theta, 100.0 * self.within.values)?;
        if let (Maps::Function, Some(ratio)) = (self.maps, self.lambda_ratio) {
            let LambdaRatio { classes, median, largest, range: (low, high), .. } = ratio;
            write!(
                f,
                "; {classes} stand for several, whose lambda_sup differ by a factor {median:.3} in the median and "
            )?;
            write!(f, "{largest:.3} at most ({low:.4} to {high:.4})")?;
        }
        Ok(())
    }
}

/// Looks for networks that are the same, in the order of the rows: a network is dropped if an earlier kept one is the
/// same within [`WITHIN`] and [`VALUES_WITHIN`], and kept otherwise.
///
/// Distances are exact, with the hidden units matched by the best of all assignments, so that neither equal units nor
/// ties change a verdict; candidates are found by a spatial index over what the maps cannot change, in about S log S
/// steps. It takes about as much memory as theta once more, and the kept networks a third time. The result does not
/// depend on the number of threads.
///
/// With two hidden layers and more, no way is known to find the best of all assignments. The units of a layer are
/// matched one layer after the other, from the inputs on: by their incoming weights, with those of the layers below
/// mapped already, and by the sizes of their outgoing ones; then again by all their weights, as long as that brings the
/// networks nearer. What is found is a map, so networks that are called the same are. A copy is always found, unless
/// two units of one layer agree in their incoming weights up to what the maps change, and in the sizes of the outgoing
/// ones, or the incoming weights of one are all 0; of networks that are merely near, some pairs can be missed.
///
/// Networks whose loss is not a number, or by [`Maps::Symmetry`] whose `lambda_sup` is none, are kept.
///
/// # Errors
/// [`AnalysisError::NotMatched`] for two hidden layers and more of linear units by [`Maps::Symmetry`] and of relu or
/// square units by [`Maps::Function`], [`AnalysisError::Columns`] where theta, loss and `lambda_sup` do not fit,
/// [`AnalysisError::NotFinite`] for a weight that is not finite, [`AnalysisError::TooWide`] for more than
/// [`MOST_MATCHED`] hidden units that would have to be matched, [`AnalysisError::TooMany`] for more than 2^32 - 1
/// networks.
pub fn same_networks(networks: &ComparedNetworks<'_>, maps: Maps) -> Result<Same, AnalysisError> {
    same_networks_within(networks, maps, Nearness::default())
}

/// As [`same_networks`], with another nearness in place of [`WITHIN`] and [`VALUES_WITHIN`]. Candidates are looked for
/// in f32: below 1e-4 some can be missed.
///
/// # Errors
/// As [`same_networks`].
pub fn same_networks_within(
    networks: &ComparedNetworks<'_>,
    maps: Maps,
    within: Nearness,
) -> Result<Same, AnalysisError> {
    let ComparedNetworks { shape, activation, trained_on, theta, loss, lambda_sup } = *networks;
    let geometry = Geometry::of(activation, maps, shape.hidden().len())
        .ok_or_else(|| AnalysisError::NotMatched { widths: shape.to_string(), activation: activation.name() })?;
    let count = theta.nrows();
    let fits = |what, found, expected| {
        if found == expected { Ok(()) } else { Err(AnalysisError::Columns { what, found, expected }) }
    };
    fits("weights of each network", theta.ncols(), shape.parameters())?;
    fits("losses", loss.len(), count)?;
    fits("values of lambda_sup", lambda_sup.len(), count)?;
    if count > u32::MAX as usize {
        return Err(AnalysisError::TooMany { found: count, most: u32::MAX as usize });
    }
    let widest = shape.hidden().iter().copied().max().unwrap_or(0);
    if widest > MOST_MATCHED && geometry.matches_units() {
        return Err(AnalysisError::TooWide { hidden: widest, most: MOST_MATCHED });
    }
    let theta = theta.as_standard_layout();
    let rows = PointSet { values: theta.as_slice().unwrap_or_default(), dimensions: shape.parameters() };
    if let Some((index, &value)) = rows.values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(AnalysisError::NotFinite { of: "the networks' weights", index, value: f64::from(value) });
    }
    let lambda_sup = (maps == Maps::Symmetry).then_some(lambda_sup);
    let has_level = trained_on != Loss::Softmax;
    let layers: Vec<Layer> = shape.layers().collect();
    let search =
        Search { layers, has_level, geometry, within, rows, loss, lambda_sup, lengths: Vec::new(), stretch: 0.0 };
    let (search, index) = search.indexed(count);
    let width = index.len() / count.max(1);
    let duplicate_of = first_of_each(PointSet { values: &index, dimensions: width }, count, &search);
    let kept = duplicate_of.iter().enumerate().map(|(i, &first)| first == i).collect();
    let lambda_ratio = LambdaRatio::of(&duplicate_of, networks.lambda_sup)?;
    let level = if has_level { "" } else { " and levels of all outputs" };
    let compared_under = format!("{}{level}", geometry.in_words());
    Ok(Same { kept, duplicate_of, maps, lambda_ratio, within, compared_under })
}

impl LambdaRatio {
    fn of(duplicate_of: &[usize], lambda_sup: &[f64]) -> Result<Option<Self>, AnalysisError> {
        let mut ranges: Vec<(f64, f64)> = lambda_sup.iter().map(|&value| (value, value)).collect();
        let mut several = vec![false; duplicate_of.len()];
        for (i, &first) in duplicate_of.iter().enumerate().filter(|(i, first)| i != *first) {
            let (low, high) = ranges[first];
            ranges[first] = (low.min(lambda_sup[i]), high.max(lambda_sup[i]));
            several[first] = true;
        }
        // Equal bounds, both 0 as well, have the ratio 1.
        let ratio = |(low, high): (f64, f64)| if high > low { high / low } else { 1.0 };
        let ratios: Vec<(usize, f64)> =
            (0..several.len()).filter(|&i| several[i]).map(|i| (i, ratio(ranges[i]))).collect();
        let Some(&(at, largest)) = ratios.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else { return Ok(None) };
        let values: Vec<f64> = ratios.iter().map(|&(_, ratio)| ratio).collect();
        Ok(Some(Self { classes: ratios.len(), median: median(&values)?, largest, at, range: ranges[at] }))
    }
}

/// In which coordinates the maps are orthogonal, and which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Geometry {
    /// There is no hidden unit.
    Fixed,
    /// Permutations of the units (W_n, v_n).
    Order,
    /// These, and (W_n, v_n) -> (-W_n, -v_n).
    OrderAndSigns,
    /// The same with v_0 + sum_n v_n / 2 in place of v_0, and so in every layer above the first: sigmoid(y) = 1/2 +
    /// tanh(y/2)/2, so this is what a change of signs keeps.
    OrderAndSignsAboutHalf,
    /// Permutations, and W_n -> -W_n.
    OrderAndInputSigns,
    /// Permutations of the units with each scaled to |W_n| = |v_n|: (W_n, v_n) times (sqrt(|v_n| / |W_n|),
    /// sqrt(|W_n| / |v_n|)).
    OrderAndScales,
    /// Orthogonal maps of the hidden layer.
    Rotations,
    /// Everything but p = v_0 e_0 + sum_n v_n W_n of each output.
    Product,
    /// Everything but Q = v_0 e_0 e_0^T + sum_n v_n W_n W_n^T of each output.
    QuadraticForm,
}

impl Geometry {
    /// That of networks with so many hidden layers; `None` where the maps between several are not looked for.
    fn of(activation: Activation, maps: Maps, hidden_layers: usize) -> Option<Self> {
        if hidden_layers == 0 {
            return Some(Self::Fixed);
        }
        let one = hidden_layers == 1;
        Some(match (activation, maps) {
            (Activation::Linear, Maps::Symmetry) if !one => return None,
            (Activation::Relu | Activation::Square, Maps::Function) if !one => return None,
            (Activation::Linear, Maps::Symmetry) => Self::Rotations,
            (Activation::Linear, Maps::Function) => Self::Product,
            (Activation::Tanh | Activation::Erf, _) => Self::OrderAndSigns,
            (Activation::Sigmoid, Maps::Function) => Self::OrderAndSignsAboutHalf,
            (Activation::Square, Maps::Symmetry) => Self::OrderAndInputSigns,
            (Activation::Square, Maps::Function) => Self::QuadraticForm,
            (Activation::Relu, Maps::Function) => Self::OrderAndScales,
            (Activation::Sigmoid | Activation::Relu, Maps::Symmetry)
            | (Activation::Softplus | Activation::Gelu | Activation::Silu, _) => Self::Order,
        })
    }

    /// What networks are compared under, in words.
    fn in_words(self) -> &'static str {
        match self {
            Self::Fixed => "no map of the weights but the identity",
            Self::Order => "permutations of hidden units",
            Self::OrderAndSigns => "permutations and signs of hidden units",
            Self::OrderAndSignsAboutHalf => {
                "permutations and flips of hidden units (W_n, v_n, v_0 to -W_n, -v_n, v_0 + v_n)"
            }
            Self::OrderAndInputSigns => "permutations of hidden units and signs of their input weights",
            Self::OrderAndScales => "permutations and scales of hidden units (W_n, v_n to c W_n, v_n / c)",
            Self::Rotations => "rotations of the hidden layer",
            Self::Product => "all maps between the layers",
            Self::QuadraticForm => "all maps that keep the quadratic form of the inputs",
        }
    }

    /// Whether one network's units are assigned to the other's.
    fn matches_units(self) -> bool {
        !matches!(self, Self::Product | Self::QuadraticForm)
    }

    /// Which signs of a unit may change.
    fn turns(self) -> Turns {
        match self {
            Self::OrderAndSigns | Self::OrderAndSignsAboutHalf => Turns::Both,
            Self::OrderAndInputSigns => Turns::Incoming,
            _ => Turns::None,
        }
    }
}

/// What the search looks at.
struct Search<'a> {
    layers: Vec<Layer>,
    /// Whether a number that is added to all outputs changes the loss.
    has_level: bool,
    geometry: Geometry,
    within: Nearness,
    rows: PointSet<'a>,
    loss: &'a [f64],
    /// `None` where it may differ.
    lambda_sup: Option<&'a [f64]>,
    /// The length of each network's weights, in the coordinates in which the maps are orthogonal.
    lengths: Vec<f64>,
    /// What logarithms of loss and `lambda_sup` are multiplied by in the index.
    stretch: f64,
}

impl<'a> Search<'a> {
    /// The search with its index: a row of numbers for each network, of which those of two networks that are the same
    /// are nearer than [`Sameness::radius`].
    ///
    /// First what the maps keep. Every coordinate of the units is sorted by itself, and by size alone where signs may
    /// change: no assignment of the units brings them nearer than the one of each coordinate. Then the logarithms of
    /// loss and `lambda_sup`, in which networks differ most, stretched so that the difference allowed for them is about
    /// as long as that allowed for the weights.
    fn indexed(mut self, count: usize) -> (Self, Vec<f32>) {
        let width = self.width();
        let whole = width + 1 + usize::from(self.lambda_sup.is_some());
        let mut index = vec![0.0_f32; whole * count];
        let rounded = |x: f64| x.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        self.lengths = index
            .par_chunks_mut(whole)
            .enumerate()
            .map(|(i, place)| {
                let kept = self.kept_by_maps(i);
                place.iter_mut().zip(&kept).for_each(|(place, &x)| *place = rounded(x));
                kept.iter().map(|x| x * x).sum::<f64>().sqrt()
            })
            .collect();
        let mut order = self.lengths.clone();
        let middle = order.len() / 2;
        let typical = if order.is_empty() { 0.0 } else { *order.select_nth_unstable_by(middle, f64::total_cmp).1 };
        self.stretch = typical * self.within.theta / self.within.log_values();
        // A value without a logarithm takes the nearest one that has: what is the same is decided by the value itself.
        let logarithm = |value: f64| rounded(self.stretch * value.max(f64::from_bits(1)).ln());
        let values = [Some(self.loss), self.lambda_sup];
        for (i, place) in index.chunks_exact_mut(whole).enumerate() {
            place[width..]
                .iter_mut()
                .zip(values.iter().flatten())
                .for_each(|(place, values)| *place = logarithm(values[i]));
        }
        (self, index)
    }

    /// How many numbers of the index stand for the weights.
    fn width(&self) -> usize {
        let (inputs, outputs) = (self.layers[0].inputs, self.outputs());
        match self.geometry {
            Geometry::Product => (inputs + 1) * outputs,
            Geometry::QuadraticForm => 2 * (inputs + 1) * outputs,
            Geometry::Rotations => inputs + 1 + 2 * outputs,
            _ => self.layers.iter().map(Layer::parameters).sum(),
        }
    }

    /// K.
    fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.units)
    }

    /// How the units of these networks are matched layer by layer.
    fn layered(&self) -> Layered<'_> {
        Layered { layers: &self.layers, turns: self.geometry.turns() }
    }

    /// The weights of network `i`, in the order of theta: in the coordinates in which the maps are orthogonal, and
    /// without the level of the outputs where that changes nothing.
    fn weights(&self, i: usize) -> Vec<f64> {
        let mut weights: Vec<f64> = self.rows.row(i).iter().map(|&weight| f64::from(weight)).collect();
        if let (false, Some(last)) = (self.has_level, self.layers.last()) {
            for p in 0..=last.inputs {
                let column = &mut weights[last.at(0, p)..=last.at(last.units - 1, p)];
                let mean = column.iter().sum::<f64>() / last.units as f64;
                column.iter_mut().for_each(|weight| *weight -= mean);
            }
        }
        if self.geometry == Geometry::OrderAndSignsAboutHalf {
            for layer in &self.layers[1..] {
                for a in 0..layer.units {
                    let sum: f64 = (1..=layer.inputs).map(|p| weights[layer.at(a, p)]).sum();
                    weights[layer.at(a, 0)] += 0.5 * sum;
                }
            }
        }
        weights
    }

    fn kept_by_maps(&self, i: usize) -> Vec<f64> {
        let weights = self.weights(i);
        let [hidden, output] = match (self.geometry, self.layers[..].try_into()) {
            (Geometry::Product, _) => return self.product(&weights),
            (_, Ok(two)) => two,
            (_, Err(_)) => return self.layered().kept(&weights),
        };
        // Of each row of Q its diagonal element and the length of the rest: no further apart than the rows are.
        if self.geometry == Geometry::QuadraticForm {
            let of = |form: DMatrix<f64>| {
                let rest = |m: usize| (form.row(m).norm_squared() - form[(m, m)].powi(2)).max(0.0).sqrt();
                (0..form.nrows()).flat_map(|m| [form[(m, m)], rest(m)]).collect::<Vec<f64>>()
            };
            return self.quadratic_forms(&weights).into_iter().flat_map(of).collect();
        }
        let (units, width) = (self.units(&weights), hidden.inputs + 1 + output.units);
        let mut kept = Vec::with_capacity(self.width());
        for c in 0..width {
            let coordinate = units.iter().skip(c).step_by(width).copied();
            if self.geometry == Geometry::Rotations {
                kept.push(coordinate.map(|x| x * x).sum::<f64>().sqrt());
                continue;
            }
            let start = kept.len();
            let turns = self.may_turn(c);
            kept.extend(coordinate.map(|x| if turns { x.abs() } else { x }));
            kept[start..].sort_by(f64::total_cmp);
        }
        kept.extend((0..output.units).map(|k| weights[output.at(k, 0)]));
        kept
    }

    /// Whether the sign of a unit's `which`-th number may change, in the order of [`Self::units`].
    fn may_turn(&self, which: usize) -> bool {
        match self.geometry.turns() {
            Turns::None => false,
            Turns::Incoming => which <= self.layers[0].inputs,
            Turns::Both => true,
        }
    }

    /// The units (W_n, v_n) of networks with one hidden layer one after the other, M+1+K numbers each.
    fn units(&self, weights: &[f64]) -> Vec<f64> {
        let (hidden, output) = (self.layers[0], self.layers[1]);
        let places = |n| {
            let incoming = (0..=hidden.inputs).map(move |m| hidden.at(n, m));
            incoming.chain((0..output.units).map(move |k| output.at(k, n + 1)))
        };
        let mut units: Vec<f64> = (0..hidden.units).flat_map(places).map(|place| weights[place]).collect();
        if self.geometry == Geometry::OrderAndScales {
            for unit in units.chunks_exact_mut(hidden.inputs + 1 + output.units) {
                balance(unit, hidden.inputs + 1);
            }
        }
        units
    }

    /// z as an affine map of x for linear units, (K, M+1) output by output: W_P [1; W_{P-1} [1; ..]].
    fn product(&self, weights: &[f64]) -> Vec<f64> {
        let columns = self.layers[0].inputs + 1;
        // The values of a layer as functions of [1; x].
        let mut values: DMatrix<f64> = DMatrix::identity(columns, columns).rows(1, columns - 1).into_owned();
        for layer in &self.layers {
            let matrix = DMatrix::from_fn(layer.units, layer.inputs, |a, p| weights[layer.at(a, p + 1)]);
            values = matrix * values;
            (0..layer.units).for_each(|a| values[(a, 0)] += weights[layer.at(a, 0)]);
        }
        values.transpose().as_slice().to_vec()
    }

    /// Q of each output of networks with one hidden layer of square units: v_0 e_0 e_0^T + sum_n v_n W_n W_n^T, (M+1,
    /// M+1).
    fn quadratic_forms(&self, weights: &[f64]) -> Vec<DMatrix<f64>> {
        let (hidden, output) = (self.layers[0], self.layers[1]);
        let of_output = |k: usize| {
            let mut form = DMatrix::zeros(hidden.inputs + 1, hidden.inputs + 1);
            form[(0, 0)] = weights[output.at(k, 0)];
            for n in 0..hidden.units {
                let unit = DVector::from_fn(hidden.inputs + 1, |m, _| weights[hidden.at(n, m)]);
                form.ger(weights[output.at(k, n + 1)], &unit, &unit, 1.0);
            }
            form
        };
        (0..output.units).map(of_output).collect()
    }

    /// Whether the weights of two networks, with one mapped as near to the other as the maps allow, are near enough.
    fn near(&self, i: usize, j: usize) -> bool {
        let (a, b) = (self.weights(i), self.weights(j));
        let within = self.within.theta * self.lengths[i].max(self.lengths[j]);
        let limit = within * within;
        let [hidden, output] = match (self.geometry, self.layers[..].try_into()) {
            (Geometry::Product, _) => return square(&self.product(&a), &self.product(&b)) <= limit,
            (_, Ok(two)) => two,
            (_, Err(_)) => return self.layered().within(&a, &b, limit),
        };
        if self.geometry == Geometry::QuadraticForm {
            let forms = self.quadratic_forms(&a).into_iter().zip(self.quadratic_forms(&b));
            return forms.map(|(a, b)| (a - b).norm_squared()).sum::<f64>() <= limit;
        }
        let bias = |k: usize| (a[output.at(k, 0)] - b[output.at(k, 0)]).powi(2);
        let left = limit - (0..output.units).map(bias).sum::<f64>();
        if left < 0.0 {
            return false;
        }
        let (a, b) = (self.units(&a), self.units(&b));
        let width = hidden.inputs + 1 + output.units;
        if self.geometry == Geometry::Rotations {
            // min over Q of |A - Q B|^2 = |A|^2 + |B|^2 - 2 (sum of the singular values of A B^T).
            let [a, b] = [a, b].map(|units| DMatrix::from_row_slice(hidden.units, width, &units));
            let turned = (&a * b.transpose()).singular_values().sum();
            return a.norm_squared() + b.norm_squared() - 2.0 * turned <= left;
        }
        let cost = |n: usize, m: usize| {
            let (a, b) = (&a[n * width..(n + 1) * width], &b[m * width..(m + 1) * width]);
            let apart = square(a, b);
            if self.geometry.turns() == Turns::None {
                return apart;
            }
            let turned = |(c, (a, b)): (usize, (&f64, &f64))| {
                if self.may_turn(c) { (a + b) * (a + b) } else { (a - b) * (a - b) }
            };
            apart.min(a.iter().zip(b).enumerate().map(turned).sum())
        };
        least_sum(hidden.units, left, cost).is_some()
    }
}

/// Scales a relu unit (W_n, v_n) to |W_n| = |v_n|, without a change of v_n W_n; to 0 where either is 0. W_n are its
/// first `incoming` numbers.
fn balance(unit: &mut [f64], incoming: usize) {
    let length = |weights: &[f64]| weights.iter().map(|w| w * w).sum::<f64>().sqrt();
    let (to, from) = unit.split_at_mut(incoming);
    let lengths = [length(to), length(from)];
    let size = (lengths[0] * lengths[1]).sqrt();
    let scale = |of: f64| if size > 0.0 { size / of } else { 0.0 };
    to.iter_mut().for_each(|w| *w *= scale(lengths[0]));
    from.iter_mut().for_each(|w| *w *= scale(lengths[1]));
}

impl Sameness for Search<'_> {
    fn radius(&self, i: u32) -> f64 {
        // The longer of two that are the same is at most 1 / (1 - `within`) times as long as the other.
        let within = self.within.theta;
        let weights = within / (1.0 - within) * self.lengths[i as usize];
        let logarithms =
            if self.lambda_sup.is_some() { 2.0 } else { 1.0 } * (self.stretch * self.within.log_values()).powi(2);
        // The index is rounded to f32, its logarithms of up to 745 by up to a thousandth of what is allowed of them.
        1.01 * (weights * weights + logarithms).sqrt() + f64::from(f32::MIN_POSITIVE)
    }

    fn holds(&self, i: u32, j: u32) -> bool {
        let (i, j) = (i as usize, j as usize);
        self.within.agree(self.loss[i], self.loss[j])
            && self.lambda_sup.is_none_or(|lambda_sup| self.within.agree(lambda_sup[i], lambda_sup[j]))
            && self.near(i, j)
    }
}
