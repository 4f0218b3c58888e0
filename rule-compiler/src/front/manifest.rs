//! `ruleset.yaml`: everything about a ruleset but its rules and the values of its lists.

use core::ops::Range;

use super::{
    context::Context,
    fields::optional,
    limits::{MAX_BAND, MAX_BANDS},
    name,
    yaml::Node,
};
use crate::{
    diagnostic::{Code, Span},
    ir::{Band, OnExpired, Terminal},
};

const KEYS: [&str; 10] = [
    "language",
    "ruleset",
    "ttl",
    "on_expired",
    "default",
    "score_bands",
    "lists",
    "counters",
    "on_unreadable_body",
    "suppress",
];
const DEFAULT_TTL_S: u64 = 24 * 3600;

/// What `ruleset.yaml` says, but for its lists and counters.
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) ttl_s: u64,
    pub(crate) on_expired: OnExpired,
    pub(crate) default: Terminal,
    pub(crate) bands: Vec<Band>,
    /// The scores that they begin at, with their places.
    pub(crate) band_places: Vec<(i64, Span)>,
}

/// What names are given to, which is read even if the rest has errors.
#[derive(Default)]
pub(crate) struct Named<'n> {
    pub(crate) lists: Option<&'n Node>,
    pub(crate) counters: Option<&'n Node>,
}

/// The manifest, if it has no errors, and what it names.
pub(crate) fn read<'n>(cx: &mut Context<'_>, node: &'n Node) -> (Option<Manifest>, Named<'n>) {
    let Some(fields) = cx.fields(node, "`ruleset.yaml`", &KEYS) else {
        return (None, Named::default());
    };
    let suppressions = cx.suppressions(&fields);
    let language = fields
        .require("language", cx)
        .and_then(|node| cx.language(node));
    let name = fields
        .require("ruleset", cx)
        .and_then(|node| cx.name(node, &name::RULESET));
    let ttl_s = optional(fields.get("ttl"), DEFAULT_TTL_S, |node| cx.ttl(node));
    let on_expired = optional(fields.get("on_expired"), OnExpired::Keep, |node| {
        cx.on_expired(node)
    });
    let default = optional(fields.get("default"), Terminal::Allow, |node| {
        cx.terminal(node, "`default`")
    });
    let mut seen_bands = Vec::new();
    let bands = optional(fields.get("score_bands"), Vec::new(), |node| {
        cx.bands(node, &mut seen_bands)
    });
    if let Some(body) = fields.entry("on_unreadable_body") {
        cx.belongs_to_filter(&body.key_range);
    }
    let manifest = move || {
        language?;
        suppressions?;
        Some(Manifest {
            name: name?,
            ttl_s: ttl_s?,
            on_expired: on_expired?,
            default: default?,
            band_places: seen_bands,
            bands: bands?,
        })
    };
    let named = Named {
        lists: fields.get("lists"),
        counters: fields.get("counters"),
    };
    (manifest(), named)
}

impl Context<'_> {
    /// Bodies are read by the filter, whose operator knows how large they are.
    fn belongs_to_filter(&mut self, range: &Range<usize>) {
        let message = "`ruleset.yaml` has no key `on_unreadable_body`";
        let diagnostic = self.diagnostic(Code::UnknownKey, range, message);
        self.report(
            diagnostic.help("it is a key of the filter's configuration, beside `body_limit_bytes`"),
        );
    }

    fn language(&mut self, node: &Node) -> Option<()> {
        let version = &self.scalar(node, "`language`")?.text;
        if version == "1" {
            return Some(());
        }
        self.report(
            self.diagnostic(
                Code::UnknownLanguage,
                &node.range,
                "this compiler knows version 1 of the language",
            )
            .help("write `language: 1`"),
        );
        None
    }

    fn on_expired(&mut self, node: &Node) -> Option<OnExpired> {
        let words = [
            ("keep", OnExpired::Keep),
            ("allow", OnExpired::Allow),
            ("deny", OnExpired::Deny),
        ];
        self.choice(node, "`on_expired`", &words)
    }

    /// Highest first.
    fn bands(&mut self, node: &Node, seen: &mut Vec<(i64, Span)>) -> Option<Vec<Band>> {
        let items = self.sequence(node, "`score_bands`")?;
        self.within(
            items.len(),
            MAX_BANDS,
            "bands",
            &node.range,
            "`score_bands`",
            "delete bands that do the same as the one below them",
        )?;
        let bands: Vec<_> = items.iter().map(|item| self.band(item, seen)).collect();
        let mut bands: Vec<Band> = bands.into_iter().collect::<Option<_>>()?;
        bands.sort_by_key(|band| core::cmp::Reverse(band.at_least));
        Some(bands)
    }

    fn band(&mut self, node: &Node, seen: &mut Vec<(i64, Span)>) -> Option<Band> {
        let fields = self.fields(node, "a score band", &["at_least", "then"])?;
        let at_least = fields.require("at_least", self).and_then(|node| {
            let at_least = self.integer(node, "`at_least`", -MAX_BAND..=MAX_BAND)?;
            let span = self.span(&node.range);
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == at_least) {
                let message = format!("two score bands begin at {at_least}");
                let diagnostic = self.diagnostic(Code::DuplicateBand, &node.range, message);
                self.report(
                    diagnostic
                        .related(first.clone(), "first here")
                        .help("delete one of them"),
                );
                return None;
            }
            seen.push((at_least, span));
            Some(at_least)
        });
        let then = fields
            .require("then", self)
            .and_then(|node| self.terminal(node, "a band's `then`"));
        Some(Band {
            at_least: at_least?,
            then: then?,
        })
    }
}
