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
