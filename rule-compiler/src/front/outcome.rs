//! `then`: what a match does, and what a score band or the default does.

use super::{
    context::Context,
    fields::{Fields, optional},
    limits::{MAX_SCORE, MAX_TAG_VALUE_LEN, MAX_TAGS, MAX_TEMPLATE_LEN},
    name,
    reply::STATUSES,
    template::{self, PLACEHOLDERS, TemplateError, TemplateReason},
    text::{listing, quoted},
    yaml::{Entry, Kind, Node, locate},
};
use crate::{
    diagnostic::Code,
    ir::{Outcome, Reply, TemplatePart, Terminal},
};

const TERMINALS: [&str; 3] = ["allow", "deny", "challenge"];
const ACTIONS: [&str; 5] = ["allow", "deny", "challenge", "score", "tag"];
const DENY_STATUS: u16 = 403;
const CHALLENGE_STATUS: u16 = 401;

impl Context<'_> {
    /// The `then` of a rule.
    pub(crate) fn outcome(&mut self, node: &Node) -> Option<Outcome> {
        if let Kind::Scalar(_) = node.kind {
            let terminal = self.bare_terminal(node, "`then`")?;
            return Some(Outcome {
                terminal: Some(terminal),
                ..Outcome::default()
            });
        }
        let fields = self.fields(node, "`then`", &ACTIONS)?;
        let terminal = self.terminal_of(&fields, node, true);
        let score = optional(fields.get("score"), None, |node| {
            Some(Some(self.score(node)?))
        });
        let tags = optional(fields.get("tag"), Vec::new(), |node| self.tags(node));
        let outcome = Outcome {
            terminal: terminal?,
            score: score?,
            tags: tags?,
        };
        if fields.is_empty() {
            let help = format!("write one or more of {}", listing(&ACTIONS, "and"));
            self.report(
                self.diagnostic(Code::InvalidOutcome, &node.range, "`then` does nothing")
                    .help(help),
            );
            return None;
        }
        Some(outcome)
    }

    /// The `then` of a score band, or the `default`.
    pub(crate) fn terminal(&mut self, node: &Node, what: &str) -> Option<Terminal> {
        if let Kind::Scalar(_) = node.kind {
            return self.bare_terminal(node, what);
        }
        let fields = self.fields(node, what, &TERMINALS)?;
        let terminal = self.terminal_of(&fields, node, false)?;
        if fields.is_empty() {
            let message = format!("{what} does nothing");
            let help = format!("write one of {}", listing(&TERMINALS, "and"));
            self.report(
                self.diagnostic(Code::InvalidOutcome, &node.range, message)
                    .help(help),
            );
        }
        terminal
    }

    fn bare_terminal(&mut self, node: &Node, what: &str) -> Option<Terminal> {
        if node.is_null() {
            return self.wrong_shape(
                node,
                what,
                "an action such as `deny`, or a map of actions",
                "write `deny`, or a map such as `{ deny: { status: 429 } }`",
            );
        }
        #[derive(Clone, Copy)]
        enum Word {
            Allow,
            Deny,
        }
        Some(
            match self.choice(node, what, &[("allow", Word::Allow), ("deny", Word::Deny)])? {
                Word::Allow => Terminal::Allow,
                Word::Deny => Terminal::Deny(Reply {
                    status: DENY_STATUS,
                    headers: Vec::new(),
                    body: String::new(),
                }),
            },
        )
    }

    /// The one terminal action of a map, if it has one.
    fn terminal_of(
        &mut self,
        fields: &Fields<'_>,
        node: &Node,
        in_rule: bool,
    ) -> Option<Option<Terminal>> {
        let present: Vec<&Entry> = TERMINALS
            .iter()
            .filter_map(|name| fields.entry(name))
            .collect();
        match present.as_slice() {
            [] => Some(None),
            [Entry { key, value, .. }] => Some(Some(self.terminal_named(key, value, in_rule)?)),
            [first, second, ..] => {
                let message = format!(
                    "`{}` and `{}` cannot both end the decision",
                    first.key, second.key
                );
                let diagnostic = self.diagnostic(Code::InvalidOutcome, &node.range, message);
                self.report(
                    diagnostic.help("keep one of them; `score` and `tag` may stand beside it"),
                );
                None
            }
        }
    }

    fn terminal_named(&mut self, name: &str, node: &Node, in_rule: bool) -> Option<Terminal> {
        match name {
            "allow" => self.allow(node),
            "deny" => Some(Terminal::Deny(self.deny(node)?)),
            _ => self.challenge(node, in_rule),
        }
    }

    fn allow(&mut self, node: &Node) -> Option<Terminal> {
        if !node.is_null() {
            self.fields(node, "`allow`", &[])?;
        }
        Some(Terminal::Allow)
    }

    fn deny(&mut self, node: &Node) -> Option<Reply> {
        if node.is_null() {
            return self.reply(None, None, None, DENY_STATUS);
        }
        self.reply_shape(node, "deny", DENY_STATUS)?;
        let fields = self.fields(node, "`deny`", &["status", "headers", "body"])?;
        self.reply(
            fields.get("status"),
            fields.get("headers"),
            fields.get("body"),
            DENY_STATUS,
        )
    }

    /// Complains about `deny: 429`, and says where the status goes.
    fn reply_shape(&mut self, node: &Node, action: &str, default_status: u16) -> Option<()> {
        let Kind::Scalar(scalar) = &node.kind else {
            return Some(());
        };
        let status = scalar.text.parse().ok();
        let status: u16 = status
            .filter(|status| STATUSES.contains(status))
            .unwrap_or(default_status);
        self.wrong_shape(
            node,
            &format!("`{action}`"),
            "a map",
            &format!("write `{{ {action}: {{ status: {status} }} }}`"),
        )
    }

    fn challenge(&mut self, node: &Node, in_rule: bool) -> Option<Terminal> {
        if node.is_null() {
            return Some(Terminal::Challenge(self.reply(
                None,
                None,
                None,
                CHALLENGE_STATUS,
            )?));
        }
        self.reply_shape(node, "challenge", CHALLENGE_STATUS)?;
        let fields = self.fields(
            node,
            "`challenge`",
            &["redirect", "status", "headers", "body"],
        )?;
        let (status, headers, body) = (
            fields.get("status"),
            fields.get("headers"),
            fields.get("body"),
        );
        let Some(redirect) = fields.get("redirect") else {
            return Some(Terminal::Challenge(self.reply(
                status,
                headers,
                body,
                CHALLENGE_STATUS,
            )?));
        };
        if status.or(headers).or(body).is_some() {
            let message =
                "a challenge is a redirect, or a reply with status, headers and body, not both";
            self.report(
                self.diagnostic(Code::InvalidOutcome, &node.range, message)
                    .help("keep one of them"),
            );
            return None;
        }
        Some(Terminal::Redirect(self.redirect(redirect, in_rule)?))
    }

    fn redirect(&mut self, node: &Node, in_rule: bool) -> Option<Vec<TemplatePart>> {
        let scalar = self.scalar(node, "`redirect`")?;
        self.within(
            scalar.text.len(),
            MAX_TEMPLATE_LEN,
            "bytes",
            &node.range,
            "`redirect`",
            "use a shorter URL",
        )?;
        match template::parse(&scalar.text, in_rule) {
            Ok(parts) => Some(parts),
            Err(TemplateError { reason, range }) => {
                let range = locate(self.text, &node.range, &scalar.text, scalar.style, &range);
                let diagnostic = self.diagnostic(Code::InvalidTemplate, &range, reason.to_string());
                self.report(diagnostic.help(template_help(reason)));
                None
            }
        }
    }

    fn score(&mut self, node: &Node) -> Option<i32> {
        i32::try_from(self.integer(node, "`score`", -MAX_SCORE..=MAX_SCORE)?).ok()
    }

    fn tags(&mut self, node: &Node) -> Option<Vec<(String, String)>> {
        let entries = self.entries(node, "`tag`")?;
        self.within(
            entries.len(),
            MAX_TAGS,
            "tags",
            &node.range,
            "`tag`",
            "leave some out, or set them in another rule",
        )?;
        let mut tags = Vec::new();
        for Entry {
            key,
            key_range,
            value,
        } in entries
        {
            let name = self.check_name(key, key_range, &name::TAG);
            let value = self.tag_value(value);
            tags.push(name.zip(value).map(|((), value)| (key.clone(), value)));
        }
        if entries.is_empty() {
            self.report(
                self.diagnostic(Code::InvalidOutcome, &node.range, "`tag` has no tags")
                    .help("write `tag: { name: value }`"),
            );
            return None;
        }
        tags.into_iter().collect()
    }

    fn tag_value(&mut self, node: &Node) -> Option<String> {
        let value = self.text(node, "a tag's value", MAX_TAG_VALUE_LEN)?;
        let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !printable || value.is_empty() || value.trim() != value {
            let message = format!("a tag's value cannot be {}", quoted(value));
            let diagnostic = self.diagnostic(Code::InvalidValue, &node.range, message);
            self.report(
                diagnostic
                    .help("it becomes a header: use printable ASCII without spaces around it"),
            );
            return None;
        }
        Some(value.to_owned())
    }
}

fn template_help(reason: TemplateReason) -> String {
    let names: Vec<String> = PLACEHOLDERS
        .iter()
        .map(|(name, _)| format!("{{{name}}}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match reason {
        TemplateReason::UnknownPlaceholder => format!("use {}", listing(&names, "or")),
        TemplateReason::Brace => format!(
            "placeholders are {}; write `%7B` and `%7D` for braces",
            listing(&names, "and")
        ),
        _ => "write it like `https://verify.example.com/?return={request.path}`".to_owned(),
    }
}
