//! Tables of texts, for the report and for a terminal.

use serde::Serialize;

use crate::report::drawing::plain;

/// A table of texts. They may mark subscripts and superscripts as `λ_{sup}` and `10^{-3}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Table {
    /// What the table shows; its heading.
    pub title: String,
    /// How to read it, shown below it; may be empty.
    pub note: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows, each as long as the header.
    pub rows: Vec<TableRow>,
}

/// One row of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableRow {
    /// Cells from left to right.
    pub cells: Vec<String>,
    /// Whether the row's claim holds, where it makes one.
    pub holds: Option<bool>,
}

impl TableRow {
    /// A row that claims nothing.
    pub fn new<const N: usize>(cells: [String; N]) -> Self {
        Self { cells: cells.into(), holds: None }
    }
}

impl Table {
    /// The table in aligned columns, for a terminal.
    pub fn to_text(&self) -> String {
        let lines: Vec<Vec<String>> = std::iter::once(&self.header)
            .chain(self.rows.iter().map(|row| &row.cells))
            .map(|cells| cells.iter().map(|cell| plain(cell)).collect())
            .collect();
        let width = |column: usize| {
            let widths = lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let mut text = format!("\n{}\n", plain(&self.title));
        for line in &lines {
            let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("  {cell:width$}"));
            text += cells.collect::<String>().trim_end();
            text.push('\n');
        }
        if !self.note.is_empty() {
            text += &plain(&self.note);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, TableRow};

    #[test]
    fn columns_line_up_by_characters_not_bytes() {
        let table = Table {
            title: "λ_{sup}".into(),
            header: vec!["what".into(), "value".into()],
            rows: vec![
                TableRow::new(["‖V‖^{2}_{F}".into(), "10^{−5}".into()]),
                TableRow::new(["n".into(), "1".into()]),
            ],
            note: String::new(),
        };
        assert_eq!(table.to_text(), "\nλ_sup\n  what     value\n  ‖V‖^2_F  10^−5\n  n        1\n");
    }
}
