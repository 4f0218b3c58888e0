//! Local replies: status, headers and body of a deny or a challenge.

use core::ops::{Range, RangeInclusive};

use riskgate_engine::actions::FRAMING_HEADERS;

use super::{
    context::Context,
    fields::optional,
    limits::{MAX_BODY_LEN, MAX_HEADER_NAME_LEN, MAX_HEADER_VALUE_LEN, MAX_HEADERS},
    text::quoted,
    yaml::{Entry, Node},
};
use crate::{diagnostic::Code, ir::Reply};

/// What a reply's status can be.
pub(crate) const STATUSES: RangeInclusive<u16> = 200..=599;

impl Context<'_> {
    /// `status`, `headers` and `body` of a map that has been checked for other keys.
    pub(crate) fn reply(
        &mut self,
        status: Option<&Node>,
        headers: Option<&Node>,
        body: Option<&Node>,
        default_status: u16,
    ) -> Option<Reply> {
        let status_range = status.map(|node| node.range.clone());
        let status = optional(status, default_status, |node| self.status(node));
        let headers = optional(headers, Vec::new(), |node| self.headers(node));
        let body_text = optional(body, String::new(), |node| {
            Some(self.text(node, "`body`", MAX_BODY_LEN)?.to_owned())
        });
        let reply = Reply {
            status: status?,
            headers: headers?,
            body: body_text?,
        };
        if matches!(reply.status, 204 | 205 | 304) && !reply.body.is_empty() {
            let range = body.map(|node| node.range.clone()).or(status_range)?;
            let message = format!("a reply with status {} has no body", reply.status);
            self.report(
                self.diagnostic(Code::InvalidValue, &range, message)
                    .help("leave `body` out, or use another status"),
            );
            return None;
        }
        Some(reply)
    }

    fn status(&mut self, node: &Node) -> Option<u16> {
        let (least, most) = (*STATUSES.start(), *STATUSES.end());
        u16::try_from(self.integer(node, "`status`", least.into()..=most.into())?).ok()
    }

    fn headers(&mut self, node: &Node) -> Option<Vec<(String, String)>> {
        let entries = self.entries(node, "`headers`")?;
        self.within(
            entries.len(),
            MAX_HEADERS,
            "headers",
            &node.range,
            "a reply",
            "leave some out",
        )?;
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut good = true;
        for Entry {
            key,
            key_range,
            value,
        } in entries
        {
            let name = self.header_name(key, key_range);
            let value = self.header_value(value);
            let Some((name, value)) = name.zip(value) else {
                good = false;
                continue;
            };
            if headers.iter().any(|(first, _)| *first == name) {
                let message = format!("the header `{name}` stands twice, in different case");
                self.report(
                    self.diagnostic(Code::InvalidHeader, key_range, message)
                        .help("delete one of them"),
                );
                good = false;
            }
            headers.push((name, value));
        }
        good.then_some(headers)
    }

    fn header_name(&mut self, name: &str, range: &Range<usize>) -> Option<String> {
        self.within(
            name.len(),
            MAX_HEADER_NAME_LEN,
            "bytes",
            range,
            "a header's name",
            "use a shorter name",
        )?;
        let lower = name.to_ascii_lowercase();
        let problem = if !is_token(name) {
            Some((
                format!("{} is no name of a header", quoted(name)),
                "use letters, digits and `-`",
            ))
        } else if FRAMING_HEADERS.contains(&lower.as_str()) {
            Some((
                format!("a rule cannot set `{lower}`"),
                "leave it out: the proxy sets it by itself",
            ))
        } else {
            None
        };
        let Some((message, help)) = problem else {
            return Some(lower);
        };
        self.report(
            self.diagnostic(Code::InvalidHeader, range, message)
                .help(help),
        );
        None
    }

    fn header_value(&mut self, node: &Node) -> Option<String> {
        let value = self.text(node, "a header's value", MAX_HEADER_VALUE_LEN)?;
        if value.chars().any(char::is_control)
            || value.starts_with([' ', '\t'])
            || value.ends_with([' ', '\t'])
        {
            let message = "a header's value has no control characters and no white space around it";
            self.report(
                self.diagnostic(Code::InvalidHeader, &node.range, message)
                    .help("write it on one line"),
            );
            return None;
        }
        Some(value.to_owned())
    }
}

/// The name of a header: a `token` of RFC 9110.
pub(crate) fn is_token(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}
