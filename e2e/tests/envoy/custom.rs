//! The custom filter of `examples/custom-filter/`: what it knows of a request decides.

use riskgate_e2e::{Build, Request, Stage, root, wasm_module};

/// What only the order, or the number, of a request's headers tells apart.
#[test]
fn rules_read_what_a_custom_filter_knows() {
    let stage = Stage::new().unwrap();
    let folder = root().join("examples/custom-filter");
    let bundle = Build {
        ruleset: &folder.join("rules"),
        attributes: Some(&folder.join("attributes.yaml")),
        revision: 1,
        keys: stage.keys(),
        issued_at: None,
    };
    let bundle = bundle.run(stage.folder().join("custom.bundle")).unwrap();
    let module = |name: &str| wasm_module(name).unwrap().display().to_string();
    let envoy = |module: String| {
        let scenario = stage.scenario("static", "fingerprints").unwrap();
        let scenario = scenario.set("WASM", module).bundle(&bundle).unwrap();
        stage.envoy(scenario).unwrap()
    };
    let custom = envoy(module("riskgate_custom_filter"));
    let usual = envoy(module("riskgate_filter"));
    let chrome = ("user-agent", "Mozilla/5.0 Chrome/140.0");
    let hints = ("sec-ch-ua", "\"Chromium\";v=\"140\"");
    let cases = [
        (vec![chrome, hints, ("accept", "*/*"), ("dnt", "1")], 403),
        (vec![hints, chrome, ("accept", "*/*"), ("dnt", "1")], 200),
        (vec![chrome, ("accept", "*/*")], 401),
        (vec![("user-agent", "curl/8.9")], 200),
    ];
    for (headers, status) in cases {
        let request = headers.iter().fold(Request::get("/"), |request, header| {
            request.header(header.0, header.1)
        });
        assert_eq!(custom.send(&request).unwrap().status, status, "{headers:?}");
        assert_eq!(usual.send(&request).unwrap().status, 200, "{headers:?}");
    }
    assert_eq!(custom.metric("request_errors").unwrap(), 0);
}
