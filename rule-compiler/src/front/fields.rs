//! Reading typed values from YAML nodes. Each reader gives nothing once it has reported what is wrong.

use core::ops::{Range, RangeInclusive};

use super::{
    context::Context,
    text::{closest, did_you_mean, listing, quoted},
    yaml::{Entry, Kind, Node, Scalar, Style},
};
use crate::diagnostic::Code;

/// A map whose keys are all known.
pub(crate) struct Fields<'n> {
    what: String,
    entries: &'n [Entry],
    range: Range<usize>,
    /// Keys that unknown ones were most likely meant to be: they are not missing on top of that.
    misspelt: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Whether the map is `{}`.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key, if the key is there.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Whether an unknown key was most likely meant to be this one.
    pub(crate) fn is_misspelt(&self, key: &str) -> bool {
        self.misspelt.contains(&key)
    }

    /// A key with its value.
    pub(crate) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&self, key: &str, cx: &mut Context<'_>) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() && !self.misspelt.contains(&key) {
            let message = format!("{} has no `{key}`", self.what);
            cx.report(
                cx.diagnostic(Code::MissingKey, &self.range, message)
                    .help(format!("add `{key}: ...`")),
            );
        }
        found
    }
}

/// Reads an optional value; one that is not there is the default.
pub(crate) fn optional<T>(
    node: Option<&Node>,
    default: T,
    read: impl FnOnce(&Node) -> Option<T>,
) -> Option<T> {
    node.map_or(Some(default), read)
}

impl Context<'_> {
    /// A map with no other keys than `keys`.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        keys: &[&'static str],
    ) -> Option<Fields<'n>> {
        let entries = self.entries(node, what)?;
        let mut misspelt = Vec::new();
        for entry in entries
            .iter()
            .filter(|entry| !keys.contains(&entry.key.as_str()))
        {
            let message = format!("{what} has no key {}", quoted(&entry.key));
            let diagnostic = self.diagnostic(Code::UnknownKey, &entry.key_range, message);
            self.report(diagnostic.help(did_you_mean(&entry.key, keys)));
            misspelt.extend(closest(&entry.key, keys.iter().copied()));
        }
        let range = entries
            .first()
            .map_or_else(|| node.range.clone(), |entry| entry.key_range.clone());
        Some(Fields {
            what: what.to_owned(),
            entries,
            range,
            misspelt,
        })
    }

    /// A map with keys of any name.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        match &node.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => self.wrong_shape(
                node,
                what,
                "a map",
                "write `key: value` lines, or `{ key: value }`",
            ),
        }
    }

    /// A list.
    pub(crate) fn sequence<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::Sequence(items) => Some(items),
            _ => self.wrong_shape(
                node,
                what,
                "a list",
                "write each element on a line of its own after `- `, or all in `[..]`",
            ),
        }
    }

    /// A single value as it was written; nothing at all is not one.
    pub(crate) fn scalar<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Scalar> {
        match &node.kind {
            Kind::Scalar(scalar) if !node.is_null() => Some(scalar),
            _ => self.wrong_shape(
                node,
                what,
                "a single value",
                "write one text or number after the `:`, and quote what YAML takes for more",
            ),
        }
    }

    /// A text of at most `limit` bytes.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str, limit: usize) -> Option<&'n str> {
        let text = self.scalar(node, what)?.text.as_str();
        self.within(text.len(), limit, "bytes", &node.range, what, "shorten it")?;
        Some(text)
    }

    /// Complains about more than `limit` of something.
    pub(crate) fn within(
        &mut self,
        count: usize,
        limit: usize,
        unit: &str,
        range: &Range<usize>,
        what: &str,
        help: &str,
    ) -> Option<()> {
        if count <= limit {
            return Some(());
        }
        let message = format!("{what} has {count} {unit}, and the limit is {limit}");
        self.report(self.diagnostic(Code::TooLarge, range, message).help(help));
        None
    }

    /// An integer in a range.
    pub(crate) fn integer(
        &mut self,
        node: &Node,
        what: &str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let scalar = self.scalar(node, what)?;
        let digits = scalar.text.strip_prefix(['-', '+']).unwrap_or(&scalar.text);
        if scalar.style != Style::Plain
            || digits.is_empty()
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            let message = format!("{what} is a whole number, not {}", quoted(&scalar.text));
            let diagnostic = self.diagnostic(Code::WrongShape, &node.range, message);
            self.report(diagnostic.help(whole_number_instead(scalar)));
            return None;
        }
        let number = scalar
            .text
            .parse::<i64>()
            .ok()
            .filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            let message = format!("{what} goes from {least} to {most}");
            let is_below = scalar.text.starts_with('-')
                || scalar
                    .text
                    .parse::<i64>()
                    .is_ok_and(|number| number < least);
            let closest = if is_below { least } else { most };
            self.report(
                self.diagnostic(Code::OutOfRange, &node.range, message)
                    .help(format!("the closest that is allowed is {closest}")),
            );
        }
        number
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        let scalar = self.scalar(node, what)?;
        if scalar.style != Style::Plain && matches!(scalar.text.as_str(), "true" | "false") {
            let message = format!("{what} is `true` or `false`, not a text");
            let diagnostic = self.diagnostic(Code::WrongShape, &node.range, message);
            self.report(diagnostic.help("write it without quotes"));
            return None;
        }
        self.choice(node, what, &[("true", true), ("false", false)])
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let scalar = self.scalar(node, what)?;
        let found = words.iter().find(|(word, _)| *word == scalar.text);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("{what} cannot be {}", quoted(&scalar.text));
            let help = format!("write {}", listing(&names, "or"));
            self.report(
                self.diagnostic(Code::InvalidValue, &node.range, message)
                    .help(help),
            );
        }
        found.map(|&(_, value)| value)
    }

    /// Complains about a value of the wrong kind, unless it has been complained about.
    pub(crate) fn wrong_shape<T>(
        &mut self,
        node: &Node,
        what: &str,
        expected: &str,
        help: &str,
    ) -> Option<T> {
        if node.kind != Kind::Refused {
            let message = format!("{what} is {expected}, not {}", node.describe());
            self.report(
                self.diagnostic(Code::WrongShape, &node.range, message)
                    .help(help),
            );
        }
        None
    }
}

/// What to write in place of a scalar that is no whole number.
fn whole_number_instead(scalar: &Scalar) -> String {
    if scalar.style != Style::Plain && scalar.text.parse::<i64>().is_ok() {
        return "leave the quotes out".to_owned();
    }
    match scalar.text.parse::<f64>() {
        Ok(number) if number.fract() != 0.0 && number.abs() < 1e15 => {
            let below = number.floor() as i64;
            format!("there are no fractions: write {below} or {}", below + 1)
        }
        _ => "write digits, such as 10".to_owned(),
    }
}
