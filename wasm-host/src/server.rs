//! A whole proxy: a main thread, workers, and plugins that come, change and fail.

use crate::exchange::Exchange;
use crate::plugin::Plugin;
use crate::process::Process;
use crate::random::Random;
use crate::vm::{Error, Vm};
use std::collections::BTreeMap;

/// A proxy with a main thread, which gets no requests, and workers. It does with plugins what Envoy does: a canary VM tries a
/// configuration first; then each thread gets a root context of its own; the old one stays until its last request is over.
pub struct Server {
    pub(crate) process: Process,
    workers: usize,
    pub(crate) bases: Vec<Base>,
    pub(crate) plugins: Vec<Installed>,
    /// Exchanges under way.
    pub(crate) open: BTreeMap<u64, Open>,
    pub(crate) last_exchange: u64,
    pub(crate) random: Random,
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A plugin of a [`Server`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginId(pub(crate) usize);

/// Why a proxy does not take a plugin or its configuration.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// `proxy_on_vm_start` or `proxy_on_configure` of the canary VM answered false. Everything is as before.
    #[error("the plugin refuses its configuration")]
    Refused,
    /// The canary VM trapped, or the module cannot be used. Everything is as before.
    #[error(transparent)]
    Vm(#[from] Error),
    /// A thread's VM failed where the canary's had not: as in Envoy, that thread lets requests through unfiltered, and the
    /// plugin takes no configuration any more.
    #[error("thread {thread} failed to configure the plugin after the canary had not")]
    Thread {
        /// 0 is the main thread.
        thread: usize,
    },
    /// There is no such plugin.
    #[error("there is no such plugin")]
    Unknown,
}

/// The VMs of one code, `vm_id` and VM configuration.
pub(crate) struct Base {
    /// By thread: the numbers of the VMs in the process.
    pub(crate) vms: Vec<usize>,
    /// A thread failed where the canary had not.
    pub(crate) has_failed: bool,
}

pub(crate) struct Installed {
    pub(crate) plugin: Plugin,
    pub(crate) base: usize,
    /// By thread; `None` where the configuration failed.
    pub(crate) roots: Vec<Option<Root>>,
}

/// A root context of a thread's VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) context_id: u32,
    pub(crate) vm: usize,
    /// Of the VM.
    pub(crate) generation: u64,
    pub(crate) loaded_ns: u64,
}

/// An exchange under way.
pub(crate) struct Open {
    pub(crate) root: Root,
    pub(crate) exchange: Exchange,
}

impl Server {
    /// A proxy without plugins, at a time in nanoseconds since the Unix epoch.
    pub fn new(workers: usize, now_ns: u64) -> Server {
        Server {
            process: Process::empty(now_ns),
            workers,
            bases: Vec::new(),
            plugins: Vec::new(),
            open: BTreeMap::new(),
            last_exchange: 0,
            random: Random::new(now_ns),
            properties: BTreeMap::new(),
        }
    }

    /// Clocks, shared data, queues, services, and all VMs.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The VM that a plugin has on a thread; 0 is the main thread.
    pub fn vm(&mut self, plugin: PluginId, thread: usize) -> Option<&mut Vm> {
        let number = self.vm_number(plugin, thread)?;
        self.process.vm(number)
    }

    /// The number in the process of the VM that a plugin has on a thread.
    pub fn vm_number(&self, plugin: PluginId, thread: usize) -> Option<usize> {
        let base = self.bases.get(self.plugins.get(plugin.0)?.base)?;
        base.vms.get(thread).copied()
    }

    /// The root context that a plugin has on a thread.
    pub fn root(&self, plugin: PluginId, thread: usize) -> Option<u32> {
        let roots = &self.plugins.get(plugin.0)?.roots;
        Some(roots.get(thread)?.as_ref()?.context_id)
    }

    /// A property that every context of every VM sees, by path, its parts joined with zero bytes.
    pub fn set_property(&mut self, path: &[u8], value: &[u8]) {
        self.properties.insert(path.to_vec(), value.to_vec());
        for number in 0..self.process.len() {
            self.prepare(number);
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    ///
    /// As [`Process::advance`].
    pub fn advance(&mut self, ms: u64) -> Result<(), Error> {
        self.process.advance(ms)
    }

    /// A new plugin.
    ///
    /// # Errors
    ///
    /// When the module cannot be used or refuses the configuration.
    pub fn install(&mut self, plugin: Plugin) -> Result<PluginId, InstallError> {
        let base = self.base_of(&plugin)?;
        self.try_canary(base, &plugin)?;
        let id = PluginId(self.plugins.len());
        self.plugins.push(Installed {
            plugin,
            base,
            roots: vec![None; self.workers + 1],
        });
        self.configure_threads(id)?;
        Ok(id)
    }

    /// Another configuration of a plugin. The same one changes nothing. A thread whose VM trapped gets a new one.
    ///
    /// # Errors
    ///
    /// When the plugin refuses it: the old one goes on then.
    pub fn reconfigure(&mut self, id: PluginId, configuration: &[u8]) -> Result<(), InstallError> {
        let installed = self.plugins.get(id.0).ok_or(InstallError::Unknown)?;
        if installed.plugin.configuration == configuration {
            return Ok(());
        }
        let mut plugin = installed.plugin.clone();
        let base = installed.base;
        plugin.configuration = configuration.to_vec();
        if self.bases.get(base).is_some_and(|base| base.has_failed) {
            return Err(InstallError::Refused);
        }
        self.try_canary(base, &plugin)?;
        let installed = self.plugins.get_mut(id.0).ok_or(InstallError::Unknown)?;
        installed.plugin = plugin;
        let old = std::mem::replace(&mut installed.roots, vec![None; self.workers + 1]);
        let configured = self.configure_threads(id);
        for root in old.into_iter().flatten() {
            self.end_root_if_idle(root)?;
        }
        configured
    }

    /// The VMs of a plugin: those of another one like it, or new ones.
    fn base_of(&mut self, plugin: &Plugin) -> Result<usize, InstallError> {
        let like_it = |other: &&Installed| other.plugin.shares_vms_with(plugin);
        if let Some(other) = self.plugins.iter().find(like_it) {
            return Ok(other.base);
        }
        let mut vms = Vec::new();
        for _ in 0..=self.workers {
            let number = self.process.add(&plugin.module, &plugin.vm_id)?;
            self.prepare(number);
            if let Some(vm) = self.process.vm(number) {
                vm.proxy_mut().vm_configuration = plugin.vm_configuration.clone();
            }
            vms.push(number);
        }
        self.bases.push(Base {
            vms,
            has_failed: false,
        });
        Ok(self.bases.len() - 1)
    }

    pub(crate) fn prepare(&mut self, number: usize) {
        if let Some(vm) = self.process.vm(number) {
            vm.proxy_mut().properties.extend(self.properties.clone());
        }
    }

    /// A VM that is thrown away tries the configuration. What it leaves in shared data stays there, and what it registered is
    /// the main thread's.
    fn try_canary(&mut self, base: usize, plugin: &Plugin) -> Result<(), InstallError> {
        let base = self.bases.get(base).ok_or(InstallError::Unknown)?;
        let main = base.vms.first().copied().unwrap_or_default();
        let mut canary = self.process.fresh(&plugin.module, main, &plugin.vm_id)?;
        let proxy = canary.proxy_mut();
        proxy.vm_configuration = plugin.vm_configuration.clone();
        proxy.properties = self.properties.clone();
        let root = proxy.contexts.allocate();
        canary.create_context(root, 0)?;
        let is_taken = canary.start(root)? && canary.configure(root, &plugin.configuration)?;
        is_taken.then_some(()).ok_or(InstallError::Refused)
    }

    /// The main thread first, then each worker.
    fn configure_threads(&mut self, id: PluginId) -> Result<(), InstallError> {
        let mut first_failure = Ok(());
        for thread in 0..=self.workers {
            let root = self.new_root(id, thread);
            let installed = self.plugins.get_mut(id.0).ok_or(InstallError::Unknown)?;
            let base = self.bases.get_mut(installed.base);
            if root.is_none() {
                if let Some(base) = base {
                    base.has_failed = true;
                }
                first_failure = first_failure.and(Err(InstallError::Thread { thread }));
            }
            if let Some(held) = installed.roots.get_mut(thread) {
                *held = root;
            }
        }
        first_failure
    }

    /// A root context that took its configuration, in a new VM if the old one trapped.
    pub(crate) fn new_root(&mut self, id: PluginId, thread: usize) -> Option<Root> {
        let number = self.vm_number(id, thread)?;
        let plugin = self.plugins.get(id.0)?.plugin.clone();
        if self.process.vm(number)?.is_dead() {
            self.process.restart(&plugin.module, number).ok()?;
            self.prepare(number);
            let vm = self.process.vm(number)?;
            vm.proxy_mut().vm_configuration = plugin.vm_configuration;
        }
        let loaded_ns = self.process.monotonic_ns();
        let generation = *self.process.generations.get(number)?;
        let vm = self.process.vm(number)?;
        let context_id = vm.proxy_mut().contexts.allocate();
        vm.create_context(context_id, 0).ok()?;
        let is_taken =
            vm.start(context_id).ok()? && vm.configure(context_id, &plugin.configuration).ok()?;
        is_taken.then_some(Root {
            context_id,
            vm: number,
            generation,
            loaded_ns,
        })
    }

    /// A root context that nobody has any more ends after its last request.
    pub(crate) fn end_root_if_idle(&mut self, root: Root) -> Result<(), Error> {
        let is_current = self.plugins.iter().any(|installed| {
            let mut roots = installed.roots.iter().flatten();
            roots.any(|current| current.is_same(&root))
        });
        let is_used = self.open.values().any(|open| open.root.is_same(&root));
        let is_gone = self.process.generations.get(root.vm) != Some(&root.generation);
        if is_current || is_used || is_gone {
            return Ok(());
        }
        match self.process.vm(root.vm) {
            Some(vm) if !vm.is_dead() => end_root(vm, root.context_id),
            _ => Ok(()),
        }
    }
}

impl Root {
    fn is_same(&self, other: &Root) -> bool {
        (self.vm, self.generation, self.context_id)
            == (other.vm, other.generation, other.context_id)
    }
}

fn end_root(vm: &mut Vm, context_id: u32) -> Result<(), Error> {
    if vm.done(context_id)? {
        vm.delete(context_id)?;
    }
    Ok(())
}
