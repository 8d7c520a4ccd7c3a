//! `sharpsweep check`: whether this machine computes what it should, and how fast.

use anyhow::anyhow;

use crate::check::{Check, Comparison, DeviceSpeed, Speed, Task, TaskRates};
use crate::cli::args::OutputArgs;
use crate::cli::failure::Failure;
use crate::cli::interruption;
use crate::cli::progress::Watched;
use crate::cli::terminal::{notice, print, print_json};
use crate::gpu::{Gpu, adapters, choose_adapter};
use crate::report::{Table, TableRow};

/// Checks that a graphics adapter computes what it should, and measures how fast it is
///
/// Every compute pass, with each training kernel and both routes to tr H^2, is compared with the same in float64 on the
/// processor; results are compared with golden values from automatic differentiation, and the verdicts of 512 seeds
/// (of 64 on slow adapters) with those of the reference. Then training, closed forms and eigenvalues are timed, beside
/// the CPU engine. It takes seconds on a card, and a minute or two on a software adapter.
///
/// Without --adapter it takes the first adapter that `sharpsweep adapters` lists: a software adapter if there is no
/// other. Without any adapter it checks the CPU engine. The exit code is 1 if a value is off, with the name of the pass
/// or result; if no adapter is the one that was asked for; or if it cannot be opened.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The graphics adapter: its number, or a part of its name or id (see `sharpsweep adapters`)
    #[arg(long, value_name = "WHICH")]
    adapter: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let adapter = match &self.adapter {
            Some(wanted) => Some(choose_adapter(Some(wanted))?),
            None => adapters().into_iter().next(),
        };
        let stop = interruption::stop();
        let check = if let Some(adapter) = adapter {
            let summary = adapter.summary().clone();
            notice(&format!("checking {}", summary.label()));
            let watched = Watched::start("steps of the check");
            Check::gpu(&summary, &|tuning| Gpu::new(adapter.clone(), tuning), stop, &watched)
        } else {
            notice("no Vulkan, Metal or DX12 adapter was found: checking the CPU engine");
            let watched = Watched::start("steps of the check");
            Check::cpu(stop, &watched)
        };
        let check = check?;
        if self.output.json {
            print_json(&check)?;
        } else {
            print(&text(&check))?;
        }
        judged(&check)
    }
}

/// The failure of a check that does not pass: it names every pass and result that is off.
fn judged(check: &Check) -> Result<(), Failure> {
    let off: Vec<String> = check.off().into_iter().map(why).collect();
    let compared = check.passes.len() + check.results.len();
    match (off.len(), check.failures.is_empty()) {
        (0, true) => Ok(()),
        (0, false) => Err(Failure::Failed(anyhow!("the device failed: {}", check.failures.join("; ")))),
        (count, _) => {
            let off = off.iter().chain(&check.failures).map(String::as_str).collect::<Vec<_>>().join("; ");
            Err(Failure::Failed(anyhow!("{count} of {compared} comparisons do not hold: {off}")))
        }
    }
}

/// What is wrong with a comparison that does not hold.
fn why(comparison: &Comparison) -> String {
    let Comparison { name, worst, allowed, at, failure, .. } = comparison;
    match failure {
        Some(failure) => format!("{name}: {failure}"),
        None if at.is_empty() => format!("{name}: nothing was compared"),
        None => {
            format!("{name} by {}, where {} is allowed ({at})", scientific(*worst, 1), scientific(*allowed, 0))
        }
    }
}

fn text(check: &Check) -> String {
    let Check { version, engine, passes, results, speed, .. } = check;
    let mut text = format!("sharpsweep {version}, {}: {}, {}\n", engine.engine, engine.device, engine.driver);
    if !passes.is_empty() {
        text += &comparisons("Passes, against float64", "pass", passes).to_text();
    }
    text += &comparisons("Results, against golden values; verdicts, against float64", "result", results).to_text();
    text += &rates(speed).to_text();
    if let Some(device) = &speed.device {
        text += &capacity(device).to_text();
    }
    let count = passes.len() + results.len();
    match check.off().len() {
        0 => text += &format!("\nall {count} comparisons hold"),
        off => text += &format!("\n{off} of {count} comparisons DO NOT HOLD"),
    }
    text
}

fn comparisons(title: &str, what: &str, rows: &[Comparison]) -> Table {
    let row = |comparison: &Comparison| {
        let Comparison { name, worst, allowed, values, at, failure } = comparison;
        let verdict = if comparison.holds() { "holds" } else { "OFF" };
        let place = failure.as_ref().or((*worst > 0.0).then_some(at)).map_or("", String::as_str);
        let error = if failure.is_some() { "-".into() } else { scientific(*worst, 1) };
        let allowed = scientific(*allowed, 0);
        TableRow::new([name.clone(), error, allowed, values.to_string(), verdict.into(), place.replace('\n', " ")])
    };
    Table {
        title: title.into(),
        header: [what, "worst error", "allowed", "values", "", "where"].map(String::from).into(),
        rows: rows.iter().map(row).collect(),
        ..Table::default()
    }
}

fn rates(speed: &Speed) -> Table {
    let row = |TaskRates { task, hidden, engine, failure, cpu, per_tflops, share_of_peak }: &TaskRates| {
        let what = match task {
            Task::Training => "training, seed-steps",
            Task::TrainingFew => "training 512 networks, seed-steps",
            Task::ClosedForms => "closed forms, networks",
            Task::Eigenvalues => "extreme eigenvalues, networks",
        };
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        TableRow::new([
            what.into(),
            hidden.to_string(),
            or_none(engine.map(|engine| short(engine.per_second))),
            or_none(cpu.map(|cpu| short(cpu.per_second))),
            or_none(engine.zip(*cpu).map(|(engine, cpu)| format!("{:.2}", engine.per_second / cpu.per_second))),
            or_none(per_tflops.map(short)),
            or_none(share_of_peak.map(|share| format!("{:.0} %", 100.0 * share))),
            failure.clone().unwrap_or_else(|| or_none(engine.map(|engine| engine.networks.to_string()))),
        ])
    };
    let header =
        ["per second (M = 2, I = 50, sigmoid)", "N", "here", "cpu", "ratio", "per TFLOP/s", "of peak", "networks"];
    Table {
        title: format!("Speed, beside the CPU engine ({}, {})", speed.cpu.device, speed.cpu.driver),
        header: header.map(String::from).into(),
        rows: speed.rates.iter().map(row).collect(),
        ..Table::default()
    }
}

fn capacity(device: &DeviceSpeed) -> Table {
    let row = |what: &str, value: String| TableRow::new([what.into(), value]);
    let mut rows = vec![
        row("multiply-adds (FMA), TFLOP/s", format!("{:.3}", device.flops / 1e12)),
        row("to the device, GB/s", format!("{:.2}", device.upload / 1e9)),
        row("back, GB/s", format!("{:.2}", device.download / 1e9)),
        row("a dispatch and its wait, microseconds", format!("{:.1}", device.round_trip * 1e6)),
    ];
    rows.extend(device.compile.iter().filter(|pass| pass.texts > 0).map(|pass| {
        row(
            &format!("compiling {}, milliseconds", pass.pass),
            format!("{:.0} (longest of {})", pass.longest * 1e3, pass.texts),
        )
    }));
    Table {
        title: "The device".into(),
        header: ["what", "measured"].map(String::from).into(),
        rows,
        ..Table::default()
    }
}

/// `3.1e-7`, and 0 as it is.
fn scientific(value: f64, digits: usize) -> String {
    if value > 0.0 { format!("{value:.digits$e}") } else { "0".into() }
}

/// A number to three digits, with a factor of thousand, million or thousand million.
fn short(value: f64) -> String {
    let (factor, unit) = match value {
        value if value >= 1e9 => (1e9, " G"),
        value if value >= 1e6 => (1e6, " M"),
        value if value >= 1e3 => (1e3, " k"),
        _ => (1.0, ""),
    };
    let scaled = value / factor;
    let digits = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::{Check, Comparison, Speed, judged, text};
    use crate::cpu::Cpu;
    use crate::engine::Engine;

    fn comparison(name: &str, worst: f64, failure: Option<&str>) -> Comparison {
        let (name, at, failure) = (name.into(), "N = 3".into(), failure.map(str::to_owned));
        Comparison { name, worst, allowed: 1e-5, values: 8, at, failure }
    }

    fn check(passes: Vec<Comparison>, failures: &[&str]) -> Check {
        let engine = Cpu::default().machine();
        let speed = Speed { rates: Vec::new(), device: None, cpu: engine.clone() };
        let failures = failures.iter().map(|&failure| failure.to_owned()).collect();
        let results = vec![comparison("loss", 0.0, None)];
        Check { version: "0.0.0".into(), engine, adapter: None, passes, results, speed, failures }
    }

    /// The table marks what is off, and the message names it, with its error or the reason why it has none.
    #[test]
    fn what_is_off_is_named() {
        let good = check(vec![comparison("terms", 1e-6, None)], &[]);
        assert!(judged(&good).is_ok() && text(&good).ends_with("all 2 comparisons hold"));
        let wrong = vec![comparison("terms", 1e-6, None), comparison("trace", 2e-3, None)];
        let wrong = check([wrong, vec![comparison("hessian", 0.0, Some("no shader"))]].concat(), &["lost"]);
        let message = judged(&wrong).unwrap_err().message();
        let named =
            "2 of 4 comparisons do not hold: trace by 2.0e-3, where 1e-5 is allowed (N = 3); hessian: no shader";
        assert_eq!(message, format!("error: {named}; lost"));
        let table = text(&wrong);
        assert!(table.ends_with("2 of 4 comparisons DO NOT HOLD") && table.matches(" OFF").count() == 2, "{table}");
        let lost = check(vec![comparison("terms", 1e-6, None)], &["lost"]);
        assert_eq!(judged(&lost).unwrap_err().message(), "error: the device failed: lost");
    }
}
