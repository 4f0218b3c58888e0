//! The bundle of the plugin configuration, which is a file, and is tried again while what stands against it may pass.

use super::{Load, Shared, WAIT_TICKS_MAX};
use crate::load::Loader;
use std::sync::Arc;

/// A file that is tried again.
pub(super) struct WaitingFile {
    file: Arc<[u8]>,
    origin: &'static str,
    pub(super) wait_ticks: u32,
}

impl WaitingFile {
    pub(super) fn new(file: &Arc<[u8]>, origin: &'static str) -> WaitingFile {
        WaitingFile {
            file: Arc::clone(file),
            origin,
            wait_ticks: WAIT_TICKS_MAX,
        }
    }
}

impl Shared {
    /// Lets the bundle of a file load, in place of what was being loaded.
    pub(crate) fn begin_file(
        &mut self,
        loader: &mut Loader<'_>,
        file: &Arc<[u8]>,
        origin: &'static str,
    ) {
        self.waiting_file = None;
        match Load::file(loader, file, origin) {
            Ok(load) => self.load = Some(load),
            Err(rejection) => {
                loader.report_refused(rejection.code(), &rejection, origin);
                if !rejection.is_permanent() {
                    self.waiting_file = Some(WaitingFile::new(file, origin));
                }
            }
        }
    }

    /// Tries a file again that was refused for what may have passed. What stands against it still is not told twice.
    pub(super) fn resume_file(&mut self, loader: &mut Loader<'_>) {
        let is_due = |file: &WaitingFile| file.wait_ticks == 0;
        if self.load.is_some() || !self.waiting_file.as_ref().is_some_and(is_due) {
            return;
        }
        let Some(mut waiting) = self.waiting_file.take() else {
            return;
        };
        match Load::file(loader, &waiting.file, waiting.origin) {
            Ok(load) => self.load = Some(load),
            Err(rejection) if rejection.is_permanent() => {}
            Err(_) => {
                waiting.wait_ticks = WAIT_TICKS_MAX;
                self.waiting_file = Some(waiting);
            }
        }
    }
}
