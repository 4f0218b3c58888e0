//! Listeners that Envoy reads from a file and takes up anew when it changes, as a control plane would have it.

use std::{fs, path::PathBuf};

use riskgate_e2e::{Envoy, Scenario, Stage, until};
use serde_json::{Value, json};

/// The listeners of a shipped bootstrap, moved to a file.
#[derive(Clone)]
pub(crate) struct Listeners {
    folder: PathBuf,
    /// Of the file that was written last.
    version: u64,
}

impl Listeners {
    /// In a folder that has nothing else: Envoy looks at every file that is moved to it.
    pub(crate) fn new(stage: &Stage) -> Self {
        let folder = stage.folder().join("listeners");
        fs::create_dir(&folder).unwrap();
        Listeners { folder, version: 1 }
    }

    /// The scenario with its listeners here.
    pub(crate) fn of(&self, scenario: Scenario) -> Scenario {
        let here = self.clone();
        scenario.edit(move |text| {
            let mut bootstrap: Value = serde_saphyr::from_str(text).unwrap();
            let listeners = bootstrap["static_resources"]["listeners"].take();
            bootstrap["static_resources"]["listeners"] = json!([]);
            here.write(listeners);
            bootstrap["dynamic_resources"] = json!({ "lds_config": {
                "path_config_source": { "path": here.file(), "watched_directory": { "path": here.folder } },
            } });
            bootstrap.to_string()
        })
    }

    /// Sets a key of the filter's configuration in every listener, and waits until Envoy has taken that up.
    pub(crate) fn configure(&mut self, envoy: &Envoy, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let mut response: Value =
            serde_json::from_str(&fs::read_to_string(self.file()).unwrap()).unwrap();
        let mut listeners = response["resources"].take();
        for listener in listeners.as_array_mut().unwrap() {
            let filter =
                &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][0];
            let text = &mut filter["typed_config"]["config"]["configuration"]["value"];
            let mut configuration: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            configuration[key] = value.clone();
            *text = configuration.to_string().into();
        }
        let updated = listeners.as_array().unwrap().len() as u64;
        self.version += 1;
        self.write(listeners);
        wait_for_update(envoy, updated * (self.version - 1));
    }

    fn write(&self, mut listeners: Value) {
        for listener in listeners.as_array_mut().unwrap() {
            listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
        }
        let response = json!({ "version_info": self.version.to_string(), "resources": listeners });
        let written = self.folder.join("next");
        fs::write(&written, response.to_string()).unwrap();
        fs::rename(written, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.join("listeners.json")
    }
}

/// Waits until Envoy has taken up this many changes of a listener since it began.
fn wait_for_update(envoy: &Envoy, changes: u64) {
    let taken_up = || {
        let refused = stat(envoy, "lds.update_rejected");
        assert_eq!(refused, Some(0), "Envoy refused a listener");
        Ok((stat(envoy, "listener_in_place_updated") == Some(changes)).then_some(()))
    };
    until("Envoy to take up the listeners", taken_up).unwrap();
}

/// Waits until nothing runs under an earlier configuration.
pub(crate) fn wait_for_drain(envoy: &Envoy) {
    let drained = || {
        let draining = stat(envoy, "total_filter_chains_draining");
        Ok((draining == Some(0)).then_some(()))
    };
    until("the replaced configurations to be gone", drained).unwrap();
}

fn stat(envoy: &Envoy, name: &str) -> Option<u64> {
    let name = format!("listener_manager.{name}");
    envoy.admin().stat(&name).unwrap()
}
