//! Section `actions`: what deciding rules, bands and the default do.
//!
//! Layout: count and action records, count and headers (name, value), count and template parts (kind, string).

use alloc::vec::Vec;

use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Record, check_slice, record, records, slice, write_array,
};
use crate::strings::{StringId, Strings};

/// A reply with more headers is refused.
pub const MAX_HEADERS: usize = 64;
/// A longer body of a reply is refused, in bytes.
pub const MAX_BODY_LEN: usize = 64 << 10;
/// A redirect template of more parts is refused: each may stand for the whole path.
pub const MAX_TEMPLATE_PARTS: usize = 512;

/// Headers that frame a message or belong to one connection: they are the proxy's, no reply sets them.
pub const FRAMING_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ActionKind {
    /// The request goes on.
    Allow = 0,
    /// It is refused with a local reply.
    Deny = 1,
    /// It is challenged with a local reply.
    Challenge = 2,
    /// It is challenged with a redirect to the template.
    Redirect = 3,
}

/// A terminal action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// What it does.
    pub kind: ActionKind,
    /// HTTP status of the local reply; 0 for allow.
    pub status: u16,
    /// Body of the local reply.
    pub body: StringId,
    /// Slice of the headers.
    pub headers: (u32, u32),
    /// Slice of the template parts.
    pub template: (u32, u32),
}

/// What a template part stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "docs/rule-language.md describes each")]
pub enum TemplateKind {
    Literal = 0,
    Path = 1,
    Host = 2,
    UrlPath = 3,
    RuleId = 4,
}

/// A piece of a redirect template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplatePart {
    /// What it stands for.
    pub kind: TemplateKind,
    /// The text of a literal; the empty string's index for the others.
    pub text: StringId,
}

impl Record for Action {
    const LEN: usize = 24;

    fn write(&self, out: &mut Vec<u8>) {
        let [low, high] = self.status.to_le_bytes();
        out.extend_from_slice(&[self.kind as u8, 0, low, high]);
        self.body.write(out);
        self.headers.write(out);
        self.template.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [kind, 0, low, high] = *bytes.first_chunk::<4>()? else {
            return None;
        };
        Some(Action {
            kind: match kind {
                0 => ActionKind::Allow,
                1 => ActionKind::Deny,
                2 => ActionKind::Challenge,
                3 => ActionKind::Redirect,
                _ => return None,
            },
            status: u16::from_le_bytes([low, high]),
            body: u32::read(bytes.get(4..)?)?,
            headers: <(u32, u32)>::read(bytes.get(8..)?)?,
            template: <(u32, u32)>::read(bytes.get(16..)?)?,
        })
    }
}

impl Record for TemplatePart {
    const LEN: usize = 8;

    fn write(&self, out: &mut Vec<u8>) {
        (self.kind as u32).write(out);
        self.text.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let kind = match u32::read(bytes)? {
            0 => TemplateKind::Literal,
            1 => TemplateKind::Path,
            2 => TemplateKind::Host,
            3 => TemplateKind::UrlPath,
            4 => TemplateKind::RuleId,
            _ => return None,
        };
        Some(TemplatePart {
            kind,
            text: u32::read(bytes.get(4..)?)?,
        })
    }
}

/// The section.
#[must_use]
pub fn write(
    actions: &[Action],
    headers: &[(StringId, StringId)],
    template: &[TemplatePart],
) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(actions, &mut out);
    write_array(headers, &mut out);
    write_array(template, &mut out);
    out
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Actions {
    bytes: Bytes,
    actions: ArrayRange,
    headers: ArrayRange,
    template: ArrayRange,
}

impl Actions {
    pub(crate) fn read(bytes: &Bytes, strings: &Strings) -> Result<Actions, BundleError> {
        let what = "actions";
        let mut cursor = Cursor::new(bytes, what);
        let section = Actions {
            bytes: bytes.clone(),
            actions: ArrayRange::read::<Action>(bytes, &mut cursor)?,
            headers: ArrayRange::read::<(StringId, StringId)>(bytes, &mut cursor)?,
            template: ArrayRange::read::<TemplatePart>(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        for index in 0..section.count() {
            let action = section.get(index).ok_or(BundleError::BadValue { what })?;
            section.check(&action, strings)?;
        }
        let headers = || records::<(StringId, StringId)>(section.headers.view(bytes));
        strings.check_headers(headers(), what)?;
        let frames = |name: &[u8]| FRAMING_HEADERS.iter().any(|other| other.as_bytes() == name);
        if headers().any(|(name, _)| frames(strings.get(name))) {
            return Err(BundleError::BadValue { what });
        }
        let template = section.template.view(bytes);
        let mut texts = Vec::new();
        for index in 0..section.template.len() {
            let part =
                record::<TemplatePart>(template, index).ok_or(BundleError::BadValue { what })?;
            texts.push(part.text);
        }
        strings.check_header_values(texts, what)?;
        Ok(section)
    }

    fn check(&self, action: &Action, strings: &Strings) -> Result<(), BundleError> {
        let what = "actions";
        strings.check(action.body, what)?;
        strings.check_len(action.body, MAX_BODY_LEN, "body of a reply")?;
        if action.headers.1 as usize > MAX_HEADERS {
            return Err(BundleError::OverLimit {
                what: "list of a reply's headers",
            });
        }
        if action.template.1 as usize > MAX_TEMPLATE_PARTS {
            return Err(BundleError::OverLimit {
                what: "template of a redirect",
            });
        }
        check_slice(action.headers.0, action.headers.1, self.headers.len(), what)?;
        check_slice(
            action.template.0,
            action.template.1,
            self.template.len(),
            what,
        )?;
        let status_fits = match action.kind {
            ActionKind::Allow => action.status == 0,
            ActionKind::Redirect => action.status == 302 && action.headers.1 == 0,
            ActionKind::Deny | ActionKind::Challenge => (200..600).contains(&action.status),
        };
        if status_fits {
            Ok(())
        } else {
            Err(BundleError::BadValue { what })
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.actions.len()
    }

    pub(crate) fn get(&self, index: u32) -> Option<Action> {
        record(self.actions.view(&self.bytes), index)
    }

    pub(crate) fn headers(
        &self,
        action: &Action,
    ) -> impl Iterator<Item = (StringId, StringId)> + use<'_> {
        let (start, length) = action.headers;
        records(slice::<(StringId, StringId)>(
            self.headers.view(&self.bytes),
            start,
            length,
        ))
    }

    pub(crate) fn template(&self, action: &Action) -> impl Iterator<Item = TemplatePart> + use<'_> {
        let (start, length) = action.template;
        records(slice::<TemplatePart>(
            self.template.view(&self.bytes),
            start,
            length,
        ))
    }

    pub(crate) fn all_template_parts(&self) -> impl Iterator<Item = TemplatePart> {
        records(self.template.view(&self.bytes))
    }
}
