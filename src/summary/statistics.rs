//! What summaries and tables say of the networks of a run, computed in blocks: memory does not grow with the run.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::Serialize;

use super::error::SummaryError;
use super::source::{SummarySource, has};
use crate::analysis::streamed_quantiles;
use crate::bounds::no_bound;
use crate::records::{Column, Dtype};
use crate::run::Population;

/// The column of the smallest eigenvalues.
pub(crate) const LAMBDA_MIN: &str = "lambda_min";

/// Quantiles of one column.
#[derive(Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) column: &'static str,
    /// How many networks they are over: those of the population whose value is finite.
    pub(crate) networks: u64,
    /// One for each level; none without networks.
    pub(crate) values: Vec<f64>,
}

impl Quantiles {
    /// Those of `column` at `levels` over the networks of `over` whose value is finite.
    pub(crate) fn of(
        run: &dyn SummarySource,
        column: &'static str,
        over: Population,
        levels: &[f64],
    ) -> Result<Self, SummaryError> {
        let networks = Cell::new(0);
        let each = |take: &mut dyn FnMut(f64)| -> Result<(), SummaryError> {
            // Every pass is over the same values.
            networks.set(0);
            // An f32 engine can overflow in one column of a network whose gradient is still finite.
            let mut numbers = |value: f64| {
                if value.is_finite() {
                    networks.set(networks.get() + 1);
                    take(value)
                }
            };
            Ok(run.each_value(column, over, &mut numbers)?)
        };
        let values = streamed_quantiles(each, levels)?;
        Ok(Self { column, networks: networks.get(), values })
    }
}

/// A part of the networks of a population.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Share {
    pub(crate) networks: u64,
    /// The networks of the population that have the value in question.
    pub(crate) of: u64,
}

impl Share {
    /// The networks of `over` whose smallest eigenvalue, as it was computed, is below zero; with weight decay alpha,
    /// that of the objective, H + alpha I. `None` where none was computed.
    pub(crate) fn below_zero(run: &dyn SummarySource, over: Population) -> Result<Option<Self>, SummaryError> {
        if !has(run, LAMBDA_MIN) {
            return Ok(None);
        }
        let mut share = Self { networks: 0, of: 0 };
        let decay = run.manifest().spec.work.weight_decay();
        run.each_value(LAMBDA_MIN, over, &mut |value| {
            share.of += u64::from(value.is_finite());
            share.networks += u64::from(value < -decay && value.is_finite());
        })?;
        Ok((share.of > 0).then_some(share))
    }
}

/// The bounds, whose NaN have reasons of their own, all four at once.
const BOUNDS: [&str; 4] = ["lambda_sup", "lambda_max_lower", "lambda_min_upper", "lambda_min_lower"];

/// The columns of eigenvalues, one number each.
const EIGENVALUES: [&str; 5] = ["lambda_max", LAMBDA_MIN, "lambda_max_ww", "lambda_max_vv", "gn_lambda_max"];

/// Whether this is a column of a bracket; of the single bounds in it as well.
fn is_bracket(name: &str) -> bool {
    let single = ["lambda_max_upper4", "lambda_max_lower3", "lambda_min_lower4", "lambda_min_upper3"];
    name.starts_with("bracket_") || single.contains(&name)
}

/// Why a network has no bracket.
const NO_BRACKET: &str = "its Hessian is not finite in float64, or the rounding error may exceed ||H||_F";

/// Networks whose value in some column is NaN for one reason.
#[derive(Debug, Serialize)]
pub(crate) struct Missing {
    pub(crate) column: String,
    pub(crate) networks: u64,
    pub(crate) reason: &'static str,
}

impl Missing {
    /// Every column of `run` that holds NaN, with each reason.
    pub(crate) fn of(run: &dyn SummarySource) -> Result<Vec<Self>, SummaryError> {
        let is_plain = |column: &&Column| column.width.is_none() && column.dtype == Dtype::Float64;
        let columns = run.manifest().columns.iter().filter(is_plain);
        let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        let place = |name: &str| names.iter().position(|&other| other == name);
        let traces = place("trace").zip(place("trace_sq")).zip(place("bound_error"));
        let mut counts: BTreeMap<(usize, &'static str), u64> = BTreeMap::new();
        run.each_row(&names, &mut |values| {
            for (k, (&name, value)) in names.iter().zip(values).enumerate() {
                if !value.is_nan() || name == "bound_error" {
                    continue;
                }
                let reason = match traces {
                    Some(((trace, trace_sq), error)) if BOUNDS.contains(&name) => {
                        no_bound(values[trace], values[trace_sq], values[error]).map(|none| none.reason())
                    }
                    _ if is_bracket(name) => Some(NO_BRACKET),
                    _ if EIGENVALUES.contains(&name) => Some("no eigenvalues were found"),
                    _ if name.contains("polish") => Some("the network is not finite, or its bound cannot be formed"),
                    _ => None,
                };
                *counts.entry((k, reason.unwrap_or("it is not finite in the engine's precision"))).or_default() += 1;
            }
        })?;
        let missing =
            counts.into_iter().map(|((k, reason), networks)| Self { column: names[k].to_owned(), networks, reason });
        Ok(missing.collect())
    }
}
