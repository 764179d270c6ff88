//! Word that the proxy stops, or that what a session rests on is over, for one session.
//!
//! Invariants:
//! - Registered once for the session's task, not at every wait: a wait costs nothing for it.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

/// Asks, and is woken by, the proxy's wish to stop.
pub(crate) struct Stop {
    stopping: watch::Receiver<bool>,
    waking: Pin<Box<dyn Future<Output = ()> + Send>>,
    registered: bool,
    /// `poll` has told of it.
    told: bool,
    /// For sessions that end with their token.
    expiry: Option<Pin<Box<Sleep>>>,
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stop").field("asked", &self.is_asked()).finish_non_exhaustive()
    }
}

impl Stop {
    /// `until` is when the session has to end.
    pub(crate) fn new(stopping: watch::Receiver<bool>, until: Option<SystemTime>) -> Self {
        let mut other = stopping.clone();
        let waking = Box::pin(async move {
            // A closed channel means that the server is gone.
            let _asked = other.wait_for(|stopping| *stopping).await;
        });
        let expiry = until.map(|until| {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            Box::pin(tokio::time::sleep(left))
        });
        Self { stopping, waking, registered: false, told: false, expiry }
    }

    /// Whether the time is up, whatever is under way.
    pub(crate) fn is_over(&self) -> bool {
        self.expiry.as_ref().is_some_and(|expiry| expiry.deadline() <= Instant::now())
    }

    /// Whether the proxy is to stop.
    pub(crate) fn is_asked(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Has the task of `context` woken when one of them happens, and tells of it: once that the proxy is to stop, every
    /// time that the time is up. All calls must come from one task.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        if let Some(expiry) = &mut self.expiry
            && expiry.as_mut().poll(context).is_ready()
        {
            return true;
        }
        if self.told {
            return false;
        }
        self.told = if self.registered {
            // No more than a look at a number, at every wait.
            self.stopping.has_changed().unwrap_or(true)
        } else {
            self.registered = true;
            self.waking.as_mut().poll(context).is_ready()
        };
        self.told
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn asked_before_and_after() {
        let sender = watch::Sender::new(false);
        let mut stop = Stop::new(sender.subscribe(), None);
        let mut context = Context::from_waker(Waker::noop());
        assert!(!stop.poll(&mut context) && !stop.is_asked());
        assert!(!stop.poll(&mut context), "nothing has happened");
        sender.send_replace(true);
        assert!(stop.is_asked());
        assert!(stop.poll(&mut context), "asked while it waited");
        assert!(
            !stop.poll(&mut context),
            "told once: who is not at rest would turn round and round"
        );
        assert!(
            Stop::new(sender.subscribe(), None).poll(&mut context),
            "asked before the first wait"
        );
    }
}
