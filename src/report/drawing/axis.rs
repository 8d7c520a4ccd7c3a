//! One axis of a panel: its scale, and the ticks that fit on it.
//!
//! Every tick has a label, and all labels of an axis are in one notation: decimals, powers of ten, or multiples of these. The label
//! of a linear axis with large or small numbers holds their power of ten.

use super::lettering::{self, LABEL_SIZE, TEXT_SIZE, exponent_of, power_of_ten};

/// Length of a tick mark, in pixels.
pub(crate) const TICK_LENGTH: f64 = 4.0;

/// Where values stand on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
    /// Steps t of training. The position of t is that of t + 1 on a logarithmic axis, so that the start has a place.
    Steps,
    /// Names at 1, 2, ..
    Names(Vec<String>),
}

/// One axis of a panel.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) label: String,
    /// The ends, in the coordinates of [`Tick::at`].
    pub(crate) range: (f64, f64),
    pub(crate) scale: Scale,
    /// Whether ticks are drawn; a panel that shares the axis of its neighbour has none.
    pub(crate) ticks: bool,
    /// The most ticks there may be.
    pub(crate) most: usize,
}

/// A mark with its label.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    /// The coordinate: the value, or one more on an axis of steps.
    pub(crate) at: f64,
    pub(crate) label: String,
}

impl Axis {
    fn new(label: &str, range: (f64, f64), scale: Scale) -> Self {
        Self { label: label.into(), range, scale, ticks: true, most: 7 }
    }

    /// A linear axis over exactly `range`.
    pub(crate) fn linear(label: &str, range: (f64, f64)) -> Self {
        Self::new(label, widen_point(range), Scale::Linear)
    }

    /// A logarithmic axis over exactly `range`; kuva's scale ends at 1e-10.
    pub(crate) fn logarithmic(label: &str, range: (f64, f64)) -> Self {
        let low = range.0.max(1e-10);
        Self::new(label, (low, range.1.max(2.0 * low)), Scale::Logarithmic)
    }

    /// The steps 0 to `last` of training.
    pub(crate) fn steps(label: &str, last: u32) -> Self {
        Self::new(label, (1.0, (f64::from(last) + 1.0).max(2.0)), Scale::Steps)
    }

    /// One place for each of `names`, at 1, 2, ..
    pub(crate) fn names(label: &str, names: Vec<String>) -> Self {
        let count = names.len();
        Self { most: count, ..Self::new(label, (0.5, count as f64 + 0.5), Scale::Names(names)) }
    }

    /// An axis around `values`: logarithmic where all are positive and span more than a factor of 30, else linear.
    pub(crate) fn around<'a>(label: &str, values: impl IntoIterator<Item = &'a f64>) -> Self {
        let (low, high) = extremes(values);
        if low > 0.0 && high / low > 30.0 {
            Self::log_around(label, &[low, high])
        } else {
            Self::linear_around(label, &[low, high])
        }
    }

    /// A linear axis with a margin of 4 % around `values`.
    pub(crate) fn linear_around<'a>(label: &str, values: impl IntoIterator<Item = &'a f64>) -> Self {
        let (low, high) = extremes(values);
        let margin = 0.04 * (high - low);
        Self::linear(label, (low - margin, high + margin))
    }

    /// A logarithmic axis with a margin of 4 % around those of `values` that are positive.
    pub(crate) fn log_around<'a>(label: &str, values: impl IntoIterator<Item = &'a f64>) -> Self {
        let (low, high) = extremes(values.into_iter().filter(|&&v| v > 0.0));
        // Without a positive value there is nothing to show, but still a panel.
        let (low, high) = if low > 0.0 { (low, high) } else { (0.1, 10.0) };
        let margin = (high / low).powf(0.04).max(1.05);
        Self::logarithmic(label, (low / margin, high * margin))
    }

    /// The same axis without ticks and label.
    pub(crate) fn bare(mut self) -> Self {
        self.ticks = false;
        self.label.clear();
        self
    }

    /// The same axis, or a bare one where a neighbour has its ticks and label.
    pub(crate) fn bare_unless(self, shown: bool) -> Self {
        if shown { self } else { self.bare() }
    }

    /// The same axis with at most `most` ticks.
    pub(crate) fn with_ticks(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Whether equal distances are equal ratios of the value, or of a step plus one.
    pub(crate) fn is_log(&self) -> bool {
        matches!(self.scale, Scale::Logarithmic | Scale::Steps)
    }

    /// The label, with the power of ten that the numbers of a linear axis are divided by.
    pub(crate) fn full_label(&self) -> String {
        match self.exponent() {
            0 => self.label.clone(),
            _ if self.label.is_empty() || !self.ticks => self.label.clone(),
            exponent => format!("{} / {}", self.label, power_of_ten(exponent)),
        }
    }

    /// The power of ten that the numbers of a linear axis are divided by: 0 where they are neither long nor small.
    fn exponent(&self) -> i32 {
        let largest = self.range.0.abs().max(self.range.1.abs());
        if self.scale != Scale::Linear || (0.01..1e4).contains(&largest) || largest <= 0.0 {
            return 0;
        }
        exponent_of(largest)
    }

    /// The ticks: as many as are allowed and pass `fits`.
    pub(crate) fn ticks(&self, fits: impl Fn(&[Tick]) -> bool) -> Vec<Tick> {
        if !self.ticks {
            return Vec::new();
        }
        let mut sparsest = Vec::new();
        for values in self.candidates() {
            if values.len() < 2 {
                continue;
            }
            sparsest = self.label_each(&values);
            if values.len() <= self.most && fits(&sparsest) {
                return sparsest;
            }
        }
        // Only every second, third .. tick, as long as two are left; on a linear axis the multiples of a larger step.
        let first = match (sparsest.as_slice(), &self.scale) {
            ([first, second, ..], Scale::Linear) => (first.at / (second.at - first.at)).round() as i64,
            _ => 0,
        };
        let every_few = |(from, every): (i64, usize)| -> Vec<Tick> {
            let taken = |&(k, _): &(usize, &Tick)| (from + k as i64).rem_euclid(every as i64) == 0;
            sparsest.iter().enumerate().filter(taken).map(|(_, tick)| tick.clone()).collect()
        };
        let steps = || (1..sparsest.len()).flat_map(|every| [(first, every), (0, every)]).map(every_few);
        let fewer = || steps().filter(|ticks| (2..=self.most.max(2)).contains(&ticks.len()));
        fewer().find(|ticks| fits(ticks)).or_else(|| fewer().next_back()).unwrap_or_else(|| sparsest.clone())
    }

    fn label_each(&self, values: &[f64]) -> Vec<Tick> {
        let labels = match &self.scale {
            Scale::Linear => {
                let unit = 10_f64.powi(self.exponent());
                let step = values.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0);
                values.iter().map(|&value| decimal(value / unit, step / unit)).collect()
            }
            Scale::Logarithmic | Scale::Steps => lettering::one_notation(values),
            Scale::Names(names) => names.clone(),
        };
        let at = |value: f64| if self.scale == Scale::Steps { value + 1.0 } else { value };
        values.iter().zip(labels).map(|(&value, label)| Tick { at: at(value), label }).collect()
    }

    /// Sets of values at which ticks may stand, the densest first.
    fn candidates(&self) -> Vec<Vec<f64>> {
        let (low, high) = self.range;
        match &self.scale {
            Scale::Linear => linear_candidates(low, high),
            Scale::Logarithmic => {
                // Less than a decade holds too few multiples by 1, 2 and 5.
                let linear = if high / low < 5.0 { linear_candidates(low, high) } else { Vec::new() };
                linear.into_iter().chain(log_candidates(low, high)).collect()
            }
            Scale::Steps => {
                let last = high - 1.0;
                let whole = linear_candidates(0.0, last.min(9.0)).into_iter().filter(|_| last < 10.0);
                let whole = whole.filter(|values| values.iter().all(|value| value.fract() <= 0.0));
                // From 1 on, or from the first value that leaves room beside 0.
                let from = |first: f64| {
                    log_candidates(first, last.max(first)).into_iter().map(|values| [vec![0.0], values].concat())
                };
                whole.chain(from(1.0)).chain(from(9.0)).chain(from(99.0)).collect()
            }
            Scale::Names(names) => vec![(1..=names.len()).map(|k| k as f64).collect()],
        }
    }

    /// The room that ticks and label take to the left of a panel, in pixels.
    pub(crate) fn room(&self) -> f64 {
        let ticks = self.ticks(|_| true);
        let widest = ticks.iter().map(|tick| lettering::width(&tick.label, f64::from(TEXT_SIZE))).fold(0.0, f64::max);
        let ticks = if self.ticks { widest + TICK_LENGTH + 6.0 } else { 4.0 };
        let label = if self.label.is_empty() { 0.0 } else { f64::from(LABEL_SIZE) + 9.0 };
        ticks + label
    }
}

/// The sentence of a caption on the scales of `x` and `y`.
pub(crate) fn scales(x: &Axis, y: &Axis) -> &'static str {
    match (x.is_log(), y.is_log()) {
        (false, false) => " Both axes are linear.",
        (true, true) => " Both axes are logarithmic.",
        (true, false) => " The x axis is logarithmic, the y axis linear.",
        (false, true) => " The x axis is linear, the y axis logarithmic.",
    }
}

/// The multiples of 1, 2 or 5 times a power of ten between `low` and `high`.
fn linear_candidates(low: f64, high: f64) -> Vec<Vec<f64>> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return Vec::new();
    }
    let first = exponent_of(span) - 2;
    let steps = (first..first + 4).flat_map(|exponent| [1.0, 2.0, 5.0].map(|nice| nice * 10_f64.powi(exponent)));
    steps
        .map(|step| {
            let (from, to) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
            (from..=to).map(|k| k as f64 * step).collect()
        })
        .collect()
}

/// The multiples of powers of ten between `low` and `high`: by 1, 2 and 5, by 1 and 3, by 1, and every few powers.
fn log_candidates(low: f64, high: f64) -> Vec<Vec<f64>> {
    let exponents = exponent_of(low)..=exponent_of(high);
    let within = |value: &f64| *value >= low * (1.0 - 1e-9) && *value <= high * (1.0 + 1e-9);
    let multiples = |factors: &[f64]| -> Vec<f64> {
        let all = exponents.clone().flat_map(|e| factors.iter().map(move |factor| factor * 10_f64.powi(e)));
        all.filter(within).collect()
    };
    let mut sets = vec![multiples(&[1.0, 2.0, 5.0]), multiples(&[1.0, 3.0]), multiples(&[1.0])];
    for stride in 2..=exponents.clone().count() as i32 {
        let powers = exponents.clone().filter(|e| e.rem_euclid(stride) == 0).map(|e| 10_f64.powi(e));
        sets.push(powers.filter(within).collect());
    }
    sets
}

/// `value` with as many decimals as a `step` of one digit has.
fn decimal(value: f64, step: f64) -> String {
    if value.abs() < 1e-6 * step {
        return "0".into();
    }
    lettering::minus(&format!("{value:.*}", usize::try_from(-exponent_of(step)).unwrap_or(0)))
}

fn widen_point((low, high): (f64, f64)) -> (f64, f64) {
    if high > low {
        return (low, high);
    }
    let margin = if low.abs() > 0.0 { 0.5 * low.abs() } else { 1.0 };
    (low - margin, low + margin)
}

fn extremes<'a>(values: impl IntoIterator<Item = &'a f64>) -> (f64, f64) {
    let finite = values.into_iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Tick};

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks(|_| true).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn the_labels_of_an_axis_are_in_one_notation() {
        assert_eq!(labels(&Axis::logarithmic("", (0.02, 300.0)).with_ticks(5)), ["0.1", "1", "10", "100"]);
        let wide = labels(&Axis::logarithmic("", (2e-5, 300.0)));
        assert_eq!(
            wide,
            ["10^{\u{2212}4}", "10^{\u{2212}3}", "10^{\u{2212}2}", "10^{\u{2212}1}", "10^{0}", "10^{1}", "10^{2}"]
        );
        assert_eq!(labels(&Axis::logarithmic("", (1.5, 70.0))), ["2", "5", "10", "20", "50"]);
        assert_eq!(labels(&Axis::logarithmic("", (1.2e6, 9e6)).with_ticks(3)), ["2×10^{6}", "5×10^{6}"]);
        assert_eq!(labels(&Axis::linear("", (-1.0, 1.0)).with_ticks(3)), ["\u{2212}1", "0", "1"]);
        assert_eq!(labels(&Axis::linear("", (0.87, 1.03))), ["0.90", "0.95", "1.00"]);
    }

    #[test]
    fn long_numbers_leave_their_power_of_ten_to_the_label() {
        let axis = Axis::linear("‖R‖", (0.9e6, 4.4e6)).with_ticks(4);
        assert_eq!(
            (labels(&axis), axis.full_label()),
            (vec!["1".into(), "2".into(), "3".into(), "4".into()], "‖R‖ / 10^{6}".into())
        );
        let small = Axis::linear("L", (0.0, 2.5e-4)).with_ticks(6);
        assert_eq!((labels(&small)[1].as_str(), small.full_label().as_str()), ("0.5", "L / 10^{\u{2212}4}"));
        assert_eq!(Axis::linear("L", (0.0, 40.0)).full_label(), "L");
    }

    #[test]
    fn steps_begin_at_0() {
        let axis = Axis::steps("step", 3000);
        assert_eq!(labels(&axis.clone().with_ticks(5)), ["0", "1", "10", "100", "1000"]);
        assert_eq!(axis.with_ticks(5).ticks(|_| true)[0], Tick { at: 1.0, label: "0".into() });
        assert_eq!(labels(&Axis::steps("step", 4)), ["0", "1", "2", "3", "4"]);
        assert_eq!(labels(&Axis::steps("step", 0)), ["0", "1"]);
    }

    #[test]
    fn of_ticks_that_do_not_fit_there_are_fewer() {
        let axis = Axis::logarithmic("", (0.5, 2000.0)).with_ticks(12);
        let few = axis.ticks(|ticks| ticks.len() <= 4);
        assert_eq!(few.iter().map(|tick| tick.label.as_str()).collect::<Vec<&str>>(), ["1", "10", "100", "1000"]);
        let linear = Axis::linear("", (900.0, 9100.0)).with_ticks(5);
        let two = linear.ticks(|ticks| ticks.len() <= 2);
        assert_eq!(two.iter().map(|tick| tick.label.as_str()).collect::<Vec<&str>>(), ["4000", "8000"]);
        assert!(axis.clone().bare().ticks(|_| true).is_empty());
        // Whatever the range, there are at least two.
        for k in 0..400 {
            let low = 10_f64.powf(f64::from(k) * 0.037 - 7.0);
            for factor in [1.02, 1.5, 3.0, 9.0, 40.0, 1e4, 1e9] {
                for axis in [Axis::logarithmic("", (low, low * factor)), Axis::linear("", (low, low * factor))] {
                    let ticks = axis.with_ticks(4).ticks(|_| true);
                    assert!((2..=4).contains(&ticks.len()), "{low} {factor}: {ticks:?}");
                }
            }
        }
    }
}
