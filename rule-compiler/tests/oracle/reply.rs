//! The local reply of a verdict.

use riskgate_compiler::ir::{TemplatePart, Terminal};
use riskgate_engine::request::Request;

use super::attribute::url_path;

/// What the client gets instead of the upstream's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OracleReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// The reply of a terminal action; none for allow.
pub(super) fn reply(
    terminal: &Terminal,
    rule: Option<&str>,
    request: &Request<'_>,
) -> Option<OracleReply> {
    match terminal {
        Terminal::Allow => None,
        Terminal::Deny(reply) | Terminal::Challenge(reply) => Some(OracleReply {
            status: reply.status,
            headers: reply
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect(),
            body: reply.body.clone().into_bytes(),
        }),
        Terminal::Redirect(template) => Some(OracleReply {
            status: 302,
            headers: vec![("location".to_owned(), location(template, rule, request))],
            body: Vec::new(),
        }),
    }
}

fn location(template: &[TemplatePart], rule: Option<&str>, request: &Request<'_>) -> Vec<u8> {
    let filled = |part: &TemplatePart| match part {
        TemplatePart::Literal(text) => text.clone(),
        TemplatePart::Path => percent_encoded(request.path.unwrap_or_default()),
        TemplatePart::Host => percent_encoded(request.host.unwrap_or_default()),
        TemplatePart::UrlPath => percent_encoded(request.path.map(url_path).unwrap_or_default()),
        TemplatePart::RuleId => percent_encoded(rule.unwrap_or_default().as_bytes()),
    };
    template.iter().map(filled).collect::<String>().into_bytes()
}

/// Every byte but the unreserved ones of RFC 3986 §2.3.
fn percent_encoded(value: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    value.iter().map(encode).collect()
}
