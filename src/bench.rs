//! What each route to sharpness costs, and how good it is, on a grid of network and data sizes.
//!
//! Every size is one batch of networks, trained for some steps so that their Hessians are no special case. Routes run in turn, each
//! repeat once through all of them, so that a machine that slows down slows all of them; nothing runs beside anything else.

mod measure;
mod method;
mod size;

use ndarray::Array2;
use serde::Serialize;

pub use measure::{Engines, Measurement, Outcome, Settings, measure};
pub use method::{Device, Method, Quantity, Runner};
pub use size::{Size, Truth};

/// All measurements of a bench, with what they were taken on.
#[derive(Debug, Clone, Serialize)]
pub struct Bench {
    /// The program's version.
    pub version: String,
    /// The engines, by name, with device and driver.
    pub engines: Vec<crate::engine::Description>,
    /// Repeats of every measurement.
    pub repeats: usize,
    /// The measurements, size by size.
    pub measurements: Vec<Measurement>,
    /// What `--route auto` takes at each size, beside what is faster.
    pub auto: Vec<AutoRoute>,
    /// What the columns of [`Bench::table`] hold.
    pub table_columns: [&'static str; 11],
}

impl Bench {
    /// The columns of [`Bench::table`]. Routes and devices are numbered from 0, in the order of [`Method`] and [`Device`].
    pub const TABLE_COLUMNS: [&'static str; 11] = [
        "hidden",
        "samples",
        "inputs",
        "route",
        "device",
        "seconds",
        "seconds_quarter",
        "seconds_three_quarters",
        "flops",
        "error",
        "distance_from_lambda_max",
    ];

    /// The measurements as one array, a row each in their order; NaN where there is no value.
    pub fn table(&self) -> Array2<f64> {
        let mut table = Array2::from_elem((self.measurements.len(), Self::TABLE_COLUMNS.len()), f64::NAN);
        for (mut row, Measurement { size, runner, outcome }) in table.rows_mut().into_iter().zip(&self.measurements) {
            let mut values = vec![
                size.hidden as f64,
                size.samples as f64,
                size.inputs as f64,
                f64::from(runner.method as u8),
                f64::from(runner.device as u8),
            ];
            if let Ok(outcome) = outcome {
                let [quarter, three_quarters] = outcome.spread.unwrap_or([f64::NAN; 2]);
                values.extend([outcome.seconds, quarter, three_quarters, outcome.flops, outcome.error]);
                values.push(outcome.distance_from_lambda_max.unwrap_or(f64::NAN));
            }
            row.iter_mut().zip(values).for_each(|(to, value)| *to = value);
        }
        table
    }
}

/// The choice of `--route auto` at one size, held against the measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AutoRoute {
    /// The size.
    pub size: Size,
    /// The engine.
    pub device: Device,
    /// What auto takes.
    pub chosen: Method,
    /// How many times as long the chosen route takes as the other: above 1 the cost model is wrong here.
    pub chosen_over_other: f64,
}

impl AutoRoute {
    /// Whether the model chose the slower route.
    pub fn is_wrong(&self) -> bool {
        self.chosen_over_other > 1.0
    }
}

/// `chosen` at `size` against the measurements, if both exact routes were measured on `device`.
pub fn held_against(measurements: &[Measurement], size: Size, device: Device, chosen: Method) -> Option<AutoRoute> {
    let seconds = |method: Method| {
        let of_method = |m: &&Measurement| m.size == size && m.runner == Runner { method, device };
        measurements.iter().find(of_method).and_then(|m| m.outcome.as_ref().ok()).map(|outcome| outcome.seconds)
    };
    let other = if chosen == Method::Pairwise { Method::Assembled } else { Method::Pairwise };
    Some(AutoRoute { size, device, chosen, chosen_over_other: seconds(chosen)? / seconds(other)? })
}
