//! How long a session may keep others waiting.
//!
//! In:  what the session waits for.
//! Out: word that it has waited for that too long.
//!
//! | waits for                                            | limit                                          | outcome |
//! |------------------------------------------------------|------------------------------------------------|---------|
//! | the client, and no transaction is open               | `idle_session_timeout`                         | 57P05   |
//! | the client, in a transaction or an unfinished batch  | `idle_in_transaction_timeout`                  | 25P03   |
//! | PostgreSQL's answer to a statement                   | `statement_timeout` of the person's roles      | 57014   |
//!
//! They are the proxy's and not `SET` in PostgreSQL: nothing has to be said to a connection when it changes hands,
//! nothing that a client or a function sets can lift them, and a session without a connection has them, too.
//!
//! Invariants:
//! - Where a wait has no limit no clock is read and no timer runs.
//! - One timer per session, and it is moved only to become earlier.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::message::Report;

/// What the configuration allows to everybody.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    pub(crate) idle: Option<Duration>,
    pub(crate) idle_in_transaction: Option<Duration>,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wait {
    /// The client, with nothing open.
    Client,
    /// The client, which holds a connection meanwhile.
    Transaction,
}

/// Who has been waited for too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Client(Wait),
    Statement,
}

impl Wait {
    /// As PostgreSQL ends such a session.
    pub(super) fn report(self) -> Report {
        match self {
            Self::Client => {
                Report::fatal("57P05", "terminating connection due to idle-session timeout")
            }
            Self::Transaction => {
                Report::fatal("25P03", "terminating connection due to idle-in-transaction timeout")
            }
        }
    }
}

/// The deadlines of one session.
#[derive(Debug)]
pub(super) struct Clock {
    patience: Patience,
    /// The client's turn, and until when.
    awaited: Option<(Wait, Instant)>,
    /// Until when PostgreSQL may be at a statement.
    statement: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, awaited: None, statement: None, timer: None }
    }

    /// PostgreSQL is at a statement, from now on unless it was before.
    pub(super) fn start_statement(&mut self, limit: Duration) {
        self.statement.get_or_insert_with(|| Instant::now() + limit);
    }

    /// It is not any more.
    pub(super) fn end_statement(&mut self) {
        self.statement = None;
    }

    /// Something was done: the client is awaited anew.
    pub(super) fn restart(&mut self) {
        self.awaited = None;
    }

    /// Waits for the client from now on, if it does not do so already. `own` is the person's own limit within a
    /// transaction.
    pub(super) fn await_client(&mut self, wait: Option<Wait>, own: Option<Duration>) {
        if self.awaited.map(|(awaited, _)| awaited) == wait {
            return;
        }
        let limit = match wait {
            None => None,
            Some(Wait::Client) => self.patience.idle,
            Some(Wait::Transaction) => {
                let limits = self.patience.idle_in_transaction.into_iter().chain(own);
                limits.min()
            }
        };
        self.awaited = wait.zip(limit).map(|(wait, limit)| (wait, Instant::now() + limit));
    }

    /// Who has been waited for too long; otherwise the task is woken when somebody has been.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<Due> {
        let (who, due) = match (self.statement, self.awaited) {
            (Some(due), _) => (Due::Statement, due),
            (None, Some((wait, due))) => (Due::Client(wait), due),
            (None, None) => return None,
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= due {
                return Some(who);
            }
            // It was set for an earlier wait, which is over.
            timer.as_mut().reset(due);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn due(clock: &mut Clock) -> Due {
        std::future::poll_fn(|context| match clock.poll(context) {
            Some(due) => std::task::Poll::Ready(due),
            None => std::task::Poll::Pending,
        })
        .await
    }

    fn millis(idle: u64, idle_in_transaction: u64) -> Patience {
        let some = |limit| (limit > 0).then(|| Duration::from_millis(limit));
        Patience { idle: some(idle), idle_in_transaction: some(idle_in_transaction) }
    }

    #[tokio::test]
    async fn each_wait_has_its_own_limit() {
        let mut clock = Clock::new(millis(60_000, 30));
        let start = Instant::now();
        clock.await_client(Some(Wait::Client), None);
        let long = tokio::time::timeout(Duration::from_millis(50), due(&mut clock)).await;
        assert!(long.is_err(), "a minute is not over");
        clock.await_client(Some(Wait::Transaction), None);
        assert_eq!(due(&mut clock).await, Due::Client(Wait::Transaction));
        assert!(start.elapsed() >= Duration::from_millis(80));
    }

    #[tokio::test]
    async fn what_is_done_in_time_starts_anew() {
        let mut clock = Clock::new(millis(40, 0));
        let start = Instant::now();
        for _ in 0..3 {
            clock.await_client(Some(Wait::Client), None);
            let early = tokio::time::timeout(Duration::from_millis(20), due(&mut clock)).await;
            assert!(early.is_err());
            clock.restart();
        }
        clock.await_client(Some(Wait::Client), None);
        assert_eq!(due(&mut clock).await, Due::Client(Wait::Client));
        assert!(start.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn without_a_limit_nothing_is_timed() {
        let mut clock = Clock::new(Patience::default());
        for wait in [None, Some(Wait::Client), Some(Wait::Transaction)] {
            clock.await_client(wait, None);
            let never = tokio::time::timeout(Duration::from_millis(10), due(&mut clock)).await;
            assert!(never.is_err() && clock.timer.is_none());
        }
    }

    #[tokio::test]
    async fn a_persons_own_limit_counts_where_it_is_shorter() {
        let own = Some(Duration::from_millis(20));
        for patience in [millis(0, 60_000), millis(0, 0)] {
            let mut clock = Clock::new(patience);
            clock.await_client(Some(Wait::Transaction), own);
            assert_eq!(due(&mut clock).await, Due::Client(Wait::Transaction));
            clock.restart();
            clock.await_client(Some(Wait::Client), own);
            let never = tokio::time::timeout(Duration::from_millis(50), due(&mut clock)).await;
            assert!(never.is_err(), "no transaction is open");
        }
    }

    #[tokio::test]
    async fn a_statement_has_its_time_whatever_else_moves() {
        let mut clock = Clock::new(Patience::default());
        clock.start_statement(Duration::from_millis(40));
        clock.restart();
        clock.start_statement(Duration::from_secs(60));
        assert_eq!(due(&mut clock).await, Due::Statement, "it was running already");
        clock.end_statement();
        let never = tokio::time::timeout(Duration::from_millis(20), due(&mut clock)).await;
        assert!(never.is_err());
    }
}
