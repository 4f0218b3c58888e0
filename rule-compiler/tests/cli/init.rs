use serde_json::Value;

use crate::rulec::Workshop;

/// The steps that are printed, one after the other, as a newcomer would take them.
#[test]
fn a_new_ruleset_passes_all_that_it_is_told_to() {
    let workshop = Workshop::empty();
    let stdout = workshop.run("init My_Rules").expect(0, "");
    assert!(
        stdout.starts_with("ruleset `my-rules` is in My_Rules: ruleset.yaml, "),
        "{stdout}"
    );
    let steps: Vec<&str> = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("rulec "))
        .collect();
    assert_eq!(steps.len(), 4, "{stdout}");
    for step in steps {
        workshop.run(step).expect(0, "");
    }
    assert!(workshop.names().contains(&"my-rules.bundle".to_owned()));
    workshop
        .run("check My_Rules --deny warnings")
        .expect(0, "no errors");
    workshop.run("fmt --check My_Rules").expect(0, "");
}

#[test]
fn editors_find_the_schemas() {
    let workshop = Workshop::empty();
    workshop.run("init shop --name other").expect(0, "");
    for file in ["ruleset.yaml", "first.rules.yaml", "tests/first.test.yaml"] {
        let text = String::from_utf8(workshop.read(&format!("shop/{file}"))).unwrap();
        let header = text.lines().next().unwrap();
        let schema = header
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap();
        let folder = workshop
            .path(&format!("shop/{file}"))
            .parent()
            .unwrap()
            .to_owned();
        let schema = std::fs::read(folder.join(schema)).unwrap();
        let schema: Value = serde_json::from_slice(&schema).unwrap();
        assert!(
            schema["title"]
                .as_str()
                .unwrap()
                .ends_with(file.split('.').next_back().unwrap())
        );
    }
    let manifest = String::from_utf8(workshop.read("shop/ruleset.yaml")).unwrap();
    assert!(manifest.contains("\nruleset: other\n"), "{manifest}");
}

#[test]
fn nothing_is_written_over() {
    let workshop = Workshop::empty();
    workshop.write("used/notes.txt", "mine");
    workshop
        .run("init used")
        .expect(2, "used is not empty; give a new folder");
    workshop
        .run("init used/notes.txt")
        .expect(2, "cannot use used/notes.txt as a folder");
    workshop
        .run("init new --name No")
        .expect(2, "name `No` is not 1 to 63 of a-z, 0-9 and -");
    workshop.run("init ---").expect(2, "");
    assert_eq!(workshop.names(), ["used"]);
    std::fs::create_dir(workshop.path("empty")).unwrap();
    workshop.run("init empty").expect(0, "");
    workshop.run("init empty").expect(2, "empty is not empty");
}
