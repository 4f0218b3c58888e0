//! The bundle that the VMs of a proxy share: whoever accepts a bundle leaves it in shared data, and the others find it there,
//! those too that start later.
//!
//! `head` names the bundle that serves and the one before it ([`record`]), and the pages that hold their sections
//! ([`pages`]). Pages are written before the head that names them, and never while a head names them, so whoever stops
//! in between leaves the old bundle or the new one. The head only moves forward: it is the highest revision that
//! any VM accepted, which no VM falls behind, also after a restart. All of it is read as if anybody had written it,
//! because any neighbour with the same `vm_id` can: signatures are checked under one's own keys, and sections against the signed
//! table. What was erased or put back is written again by a VM that serves it.

mod ahead;
mod attempts;
mod files;
mod load;
mod pages;
mod publication;
mod pushed;
mod record;
mod seen;

use crate::host::Host;
use crate::identity::Nonce;
use crate::load::Loader;
use crate::namespace::Namespace;
use crate::rejection::Rejection;
use ahead::Ahead;
use attempts::Attempts;
use files::WaitingFile;
use pages::{Pages, write};
use publication::{Publication, Written, page_of};
use riskgate_engine::admission::Mark;
use riskgate_engine::bundle::Digest;
use riskgate_engine::ruleset::Ruleset;
use seen::{Seen, SeenBundle};

pub(crate) use load::{Load, Notes, SLICE, Step};
pub(crate) use pushed::AddError;

/// How often something is tried again when another VM was faster. What fails then waits for the next tick.
const TRIES: u32 = 4;
/// The longest wait after stored sections were found wrong, in ticks: 3.2 s.
const WAIT_TICKS_MAX: u32 = 32;
/// So often sections may be wrong before the bundle before them is tried, too.
const TORN_MAX: u32 = 3;
/// The wait before what was published is published again doubles so often: up to 6.3 s.
const REPUBLISHED_MAX: u32 = 6;
/// Refused bundles that are remembered; older ones are judged again.
const REFUSED_MAX: usize = 16;
/// How the log calls a bundle that another VM left.
const ORIGIN: &str = "from shared data";

/// What one filter does with the shared bundle.
pub(crate) struct Shared {
    key: String,
    attempts: Attempts,
    pages: Pages,
    seen: Seen,
    load: Option<Load>,
    ahead: Ahead,
    publication: Option<Publication>,
    published: Published,
    /// A file that was refused for what may pass.
    waiting_file: Option<WaitingFile>,
    refused: Vec<(Digest, Rejection)>,
    /// The bundle that was refused last for what may pass, until it serves.
    failing: Option<(Digest, Rejection)>,
    /// Ticks that pass before the head's bundle is tried again.
    wait_ticks: u32,
    /// How often in a row its sections were wrong, or there was no room for them.
    torn: u32,
    /// It is not known yet whether others trapped with it: one before it is tried first.
    is_in_doubt: bool,
    /// The page that is looked at next, among those of what serves.
    next_page: usize,
}

/// What this VM published last. Somebody may write over it without end: each time it waits longer before it does so, too.
#[derive(Default)]
struct Published {
    digest: Option<Digest>,
    times: u32,
    wait_ticks: u32,
}

impl Published {
    fn note(&mut self, digest: Digest) {
        self.times = match self.digest == Some(digest) {
            true => self.times.saturating_add(1),
            false => 0,
        };
        self.digest = Some(digest);
        self.wait_ticks = (1 << self.times.min(REPUBLISHED_MAX)) - 1;
    }
}

/// What there is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing, until something comes.
    Idle,
    /// More, as soon as others had their turn.
    Busy,
    /// Something that waits for the next tick.
    Waiting,
}

impl Shared {
    pub(crate) fn new(namespace: &Namespace) -> Shared {
        Shared {
            key: namespace.key("head"),
            attempts: Attempts::new(namespace.key("attempts")),
            pages: Pages::new(namespace.clone()),
            seen: Seen::default(),
            load: None,
            ahead: Ahead::new(namespace.key("next")),
            publication: None,
            published: Published::default(),
            waiting_file: None,
            refused: Vec::new(),
            failing: None,
            wait_ticks: 0,
            torn: 0,
            is_in_doubt: false,
            next_page: 0,
        }
    }

    /// A tick has passed in the VM named `vm`.
    pub(crate) fn tick(&mut self, host: &dyn Host, vm: Nonce) {
        self.wait_ticks = self.wait_ticks.saturating_sub(1);
        self.published.wait_ticks = self.published.wait_ticks.saturating_sub(1);
        if let Some(file) = &mut self.waiting_file {
            file.wait_ticks = file.wait_ticks.saturating_sub(1);
        }
        self.attempts.tidy(host, vm);
    }

    /// Another VM says that there is something new.
    pub(crate) fn wake(&mut self) {
        self.ahead.wake();
    }

    /// Looks at the head, loads what is newer than what serves, and, if this filter is the one that `writes` for its VM,
    /// publishes what serves if that is newer. Goes on until about so much `work` was done, in bytes looked at.
    pub(crate) fn advance(
        &mut self,
        loader: &mut Loader<'_>,
        vm: Nonce,
        writes: bool,
        mut work: usize,
    ) -> Progress {
        self.look(loader);
        while work > 0 {
            if self.load.is_none() {
                self.load = self.next_load(loader);
                self.resume_file(loader);
            }
            if self.load.is_some() {
                if let Some(progress) = self.step_load(loader, vm, &mut work) {
                    return progress;
                }
            } else if writes && self.has_to_publish(loader) {
                return self.publish(loader, &mut work);
            } else {
                self.publication = None;
                if writes {
                    if self.ahead.follow(loader, &mut self.pages, &mut work) {
                        continue;
                    }
                    self.scrub(loader);
                }
                return match self.wait_ticks {
                    0 => Progress::Idle,
                    _ => Progress::Waiting,
                };
            }
        }
        Progress::Busy
    }

    /// Leaves a bundle whose sections have all come for the others, before it is read. True if there is more to do first.
    pub(crate) fn stage(&mut self, host: &dyn Host, load: &Load, work: &mut usize) -> bool {
        let places = (&self.seen, &mut self.pages);
        self.ahead.stage(host, load, places, work)
    }

    /// What was left so.
    pub(crate) fn staged(&self) -> Option<Mark> {
        self.ahead.staged()
    }

    /// It is not to serve.
    pub(crate) fn withdraw(&mut self, host: &dyn Host, mark: Mark) {
        self.ahead.withdraw(host, mark);
    }

    /// What the loads of this VM note, for one that is not begun here.
    pub(crate) fn notes(&mut self, vm: Nonce) -> Notes<'_> {
        Notes {
            attempts: &mut self.attempts,
            pages: &mut self.pages,
            vm,
        }
    }

    /// The bundle that the head names, as it was read last.
    pub(crate) fn named(&self) -> Option<Mark> {
        self.seen.current().map(SeenBundle::mark)
    }

    /// Why the bundle that the head names was refused here, for ever or for now.
    pub(crate) fn refusal(&self) -> Option<(Mark, &Rejection)> {
        let mark = self.seen.current()?.mark();
        let mut refused = self.refused.iter().chain(&self.failing);
        let (_, rejection) = refused.find(|(digest, _)| *digest == mark.digest)?;
        Some((mark, rejection))
    }

    /// Reads the head. It is what no VM falls behind, also where its sections do not load.
    fn look(&mut self, loader: &mut Loader<'_>) {
        let mark = loader.serving.mark();
        let admission = loader.admission(mark);
        if self.seen.look(loader.host, &self.key, &admission) == Ok(true) {
            (self.wait_ticks, self.torn) = (0, 0);
        }
        self.seen.judge(&admission);
        if let Some(newest) = self.seen.newest() {
            loader.serving.raise_floor(newest.mark());
        }
    }

    /// A bundle of the head that is newer than what serves. The one before it is for VMs that have none, and had to leave the
    /// current one alone, do not know yet whether they have to, or found it spoiled again and again.
    fn next_load(&mut self, loader: &mut Loader<'_>) -> Option<Load> {
        if self.wait_ticks > 0 {
            return None;
        }
        let is_in_doubt = std::mem::take(&mut self.is_in_doubt);
        let served = loader.serving.mark();
        let is_newer = |mark: Mark| served.is_none_or(|served| served.revision < mark.revision);
        let bundles = self.seen.in_time();
        let mut wanted = bundles
            .filter(|(is_fallback, _)| !is_fallback || served.is_none())
            .filter(|(_, bundle)| is_newer(bundle.mark()))
            .filter(|(_, bundle)| !self.is_refused(bundle.mark().digest));
        let (mut is_fallback, mut bundle) = wanted.next()?;
        if is_in_doubt {
            (is_fallback, bundle) = wanted.next()?;
        }
        // In turns: the current one may have been mended.
        if self.torn > TORN_MAX && self.torn.is_multiple_of(2) {
            (is_fallback, bundle) = wanted.next().unwrap_or((is_fallback, bundle));
        }
        drop(wanted);
        let (mark, stored) = (bundle.mark(), &bundle.stored);
        let copied = self.ahead.take_load(mark, stored).filter(|_| !is_fallback);
        let load = copied.map_or_else(|| Load::stored(loader, stored, is_fallback, ORIGIN), Ok);
        match load {
            Ok(load) => {
                let is_again = self.failing.as_ref().is_some_and(|it| it.0 == mark.digest);
                Some(load.again(is_again))
            }
            Err(rejection) => {
                loader.report_refused(rejection.code(), &rejection, ORIGIN);
                self.note_refused(mark.digest, rejection);
                None
            }
        }
    }

    fn is_refused(&self, digest: Digest) -> bool {
        self.refused.iter().any(|(refused, _)| *refused == digest)
    }

    /// Goes on with the load, and says how that leaves the tick if it ends here.
    fn step_load(
        &mut self,
        loader: &mut Loader<'_>,
        vm: Nonce,
        work: &mut usize,
    ) -> Option<Progress> {
        let load = self.load.as_mut()?;
        let mut notes = Notes {
            attempts: &mut self.attempts,
            pages: &mut self.pages,
            vm,
        };
        match load.step(loader, &mut notes, work) {
            Step::Working => return None,
            Step::Waiting if loader.serving.mark().is_none() && load.is_current() => {
                self.is_in_doubt = true;
            }
            Step::Waiting => return Some(Progress::Waiting),
            Step::Done(mark) => {
                self.torn = 0;
                self.failing.take_if(|it| it.0 == mark.digest);
            }
            Step::Rejected(rejection) => {
                let digest = load.mark().digest;
                match load.as_file() {
                    Some((file, origin)) if !rejection.is_permanent() => {
                        self.waiting_file = Some(WaitingFile::new(file, origin));
                    }
                    // Other bytes of the same digest may be good.
                    Some(_) if rejection.is_of_bytes() => {}
                    _ => self.note_refused(digest, rejection),
                }
            }
            Step::Torn | Step::Starved => self.wait_longer(),
        }
        self.load = None;
        None
    }

    fn note_refused(&mut self, digest: Digest, rejection: Rejection) {
        if rejection.is_permanent() {
            if self.refused.len() >= REFUSED_MAX {
                self.refused.remove(0);
            }
            self.refused.push((digest, rejection));
        } else {
            self.failing = Some((digest, rejection));
            self.wait_longer();
        }
    }

    fn wait_longer(&mut self) {
        self.wait_ticks = 1 << self.torn.min(WAIT_TICKS_MAX.ilog2());
        self.torn = self.torn.saturating_add(1);
    }

    /// Whether there is anything to write now.
    fn has_to_publish(&self, loader: &Loader<'_>) -> bool {
        let is_unfinished = self.publication.as_ref().is_some_and(Publication::is_named);
        is_unfinished || (self.is_behind(loader) && self.published.wait_ticks == 0)
    }

    /// Whether what serves is newer than what the head names. What has expired is not put in the place of anything.
    fn is_behind(&self, loader: &Loader<'_>) -> bool {
        if loader.serving.is_expired() && !self.seen.bundles().is_empty() {
            return false;
        }
        let named = self.seen.current().map(|bundle| bundle.mark().revision);
        let served = loader.serving.mark().map(|mark| mark.revision);
        served > named
    }

    fn publish(&mut self, loader: &mut Loader<'_>, work: &mut usize) -> Progress {
        let Some(ruleset) = loader.serving.ruleset() else {
            return Progress::Idle;
        };
        let head = ruleset.head();
        let is_of_use = |it: &Publication| it.is_named() || it.is_of(head);
        let begun = self.publication.take().filter(is_of_use);
        let begun = begun.or_else(|| self.ahead.take_staged(head));
        let publication = begun.or_else(|| self.begin_publication(ruleset));
        let Some(mut publication) = publication else {
            return Progress::Waiting;
        };
        publication.leave_alone(&self.seen);
        let is_new = !publication.is_named();
        let digest = ruleset.digest();
        match publication.step(loader.host, &mut self.pages, &self.key, work) {
            Written::Partly => {
                self.publication = Some(publication);
                Progress::Busy
            }
            Written::Wholly => {
                if is_new {
                    self.published.note(digest);
                }
                self.look(loader);
                Progress::Idle
            }
            Written::Not => Progress::Waiting,
        }
    }

    fn begin_publication(&self, ruleset: &Ruleset) -> Option<Publication> {
        let sections = ruleset.whole_sections().to_vec();
        Publication::begin(ruleset.head(), sections, &self.seen, self.ahead.named())
    }

    /// Looks at one page of what serves, and mends it if somebody spoiled it.
    fn scrub(&mut self, loader: &Loader<'_>) {
        let Some(ruleset) = loader.serving.ruleset() else {
            return;
        };
        let mut bundles = self.seen.bundles().iter();
        let served = bundles.find(|bundle| bundle.mark().digest == ruleset.digest());
        let Some(bundle) = served else {
            return;
        };
        match page_of(ruleset, &bundle.stored, self.next_page) {
            Some((page, bytes)) => {
                let _ = self.pages.write(loader.host, page, bytes);
                self.next_page += 1;
            }
            None => self.next_page = 0,
        }
    }
}
