//! The requests that costs are reckoned for.

/// The request line and all headers of any request, in bytes: Envoy's default (`max_request_headers_kb`).
pub const HEAD_LEN: u64 = 60 << 10;
/// The headers of any request: Envoy's default (`max_headers_count`).
pub const HEADER_COUNT: u64 = 100;
/// All claims and the names in the client's certificate of any request, in bytes.
pub const IDENTITY_LEN: u64 = 60 << 10;
/// The body of any request, in bytes: the filter's default (`body_limit_bytes`).
pub const BODY_LEN: u64 = 64 << 10;
/// Protocol and TLS version of any request, in bytes each.
pub const VERSION_LEN: u64 = 16;

/// A value of a typical request, in bytes.
pub const TYPICAL_VALUE_LEN: u64 = 64;
/// The headers of a typical request.
pub const TYPICAL_HEADER_COUNT: u64 = 16;
/// The query arguments, cookies and claims of a typical request, of each.
pub const TYPICAL_FIELD_COUNT: u64 = 4;
