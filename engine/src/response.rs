//! What a request was answered with, as far as counters ask.

/// The facts of one response, borrowed from whoever has them.
#[derive(Debug, Default, Clone, Copy)]
pub struct Response<'a> {
    /// HTTP status; absent if the request ended without one.
    pub code: Option<u16>,
    /// Header names in lower case with their values, in order, repeated names included, pseudo headers left out.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}
