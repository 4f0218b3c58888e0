//! Header maps in the form in which they cross the ABI: the number of pairs, the two lengths of each, then the texts, each
//! with a zero byte behind it. Numbers are u32, little endian.

use crate::http_stream::Headers;

/// A header map in its serialized form.
pub(crate) fn serialize(headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let len = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut map = u32::try_from(headers.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    for (name, value) in headers {
        map.extend([len(name), len(value)].concat());
    }
    for (name, value) in headers {
        map.extend([name, &[0][..], value, &[0]].concat());
    }
    map
}

/// The pairs of a serialized map; `None` if it is none. No bytes at all are an empty map.
pub(crate) fn parse(map: &[u8]) -> Option<Headers> {
    if map.is_empty() {
        return Some(Headers::new());
    }
    let mut rest = map;
    let count = usize::try_from(take_u32(&mut rest)?).ok()?;
    let mut lens = rest.get(..count.checked_mul(8)?)?;
    let mut texts = rest.get(count * 8..)?;
    let mut headers = Headers::new();
    while !lens.is_empty() {
        let (name_len, value_len) = (take_u32(&mut lens)?, take_u32(&mut lens)?);
        headers.push((
            take_text(&mut texts, name_len)?,
            take_text(&mut texts, value_len)?,
        ));
    }
    Some(headers)
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*head))
}

fn take_text(bytes: &mut &[u8], len: u32) -> Option<Vec<u8>> {
    let (text, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest.strip_prefix(&[0])?;
    Some(text.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_serialized_is_parsed() {
        let pair = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        for headers in [
            vec![],
            vec![pair(b"a", b"")],
            vec![pair(b":path", b"/\xff"), pair(b"x", b"1"), pair(b"x", b"2")],
        ] {
            let map = serialize(&headers);
            assert_eq!(parse(&map), Some(headers));
            for len in 1..map.len() {
                assert_eq!(parse(&map[..len]), None, "a part of {len} bytes");
            }
        }
        assert_eq!(parse(&[]), Some(vec![]));
        assert_eq!(parse(&u32::MAX.to_le_bytes()), None);
    }
}
