//! The report as a person reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{AnswerReport, Identity, Report, RuleReport, percent};

/// Of more rules those that matched most are shown.
const RULES_SHOWN: usize = 40;
/// Of more changes the most frequent are shown.
const CHANGES_SHOWN: usize = 20;

// Writing to a string cannot fail.
impl Report {
    /// For a person.
    #[must_use]
    pub fn human(&self) -> String {
        let mut text = String::new();
        let requests = count(self.requests, "request");
        let _ = writeln!(text, "{}: {requests}", self.bundle.human());
        self.tell_lines(&mut text);
        self.tell_actions(&mut text);
        self.tell_rules(&mut text);
        self.tell_scores(&mut text);
        self.tell_changes(&mut text);
        text
    }

    fn tell_lines(&self, text: &mut String) {
        if self.bad_lines > 0 {
            let _ = writeln!(text, "{} skipped", count(self.bad_lines, "bad line"));
        }
        if self.lines_without_request > 0 {
            let lines = count(self.lines_without_request, "line");
            let _ = writeln!(text, "{lines} without a path: requests that no filter saw");
        }
    }

    fn tell_actions(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\n{:<10}{:>12}{:>10}{:>12}",
            "action", "requests", "share", "would"
        );
        let of = |counts: &BTreeMap<&str, u64>, action: &str| {
            counts.get(action).copied().unwrap_or_default()
        };
        for action in ["allow", "deny", "challenge"] {
            let own = of(&self.actions, action);
            let would = of(&self.would, action);
            let share = percent(own, self.requests);
            let _ = writeln!(text, "{action:<10}{own:>12}{share:>8.2} %{would:>12}");
        }
    }

    fn tell_rules(&self, text: &mut String) {
        let mut rules: Vec<&RuleReport> = self.rules.iter().collect();
        rules.retain(|rule| rule.hits() > 0);
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.hits()));
        let never = self.rules.len() - rules.len();
        let more = rules.len().saturating_sub(RULES_SHOWN);
        rules.truncate(RULES_SHOWN);
        let longest = rules.iter().map(|rule| rule.id.len()).max();
        let width = longest.unwrap_or_default().max("decided by nothing".len());
        let _ = writeln!(
            text,
            "\n{:<width$}{:>12}{:>12}{:>12}",
            "rule", "decided", "matched", "shadowed"
        );
        for rule in rules {
            rule.tell(width, text);
        }
        if more > 0 {
            let _ = writeln!(text, "{more} more that matched; --format json has all");
        }
        for band in &self.bands {
            let name = format!("score {} or more", band.at_least);
            let _ = writeln!(text, "{name:<width$}{:>12}", band.decided);
        }
        let _ = writeln!(text, "{:<width$}{:>12}", "decided by nothing", self.default);
        if never > 0 {
            let rules = count(self.rules.len() as u64, "rule");
            let _ = writeln!(text, "{never} of {rules} never matched");
        }
    }

    fn tell_scores(&self, text: &mut String) {
        if self.scores.is_empty() {
            return;
        }
        let _ = writeln!(text, "\n{:<18}{:>12}", "score", "requests");
        for score in &self.scores {
            let range = match (score.from, score.to) {
                (Some(from), Some(to)) => format!("{from} to {to}"),
                (Some(from), None) => format!("{from} or more"),
                (None, to) => format!("up to {}", to.unwrap_or_default()),
            };
            let _ = writeln!(text, "{range:<18}{:>12}", score.count);
        }
    }

    fn tell_changes(&self, text: &mut String) {
        let (Some(baseline), Some(changed)) = (&self.baseline, self.changed) else {
            return;
        };
        let share = self.change_percent.unwrap_or_default();
        let _ = writeln!(
            text,
            "\nagainst {}: {} changed, {share:.2} %",
            baseline.human(),
            count(changed, "request")
        );
        for change in self.changes.iter().take(CHANGES_SHOWN) {
            let (from, to) = (change.from.human(), change.to.human());
            let _ = writeln!(text, "\n{:>8}  {from} -> {to}", change.count);
            for example in &change.examples {
                let _ = writeln!(text, "{:>10}line {}: {}", "", example.line, example.request);
            }
        }
        let more = self.changes.len().saturating_sub(CHANGES_SHOWN);
        if more > 0 {
            let _ = writeln!(
                text,
                "\n{more} more kinds of changes; --format json has all"
            );
        }
    }
}

impl Identity {
    fn human(&self) -> String {
        format!("{} revision {}", self.ruleset, self.revision)
    }
}

impl RuleReport {
    fn hits(&self) -> u64 {
        self.matched + self.shadowed
    }

    fn tell(&self, width: usize, text: &mut String) {
        let RuleReport {
            id,
            decided,
            matched,
            shadowed,
            baseline,
        } = self;
        let _ = write!(text, "{id:<width$}{decided:>12}{matched:>12}{shadowed:>12}");
        if let Some(old) = baseline {
            let hits = old.matched + old.shadowed;
            if hits != self.hits() {
                let _ = write!(text, "  (baseline: {})", count(hits, "match"));
            }
        }
        text.push('\n');
    }
}

impl AnswerReport {
    /// Such as `deny 403 (block-scanners)`.
    fn human(&self) -> String {
        let mut text = self.action.to_owned();
        if let Some(status) = self.status {
            let _ = write!(text, " {status}");
        }
        let _ = match (&self.rule, self.band) {
            (Some(rule), _) => write!(text, " ({rule})"),
            (None, Some(at_least)) => write!(text, " (score {at_least} or more)"),
            (None, None) => write!(text, " (default)"),
        };
        text
    }
}

fn count(count: u64, what: &str) -> String {
    let plural = match what.strip_suffix("ch") {
        Some(_) => "es",
        None => "s",
    };
    format!("{count} {what}{}", if count == 1 { "" } else { plural })
}
