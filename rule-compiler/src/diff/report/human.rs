//! The report as a person reads it.

use std::fmt::Write as _;

use super::{Effect, FieldChange, Identity, ListChange, ON_EXPIRED, Report, RuleReport};
use super::{Value, WitnessReport};
use crate::diff::structure::Kind;
use crate::verdict_json::VerdictJson;
use crate::words::printable;

// Writing to a string cannot fail.
impl Report {
    /// For a person.
    #[must_use]
    pub fn human(&self) -> String {
        let mut text = format!("{} -> {}\n", self.old.human(), self.new.human());
        for rule in &self.rules {
            rule.tell(&mut text);
        }
        for list in &self.lists {
            list.tell(&mut text);
        }
        for counter in &self.counters {
            let _ = writeln!(
                text,
                "\n{} counter {}",
                sign(counter.change),
                printable(&counter.name)
            );
        }
        if let Some(policy) = &self.policy {
            text.push_str("\n~ policy\n");
            tell_fields(&policy.fields, &mut text);
            if policy.fields.iter().any(|own| own.field == ON_EXPIRED) {
                text.push_str("    once the bundle has expired, requests get another answer\n");
            }
            tell_effect(policy.effect, policy.witness.as_ref(), &mut text);
        }
        self.sum_up(&mut text);
        text
    }

    fn sum_up(&self, text: &mut String) {
        let of = |kind: Kind| self.rules.iter().filter(|rule| rule.change == kind).count();
        let (added, removed, changed) = (of(Kind::Added), of(Kind::Removed), of(Kind::Changed));
        if self.rules.is_empty()
            && self.lists.is_empty()
            && self.policy.is_none()
            && self.counters.is_empty()
        {
            text.push_str("\nno change\n");
            return;
        }
        let _ = writeln!(
            text,
            "\nrules: {added} added, {removed} removed, {changed} changed; {} with another answer, {} unknown",
            self.flips, self.unknown
        );
    }
}

impl Identity {
    fn human(&self) -> String {
        match self.revision {
            Some(revision) => format!("{} revision {revision}", printable(&self.ruleset)),
            None => format!("{} (folder)", printable(&self.ruleset)),
        }
    }
}

impl RuleReport {
    fn tell(&self, text: &mut String) {
        let _ = write!(text, "\n{} rule {}", sign(self.change), printable(&self.id));
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            let _ = write!(text, "  {}:{line}", printable(file));
        }
        text.push('\n');
        tell_fields(&self.fields, text);
        tell_effect(self.effect, self.witness.as_ref(), text);
        if self.effect == Effect::Differs && self.may_flip {
            text.push_str("    unknown whether another request gets another answer\n");
        }
    }
}

impl ListChange {
    fn tell(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n{} list {}",
            sign(self.change),
            printable(&self.name)
        );
        if let (Some(added), Some(removed)) = (self.added, self.removed) {
            let _ = write!(text, "  {added} added, {removed} removed");
        }
        text.push('\n');
    }
}

fn sign(change: Kind) -> char {
    match change {
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Changed => '~',
    }
}

fn tell_fields(fields: &[FieldChange], text: &mut String) {
    for FieldChange { field, old, new } in fields {
        let [old, new] = [old, new].map(|told| told.as_deref().map(printable));
        match (old, new) {
            (Some(old), Some(new)) => {
                let _ = writeln!(text, "    {field}");
                let _ = writeln!(text, "      - {old}");
                let _ = writeln!(text, "      + {new}");
            }
            (Some(only), None) | (None, Some(only)) => {
                let _ = writeln!(text, "    {field}: {only}");
            }
            (None, None) => {}
        }
    }
}

fn tell_effect(effect: Effect, witness: Option<&WitnessReport>, text: &mut String) {
    let _ = match effect {
        Effect::Flips => Ok(()),
        Effect::Differs => writeln!(text, "    the same answer, another verdict"),
        Effect::None => writeln!(text, "    no request is decided otherwise"),
        Effect::Unknown => writeln!(text, "    unknown whether a request is decided otherwise"),
    };
    let Some(witness) = witness else {
        return;
    };
    let WitnessReport {
        request,
        repeat,
        old,
        new,
    } = witness;
    if effect == Effect::Flips {
        let _ = writeln!(text, "    {} -> {}", answer(old), answer(new));
    } else {
        tell_other_parts(old, new, text);
    }
    if *repeat > 1 {
        let _ = writeln!(text, "    sent {repeat} times:");
    }
    let _ = writeln!(text, "    {}", request_line(request));
}

/// JSON on one line that writes nothing to a terminal but what can be seen.
fn request_line(request: &Value) -> String {
    let mut line = String::new();
    for character in request.to_string().chars() {
        if character.escape_debug().len() > 2 {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(character);
        }
    }
    line
}

/// The parts of verdicts that are not the same, beside the answer.
fn tell_other_parts(old: &VerdictJson, new: &VerdictJson, text: &mut String) {
    let list = |ids: &[String]| format!("[{}]", ids.join(", "));
    let tags = |verdict: &VerdictJson| {
        let tags = verdict.tags.iter();
        list(
            &tags
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>(),
        )
    };
    let parts = |verdict: &VerdictJson| {
        [
            ("decided by", answer(verdict)),
            ("score", verdict.score.to_string()),
            ("tags", tags(verdict)),
            ("matched", list(&verdict.matched)),
            ("shadowed", list(&verdict.shadowed)),
            ("would", verdict.would.clone()),
        ]
    };
    for ((part, old), (_, new)) in parts(old).into_iter().zip(parts(new)) {
        if old != new {
            let (old, new) = (printable(&old), printable(&new));
            let _ = writeln!(text, "    {part}: {old} -> {new}");
        }
    }
}

/// Such as `deny 403 (block-scanners)`.
fn answer(verdict: &VerdictJson) -> String {
    let mut text = verdict.action.clone();
    if let Some(status) = verdict.status {
        let _ = write!(text, " {status}");
    }
    let _ = match (&verdict.rule, verdict.band) {
        (Some(rule), _) => write!(text, " ({})", printable(rule)),
        (None, Some(at_least)) => write!(text, " (score {at_least} or more)"),
        (None, None) => write!(text, " (default)"),
    };
    text
}
