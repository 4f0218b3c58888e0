//! Section `rules`: what each rule is called, when it is active, and what a match does.
//!
//! Layout: count and rule records in source order, count and tags (name, value).

use alloc::vec::Vec;

use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, Record, record, records, slice, write_array,
};
use crate::program::Programs;
use crate::strings::{StringId, Strings};

/// Stands for the action of a rule that has none.
pub const NO_ACTION: u32 = u32::MAX;

/// A longer id is refused, in bytes.
pub const MAX_ID_LEN: usize = 64;

/// Whether a match counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// It does.
    Enforce = 0,
    /// It is reported only.
    Shadow = 1,
    /// It does for a share of all requests, which section `canaries` tells, and is reported only for the others.
    Canary = 2,
}

impl Stage {
    const ALL: [Stage; 3] = [Stage::Enforce, Stage::Shadow, Stage::Canary];
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: StringId,
    /// Where its condition starts in the programs.
    pub entry: u32,
    /// Place in the order of decision, from 0; of rules that share one, the first in source order stands first.
    pub rank: u32,
    /// Whether a match counts.
    pub stage: Stage,
    /// Added to the request's score; `None` is not 0: a rule that scores 0 makes the score a scored one.
    pub score: Option<i32>,
    /// Index of its terminal action, or [`NO_ACTION`].
    pub action: u32,
    /// Its slice of the tags.
    pub tags: (u32, u32),
    /// Active from here on, microseconds since the Unix epoch; `i64::MIN` for always.
    pub from_us: i64,
    /// No longer active from here on; `i64::MAX` for never.
    pub until_us: i64,
}

impl Rule {
    fn is_active((from_us, until_us): (i64, i64), time_us: i64) -> bool {
        from_us <= time_us && (time_us < until_us || until_us == i64::MAX)
    }
}

impl Record for Rule {
    const LEN: usize = 48;

    fn write(&self, out: &mut Vec<u8>) {
        self.id.write(out);
        self.entry.write(out);
        self.rank.write(out);
        let stage = self.stage as u8;
        out.extend_from_slice(&[stage, u8::from(self.score.is_some()), 0, 0]);
        out.extend_from_slice(&self.score.unwrap_or_default().to_le_bytes());
        self.action.write(out);
        self.tags.write(out);
        out.extend_from_slice(&self.from_us.to_le_bytes());
        out.extend_from_slice(&self.until_us.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [stage, scores, 0, 0] = *bytes.get(12..)?.first_chunk::<4>()? else {
            return None;
        };
        let score = i32::from_le_bytes(*bytes.get(16..)?.first_chunk()?);
        Some(Rule {
            id: u32::read(bytes)?,
            entry: u32::read(bytes.get(4..)?)?,
            rank: u32::read(bytes.get(8..)?)?,
            stage: *Stage::ALL.get(usize::from(stage))?,
            score: match (scores, score) {
                (0, 0) => None,
                (1, score) => Some(score),
                _ => return None,
            },
            action: u32::read(bytes.get(20..)?)?,
            tags: <(u32, u32)>::read(bytes.get(24..)?)?,
            from_us: i64::from_le_bytes(*bytes.get(32..)?.first_chunk()?),
            until_us: i64::from_le_bytes(*bytes.get(40..)?.first_chunk()?),
        })
    }
}

/// The section.
#[must_use]
pub fn write(rules: &[Rule], tags: &[(StringId, StringId)]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(rules, &mut out);
    write_array(tags, &mut out);
    out
}

/// The number of rules, which other sections are checked against before the rules themselves can be.
pub(crate) fn count(bytes: &[u8]) -> Result<u32, BundleError> {
    let mut cursor = Cursor::new(bytes, "rules");
    Ok(ArrayRange::read::<Rule>(bytes, &mut cursor)?.len())
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    bytes: Bytes,
    rules: ArrayRange,
    tags: ArrayRange,
}

impl Rules {
    pub(crate) fn read(
        bytes: &Bytes,
        strings: &Strings,
        programs: &Programs,
        action_count: u32,
    ) -> Result<Rules, BundleError> {
        let what = "rules";
        let mut cursor = Cursor::new(bytes, what);
        let rules = ArrayRange::read::<Rule>(bytes, &mut cursor)?;
        let tags = ArrayRange::read::<(StringId, StringId)>(bytes, &mut cursor)?;
        cursor.finish()?;
        let section = Rules {
            bytes: bytes.clone(),
            rules,
            tags,
        };
        let mut tags_of_rules = Partition::default();
        for index in 0..section.count() {
            let rule = section.get(index).ok_or(BundleError::BadValue { what })?;
            strings.check(rule.id, what)?;
            strings.check_len(rule.id, MAX_ID_LEN, "id of a rule")?;
            strings.check_text(rule.id, what)?;
            programs.check_entry(rule.entry)?;
            tags_of_rules.next(rule.tags, section.tags.len(), what)?;
            let has_action = rule.action == NO_ACTION || rule.action < action_count;
            if !has_action || rule.rank >= section.count() {
                return Err(BundleError::IndexOutOfRange { what });
            }
        }
        tags_of_rules.finish(section.tags.len(), what)?;
        strings.check_headers(records(section.tags.view(bytes)), what)?;
        Ok(section)
    }

    /// Where the conditions start, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = u32> {
        let rules = (0..self.count()).filter_map(|index| self.get(index));
        rules.map(|rule| rule.entry)
    }

    pub(crate) fn count(&self) -> u32 {
        self.rules.len()
    }

    pub(crate) fn get(&self, index: u32) -> Option<Rule> {
        record(self.rules.view(&self.bytes), index)
    }

    /// Where the condition of a rule starts, if the rule is active. It reads no more of the rule: most that are looked at
    /// do not match.
    pub(crate) fn entry_at(&self, index: u32, time_us: i64) -> Option<u32> {
        let own = slice::<Rule>(self.rules.view(&self.bytes), index, 1);
        let from_us = i64::from_le_bytes(*own.get(32..)?.first_chunk()?);
        let until_us = i64::from_le_bytes(*own.get(40..)?.first_chunk()?);
        Rule::is_active((from_us, until_us), time_us).then_some(u32::read(own.get(4..)?)?)
    }

    pub(crate) fn tags(&self, rule: &Rule) -> impl Iterator<Item = (StringId, StringId)> + use<'_> {
        records(slice::<(StringId, StringId)>(
            self.tags.view(&self.bytes),
            rule.tags.0,
            rule.tags.1,
        ))
    }
}
