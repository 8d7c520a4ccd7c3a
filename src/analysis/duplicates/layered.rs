//! Matching the units of networks of any depth, one layer after the other.

use super::matching::least_assignment;
use crate::model::Layer;

/// The most rounds in which layers are matched again.
const ROUNDS: usize = 20;

/// Which signs of a hidden unit may change without a change of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turns {
    /// None.
    None,
    /// Those of its incoming weights.
    Incoming,
    /// Those of all its weights at once.
    Both,
}

/// By which of their outgoing weights units are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    /// By their sizes in whatever order: the layer above is not matched yet.
    Sizes,
    /// One by one.
    Matched,
}

/// Networks whose hidden units may change places within their layer, and signs as `turns` says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layered<'a> {
    pub(super) layers: &'a [Layer],
    pub(super) turns: Turns,
}

impl Layered<'_> {
    /// What no change of places and signs moves further apart than the networks are: weights that may take each other's
    /// place in order, by size alone where signs may change.
    pub(super) fn kept(&self, theta: &[f64]) -> Vec<f64> {
        let mut kept = Vec::with_capacity(theta.len());
        let last = self.layers.len() - 1;
        for (l, layer) in self.layers.iter().enumerate() {
            let may_turn = match self.turns {
                Turns::None => false,
                Turns::Incoming => l < last,
                Turns::Both => last > 0,
            };
            let mut sorted = |places: &mut dyn Iterator<Item = usize>, may_turn: bool| {
                let start = kept.len();
                kept.extend(places.map(|place| if may_turn { theta[place].abs() } else { theta[place] }));
                kept[start..].sort_by(f64::total_cmp);
            };
            let (units, inputs) = (0..layer.units, 1..=layer.inputs);
            match (l == 0, l == last) {
                (true, true) => kept.extend_from_slice(&theta[layer.start..layer.start + layer.parameters()]),
                // Inputs stay in their places.
                (true, false) => {
                    (0..=layer.inputs).for_each(|p| sorted(&mut units.clone().map(|a| layer.at(a, p)), may_turn));
                }
                (false, false) => {
                    sorted(&mut units.clone().map(|a| layer.at(a, 0)), may_turn);
                    sorted(&mut inputs.flat_map(|p| units.clone().map(move |a| layer.at(a, p))), may_turn);
                }
                // Outputs stay in their places, and nothing turns their biases.
                (false, true) => {
                    for a in units {
                        sorted(&mut std::iter::once(layer.at(a, 0)), false);
                        sorted(&mut inputs.clone().map(|p| layer.at(a, p)), may_turn);
                    }
                }
            }
        }
        kept
    }

    /// Whether a change of places and signs was found that brings `b` so near to `a` that |a - b|^2 is at most `limit`.
    pub(super) fn within(&self, a: &[f64], b: &[f64], limit: f64) -> bool {
        let hidden = self.layers.len() - 1;
        let mut b = b.to_vec();
        for l in 0..hidden {
            let outgoing = if l + 1 == hidden { Outgoing::Matched } else { Outgoing::Sizes };
            let apart = self.place(a, &mut b, l, outgoing);
            // The first layer is as near as it can be.
            if l == 0 && apart > limit {
                return false;
            }
        }
        let mut apart = square(a, &b);
        for _ in 0..ROUNDS {
            if apart <= limit {
                break;
            }
            (0..hidden).for_each(|l| {
                self.place(a, &mut b, l, Outgoing::Matched);
            });
            let now = square(a, &b);
            // Nothing moves any more.
            if now >= apart {
                break;
            }
            apart = now;
        }
        apart <= limit
    }

    /// Gives the units of hidden layer `l` of `b`, counted from 0, the places and signs that bring them nearest to
    /// those of `a`, all other layers left alone; returns by how much they are apart.
    fn place(&self, a: &[f64], b: &mut [f64], l: usize, outgoing: Outgoing) -> f64 {
        let (own, above) = (self.layers[l], self.layers[l + 1]);
        let incoming = |theta: &[f64], n: usize| (0..=own.inputs).map(|p| theta[own.at(n, p)]).collect::<Vec<f64>>();
        let onwards = |theta: &[f64], n: usize| {
            let mut weights: Vec<f64> = (0..above.units).map(|k| theta[above.at(k, n + 1)]).collect();
            if outgoing == Outgoing::Sizes {
                weights.iter_mut().for_each(|weight| *weight = weight.abs());
                weights.sort_by(f64::total_cmp);
            }
            weights
        };
        let of = |theta: &[f64]| -> Vec<[Vec<f64>; 2]> {
            (0..own.units).map(|n| [incoming(theta, n), onwards(theta, n)]).collect()
        };
        let (of_a, of_b) = (of(a), of(b));
        // As they stand, and turned.
        let costs = |n: usize, m: usize| {
            let ([to_a, from_a], [to_b, from_b]) = (&of_a[n], &of_b[m]);
            let turned = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a + b) * (a + b)).sum::<f64>();
            let (to, from) = (square(to_a, to_b), square(from_a, from_b));
            let from_turned =
                if self.turns == Turns::Both && outgoing == Outgoing::Matched { turned(from_a, from_b) } else { from };
            let turned = if self.turns == Turns::None { f64::INFINITY } else { turned(to_a, to_b) + from_turned };
            (to + from, turned)
        };
        let least = |n: usize, m: usize| {
            let (plain, turned) = costs(n, m);
            plain.min(turned)
        };
        let order = least_assignment(own.units, least);
        let from = b.to_vec();
        let mut apart = 0.0;
        for (n, m) in order.into_iter().enumerate() {
            let (plain, turned) = costs(n, m);
            let sign = if turned < plain { -1.0 } else { 1.0 };
            let sign_onwards = if self.turns == Turns::Both { sign } else { 1.0 };
            (0..=own.inputs).for_each(|p| b[own.at(n, p)] = sign * from[own.at(m, p)]);
            (0..above.units).for_each(|k| b[above.at(k, n + 1)] = sign_onwards * from[above.at(k, m + 1)]);
            apart += plain.min(turned);
        }
        apart
    }
}

/// |a - b|^2.
pub(super) fn square(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
