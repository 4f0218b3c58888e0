//! Single values: with quotes only where they are needed.

use super::{role::Role, spacing::spaced};
use crate::front::yaml::{Scalar, Style};

/// A value on one line; nothing if it was written on several, or in a block.
pub(super) fn one_line(scalar: &Scalar, source: &str, role: Role, in_flow: bool) -> Option<String> {
    if scalar.style == Style::Block || source.contains('\n') {
        return None;
    }
    let text = match role.is_expression() {
        true => spaced(&scalar.text).unwrap_or_else(|| scalar.text.clone()),
        false => scalar.text.clone(),
    };
    let was_plain = scalar.style == Style::Plain;
    if was_plain && text == scalar.text {
        return Some(source.to_owned());
    }
    if can_be_plain(&text, in_flow) && (was_plain || !is_special(&text)) {
        return Some(text);
    }
    if text == scalar.text || text.chars().any(char::is_control) {
        return Some(source.to_owned());
    }
    Some(format!("'{}'", text.replace('\'', "''")))
}

/// A text that YAML, or a reader of it, takes for something else than a text when it has no quotes.
pub(super) fn is_special(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "~", ""];
    let lower = text.to_ascii_lowercase();
    let is_numeric =
        text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    words.contains(&lower.as_str()) || is_numeric
}

/// Only what is plainly plain: a text that starts with a letter or a slash and has nothing in it that means something to YAML.
fn can_be_plain(text: &str, in_flow: bool) -> bool {
    let starts_well =
        text.starts_with(|first: char| first.is_ascii_alphabetic() || "_/".contains(first));
    let ends_well = !text.ends_with([' ', ':']);
    let breaks = text.contains(": ") || text.contains(" #") || text.chars().any(char::is_control);
    let breaks_flow = in_flow && text.contains([',', '[', ']', '{', '}', ':']);
    starts_well && ends_well && !breaks && !breaks_flow
}
