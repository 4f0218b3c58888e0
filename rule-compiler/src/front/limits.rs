//! Every limit of the language in one place. Passing one is an error, never a truncation.
//!
//! What the engine limits too is limited here by the engine's number, or by a lower one.

use riskgate_engine::{actions, canaries, strings};

pub(crate) use riskgate_engine::{
    actions::MAX_BODY_LEN,
    attributes::{MAX_KEY_LEN, MAX_TRANSFORMS},
    counters::{
        MAX_COUNTERS, MAX_MEMORY as MAX_COUNTER_MEMORY, MAX_NAME_LEN as MAX_COUNTER_NAME_LEN,
        MAX_PARTS as MAX_COUNTER_PARTS, MAX_REQUEST_ATOMS, MAX_WINDOW_MS, MIN_WINDOW_MS,
    },
    rules::MAX_ID_LEN,
    strings::{MAX_HEADER_LEN as MAX_HEADER_VALUE_LEN, MAX_HEADER_NAME_LEN},
};

/// A YAML file or a list file, in bytes.
pub(crate) const MAX_FILE_LEN: usize = 64 << 20;
/// Rule files of one ruleset.
pub(crate) const MAX_RULE_FILES: usize = 10_000;
/// Rules of one ruleset.
pub(crate) const MAX_RULES: usize = 1_000_000;
/// Lists of one ruleset.
pub(crate) const MAX_LISTS: usize = 4_000;
/// Values of one list.
pub(crate) const MAX_LIST_VALUES: usize = 2_000_000;
/// One value of a list, in bytes.
pub(crate) const MAX_LIST_VALUE_LEN: usize = 4096;
/// Score bands of one ruleset.
pub(crate) const MAX_BANDS: usize = 100;
/// Nesting of `all`, `any` and `not` in one `when`.
pub(crate) const MAX_WHEN_DEPTH: usize = 32;
/// Nesting of YAML collections of one style.
pub(crate) const MAX_YAML_DEPTH: usize = 128;
/// One expression, in bytes.
pub(crate) const MAX_EXPRESSION_LEN: usize = 64 << 10;
/// Nesting inside of one expression.
pub(crate) const MAX_EXPRESSION_DEPTH: usize = 64;
/// Elements of an `in [..]` list.
pub(crate) const MAX_INLINE_ELEMENTS: usize = 1000;
/// A regex, in bytes.
pub(crate) const MAX_PATTERN_LEN: usize = 4096;
/// A description, in bytes.
pub(crate) const MAX_DESCRIPTION_LEN: usize = 4096;
/// An owner or a ticket, in bytes.
pub(crate) const MAX_NOTE_LEN: usize = 256;
/// Warnings that one rule suppresses.
pub(crate) const MAX_SUPPRESSIONS: usize = 32;
/// `tags` of one rule.
pub(crate) const MAX_LABELS: usize = 32;
/// Tags that one rule puts on a request.
pub(crate) const MAX_TAGS: usize = 32;
/// The value of a tag, in bytes.
pub(crate) const MAX_TAG_VALUE_LEN: usize = 256;
/// Attributes that one canary is drawn by.
pub(crate) const MAX_CANARY_KEYS: usize = 8;
/// Headers of one reply.
pub(crate) const MAX_HEADERS: usize = 32;
/// A redirect template, in bytes.
pub(crate) const MAX_TEMPLATE_LEN: usize = 2048;
/// A score or a priority, either way from zero.
pub(crate) const MAX_SCORE: i64 = 1_000_000;
/// The score that a band begins at, either way from zero: every rule together cannot pass it.
pub(crate) const MAX_BAND: i64 = 1_000_000_000_000;
/// The shortest validity of a bundle, in seconds.
pub(crate) const MIN_TTL_S: u64 = 60;
/// The longest validity of a bundle, in seconds.
pub(crate) const MAX_TTL_S: u64 = 366 * 24 * 3600;
/// Test files of one ruleset.
pub(crate) const MAX_TEST_FILES: usize = 10_000;
/// How often a step of a test is repeated.
pub(crate) const MAX_REPEAT: i64 = 100_000;
/// Bad values shown of one list: more do not help.
pub(crate) const MAX_REPORTED_VALUES: usize = 20;

const _: () = assert!(
    MAX_HEADERS <= actions::MAX_HEADERS
        && MAX_TAGS <= actions::MAX_HEADERS
        && MAX_TAG_VALUE_LEN <= strings::MAX_HEADER_LEN
        && MAX_CANARY_KEYS <= canaries::MAX_KEYS as usize
);
