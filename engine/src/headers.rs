//! The request headers by which a filter tells the upstream what it decided. No client may set them.

/// Holds the score.
pub const SCORE_HEADER: &str = "x-risk-score";
/// Stands before the name of a tag in the header that holds its value.
pub const TAG_HEADER_PREFIX: &str = "x-risk-tag-";

/// Whether only a filter may set a request header: what a client sends under such a name is removed before any rule reads it.
///
/// Case makes no difference, and `_` counts as `-`: behind CGI and WSGI `x_risk_score` and `x-risk-score` are one variable.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    let starts_as = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| is_alike(start, prefix.as_bytes()))
    };
    is_alike(name, SCORE_HEADER.as_bytes()) || starts_as(TAG_HEADER_PREFIX)
}

fn is_alike(name: &[u8], reserved: &[u8]) -> bool {
    let folded = name.iter().map(|byte| match byte {
        b'_' => b'-',
        _ => byte.to_ascii_lowercase(),
    });
    folded.eq(reserved.iter().copied())
}
