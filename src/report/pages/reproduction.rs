//! The report of the paper's experiment on several draws of the data.

use super::published::{DataDraw, published_against_here};
use super::run::{listings, saddle_note, shown, summary};
use super::{Report, Table, TableRow};
use crate::report::critical_points::CriticalPoints;
use crate::report::drawing::number;
use crate::report::figures::paper::every_figure;
use crate::run::Run;
use crate::watch::Watch;

/// A column of [`by_draw`]: its head, and its cell for a draw.
type DrawColumn = (&'static str, fn(&DataDraw) -> String);

const COLUMNS: [DrawColumn; 12] = [
    ("data seed", |draw| draw.data_seed.to_string()),
    ("converged, N = 3", |draw| draw.narrow.converged.to_string()),
    ("unique, N = 3", |draw| draw.narrow.rows.len().to_string()),
    ("converged, N = 10", |draw| draw.wide.converged.to_string()),
    ("unique, N = 10", |draw| draw.wide.rows.len().to_string()),
    ("two smallest λ_{sup}, N = 3", |draw| draw.flattest().take(2).map(number).collect::<Vec<_>>().join(", ")),
    ("median λ_{sup}, N = 3", |draw| or_dash(draw.narrow.median_lambda_sup())),
    ("median λ_{sup}, N = 10", |draw| or_dash(draw.wide.median_lambda_sup())),
    ("p, macro F1", |draw| or_dash(draw.narrow.low_and_high().ok().and_then(|parted| Some(parted.test?.p_value)))),
    ("p, widths", |draw| or_dash(draw.narrow.test_against(&draw.wide).map(|test| test.p_value))),
    ("λ_{D} < −10^{−3}, N = 3", |draw| saddles(&draw.narrow)),
    ("λ_{D} < −10^{−3}, N = 10", |draw| saddles(&draw.wide)),
];

fn or_dash(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), number)
}

fn saddles(points: &CriticalPoints) -> String {
    match points.saddles() {
        Some((saddles, known)) if known > 0 => format!("{:.0}\u{a0}%", 100.0 * saddles as f64 / known as f64),
        _ => "–".into(),
    }
}

/// One row per draw of the data.
pub fn by_draw(draws: &[DataDraw]) -> Table {
    Table {
        title: "Every draw of the data".into(),
        header: COLUMNS.map(|(head, _)| head.into()).into(),
        rows: draws.iter().map(|draw| TableRow::new(COLUMNS.map(|(_, cell)| cell(draw)))).collect(),
        note: "Medians, tests and shares are over the unique critical points, by the paper's rule.".into(),
    }
}

/// The report of a reproduction: `runs` are the two runs of the first draw, narrow and wide, whose figures are drawn.
pub fn report_of_reproduction(
    draws: &[DataDraw],
    runs: [&Run; 2],
    mut notices: Vec<String>,
    watch: &dyn Watch,
) -> Report {
    let Some(DataDraw { narrow, wide, .. }) = draws.first() else {
        notices.push("there is no draw of the data, so there is nothing to show".into());
        return Report { title: "The paper's experiment".into(), notices, ..Report::default() };
    };
    let (figures, gaps) = every_figure(narrow, Some(wide), watch);
    notices.extend([narrow, wide].into_iter().filter_map(saddle_note));
    Report {
        title: "The paper's experiment, published against here".into(),
        summary: format!(
            "{} On the same data with N = {}: {} of {} converged{} The figures show this draw; unless the caption says otherwise \
             they are at N = {}.",
            summary(narrow),
            wide.spec.hidden,
            wide.converged,
            wide.networks,
            shown(wide),
            narrow.spec.hidden
        ),
        notices,
        tables: vec![published_against_here(draws), by_draw(draws)],
        figures,
        gaps,
        listings: runs.map(listings).concat(),
    }
}
