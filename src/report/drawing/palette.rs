//! Colours and line styles of every figure, in one place.
//!
//! The hues are those of Okabe and Ito (2008), distinguishable with every common colour vision deficiency; where two
//! series share a panel they also differ in marker or dash, so that a grey print still tells them apart.

/// Axes, text and single series without a group.
pub(crate) const INK: &str = "#000000";
/// Secondary lines: identity, medians of context, block borders.
pub(crate) const GREY: &str = "#6e6e6e";
/// First group: class 0, N = 3, `lambda_sup`.
pub(crate) const BLUE: &str = "#0072b2";
/// Second group: class 1, N = 10, `lambda_1`.
pub(crate) const VERMILLION: &str = "#d55e00";
/// Third series.
pub(crate) const GREEN: &str = "#009e73";
/// Fourth series.
pub(crate) const PURPLE: &str = "#cc79a7";
/// Fifth series.
pub(crate) const ORANGE: &str = "#e69f00";
/// Sixth series.
pub(crate) const SKY: &str = "#56b4e9";
/// Seventh series.
pub(crate) const YELLOW: &str = "#f0e442";
/// Where class 0 is predicted: blue, light enough that markers stand out.
pub(crate) const BLUE_TINT: &str = "#d3e6f3";
/// Where class 1 is predicted.
pub(crate) const VERMILLION_TINT: &str = "#fae0d0";

/// Colour of the k-th of several classes, and the tint where it is predicted, light enough that markers stand out.
pub(crate) fn class(k: usize) -> (&'static str, &'static str) {
    const CLASSES: [(&str, &str); 7] = [
        (BLUE, BLUE_TINT),
        (VERMILLION, VERMILLION_TINT),
        (GREEN, "#d0ece3"),
        (PURPLE, "#f5e5ed"),
        (ORANGE, "#fbecc9"),
        (SKY, "#e3f2fb"),
        (YELLOW, "#fcfad6"),
    ];
    CLASSES[k % CLASSES.len()]
}

/// Colour and dash of the k-th of several curves in one panel.
pub(crate) fn series(k: usize) -> (&'static str, Option<&'static str>) {
    const SERIES: [(&str, Option<&str>); 5] = [
        (BLUE, None),
        (VERMILLION, Some("7 3")),
        (GREEN, Some("2 2.5")),
        (PURPLE, Some("8 3 2 3")),
        (ORANGE, Some("8 2.5 2 2.5 2 2.5")),
    ];
    SERIES[k % SERIES.len()]
}

/// The diverging map of signed matrices: blue below zero, white at zero, vermillion above. `t` in \[-1, 1\] is cut at
/// its ends; NaN is grey.
pub(crate) fn diverging(t: f64) -> (u8, u8, u8) {
    if t.is_nan() {
        return (0x99, 0x99, 0x99);
    }
    let end: (f64, f64, f64) = if t < 0.0 { (0.0, 114.0, 178.0) } else { (213.0, 94.0, 0.0) };
    let share = t.abs().min(1.0);
    let mix = |end: f64| (255.0 + (end - 255.0) * share).round() as u8;
    (mix(end.0), mix(end.1), mix(end.2))
}

#[cfg(test)]
mod tests {
    use super::diverging;

    #[test]
    fn the_diverging_map_is_white_at_zero_and_symmetric_in_strength() {
        assert_eq!(diverging(0.0), (255, 255, 255));
        assert_eq!(diverging(-1.0), diverging(-7.0));
        assert_ne!(diverging(0.5), diverging(-0.5));
    }
}
