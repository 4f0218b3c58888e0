//! Section `attributes`: the request's facts that atoms test, each with its chain of transforms.
//!
//! Layout: count, then records of base (u8), three zero bytes, key (string, or NONE), transforms (a string whose
//! bytes are transform codes).

use alloc::vec::Vec;

use crate::body::{MAX_JSON_POINTERS, is_json_pointer};
use crate::bundle::BundleError;
use crate::codec::{ArrayRange, Bytes, Cursor, Record, record, records, write_array};
use crate::strings::{StringId, Strings};
use crate::transform::Transform;

/// Index of an attribute.
pub type AttributeId = u32;

/// Stands for the key of an attribute that has none.
pub const NO_KEY: StringId = u32::MAX;

/// A longer name of a header, parameter, cookie, claim, field of a body or custom attribute is refused, in bytes.
pub const MAX_KEY_LEN: usize = 256;

/// More transforms in a chain are refused.
pub const MAX_TRANSFORMS: usize = 16;

/// More attributes are refused: a filter keeps some hundred bytes for each.
pub const MAX_ATTRIBUTES: usize = 65_536;

/// How many attributes may share a base and a key, each with another chain: a value of a request is copied once for each.
pub const MAX_CHAINS: usize = 64;

/// Where an attribute's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "docs/rule-language.md describes each")]
pub enum Base {
    Method = 0,
    Scheme = 1,
    Host = 2,
    Hostname = 3,
    Protocol = 4,
    Id = 5,
    Path = 6,
    UrlPath = 7,
    Query = 8,
    Param = 9,
    Header = 10,
    Cookie = 11,
    Time = 12,
    SourceIp = 13,
    ClientIp = 14,
    Mtls = 15,
    PeerUriSan = 16,
    PeerSubject = 17,
    ServerName = 18,
    TlsVersion = 19,
    Claim = 20,
    ResponseCode = 21,
    ResponseHeader = 22,
    BodyJson = 23,
    BodyForm = 24,
    Custom = 25,
}

/// What kind of values a base has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Bytes,
    Ip,
    Time,
    Bool,
    /// An int that needs no parsing.
    Int,
}

impl Base {
    const ALL: [Base; 26] = [
        Base::Method,
        Base::Scheme,
        Base::Host,
        Base::Hostname,
        Base::Protocol,
        Base::Id,
        Base::Path,
        Base::UrlPath,
        Base::Query,
        Base::Param,
        Base::Header,
        Base::Cookie,
        Base::Time,
        Base::SourceIp,
        Base::ClientIp,
        Base::Mtls,
        Base::PeerUriSan,
        Base::PeerSubject,
        Base::ServerName,
        Base::TlsVersion,
        Base::Claim,
        Base::ResponseCode,
        Base::ResponseHeader,
        Base::BodyJson,
        Base::BodyForm,
        Base::Custom,
    ];

    fn from_code(code: u8) -> Option<Base> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Whether it has values by names, each of which is an attribute.
    #[must_use]
    pub fn has_key(self) -> bool {
        matches!(
            self,
            Base::Param
                | Base::Header
                | Base::Cookie
                | Base::Claim
                | Base::ResponseHeader
                | Base::BodyJson
                | Base::BodyForm
                | Base::Custom
        )
    }

    /// Whether its values are there only once the request was answered.
    pub(crate) fn is_of_response(self) -> bool {
        matches!(self, Base::ResponseCode | Base::ResponseHeader)
    }

    pub(crate) fn kind(self) -> ValueKind {
        match self {
            Base::Time => ValueKind::Time,
            Base::SourceIp | Base::ClientIp => ValueKind::Ip,
            Base::Mtls => ValueKind::Bool,
            Base::ResponseCode => ValueKind::Int,
            _ => ValueKind::Bytes,
        }
    }

    pub(crate) fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// An attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attribute {
    /// Where its values come from.
    pub base: Base,
    /// The name of a header, parameter, cookie, claim, field of a form, header of the response or custom attribute, or a
    /// JSON pointer; [`NO_KEY`] for the others.
    pub key: StringId,
    /// A string of transform codes, in order.
    pub transforms: StringId,
}

impl Record for Attribute {
    const LEN: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.base as u8, 0, 0, 0]);
        self.key.write(out);
        self.transforms.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [base, 0, 0, 0] = bytes.first_chunk::<4>()? else {
            return None;
        };
        Some(Attribute {
            base: Base::from_code(*base)?,
            key: u32::read(bytes.get(4..)?)?,
            transforms: u32::read(bytes.get(8..)?)?,
        })
    }
}

/// The section.
#[must_use]
pub fn write(attributes: &[Attribute]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(attributes, &mut out);
    out
}

/// The section, checked: known bases and transforms, keys where they belong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    bytes: Bytes,
    array: ArrayRange,
}

impl Attributes {
    pub(crate) fn read(bytes: &Bytes, strings: &Strings) -> Result<Attributes, BundleError> {
        let what = "attributes";
        let mut cursor = Cursor::new(bytes, what);
        let array = ArrayRange::read::<Attribute>(bytes, &mut cursor)?;
        cursor.finish()?;
        if array.len() as usize > MAX_ATTRIBUTES {
            return Err(BundleError::OverLimit { what });
        }
        let attributes = Attributes {
            bytes: bytes.clone(),
            array,
        };
        for id in 0..attributes.count() {
            let attribute = attributes.get(id).ok_or(BundleError::BadValue { what })?;
            attribute.check(strings)?;
        }
        attributes.check_chains(strings)?;
        attributes.check_pointers()?;
        Ok(attributes)
    }

    /// Without this a bundle of pointers could make a filter keep many times its size.
    fn check_pointers(&self) -> Result<(), BundleError> {
        let json = self
            .iter()
            .filter(|attribute| attribute.base == Base::BodyJson);
        let mut keys: Vec<StringId> = json.map(|attribute| attribute.key).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() > MAX_JSON_POINTERS {
            return Err(BundleError::OverLimit {
                what: "JSON pointers",
            });
        }
        Ok(())
    }

    /// Without this a bundle could make a decision need more memory than there is.
    fn check_chains(&self, strings: &Strings) -> Result<(), BundleError> {
        let what = "chains of transforms on one attribute";
        let mut sources: Vec<(Base, &[u8])> = self
            .iter()
            .map(|attribute| (attribute.base, strings.get(attribute.key)))
            .collect();
        sources.sort_unstable();
        let mut runs = sources.chunk_by(|a, b| a == b);
        if runs.any(|run| run.len() > MAX_CHAINS) {
            return Err(BundleError::OverLimit { what });
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> u32 {
        self.array.len()
    }

    pub(crate) fn get(&self, id: AttributeId) -> Option<Attribute> {
        record(self.array.view(&self.bytes), id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Attribute> {
        records(self.array.view(&self.bytes))
    }
}

impl Attribute {
    fn check(&self, strings: &Strings) -> Result<(), BundleError> {
        let what = "attributes";
        strings.check(self.transforms, what)?;
        strings.check_len(self.transforms, MAX_TRANSFORMS, what)?;
        let transforms = strings.get(self.transforms);
        let known = transforms
            .iter()
            .all(|&code| Transform::from_code(code).is_some());
        let fitting = transforms.is_empty() || self.base.kind() == ValueKind::Bytes;
        if !known || !fitting {
            return Err(BundleError::BadValue { what });
        }
        if !self.base.has_key() {
            return if self.key == NO_KEY {
                Ok(())
            } else {
                Err(BundleError::BadValue { what })
            };
        }
        strings.check(self.key, what)?;
        strings.check_len(self.key, MAX_KEY_LEN, what)?;
        match self.base {
            Base::Claim | Base::Custom => strings.check_text(self.key, what),
            Base::BodyJson if !is_json_pointer(strings.get(self.key)) => {
                Err(BundleError::BadValue { what })
            }
            _ => Ok(()),
        }
    }
}
