//! A VM that runs the engine alone.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use wasmtime::{Engine, Instance, Memory, Module, Store, TypedFunc, WasmParams, WasmResults};

use super::filter_vm::Wire;
use super::host::{self, Proxy};
use crate::model::TrafficItem;
use crate::{NOW_S, public_key};

/// `riskgate-engine-probe` in a VM.
pub(super) struct ProbeVm {
    store: Store<Proxy>,
    instance: Instance,
    memory: Memory,
    decide: TypedFunc<u32, u32>,
    requests: u32,
}

/// How long the engine took for the steps of a load.
pub(super) struct EngineLoadTimes {
    /// Signature, times and hashes.
    pub(super) verify: Duration,
    /// Copying the sections and checking every index.
    pub(super) sections: Duration,
}

impl ProbeVm {
    pub(super) fn new(engine: &Engine, module: &Module) -> Result<ProbeVm> {
        let (mut store, instance) = host::start(engine, module)?;
        let memory = instance.get_memory(&mut store, "memory");
        let mut vm = ProbeVm {
            memory: memory.context("the module exports no memory")?,
            decide: instance.get_typed_func(&mut store, "decide")?,
            requests: 0,
            store,
            instance,
        };
        vm.give(&public_key())?;
        vm.call::<_, ()>("trust", NOW_S)?;
        Ok(vm)
    }

    pub(super) fn load(&mut self, bundle: &[u8]) -> Result<EngineLoadTimes> {
        self.give(bundle)?;
        let verify = self.timed("verify")?;
        let load = self.timed("load")?;
        Ok(EngineLoadTimes {
            verify,
            sections: load.saturating_sub(verify),
        })
    }

    /// Hands a request over, and returns its number.
    pub(super) fn add_request(&mut self, item: &TrafficItem) -> Result<u32> {
        let wire = Wire::of(item)?;
        let address = format!("{}\0", item.source);
        self.give(&wire.body)?;
        self.call::<_, ()>("body", ())?;
        self.give(&[address.as_bytes(), &wire.headers].concat())?;
        self.call::<_, ()>("add_request", ())?;
        let index = self.requests;
        self.requests += 1;
        Ok(index)
    }

    /// How many rules match, enforced or not, the request that was added as number `index`, and how long that took to find out.
    pub(super) fn decide(&mut self, index: u32) -> Result<(usize, Duration)> {
        let start = Instant::now();
        let matched = self.decide.call(&mut self.store, index)?;
        let elapsed = start.elapsed();
        Ok((usize::try_from(matched)?, elapsed))
    }

    fn timed(&mut self, name: &str) -> Result<Duration> {
        let function = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, name)?;
        let start = Instant::now();
        function.call(&mut self.store, ())?;
        Ok(start.elapsed())
    }

    fn give(&mut self, bytes: &[u8]) -> Result<()> {
        let at: u32 = self.call("reserve", u32::try_from(bytes.len())?)?;
        Ok(self.memory.write(&mut self.store, at as usize, bytes)?)
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<R> {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)?;
        let result = function.call(&mut self.store, params);
        let result = result.map_err(anyhow::Error::from);
        result.with_context(|| format!("{name}; log: {:?}", self.store.data().log))
    }
}
