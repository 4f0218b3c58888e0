//! The wire types, as generated from `proto/push.proto`, and their conversions from and to the types of this crate.
//!
//! With the feature `tonic` also the gRPC clients and servers, which speak these types.

#[rustfmt::skip]
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_imports,
    reason = "generated; proto/push.proto holds the comments"
)]
mod generated;

mod admin;
mod delivery;
mod field;
mod pusher;
mod report;
mod subscriber;

use crate::PROTOCOL_VERSION;
pub use generated::*;

/// A message that is not one of this protocol, or is beyond its limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtoError {
    /// The bytes do not decode.
    #[error("the bytes are no message of this protocol: {0}")]
    Malformed(prost::DecodeError),
    /// The encoded message is too long.
    #[error("the message has {len} bytes, the limit is {limit}")]
    MessageTooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A message of a kind that this version does not know, or of none.
    #[error("the message is of no known kind; is the other end of a newer version?")]
    UnknownKind,
    /// The other end speaks another version.
    #[error(
        "protocol version {0} is not supported, only {PROTOCOL_VERSION} is; upgrade the older end"
    )]
    UnsupportedVersion(u32),
    /// A field of fixed length has another length.
    #[error("`{field}` has {len} bytes, it takes {expected}")]
    WrongLength {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The length it takes, in bytes.
        expected: usize,
    },
    /// A field is longer than its limit.
    #[error("`{field}` is {len} bytes long, the limit is {limit}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// More entries than the limit.
    #[error("`{field}` has {count} entries, the limit is {limit}")]
    TooMany {
        /// The field.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Something stands twice, or not in ascending order.
    #[error("`{0}` has an entry twice or out of order")]
    Disordered(&'static str),
    /// A field that must hold something is empty.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A revision without its digest.
    #[error("`{0}` states a revision but no digest")]
    RevisionWithoutDigest(&'static str),
    /// An enum's value that this version does not know.
    #[error("`{field}` has the unknown value {value}")]
    UnknownValue {
        /// The field.
        field: &'static str,
        /// Its value.
        value: i32,
    },
}

/// Decodes one message of a stream.
pub(crate) fn decode<M: prost::Message + Default>(
    bytes: &[u8],
    limit: usize,
) -> Result<M, ProtoError> {
    if bytes.len() > limit {
        return Err(ProtoError::MessageTooLong {
            len: bytes.len(),
            limit,
        });
    }
    M::decode(bytes).map_err(ProtoError::Malformed)
}
