//! What authors write: YAML, and the expressions in it. The compiler answers with diagnostics or with a ruleset, and engine
//! and oracle agree on what that decides.

use std::sync::LazyLock;

use riskgate_compiler::diagnostic::Diagnostic;
use riskgate_compiler::front::{Analysis, Sources, analyse};
use riskgate_engine::ruleset::Scratch;

use crate::oracle::check::Both;
use crate::oracle::generate::{Dice, RequestCase, case};

const MANIFEST: &str = "language: 1\nruleset: any\nlists: { office: { type: cidr, values: [10.0.0.0/8] }, words: { type: string, values: [abc, admin] } }\n";

static REQUESTS: LazyLock<Vec<RequestCase>> = LazyLock::new(|| {
    let mut dice = Dice::new(5);
    (0..3).flat_map(|_| dice.draw(&case()).requests).collect()
});

/// A condition alone; or a rule file and a manifest, and then the text of a list, with a NUL between each two.
pub(crate) fn text(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else {
        return false;
    };
    let analysis = match text.split('\0').collect::<Vec<_>>().as_slice() {
        [when] => analysed(MANIFEST, &rule(when), ""),
        [rules, manifest] => analysed(manifest, rules, ""),
        [rules, manifest, list, ..] => analysed(manifest, rules, list),
        [] => return false,
    };
    decides_alike(&analysis)
}

/// As a block of YAML, whatever lines the text has.
fn rule(when: &str) -> String {
    let when = when.replace('\n', "\n      ");
    format!("rules:\n  - id: r\n    when: |\n      {when}\n    then: deny\n")
}

/// With every diagnostic on characters of its file, and fit to be shown.
fn analysed(manifest: &str, rules: &str, list: &str) -> Analysis {
    let analysis = analyse(&Sources::from_texts([
        ("ruleset.yaml", manifest),
        ("a.rules.yaml", rules),
        ("lists/a.txt", list),
    ]));
    let refused = analysis.diagnostics.iter().any(Diagnostic::is_error);
    assert_eq!(analysis.ruleset.is_none(), refused);
    for diagnostic in &analysis.diagnostics {
        let text = &analysis
            .sources
            .get(diagnostic.primary.file)
            .expect("a file")
            .text;
        let range = &diagnostic.primary.range;
        assert!(
            range.start <= range.end && text.is_char_boundary(range.start),
            "{diagnostic:?}"
        );
    }
    analysis.report(true);
    analysis
}

fn decides_alike(analysis: &Analysis) -> bool {
    let Some(ruleset) = &analysis.ruleset else {
        return false;
    };
    // A limit of the format may still refuse it, with a message.
    let Ok(both) = Both::built(ruleset) else {
        return false;
    };
    let mut scratch = Scratch::default();
    for request in REQUESTS.iter() {
        let (oracle, engine) = both.verdicts(request, &mut scratch);
        assert_eq!(engine, oracle, "{request:#?}");
    }
    true
}

/// Conditions of every form.
pub(super) const CONDITIONS: [&str; 16] = [
    r#"request.url_path.startsWith("/admin") && !(client.ip in lists.office)"#,
    r#"request.params["q"].urlDecodeAll().htmlUnescape().lowerAscii().matches(r"(?i)union\s+select")"#,
    r#"request.headers["x-a"] in ["a", "b\n\x41\u00e9"] || request.cookies['sid'].endsWith("=")"#,
    r#"int(request.params["n"]) >= -5 && double(request.headers["x-n"]) != 1.5e3"#,
    r#"size(request.headers["x-a"]) == 2 && request.query.length() > 0x1f"#,
    r#"has(int(request.params["id"])) && request.path.contains("../")"#,
    r#"source.ip in ["10.0.0.0/8", "2001:db8::/32", "192.168.0.1"] && source.ip != "10.0.0.1""#,
    r#"request.time >= timestamp("2026-11-11T00:00:00+08:00")"#,
    r#"connection.mtls == true && auth.claims["sub"] == "42""#,
    r#"request.headers["x-b"].base64Decode().trim().compressSpaces().removeNulls() == "abc""#,
    r#"request.url_path.normalizePath() in lists.words && request.hostname == "shop.example.com""#,
    r#"!(request.method == "GET" || request.useragent.matches("^sqlmap/[0-9]{1,3}"))"#,
    r#"connection.uri_san_peer_certificate.startsWith("spiffe://") || true"#,
    r#"request.body.json["/a"] == "x""#,
    r#"counters.taps > 5"#,
    r#"((request.id == "a") && (request.scheme != "https") || (request.protocol == "HTTP/2"))"#,
];
