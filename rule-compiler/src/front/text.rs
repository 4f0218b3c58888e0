//! Small helpers for the words of diagnostics.

/// What an author wrote, in backticks, on one line and not too long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown = String::new();
    for character in text.chars().take(SHOWN) {
        if matches!(character, '"' | '\'' | '\\') {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    let more = if text.chars().nth(SHOWN).is_some() {
        "..."
    } else {
        ""
    };
    format!("`{shown}{more}`")
}

/// `a`, `b` and `c`, each in backticks.
pub(crate) fn listing(names: &[&str], last: &str) -> String {
    match names {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [init @ .., end] => {
            let init: Vec<String> = init.iter().map(|name| format!("`{name}`")).collect();
            format!("{} {last} `{end}`", init.join(", "))
        }
    }
}

/// A longer text is no slip of a name, and comparing it would take long.
const MAX_COMPARED_LEN: usize = 128;

/// The name that was most likely meant, if any is close.
pub(crate) fn closest<'a>(
    written: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if written.len() > MAX_COMPARED_LEN {
        return None;
    }
    // Of a dotted name only the last part is likely to be wrong.
    let last = written.rsplit('.').next().unwrap_or(written);
    let limit = (last.chars().count() / 3).max(1);
    let written = written.to_ascii_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&written, &name.to_ascii_lowercase());
    names
        .into_iter()
        .map(|name| (distance(name), name))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// A remedy for an unknown name: the closest, or all when none is close.
pub(crate) fn did_you_mean(written: &str, names: &[&str]) -> String {
    match closest(written, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("use one of {}", listing(names, "and")),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_COMPARED_LEN, closest, listing, quoted};

    #[test]
    fn finds_what_was_meant() {
        let names = ["when", "then", "startsWith"];
        assert_eq!(closest("wen", names), Some("when"));
        assert_eq!(closest("startswith", names), Some("startsWith"));
        assert_eq!(closest("condition", names), None);
        assert_eq!(closest("", names), None);
        let long = format!("{}.when", "x".repeat(MAX_COMPARED_LEN));
        assert_eq!(closest(&long, ["x.when", &long]), None);
    }

    #[test]
    fn quotes_on_one_line() {
        assert_eq!(quoted("a\nb"), r"`a\nb`");
        assert_eq!(quoted(r"\d"), r"`\d`");
        assert_eq!(quoted("say \"x\""), "`say \"x\"`");
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}...`", "x".repeat(60)));
    }

    #[test]
    fn lists_names() {
        assert_eq!(listing(&["a"], "and"), "`a`");
        assert_eq!(listing(&["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
