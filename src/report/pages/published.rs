//! The published numbers (Appendix C) against those found here, over several draws of the data.
//!
//! The paper's draw is not published, so a number agrees if it lies within the spread of the draws.

use super::{Table, TableRow};
use crate::report::critical_points::CriticalPoints;
use crate::report::drawing::lettering::number;

/// Significance of the published tests.
const SIGNIFICANT: f64 = 0.01;

/// Both widths on one draw of the data.
#[derive(Debug)]
pub struct DataDraw {
    /// The seed of the draw.
    pub data_seed: u64,
    /// N = 3.
    pub narrow: CriticalPoints,
    /// N = 10.
    pub wide: CriticalPoints,
}

impl DataDraw {
    /// The `lambda_sup` of the flattest critical points at N = 3, the flattest first.
    pub(super) fn flattest(&self) -> impl Iterator<Item = f64> + '_ {
        let lambda_sup = self.narrow.bounds().unwrap_or_default();
        self.narrow.by_sharpness().into_iter().rev().map(|k| lambda_sup[k])
    }
}

/// One published number.
struct PublishedNumber {
    what: &'static str,
    /// As it is published.
    text: &'static str,
    value: f64,
    /// The same on a draw; `None` where the draw has none.
    here: fn(&DataDraw) -> Option<f64>,
    show: fn(f64) -> String,
    /// Holds where every draw is at or below the published value, not where the value lies within the spread.
    at_most: bool,
}

const NUMBERS: [PublishedNumber; 8] = [
    PublishedNumber {
        what: "converged, N = 3",
        text: "460 of 500 (92.0\u{a0}%)",
        value: 92.0,
        here: |draw| share(draw.narrow.converged, draw.narrow.networks),
        show: percent,
        at_most: false,
    },
    PublishedNumber {
        what: "unique of the converged, N = 3",
        text: "353 of 460 (76.7\u{a0}%)",
        value: 100.0 * 353.0 / 460.0,
        here: |draw| share(draw.narrow.rows.len(), draw.narrow.converged),
        show: percent,
        at_most: false,
    },
    PublishedNumber {
        what: "converged, N = 10",
        text: "453 of 500 (90.6\u{a0}%)",
        value: 90.6,
        here: |draw| share(draw.wide.converged, draw.wide.networks),
        show: percent,
        at_most: false,
    },
    PublishedNumber {
        what: "unique of the converged, N = 10",
        text: "420 of 453 (92.7\u{a0}%)",
        value: 100.0 * 420.0 / 453.0,
        here: |draw| share(draw.wide.rows.len(), draw.wide.converged),
        show: percent,
        at_most: false,
    },
    PublishedNumber {
        what: "mean ‖H_{closed} − H_{difference}‖_{F}, both widths",
        text: "5.44×10^{−5}",
        value: 5.44e-5,
        here: mean_difference,
        show: number,
        at_most: true,
    },
    PublishedNumber {
        what: "smallest λ_{sup}, N = 3",
        text: "4.52",
        value: 4.52,
        here: |draw| draw.flattest().next(),
        show: number,
        at_most: false,
    },
    PublishedNumber {
        what: "second smallest λ_{sup}, N = 3",
        text: "4.68",
        value: 4.68,
        here: |draw| draw.flattest().nth(1),
        show: number,
        at_most: false,
    },
    PublishedNumber {
        what: "low / high λ_{sup} of the unique, N = 3",
        text: "317 / 36 (89.8\u{a0}% low)",
        value: 100.0 * 317.0 / 353.0,
        here: |draw| draw.narrow.low_and_high().ok().and_then(|parted| share(parted.low, parted.low + parted.high)),
        show: percent,
        at_most: false,
    },
];

/// One published test, and which way it came out.
struct PublishedTest {
    what: &'static str,
    /// As it is published.
    text: &'static str,
    as_published: &'static str,
    opposite: &'static str,
    /// p on a draw, and whether it comes out as published; `None` where the draw has no test.
    here: fn(&DataDraw) -> Option<(f64, bool)>,
}

const TESTS: [PublishedTest; 2] = [
    PublishedTest {
        what: "macro F1, low against high λ_{sup}, N = 3",
        text: "p < 0.01",
        as_published: "low higher",
        opposite: "high higher",
        here: |draw| {
            let parted = draw.narrow.low_and_high().ok()?;
            let (test, (low, high)) = (parted.test?, parted.macro_f1?);
            Some((test.p_value, test.u > 0.5 * low.len() as f64 * high.len() as f64))
        },
    },
    PublishedTest {
        what: "λ_{sup}, N = 3 against N = 10",
        text: "N = 10 higher, p < 0.01",
        as_published: "N = 10 higher",
        opposite: "N = 3 higher",
        here: |draw| {
            let test = draw.narrow.test_against(&draw.wide)?;
            Some((test.p_value, test.u < 0.5 * draw.narrow.rows.len() as f64 * draw.wide.rows.len() as f64))
        },
    },
];

fn share(count: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| 100.0 * count as f64 / of as f64)
}

fn percent(value: f64) -> String {
    format!("{value:.1}\u{a0}%")
}

/// Mean Frobenius norm of closed-form minus central-difference Hessian over the networks of both widths.
fn mean_difference(draw: &DataDraw) -> Option<f64> {
    let difference = |points: &'_ CriticalPoints| Some(points.measured.as_ref()?.difference.clone());
    let both = [difference(&draw.narrow)?, difference(&draw.wide)?].concat();
    Some(both.iter().sum::<f64>() / both.len() as f64)
}

impl PublishedNumber {
    /// The row of this number, with its value `here` on each draw.
    fn row(&self, here: &[Option<f64>]) -> TableRow {
        let row = |spread: String, verdict: String, holds| {
            let first = here.first().copied().flatten().map_or("none".into(), self.show);
            TableRow { cells: vec![self.what.into(), self.text.into(), first, spread, verdict], holds }
        };
        let mut known: Vec<f64> = here.iter().copied().flatten().collect();
        // NaN sorts above every number, so it is no agreement.
        known.sort_by(f64::total_cmp);
        let (&[low, ..], &[.., high]) = (known.as_slice(), known.as_slice()) else {
            return row("none".into(), "nothing to compare".into(), None);
        };
        let draws = known.len();
        let (verdict, holds) = if self.at_most && high <= self.value {
            ("every draw at or below the published".into(), Some(true))
        } else if self.at_most {
            ("some draw above the published".into(), Some(false))
        } else if draws == 1 && low.total_cmp(&self.value).is_eq() {
            ("the draw equals the published".into(), None)
        } else if draws == 1 {
            ("one draw only: no spread".into(), None)
        } else if self.value < low {
            (format!("published is below all {draws} draws"), Some(false))
        } else if self.value > high {
            (format!("published is above all {draws} draws"), Some(false))
        } else {
            let below = known.iter().filter(|&&v| v <= self.value).count();
            (format!("published is within the spread: {below} of {draws} draws at or below it"), Some(true))
        };
        row(format!("{} to {}", (self.show)(low), (self.show)(high)), verdict, holds)
    }
}

impl PublishedTest {
    /// The row of this test, with p and its direction `here` on each draw.
    fn row(&self, here: &[Option<(f64, bool)>]) -> TableRow {
        let Self { what, text, as_published, opposite, .. } = *self;
        let show = |(p, direction)| format!("{}, p = {}", if direction { as_published } else { opposite }, number(p));
        let known: Vec<(f64, bool)> = here.iter().copied().flatten().collect();
        let first = here.first().copied().flatten().map_or("none".into(), show);
        let ps = known.iter().map(|&(p, _)| p);
        let (low, high) = ps.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
        let count = |wanted| known.iter().filter(|&&(p, direction)| direction == wanted && p < SIGNIFICANT).count();
        let (agree, disagree) = (count(true), count(false));
        let spread = if known.is_empty() { "none".into() } else { format!("p = {} to {}", number(low), number(high)) };
        let mut verdict = format!("{as_published} with p < 0.01 in {agree} of {} draws", known.len());
        if disagree > 0 {
            verdict += &format!(", {opposite} in {disagree}");
        }
        let cells = vec![what.into(), text.into(), first, spread, verdict];
        TableRow { cells, holds: (!known.is_empty()).then_some(agree > 0 && agree >= disagree) }
    }
}

/// The published numbers, each with its value on the first draw, the spread over all draws, and whether it lies within.
pub fn published_against_here(draws: &[DataDraw]) -> Table {
    let numbers = NUMBERS.iter().map(|published| published.row(&draws.iter().map(published.here).collect::<Vec<_>>()));
    let tests = TESTS.iter().map(|published| published.row(&draws.iter().map(published.here).collect::<Vec<_>>()));
    Table {
        title: format!("Published against here, {} draws of the data", draws.len()),
        header: ["what", "published", "here, first draw", "spread over the draws", "published against the draws"]
            .map(Into::into)
            .into(),
        rows: numbers.chain(tests).collect(),
        note: "The paper's draw of the data is not published: a number agrees if it lies within the spread of the draws, and a test \
               if some draw comes out as published and not more of them come out significant the other way. The step size is \
               fitted (0.1); the paper does not state it. Tests are two-sided Mann–Whitney U."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{PublishedNumber, PublishedTest};

    fn verdict(value: f64, here: &[Option<f64>], at_most: bool) -> (Option<bool>, String) {
        let published =
            PublishedNumber { what: "", text: "", value, here: |_| None, show: |value| value.to_string(), at_most };
        let row = published.row(here);
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
        let test = PublishedTest { what: "", text: "", as_published: "up", opposite: "down", here: |_| None };
        let holds = |here: &[Option<(f64, bool)>]| test.row(here).holds;
        assert_eq!(holds(&[Some((0.001, true)), Some((0.5, false))]), Some(true));
        assert_eq!(holds(&[Some((0.5, true))]), Some(false));
        assert_eq!(holds(&[Some((0.001, true)), Some((0.001, false)), Some((0.001, false))]), Some(false));
        assert_eq!(holds(&[None]), None);
    }
}
