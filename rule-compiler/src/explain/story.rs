//! What became of each rule for one request.

use riskgate_engine::actions::ActionKind;
use riskgate_engine::atoms::AtomId;
use riskgate_engine::attributes::Base;
use riskgate_engine::rules::{NO_ACTION, Rule, Stage};
use riskgate_engine::ruleset::Ruleset as LoadedRuleset;
use riskgate_engine::trace::Trace;
use riskgate_engine::verdict::LocalReply;
use thiserror::Error;

use super::clause::Clause;
use super::text::Texts;
use crate::front::closest;
use crate::lower::Provenance;
use crate::request_json::OwnedRequest;
use crate::session::Session;
use crate::verdict_json::VerdictJson;

/// Of rules that one test kept from matching so many are told.
const MOST_NEAR: usize = 5;

/// What is explained.
#[derive(Debug)]
pub struct Subject<'r> {
    /// The rules.
    pub ruleset: &'r LoadedRuleset,
    /// What their atoms say.
    pub texts: Texts<'r>,
    /// Where they come from, if that is known.
    pub provenance: Option<Provenance>,
    /// Of the bundle; a folder has none.
    pub revision: Option<u64>,
}

/// Why a request got its verdict.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The ruleset's name.
    pub ruleset: String,
    /// Its revision, if it is that of a bundle.
    pub revision: Option<u64>,
    /// When the request came, microseconds since the Unix epoch.
    pub at_us: i64,
    /// What was decided.
    pub verdict: VerdictJson,
    /// What the client gets; nothing where the request is allowed.
    pub reply: Option<LocalReply>,
    /// What the score is the sum of.
    pub score: Vec<Contribution>,
    /// Rules that matched, in the order of decision; then those that a single test kept from matching. Or the one that was
    /// asked for.
    pub rules: Vec<RuleStory>,
    /// How many rules there are.
    pub rule_count: u32,
}

/// A rule's part of the score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// The rule.
    pub rule: String,
    /// What it adds.
    pub score: i32,
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStory {
    /// Its id.
    pub id: String,
    /// Whether it matched, and what came of that.
    pub state: State,
    /// Its place in the order of decision, from 1.
    pub place: u32,
    /// Where it stands, if that is known.
    pub origin: Option<Origin>,
    /// What a match of it does.
    pub then: String,
    /// Its condition.
    pub condition: Part,
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// What it is for.
    pub description: Option<String>,
}

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It matched, and its action is the verdict's.
    Decided,
    /// It matched and counts, but did not decide.
    Matched,
    /// It matched, but only in the shadow, or outside of a canary's share.
    Shadowed,
    /// It did not match.
    Missed,
    /// It is not active at this time.
    Inactive,
}

/// A part of a condition with what the request made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `true` or `false`.
    Constant(bool),
    /// A test.
    Test {
        /// In the words of the language.
        text: String,
        /// Whether it holds where the test does not.
        negated: bool,
        /// Whether the part holds.
        holds: bool,
        /// What was tested; empty where the attribute is absent.
        values: Vec<String>,
    },
    /// `all` or `any` of these.
    Join {
        /// Whether all have to hold.
        all: bool,
        /// Whether the part holds.
        holds: bool,
        /// In the order in which they are tested.
        parts: Vec<Part>,
    },
}

/// A rule that the ruleset does not have.
#[derive(Debug, Error)]
#[error("no rule has the id `{id}`; {help}")]
pub struct UnknownRule {
    id: String,
    help: String,
}

/// Explains the verdict on a request that comes at a time; with `rule`, only what became of that rule.
///
/// # Errors
///
/// If there is no such rule.
pub fn explain(
    subject: &Subject<'_>,
    request: &OwnedRequest,
    at_us: i64,
    rule: Option<&str>,
) -> Result<Explanation, UnknownRule> {
    let ruleset = subject.ruleset;
    let wanted = rule.map(|id| index_of(ruleset, id)).transpose()?;
    let mut session = Session::new(ruleset, at_us);
    let ((verdict, reply), trace) = session.trace_at(request, at_us, |verdict, request| {
        (VerdictJson::from(verdict), verdict.reply(request))
    });
    let teller = Teller {
        subject,
        verdict: &verdict,
        trace: &trace,
        at_us,
    };
    let rules = match wanted {
        Some(index) => teller.story(index).into_iter().collect(),
        None => teller.stories(),
    };
    Ok(Explanation {
        ruleset: ruleset.name().to_owned(),
        revision: subject.revision,
        at_us,
        score: teller.score(),
        reply,
        rules,
        rule_count: ruleset.rule_count(),
        verdict,
    })
}

fn index_of(ruleset: &LoadedRuleset, id: &str) -> Result<u32, UnknownRule> {
    let found = (0..)
        .zip(ruleset.rule_ids())
        .find(|(_, known)| *known == id);
    found.map(|(index, _)| index).ok_or_else(|| UnknownRule {
        id: id.to_owned(),
        help: match closest(id, ruleset.rule_ids()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => "`rulec inspect --format json` lists those of a bundle".to_owned(),
        },
    })
}

struct Teller<'t, 'r> {
    subject: &'t Subject<'r>,
    verdict: &'t VerdictJson,
    trace: &'t Trace,
    at_us: i64,
}

impl Teller<'_, '_> {
    fn stories(&self) -> Vec<RuleStory> {
        let mut told = Vec::new();
        let mut near = Vec::new();
        for (index, rule) in self.rules() {
            let is_told = match self.state(&rule) {
                State::Inactive => false,
                State::Missed => {
                    if near.len() < MOST_NEAR && self.is_near(&rule) {
                        near.push(index);
                    }
                    false
                }
                State::Decided | State::Matched | State::Shadowed => true,
            };
            if is_told {
                told.push((rule.rank, index));
            }
        }
        told.sort_unstable();
        let told = told.into_iter().map(|(_, index)| index);
        told.chain(near)
            .filter_map(|index| self.story(index))
            .collect()
    }

    fn rules(&self) -> impl Iterator<Item = (u32, Rule)> {
        let ruleset = self.subject.ruleset;
        (0..ruleset.rule_count()).filter_map(|index| Some((index, ruleset.rule(index)?)))
    }

    fn id(&self, rule: &Rule) -> String {
        String::from_utf8_lossy(self.subject.ruleset.string(rule.id)).into_owned()
    }

    fn is_true(&self, atom: AtomId) -> bool {
        let index = usize::try_from(atom).unwrap_or(usize::MAX);
        self.trace.atoms.get(index).copied().unwrap_or(false)
    }

    fn state(&self, rule: &Rule) -> State {
        let id = self.id(rule);
        let is_active =
            rule.from_us <= self.at_us && (self.at_us < rule.until_us || rule.until_us == i64::MAX);
        if self.verdict.rule.as_deref() == Some(&id) {
            State::Decided
        } else if self.verdict.matched.contains(&id) {
            State::Matched
        } else if self.verdict.shadowed.contains(&id) {
            State::Shadowed
        } else if is_active {
            State::Missed
        } else {
            State::Inactive
        }
    }

    /// Whether a rule would match but for one test, while another, that asks for something to be there, holds.
    fn is_near(&self, rule: &Rule) -> bool {
        let clause = Clause::of(self.subject.ruleset, rule.entry);
        let literals = clause.literals();
        let holds = |(atom, negated): &(AtomId, bool)| self.is_true(*atom) != *negated;
        let has_hold = literals
            .iter()
            .any(|literal| !literal.1 && holds(literal) && self.is_telling(literal.0));
        let mut failed = literals.iter().filter(|literal| !holds(literal));
        has_hold
            && failed
                .any(|(flipped, _)| clause.holds(&|atom| self.is_true(atom) != (atom == *flipped)))
    }

    /// Whether an atom tells one request from another: half of all are a GET over TLS.
    fn is_telling(&self, atom: AtomId) -> bool {
        let ruleset = self.subject.ruleset;
        let atom = ruleset.atom(atom);
        let attribute = atom.and_then(|atom| ruleset.attribute(atom.attribute));
        attribute.is_some_and(|attribute| {
            !matches!(
                attribute.base,
                Base::Method | Base::Scheme | Base::Protocol | Base::TlsVersion | Base::Time
            )
        })
    }

    fn story(&self, index: u32) -> Option<RuleStory> {
        let rule = self.subject.ruleset.rule(index)?;
        let clause = Clause::of(self.subject.ruleset, rule.entry);
        let provenance = self.subject.provenance.as_ref();
        let own = provenance.and_then(|all| all.rules.get(usize::try_from(index).ok()?));
        Some(RuleStory {
            id: self.id(&rule),
            state: self.state(&rule),
            place: rule.rank.saturating_add(1),
            origin: own.map(|own| Origin {
                file: own.file.clone(),
                line: own.line,
                description: own.description.clone(),
            }),
            then: self.then(&rule),
            condition: self.part(&clause),
        })
    }

    fn part(&self, clause: &Clause) -> Part {
        let is_all = matches!(clause, Clause::All(_));
        match clause {
            Clause::Constant(value) => Part::Constant(*value),
            Clause::Literal { atom, negated } => Part::Test {
                text: self.subject.texts.atom(*atom),
                negated: *negated,
                holds: self.is_true(*atom) != *negated,
                values: self.subject.texts.values(*atom, self.trace),
            },
            Clause::All(parts) | Clause::Any(parts) => Part::Join {
                all: is_all,
                holds: clause.holds(&|atom| self.is_true(atom)),
                parts: parts.iter().map(|part| self.part(part)).collect(),
            },
        }
    }

    fn then(&self, rule: &Rule) -> String {
        let mut words = Vec::new();
        if let Some(action) = self.action(rule) {
            words.push(action);
        }
        if let Some(score) = rule.score {
            words.push(format!("score {score:+}"));
        }
        if rule.tags.1 > 0 {
            words.push("tag".to_owned());
        }
        match rule.stage {
            Stage::Enforce => {}
            Stage::Shadow => words.push("in the shadow".to_owned()),
            Stage::Canary => words.push("as a canary".to_owned()),
        }
        words.join(", ")
    }

    fn action(&self, rule: &Rule) -> Option<String> {
        let action = self
            .subject
            .ruleset
            .action(rule.action)
            .filter(|_| rule.action != NO_ACTION)?;
        Some(match action.kind {
            ActionKind::Allow => "allow".to_owned(),
            ActionKind::Deny => format!("deny {}", action.status),
            ActionKind::Challenge => format!("challenge {}", action.status),
            ActionKind::Redirect => "challenge by a redirect".to_owned(),
        })
    }

    fn score(&self) -> Vec<Contribution> {
        self.rules()
            .filter_map(|(_, rule)| {
                let score = rule.score?;
                let rule = self.id(&rule);
                let counts = self.verdict.matched.contains(&rule);
                counts.then_some(Contribution { rule, score })
            })
            .collect()
    }
}

impl Part {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self {
            Part::Constant(value) => *value,
            Part::Test { holds, .. } | Part::Join { holds, .. } => *holds,
        }
    }
}

impl State {
    /// In a word, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Decided => "decided",
            State::Matched => "matched",
            State::Shadowed => "shadowed",
            State::Missed => "missed",
            State::Inactive => "inactive",
        }
    }
}
