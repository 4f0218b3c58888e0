//! A JSON document that has texts where pointers say.

use serde_json::{Map, Value};

/// Pointer and text.
type Placed = (Vec<u8>, Vec<u8>);

/// The document; none if the pointers contradict each other, or a text is not UTF-8.
pub(super) fn document(placed: &[Placed]) -> Option<Vec<u8>> {
    let mut document = Value::Null;
    for (pointer, text) in placed {
        let pointer = str::from_utf8(pointer).ok()?;
        let text = Value::from(str::from_utf8(text).ok()?);
        put(&mut document, tokens(pointer)?.as_slice(), text)?;
    }
    serde_json::to_vec(&document).ok()
}

fn tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let tokens = pointer.strip_prefix('/')?.split('/');
    Some(
        tokens
            .map(|token| token.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}

/// `*` is a new element of a list, every other token the name of a member.
fn put(at: &mut Value, tokens: &[String], text: Value) -> Option<()> {
    let Some((token, rest)) = tokens.split_first() else {
        return at.is_null().then(|| *at = text);
    };
    if at.is_null() {
        *at = match token.as_str() {
            "*" => Value::Array(Vec::new()),
            _ => Value::Object(Map::new()),
        };
    }
    let inner = match (at, token.as_str()) {
        (Value::Array(elements), "*") => {
            elements.push(Value::Null);
            elements.last_mut()?
        }
        (Value::Object(members), name) if name != "*" => members.entry(name).or_insert(Value::Null),
        _ => return None,
    };
    put(inner, rest, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_where_pointers_say() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
        let cases: [Case<'_>; 6] = [
            (&[], Some("null")),
            (&[("", "a")], Some(r#""a""#)),
            (
                &[("/a/b", "1"), ("/a/c", "2")],
                Some(r#"{"a":{"b":"1","c":"2"}}"#),
            ),
            (
                &[("/a/*/b", "1"), ("/a/*/b", "2")],
                Some(r#"{"a":[{"b":"1"},{"b":"2"}]}"#),
            ),
            (&[("/x~1y~0", "1")], Some(r#"{"x/y~":"1"}"#)),
            (&[("/a", "1"), ("/a", "2")], None),
        ];
        for (placed, expected) in cases {
            let bytes = |text: &str| text.as_bytes().to_vec();
            let placed: Vec<Placed> = placed.iter().map(|(a, b)| (bytes(a), bytes(b))).collect();
            let found = document(&placed).map(|found| String::from_utf8(found).unwrap());
            assert_eq!(found.as_deref(), expected, "{placed:?}");
        }
    }
}
