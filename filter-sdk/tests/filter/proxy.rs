//! A proxy that remembers what it was told, and fails where a test says so.

use riskgate_filter_sdk::config::Cluster;
use riskgate_filter_sdk::headers::{self, Header};
use riskgate_filter_sdk::host::{Host, HostError, Level, MetricKind, Version};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;

/// Every field is what the filter did, or what it is told.
#[derive(Default)]
pub(crate) struct Proxy {
    pub(crate) now_ns: Cell<u64>,
    pub(crate) tick_period_ms: Cell<u32>,
    pub(crate) log: RefCell<Vec<(Level, String)>>,
    pub(crate) headers: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    pub(crate) properties: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) state: RefCell<BTreeMap<String, String>>,
    pub(crate) reply: RefCell<Option<Reply>>,
    pub(crate) metrics: RefCell<Vec<(String, i64)>>,
    /// What all VMs of a process share.
    pub(crate) shared_data: Rc<SharedData>,
    /// The root context whose callback runs, by a number that is its own in the whole process.
    pub(crate) context: Cell<u32>,
    pub(crate) response_headers: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    pub(crate) streams: RefCell<Vec<Stream>>,
    pub(crate) message: RefCell<Vec<u8>>,
    pub(crate) body: RefCell<Vec<u8>>,
    pub(crate) random: Cell<u8>,
    /// Every random byte, if a test says so.
    pub(crate) constant_random: Cell<Option<u8>>,
    /// Names of methods that fail.
    pub(crate) broken: RefCell<HashSet<&'static str>>,
    /// A part of the names of shared data that cannot be read, and why they cannot.
    pub(crate) unreadable: Cell<Option<(&'static str, HostError)>>,
    /// A method that fails the next time, and works again then.
    pub(crate) fails_once: Cell<Option<&'static str>>,
    /// Somebody else's work, when a method is called after so many other calls of it, before it does anything.
    pub(crate) before: RefCell<Option<Before>>,
    /// Names of the methods that were called.
    pub(crate) calls: RefCell<Vec<&'static str>>,
}

/// Value and version by key, the queues, and the clock that is never set.
#[derive(Default)]
pub(crate) struct SharedData {
    pub(crate) values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    versions: Cell<u32>,
    /// What was written, oldest first.
    pub(crate) writes: RefCell<Vec<(String, Vec<u8>)>>,
    /// By their tokens, which count from 1.
    pub(crate) queues: RefCell<Vec<Queue>>,
    /// Root contexts that were not told of a message yet, and the queue.
    pub(crate) wake_ups: RefCell<VecDeque<(u32, u32)>>,
    pub(crate) monotonic_ns: Cell<u64>,
    /// So many more writes come too late under keys that end in `attempts`: others are faster.
    pub(crate) lost_notes: Cell<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) name: String,
    /// The root context that is told of messages.
    pub(crate) context: u32,
    pub(crate) messages: VecDeque<Vec<u8>>,
}

impl SharedData {
    pub(crate) fn advance(&self, ms: u64) {
        self.monotonic_ns
            .set(self.monotonic_ns.get() + ms * 1_000_000);
    }

    fn queue(&self, name: &str) -> Option<u32> {
        let queues = self.queues.borrow();
        let place = queues.iter().position(|queue| queue.name == name)?;
        Some(place as u32 + 1)
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) {
        self.versions.set(self.versions.get() + 1);
        let write = (key.to_owned(), value.to_vec());
        self.writes.borrow_mut().push(write);
        let versioned = (value.to_vec(), self.versions.get());
        self.values.borrow_mut().insert(key.to_owned(), versioned);
    }

    fn version(&self, key: &str) -> Option<u32> {
        let values = self.values.borrow();
        values.get(key).map(|(_, version)| *version)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

pub(crate) struct Before {
    pub(crate) method: &'static str,
    pub(crate) calls_left: usize,
    pub(crate) happens: Box<dyn FnOnce()>,
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) cancelled: bool,
}

impl Proxy {
    fn enter(&self, method: &'static str) -> Result<(), HostError> {
        self.calls.borrow_mut().push(method);
        let happens = self.happens_before(method);
        if let Some(happens) = happens {
            happens();
        }
        let fails_once = self.fails_once.get() == Some(method);
        if fails_once {
            self.fails_once.set(None);
        }
        if fails_once || self.broken.borrow().contains(method) {
            Err(HostError::Status(10))
        } else {
            Ok(())
        }
    }
}

impl Proxy {
    fn happens_before(&self, method: &str) -> Option<Box<dyn FnOnce()>> {
        let mut before = self.before.borrow_mut();
        let awaited = before.as_mut().filter(|before| before.method == method)?;
        match awaited.calls_left.checked_sub(1) {
            Some(calls_left) => {
                awaited.calls_left = calls_left;
                None
            }
            None => before.take().map(|before| before.happens),
        }
    }
}

impl Host for Proxy {
    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }

    fn now_ns(&self) -> Result<u64, HostError> {
        self.enter("now_ns")?;
        Ok(self.now_ns.get())
    }

    fn monotonic_ns(&self) -> Result<u64, HostError> {
        self.enter("monotonic_ns")?;
        Ok(self.shared_data.monotonic_ns.get())
    }

    fn random(&self, out: &mut [u8]) -> Result<(), HostError> {
        self.enter("random")?;
        for byte in out {
            self.random
                .set(self.random.get().wrapping_mul(5).wrapping_add(3));
            *byte = self.constant_random.get().unwrap_or(self.random.get());
        }
        Ok(())
    }

    fn set_tick_period(&self, period_ms: u32) -> Result<(), HostError> {
        self.enter("set_tick_period")?;
        self.tick_period_ms.set(period_ms);
        Ok(())
    }

    fn shared_data(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        self.enter("shared_data")?;
        let values = self.shared_data.values.borrow();
        Ok(values.get(key).map(|(value, _)| value.clone()))
    }

    fn create_shared_data(&self, key: &str, value: &[u8]) -> Result<bool, HostError> {
        self.enter("create_shared_data")?;
        let is_absent = self.shared_data.version(key).is_none();
        if is_absent {
            self.shared_data.set(key, value);
        }
        Ok(is_absent)
    }

    fn shared_data_version(
        &self,
        key: &str,
        max_len: usize,
        value: &mut Vec<u8>,
    ) -> Result<Option<Version>, HostError> {
        value.clear();
        self.enter("shared_data_version")?;
        if let Some((part, error)) = self.unreadable.get()
            && key.contains(part)
        {
            return Err(error);
        }
        let len = |(held, _): &(Vec<u8>, u32)| held.len();
        let is_too_long = self.shared_data.values.borrow().get(key).map(len) > Some(max_len);
        if is_too_long {
            self.shared_data.set(key, &[]);
        }
        let values = self.shared_data.values.borrow();
        let Some((held, version)) = values.get(key) else {
            return Ok(None);
        };
        value.extend(held);
        Ok(Version::new(*version))
    }

    fn replace_shared_data(
        &self,
        key: &str,
        value: &[u8],
        version: Version,
    ) -> Result<bool, HostError> {
        self.enter("replace_shared_data")?;
        let held = self.shared_data.version(key);
        let lost = self.shared_data.lost_notes.get();
        if lost > 0 && key.ends_with("/attempts") {
            self.shared_data.lost_notes.set(lost - 1);
            return Ok(false);
        }
        // As in Envoy, nothing is every version.
        let may_write = held.is_none_or(|held| held == version.number());
        if may_write {
            self.shared_data.set(key, value);
        }
        Ok(may_write)
    }

    fn register_queue(&self, name: &str) -> Result<u32, HostError> {
        self.enter("register_queue")?;
        let token = self.shared_data.queue(name).unwrap_or_else(|| {
            let mut queues = self.shared_data.queues.borrow_mut();
            let name = name.to_owned();
            queues.push(Queue {
                name,
                ..Queue::default()
            });
            queues.len() as u32
        });
        self.shared_data.queues.borrow_mut()[token as usize - 1].context = self.context.get();
        Ok(token)
    }

    fn resolve_queue(&self, name: &str) -> Result<Option<u32>, HostError> {
        self.enter("resolve_queue")?;
        Ok(self.shared_data.queue(name))
    }

    fn enqueue(&self, queue: u32, message: &[u8]) -> Result<(), HostError> {
        self.enter("enqueue")?;
        let mut queues = self.shared_data.queues.borrow_mut();
        let held = queues.get_mut(queue as usize - 1);
        let held = held.ok_or(HostError::Status(1))?;
        held.messages.push_back(message.to_vec());
        let wake_up = (held.context, queue);
        self.shared_data.wake_ups.borrow_mut().push_back(wake_up);
        Ok(())
    }

    fn dequeue(&self, queue: u32, message: &mut Vec<u8>) -> Result<bool, HostError> {
        message.clear();
        self.enter("dequeue")?;
        let mut queues = self.shared_data.queues.borrow_mut();
        let held = queues.get_mut(queue as usize - 1);
        let held = held.ok_or(HostError::Status(1))?;
        let oldest = held.messages.pop_front();
        message.extend(oldest.iter().flatten());
        Ok(oldest.is_some())
    }

    fn property(&self, path: &str, value: &mut Vec<u8>) -> Result<bool, HostError> {
        value.clear();
        self.enter("property")?;
        let properties = self.properties.borrow();
        let held = properties.get(&path.replace('\0', "/"));
        value.extend(held.into_iter().flatten());
        Ok(held.is_some())
    }

    fn set_property(&self, path: &str, value: &[u8]) -> Result<(), HostError> {
        self.enter("set_property")?;
        self.state
            .borrow_mut()
            .insert(path.to_owned(), String::from_utf8(value.to_vec()).unwrap());
        Ok(())
    }

    fn request_headers(&self, map: &mut Vec<u8>) -> Result<(), HostError> {
        map.clear();
        self.enter("request_headers")?;
        *map = encode(&self.headers.borrow());
        Ok(())
    }

    fn request_body(&self, max_len: usize, body: &mut Vec<u8>) -> Result<(), HostError> {
        body.clear();
        self.enter("request_body")?;
        body.extend(self.body.borrow().iter().take(max_len));
        Ok(())
    }

    fn response_headers(&self, map: &mut Vec<u8>) -> Result<(), HostError> {
        map.clear();
        self.enter("response_headers")?;
        *map = encode(&self.response_headers.borrow());
        Ok(())
    }

    fn replace_request_header(&self, name: &[u8], value: &[u8]) -> Result<(), HostError> {
        self.enter("replace_request_header")?;
        let mut headers = self.headers.borrow_mut();
        headers.retain(|(held, _)| held != name);
        headers.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    fn remove_request_header(&self, name: &[u8]) -> Result<(), HostError> {
        self.enter("remove_request_header")?;
        self.headers.borrow_mut().retain(|(held, _)| held != name);
        Ok(())
    }

    fn send_local_response(
        &self,
        status: u16,
        headers: &[Header<'_>],
        body: &[u8],
    ) -> Result<(), HostError> {
        self.enter("send_local_response")?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        *self.reply.borrow_mut() = Some(Reply {
            status,
            headers,
            body: text(body),
        });
        Ok(())
    }

    fn define_metric(&self, _kind: MetricKind, name: &str) -> Result<u32, HostError> {
        self.enter("define_metric")?;
        let mut metrics = self.metrics.borrow_mut();
        let held = metrics.iter().position(|(held, _)| *held == name);
        let place = held.unwrap_or_else(|| {
            metrics.push((name.to_owned(), 0));
            metrics.len() - 1
        });
        Ok(place as u32)
    }

    fn increment_metric(&self, id: u32, by: i64) -> Result<(), HostError> {
        self.enter("increment_metric")?;
        self.metrics.borrow_mut()[id as usize].1 += by;
        Ok(())
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError> {
        self.enter("record_metric")?;
        self.metrics.borrow_mut()[id as usize].1 = value as i64;
        Ok(())
    }

    fn open_stream(&self, _cluster: &Cluster) -> Result<u32, HostError> {
        self.enter("open_stream")?;
        self.streams.borrow_mut().push(Stream::default());
        Ok(self.streams.borrow().len() as u32 - 1)
    }

    fn send_message(&self, stream: u32, message: &[u8]) -> Result<(), HostError> {
        self.enter("send_message")?;
        self.streams.borrow_mut()[stream as usize]
            .sent
            .push(message.to_vec());
        Ok(())
    }

    fn cancel_stream(&self, stream: u32) -> Result<(), HostError> {
        self.enter("cancel_stream")?;
        self.streams.borrow_mut()[stream as usize].cancelled = true;
        Ok(())
    }

    fn received_message(&self, _len: usize) -> Result<Vec<u8>, HostError> {
        self.enter("received_message")?;
        Ok(self.message.borrow().clone())
    }
}

fn encode(headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| (&name[..], &value[..]));
    let headers: Vec<Header> = headers.collect();
    headers::encode(&headers).unwrap()
}
