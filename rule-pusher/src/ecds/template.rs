//! What operators write: filter configurations that lack only their bundle.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use riskgate_engine::bundle::is_name;
use riskgate_push_protocol::limits::RESOURCE_NAME_LEN_MAX;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::catalogue::Topic;

/// A longer file is none that a person wrote, in bytes.
const FILE_LEN_MAX: u64 = 1 << 20;

/// The most resources of one pusher.
const RESOURCES_MAX: usize = 64;

/// The key of the filter's configuration that is filled in.
pub(super) const BUNDLE_KEY: &str = "bundle";

/// A resource that Envoys fetch: the filter's configuration, which lacks its bundle. `docs/ecds.md` gives the shape.
#[derive(Clone, Debug)]
pub struct Template {
    /// Envoy asks for it by this name.
    pub(super) name: String,
    /// Whose bundles it gets.
    pub(super) topic: Topic,
    pub(super) plugin: Plugin,
}

/// Envoy's `PluginConfig`, as far as the filter needs it; names are Envoy's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plugin {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) root_id: String,
    pub(super) failure_policy: FailurePolicy,
    #[serde(default)]
    pub(super) allow_on_headers_stop_iteration: bool,
    pub(super) vm_config: Vm,
    /// The filter's own configuration.
    pub(super) configuration: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum FailurePolicy {
    #[serde(rename = "FAIL_RELOAD")]
    Reload,
    #[serde(rename = "FAIL_CLOSED")]
    Closed,
    #[serde(rename = "FAIL_OPEN")]
    Open,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vm {
    #[serde(default)]
    pub(super) vm_id: String,
    pub(super) runtime: String,
    pub(super) code: Code,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    pub(super) local: LocalCode,
}

/// A file on Envoy's machine, not on this one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LocalCode {
    pub(super) filename: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Templates {
    resources: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    config: Plugin,
}

/// Why there is nothing to serve by this file.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("cannot read the resources {path:?}: {error}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file has another shape.
    #[error("{path:?}: {what}; docs/ecds.md has an example", path = .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        what: String,
    },
}

/// Reads a file of resources.
///
/// # Errors
///
/// Names what is wrong: the JSON, a name, or a configuration that is of no ruleset or brings its own bundle.
pub fn read_templates(path: &Path) -> Result<Vec<Template>, TemplateError> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?
            .take(FILE_LEN_MAX + 1)
            .read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| TemplateError::Read {
        path: path.to_owned(),
        error,
    })?;
    parse(&text).map_err(|what| TemplateError::Unusable {
        path: path.to_owned(),
        what,
    })
}

fn parse(text: &str) -> Result<Vec<Template>, String> {
    if text.len() as u64 > FILE_LEN_MAX {
        return Err(format!("the file is longer than {FILE_LEN_MAX} bytes"));
    }
    let Templates { resources } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if resources.is_empty() || resources.len() > RESOURCES_MAX {
        let count = resources.len();
        return Err(format!(
            "`resources` has {count} entries; give 1 to {RESOURCES_MAX}"
        ));
    }
    let mut names = BTreeSet::new();
    for Named { name, .. } in &resources {
        if name.is_empty() || name.len() > RESOURCE_NAME_LEN_MAX {
            return Err(format!(
                "a resource's `name` is 1 to {RESOURCE_NAME_LEN_MAX} bytes long, `{name}` is not"
            ));
        }
        if !names.insert(name) {
            return Err(format!("two resources are named `{name}`"));
        }
    }
    resources.into_iter().map(template).collect()
}

fn template(named: Named) -> Result<Template, String> {
    let Named { name, config } = named;
    let of = |what: String| format!("resource `{name}`, `configuration`: {what}");
    if config.configuration.contains_key(BUNDLE_KEY) {
        return Err(of(format!(
            "`{BUNDLE_KEY}` is what the pusher fills in; take it out"
        )));
    }
    let ruleset = name_in(&config.configuration, "ruleset").map_err(of)?;
    let ruleset = ruleset.ok_or_else(|| of("there is no `ruleset`".to_owned()))?;
    let audience = name_in(&config.configuration, "audience").map_err(of)?;
    Ok(Template {
        topic: Topic { ruleset, audience },
        plugin: config,
        name,
    })
}

fn name_in(configuration: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match configuration.get(key) {
        None => Ok(None),
        Some(Value::String(name)) if is_name(name) => Ok(Some(name.clone())),
        Some(other) => Err(format!("`{key}` is {other}, not 1 to 63 of a-z, 0-9 and -")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file of one resource with this configuration.
    pub(in crate::ecds) fn file(name: &str, configuration: &str) -> String {
        format!(
            r#"{{"resources":[{{"name":"{name}","config":{{"name":"riskgate","root_id":"riskgate","failure_policy":"FAIL_RELOAD","allow_on_headers_stop_iteration":true,"vm_config":{{"vm_id":"riskgate","runtime":"envoy.wasm.runtime.v8","code":{{"local":{{"filename":"/riskgate_filter.wasm"}}}}}},"configuration":{configuration}}}}}]}}"#
        )
    }

    pub(in crate::ecds) fn templates(text: &str) -> Vec<Template> {
        parse(text).unwrap()
    }

    #[test]
    fn a_resource_is_of_the_topic_that_its_configuration_names() {
        let text = file("riskgate", r#"{"ruleset":"storefront","audience":"eu"}"#);
        let [template] = &templates(&text)[..] else {
            panic!("{text}")
        };
        assert_eq!(template.name, "riskgate");
        assert_eq!(template.topic.to_string(), "`storefront` for `eu`");
    }

    #[test]
    fn what_cannot_be_served_is_told() {
        let good = file("riskgate", r#"{"ruleset":"storefront"}"#);
        assert_eq!(templates(&good).len(), 1);
        let resource = good
            .strip_prefix(r#"{"resources":["#)
            .and_then(|rest| rest.strip_suffix("]}"))
            .unwrap();
        let many = vec![resource; 65].join(",");
        let cases = [
            (String::new(), "EOF"),
            (r#"{"resources":[]}"#.to_owned(), "has 0 entries"),
            (format!(r#"{{"resources":[{many}]}}"#), "has 65 entries"),
            (
                format!(r#"{{"resources":[{resource},{resource}]}}"#),
                "two resources are named `riskgate`",
            ),
            (
                file("", r#"{"ruleset":"storefront"}"#),
                "`name` is 1 to 256",
            ),
            (file("riskgate", "{}"), "there is no `ruleset`"),
            (
                file("riskgate", r#"{"ruleset":"Shop"}"#),
                "`ruleset` is \"Shop\"",
            ),
            (
                file("riskgate", r#"{"ruleset":"shop","audience":7}"#),
                "`audience` is 7",
            ),
            (
                file("riskgate", r#"{"ruleset":"shop","bundle":"UklTSw=="}"#),
                "`bundle` is what the pusher fills in",
            ),
            (good.replace("FAIL_RELOAD", "FAIL_NEVER"), "unknown variant"),
            (good.replace("root_id", "rootId"), "unknown field `rootId`"),
            (
                good.replace("\"runtime\":\"envoy.wasm.runtime.v8\",", ""),
                "missing field `runtime`",
            ),
            (" ".repeat(1 << 20) + &good, "longer than 1048576 bytes"),
        ];
        for (text, words) in cases {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
