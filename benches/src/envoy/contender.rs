//! What is compared: the same Envoy with one filter or another before the same route.

use std::path::Path;

use anyhow::{Context as _, Result};
use riskgate_e2e::wasm_module;
use serde_json::{Value, json};

use super::supply::Supply;
use super::{lua, rbac};
use crate::model::Rule;

/// A filter that stands before the route, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// No filter: what all the others are measured against.
    None,
    /// A wasm filter that lets every request go on, written with the crate `proxy-wasm`.
    Empty,
    /// The riskgate filter, its rules pushed by a real pusher.
    Ours,
    /// Another build of the riskgate filter, given by its path.
    OtherBuild,
    /// Envoy's own RBAC filter, one policy a rule.
    Rbac,
    /// Envoy's Lua filter, rules reached through tables.
    LuaIndexed,
    /// Envoy's Lua filter, one rule after the other.
    LuaLinear,
}

impl Contender {
    /// All, in the order of the tables.
    pub const ALL: [Contender; 7] = [
        Contender::None,
        Contender::Empty,
        Contender::Ours,
        Contender::OtherBuild,
        Contender::Rbac,
        Contender::LuaIndexed,
        Contender::LuaLinear,
    ];

    /// As it is written on the command line and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Contender::None => "none",
            Contender::Empty => "empty",
            Contender::Ours => "ours",
            Contender::OtherBuild => "other-build",
            Contender::Rbac => "rbac",
            Contender::LuaIndexed => "lua-indexed",
            Contender::LuaLinear => "lua-linear",
        }
    }

    /// As it is called in tables and plots.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Contender::None => "no filter",
            Contender::Empty => "empty wasm filter",
            Contender::Ours => "riskgate",
            Contender::OtherBuild => "riskgate, other",
            Contender::Rbac => "Envoy RBAC",
            Contender::LuaIndexed => "Lua, indexed",
            Contender::LuaLinear => "Lua, linear",
        }
    }

    /// The contender of that name.
    ///
    /// # Errors
    ///
    /// Lists the names there are.
    pub fn from_name(name: &str) -> Result<Contender> {
        let found = Contender::ALL.into_iter().find(|it| it.name() == name);
        found.with_context(|| {
            let names = Contender::ALL.map(Contender::name).join(", ");
            format!("there is no contender `{name}`; there are {names}")
        })
    }

    /// Whether it answers 403 to what a rule matches; the others let everything pass.
    #[must_use]
    pub fn enforces(self) -> bool {
        !matches!(self, Contender::None | Contender::Empty)
    }

    /// Whether its rules come from the pusher.
    pub(super) fn is_pushed(self) -> bool {
        matches!(self, Contender::Ours | Contender::OtherBuild)
    }
}

/// What the configurations of the filters are made of.
pub(super) struct Filters<'a> {
    pub(super) supply: &'a Supply,
    pub(super) other_build: Option<&'a Path>,
}

impl Filters<'_> {
    /// The entry in `http_filters`; large ones keep their rules in a file in `folder`.
    pub(super) fn config(
        &self,
        contender: Contender,
        rules: &[Rule],
        folder: &Path,
    ) -> Result<Option<Value>> {
        Ok(Some(match contender {
            Contender::None => return Ok(None),
            Contender::Empty => wasm(&wasm_module("riskgate_empty_filter")?, ""),
            Contender::Ours => self.riskgate(&wasm_module("riskgate_filter")?, rules),
            Contender::OtherBuild => {
                let path = self.other_build.context("give the other build's path")?;
                self.riskgate(path, rules)
            }
            Contender::Rbac => rbac::filter(rules),
            Contender::LuaIndexed => lua::filter(&lua::indexed(rules), folder)?,
            Contender::LuaLinear => lua::filter(&lua::linear(rules), folder)?,
        }))
    }

    fn riskgate(&self, module: &Path, rules: &[Rule]) -> Value {
        wasm(module, &self.supply.plugin_configuration(rules.len()))
    }
}

/// The riskgate filter with this configuration.
pub(super) fn riskgate(configuration: &str) -> Result<Value> {
    Ok(wasm(&wasm_module("riskgate_filter")?, configuration))
}

fn wasm(module: &Path, configuration: &str) -> Value {
    json!({
        "name": "wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "wasm",
                "root_id": "wasm",
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": "wasm",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
            },
        },
    })
}
