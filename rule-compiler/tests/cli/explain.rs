use riskgate_compiler::diagnostic::Code;

use crate::rulec::Workshop;

#[test]
fn a_code_has_a_page() {
    let workshop = Workshop::empty();
    let page = workshop.run("explain R0105").expect(0, "");
    assert!(
        page.starts_with("# R0105: AlwaysChecked (warning)\n\n"),
        "{page}"
    );
    assert!(page.contains("```yaml\nwhen: '!("), "{page}");
    assert_eq!(workshop.run("explain r0105").expect(0, ""), page);
    for code in Code::ALL {
        let page = workshop.run(&format!("explain {code}")).expect(0, "");
        assert!(page.starts_with(&format!("# {code}: ")), "{page}");
        // What it is, an example, and what to do.
        let paragraphs = page.split("\n\n").count();
        assert!(paragraphs >= 4 && page.contains("```yaml\n"), "{page}");
    }
    workshop
        .run("explain R9999")
        .expect(2, "`R9999`: there is no such code");
}

#[test]
fn all_codes_are_listed() {
    let workshop = Workshop::empty();
    let list = workshop.run("explain").expect(0, "");
    assert_eq!(list, workshop.run("explain --list").expect(0, ""));
    assert_eq!(list.lines().count(), Code::ALL.len());
    for (line, code) in list.lines().zip(Code::ALL) {
        assert!(line.starts_with(&code.to_string()), "{line}");
    }
}
