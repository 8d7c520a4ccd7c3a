//! The report of one run.

use super::{Report, Table, TableRow};
use crate::model::{BuiltIn, Draw};
use crate::report::critical_points::{CriticalPoints, Selection};
use crate::report::drawing::number;
use crate::report::ends::{figure_of_ends, row_of_ends};
use crate::report::figures::paper::every_figure;
use crate::run::Run;
use crate::spec::{DataSource, Spec, Work};
use crate::summary::minimised;
use crate::watch::Watch;

/// The report of the networks of one run that are selected by `over`: its figures, a table of what was found,
/// specification and manifest.
pub fn report_of_run(run: &Run, over: Selection, watch: &dyn Watch) -> Report {
    let mut notices = Vec::new();
    let points = CriticalPoints::of(run, over, &mut notices, watch);
    let (mut figures, mut gaps) = every_figure(&points, None, watch);
    match figure_of_ends(run) {
        Some(Ok(figure)) => figures.push(figure),
        Some(Err(gap)) => gaps.push(gap),
        None => {}
    }
    notices.extend(saddle_note(&points));
    let table = Table {
        title: "The run".into(),
        header: vec!["what".into(), "found".into()],
        rows: facts(&points).into_iter().map(|(what, value)| TableRow::new([what, value])).collect(),
        note: format!("Unless it says otherwise, everything below is over the {} {}.", points.rows.len(), over.noun()),
    };
    Report {
        title: format!("Sharpness report · {}", run.dir().display()),
        summary: summary(&points),
        notices,
        tables: vec![table],
        figures,
        gaps,
        listings: listings(run).into(),
    }
}

/// Specification and manifest of `run` as listings of a report.
pub(super) fn listings(run: &Run) -> [(String, String); 2] {
    let manifest = run.manifest();
    let dir = run.dir().display();
    [
        (format!("Specification of {dir}"), serde_json::to_string_pretty(&manifest.spec).unwrap_or_default()),
        (format!("{dir}/manifest.json"), serde_json::to_string_pretty(manifest).unwrap_or_default()),
    ]
}

/// The sentence on what a small gradient does not promise.
pub(super) fn saddle_note(points: &CriticalPoints) -> Option<String> {
    let (saddles, known) = points.saddles().filter(|(_, known)| *known > 0)?;
    Some(format!(
        "A small gradient does not make a minimum: {saddles} of {known} {} at N = {} ({:.0}\u{a0}%) have a smallest \
         eigenvalue λ_{{D}} below −10^{{−3}}.",
        points.over.noun(),
        points.spec.hidden,
        100.0 * saddles as f64 / known as f64
    ))
}

/// One sentence on what was run and how it ended.
pub(super) fn summary(points: &CriticalPoints) -> String {
    let Spec { work, hidden, activation, data, .. } = &points.spec;
    let what = match work {
        Work::Sweep { seeds, descent, .. } => {
            format!(
                "{} seeds trained for at most {} steps of size {} from weights uniform on (−{range}, {range})",
                seeds.count,
                descent.max_steps,
                descent.step_size,
                range = descent.init_range
            ) + &with_decay(descent.weight_decay)
        }
        Work::Evaluate { networks, .. } => format!("{networks} networks from elsewhere"),
    };
    let source = match &data.source {
        DataSource::Drawn(Draw { built_in: BuiltIn::AppendixC, data_seed, label_noise: 0.0 }) => {
            format!("the data of Appendix C, draw {data_seed}")
        }
        DataSource::Drawn(draw) => format!("the built-in data {draw}"),
        DataSource::Files { x, .. } => x.clone(),
        DataSource::Arrays => "the data of a program".into(),
    };
    let networks = match points.networks {
        all if points.spec.rows() == all as u64 => all.to_string(),
        computed => format!("the {computed} that are computed"),
    };
    let ended = if points.spec.work.is_judged() { "converged" } else { "are finite" };
    format!(
        "{what}; N = {hidden}, {}{}, D = {}, on {source} (I = {}, M = {}). {} of {networks} {ended}{}",
        activation.name(),
        minimised(&points.spec),
        points.spec.parameters(),
        data.samples,
        data.inputs,
        points.converged,
        shown(points)
    )
}

/// What a sentence adds where the weights decayed.
fn with_decay(weight_decay: f64) -> String {
    if weight_decay > 0.0 { format!(", with weight decay {weight_decay}") } else { String::new() }
}

/// The end of a sentence that begins with how many networks converged: how many are shown.
pub(super) fn shown(points: &CriticalPoints) -> String {
    let count = points.rows.len();
    match points.over {
        Selection::Unique => format!(", {count} of them are unique by symmetry."),
        Selection::UniqueByDistance => format!(", {count} of them are unique by the paper's rule."),
        Selection::Converged => "; they are shown, whether unique or not.".into(),
        Selection::All => format!("; all {count} that are finite are shown."),
    }
}

/// What the table of one run says, as (what, value).
fn facts(points: &CriticalPoints) -> Vec<(String, String)> {
    let ended =
        if points.spec.work.is_judged() { "converged (g·g below the tolerance)" } else { "evaluated and finite" };
    let networks = match points.spec.rows() {
        all if all == points.networks as u64 => points.networks.to_string(),
        all => format!("{} computed, of {all} asked for", points.networks),
    };
    let mut facts = vec![("networks".into(), networks), (ended.into(), share(points.converged, points.networks))];
    if matches!(points.over, Selection::Unique | Selection::UniqueByDistance) {
        facts.push((points.over.noun().into(), share(points.rows.len(), points.converged)));
    }
    if let Some(duplicates) = &points.duplicates {
        facts.push(("duplicates".into(), duplicates.clone()));
    }
    let order = points.by_sharpness();
    if let (Ok(lambda_sup), Some(&flattest), Some(&sharpest)) = (points.bounds(), order.last(), order.first()) {
        let middle = points.median_lambda_sup().unwrap_or(f64::NAN);
        facts.push((
            "λ_{sup}: smallest, median, largest".into(),
            [lambda_sup[flattest], middle, lambda_sup[sharpest]].map(number).join(", "),
        ));
    }
    if let Some((saddles, known)) = points.saddles() {
        facts.push(("no minimum: λ_{D} < −10^{−3}".into(), share(saddles, known)));
    }
    facts.extend(row_of_ends(&points.run));
    if let Some(measured) = &points.measured {
        let whence = if measured.recorded { "as the run recorded them" } else { "computed from theta in float64" };
        let of = |index: &[usize]| share(index.len(), points.rows.len());
        facts.push(("eigenvalues of".into(), format!("{}, {whence}", of(&measured.index))));
        if !measured.difference.is_empty() {
            let mean = measured.difference.iter().sum::<f64>() / measured.difference.len() as f64;
            let of = of(&measured.difference_index);
            facts.push(("mean ‖H_{closed} − H_{difference}‖_{F}".into(), format!("{} over {of}", number(mean))));
        }
    }
    facts
}

fn share(count: usize, of: usize) -> String {
    if of == 0 {
        format!("{count} of 0")
    } else {
        format!("{count} of {of} ({:.1}\u{a0}%)", 100.0 * count as f64 / of as f64)
    }
}
