use crate::rulec::Workshop;

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

#[test]
fn files_that_would_be_left_out_are_named() {
    let cases = [
        (
            "shop/more.yaml",
            "shop/more.yaml is not read; name it X.rules.yaml",
        ),
        ("shop/more.rules.yml", "shop/more.rules.yml is not read"),
        (
            "shop/deep/more.rules.yaml",
            "shop/deep/more.rules.yaml is not read; put rule files beside",
        ),
    ];
    for (name, words) in cases {
        let workshop = Workshop::furnished();
        workshop.write(name, "rules: []");
        workshop.run("check shop").expect(2, words);
        workshop
            .build("new.bundle", "--revision 4")
            .expect(2, words);
    }
    let workshop = Workshop::furnished();
    workshop.write("shop/tests/scanner.test.yaml", "tests: []");
    workshop.run("check shop").expect(0, "5 rules, no errors");
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
    let outcome = workshop.run("check shop");
    assert_eq!(outcome.stderr.matches("error[R0010]").count(), 200);
    outcome.expect(1, "and 1300 more\n");
}
