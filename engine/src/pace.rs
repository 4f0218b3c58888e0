//! How much work is done before a caller gets its turn again.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

/// So many things are done between two looks at what is allowed.
const BATCH: usize = 512;

/// The work that is still allowed, in bytes looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<AtomicUsize>);

impl Pace {
    /// Stops here until more work is allowed, if all that was allowed is done, and counts what comes next.
    pub(crate) async fn spend(&self, work: usize) {
        poll_fn(|_| match self.0.load(Ordering::Relaxed) {
            0 => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(work), Ordering::Relaxed);
    }

    /// Counts the `index`th of many things of which each takes as long as so many bytes, and stops now and then.
    pub(crate) async fn spend_on(&self, index: usize, work_each: usize) {
        if index.is_multiple_of(BATCH) {
            self.spend(work_each * BATCH).await;
        }
    }

    /// Allows so much from now on.
    pub(crate) fn allow(&self, work: usize) {
        self.0.store(work, Ordering::Relaxed);
    }

    /// What of it is left.
    pub(crate) fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Work that stops and goes on.
pub(crate) struct Paced<T> {
    pace: Pace,
    work: Pin<Box<dyn Future<Output = T> + Send>>,
}

impl<T> Paced<T> {
    pub(crate) fn new<F: Future<Output = T> + Send + 'static>(
        begin: impl FnOnce(Pace) -> F,
    ) -> Paced<T> {
        let pace = Pace::default();
        Paced {
            work: Box::pin(begin(pace.clone())),
            pace,
        }
    }

    /// Goes on until it is done or about so much work was done; takes off `work` what that was.
    pub(crate) fn step(&mut self, work: &mut usize) -> Option<T> {
        self.pace.allow(*work);
        let done = self
            .work
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        *work = self.pace.left();
        match done {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }
}

/// Does all of a work at once.
#[cfg(test)]
pub(crate) fn at_once<T>(work: impl AsyncFnOnce(&Pace) -> T) -> T {
    let pace = Pace::default();
    let mut work = core::pin::pin!(work(&pace));
    loop {
        pace.allow(usize::MAX);
        let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(done) = polled {
            return done;
        }
    }
}
