//! The published numbers (Appendix C) beside those found here, over several draws of the data.
//!
//! The paper's draw is not published, so a number agrees if it lies within the spread of the draws.

use self::PublishedValue::{AtMost, Share, Within};
use super::{Table, TableRow};
use crate::report::critical_points::CriticalPoints;
use crate::report::drawing::number;

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

/// A published value, and when the draws agree with it.
#[derive(Clone, Copy)]
enum PublishedValue {
    /// So many of so many, as a part of 100: it lies within the spread of the draws.
    Share(u32, u32),
    /// It lies within the spread of the draws.
    Within(f64),
    /// No draw is above it.
    AtMost(f64),
}

/// What is published, its text and its value, and the same on a draw: `None` where the draw has none.
struct PublishedNumber(&'static str, &'static str, PublishedValue, fn(&DataDraw) -> Option<f64>);

const NUMBERS: [PublishedNumber; 8] = [
    PublishedNumber("converged, N = 3", "460 of 500 (92.0\u{a0}%)", Share(460, 500), |d| converged(&d.narrow)),
    PublishedNumber("unique of the converged, N = 3", "353 of 460 (76.7\u{a0}%)", Share(353, 460), |d| {
        unique(&d.narrow)
    }),
    PublishedNumber("converged, N = 10", "453 of 500 (90.6\u{a0}%)", Share(453, 500), |d| converged(&d.wide)),
    PublishedNumber("unique of the converged, N = 10", "420 of 453 (92.7\u{a0}%)", Share(420, 453), |d| {
        unique(&d.wide)
    }),
    PublishedNumber(DIFFERENCE, "5.44×10^{−5}", AtMost(5.44e-5), mean_difference),
    PublishedNumber("smallest λ_{sup}, N = 3", "4.52", Within(4.52), |d| d.flattest().next()),
    PublishedNumber("second smallest λ_{sup}, N = 3", "4.68", Within(4.68), |d| d.flattest().nth(1)),
    PublishedNumber(LOW_AND_HIGH, "317 / 36 (89.8\u{a0}% low)", Share(317, 353), |d| low(&d.narrow)),
];

const DIFFERENCE: &str = "mean ‖H_{closed} − H_{difference}‖_{F}, both widths";
const LOW_AND_HIGH: &str = "low / high λ_{sup} of the unique, N = 3";

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

fn converged(points: &CriticalPoints) -> Option<f64> {
    share(points.converged, points.networks)
}

fn unique(points: &CriticalPoints) -> Option<f64> {
    share(points.rows.len(), points.converged)
}

fn low(points: &CriticalPoints) -> Option<f64> {
    let both = points.low_and_high().ok()?;
    share(both.low, both.low + both.high)
}

/// Mean Frobenius norm of closed-form minus central-difference Hessian over the networks of both widths.
fn mean_difference(draw: &DataDraw) -> Option<f64> {
    let both =
        [draw.narrow.measured.as_ref()?, draw.wide.measured.as_ref()?].map(|measured| measured.difference.as_slice());
    let both = both.concat();
    Some(both.iter().sum::<f64>() / both.len() as f64)
}

impl PublishedNumber {
    /// The row of this number, with its value `here` on each draw.
    fn row(&self, here: &[Option<f64>]) -> TableRow {
        let &Self(what, text, published, _) = self;
        let value = match published {
            Share(count, of) => 100.0 * f64::from(count) / f64::from(of),
            Within(value) | AtMost(value) => value,
        };
        let show = |value: f64| if let Share(..) = published { format!("{value:.1}\u{a0}%") } else { number(value) };
        let row = |spread: String, verdict: String, holds| {
            let first = here.first().copied().flatten().map_or("none".into(), show);
            TableRow { cells: vec![what.into(), text.into(), first, spread, verdict], holds }
        };
        let mut known: Vec<f64> = here.iter().copied().flatten().collect();
        // NaN sorts above every number, so it is no agreement.
        known.sort_by(f64::total_cmp);
        let (&[low, ..], &[.., high]) = (known.as_slice(), known.as_slice()) else {
            return row("none".into(), "nothing to compare".into(), None);
        };
        let draws = known.len();
        let (verdict, holds) = match published {
            AtMost(_) if high <= value => ("every draw at or below the published".into(), Some(true)),
            AtMost(_) => ("some draw above the published".into(), Some(false)),
            _ if draws == 1 && low.total_cmp(&value).is_eq() => ("the draw equals the published".into(), None),
            _ if draws == 1 => ("one draw only: no spread".into(), None),
            _ if value < low => (format!("published is below all {draws} draws"), Some(false)),
            _ if value > high => (format!("published is above all {draws} draws"), Some(false)),
            _ => {
                let below = known.iter().filter(|&&v| v <= value).count();
                (format!("published is within the spread: {below} of {draws} draws at or below it"), Some(true))
            }
        };
        row(format!("{} to {}", show(low), show(high)), verdict, holds)
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
    let numbers = NUMBERS.iter().map(|published| published.row(&draws.iter().map(published.3).collect::<Vec<_>>()));
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
    use super::PublishedValue::{AtMost, Within};
    use super::{PublishedNumber, PublishedTest, PublishedValue};

    fn verdict(published: PublishedValue, here: &[Option<f64>]) -> (Option<bool>, String) {
        let row = PublishedNumber("", "", published, |_| None).row(here);
        (row.holds, row.cells[4].clone())
    }

    #[test]
    fn a_published_number_agrees_only_within_the_spread_of_the_draws() {
        let here = [Some(1.0), None, Some(3.0), Some(2.0)];
        assert_eq!(
            verdict(Within(2.5), &here),
            (Some(true), "published is within the spread: 2 of 3 draws at or below it".into())
        );
        assert_eq!(verdict(Within(0.5), &here), (Some(false), "published is below all 3 draws".into()));
        assert_eq!(verdict(Within(3.5), &here), (Some(false), "published is above all 3 draws".into()));
        assert_eq!(verdict(Within(2.0), &here[..1]).0, None);
        assert_eq!(verdict(Within(2.0), &[None]).0, None);
        assert_eq!(verdict(AtMost(3.0), &here).0, Some(true));
        assert_eq!(verdict(AtMost(2.9), &here).0, Some(false));
        assert_eq!(verdict(AtMost(2.0), &[Some(f64::NAN), Some(1.0)]).0, Some(false), "NaN is no agreement");
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
