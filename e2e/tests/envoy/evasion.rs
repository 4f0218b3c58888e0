//! The evasion corpus as clients send it: what Envoy hands the filter is what the corpus says that it does.

use std::{fs, path::PathBuf};

use riskgate_e2e::{Planned, Request, Stage, root};
use serde_json::Value;

use crate::requests::with_rules;

/// Two rules of each trick: the naive one, and the one that defeats it. Each marks what it finds with a header.
fn rules(tricks: &[Value]) -> String {
    let mut rules = "rules:\n".to_owned();
    for (number, trick) in tricks.iter().enumerate() {
        for kind in ["naive", "defended"] {
            let condition = trick[kind].as_str().unwrap().replace('\'', "''");
            let id = format!("{kind}-{number}");
            rules += &format!(
                "  - {{ id: {id}, when: '{condition}', then: {{ tag: {{ {id}: hit }} }} }}\n"
            );
        }
    }
    rules
}

fn tricks() -> Vec<Value> {
    let folder = root().join("testdata/evasion");
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    paths.iter().map(read).collect()
}

/// The request as a client sends it: of a joined header each value on a line of its own.
fn sent(request: &Value) -> Request {
    let mut planned = Planned::from_json(request).unwrap().request;
    let mut headers = Vec::new();
    for (name, value) in planned.headers {
        let is_joined = name == "user-agent";
        for value in value.split(|byte| *byte == b',' && is_joined) {
            headers.push((name.clone(), value.trim_ascii().to_vec()));
        }
    }
    planned.headers = headers;
    planned
}

#[test]
fn the_filter_sees_what_the_corpus_says() {
    let tricks = tricks();
    let stage = Stage::new().unwrap();
    let envoy = with_rules(&stage, &rules(&tricks));
    let mut faults = Vec::new();
    for (number, trick) in tricks.iter().enumerate() {
        for request in trick["requests"].as_array().unwrap() {
            let response = envoy.send(&sent(request)).unwrap();
            let found = |kind: &str| {
                let seen = response.seen().ok();
                let header = format!("x-risk-tag-{kind}-{number}");
                seen.map(|seen| seen.values(&header) == [b"hit"])
            };
            if (found("naive"), found("defended")) != (Some(false), Some(true)) {
                let trick = &trick["trick"];
                faults.push(format!("{trick}: {request} is answered with {}, found by the naive rule {:?}, by the other {:?}", response.status, found("naive"), found("defended")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
