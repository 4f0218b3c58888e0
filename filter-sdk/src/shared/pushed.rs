//! Loads whose sections a push service sends.

use super::load::{Load, Source, Taken};
use crate::load::Loader;
use crate::rejection::Rejection;
use riskgate_engine::assembly::{IncomingSection, SectionHash, WholeSection};
use riskgate_engine::bundle::SectionEntry;

/// Why bytes of a section are not the next ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddError {
    #[error("a chunk of a section came that is not the next one")]
    OtherSection,
    #[error("a chunk for offset {found} came, the next one is {expected}")]
    OutOfOrder { found: usize, expected: usize },
    #[error("a chunk goes beyond the end of its section")]
    Overflow,
    #[error("{0}")]
    Rejected(#[from] Rejection),
}

impl Load {
    /// A bundle whose sections are pushed. Those that serve already, or that came whole in `donor`, a load that was given
    /// up, are taken over.
    pub(crate) fn pushed(
        loader: &mut Loader<'_>,
        head: &[u8],
        donor: Option<Load>,
        origin: &'static str,
    ) -> Result<Load, Rejection> {
        let head = loader.admission(loader.floor()).admit_head(head)?;
        Ok(Load::new(
            loader,
            head,
            donor.as_ref(),
            (Source::Pushed, origin),
        ))
    }

    /// What the section table says of each section.
    pub(crate) fn entries(&self) -> &[SectionEntry] {
        self.assembly.head().entries()
    }

    /// The places in the section table of those sections that have to come, ascending.
    pub(crate) fn missing(&self) -> Vec<usize> {
        let missing = self.assembly.missing().into_iter();
        missing.map(|(place, _)| place).collect()
    }

    /// The sections that it has whole.
    pub(crate) fn whole_sections(&self) -> impl Iterator<Item = &WholeSection> {
        self.assembly.whole_sections()
    }

    /// Takes the next bytes of a section that is pushed, and says how many of it are here.
    pub(crate) fn add(
        &mut self,
        section: &SectionHash,
        offset: usize,
        data: &[u8],
    ) -> Result<usize, AddError> {
        let next = self.assembly.next_missing();
        let (_, entry) = next.ok_or(AddError::OtherSection)?;
        if entry.hash != *section {
            return Err(AddError::OtherSection);
        }
        let expected = self
            .incoming
            .as_ref()
            .map_or(0, IncomingSection::received_len);
        if offset != expected {
            let found = offset;
            return Err(AddError::OutOfOrder { found, expected });
        }
        match self.take(entry, data)? {
            Taken::Part | Taken::Whole => {}
            Taken::TooMuch => return Err(AddError::Overflow),
            Taken::Wrong(refusal) => return Err(AddError::Rejected(refusal.into())),
        }
        Ok(expected.saturating_add(data.len()))
    }
}
