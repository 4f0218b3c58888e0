//! The header map as the proxy-wasm ABI serializes it, read in place.
//!
//! Layout, little-endian: `u32` count; for each header `u32` name length, `u32` value length; then for each
//! header the name, a zero byte, the value, a zero byte.

/// A header: name and value.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// The bytes are not a header map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host's header map is malformed")]
pub struct MalformedHeaders;

/// Reads a serialized header map: every header in its order, repeated names included.
///
/// ```
/// let map = [&[1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0][..], b"a\0bc\0"].concat();
/// assert_eq!(riskgate_filter_sdk::headers::decode(&map), Ok(vec![(&b"a"[..], &b"bc"[..])]));
/// ```
pub fn decode(map: &[u8]) -> Result<Vec<Header<'_>>, MalformedHeaders> {
    let mut headers = Vec::new();
    for_each(map, |header| headers.push(header))?;
    Ok(headers)
}

/// As [`decode`], one header after the other. Those before the place where the map is malformed are handed over, too.
pub fn for_each<'m>(map: &'m [u8], take: impl FnMut(Header<'m>)) -> Result<(), MalformedHeaders> {
    walk(map, take).ok_or(MalformedHeaders)
}

/// The inverse of [`decode`]; `None` when a length does not fit 32 bits.
pub fn encode(headers: &[Header<'_>]) -> Option<Vec<u8>> {
    let mut map = u32::try_from(headers.len()).ok()?.to_le_bytes().to_vec();
    for (name, value) in headers {
        map.extend_from_slice(&u32::try_from(name.len()).ok()?.to_le_bytes());
        map.extend_from_slice(&u32::try_from(value.len()).ok()?.to_le_bytes());
    }
    for (name, value) in headers {
        for text in [name, value] {
            map.extend_from_slice(text);
            map.push(0);
        }
    }
    Some(map)
}

fn walk<'m>(map: &'m [u8], mut take: impl FnMut(Header<'m>)) -> Option<()> {
    let (count, rest) = map.split_first_chunk()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (lengths, mut texts) = rest.split_at_checked(count.checked_mul(8)?)?;
    let (lengths, []) = lengths.as_chunks::<4>() else {
        return None;
    };
    let (lengths, []) = lengths.as_chunks::<2>() else {
        return None;
    };
    for [name_len, value_len] in lengths {
        let name = take_text(&mut texts, *name_len)?;
        take((name, take_text(&mut texts, *value_len)?));
    }
    texts.is_empty().then_some(())
}

/// Takes `len` bytes and the zero byte after them.
fn take_text<'a>(texts: &mut &'a [u8], len: [u8; 4]) -> Option<&'a [u8]> {
    let (text, rest) = texts.split_at_checked(usize::try_from(u32::from_le_bytes(len)).ok()?)?;
    let (0, rest) = rest.split_first()? else {
        return None;
    };
    *texts = rest;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn malformed_maps_are_errors() {
        let good = encode(&[(b"name", b"value"), (b"name", b"\xff\x00")]).unwrap();
        assert!(decode(&good).is_ok());
        for cut in 0..good.len() {
            assert_eq!(decode(&good[..cut]), Err(MalformedHeaders), "cut at {cut}");
        }
        let trailing = [&good[..], b"\0"].concat();
        let huge_count = [&u32::MAX.to_le_bytes()[..], &good[4..]].concat();
        let huge_name = [&good[..4], &u32::MAX.to_le_bytes(), &good[8..]].concat();
        let mut unterminated = good;
        *unterminated.last_mut().unwrap() = b'x';
        for bad in [trailing, huge_count, huge_name, unterminated] {
            assert_eq!(decode(&bad), Err(MalformedHeaders), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(headers: Vec<(Vec<u8>, Vec<u8>)>) {
            let headers: Vec<Header> = headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let map = encode(&headers).unwrap();
            prop_assert_eq!(decode(&map), Ok(headers));
        }

        #[test]
        fn any_bytes_are_headers_or_an_error(bytes: Vec<u8>) {
            if let Ok(headers) = decode(&bytes) {
                prop_assert_eq!(encode(&headers).unwrap(), bytes);
            }
        }
    }
}
