//! What an author most likely did where a text is not YAML.

/// A part of the parser's words, and the remedy for what it is then.
const REMEDIES: [(&str, &str); 5] = [
    ("after double-quoted", SINGLE_QUOTES),
    ("unknown escape", SINGLE_QUOTES),
    (
        "after single-quoted",
        "within single quotes write texts in double quotes, such as `'request.method == \"POST\"'`, or `''` for a single quote",
    ),
    (
        "parsing a flow",
        "put the whole value in single quotes: within `{..}` and `[..]` its brackets and commas are YAML's; or check that each bracket is closed",
    ),
    (
        "block collection",
        "check the indentation: the keys of a map begin in one column, and so do the `-` of a list",
    ),
];

const SINGLE_QUOTES: &str = "put the whole condition in single quotes and its texts in double quotes, such as `'request.method == \"POST\"'`; within double quotes YAML takes `\"` and `\\` for its own";

const ANY: &str = "check the indentation; quote a value that holds `: `, starts with one of `[]{}&*|>%@`, or has a bracket or comma inside of `{..}` or `[..]`";

/// The remedy for a syntax error at `offset`, of which the parser said `message`.
pub(super) fn syntax_help(text: &str, offset: usize, message: &str) -> &'static str {
    if is_indented_by_tab(text, offset) {
        return "indent with spaces: YAML takes no tabs there";
    }
    let remedy = REMEDIES.iter().find(|(words, _)| message.contains(words));
    remedy.map_or(ANY, |(_, remedy)| remedy)
}

/// Whether the line at `offset` is, or the next: a parser may stop at the end of what is before a tab.
fn is_indented_by_tab(text: &str, offset: usize) -> bool {
    let start = text
        .get(..offset)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |newline| newline + 1);
    let mut lines = text.get(start..).unwrap_or_default().lines().take(2);
    lines.any(|line| line.trim_start_matches(' ').starts_with('\t'))
}
