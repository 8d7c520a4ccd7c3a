//! The published numbers (Appendix C) against those found here, over several draws of the data.
//!
//! The paper's draw is not published, so a number agrees if it lies within the spread of the draws.

use super::critical_points::CriticalPoints;
use super::html::Report;
use super::lettering::number;
use super::paper::{compare_widths, figures, listings, part};
use super::table::{Row, Table};
use crate::run::Run;
use crate::watch::Watch;

/// Mean Frobenius norm of closed-form minus central-difference Hessian, published.
const PUBLISHED_DIFFERENCE: f64 = 5.44e-5;
/// Significance of the published tests.
const SIGNIFICANT: f64 = 0.01;

/// Both widths on one draw of the data.
#[derive(Debug)]
pub struct Draw {
    /// The seed of the draw.
    pub data_seed: u64,
    /// N = 3.
    pub narrow: CriticalPoints,
    /// N = 10.
    pub wide: CriticalPoints,
}

/// One published number with what each draw gives.
struct Published {
    what: String,
    published: String,
    /// The published value, and the value of each draw: None where a draw has none.
    value: f64,
    here: Vec<Option<f64>>,
    show: fn(f64) -> String,
    /// Holds where every draw is at or below the published value, not where the value lies within the spread.
    at_most: bool,
}

impl Published {
    fn row(&self) -> Row {
        let mut known: Vec<f64> = self.here.iter().copied().flatten().collect();
        // NaN sorts above every number, so it is no agreement.
        known.sort_by(f64::total_cmp);
        let (low, high) = (known.first().copied().unwrap_or(f64::NAN), known.last().copied().unwrap_or(f64::NAN));
        let first = self.here.first().copied().flatten().map_or("none".into(), self.show);
        if known.is_empty() {
            let cells =
                vec![self.what.clone(), self.published.clone(), first, "none".into(), "nothing to compare".into()];
            return Row { cells, holds: None };
        }
        let spread = format!("{} to {}", (self.show)(low), (self.show)(high));
        let (holds, verdict) = if self.at_most {
            let holds = high <= self.value;
            let verdict = if holds { "every draw at or below the published" } else { "some draw above the published" };
            (holds, verdict.into())
        } else if known.len() == 1 {
            let verdict = if low.total_cmp(&self.value).is_eq() {
                "the draw equals the published"
            } else {
                "one draw only: no spread"
            };
            let cells = vec![self.what.clone(), self.published.clone(), first, spread, verdict.into()];
            return Row { cells, holds: None };
        } else if self.value < low {
            (false, format!("published is below all {} draws", known.len()))
        } else if self.value > high {
            (false, format!("published is above all {} draws", known.len()))
        } else {
            let below = known.iter().filter(|&&v| v <= self.value).count();
            (true, format!("published is within the spread: {below} of {} draws at or below it", known.len()))
        };
        Row { cells: vec![self.what.clone(), self.published.clone(), first, spread, verdict], holds: Some(holds) }
    }
}

/// The published numbers, each with its value on the first draw, the spread over all draws, and whether it lies within.
pub fn published_against_here(draws: &[Draw]) -> Table {
    let each = |value: &dyn Fn(&Draw) -> Option<f64>| draws.iter().map(value).collect::<Vec<Option<f64>>>();
    let share = |count: usize, of: usize| (of > 0).then(|| 100.0 * count as f64 / of as f64);
    let percent: fn(f64) -> String = |value| format!("{value:.1}\u{a0}%");
    let mut rows = Vec::new();
    let mut add =
        |what: &str, published: &str, value: f64, here: Vec<Option<f64>>, show: fn(f64) -> String, at_most| {
            rows.push(Published { what: what.into(), published: published.into(), value, here, show, at_most }.row());
        };
    add(
        "converged, N = 3",
        "460 of 500 (92.0\u{a0}%)",
        92.0,
        each(&|d| share(d.narrow.converged, d.narrow.networks)),
        percent,
        false,
    );
    add(
        "unique of the converged, N = 3",
        "353 of 460 (76.7\u{a0}%)",
        100.0 * 353.0 / 460.0,
        each(&|d| share(d.narrow.rows.len(), d.narrow.converged)),
        percent,
        false,
    );
    add(
        "converged, N = 10",
        "453 of 500 (90.6\u{a0}%)",
        90.6,
        each(&|d| share(d.wide.converged, d.wide.networks)),
        percent,
        false,
    );
    add(
        "unique of the converged, N = 10",
        "420 of 453 (92.7\u{a0}%)",
        100.0 * 420.0 / 453.0,
        each(&|d| share(d.wide.rows.len(), d.wide.converged)),
        percent,
        false,
    );
    let mean = |d: &Draw| -> Option<f64> {
        let (narrow, wide) = (d.narrow.measured.as_ref()?, d.wide.measured.as_ref()?);
        let count = (narrow.difference.len() + wide.difference.len()) as f64;
        Some(narrow.difference.iter().chain(&wide.difference).sum::<f64>() / count)
    };
    add(
        "mean ‖H_{closed} − H_{difference}‖_{F}, both widths",
        "5.44×10^{−5}",
        PUBLISHED_DIFFERENCE,
        each(&mean),
        number,
        true,
    );
    let smallest = |d: &Draw, k: usize| {
        let order = d.narrow.by_sharpness();
        let at = *order.get(order.len().checked_sub(k + 1)?)?;
        d.narrow.lambda_sup.as_ref().map(|lambda_sup| lambda_sup[at])
    };
    add("smallest λ_{sup}, N = 3", "4.52", 4.52, each(&|d| smallest(d, 0)), number, false);
    add("second smallest λ_{sup}, N = 3", "4.68", 4.68, each(&|d| smallest(d, 1)), number, false);
    let groups = "low / high λ_{sup} of the unique, N = 3";
    let low_share = |d: &Draw| part(&d.narrow).ok().and_then(|parted| share(parted.low, parted.low + parted.high));
    add(groups, "317 / 36 (89.8\u{a0}% low)", 100.0 * 317.0 / 353.0, each(&low_share), percent, false);

    let f1: Vec<Option<(f64, bool)>> = draws
        .iter()
        .map(|d| {
            let parted = part(&d.narrow).ok()?;
            let (test, (low, high)) = (parted.test?, parted.macro_f1.as_ref()?);
            Some((test.p_value, test.u > 0.5 * low.len() as f64 * high.len() as f64))
        })
        .collect();
    rows.push(test_row("macro F1, low against high λ_{sup}, N = 3", "p < 0.01", "low higher", "high higher", &f1));
    let widths: Vec<Option<(f64, bool)>> = draws
        .iter()
        .map(|d| {
            let test = compare_widths(&d.narrow, &d.wide)?;
            Some((test.p_value, test.u < 0.5 * d.narrow.rows.len() as f64 * d.wide.rows.len() as f64))
        })
        .collect();
    rows.push(test_row(
        "λ_{sup}, N = 3 against N = 10",
        "N = 10 higher, p < 0.01",
        "N = 10 higher",
        "N = 3 higher",
        &widths,
    ));
    Table {
        title: format!("Published against here, {} draws of the data", draws.len()),
        header: ["what", "published", "here, first draw", "spread over the draws", "published against the draws"].map(Into::into).into(),
        rows,
        note: "The paper's draw of the data is not published: a number agrees if it lies within the spread of the draws, and a test \
               if some draw comes out as published and not more of them come out significant the other way. The step size is \
               fitted (0.1); the paper does not state it. Tests are two-sided Mann–Whitney U."
            .into(),
    }
}

fn test_row(what: &str, published: &str, yes: &str, no: &str, here: &[Option<(f64, bool)>]) -> Row {
    let show = |(p, direction): (f64, bool)| format!("{}, p = {}", if direction { yes } else { no }, number(p));
    let known: Vec<(f64, bool)> = here.iter().copied().flatten().collect();
    let first = here.first().copied().flatten().map_or("none".into(), show);
    let ps = known.iter().map(|&(p, _)| p);
    let (low, high) = ps.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
    let as_published = known.iter().filter(|&&(p, direction)| direction && p < SIGNIFICANT).count();
    let opposite = known.iter().filter(|&&(p, direction)| !direction && p < SIGNIFICANT).count();
    let spread = if known.is_empty() { "none".into() } else { format!("p = {} to {}", number(low), number(high)) };
    let mut verdict = format!("{yes} with p < 0.01 in {as_published} of {} draws", known.len());
    if opposite > 0 {
        verdict += &format!(", {no} in {opposite}");
    }
    let cells = vec![what.into(), published.into(), first, spread, verdict];
    Row { cells, holds: (!known.is_empty()).then_some(as_published > 0 && as_published >= opposite) }
}

/// One row a draw of the data.
pub fn by_draw(draws: &[Draw]) -> Table {
    let header = [
        "data seed",
        "converged, N = 3",
        "unique, N = 3",
        "converged, N = 10",
        "unique, N = 10",
        "two smallest λ_{sup}, N = 3",
        "median λ_{sup}, N = 3",
        "median λ_{sup}, N = 10",
        "p, macro F1",
        "p, widths",
        "λ_{D} < −10^{−3}, N = 3",
        "λ_{D} < −10^{−3}, N = 10",
    ];
    let text = |value: Option<f64>| value.map_or("–".to_owned(), number);
    let rows = draws
        .iter()
        .map(|draw| {
            let order = draw.narrow.by_sharpness();
            let smallest: Vec<String> = order
                .iter()
                .rev()
                .take(2)
                .filter_map(|&k| draw.narrow.lambda_sup.as_ref().map(|lambda_sup| number(lambda_sup[k])))
                .collect();
            let saddles = |points: &CriticalPoints| match points.saddles() {
                Some((saddles, known)) if known > 0 => format!("{:.0}\u{a0}%", 100.0 * saddles as f64 / known as f64),
                _ => "–".into(),
            };
            let cells = vec![
                draw.data_seed.to_string(),
                draw.narrow.converged.to_string(),
                draw.narrow.rows.len().to_string(),
                draw.wide.converged.to_string(),
                draw.wide.rows.len().to_string(),
                smallest.join(", "),
                text(draw.narrow.median_lambda_sup()),
                text(draw.wide.median_lambda_sup()),
                text(part(&draw.narrow).ok().and_then(|parted| parted.test).map(|test| test.p_value)),
                text(compare_widths(&draw.narrow, &draw.wide).map(|test| test.p_value)),
                saddles(&draw.narrow),
                saddles(&draw.wide),
            ];
            Row { cells, holds: None }
        })
        .collect();
    Table {
        title: "Every draw of the data".into(),
        header: header.map(Into::into).into(),
        rows,
        note: "Medians, tests and shares are over the unique critical points, by the paper's rule.".into(),
    }
}

/// The report of a reproduction: `runs` are the two runs of the first draw, narrow and wide, whose figures are drawn.
pub fn report_of_reproduction(draws: &[Draw], runs: [&Run; 2], mut notices: Vec<String>, watch: &dyn Watch) -> Report {
    let Some(first) = draws.first() else {
        notices.push("there is no draw of the data, so there is nothing to show".into());
        return Report { title: "The paper's experiment".into(), notices, ..Report::default() };
    };
    let (figures, gaps) = figures(&first.narrow, Some(&first.wide), watch);
    notices.extend(first.narrow.saddle_note());
    notices.extend(first.wide.saddle_note());
    Report {
        title: "The paper's experiment, published against here".into(),
        summary: format!(
            "{} On the same data with N = {}: {} of {} converged{} The figures show this draw; unless the caption says otherwise \
             they are at N = {}.",
            first.narrow.summary(),
            first.wide.spec.hidden,
            first.wide.converged,
            first.wide.networks,
            first.wide.shown(),
            first.narrow.spec.hidden
        ),
        notices,
        tables: vec![published_against_here(draws), by_draw(draws)],
        figures,
        gaps,
        listings: runs.map(listings).concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Published, test_row};

    fn verdict(value: f64, here: &[Option<f64>], at_most: bool) -> (Option<bool>, String) {
        let published = value.to_string();
        let here = here.to_vec();
        let row = Published { what: String::new(), published, value, here, show: |v| v.to_string(), at_most }.row();
        (row.holds, row.cells[4].clone())
    }

    #[test]
    fn a_published_number_agrees_only_within_the_spread_of_the_draws() {
        let here = [Some(1.0), None, Some(3.0), Some(2.0)];
        assert_eq!(
            verdict(2.5, &here, false),
            (Some(true), "published is within the spread: 2 of 3 draws at or below it".into())
        );
        assert_eq!(verdict(0.5, &here, false), (Some(false), "published is below all 3 draws".into()));
        assert_eq!(verdict(3.5, &here, false), (Some(false), "published is above all 3 draws".into()));
        assert_eq!(verdict(2.0, &here[..1], false).0, None);
        assert_eq!(verdict(2.0, &[None], false).0, None);
        assert_eq!(verdict(3.0, &here, true).0, Some(true));
        assert_eq!(verdict(2.9, &here, true).0, Some(false));
        assert_eq!(verdict(2.0, &[Some(f64::NAN), Some(1.0)], true).0, Some(false), "NaN is no agreement");
    }

    #[test]
    fn a_test_agrees_where_it_comes_out_as_published_and_not_more_often_the_other_way() {
        let holds = |here: &[Option<(f64, bool)>]| test_row("", "", "up", "down", here).holds;
        assert_eq!(holds(&[Some((0.001, true)), Some((0.5, false))]), Some(true));
        assert_eq!(holds(&[Some((0.5, true))]), Some(false));
        assert_eq!(holds(&[Some((0.001, true)), Some((0.001, false)), Some((0.001, false))]), Some(false));
        assert_eq!(holds(&[None]), None);
    }
}
