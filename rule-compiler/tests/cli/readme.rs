use std::path::Path;

use crate::rulec::Workshop;

/// The fenced blocks of one kind.
fn blocks<'t>(text: &'t str, kind: &str) -> Vec<&'t str> {
    let fence = format!("```{kind}\n");
    let blocks = text.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// Everything up to the first pusher: what comes then needs an Envoy, and the tests on one do that.
#[test]
fn the_first_steps_do_what_the_readme_says() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, steps) = readme.split_once("## A first rule").unwrap();
    let (steps, _) = steps.split_once("**Push.**").unwrap();
    let workshop = Workshop::empty();
    let append = |file: &str, more: &str| {
        let text = String::from_utf8(workshop.read(file)).unwrap();
        workshop.write(file, format!("{text}{more}"));
    };
    let mut verdict = None;
    for line in blocks(steps, "sh").iter().flat_map(|block| block.lines()) {
        let command = line.split(" #").next().unwrap().trim_end();
        if let Some(args) = command.strip_prefix("rulec ") {
            let said = workshop.run(args).expect(0, "");
            assert!(!said.contains("warning"), "{command}: {said}");
        } else if let Some((request, args)) = command.split_once(" | rulec ") {
            let request = request.strip_prefix("echo '").unwrap();
            let request = request.strip_suffix('\'').unwrap();
            verdict = Some(workshop.run_with(args, request, &[]).expect(0, ""));
        } else if command.starts_with("cat my-rules/first.rules.yaml") {
            let yaml = blocks(steps, "yaml");
            append("my-rules/first.rules.yaml", yaml[0]);
            append("my-rules/tests/first.test.yaml", yaml[1]);
        }
    }
    assert_eq!(verdict.as_deref(), blocks(steps, "json").first().copied());
}
