//! Columns for people.

/// A table whose columns are as wide as their longest cell; the last one is not padded.
///
/// Control characters are escaped: what a peer calls itself must not move the cursor.
pub(crate) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> String {
    let header = header.map(str::to_owned);
    let rows: Vec<Vec<String>> = [&header]
        .into_iter()
        .chain(rows)
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let mut widths = vec![0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(&format!("{cell:<width$}  "));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

fn printable(cell: &str) -> String {
    if cell.is_empty() {
        return "-".to_owned();
    }
    cell.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            ["a".to_owned(), "long cell".to_owned()],
            ["grün".to_owned(), String::new()],
        ];
        assert_eq!(
            table(["one", "two"], &rows),
            "one   two\na     long cell\ngrün  -\n"
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        let rows = [["evil\u{1b}[2J\nnode".to_owned()]];
        assert_eq!(table(["node"], &rows), "node\nevil\\u{1b}[2J\\nnode\n");
    }
}
