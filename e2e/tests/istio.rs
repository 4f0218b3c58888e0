//! The Istio resources: against the models of the CRDs of Istio 1.20, the oldest that they are for, and their Envoy parts on a real Envoy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::fs;

use istio_api_rs::{
    extensions::v1alpha1::wasm_plugin::WasmPlugin, networking::v1alpha3::envoy_filter::EnvoyFilter,
};
use k8s_openapi::api::apps::v1::Deployment;
use riskgate_e2e::{Request, Stage, VMS, root};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[test]
fn the_resources_fit_the_models() {
    check_fits::<WasmPlugin>(&file("wasm-plugin.yaml"));
    check_fits::<EnvoyFilter>(&file("envoy-filter.yaml"));
    check_fits::<EnvoyFilter>(&file("remote-address.yaml"));
    check_fits::<Deployment>(&file("deployment.yaml"));
}

#[test]
fn what_does_not_fit_is_found() {
    let plugin = |pointer: &str, value: Value| with(file("wasm-plugin.yaml"), pointer, value);
    let filter = |pointer: &str, value: Value| with(file("envoy-filter.yaml"), pointer, value);
    let misfits = [
        misfit::<WasmPlugin>(&plugin("/kind", json!("WasmPlugins"))),
        misfit::<WasmPlugin>(&plugin("/apiVersion", json!("extensions.istio.io/v1"))),
        misfit::<WasmPlugin>(&plugin("/spec/pluginconfig", json!({}))),
        misfit::<WasmPlugin>(&plugin("/spec/phase", json!("LATE"))),
        misfit::<WasmPlugin>(&plugin("/spec/url", json!(null))),
        misfit::<WasmPlugin>(&plugin("/spec/failStrategy", json!("FAIL_RELOAD"))),
        misfit::<EnvoyFilter>(&filter(
            "/spec/configPatches/0/applyTo",
            json!("HTTP_FILTERS"),
        )),
        misfit::<EnvoyFilter>(&filter(
            "/spec/configPatches/0/patch/operation",
            json!("PREPEND"),
        )),
        misfit::<EnvoyFilter>(&filter("/spec/configPatches/0/match/listeners", json!({}))),
        misfit::<EnvoyFilter>(&filter("/spec/selector", json!({}))),
    ];
    for (index, misfit) in misfits.iter().enumerate() {
        assert!(misfit.is_some(), "misfit {index} was not found");
    }
}

#[test]
fn both_ways_configure_the_filter_alike() {
    let plugin = file("wasm-plugin.yaml");
    let filter = inserted_filter();
    assert_eq!(
        plugin["spec"]["pluginConfig"],
        plugin_configuration(&filter)
    );
    let sidecar = &file("deployment.yaml")["spec"]["template"];
    let selector = &plugin["spec"]["selector"]["matchLabels"];
    assert_eq!(
        selector,
        &file("envoy-filter.yaml")["spec"]["workloadSelector"]["labels"]
    );
    assert_eq!(
        selector,
        &file("remote-address.yaml")["spec"]["workloadSelector"]["labels"]
    );
    assert_eq!(selector, &sidecar["metadata"]["labels"]);
    for resource in [
        "proxyCPU",
        "proxyCPULimit",
        "proxyMemory",
        "proxyMemoryLimit",
    ] {
        let annotation = format!("sidecar.istio.io/{resource}");
        assert!(
            sidecar["metadata"]["annotations"][&annotation].is_string(),
            "{annotation}"
        );
    }
}

/// Rules that need all that only the EnvoyFilter can set.
const RULES: &str = r#"
rules:
  - id: coupon
    when: request.method == "POST" && request.body.json["/coupon"] == "FREE"
    then: deny
"#;

/// Patches the shipped bootstrap as Istio would patch its own, and sees the filter decide, by bodies too.
#[test]
fn the_patches_run_on_envoy() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    let port = pusher.addresses().subscribers.port();
    let scenario = stage
        .scenario("stream", "storefront")
        .unwrap()
        .set("PUSHER_PORT", port);
    let filter = inserted_filter();
    let cluster = plugin_configuration(&filter)["push"]["cluster"].clone();
    let scenario = scenario.edit(move |text| {
        let mut filter = filter.clone();
        let mut bootstrap: Value = serde_saphyr::from_str(text).unwrap();
        for listener in bootstrap["static_resources"]["listeners"].as_array_mut().unwrap() {
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            let code = manager.pointer("/http_filters/0/typed_config/config/vm_config/code").unwrap();
            *filter.pointer_mut("/typed_config/config/vm_config/code").unwrap() = code.clone();
            trust_as(&manager["http_filters"][0], &mut filter);
            manager["http_filters"][0] = filter.clone();
            merge(manager, &file("remote-address.yaml")["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]);
        }
        bootstrap["static_resources"]["clusters"][1]["name"] = cluster.clone();
        bootstrap["static_resources"]["clusters"][1]["load_assignment"]["cluster_name"] = cluster.clone();
        bootstrap.to_string()
    });
    let envoy = stage.envoy(scenario).unwrap();
    let bundle = stage.build("storefront", RULES, 1).unwrap();
    pusher.publish(&bundle).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    let post = |body: &str| {
        let request = Request::post("/checkout", body);
        envoy.send(&request).unwrap().status
    };
    assert_eq!(post(r#"{"coupon":"FREE"}"#), 403);
    assert_eq!(post(r#"{"coupon":"HALF"}"#), 200);
    assert_eq!(envoy.metric("config_errors").unwrap(), 0);
}

fn file(name: &str) -> Value {
    let path = root().join("envoy-config/istio").join(name);
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The HTTP filter that envoy-filter.yaml inserts.
fn inserted_filter() -> Value {
    file("envoy-filter.yaml")["spec"]["configPatches"][0]["patch"]["value"].clone()
}

/// Lets a filter trust the keys that another does.
fn trust_as(other: &Value, filter: &mut Value) {
    let mut configuration = plugin_configuration(filter);
    configuration["trust"] = plugin_configuration(other)["trust"].clone();
    let value = filter.pointer_mut("/typed_config/config/configuration/value");
    *value.unwrap() = configuration.to_string().into();
}

/// The filter's own configuration, out of the string that Envoy hands on.
fn plugin_configuration(filter: &Value) -> Value {
    let text = &filter["typed_config"]["config"]["configuration"]["value"];
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

fn check_fits<Model: Serialize + DeserializeOwned>(resource: &Value) {
    assert_eq!(misfit::<Model>(resource), None);
}

/// Reads the resource as the model and writes it again. A wrong value is an error when reading; a key that the model
/// does not know is lost on the way.
fn misfit<Model: Serialize + DeserializeOwned>(resource: &Value) -> Option<String> {
    let model: Model = match serde_json::from_value(resource.clone()) {
        Ok(model) => model,
        Err(error) => return Some(error.to_string()),
    };
    let written = serde_json::to_value(&model).unwrap();
    (written != *resource).then(|| format!("{resource}\nbecame\n{written}"))
}

/// The resource with one value set; the parent must be there.
fn with(mut resource: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    resource.pointer_mut(parent).unwrap()[key] = value;
    resource
}

/// As Istio's operation MERGE does for messages.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}
