//! The table of verdicts.

use riskgate_e2e::{LogLine, Planned};

/// One request and what came of it.
pub(crate) struct Row {
    cells: [String; COLUMNS],
}

const COLUMNS: usize = 7;
const HEAD: [&str; COLUMNS] = [
    "request", "source", "verdict", "status", "rule", "score", "shadowed",
];

/// The longest request that is shown whole.
const REQUEST_WIDTH: usize = 52;

impl Row {
    /// The verdict is the access log's, the status what the client got.
    pub(crate) fn new(planned: &Planned, status: u16, line: &LogLine) -> Self {
        let text = |field: &str| {
            line.text(field)
                .filter(|text| !text.is_empty())
                .unwrap_or("-")
                .to_owned()
        };
        let path = String::from_utf8_lossy(&planned.request.path);
        let request = format!("{} {path}", planned.request.method);
        Row {
            cells: [
                cut(&request),
                planned.source_ip.to_string(),
                text("action"),
                status.to_string(),
                text("rule"),
                text("score"),
                text("shadowed"),
            ],
        }
    }
}

/// Prints the rows with their columns aligned.
pub(crate) fn print(rows: &[Row]) {
    let head = HEAD.map(str::to_owned);
    let lines = || std::iter::once(&head).chain(rows.iter().map(|row| &row.cells));
    let width = |column: usize| {
        lines()
            .filter_map(|cells| cells.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..COLUMNS).filter_map(width).collect();
    println!();
    for cells in lines() {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    println!();
}

fn cut(request: &str) -> String {
    if request.chars().count() <= REQUEST_WIDTH {
        return request.to_owned();
    }
    let start: String = request.chars().take(REQUEST_WIDTH - 1).collect();
    format!("{start}…")
}
