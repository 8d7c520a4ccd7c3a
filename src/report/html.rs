//! The report: one HTML file that needs nothing else.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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
        format!("data:image/svg+xml;base64,{}", STANDARD.encode(figure.svg.as_bytes()))
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
