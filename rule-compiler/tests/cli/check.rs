use crate::rulec::{ISSUED_AT, Workshop, run_in};

#[test]
fn exit_codes() {
    let workshop = Workshop::furnished();
    assert_eq!(
        workshop
            .run("check shop")
            .expect(0, "shop: 5 rules, no errors"),
        ""
    );
    workshop.write(
        "shop/broken.rules.yaml",
        "rules: [{ id: x, when: nonsense, then: deny }]",
    );
    assert_eq!(
        workshop.run("check shop").expect(1, "broken.rules.yaml:1:"),
        ""
    );
    workshop.run("check missing").expect(2, "missing");
    workshop.run("check").expect(2, "Usage:");
    workshop.run("chek shop").expect(2, "check");
    workshop.run("").expect(2, "Usage:");
    let help = workshop.run("--help").expect(0, "");
    assert!(
        help.contains("Exit codes: 0 fine, 1 findings, 2 usage or I/O."),
        "{help}"
    );
}

#[test]
fn a_file_is_told_the_folder_to_give() {
    let workshop = Workshop::furnished();
    let words = "shop/ruleset.yaml is a file; give the folder that holds ruleset.yaml: `shop`";
    for verb in ["check", "test"] {
        workshop
            .run(&format!("{verb} shop/ruleset.yaml"))
            .expect(2, words);
    }
    workshop
        .run("check shop.bundle")
        .expect(2, "is a file; give the folder that holds ruleset.yaml\n");
}

/// What only compiling finds is found here too: `build` refuses nothing that passed.
#[test]
fn what_build_would_refuse_is_reported() {
    let workshop = Workshop::furnished();
    let tests: Vec<String> = (0..300)
        .map(|number| {
            let chain: String = (0..9)
                .map(|bit| [".trim()", ".lowerAscii()"][number >> bit & 1])
                .collect();
            format!("  - {{ id: r{number}, when: request.path{chain} == \"x\", then: deny }}\n")
        })
        .collect();
    workshop.write(
        "shop/many.rules.yaml",
        format!("rules:\n{}", tests.concat()),
    );
    let words = "write the same chain of transforms";
    workshop.run("check shop").expect(1, words);
    workshop
        .build("new.bundle", "--revision 4")
        .expect(1, words);
}

#[test]
fn no_rules_are_worth_a_warning() {
    let workshop = Workshop::furnished();
    workshop.write("bare/ruleset.yaml", "language: 1\nruleset: bare\n");
    workshop
        .run("check bare")
        .expect(0, "warning[R0104]: the ruleset has no rules");
}

/// They are findings like others, so that they hide none.
#[test]
fn files_that_would_be_left_out_are_named() {
    for name in ["more.yaml", "more.rules.yml", "deep/more.rules.yaml"] {
        let workshop = Workshop::furnished();
        workshop.write(&format!("shop/{name}"), "rules: []");
        workshop.write("shop/broken.rules.yaml", "rules: []\nrule: []");
        let place = format!("--> shop/{name}:1:1");
        let found = workshop.run("check shop");
        assert!(found.stderr.contains("error[R0006]"), "{}", found.stderr);
        assert!(found.stderr.contains("error[R0039]"), "{}", found.stderr);
        found.expect(1, &place);
        workshop
            .build("new.bundle", "--revision 4")
            .expect(1, &place);
    }
    let workshop = Workshop::furnished();
    workshop.write("shop/tests/scanner.test.yaml", "tests: []");
    workshop.run("check shop").expect(0, "5 rules, no errors");
}

#[test]
fn what_is_over_depends_on_the_time() {
    let workshop = Workshop::empty();
    workshop.write("sale/ruleset.yaml", "language: 1\nruleset: sale\n");
    let rule = |more: &str| {
        format!(
            "rules: [{{ id: sale, active: {{ until: 2026-11-12T00:00:00Z }}, {more} when: connection.mtls, then: deny }}]"
        )
    };
    workshop.write("sale/a.rules.yaml", rule(""));
    let before = "check sale --at 2026-11-11T00:00:00Z";
    let after = "check sale --at 2026-11-12T00:00:00Z";
    workshop.run(before).expect(0, "sale: 1 rule, no errors\n");
    workshop.run(after).expect(0, "warning[R0107]");
    workshop
        .run("check sale --at noon")
        .expect(2, "--at `noon` is not a time");
    let suppressed = rule("suppress: [{ code: R0107, reason: a template }],");
    workshop.write("sale/a.rules.yaml", suppressed);
    workshop.run(before).expect(0, "warning[R0106]");
    workshop
        .run(after)
        .expect(0, "sale: 1 rule, no errors, 1 suppressed\n");
}

/// What is shipped is an example of how to write rules.
#[test]
fn shipped_rulesets_are_clean() {
    for name in ["starter", "storefront"] {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/rulesets");
        run_in(root.as_ref(), &format!("check {name} --deny warnings")).expect(0, "no errors");
    }
}

/// Opening a pipe waits for its writer, and a device may never end.
#[test]
fn only_regular_files_inside_of_the_folder_are_read() {
    let workshop = Workshop::furnished();
    let fifo = |name: &str| {
        let made = std::process::Command::new("mkfifo")
            .arg(workshop.path(name))
            .status();
        assert!(made.unwrap().success());
    };
    fifo("shop/pipe.rules.yaml");
    workshop.run("check shop").expect(
        2,
        "pipe.rules.yaml is a folder, a pipe or a device; put a regular file there",
    );
    std::fs::remove_file(workshop.path("shop/pipe.rules.yaml")).unwrap();

    std::os::unix::fs::symlink("/dev/zero", workshop.path("shop/zero.rules.yaml")).unwrap();
    workshop.run("check shop").expect(
        2,
        "zero.rules.yaml is a link that leads out of the ruleset folder",
    );
    std::fs::remove_file(workshop.path("shop/zero.rules.yaml")).unwrap();

    fifo("shop/values");
    workshop.write(
        "shop/ruleset.yaml",
        "language: 1\nruleset: shop\nlists: { a: { type: string, file: values } }\n",
    );
    workshop
        .run("check shop")
        .expect(1, "put the values into a regular file");
}

/// A generated file can have more mistakes than anyone reads, or memory holds.
#[test]
fn mistakes_beyond_a_thousand_are_counted() {
    let workshop = Workshop::furnished();
    let rules = "  - { id: UPPER, when: connection.mtls, then: deny }\n".repeat(1_500);
    workshop.write("shop/generated.rules.yaml", format!("rules:\n{rules}"));
    let outcome = workshop.run(&format!("check shop --at {ISSUED_AT}"));
    assert_eq!(outcome.stderr.matches("error[R0010]").count(), 200);
    outcome.expect(1, "and 1300 more\n");
}
