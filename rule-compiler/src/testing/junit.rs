//! A report in the XML that CI servers read: a suite for each file, a case for each test.

use std::fmt::Write as _;
use std::path::Path;

use super::human;
use super::report::{CaseReport, Report};

/// The whole document. Files are named as they are found through `folder`. It gives no durations: they would make equal runs
/// differ, and tests run under a clock of their own.
#[must_use]
pub fn junit(report: &Report, folder: &Path) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"{}\" {}>",
        escape(&report.ruleset),
        counts(&report.cases)
    );
    for cases in report
        .cases
        .chunk_by(|one, next| one.place.file == next.place.file)
    {
        suite(cases, &report.ruleset, folder, &mut xml);
    }
    xml + "</testsuites>\n"
}

fn suite(cases: &[CaseReport], ruleset: &str, folder: &Path, xml: &mut String) {
    let Some(first) = cases.first() else {
        return;
    };
    let name = escape(&first.place.file);
    let _ = writeln!(xml, "  <testsuite name=\"{name}\" {}>", counts(cases));
    for case in cases {
        let path = folder.join(&case.place.file);
        let _ = write!(
            xml,
            "    <testcase name=\"{}\" classname=\"{}.{name}\" file=\"{}\" line=\"{}\"",
            escape(&case.name),
            escape(ruleset),
            escape(&path.to_string_lossy()),
            case.place.line
        );
        if case.passed() {
            xml.push_str("/>\n");
            continue;
        }
        let _ = writeln!(
            xml,
            ">\n      <failure type=\"expectation\" message=\"{}\">{}</failure>\n    </testcase>",
            escape(&human::first_mismatch(case)),
            escape(&human::case(case, folder)),
        );
    }
    xml.push_str("  </testsuite>\n");
}

fn counts(cases: &[CaseReport]) -> String {
    let failures = cases.iter().filter(|case| !case.passed()).count();
    format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\"",
        cases.len()
    )
}

/// For attributes and text. Of control characters XML has but three; the others, even escaped, would make the document none.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\u{0}'..'\u{20}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn no_text_breaks_the_document() {
        assert_eq!(
            escape("a<b>&\"c\"\n\u{1}\u{1b}é\u{ffff}"),
            "a&lt;b&gt;&amp;&quot;c&quot;\n\u{fffd}\u{fffd}é\u{fffd}"
        );
    }
}
