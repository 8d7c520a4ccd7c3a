//! What each route to sharpness costs, and how good it is, on a grid of network and data sizes.
//!
//! Each size has one batch of networks, trained for some steps so that their Hessians are no special case. Routes run
//! in turn, and every repeat goes once through all of them, so that a machine that slows down slows all. Nothing runs
//! beside anything else.

mod measure;
mod method;
mod size;

use ndarray::Array2;
use serde::Serialize;

use crate::model::{Activation, Loss};

pub use measure::{CostAndError, Engines, Measurement, Settings, measure};
pub use method::{Method, Quantity, Runner, Site};
pub use size::{Size, Truth};

/// All measurements of a bench, with what they were taken on.
#[derive(Debug, Clone, Serialize)]
pub struct Bench {
    /// The program's version.
    pub version: String,
    /// The engines, by name, with device and driver.
    pub engines: Vec<crate::engine::Machine>,
    /// Repeats of every measurement.
    pub repeats: usize,
    /// Seconds that the repeats of a route may take together; what takes longer is skipped.
    pub budget: f64,
    /// The hidden units' activation.
    pub activation: Activation,
    /// The loss.
    pub loss: Loss,
    /// The measurements, size by size.
    pub measurements: Vec<Measurement>,
    /// Which route `--route auto` takes at each size, and whether the other is faster.
    pub auto: Vec<AutoRoute>,
    /// The names of the columns of [`Bench::table`].
    pub table_columns: [&'static str; 15],
}

impl Bench {
    /// The columns of [`Bench::table`]. Routes and devices are numbered from 0, in the order of [`Method`] and
    /// [`Site`]; `hidden` counts the units of all hidden layers, and `layers` the layers of weights.
    pub const TABLE_COLUMNS: [&'static str; 15] = [
        "hidden",
        "samples",
        "inputs",
        "route",
        "device",
        "networks",
        "seconds",
        "seconds_quarter",
        "seconds_three_quarters",
        "flops",
        "error",
        "distance_from_lambda_max",
        "layers",
        "outputs",
        "parameters",
    ];

    /// The measurements as one array, one row for each, in order. NaN where there is no value, and 0 networks where
    /// nothing was measured.
    pub fn table(&self) -> Array2<f64> {
        let row = |Measurement { size, runner, outcome }: &Measurement| {
            let of = |value: fn(&CostAndError) -> f64| outcome.as_ref().map_or(f64::NAN, value);
            [
                size.hidden_units() as f64,
                size.samples as f64,
                size.shape.inputs() as f64,
                f64::from(runner.method as u8),
                f64::from(runner.site as u8),
                outcome.as_ref().map_or(0.0, |found| found.networks as f64),
                of(|found| found.seconds),
                of(|found| found.spread.map_or(f64::NAN, |[low, _]| low)),
                of(|found| found.spread.map_or(f64::NAN, |[_, high]| high)),
                of(|found| found.flops),
                of(|found| found.error),
                of(|found| found.distance_from_lambda_max.unwrap_or(f64::NAN)),
                size.shape.layers().len() as f64,
                size.shape.outputs() as f64,
                size.shape.parameters() as f64,
            ]
        };
        Array2::from(self.measurements.iter().map(row).collect::<Vec<[f64; Self::TABLE_COLUMNS.len()]>>())
    }
}

/// The choice of `--route auto` at one size, beside the measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AutoRoute {
    /// The size.
    pub size: Size,
    /// The engine.
    #[serde(rename = "device")]
    pub site: Site,
    /// The route that auto takes.
    pub chosen: Method,
    /// How many times as long the chosen route takes as the other.
    pub chosen_over_other: f64,
    /// Whether the times of the two differ by more than repeats do: their quartiles do not overlap. A single repeat has
    /// no spread.
    pub apart: bool,
}

impl AutoRoute {
    /// The route `chosen` at `size` beside the other one, if both were measured at `site`.
    pub fn new(measurements: &[Measurement], size: Size, site: Site, chosen: Method) -> Option<Self> {
        let find = |method: Method| {
            let is_wanted = |m: &&Measurement| m.size == size && m.runner == Runner { method, site };
            measurements.iter().find(is_wanted).and_then(|m| m.outcome.as_ref().ok())
        };
        let other = find(if chosen == Method::Pairwise { Method::Assembled } else { Method::Pairwise })?;
        let this = find(chosen)?;
        let quartiles = |found: &CostAndError| found.spread.unwrap_or([found.seconds; 2]);
        let ([low, high], [other_low, other_high]) = (quartiles(this), quartiles(other));
        let apart = low > other_high || high < other_low;
        Some(Self { size, site, chosen, chosen_over_other: this.seconds / other.seconds, apart })
    }

    /// Whether the model chose the slower route, by more than chance explains.
    pub fn is_wrong(&self) -> bool {
        self.apart && self.chosen_over_other > 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::{AutoRoute, CostAndError, Measurement, Method, Runner, Site, Size};

    #[test]
    fn the_cost_model_is_wrong_only_where_the_repeats_tell_the_routes_apart() {
        let size = Size::new(2, &[3], 1, 50).unwrap();
        let measured = |method, [low, seconds, high]: [f64; 3]| Measurement {
            size,
            runner: Runner { method, site: Site::Cpu },
            outcome: Ok(CostAndError {
                networks: 32,
                seconds,
                spread: Some([low, high]),
                device_seconds: None,
                flops: 1.0,
                products: None,
                error: 0.0,
                worst_error: 0.0,
                distance_from_lambda_max: None,
            }),
        };
        let choice = |chosen, pairwise, assembled| {
            let both = [measured(Method::Pairwise, pairwise), measured(Method::Assembled, assembled)];
            AutoRoute::new(&both, size, Site::Cpu, chosen).unwrap()
        };
        let (slow, fast, wide) = ([3.8, 4.0, 4.1], [1.9, 2.0, 2.1], [1.0, 3.0, 3.9]);
        let clear = choice(Method::Pairwise, slow, fast);
        assert!(clear.is_wrong() && (clear.chosen_over_other - 2.0).abs() < 1e-12);
        assert!(!choice(Method::Assembled, slow, fast).is_wrong() && choice(Method::Assembled, slow, fast).apart);
        assert!(!choice(Method::Pairwise, slow, wide).is_wrong() && !choice(Method::Pairwise, slow, wide).apart);
        let only = [measured(Method::Pairwise, slow)];
        assert!(AutoRoute::new(&only, size, Site::Cpu, Method::Pairwise).is_none());
    }
}
