//! The report: one HTML file that needs nothing else.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::table::{Table, TableRow};
use crate::report::drawing::{Figure, Gap, html, plain};

/// What a report holds, top to bottom.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// A paragraph below the heading: what was run, and how it ended.
    pub summary: String,
    /// What a reader must know before trusting a number: damaged columns, caveats.
    pub notices: Vec<String>,
    /// Tables before the figures.
    pub tables: Vec<Table>,
    /// Figures in reading order.
    pub figures: Vec<Figure>,
    /// Figures that a reader would look for and that could not be drawn.
    pub gaps: Vec<Gap>,
    /// Texts by name for the end of the page, such as specification and manifest; all but the first are folded away.
    pub listings: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "report.html", config = "src/report/pages/askama.toml")]
struct Page<'a> {
    report: &'a Report,
}

impl Page<'_> {
    fn marked(&self, text: &str) -> String {
        html(text)
    }

    /// The drawing as the address of an image, so that its clip paths do not meet those of other figures.
    fn address(&self, figure: &Figure) -> String {
        format!("data:image/svg+xml;base64,{}", STANDARD.encode(figure.svg.as_bytes()))
    }

    /// Whether a cell is running text that may wrap; numbers stay on one line.
    fn is_long(&self, cell: &str) -> bool {
        cell.chars().count() > 26
    }

    /// The list of the figures in the order of their numbers: name, title, and for one that is missing why.
    fn contents(&self) -> Vec<(&str, &str, Option<&str>)> {
        let Report { figures, gaps, .. } = self.report;
        let drawn = figures.iter().map(|figure| (figure.name.as_str(), figure.title.as_str(), None));
        let missing = gaps.iter().map(|gap| (gap.name.as_str(), gap.title.as_str(), Some(gap.why.as_str())));
        let mut all: Vec<_> = drawn.chain(missing).collect();
        // The sort is stable, so figures without a number stay in their order.
        all.sort_by_key(|(name, ..)| if name.starts_with("figure-") { *name } else { "figure-99" });
        all
    }

    /// Whether the figures are those of the paper.
    fn has_numbers(&self) -> bool {
        self.contents().iter().any(|(name, ..)| name.starts_with("figure-"))
    }

    fn verdict(&self, row: &TableRow) -> &'static str {
        match row.holds {
            Some(true) => "holds",
            Some(false) => "differs",
            None => "",
        }
    }
}

impl Report {
    /// The notices for a terminal, with the figures that are missing.
    pub fn plain_notices(&self) -> Vec<String> {
        let missing = self.gaps.iter().map(|gap| {
            let name = gap.title.split(" · ").next().unwrap_or(&gap.title);
            format!("{name} is not drawn: {}.", gap.why)
        });
        missing.chain(self.notices.iter().cloned()).map(|notice| plain(&notice)).collect()
    }

    /// The page. It loads nothing: figures are inside as SVG, and there is no script.
    ///
    /// # Errors
    /// A message if the template fails.
    pub fn to_html(&self) -> Result<String, String> {
        Page { report: self }.render().map_err(|error| format!("the report could not be written: {error}"))
    }
}
