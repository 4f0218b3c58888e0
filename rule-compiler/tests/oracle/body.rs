//! Bodies: values at JSON pointers, by `serde_json`, and whether a text is JSON at all.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Nesting from which on the language takes no text.
const MAX_DEPTH: usize = 128;

/// The values that a pointer names in a body, in the order of the text; none if the body is no JSON.
pub(super) fn json(pointer: &str, body: &[u8]) -> Vec<Vec<u8>> {
    let tokens: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    match text(body) {
        Some(text) => at(&tokens, text),
        None => Vec::new(),
    }
}

/// Whether a body is JSON that the language takes.
pub(crate) fn is_json(body: &[u8]) -> bool {
    text(body).is_some()
}

/// Without its byte order mark.
fn text(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    (is_json && depth(text) <= MAX_DEPTH).then_some(text)
}

/// Of a JSON text, how deep objects and arrays are nested.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

fn at(tokens: &[String], value: &str) -> Vec<Vec<u8>> {
    let value = value.trim_matches([' ', '\t', '\n', '\r']);
    let Some((token, rest)) = tokens.split_first() else {
        return scalar(value).into_iter().collect();
    };
    let children: Vec<&RawValue> = match value.as_bytes().first() {
        Some(b'{') => members(value)
            .into_iter()
            .filter(|(name, _)| name == token.as_bytes())
            .map(|(_, value)| value)
            .collect(),
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(value).expect("an array");
            let is_named = |at: usize| token == "*" || *token == at.to_string();
            let elements = elements.into_iter().enumerate();
            elements
                .filter(|(at, _)| is_named(*at))
                .map(|(_, value)| value)
                .collect()
        }
        _ => Vec::new(),
    };
    children
        .into_iter()
        .flat_map(|child| at(rest, child.get()))
        .collect()
}

fn scalar(value: &str) -> Option<Vec<u8>> {
    match value.as_bytes().first() {
        Some(b'{' | b'[' | b'n') => None,
        Some(b'"') => {
            let mut string = serde_json::Deserializer::from_str(value);
            Some(string.deserialize_bytes(StringBytes).expect("a string"))
        }
        _ => Some(value.as_bytes().to_vec()),
    }
}

/// Every member of an object, those of one name too.
fn members(object: &str) -> Vec<(Vec<u8>, &RawValue)> {
    let mut object = serde_json::Deserializer::from_str(object);
    object.deserialize_map(Members).expect("an object")
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Vec<u8>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key_seed(StringBytes)? {
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}

/// A string as bytes; half of a surrogate pair becomes the replacement character.
struct StringBytes;

impl<'de> DeserializeSeed<'de> for StringBytes {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for StringBytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        // `serde_json` writes half of a pair as if it were a character: ED A0 80 to ED BF BF.
        let mut replaced = Vec::new();
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            match rest {
                [0xed, 0xa0..=0xbf, _, after @ ..] => {
                    replaced.extend("\u{fffd}".as_bytes());
                    rest = after;
                }
                _ => {
                    replaced.push(*first);
                    rest = after;
                }
            }
        }
        Ok(replaced)
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Vec<u8>, A::Error> {
        panic!("no string is a list")
    }
}
