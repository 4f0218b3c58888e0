//! A bundle on its way to serve: judged by its head, put together section by section, read in steps.

use super::attempts::{Advice, Attempts};
use super::pages::Pages;
use super::record::{PAGE_LEN, Stored};
use crate::identity::Nonce;
use crate::load::Loader;
use crate::rejection::Rejection;
use riskgate_engine::admission::{AdmittedHead, Mark, Refusal};
use riskgate_engine::assembly::{Assembly, IncomingSection};
use riskgate_engine::bundle::{ALIGNMENT, Bundle, SectionEntry};
use std::sync::Arc;

/// How much work a callback does at most before others have their turn, in bytes looked at: about a millisecond.
pub(crate) const SLICE: usize = 512 << 10;

/// A bundle on its way to serve.
pub(crate) struct Load {
    pub(super) assembly: Assembly,
    source: Source,
    pub(super) incoming: Option<IncomingSection>,
    /// It may be older than the newest that was accepted, though not than what serves.
    is_fallback: bool,
    /// What stood against it for now was told.
    is_again: bool,
    origin: &'static str,
}

/// Where the sections come from.
pub(super) enum Source {
    /// Whoever has them adds them.
    Pushed,
    /// The pages of each section in the section table.
    Stored(Stored),
    /// A whole file.
    File(Arc<[u8]>),
}

/// What a step has left.
#[derive(Debug)]
pub(crate) enum Step {
    /// There is more to do.
    Working,
    /// Sections have to come first.
    Starved,
    /// It may be that others trapped with it: that is known later.
    Waiting,
    /// It serves.
    Done(Mark),
    Rejected(Rejection),
    /// What is stored is not what was signed: somebody is writing there, or has erased it.
    Torn,
}

/// What became of the sections that a load takes from where they are.
pub(super) enum Fetched {
    /// There are more.
    Part,
    /// All are here.
    Whole,
    /// They are not what was signed, or not there.
    Torn,
    Rejected(Rejection),
}

/// What is noted of the loads of this VM.
pub(crate) struct Notes<'n> {
    pub(super) attempts: &'n mut Attempts,
    pub(super) pages: &'n mut Pages,
    pub(super) vm: Nonce,
}

impl Load {
    /// A bundle whose sections are in shared data; only one `is_fallback` may be older than the newest that was accepted.
    pub(super) fn stored(
        loader: &mut Loader<'_>,
        stored: &Stored,
        is_fallback: bool,
        origin: &'static str,
    ) -> Result<Load, Rejection> {
        let mark = mark_to_keep(loader, is_fallback);
        let head = loader.admission(mark).admit_head(&stored.head)?;
        let source = Source::Stored(stored.clone());
        Ok(Load {
            is_fallback,
            ..Load::new(loader, head, None, (source, origin))
        })
    }

    /// A bundle that is here as a whole.
    pub(crate) fn file(
        loader: &mut Loader<'_>,
        file: &Arc<[u8]>,
        origin: &'static str,
    ) -> Result<Load, Rejection> {
        let bundle = Bundle::parse(file).map_err(Refusal::Malformed)?;
        let admission = loader.admission(loader.floor());
        let head = admission.admit_head(&bundle.head().to_bytes())?;
        let source = Source::File(file.clone());
        Ok(Load::new(loader, head, None, (source, origin)))
    }

    pub(super) fn new(
        loader: &Loader<'_>,
        head: AdmittedHead,
        donor: Option<&Load>,
        (source, origin): (Source, &'static str),
    ) -> Load {
        let held = |entry: &SectionEntry| {
            let served = loader.serving.whole_sections().iter();
            let donated = donor
                .into_iter()
                .flat_map(|load| load.assembly.whole_sections());
            let mut all = served.chain(donated);
            all.find(|section| section.hash() == &entry.hash).cloned()
        };
        Load {
            assembly: Assembly::new(head, held),
            source,
            incoming: None,
            is_fallback: false,
            is_again: false,
            origin,
        }
    }

    /// The same; if it `is_again` tried, what stands against it for now is not told once more.
    pub(super) fn again(self, is_again: bool) -> Load {
        Load { is_again, ..self }
    }

    /// The same bundle, whose sections are also there.
    pub(super) fn stored_at(self, stored: &Stored) -> Load {
        let source = Source::Stored(stored.clone());
        Load { source, ..self }
    }

    /// Whether all of its sections are here.
    pub(crate) fn is_whole(&self) -> bool {
        self.assembly.next_missing().is_none()
    }

    pub(super) fn head(&self) -> &AdmittedHead {
        self.assembly.head()
    }

    /// The file that it comes from, if there is one.
    pub(super) fn as_file(&self) -> Option<(&Arc<[u8]>, &'static str)> {
        match &self.source {
            Source::File(file) => Some((file, self.origin)),
            Source::Pushed | Source::Stored(_) => None,
        }
    }

    /// What it will be the mark of.
    pub(crate) fn mark(&self) -> Mark {
        self.assembly.head().mark()
    }

    /// Whether it is what the head names first: there may be another one to be tried, and this one can be found again.
    pub(super) fn is_current(&self) -> bool {
        matches!(self.source, Source::Stored(_)) && !self.is_fallback
    }

    /// Does some of what is left, and takes off `work` what that was, in bytes looked at. When all is done the bundle
    /// serves; if not, what served before goes on.
    pub(crate) fn step(
        &mut self,
        loader: &mut Loader<'_>,
        notes: &mut Notes<'_>,
        work: &mut usize,
    ) -> Step {
        if matches!(self.source, Source::Pushed) && self.assembly.next_missing().is_some() {
            return Step::Starved;
        }
        if let Some(mark) = loader.serving.mark().filter(|mark| *mark == self.mark()) {
            loader.report_accepted(&mark, self.origin);
            return Step::Done(mark);
        }
        let advice = notes.attempts.begin(loader.host, notes.vm, &self.mark());
        match advice {
            Advice::Go => {}
            Advice::Wait => return Step::Waiting,
            Advice::Leave => return self.reject(loader, Rejection::Trapped),
        }
        let step = self.go_on(loader, notes.pages, work);
        notes.attempts.end(loader.host, notes.vm);
        step
    }

    /// Takes the sections that are to come from where they are, without reading them, and takes off `work` what they are
    /// long.
    pub(super) fn fetch_all(
        &mut self,
        loader: &Loader<'_>,
        pages: &mut Pages,
        work: &mut usize,
    ) -> Fetched {
        while let Some((place, entry)) = self.assembly.next_missing() {
            if *work == 0 {
                return Fetched::Part;
            }
            match self.fetch(loader, pages, place, entry) {
                Ok(Some(Taken::Part | Taken::Whole)) => {}
                Ok(Some(Taken::Wrong(refusal))) if matches!(self.source, Source::File(_)) => {
                    return Fetched::Rejected(refusal.into());
                }
                Ok(Some(Taken::Wrong(_) | Taken::TooMuch) | None) => return Fetched::Torn,
                Err(rejection) => return Fetched::Rejected(rejection),
            }
            *work = work.saturating_sub(PAGE_LEN.min(entry.length as usize));
        }
        Fetched::Whole
    }

    fn go_on(&mut self, loader: &mut Loader<'_>, pages: &mut Pages, work: &mut usize) -> Step {
        match self.fetch_all(loader, pages, work) {
            Fetched::Part => return Step::Working,
            Fetched::Whole => {}
            Fetched::Torn => return Step::Torn,
            Fetched::Rejected(rejection) => return self.reject(loader, rejection),
        }
        if *work == 0 {
            return Step::Working;
        }
        match self.assembly.step(work) {
            None => Step::Working,
            Some(Ok(ruleset)) => {
                let mark = mark_to_keep(loader, self.is_fallback);
                match loader.serve(ruleset, mark, self.origin) {
                    Ok(mark) => Step::Done(mark),
                    Err(refusal) => self.reject(loader, refusal.into()),
                }
            }
            Some(Err(refusal)) => self.reject(loader, refusal.into()),
        }
    }

    /// Takes the next part of a section from where it is; `None` if it is not there.
    fn fetch(
        &mut self,
        loader: &Loader<'_>,
        pages: &mut Pages,
        place: usize,
        entry: SectionEntry,
    ) -> Result<Option<Taken>, Rejection> {
        let start = self
            .incoming
            .as_ref()
            .map_or(0, IncomingSection::received_len);
        let len = PAGE_LEN.min((entry.length as usize).saturating_sub(start));
        let file;
        let data = match &self.source {
            Source::Pushed => None,
            Source::Stored(stored) => {
                let of_section = stored.pages.get(place);
                let page = of_section.and_then(|pages| pages.get(start / PAGE_LEN));
                match page {
                    Some(page) => pages.read(loader.host, *page, len)?,
                    None => None,
                }
            }
            Source::File(whole) => {
                file = Arc::clone(whole);
                let start = self.offset_of(place).saturating_add(start);
                file.get(start..start.saturating_add(len))
            }
        };
        data.map(|data| self.take(entry, data)).transpose()
    }

    /// Where the section at a place of the section table begins in the file.
    fn offset_of(&self, place: usize) -> usize {
        let head = self.assembly.head();
        let before = head.entries().iter().take(place);
        before.fold(head.bytes().len(), |offset, entry| {
            let len = (entry.length as usize).next_multiple_of(ALIGNMENT);
            offset.saturating_add(len)
        })
    }

    pub(super) fn take(&mut self, entry: SectionEntry, data: &[u8]) -> Result<Taken, Rejection> {
        let mut incoming = match self.incoming.take() {
            Some(incoming) => incoming,
            None => IncomingSection::begin(entry)?,
        };
        if !incoming.add(data) {
            return Ok(Taken::TooMuch);
        }
        if incoming.received_len() < entry.length as usize {
            self.incoming = Some(incoming);
            return Ok(Taken::Part);
        }
        match incoming.finish() {
            Ok(section) => {
                self.assembly.put(&section);
                Ok(Taken::Whole)
            }
            Err(error) => Ok(Taken::Wrong(Refusal::BadHash(error))),
        }
    }

    fn reject(&self, loader: &Loader<'_>, rejection: Rejection) -> Step {
        if rejection.is_permanent() || !self.is_again {
            loader.report_refused(rejection.code(), &rejection, self.origin);
        }
        Step::Rejected(rejection)
    }
}

/// The bundle that another one must not fall behind.
fn mark_to_keep(loader: &Loader<'_>, is_fallback: bool) -> Option<Mark> {
    match is_fallback {
        true => loader.serving.mark(),
        false => loader.floor(),
    }
}

/// What became of bytes of a section.
pub(super) enum Taken {
    Part,
    Whole,
    /// There are more than the section has.
    TooMuch,
    /// They are not what was signed.
    Wrong(Refusal),
}
