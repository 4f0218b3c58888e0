//! `tests/*.test.yaml`: requests and the verdicts they must get.

mod expect;
mod request;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{
    context::Context,
    fields::{Fields, optional},
    limits::MAX_REPEAT,
    text::quoted,
    yaml::{self, Node},
};
use crate::{
    diagnostic::{self, Code, Diagnostic, Diagnostics, SourceMap, Span},
    ir::Ruleset,
    testing::{Case, Expectation, Place, START_US, Step},
};

pub(crate) const TEST_KEYS: [&str; 4] = ["name", "request", "expect", "sequence"];
pub(crate) const STEP_KEYS: [&str; 4] = ["repeat", "every", "request", "expect"];
const MAX_NAME_LEN: usize = 256;

/// What there is to say about the tests of a ruleset.
#[derive(Debug, Clone)]
pub struct TestAnalysis {
    /// The tests, by file and position; nothing if there is any error.
    pub tests: Option<Vec<Case>>,
    /// By file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there were.
    pub omitted: usize,
    /// The files that the diagnostics point into.
    pub sources: SourceMap,
}

impl TestAnalysis {
    /// The diagnostics as text; without `color` fit for logs.
    pub fn report(&self, color: bool) -> String {
        diagnostic::render_counted(&self.diagnostics, self.omitted, &self.sources, color)
    }
}

/// Reads the tests of a ruleset, given as names and texts, and reports everything that is wrong with them.
///
/// Names are shown as they are found through `folder`.
pub fn analyse_tests(
    files: &[(String, Arc<str>)],
    ruleset: &Ruleset,
    folder: &Path,
) -> TestAnalysis {
    let mut sources = SourceMap::default();
    sources.seen_through(folder);
    let ids: Vec<_> = files
        .iter()
        .map(|(name, text)| sources.add(name, Arc::clone(text)))
        .collect();
    let mut diagnostics = Diagnostics::default();
    let mut tests = Vec::new();
    for file in ids {
        let mut cx = Context::new(&sources, file, &mut diagnostics);
        read_file(&mut cx, ruleset, &mut tests);
    }
    let complete = !diagnostics.has_errors();
    let findings = diagnostics.finish();
    TestAnalysis {
        tests: complete.then_some(tests),
        diagnostics: findings.diagnostics,
        omitted: findings.omitted_errors + findings.omitted_warnings,
        sources,
    }
}

fn read_file(cx: &mut Context<'_>, ruleset: &Ruleset, tests: &mut Vec<Case>) -> Option<()> {
    let before = cx.diagnostics.count();
    let root = yaml::parse(cx.file, cx.text, cx.diagnostics).filter(|root| !root.is_null());
    let Some(root) = root else {
        if cx.diagnostics.count() == before {
            let start = Span::new(cx.file, 0..0);
            let diagnostic = Diagnostic::new(Code::MissingKey, start, "the file is empty");
            cx.report(diagnostic.help("write at least `tests: []`, or delete the file"));
        }
        return None;
    };
    let fields = cx.fields(&root, "a test file", &["tests"])?;
    let node = fields.require("tests", cx)?;
    let mut names = HashMap::new();
    for item in cx.sequence(node, "`tests`")? {
        tests.extend(cx.test(item, ruleset, &mut names));
    }
    Some(())
}

impl Context<'_> {
    fn test(
        &mut self,
        node: &Node,
        ruleset: &Ruleset,
        names: &mut HashMap<String, Span>,
    ) -> Option<Case> {
        let fields = self.fields(node, "a test", &TEST_KEYS)?;
        let name_node = fields.require("name", self);
        let name = name_node.and_then(|node| self.test_name(node, names));
        let (steps, is_sequence) = match (fields.get("request"), fields.entry("sequence")) {
            (Some(_), None) => (
                self.step(&fields, node, ruleset).map(|step| vec![step]),
                false,
            ),
            (None, Some(sequence)) => {
                if let Some(expect) = fields.entry("expect") {
                    let message = "`expect` stands beside the `request` that it is about";
                    let diagnostic = self.diagnostic(Code::InvalidTest, &expect.key_range, message);
                    self.report(diagnostic.help("move it into a step of the `sequence`"));
                }
                (self.steps(&sequence.value, ruleset), true)
            }
            (None, None) if fields.is_misspelt("request") || fields.is_misspelt("sequence") => {
                return None;
            }
            _ => (self.neither_or_both(&fields, node), false),
        };
        let steps = steps?;
        self.checks_something(&steps, name_node.unwrap_or(node))?;
        self.time_runs_forward(&steps, node)?;
        Some(Case {
            name: name?,
            place: self.line_of(name_node.unwrap_or(node)),
            steps,
            is_sequence,
        })
    }

    fn neither_or_both<T>(&mut self, fields: &Fields<'_>, node: &Node) -> Option<T> {
        let range = fields
            .entry("name")
            .map_or(&node.range, |entry| &entry.value.range);
        let diagnostic = self.diagnostic(
            Code::InvalidTest,
            range,
            "a test has either a `request` or a `sequence`",
        );
        self.report(diagnostic.help(
            "write `request: { path: / }` and `expect:` for one request, or `sequence:` with a list of them",
        ));
        None
    }

    fn test_name(&mut self, node: &Node, names: &mut HashMap<String, Span>) -> Option<String> {
        let name = self.text(node, "`name`", MAX_NAME_LEN)?.to_owned();
        let span = self.span(&node.range);
        if let Some(first) = names.get(&name) {
            let message = format!("two tests of this file have the name {}", quoted(&name));
            let diagnostic = self.diagnostic(Code::DuplicateTest, &node.range, message);
            self.report(
                diagnostic
                    .related(first.clone(), "first here")
                    .help("give each a name of its own: reports know tests by it"),
            );
            return None;
        }
        names.insert(name.clone(), span);
        Some(name)
    }

    fn steps(&mut self, node: &Node, ruleset: &Ruleset) -> Option<Vec<Step>> {
        let items = self.sequence(node, "`sequence`")?;
        let steps: Vec<_> = items
            .iter()
            .map(|item| {
                let fields = self.fields(item, "a step", &STEP_KEYS)?;
                self.step(&fields, item, ruleset)
            })
            .collect();
        steps.into_iter().collect()
    }

    fn step(&mut self, fields: &Fields<'_>, node: &Node, ruleset: &Ruleset) -> Option<Step> {
        let repeat = optional(fields.get("repeat"), 1, |node| {
            u32::try_from(self.integer(node, "`repeat`", 1..=MAX_REPEAT)?).ok()
        });
        let every_us = optional(fields.get("every"), 0, |node| self.every(node));
        let request = fields
            .require("request", self)
            .and_then(|node| self.request(node, ruleset));
        let expect: Option<Option<Expectation>> = optional(fields.get("expect"), None, |node| {
            Some(Some(self.expectation(node, ruleset)?))
        });
        let (request, written) = request?;
        Some(Step {
            place: self.line_of(node),
            repeat: repeat?,
            every_us: every_us?,
            request,
            written,
            expect: expect?,
        })
    }

    fn checks_something(&mut self, steps: &[Step], node: &Node) -> Option<()> {
        let checks = |step: &Step| {
            let expect = step.expect.as_ref();
            expect.is_some_and(|expect| !expect.checks.is_empty())
        };
        if steps.iter().any(checks) {
            return Some(());
        }
        let diagnostic =
            self.diagnostic(Code::ChecksNothing, &node.range, "this test checks nothing");
        self.report(diagnostic.help("add `expect: { action: deny }`, say, to a request"));
        None
    }

    /// A request before the one that it follows would be decided at that one's time, which nobody would see.
    fn time_runs_forward(&mut self, steps: &[Step], node: &Node) -> Option<()> {
        let mut clock_us = None;
        for step in steps {
            let own = step.request.time_us();
            if let Some((own, clock)) = own.zip(clock_us)
                && own < clock
            {
                let message = format!(
                    "time runs backwards in the step at line {}",
                    step.place.line
                );
                let diagnostic = self.diagnostic(Code::TimeRunsBackwards, &node.range, message);
                self.report(
                    diagnostic.help("give it a later `time`, or leave the time to `every`"),
                );
                return None;
            }
            let start = own.or(clock_us).unwrap_or(START_US);
            clock_us = Some(start.saturating_add(step.every_us.saturating_mul(step.repeat.into())));
        }
        Some(())
    }

    fn line_of(&self, node: &Node) -> Place {
        Place {
            file: self.file_name().to_owned(),
            line: self.line(node.range.start),
        }
    }
}
