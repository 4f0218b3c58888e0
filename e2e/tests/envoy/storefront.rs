//! The shop's whole ruleset on its whole corpus: the compiler and Envoy must agree on every request.

use std::{collections::BTreeMap, fs};

use riskgate_e2e::{
    Bundle, Envoy, LogLine, Planned, Response, Source, Stage, Tls, client_at, eval, root,
};
use serde_json::Value;

const RULESET: &str = "storefront";

/// One line of the corpus.
struct Case {
    name: String,
    request: Value,
    expect: Value,
}

#[test]
fn envoy_and_rulec_give_the_expected_verdicts() {
    let stage = Stage::new().unwrap();
    let bundle = stage
        .build_folder(&root().join("testdata/rulesets/storefront"), 1)
        .unwrap();
    let cases = corpus();
    check_rulec(&bundle, &cases);
    let scenario = stage.scenario("static", RULESET).unwrap();
    let envoy = stage.envoy(scenario.bundle(&bundle).unwrap()).unwrap();
    let mut clients = Clients::new(&stage, &envoy);
    let sent: Vec<(Source, Response)> = cases.iter().map(|case| clients.send(case)).collect();
    let faults: Vec<String> = cases
        .iter()
        .zip(&sent)
        .flat_map(|(case, (source, response))| {
            let line = envoy.access_log().line_of(*source).unwrap();
            differences(case, response, &line)
        })
        .collect();
    assert!(
        faults.is_empty(),
        "{} differences:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn corpus() -> Vec<Case> {
    let path = root().join("testdata/requests/storefront.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let cases: Vec<Case> = text
        .lines()
        .map(|line| {
            let case: Value = serde_json::from_str(line).unwrap();
            Case {
                name: case["name"].as_str().unwrap().to_owned(),
                request: case["request"].clone(),
                expect: case["expect"].clone(),
            }
        })
        .collect();
    assert!(cases.len() >= 300, "{} requests", cases.len());
    cases
}

fn check_rulec(bundle: &Bundle, cases: &[Case]) {
    let requests: String = cases
        .iter()
        .map(|case| format!("{}\n", case.request))
        .collect();
    let verdicts = eval(bundle, &requests).unwrap();
    assert_eq!(verdicts.len(), cases.len());
    for (case, verdict) in cases.iter().zip(&verdicts) {
        for (key, expected) in case.expect.as_object().unwrap() {
            assert_eq!(
                &verdict[key], expected,
                "`{key}` of {} by rulec eval",
                case.name
            );
        }
    }
}

/// Sends each case as its client would; one certificate for each SPIFFE id.
struct Clients<'a> {
    stage: &'a Stage,
    envoy: &'a Envoy,
    known: BTreeMap<Option<String>, Tls>,
}

impl<'a> Clients<'a> {
    fn new(stage: &'a Stage, envoy: &'a Envoy) -> Self {
        Clients {
            stage,
            envoy,
            known: BTreeMap::new(),
        }
    }

    fn send(&mut self, case: &Case) -> (Source, Response) {
        let planned = Planned::from_json(&case.request).unwrap();
        let source = client_at(planned.source_ip);
        let response = match planned.tls {
            false => self.envoy.send_from(source, &planned.request),
            true => {
                self.envoy
                    .send_tls_from(source, self.tls(planned.peer_uri_san), &planned.request)
            }
        };
        (
            source,
            response.unwrap_or_else(|error| panic!("{}: {error:#}", case.name)),
        )
    }

    fn tls(&mut self, peer_uri_san: Option<String>) -> &Tls {
        let certificates = self.stage.certificates();
        self.known
            .entry(peer_uri_san)
            .or_insert_with_key(|uri| match uri {
                Some(uri) => certificates.client(uri).unwrap(),
                None => certificates.anonymous().unwrap(),
            })
    }
}

/// What differs between the expected verdict and what Envoy did and logged.
fn differences(case: &Case, response: &Response, line: &LogLine) -> Vec<String> {
    let expect = case.expect.as_object().unwrap();
    let mut differences = Vec::new();
    for (key, expected) in expect {
        let found = found(key, case, response, line);
        if found.as_ref().is_some_and(|found| found != expected) {
            differences.push(format!(
                "{}: `{key}` is {}, expected {expected}",
                case.name,
                found.unwrap()
            ));
        }
    }
    differences
}

/// A part of the verdict as Envoy shows it, in the shape of `rulec eval`; nothing for what it does not show.
fn found(key: &str, case: &Case, response: &Response, line: &LogLine) -> Option<Value> {
    let text = |field: &str| line.text(field).unwrap_or_default();
    let ids = |field: &str| {
        text(field)
            .split(',')
            .filter(|id| !id.is_empty())
            .map(Value::from)
            .collect()
    };
    match key {
        "action" => Some(text(key).into()),
        // The filter states it where there are shadowed matches, and a score where a rule scored.
        "would" => Some(line.text("would").unwrap_or(text("action")).into()),
        "status" if text("action") == "allow" => {
            Some((response.status != 200).then_some(response.status).into())
        }
        "status" => Some(response.status.into()),
        "rule" => Some(Some(text(key)).filter(|rule| !rule.is_empty()).into()),
        "score" => Some(
            line.text("score")
                .unwrap_or("0")
                .parse::<i64>()
                .unwrap()
                .into(),
        ),
        "matched" | "shadowed" => Some(ids(key)),
        "tags" if text("action") == "allow" && case.request["method"] != "HEAD" => {
            Some(tags(response))
        }
        _ => None,
    }
}

/// Tags travel to the upstream, so only requests that pass show them, and of those not HEAD.
fn tags(response: &Response) -> Value {
    let seen = response.seen().unwrap();
    let tag = |(name, value): &(String, Vec<u8>)| {
        let name = name.strip_prefix("x-risk-tag-")?;
        Some((
            name.to_owned(),
            Value::from(String::from_utf8(value.clone()).unwrap()),
        ))
    };
    seen.headers.iter().filter_map(tag).collect()
}
