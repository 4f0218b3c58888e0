//! `suppress`: warnings that an author answers with a reason, of a rule or of what `ruleset.yaml` defines.

use super::{
    context::Context,
    fields::Fields,
    limits::{MAX_NOTE_LEN, MAX_SUPPRESSIONS},
    text::{closest, quoted},
    yaml::Node,
};
use crate::diagnostic::{Code, Severity};

const LIST_HELP: &str = "`rulec explain` lists all codes";

impl Context<'_> {
    /// Reads the `suppress` of a map, if it has one, for the rule that is being read. It is read before all that it may answer.
    pub(crate) fn suppressions(&mut self, fields: &Fields<'_>) -> Option<()> {
        let Some(node) = fields.get("suppress") else {
            return Some(());
        };
        let items = self.sequence(node, "`suppress`")?;
        self.within(
            items.len(),
            MAX_SUPPRESSIONS,
            "elements",
            &node.range,
            "`suppress`",
            "mend what it warns of",
        )?;
        let good: Vec<_> = items.iter().map(|item| self.suppression(item)).collect();
        good.into_iter().collect()
    }

    fn suppression(&mut self, node: &Node) -> Option<()> {
        let fields = self.fields(node, "a suppression", &["code", "reason"])?;
        let code = fields.require("code", self);
        let reason = fields.require("reason", self);
        let code = code.and_then(|node| self.suppressed_code(node));
        let reason = reason.and_then(|node| self.reason(node));
        let (code, reason) = (code?, reason?);
        let rule = self.diagnostics.rule().map(str::to_owned);
        let span = self.span(&node.range);
        let added = self.diagnostics.suppressions.add(rule, code, reason, span);
        let Err(first) = added else {
            return Some(());
        };
        let message = format!("{code} is suppressed twice");
        let diagnostic = self.diagnostic(Code::InvalidSuppression, &node.range, message);
        self.report(diagnostic.related(first, "first here").help("delete one"));
        None
    }

    fn suppressed_code(&mut self, node: &Node) -> Option<Code> {
        let text = &self.scalar(node, "`code`")?.text;
        let problem = match text.parse::<Code>() {
            Ok(code) if code.severity() == Severity::Error => (
                format!("{code} is an error, and only warnings can be suppressed"),
                "mend what it tells of".to_owned(),
            ),
            Ok(Code::UnusedSuppression) => (
                format!("{text} is about suppressions themselves"),
                "delete those that suppress nothing".to_owned(),
            ),
            Ok(code) => return Some(code),
            Err(_) => (format!("{} is no code", quoted(text)), suggestion(text)),
        };
        let (message, help) = problem;
        let diagnostic = self.diagnostic(Code::InvalidSuppression, &node.range, message);
        self.report(diagnostic.help(help));
        None
    }

    fn reason(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node, "`reason`", MAX_NOTE_LEN)?.trim();
        if !text.is_empty() {
            return Some(text.to_owned());
        }
        let diagnostic = self.diagnostic(
            Code::InvalidSuppression,
            &node.range,
            "a suppression without a reason",
        );
        self.report(diagnostic.help("say why the warning does not apply here"));
        None
    }
}

/// The names of codes are accepted nowhere, but are what an author may remember.
fn suggestion(text: &str) -> String {
    let warnings = Code::ALL
        .iter()
        .filter(|code| code.severity() == Severity::Warning);
    let names: Vec<(String, Code)> = warnings
        .flat_map(|&code| [(code.to_string(), code), (code.name().to_owned(), code)])
        .collect();
    let found = closest(text, names.iter().map(|(name, _)| name.as_str()));
    let code = found.and_then(|found| names.iter().find(|(name, _)| name == found));
    code.map_or_else(
        || LIST_HELP.to_owned(),
        |(_, code)| format!("did you mean `{code}`? {LIST_HELP}"),
    )
}
