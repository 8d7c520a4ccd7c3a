//! The report: one HTML file that needs nothing else.

use askama::Template;

use super::figure::Figure;
use super::lettering::{html, plain};
use super::table::{Row, Table};

/// What a report holds, top to bottom.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// A paragraph below the heading: what was run, with what outcome.
    pub summary: String,
    /// What a reader must know before trusting a number: figures that could not be drawn, damaged columns, caveats.
    pub notices: Vec<String>,
    /// Tables before the figures.
    pub tables: Vec<Table>,
    /// Figures in reading order.
    pub figures: Vec<Figure>,
    /// Named texts at the end, such as specification and manifest, shown as they are; all but the first are folded away.
    pub listings: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "report.html", config = "src/report/askama.toml")]
struct Page<'a> {
    report: &'a Report,
}

impl Page<'_> {
    fn marked(&self, text: &str) -> String {
        html(text)
    }

    /// The drawing as the address of an image: an image of its own keeps its clip paths apart from those of other figures.
    fn address(&self, figure: &Figure) -> String {
        format!("data:image/svg+xml;base64,{}", base64(figure.svg.as_bytes()))
    }

    /// Whether a cell is running text that may wrap; numbers stay on one line.
    fn is_long(&self, cell: &str) -> bool {
        cell.chars().count() > 26
    }

    /// `Figure 2` of `Figure 2 · The bound against ..`: what a list of links shows on a phone too.
    fn short_title<'a>(&self, figure: &'a Figure) -> &'a str {
        figure.title.split(" · ").next().unwrap_or(&figure.title)
    }

    fn verdict(&self, row: &Row) -> &'static str {
        match row.holds {
            Some(true) => "holds",
            Some(false) => "differs",
            None => "",
        }
    }
}

impl Report {
    /// The notices for a terminal.
    pub fn plain_notices(&self) -> Vec<String> {
        self.notices.iter().map(|notice| plain(notice)).collect()
    }

    /// The page. It loads nothing: figures are inside as SVG, and there is no script.
    ///
    /// # Errors
    /// A message if the template fails.
    pub fn to_html(&self) -> Result<String, String> {
        Page { report: self }.render().map_err(|error| format!("the report could not be written: {error}"))
    }
}

/// Base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for k in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * k) & 63) as usize];
            out.push(if k <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn base64_matches_its_standard() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }
}
