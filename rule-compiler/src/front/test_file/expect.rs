//! `expect`: what a verdict must be. What no verdict of the ruleset can be is an error, not a test that always fails.

use serde_json::{Map, Value, json};

use super::super::{
    context::Context,
    fields::Fields,
    limits::{MAX_BAND, MAX_TAG_VALUE_LEN},
    name,
    text::{closest, quoted},
    yaml::{Entry, Node},
};
use crate::{
    diagnostic::Code,
    ir::{Rule, Ruleset, Stage},
    testing::{Check, Expectation, Key},
};

const ACTIONS: [(&str, &str); 3] = [
    ("allow", "allow"),
    ("deny", "deny"),
    ("challenge", "challenge"),
];

impl Context<'_> {
    pub(super) fn expectation(&mut self, node: &Node, ruleset: &Ruleset) -> Option<Expectation> {
        let fields = self.fields(node, "`expect`", &Key::ALL.map(Key::name))?;
        let checks: Vec<Option<Check>> = Key::ALL
            .into_iter()
            .filter_map(|key| Some((key, fields.get(key.name())?)))
            .map(|(key, node)| {
                let expected = self.expected(key, node, ruleset)?;
                let place = self.line_of(node);
                Some(Check {
                    key,
                    expected,
                    place,
                })
            })
            .collect();
        let checks = checks.into_iter().collect::<Option<Vec<Check>>>()?;
        if Key::ALL
            .into_iter()
            .any(|key| fields.is_misspelt(key.name()))
        {
            return None;
        }
        self.agree(&fields)?;
        Some(Expectation {
            place: self.line_of(node),
            checks,
        })
    }

    fn expected(&mut self, key: Key, node: &Node, ruleset: &Ruleset) -> Option<Value> {
        match key {
            Key::Action => self.choice(node, "`action`", &ACTIONS).map(Value::from),
            Key::Would => self.choice(node, "`would`", &ACTIONS).map(Value::from),
            Key::Status | Key::Rule | Key::Band if node.is_null() => Some(Value::Null),
            Key::Status => Some(json!(self.integer(node, "`status`", 200..=599)?)),
            Key::Rule => self.deciding_rule(node, ruleset).map(Value::from),
            Key::Band => self.known_band(node, ruleset).map(Value::from),
            Key::Score => Some(json!(self.integer(
                node,
                "`score`",
                -MAX_BAND..=MAX_BAND
            )?)),
            Key::Tags => self.expected_tags(node),
            Key::Matched | Key::Shadowed => {
                let items = self.sequence(node, &format!("`{}`", key.name()))?;
                let ids: Vec<Option<&Rule>> = items
                    .iter()
                    .map(|item| self.known_rule(item, ruleset))
                    .collect();
                let ids = ids.into_iter().collect::<Option<Vec<_>>>()?;
                Some(ids.into_iter().map(|rule| rule.id.as_str()).collect())
            }
        }
    }

    fn known_rule<'r>(&mut self, node: &Node, ruleset: &'r Ruleset) -> Option<&'r Rule> {
        let id = self.scalar(node, "a rule's id")?.text.as_str();
        let found = ruleset.rules.iter().find(|rule| rule.id == id);
        if found.is_none() {
            let names = ruleset.rules.iter().map(|rule| rule.id.as_str());
            let help = match closest(id, names) {
                Some(close) => format!("did you mean `{close}`?"),
                None => "write the `id` of a rule of this ruleset".to_owned(),
            };
            let message = format!("no rule has the id {}", quoted(id));
            let diagnostic = self.diagnostic(Code::UnknownRule, &node.range, message);
            self.report(diagnostic.help(help));
        }
        found
    }

    /// A rule that can decide.
    fn deciding_rule<'r>(&mut self, node: &Node, ruleset: &'r Ruleset) -> Option<&'r str> {
        let rule = self.known_rule(node, ruleset)?;
        let (reason, key) = if rule.then.terminal.is_none() {
            ("it has no action that ends the decision", "matched")
        } else if rule.stage == Stage::Shadow {
            ("it is in stage `shadow`", "shadowed")
        } else {
            return Some(&rule.id);
        };
        let message = format!("`{}` never decides: {reason}", rule.id);
        let diagnostic = self.diagnostic(Code::ImpossibleExpectation, &node.range, message);
        self.report(diagnostic.help(format!(
            "write `{key}: [{}]` to check that it matches",
            rule.id
        )));
        None
    }

    fn known_band(&mut self, node: &Node, ruleset: &Ruleset) -> Option<i64> {
        let band = self.integer(node, "`band`", -MAX_BAND..=MAX_BAND)?;
        let known: Vec<String> = ruleset
            .bands
            .iter()
            .map(|band| band.at_least.to_string())
            .collect();
        if ruleset.bands.iter().any(|known| known.at_least == band) {
            return Some(band);
        }
        let help = match known.as_slice() {
            [] => "the ruleset has no `score_bands`".to_owned(),
            known => format!("bands begin at {}", known.join(", ")),
        };
        let message = format!("no score band begins at {band}");
        let diagnostic = self.diagnostic(Code::ImpossibleExpectation, &node.range, message);
        self.report(diagnostic.help(help));
        None
    }

    fn expected_tags(&mut self, node: &Node) -> Option<Value> {
        let mut tags = Map::new();
        let mut good = true;
        for Entry {
            key,
            key_range,
            value,
        } in self.entries(node, "`tags`")?
        {
            let named = self.check_name(key, key_range, &name::TAG);
            let value = self.text(value, "a tag's value", MAX_TAG_VALUE_LEN);
            match named.zip(value) {
                Some(((), value)) => drop(tags.insert(key.clone(), value.into())),
                None => good = false,
            }
        }
        good.then_some(Value::Object(tags))
    }

    /// Keys that no verdict can have together.
    fn agree(&mut self, fields: &Fields<'_>) -> Option<()> {
        let is = |key: &str, word: &str| {
            fields
                .get(key)
                .is_some_and(|node| node.scalar_text() == Some(word))
        };
        let is_set = |key: &str| fields.get(key).is_some_and(|node| !node.is_null());
        let message = if is("action", "allow") && is_set("status") {
            "a request that is allowed has no status of the filter's"
        } else if is_set("rule") && is_set("band") {
            "either a rule or a band decides, never both"
        } else {
            return Some(());
        };
        let second = if is_set("status") { "status" } else { "band" };
        let node = fields.get(second)?;
        let diagnostic = self.diagnostic(Code::ImpossibleExpectation, &node.range, message);
        self.report(diagnostic.help("leave one of them out"));
        None
    }
}
