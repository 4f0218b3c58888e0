use crate::rulec::Workshop;

const UGLY: &str = "# Who may not come in.\nrules:\n- id:   scanners\n  then: deny\n  when: request.useragent.contains( 'sqlmap' )&&connection.mtls\n";
const NEAT: &str = "# Who may not come in.\nrules:\n  - id: scanners\n    when: request.useragent.contains('sqlmap') && connection.mtls\n    then: deny\n";

#[test]
fn a_folder_is_brought_into_form() {
    let workshop = Workshop::empty();
    workshop.write("shop/ruleset.yaml", "language: 1\nruleset: shop\n");
    workshop.write("shop/a.rules.yaml", UGLY);
    workshop.write("shop/tests/a.test.yaml", "tests:  []\n");
    workshop.write("shop/notes.yaml.bak", "a:   b");

    let found = workshop.run("fmt --check shop");
    let expected = "shop/a.rules.yaml\n  line 3\n  - - id:   scanners\n  +   - id: scanners\n\
                    shop/tests/a.test.yaml\n  line 1\n  - tests:  []\n  + tests: []\n";
    assert_eq!(found.expect(1, "2 of 3 files to format"), expected);
    assert_eq!(workshop.read("shop/a.rules.yaml"), UGLY.as_bytes());

    let named = workshop.run("fmt shop").expect(0, "2 of 3 files formatted");
    assert_eq!(named, "shop/a.rules.yaml\nshop/tests/a.test.yaml\n");
    assert_eq!(workshop.read("shop/a.rules.yaml"), NEAT.as_bytes());
    assert_eq!(
        workshop
            .run("fmt --check shop")
            .expect(0, "0 of 3 files to format"),
        ""
    );
}

#[test]
fn what_cannot_be_parsed_is_left() {
    let workshop = Workshop::empty();
    workshop.write("shop/ruleset.yaml", "language:   1\n");
    workshop.write("shop/a.rules.yaml", "rules: [\n");
    workshop.run("fmt shop").expect(1, "error[R0001]");
    assert_eq!(workshop.read("shop/a.rules.yaml"), b"rules: [\n");
    assert_eq!(workshop.read("shop/ruleset.yaml"), b"language: 1\n");
    workshop
        .run("fmt --check shop/a.rules.yaml")
        .expect(1, "--> shop/a.rules.yaml:");
}

#[test]
fn usage() {
    let workshop = Workshop::empty();
    workshop.run("fmt").expect(2, "Usage:");
    workshop
        .run("fmt missing")
        .expect(2, "cannot read `missing`");
    workshop.write("other/notes.txt", "");
    workshop.run("fmt other").expect(2, "has no ruleset.yaml");
    workshop
        .run("fmt /dev/null")
        .expect(2, "`/dev/null` is neither a file nor a folder; give");
    let bundle = Workshop::furnished();
    bundle
        .run("fmt shop.bundle")
        .expect(2, "`shop.bundle` is no text in UTF-8; give");
}
