//! Generated requests as the engine takes them.

use std::net::IpAddr;

use riskgate_engine::request::Request;
use riskgate_engine::ruleset::{HeadDecision, Ruleset, Scratch};
use riskgate_engine::verdict::Verdict;

use crate::NOW_US;
use crate::model::TrafficItem;

/// A request whose parts are laid out, so that handing it to the engine costs nothing.
#[derive(Debug, Clone)]
pub struct Prepared<'a> {
    item: &'a TrafficItem,
    headers: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Prepared<'a> {
    /// Lays a request out.
    #[must_use]
    pub fn new(item: &'a TrafficItem) -> Prepared<'a> {
        let headers = item.headers.iter();
        Prepared {
            item,
            headers: headers
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect(),
        }
    }

    /// The request, at [`NOW_US`].
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        let source = Some(IpAddr::V4(self.item.source));
        Request {
            method: Some(self.item.method.as_bytes()),
            scheme: Some(b"https"),
            host: Some(b"shop.example.com"),
            path: Some(self.item.path.as_bytes()),
            protocol: Some(b"HTTP/2"),
            headers: &self.headers,
            source_ip: source,
            client_ip: source,
            time_us: NOW_US,
            mtls: Some(false),
            body: (!self.item.body.is_empty()).then_some(self.item.body.as_bytes()),
            ..Request::default()
        }
    }

    /// Decides it as a filter does: by its head, and by its body too if that can matter.
    pub fn decide<T>(
        &self,
        ruleset: &Ruleset,
        scratch: &mut Scratch,
        take: impl FnOnce(&Verdict<'_>) -> T,
    ) -> T {
        let request = self.request();
        if request.body.is_some()
            && let HeadDecision::Decided(verdict) = ruleset.decide_head(&request, scratch)
        {
            return take(&verdict);
        }
        take(&ruleset.decide(&request, scratch))
    }
}
