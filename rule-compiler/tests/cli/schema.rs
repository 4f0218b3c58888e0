use serde_json::Value;

use crate::rulec::Workshop;

const NAMES: [&str; 5] = ["ruleset", "rules", "tests", "request", "verdict"];

#[test]
fn schemas_are_printed_and_written() {
    let workshop = Workshop::empty();
    workshop
        .run("schema --out shop/.schemas")
        .expect(0, "5 schemas written to shop/.schemas");
    for name in NAMES {
        let printed = workshop.run(&format!("schema {name}")).expect(0, "");
        let written = workshop.read(&format!("shop/.schemas/{name}.schema.json"));
        assert_eq!(printed.as_bytes(), written, "{name}");
        let schema: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        // An editor without a network can use it.
        let elsewhere =
            printed.matches("\"$ref\"").count() - printed.matches("\"$ref\": \"#/$defs/").count();
        assert_eq!(elsewhere, 0, "{name}");
    }
}

#[test]
fn errors() {
    let workshop = Workshop::empty();
    workshop.run("schema").expect(2, "--out <DIR>");
    workshop.run("schema rule").expect(
        2,
        "there are schemas of ruleset, rules, tests, request, verdict",
    );
    workshop.write("file", "");
    workshop
        .run("schema --out file")
        .expect(2, "cannot make the folder file");
}
