//! As much of the protobuf encoding as tells a message from other bytes.

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;
/// Ten groups of seven bits hold 64.
const VARINT_MAX_LEN: usize = 10;

/// Whether bytes can be read as a message of whatever fields. No bytes at all are the empty message.
pub(crate) fn is_message(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some(rest) = skip_field(bytes) else {
            return false;
        };
        bytes = rest;
    }
    true
}

/// What follows the first field.
fn skip_field(bytes: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = varint(bytes)?;
    if tag >> 3 == 0 {
        return None;
    }
    match tag & 7 {
        VARINT => varint(rest).map(|(_, rest)| rest),
        FIXED_64 => rest.get(8..),
        FIXED_32 => rest.get(4..),
        LENGTH_DELIMITED => {
            let (len, rest) = varint(rest)?;
            rest.get(usize::try_from(len).ok()?..)
        }
        _ => None,
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().take(VARINT_MAX_LEN).enumerate() {
        value |= u64::from(byte & 0x7f) << (place * 7).min(63);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_from_a_name() {
        // GrpcService { envoy_grpc { cluster_name: "c" } }, one of each wire type, and none.
        let messages: [&[u8]; 5] = [
            b"\x0a\x03\x0a\x01c",
            b"\x08\xff\x01",
            b"\x09abcdefgh",
            b"\x0dabcd",
            b"",
        ];
        for message in messages {
            assert!(is_message(message), "{message:?}");
        }
        let others: [&[u8]; 6] = [
            b"pusher",
            b"\x0a\x05c",
            b"\x00\x01",
            b"\x08",
            b"\x0dabc",
            &[0xff; 11],
        ];
        for other in others {
            assert!(!is_message(other), "{other:?}");
        }
    }
}
