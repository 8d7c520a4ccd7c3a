//! Numbers in texts.

/// Says that networks are in no population.
pub(crate) fn left_out(networks: u64) -> String {
    match networks {
        1 => "1 non-finite network is left out".into(),
        _ => format!("{networks} non-finite networks are left out"),
    }
}

/// `part` of `whole` in percent, one decimal.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole as f64)
}

/// Four significant digits, in whichever notation is shorter to read.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = if size >= 1.0 { 3 - (size.log10() as usize).min(3) } else { 4 };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short_and_keep_four_digits() {
        for (value, text) in [
            (0.0, "0.0000"),
            (4.5678, "4.568"),
            (123.456, "123.5"),
            (45678.9, "45679"),
            (0.98765, "0.9877"),
            (1.234_5e-5, "1.234e-5"),
            (-7.0, "-7.000"),
            (1e9, "1.000e9"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
