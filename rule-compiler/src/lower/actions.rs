//! Terminal actions of rules, bands and the default.

use std::collections::HashMap;

use riskgate_engine::actions::{self, Action, ActionKind, TemplateKind, TemplatePart};
use riskgate_engine::policy::{Band, PolicyWriter};
use riskgate_engine::strings::{StringId, StringsWriter};

use super::intern::index;
use crate::ir::{self, Ruleset, Terminal};

/// The lowered actions.
#[derive(Debug)]
pub(super) struct Actions {
    /// Of each rule; `None` for one that only scores or tags.
    pub(super) of_rules: Vec<Option<u32>>,
    /// With default and bands filled in.
    pub(super) policy: PolicyWriter,
    pub(super) section: Vec<u8>,
}

pub(super) fn lower(ruleset: &Ruleset, strings: &mut StringsWriter) -> Actions {
    let mut table = Table {
        strings,
        known: HashMap::new(),
        actions: Vec::new(),
        headers: Vec::new(),
        template: Vec::new(),
    };
    let default = table.add(&ruleset.default);
    let bands = ruleset.bands.iter().map(|band| Band {
        at_least: band.at_least,
        action: table.add(&band.then),
    });
    let bands = bands.collect();
    let of_rules = ruleset
        .rules
        .iter()
        .map(|rule| {
            rule.then
                .terminal
                .as_ref()
                .map(|terminal| table.add(terminal))
        })
        .collect();
    Actions {
        of_rules,
        policy: PolicyWriter {
            default,
            bands,
            ..PolicyWriter::default()
        },
        section: actions::write(&table.actions, &table.headers, &table.template),
    }
}

struct Table<'a> {
    strings: &'a mut StringsWriter,
    known: HashMap<Terminal, u32>,
    actions: Vec<Action>,
    headers: Vec<(StringId, StringId)>,
    template: Vec<TemplatePart>,
}

impl Table<'_> {
    /// The index of an action; equal ones share it.
    fn add(&mut self, terminal: &Terminal) -> u32 {
        if let Some(&id) = self.known.get(terminal) {
            return id;
        }
        let action = match terminal {
            Terminal::Allow => self.reply(ActionKind::Allow, 0, &[], ""),
            Terminal::Deny(reply) => self.local_reply(ActionKind::Deny, reply),
            Terminal::Challenge(reply) => self.local_reply(ActionKind::Challenge, reply),
            Terminal::Redirect(parts) => {
                let template = self.add_template(parts);
                Action {
                    template,
                    ..self.reply(ActionKind::Redirect, 302, &[], "")
                }
            }
        };
        let id = index(self.actions.len());
        self.actions.push(action);
        self.known.insert(terminal.clone(), id);
        id
    }

    fn local_reply(&mut self, kind: ActionKind, reply: &ir::Reply) -> Action {
        self.reply(kind, reply.status, &reply.headers, &reply.body)
    }

    fn reply(
        &mut self,
        kind: ActionKind,
        status: u16,
        headers: &[(String, String)],
        body: &str,
    ) -> Action {
        let lowered: Vec<(StringId, StringId)> = headers
            .iter()
            .map(|(name, value)| {
                (
                    self.strings.intern(name.as_bytes()),
                    self.strings.intern(value.as_bytes()),
                )
            })
            .collect();
        Action {
            kind,
            status,
            body: self.strings.intern(body.as_bytes()),
            headers: append(&mut self.headers, &lowered),
            template: (0, 0),
        }
    }

    fn add_template(&mut self, parts: &[ir::TemplatePart]) -> (u32, u32) {
        let lowered: Vec<TemplatePart> = parts
            .iter()
            .map(|part| {
                let (kind, text) = match part {
                    ir::TemplatePart::Literal(text) => (TemplateKind::Literal, text.as_str()),
                    ir::TemplatePart::Path => (TemplateKind::Path, ""),
                    ir::TemplatePart::Host => (TemplateKind::Host, ""),
                    ir::TemplatePart::UrlPath => (TemplateKind::UrlPath, ""),
                    ir::TemplatePart::RuleId => (TemplateKind::RuleId, ""),
                };
                TemplatePart {
                    kind,
                    text: self.strings.intern(text.as_bytes()),
                }
            })
            .collect();
        append(&mut self.template, &lowered)
    }
}

/// Appends `items` and returns their slice; (0, 0) for none.
fn append<T: Clone>(all: &mut Vec<T>, items: &[T]) -> (u32, u32) {
    if items.is_empty() {
        return (0, 0);
    }
    let start = index(all.len());
    all.extend_from_slice(items);
    (start, index(items.len()))
}
