//! What a bench measured at one size, as a table.

use super::{Table, TableRow};
use crate::bench::{Bench, CostAndError, Measurement, Quantity, Runner, Size};

/// All measurements at `size` for a terminal, fastest first, and below them what was not measured and why.
pub fn cost_table(bench: &Bench, size: Size) -> Table {
    let mut measured = Vec::new();
    let mut notes = Vec::new();
    for Measurement { runner, outcome, .. } in bench.measurements.iter().filter(|m| m.size == size) {
        match outcome {
            Ok(outcome) => measured.push((*runner, outcome)),
            Err(reason) => notes.push(format!("  {runner}: {reason}\n")),
        }
    }
    measured.sort_by(|(_, a), (_, b)| a.seconds.total_cmp(&b.seconds));
    let header = [
        "route",
        "on",
        "gives",
        "µs/network",
        "quartiles",
        "on device",
        "kflop",
        "GFLOP/s",
        "error",
        "worst",
        "off λ_{1}",
    ];
    notes.extend(bench.auto.iter().filter(|auto| auto.size == size).map(|auto| {
        let verdict = match (auto.is_wrong(), auto.apart) {
            (true, _) => "the cost model is wrong here",
            (false, true) => "as it should",
            (false, false) => "no difference beyond the spread",
        };
        let chosen = Runner { method: auto.chosen, site: auto.site };
        format!("  --route auto takes {chosen}, {:.2} times the other's time: {verdict}\n", auto.chosen_over_other)
    }));
    if bench.repeats == 1 {
        notes.push("  one repeat: no spread can be given, and the times may be off by whatever else ran\n".into());
    }
    Table {
        title: format!("{size} (D = {})", size.shape.parameters()),
        note: notes.concat(),
        header: header.map(String::from).to_vec(),
        rows: measured.into_iter().map(|(runner, outcome)| row(runner, outcome)).collect(),
    }
}

fn row(runner: Runner, outcome: &CostAndError) -> TableRow {
    let gives = match runner.method.quantity() {
        Quantity::LambdaSup => "λ_{sup}",
        Quantity::LambdaMax => "λ_{1}",
        Quantity::Trace => "tr H",
        Quantity::TraceSq => "tr H^{2}",
    };
    let microseconds = |seconds: f64| format!("{:.3}", seconds * 1e6);
    let distance = outcome.distance_from_lambda_max;
    TableRow::new([
        runner.method.name().into(),
        runner.site.to_string(),
        gives.into(),
        microseconds(outcome.seconds),
        outcome.spread.map_or_else(|| "—".into(), |ends| ends.map(microseconds).join("–")),
        outcome.device_seconds.map_or_else(String::new, microseconds),
        format!("{:.1}", outcome.flops * 1e-3),
        format!("{:.2}", outcome.flops / outcome.seconds * 1e-9),
        format!("{:.1e}", outcome.error),
        format!("{:.1e}", outcome.worst_error),
        distance.map_or_else(String::new, |distance| format!("{distance:.1e}")),
    ])
}
