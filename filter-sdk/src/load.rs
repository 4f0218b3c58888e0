//! From bytes that anybody may have sent to a ruleset that serves.

use crate::config::Config;
use crate::host::{Host, Level};
use crate::metrics::{Metric, Metrics};
use crate::serving::Serving;
use riskgate_engine::admission::{Admission, Mark, Refusal};
use riskgate_engine::ruleset::Ruleset;

/// Where a bundle goes: the configuration that judges it, and what it replaces.
pub(crate) struct Loader<'l> {
    pub(crate) host: &'l dyn Host,
    pub(crate) metrics: &'l Metrics,
    pub(crate) config: &'l Config,
    pub(crate) serving: &'l mut Serving,
}

impl<'l> Loader<'l> {
    /// The bundle that serves this filter: a revision below the configured minimum, which another filter of the VM may
    /// have accepted, does not.
    pub(crate) fn held(&self) -> Option<Mark> {
        let min_revision = self.config.min_revision;
        let mark = self.serving.mark();
        mark.filter(|mark| mark.revision >= min_revision)
    }

    /// Logs what a new filter finds.
    pub(crate) fn report_adopted(&self) {
        if let Some(Mark { revision, .. }) = self.serving.mark() {
            let ruleset = &self.config.ruleset;
            let (level, what) = match self.held() {
                Some(_) => (Level::Info, "serves on under another configuration"),
                None => (
                    Level::Warn,
                    "is below the configured minimum; it does not serve here",
                ),
            };
            self.host.log(
                level,
                &format!("ruleset `{ruleset}`: revision {revision} {what}"),
            );
        }
    }

    /// Latches expiry, also where no request comes: all VMs of a proxy see the same time.
    pub(crate) fn note_time(&mut self) {
        let wall_ns = self.host.now_ns().ok();
        let standing = self.serving.standing(0, wall_ns);
        if let Some(standing) = standing
            && standing.expired_just_now
        {
            let revision = standing.ruleset.revision();
            let line = expiry_line(&self.config.ruleset, revision);
            self.host.log(Level::Error, &line);
        }
    }

    /// Counts and logs a bundle that does not serve.
    pub(crate) fn report_refused(&self, code: &str, why: &dyn std::fmt::Display, origin: &str) {
        self.metrics.count(self.host, Metric::LoadsRefused);
        let ruleset = &self.config.ruleset;
        let kept = match self.held() {
            Some(mark) => format!("revision {} serves on", mark.revision),
            None => "no bundle serves".to_owned(),
        };
        let line =
            format!("ruleset `{ruleset}`: a bundle {origin} was refused ({code}): {why}; {kept}");
        self.host.log(Level::Error, &line);
    }

    /// The highest bundle that this VM knows to have been accepted.
    pub(crate) fn floor(&self) -> Option<Mark> {
        self.serving.floor()
    }

    /// What judges bundles that must not fall behind `mark`.
    pub(crate) fn admission(&mut self, mark: Option<Mark>) -> Admission<'l> {
        // Where no clock ever told the time and nothing serves it is the epoch, when no bundle was issued yet.
        let now_ns = self.serving.now_ns(self.host.now_ns().ok());
        let config = self.config;
        Admission {
            trust: &config.trust,
            ruleset: &config.ruleset,
            audience: config.audience.as_deref(),
            min_revision: config.min_revision,
            now_s: now_ns / crate::NS_PER_S,
            mark,
        }
    }

    /// Lets a ruleset serve whose head was judged when something else may have served, and that must not fall behind
    /// `mark`.
    pub(crate) fn serve(
        &mut self,
        ruleset: Ruleset,
        mark: Option<Mark>,
        origin: &str,
    ) -> Result<Mark, Refusal> {
        let mut head = ruleset.head().clone();
        self.admission(mark).admit_again(&mut head)?;
        self.serving.swap(ruleset, head.is_expired());
        self.serving.prepare_counters(self.host, self.metrics);
        self.report_accepted(&head.mark(), origin);
        Ok(head.mark())
    }

    pub(crate) fn report_accepted(&self, mark: &Mark, origin: &str) {
        self.metrics.count(self.host, Metric::LoadsAccepted);
        self.metrics
            .record(self.host, Metric::Revision, mark.revision);
        let (ruleset, revision, digest) = (&self.config.ruleset, mark.revision, mark.digest);
        self.host.log(
            Level::Info,
            &format!("ruleset `{ruleset}`: revision {revision} ({digest}) {origin} serves"),
        );
        if self.serving.is_expired() {
            self.host.log(Level::Error, &expiry_line(ruleset, revision));
        }
    }
}

/// What the log says when a ruleset's time is over.
pub(crate) fn expiry_line(ruleset: &str, revision: u64) -> String {
    format!(
        "ruleset `{ruleset}`: revision {revision} has expired; its `on_expired` decides until a newer one is published"
    )
}
