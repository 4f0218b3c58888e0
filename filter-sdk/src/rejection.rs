//! Why a bundle does not come to serve.

use riskgate_engine::admission::Refusal;
use riskgate_engine::assembly::NoMemory;

/// Why a bundle does not come to serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    /// It is not what it should be.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// There is no room for it.
    #[error("{0}")]
    NoMemory(#[from] NoMemory),
    /// Other VMs of this proxy came to grief with it.
    #[error(
        "two VMs of this proxy trapped while they loaded it; build it with a higher `--revision`, and report it"
    )]
    Trapped,
}

impl Rejection {
    /// The stable word that a NACK carries.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Rejection::Refused(refusal) => refusal.code(),
            Rejection::NoMemory(_) => "no-memory",
            Rejection::Trapped => "trapped",
        }
    }

    /// Whether it says something of the bytes of a section, which the digest does not.
    pub(crate) fn is_of_bytes(&self) -> bool {
        matches!(self, Rejection::Refused(Refusal::BadHash(_)))
    }

    /// Whether this digest will be refused for ever, so that sending it again is of no use.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Rejection::Refused(refusal) => refusal.is_permanent(),
            Rejection::NoMemory(_) => false,
            Rejection::Trapped => true,
        }
    }
}
