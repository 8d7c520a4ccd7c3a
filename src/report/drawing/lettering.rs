//! Labels with subscripts and superscripts.
//!
//! A label marks them as `λ_{sup}` and `10^{-3}`; a subscript right after a superscript stands below it. SVG draws them
//! as `tspan`s of the same text; the raster backend, which knows only plain text, gets one text per span
//! ([`super::raster`]).

use kuva::render::layout::{ComputedLayout, Layout};

/// Size of axis labels.
pub(crate) const LABEL_SIZE: u32 = 14;
/// Size of tick labels, legends and panel titles.
pub(crate) const TEXT_SIZE: u32 = 13;
/// Size of a raised or lowered span relative to the label.
pub(crate) const SCRIPT_SIZE: f64 = 0.72;
/// How far a subscript sinks, in units of the label's size.
const DROP: f64 = 0.24;
/// How far a superscript rises.
const RISE: f64 = 0.42;

/// One span of a label: its text, by how many label sizes its baseline lies below the label's, and whether it stands
/// below the span before it rather than after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span<'a> {
    pub(crate) text: &'a str,
    pub(crate) drop: f64,
    pub(crate) stacked: bool,
}

impl Span<'_> {
    /// Font size of this span in a label of `size`.
    pub(crate) fn size(&self, size: f64) -> f64 {
        if self.is_script() { size * SCRIPT_SIZE } else { size }
    }

    fn is_script(&self) -> bool {
        self.drop.abs() > 0.0
    }
}

/// The spans of `label` in reading order; a mark that is never closed is plain text.
pub(crate) fn spans(label: &str) -> Vec<Span<'_>> {
    let mut spans: Vec<Span<'_>> = Vec::new();
    let mut rest = label;
    while let Some((start, drop)) = next_mark(rest) {
        let Some(length) = rest[start + 2..].find('}') else { break };
        if start > 0 {
            spans.push(Span { text: &rest[..start], drop: 0.0, stacked: false });
        }
        let stacked = spans.last().is_some_and(|span| span.drop < 0.0 && drop > 0.0);
        spans.push(Span { text: &rest[start + 2..start + 2 + length], drop, stacked });
        rest = &rest[start + 3 + length..];
    }
    if !rest.is_empty() {
        spans.push(Span { text: rest, drop: 0.0, stacked: false });
    }
    spans
}

fn next_mark(text: &str) -> Option<(usize, f64)> {
    let lower = text.find("_{").map(|at| (at, DROP));
    let upper = text.find("^{").map(|at| (at, -RISE));
    match (lower, upper) {
        (Some(lower), Some(upper)) => Some(if lower.0 < upper.0 { lower } else { upper }),
        (lower, upper) => lower.or(upper),
    }
}

/// Width of `label` at `size` in pixels, in the font that figures are set in.
pub(crate) fn width(label: &str, size: f64) -> f64 {
    place(label, size).1
}

/// The spans of `label` at `size`, each with its distance from the label's start in pixels, and the width of the whole.
pub(crate) fn place(label: &str, size: f64) -> (Vec<(Span<'_>, f64)>, f64) {
    let (mut placed, mut start, mut end) = (Vec::new(), 0.0, 0.0_f64);
    for span in spans(label) {
        if !span.stacked {
            start = end;
        }
        placed.push((span, start));
        end = end.max(start + plain_width(span.text, span.size(size)));
    }
    (placed, end)
}

/// Width of a text without marks. kuva keeps its font metrics private, but a layout has the width of its widest y
/// category.
fn plain_width(text: &str, size: f64) -> f64 {
    // A layout never reports less than two font sizes: measure together with a wide text and subtract that. Font sizes
    // are whole numbers, so measure large and scale.
    const WIDE: &str = "MMMM";
    const LARGE: u32 = 100;
    let measure = |text: String| {
        let layout = Layout::new((0.0, 1.0), (0.0, 1.0)).with_tick_size(LARGE).with_y_categories(vec![text]);
        ComputedLayout::from_layout(&layout).y_tick_label_px
    };
    (measure(format!("{text}{WIDE}")) - measure(WIDE.to_owned())) * size / f64::from(LARGE)
}

/// Replaces the marked spans in the texts of an SVG document by `tspan`s.
pub(crate) fn mark_up(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    for (k, part) in svg.split('>').enumerate() {
        if k > 0 {
            out.push('>');
        }
        // Between two tags: text up to the next '<'. Marks occur nowhere else.
        let (text, tag) = part.split_at(part.find('<').unwrap_or(part.len()));
        if next_mark(text).is_some() {
            out.push_str(&tspans(text))
        } else {
            out.push_str(text)
        }
        out.push_str(tag);
    }
    out
}

fn tspans(label: &str) -> String {
    let (mut out, mut baseline) = (String::new(), 0.0);
    // Lengths in em are in the font size of the tspan itself.
    let size = |span: &Span<'_>| span.size(1.0);
    let mut before: Option<Span<'_>> = None;
    for span in spans(label) {
        let shift = (span.drop - baseline) / size(&span);
        let back = match before {
            Some(before) if span.stacked => {
                format!(r#" dx="{:.3}em""#, -plain_width(before.text, size(&before)) / size(&span))
            }
            _ => String::new(),
        };
        let font =
            if span.is_script() { format!(r#" font-size="{:.0}%""#, SCRIPT_SIZE * 100.0) } else { String::new() };
        out.push_str(&format!(r#"<tspan{font} dy="{shift:.3}em"{back}>{}</tspan>"#, span.text));
        baseline = span.drop;
        before = Some(span);
    }
    out
}

/// `text` as HTML: escaped, with its marks as `sub` and `sup`, and what is between backticks as `code`.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for span in spans(text) {
        let tag = if span.drop > 0.0 { "sub" } else { "sup" };
        let escaped = span.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        out.push_str(&if span.is_script() { format!("<{tag}>{escaped}</{tag}>") } else { escaped });
    }
    let mut parts = out.split('`');
    let mut coded = parts.next().unwrap_or_default().to_owned();
    while let Some(code) = parts.next() {
        match parts.next() {
            Some(after) => coded += &format!("<code>{code}</code>{after}"),
            // A backtick that nothing closes stays a backtick.
            None => coded += &format!("`{code}"),
        }
    }
    coded
}

/// `text` for a terminal: marks without their braces.
pub fn plain(text: &str) -> String {
    let mark = |span: Span<'_>| match span.drop {
        drop if drop > 0.0 => format!("_{}", span.text),
        drop if drop < 0.0 => format!("^{}", span.text),
        _ => span.text.to_owned(),
    };
    spans(text).into_iter().map(mark).collect()
}

/// Positive values and 0 in one notation: decimals where none is long, else powers of ten, else multiples of these.
pub(crate) fn one_notation(values: &[f64]) -> Vec<String> {
    let mantissa = |value: f64| value / 10_f64.powi(exponent_of(value));
    let each = |write: &dyn Fn(f64) -> String| {
        values.iter().map(|&value| if value.abs() > 0.0 { write(value) } else { "0".into() }).collect()
    };
    let other = || values.iter().copied().filter(|value| value.abs() > 0.0);
    if other().all(|value| (1e-3 * (1.0 - 1e-9)..1e5).contains(&value.abs())) {
        // Ten digits, so that 0.30000000000000004 is 0.3.
        return each(&|value| {
            minus(&format!("{:.10e}", value).parse().map_or(String::new(), |value: f64| value.to_string()))
        });
    }
    if other().all(|value| (mantissa(value) - 1.0).abs() < 1e-6) {
        return each(&|value| power_of_ten(exponent_of(value)));
    }
    each(&|value| {
        let digits = format!("{:.4}", mantissa(value));
        format!("{}×{}", minus(digits.trim_end_matches('0').trim_end_matches('.')), power_of_ten(exponent_of(value)))
    })
}

/// The power of ten of the first digit of `value`, which is not 0.
pub(crate) fn exponent_of(value: f64) -> i32 {
    (value.abs().log10() + 1e-9).floor() as i32
}

/// 10^`exponent`.
pub(crate) fn power_of_ten(exponent: i32) -> String {
    format!("10^{{{}}}", minus(&exponent.to_string()))
}

/// `number` with a proper minus sign.
pub(crate) fn minus(number: &str) -> String {
    number.replace('-', "\u{2212}")
}

/// A number in running text: three significant digits, powers of ten where plain digits would be long.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return format!("{value}");
    }
    let exponent = if value.abs() > 0.0 { exponent_of(value) } else { 0 };
    if value.abs() > 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e5) {
        return format!(
            "{}×{}",
            minus(&format!("{:.2}", value / 10_f64.powf(f64::from(exponent)))),
            power_of_ten(exponent)
        );
    }
    minus(&format!("{value:.*}", (2 - exponent).clamp(0, 5) as usize))
}

#[cfg(test)]
mod tests {
    use super::{html, mark_up, one_notation, spans, width};

    #[test]
    fn a_label_splits_into_runs_and_loses_no_text() {
        let texts: Vec<&str> = spans("λ_{sup} of ‖V‖^{2}_{F}").iter().map(|span| span.text).collect();
        assert_eq!(texts, ["λ", "sup", " of ‖V‖", "2", "F"]);
        assert_eq!(spans("open _{mark").len(), 1);
    }

    #[test]
    fn a_script_is_narrower_than_the_same_letters_on_the_line() {
        let (script, plain) = (width("λ_{sup}", 14.0), width("λsup", 14.0));
        assert!(script > 10.0 && script < plain, "{script} {plain}");
    }

    #[test]
    fn marks_become_tspans_and_the_baseline_returns() {
        let svg = mark_up("<text>λ_{sup} x</text><text>V^{2}_{F}</text><text>plain</text>");
        assert!(svg.contains(r#">sup</tspan><tspan dy="-0.240em"> x</tspan></text>"#), "{svg}");
        assert!(!svg.contains("_{") && !svg.contains("^{"), "{svg}");
        // From raised by 0.42 to lowered by 0.24 in units of the script's size.
        assert!(
            svg.contains(r#"dy="0.917em" dx="-0.6"#) && svg.contains("F</tspan></text><text>plain</text>"),
            "{svg}"
        );
    }

    #[test]
    fn code_is_marked_up_where_both_backticks_are_there() {
        assert_eq!(html("`a <b>` and `c` of λ_{1}"), "<code>a &lt;b&gt;</code> and <code>c</code> of λ<sub>1</sub>");
        assert_eq!(html("one ` only"), "one ` only");
    }

    #[test]
    fn values_side_by_side_are_in_one_notation() {
        assert_eq!(one_notation(&[0.1, 0.2, 1.0, 500.0, 20_000.0]), ["0.1", "0.2", "1", "500", "20000"]);
        assert_eq!(one_notation(&[0.0, 1e-4, 1.0]), ["0", "10^{\u{2212}4}", "10^{0}"]);
        assert_eq!(one_notation(&[5e4, 1e5, 2.5e5]), ["5×10^{4}", "1×10^{5}", "2.5×10^{5}"]);
        assert_eq!(one_notation(&[0.1 + 0.2]), ["0.3"]);
    }
}
