//! The table of verdicts.

use riskgate_e2e::LogLine;

use crate::cases::Case;

/// One request and what came of it.
pub(crate) struct Row {
    cells: [String; COLUMNS],
}

const COLUMNS: usize = 7;
const HEAD: [&str; COLUMNS] = [
    "what", "request", "source", "verdict", "status", "rule", "score",
];

/// The longest name and request that are shown whole.
const CELL_WIDTH: usize = 40;

impl Row {
    /// The verdict is the access log's, the status what the client got.
    pub(crate) fn new(case: &Case, status: u16, line: &LogLine) -> Self {
        let text = |field: &str| {
            line.text(field)
                .filter(|text| !text.is_empty())
                .unwrap_or("-")
                .to_owned()
        };
        let path = String::from_utf8_lossy(&case.planned.request.path);
        let request = format!("{} {path}", case.planned.request.method);
        Row {
            cells: [
                cut(&case.name),
                cut(&request),
                case.planned.source_ip.to_string(),
                text("action"),
                status.to_string(),
                text("rule"),
                text("score"),
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

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL_WIDTH {
        return text.to_owned();
    }
    let start: String = text.chars().take(CELL_WIDTH - 1).collect();
    format!("{start}…")
}
