//! The schemas for editors know the keys that the compiler knows, and take the files that it takes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use riskgate_compiler::front::{Sources, analyse, analyse_tests};
use riskgate_compiler::request_json;
use riskgate_compiler::schema::Schema;
use serde_json::{Value, json};

const MANIFEST: &str = "language: 1\nruleset: shop\n";
const RULE: &str = "rules: [{ id: r, when: connection.mtls, then: deny }]";

/// The keys that the compiler says it knows, when it is given another in one of these files.
fn known(manifest: &str, rules: &str, tests: Option<&str>) -> BTreeSet<String> {
    let analysis = analyse(&Sources::from_texts([
        ("ruleset.yaml", manifest),
        ("a.rules.yaml", rules),
    ]));
    let mut diagnostics = analysis.diagnostics;
    if let Some(tests) = tests {
        let files = [("tests/a.test.yaml".to_owned(), tests.into())];
        let found = analyse_tests(&files, &analysis.ruleset.unwrap(), Path::new(""));
        diagnostics = found.diagnostics;
    }
    let helps = diagnostics.iter().filter_map(|found| found.help.as_deref());
    let help = helps
        .filter_map(|help| help.strip_prefix("use one of "))
        .next()
        .unwrap_or_else(|| panic!("{diagnostics:#?}"));
    help.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The keys at a place of a schema.
fn keys(schema: Schema, pointer: &str) -> BTreeSet<String> {
    let document = schema.document().unwrap();
    let properties = document.pointer(&format!("{pointer}/properties"));
    let properties = properties.unwrap_or_else(|| panic!("{pointer}"));
    properties.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schema_of_the_manifest_knows_the_compilers_keys() {
    let cases = [
        ("zzzzzzzzzzzz: 1", ""),
        (
            "score_bands: [{ zzzzzzzzzzzz: 1 }]",
            "/properties/score_bands/items",
        ),
        (
            "counters: { a: { zzzzzzzzzzzz: 1 } }",
            "/properties/counters/additionalProperties",
        ),
        (
            "lists: { a: { zzzzzzzzzzzz: 1 } }",
            "/properties/lists/additionalProperties",
        ),
        ("default: { zzzzzzzzzzzz: 1 }", "/$defs/terminal/anyOf/1"),
        (
            "suppress: [{ zzzzzzzzzzzz: 1 }]",
            "/$defs/suppressions/items",
        ),
    ];
    for (line, pointer) in cases {
        let found = known(&format!("{MANIFEST}{line}\n"), RULE, None);
        assert_eq!(keys(Schema::Ruleset, pointer), found, "{line}");
    }
}

#[test]
fn the_schema_of_rules_knows_the_compilers_keys() {
    let rule = "/$defs/rule/properties";
    let cases = [
        ("zzzzzzzzzzzz: 1".to_owned(), String::new()),
        (
            "rules: [{ zzzzzzzzzzzz: 1 }]".to_owned(),
            "/$defs/rule".to_owned(),
        ),
        (
            "rules: [{ active: { zzzzzzzzzzzz: 1 } }]".to_owned(),
            format!("{rule}/active"),
        ),
        (
            "rules: [{ canary: { zzzzzzzzzzzz: 1 } }]".to_owned(),
            format!("{rule}/canary"),
        ),
        (
            "rules: [{ suppress: [{ zzzzzzzzzzzz: 1 }] }]".to_owned(),
            "/$defs/suppressions/items".to_owned(),
        ),
        (
            "rules: [{ when: { zzzzzzzzzzzz: 1 } }]".to_owned(),
            "/$defs/condition/anyOf/1".to_owned(),
        ),
        (
            "rules: [{ then: { zzzzzzzzzzzz: 1 } }]".to_owned(),
            format!("{rule}/then/anyOf/1"),
        ),
        (
            "rules: [{ then: { deny: { zzzzzzzzzzzz: 1 } } }]".to_owned(),
            "/$defs/deny".to_owned(),
        ),
        (
            "rules: [{ then: { challenge: { zzzzzzzzzzzz: 1 } } }]".to_owned(),
            "/$defs/challenge".to_owned(),
        ),
    ];
    for (rules, pointer) in cases {
        assert_eq!(
            keys(Schema::Rules, &pointer),
            known(MANIFEST, &rules, None),
            "{rules}"
        );
    }
}

#[test]
fn the_schema_of_tests_knows_the_compilers_keys() {
    let header = "/$defs/request/properties/headers/anyOf/1/items/anyOf/1";
    let cases = [
        ("zzzzzzzzzzzz: 1", ""),
        ("tests: [{ zzzzzzzzzzzz: 1 }]", "/$defs/test"),
        (
            "tests: [{ sequence: [{ zzzzzzzzzzzz: 1 }] }]",
            "/$defs/step",
        ),
        (
            "tests: [{ request: { zzzzzzzzzzzz: 1 } }]",
            "/$defs/request",
        ),
        (
            "tests: [{ request: { path: /, headers: [{ zzzzzzzzzzzz: 1 }] } }]",
            header,
        ),
        (
            "tests: [{ request: { path: / }, expect: { zzzzzzzzzzzz: 1 } }]",
            "/$defs/expect",
        ),
    ];
    for (tests, pointer) in cases {
        assert_eq!(
            keys(Schema::Tests, pointer),
            known(MANIFEST, RULE, Some(tests)),
            "{tests}"
        );
    }
    let known: BTreeSet<String> = request_json::KEYS.map(|(key, _)| key.to_owned()).into();
    assert_eq!(keys(Schema::Request, ""), known);
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(name)
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_in(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn schema_of(path: &Path) -> Option<Schema> {
    let name = path.file_name()?.to_str()?;
    match name {
        "ruleset.yaml" => Some(Schema::Ruleset),
        name if name.ends_with(".rules.yaml") => Some(Schema::Rules),
        name if name.ends_with(".test.yaml") => Some(Schema::Tests),
        _ => None,
    }
}

/// What is wrong with a file by its schema.
fn faults(path: &Path) -> Vec<String> {
    let document = schema_of(path).unwrap().document().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let value: Value =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    check(&value, &document, &document)
}

#[test]
fn every_ruleset_is_taken() {
    let mut count = 0;
    for root in ["rulesets", "golden/v2"] {
        for path in files_in(&folder(root))
            .iter()
            .filter(|path| schema_of(path).is_some())
        {
            assert_eq!(faults(path), Vec::<String>::new(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 12, "{count} files");
}

#[test]
fn unknown_keys_and_wrong_shapes_are_not() {
    let cases = [
        "r0006-unknown-keys/a.rules.yaml",
        "r0006-unknown-keys-of-tests/tests/shop.test.yaml",
        "r0007-missing-keys/a.rules.yaml",
        "r0008-wrong-shapes/a.rules.yaml",
        "r0008-shapes-of-tests/tests/shop.test.yaml",
        "r0009-values-of-tests/tests/shop.test.yaml",
        "r0010-invalid-names/a.rules.yaml",
    ];
    for case in cases {
        let path = folder("invalid").join(case);
        assert!(!faults(&path).is_empty(), "{case}");
    }
}

/// So much of JSON Schema as the schemas use; a word that is not known here stops the test.
fn check(value: &Value, schema: &Value, root: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        faults.extend(check_word(value, word, rule, (schema, root)));
    }
    faults
}

fn check_word(value: &Value, word: &str, rule: &Value, within: (&Value, &Value)) -> Vec<String> {
    let (schema, root) = within;
    let number = |value: &Value| value.as_f64().unwrap();
    let fits = |holds: bool| match holds {
        true => Vec::new(),
        false => vec![format!("{word} {rule}: {value}")],
    };
    match (word, value) {
        ("$schema" | "$defs" | "title" | "description", _) => Vec::new(),
        ("$ref", _) => {
            let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
            check(value, root.pointer(pointer).unwrap(), root)
        }
        ("type", _) => {
            let types = rule
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![rule.clone()]);
            fits(types.iter().any(|name| is_a(value, name.as_str().unwrap())))
        }
        ("const", _) => fits(value == rule),
        ("enum", _) => fits(rule.as_array().unwrap().contains(value)),
        ("anyOf", _) => fits(
            rule.as_array()
                .unwrap()
                .iter()
                .any(|one| check(value, one, root).is_empty()),
        ),
        ("pattern", Value::String(text)) => fits(
            regex::Regex::new(rule.as_str().unwrap())
                .unwrap()
                .is_match(text),
        ),
        ("minLength", Value::String(text)) => fits(text.len() as f64 >= number(rule)),
        ("minimum", Value::Number(_)) => fits(number(value) >= number(rule)),
        ("maximum", Value::Number(_)) => fits(number(value) <= number(rule)),
        ("minItems", Value::Array(items)) => fits(items.len() as f64 >= number(rule)),
        ("maxItems", Value::Array(items)) => fits(items.len() as f64 <= number(rule)),
        ("items", Value::Array(items)) => items
            .iter()
            .flat_map(|item| check(item, rule, root))
            .collect(),
        ("minProperties", Value::Object(map)) => fits(map.len() as f64 >= number(rule)),
        ("maxProperties", Value::Object(map)) => fits(map.len() as f64 <= number(rule)),
        ("required", Value::Object(map)) => {
            let mut names = rule
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap());
            fits(names.all(|name| map.contains_key(name)))
        }
        ("properties", Value::Object(map)) => map
            .iter()
            .filter_map(|(key, value)| Some(check(value, rule.get(key)?, root)))
            .flatten()
            .collect(),
        ("additionalProperties", Value::Object(map)) => {
            let known = schema.get("properties").cloned().unwrap_or(json!({}));
            let others = map
                .iter()
                .filter(|(key, _)| known.get(key.as_str()).is_none());
            match rule {
                Value::Bool(false) => fits(others.count() == 0),
                rule => others
                    .flat_map(|(_, value)| check(value, rule, root))
                    .collect(),
            }
        }
        ("propertyNames", Value::Object(map)) => map
            .keys()
            .flat_map(|key| check(&json!(key), rule, root))
            .collect(),
        (
            "pattern"
            | "minLength"
            | "minimum"
            | "maximum"
            | "minItems"
            | "maxItems"
            | "items"
            | "minProperties"
            | "maxProperties"
            | "required"
            | "properties"
            | "additionalProperties"
            | "propertyNames",
            _,
        ) => Vec::new(),
        (other, _) => panic!("the schemas use `{other}`, which this test does not know"),
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    }
}
