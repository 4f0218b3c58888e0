//! The bundle that comes next: the VM that receives a long one leaves its sections in shared data before it reads them, and
//! the others copy and hash them meanwhile.
//!
//! `next` has the layout of the head ([`record`]), with that bundle alone, and is written after its pages. It is a hint: what
//! it names serves nobody before the head names it too, which it does once one VM has read it to the end. So a bundle that
//! lets VMs trap lets them trap one after the other still.

use super::load::{Fetched, Load, SLICE};
use super::pages::{Pages, write};
use super::publication::{Publication, Written};
use super::record::{self, RECORD_LEN_MAX, Stored};
use super::seen::Seen;
use crate::host::{Host, Version};
use crate::load::Loader;
use riskgate_engine::admission::{AdmittedHead, Mark};

/// Where less than that is new, in bytes, the others would gain nothing.
const NEW_LEN_MIN: usize = SLICE;

/// What this VM stages, and what it copies of what another one staged.
pub(super) struct Ahead {
    key: String,
    value: Vec<u8>,
    /// Somebody has put a message into the VM's queue since: ticks do not look, for what comes next is worth no read of each
    /// VM each time.
    is_to_look: bool,
    /// Of what was read last.
    version: Option<Version>,
    named: Option<Stored>,
    load: Option<Load>,
    staged: Option<Staged>,
}

/// A bundle that this VM received.
struct Staged {
    mark: Mark,
    state: State,
}

enum State {
    Writing(Publication),
    /// All of it stands there, and `next` names it. It is here until it becomes the head.
    Written(Option<Publication>),
    /// It is short, or cannot be written.
    Left,
}

impl Ahead {
    pub(super) fn new(key: String) -> Ahead {
        Ahead {
            key,
            value: Vec::new(),
            is_to_look: false,
            version: None,
            named: None,
            load: None,
            staged: None,
        }
    }

    /// Goes on to leave a bundle for the others whose sections are all here, and says whether there is more to do, or
    /// something to tell the others of, before it is read.
    pub(super) fn stage(
        &mut self,
        host: &dyn Host,
        load: &Load,
        (seen, pages): (&Seen, &mut Pages),
        work: &mut usize,
    ) -> bool {
        let mark = load.mark();
        let known = self.staged.take().filter(|staged| staged.mark == mark);
        let state = known.map_or_else(|| self.begin(load, seen), |staged| staged.state);
        let (state, is_busy) = match state {
            State::Writing(publication) => self.write(host, publication, pages, work),
            state => (state, false),
        };
        self.staged = Some(Staged { mark, state });
        is_busy
    }

    fn write(
        &mut self,
        host: &dyn Host,
        mut publication: Publication,
        pages: &mut Pages,
        work: &mut usize,
    ) -> (State, bool) {
        match publication.write_pages(host, pages, work) {
            Written::Partly => (State::Writing(publication), true),
            Written::Wholly if self.announce(host, publication.stored()) => {
                (State::Written(Some(publication)), true)
            }
            Written::Wholly | Written::Not => (State::Left, false),
        }
    }

    fn begin(&self, load: &Load, seen: &Seen) -> State {
        let entries = load.entries().iter();
        let new =
            entries.filter(|entry| !entry.flags.is_detached() && seen.pages_of(entry).is_none());
        if new.map(|entry| entry.length as usize).sum::<usize>() < NEW_LEN_MIN {
            return State::Left;
        }
        let sections = load.whole_sections().cloned().collect();
        let publication = Publication::begin(load.head(), sections, seen, self.named.as_ref());
        publication.map_or(State::Left, State::Writing)
    }

    fn announce(&mut self, host: &dyn Host, stored: &Stored) -> bool {
        let record = record::write([stored]);
        let found = host.shared_data_version(&self.key, RECORD_LEN_MAX, &mut self.value);
        let written = found.and_then(|version| write(host, &self.key, &record, version));
        written == Ok(true)
    }

    /// What stands there for the others by this VM.
    pub(super) fn staged(&self) -> Option<Mark> {
        let staged = self.staged.as_ref();
        let written = staged.filter(|staged| matches!(staged.state, State::Written(_)));
        written.map(|staged| staged.mark)
    }

    /// What `next` named when it was read last, whoever wrote that.
    pub(super) fn named(&self) -> Option<&Stored> {
        self.named.as_ref()
    }

    /// What was staged of a bundle that serves now: only its head is left to be written.
    pub(super) fn take_staged(&mut self, head: &AdmittedHead) -> Option<Publication> {
        match &mut self.staged.as_mut()?.state {
            State::Written(publication) => publication.take_if(|staged| staged.is_of(head)),
            State::Writing(_) | State::Left => None,
        }
    }

    /// What was staged turned out to be bad: others need not keep it, and its pages are free.
    pub(super) fn withdraw(&mut self, host: &dyn Host, mark: Mark) {
        if self.staged() != Some(mark) {
            return;
        }
        self.staged = None;
        let found = host.shared_data_version(&self.key, RECORD_LEN_MAX, &mut self.value);
        // What stays there is not taken for anything but a hint.
        let _ = found.and_then(|version| write(host, &self.key, &[], version));
    }

    /// Something may have been staged.
    pub(super) fn wake(&mut self) {
        self.is_to_look = true;
    }

    /// Goes on to copy what another VM staged, and says whether there is more of it.
    pub(super) fn follow(
        &mut self,
        loader: &mut Loader<'_>,
        pages: &mut Pages,
        work: &mut usize,
    ) -> bool {
        if std::mem::take(&mut self.is_to_look) {
            self.look(loader);
        }
        let floor = loader.floor();
        let is_newer =
            |load: &mut Load| floor.is_none_or(|floor| floor.revision < load.mark().revision);
        let mut load = self.load.take_if(is_newer);
        self.load = None;
        let fetched = load
            .as_mut()
            .map(|load| load.fetch_all(loader, pages, work));
        match fetched {
            Some(Fetched::Part) => {
                self.load = load;
                true
            }
            Some(Fetched::Whole) => {
                self.load = load;
                false
            }
            // Whatever it is, it is found again and told when the head names it.
            Some(Fetched::Torn | Fetched::Rejected(_)) | None => false,
        }
    }

    fn look(&mut self, loader: &mut Loader<'_>) {
        let host = loader.host;
        let found = host.shared_data_version(&self.key, RECORD_LEN_MAX, &mut self.value);
        let Ok(version) = found else {
            return;
        };
        if version == self.version {
            return;
        }
        self.version = version;
        let read = version.map(|_| record::read(&self.value));
        self.named = read.and_then(|bundles| bundles.into_iter().next());
        let own = self.staged();
        let load = self
            .named
            .as_ref()
            .and_then(|stored| Load::stored(loader, stored, false, super::ORIGIN).ok());
        self.load = load.filter(|load| own != Some(load.mark()));
    }

    /// What has come of a bundle that the head names now; anything else is of no use any more.
    pub(super) fn take_load(&mut self, mark: Mark, stored: &Stored) -> Option<Load> {
        let load = self.load.take()?;
        (load.mark() == mark).then(|| load.stored_at(stored))
    }
}
