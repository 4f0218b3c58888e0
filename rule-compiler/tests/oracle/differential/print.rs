//! A finding as text that shows it again: the files of a ruleset, and a request in JSON.

mod json;
mod yaml;

use std::fmt::Write as _;

use riskgate_compiler::front::{self, Sources};
use riskgate_compiler::request_json;
use riskgate_engine::ruleset::Scratch;

use super::finding::Finding;
use super::schedule::Task;
use crate::oracle::check::Both;
use crate::oracle::generate::RequestCase;

/// What cannot be said in a file, though the engine takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unsayable(&'static str);

/// All that somebody needs who looks into it.
pub(super) fn report(seed: u64, task: &Task, finding: &Finding) -> String {
    let mut report = format!(
        "case {} of seed {seed} ({:?}) differs; again: cargo xtask fuzz-diff --seed {seed} --only {}\n{}\n",
        task.at, task.kind, task.at, finding.what
    );
    match texts(finding) {
        Ok(texts) => {
            let Texts { manifest, rules, request } = &texts;
            let shows = if differs(&texts) { "shows" } else { "does not show" };
            write!(
                report,
                "\n--- ruleset.yaml\n{manifest}\n--- a.rules.yaml\n{rules}\n--- request\n{request}\n---\nRead back, this {shows} the difference.\n"
            )
        }
        Err(Unsayable(what)) => write!(report, "\nNo file can say it: {what}.\n"),
    }
    .expect("a string takes all that is written");
    if !texts(finding).is_ok_and(|texts| differs(&texts)) {
        write!(report, "\n{:#?}\n", finding.asked).expect("a string takes all that is written");
    }
    report
}

struct Texts {
    manifest: String,
    rules: String,
    request: String,
}

fn texts(finding: &Finding) -> Result<Texts, Unsayable> {
    let asked = &finding.asked;
    let [(request, None)] = asked.requests.as_slice() else {
        return Err(Unsayable(
            "it takes several requests in a row, or a response",
        ));
    };
    Ok(Texts {
        manifest: yaml::manifest(&asked.ruleset)?,
        rules: yaml::rules(&asked.ruleset)?,
        request: json::request(request)?,
    })
}

/// Whether both differ on what the front end makes of the texts.
fn differs(texts: &Texts) -> bool {
    let analysis = front::analyse(&Sources::from_texts([
        ("ruleset.yaml", texts.manifest.as_str()),
        ("a.rules.yaml", &texts.rules),
    ]));
    let (Some(ruleset), Ok(request)) = (analysis.ruleset, request_json::parse(&texts.request))
    else {
        return false;
    };
    let request = request.with(request.time_us().unwrap_or(0), |request| {
        RequestCase::from(request)
    });
    let asked = std::panic::catch_unwind(|| {
        Both::built(&ruleset).map(|both| both.verdicts(&request, &mut Scratch::default()))
    });
    !matches!(asked, Ok(Ok((oracle, engine))) if oracle == engine)
}

#[cfg(test)]
mod tests {
    use riskgate_compiler::front::{self, Sources};
    use riskgate_compiler::ir::{ListValues, Ruleset, Terminal};
    use riskgate_engine::ruleset::Scratch;

    use super::{Unsayable, yaml};
    use crate::oracle::check::Both;
    use crate::oracle::generate::{Case, Dice, case};

    /// The texts mean what the ruleset means: a reader of a report must not look for the mistake in the wrong place.
    #[test]
    fn what_is_printed_reads_back_as_the_same_rules() {
        let mut dice = Dice::new(3);
        let (mut made, mut kept) = (0, 0);
        for _ in 0..60 {
            let Case { ruleset, requests } = dice.draw(&case());
            made += ruleset.rules.len();
            let ruleset = of_sayable_rules(ruleset);
            kept += ruleset.rules.len();
            let again = read_back(&ruleset).unwrap_or_else(|report| panic!("{report}"));
            let (one, other) = (Both::new(&ruleset), Both::new(&again));
            for request in &requests {
                let mut scratch = Scratch::default();
                let verdicts = one.verdicts(request, &mut scratch);
                assert_eq!(verdicts, other.verdicts(request, &mut scratch));
            }
        }
        assert!(
            kept * 4 > made,
            "of {made} rules only {kept} could be printed"
        );
    }

    /// Without what the front end refuses, such as a score of billions.
    fn of_sayable_rules(mut ruleset: Ruleset) -> Ruleset {
        let rules = std::mem::take(&mut ruleset.rules);
        let sayable = |terminal: &Terminal| yaml::terminal(terminal).is_ok();
        ruleset
            .bands
            .retain(|band| band.at_least < 1_000_000 && sayable(&band.then));
        if !sayable(&ruleset.default) {
            ruleset.default = Terminal::Allow;
        }
        for list in &mut ruleset.lists {
            if let ListValues::Strings(values) = &mut list.values {
                values.retain(|value| std::str::from_utf8(value).is_ok());
            }
        }
        for rule in rules {
            let alone = Ruleset {
                rules: vec![rule],
                ..ruleset.clone()
            };
            if read_back(&alone).is_ok() {
                ruleset.rules.extend(alone.rules);
            }
        }
        ruleset
    }

    fn read_back(ruleset: &Ruleset) -> Result<Ruleset, String> {
        let unsayable = |Unsayable(what)| what.to_owned();
        let manifest = yaml::manifest(ruleset).map_err(unsayable)?;
        let rules = yaml::rules(ruleset).map_err(unsayable)?;
        let sources = [
            ("ruleset.yaml", manifest.as_str()),
            ("a.rules.yaml", &rules),
        ];
        let analysis = front::analyse(&Sources::from_texts(sources));
        let report = analysis.report(false);
        analysis.ruleset.ok_or(report)
    }
}
