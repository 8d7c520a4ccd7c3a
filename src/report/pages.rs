//! What a report holds beside its figures, and the page around them.

mod bench;
mod html;
mod published;
mod reproduction;
mod run;
mod table;

pub use bench::cost_table;
pub use html::Report;
pub use published::{DataDraw, published_against_here};
pub use reproduction::{by_draw, report_of_reproduction};
pub use run::report_of_run;
pub use table::{Table, TableRow};
