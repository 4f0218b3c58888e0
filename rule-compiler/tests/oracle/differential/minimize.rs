//! Makes a finding small: what can be left out while both still differ is left out.

use std::panic;

use riskgate_compiler::ir::{
    Active, Condition, List, ListValues, Outcome, Rule, Ruleset, Stage, Terminal, Test,
};

use super::finding::{Agreed, Asked, Finding, Step, difference};
use crate::oracle::generate::{Bytes, RequestCase};

/// How often a smaller candidate is built and asked: enough for a handful of rules to become one.
const MAX_CHECKS: usize = 3_000;

/// The same difference with less around it.
pub(super) fn minimize(finding: Finding) -> Finding {
    let hook = panic::take_hook();
    // Every candidate that panics would tell its backtrace.
    panic::set_hook(Box::new(|_| {}));
    let mut smaller = Smaller {
        finding,
        checks: MAX_CHECKS,
    };
    smaller.requests();
    smaller.rules();
    // One pass makes room for the next.
    for _ in 0..3 {
        smaller.decisions();
        smaller.conditions();
        smaller.lists();
        smaller.request();
        smaller.rules();
    }
    panic::set_hook(hook);
    smaller.finding
}

struct Smaller {
    finding: Finding,
    checks: usize,
}

impl Smaller {
    /// Takes the candidate if it still shows a difference.
    fn take(&mut self, asked: Asked) -> bool {
        if self.checks == 0 {
            return false;
        }
        self.checks -= 1;
        let Some(what) = difference(&asked, &mut Agreed::default()) else {
            return false;
        };
        self.finding = Finding { asked, what };
        true
    }

    fn take_ruleset(&mut self, change: impl FnOnce(&mut Ruleset)) -> bool {
        let mut asked = self.finding.asked.clone();
        change(&mut asked.ruleset);
        asked.ruleset != self.finding.asked.ruleset && self.take(asked)
    }

    fn take_last(&mut self, change: impl FnOnce(&mut RequestCase)) -> bool {
        let mut asked = self.finding.asked.clone();
        let Some((last, _)) = asked.requests.last_mut() else {
            return false;
        };
        change(last);
        self.take(asked)
    }

    /// The last request alone, or, where what came before it has left a trace, with as few before it as will do.
    fn requests(&mut self) {
        let mut alone = self.finding.asked.clone();
        alone
            .requests
            .drain(..alone.requests.len().saturating_sub(1));
        if !self.take(alone) {
            self.halve(|asked| &mut asked.requests);
        }
    }

    fn rules(&mut self) {
        self.halve(|asked| &mut asked.ruleset.rules);
    }

    /// Leaves out halves of a list, then quarters, and so on down to single elements.
    fn halve<T>(&mut self, list: impl Fn(&mut Asked) -> &mut Vec<T>) {
        let mut part = list(&mut self.finding.asked).len().div_ceil(2);
        while part > 0 {
            let mut start = 0;
            while start < list(&mut self.finding.asked).len() && self.checks > 0 {
                let mut candidate = self.finding.asked.clone();
                let values = list(&mut candidate);
                let end = values.len().min(start + part);
                values.drain(start..end);
                if !self.take(candidate) {
                    start = end;
                }
            }
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
    }

    /// Scores, tags, replies and bands seldom have a part in it.
    fn decisions(&mut self) {
        self.take_ruleset(|ruleset| {
            ruleset.bands.clear();
            ruleset.default = Terminal::Allow;
        });
        for at in 0..self.finding.asked.ruleset.rules.len() {
            self.take_ruleset(|ruleset| plain(&mut ruleset.rules[at]));
            self.take_ruleset(|ruleset| ruleset.rules[at].active = Active::default());
        }
    }

    fn conditions(&mut self) {
        for rule in 0..self.finding.asked.ruleset.rules.len() {
            let mut at = 0;
            loop {
                let now = &self.finding.asked.ruleset.rules[rule].when;
                let Some(simpler) = simpler(now).into_iter().nth(at) else {
                    break;
                };
                if self.take_ruleset(|ruleset| ruleset.rules[rule].when = simpler) {
                    at = 0;
                } else {
                    at += 1;
                }
            }
        }
    }

    fn lists(&mut self) {
        for at in 0..self.finding.asked.ruleset.lists.len() {
            if self.take_ruleset(|ruleset| clear(&mut ruleset.lists[at])) {
                continue;
            }
            match self.finding.asked.ruleset.lists[at].values {
                ListValues::Strings(_) => {
                    self.halve(|asked| match &mut asked.ruleset.lists[at].values {
                        ListValues::Strings(values) => values,
                        ListValues::Prefixes(_) => panic!("a list stays what it is"),
                    });
                }
                ListValues::Prefixes(_) => {
                    self.halve(|asked| match &mut asked.ruleset.lists[at].values {
                        ListValues::Prefixes(values) => values,
                        ListValues::Strings(_) => panic!("a list stays what it is"),
                    });
                }
            }
        }
    }

    fn request(&mut self) {
        self.halve(|asked| &mut last(asked).headers);
        self.halve(|asked| &mut last(asked).claims);
        self.halve(|asked| &mut last(asked).custom);
        for single in SINGLES {
            self.take_last(|request| *single(request) = None);
        }
        self.take_last(as_json_has_it);
        for single in SINGLES {
            if single(last(&mut self.finding.asked)).is_some() {
                self.halve(|asked| &mut single(last(asked)).get_or_insert_default().0);
            }
        }
        for at in 0..last(&mut self.finding.asked).headers.len() {
            self.halve(|asked| &mut last(asked).headers[at].1.0);
        }
    }
}

fn last(asked: &mut Asked) -> &mut RequestCase {
    let last: Option<&mut Step> = asked.requests.last_mut();
    let (request, _) = last.expect("a finding has a request");
    request
}

/// The parts of a request that are one string.
const SINGLES: [fn(&mut RequestCase) -> &mut Option<Bytes>; 10] = [
    |request| &mut request.method,
    |request| &mut request.scheme,
    |request| &mut request.host,
    |request| &mut request.path,
    |request| &mut request.protocol,
    |request| &mut request.id,
    |request| &mut request.peer_uri_san,
    |request| &mut request.peer_subject,
    |request| &mut request.server_name,
    |request| &mut request.tls_version,
];

/// What a request in a file always has.
fn as_json_has_it(request: &mut RequestCase) {
    let text = |text: &str| Some(Bytes(text.as_bytes().to_vec()));
    request.method = request.method.take().or_else(|| text("GET"));
    request.scheme = request.scheme.take().or_else(|| text("http"));
    request.host = request.host.take().or_else(|| text("localhost"));
    request.path = request.path.take().or_else(|| text("/"));
    request.source_ip = request.source_ip.or_else(|| "127.0.0.1".parse().ok());
    request.client_ip = request.client_ip.or(request.source_ip);
    request.mtls = Some(request.peer_uri_san.is_some() || request.peer_subject.is_some());
}

fn plain(rule: &mut Rule) {
    rule.priority = 0;
    rule.stage = Stage::Enforce;
    rule.then = Outcome {
        terminal: None,
        score: Some(0),
        tags: Vec::new(),
    };
}

fn clear(list: &mut List) {
    match &mut list.values {
        ListValues::Strings(values) => values.clear(),
        ListValues::Prefixes(values) => values.clear(),
    }
}

/// Conditions with one thing less, those that have lost most first.
fn simpler(condition: &Condition) -> Vec<Condition> {
    match condition {
        Condition::Constant(_) => Vec::new(),
        Condition::Atom(atom) => {
            let with = |test| {
                let mut atom = atom.clone();
                atom.test = test;
                Condition::Atom(atom)
            };
            let mut simpler: Vec<Condition> =
                fewer_values(&atom.test).into_iter().map(with).collect();
            simpler.extend((0..atom.attribute.transforms.len()).map(|at| {
                let mut atom = atom.clone();
                atom.attribute.transforms.remove(at);
                Condition::Atom(atom)
            }));
            simpler
        }
        Condition::Not(inner) => {
            let negated = simpler(inner)
                .into_iter()
                .map(|inner| Condition::Not(Box::new(inner)));
            [vec![(**inner).clone()], negated.collect()].concat()
        }
        Condition::All(parts) => simpler_parts(parts, Condition::All),
        Condition::Any(parts) => simpler_parts(parts, Condition::Any),
    }
}

fn simpler_parts(parts: &[Condition], join: fn(Vec<Condition>) -> Condition) -> Vec<Condition> {
    let mut all = parts.to_vec();
    for at in 0..parts.len() {
        if parts.len() > 1 {
            let mut fewer = parts.to_vec();
            fewer.remove(at);
            all.push(join(fewer));
        }
        for part in simpler(&parts[at]) {
            let mut changed = parts.to_vec();
            changed[at] = part;
            all.push(join(changed));
        }
    }
    all
}

fn fewer_values(test: &Test) -> Vec<Test> {
    match test {
        Test::OneOf(values) => halves(values).into_iter().map(Test::OneOf).collect(),
        Test::InPrefixes(values) => halves(values).into_iter().map(Test::InPrefixes).collect(),
        _ => Vec::new(),
    }
}

fn halves<T: Clone>(values: &[T]) -> Vec<Vec<T>> {
    let (left, right) = values.split_at(values.len() / 2);
    match (left, right) {
        ([], _) => Vec::new(),
        (left, right) => vec![left.to_vec(), right.to_vec()],
    }
}
