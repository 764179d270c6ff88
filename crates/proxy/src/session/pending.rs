//! What is outstanding at PostgreSQL, in order: which answer belongs to which message.
//!
//! In:  messages as they are sent upstream, and answers of our own that must keep their turn.
//! Out: for each answer, the message that it belongs to.
//!
//! Invariants:
//! - First in, first out, as PostgreSQL answers.
//! - Bounded by the session, which stops reading from the client.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use pgcordon_rewrite::{Effect, StatementKind};

use super::names::{Change, Prepared};
use crate::message::Report;
use crate::statements::Shared;

/// Outstanding messages before the client has to wait.
const MAX_PENDING: usize = 4096;
/// Bytes of statement text among them.
const MAX_BYTES: usize = 4 << 20;

/// One outstanding message.
#[derive(Debug)]
pub(super) enum Pending {
    /// Messages of our own for the client, nothing upstream.
    Local(BytesMut),
    /// ParseComplete or CloseComplete for the client, nothing upstream.
    Done {
        tag: u8,
        change: Change,
    },
    /// `ours`: the client did not send it and does not hear of it.
    Parse {
        change: Option<Change>,
        prepared: Arc<Prepared>,
        ours: bool,
        /// The name of ours under which it is prepared.
        shared: Option<Shared>,
    },
    /// Close and Parse of our own, so that the client's EXECUTE or DEALLOCATE finds something.
    Placeholder {
        change: Option<Change>,
        closed: bool,
    },
    /// The statement, where it is known.
    Bind {
        change: Option<Change>,
        prepared: Option<Arc<Prepared>>,
    },
    Close {
        change: Change,
        ours: bool,
    },
    /// Close of a shared statement, to make room for another.
    Evict(Shared),
    DescribeStatement(Option<Arc<Prepared>>),
    DescribePortal(Option<Arc<Prepared>>),
    Execute(Option<Arc<Prepared>>),
    /// A simple query, and the statement of it that is being answered. `shared`: it runs as Bind, Describe, Execute
    /// and Sync of a prepared statement of ours.
    Query {
        prepared: Arc<Prepared>,
        index: usize,
        shared: bool,
        /// Messages of our own for the client behind the first statement's answer.
        interlude: Option<BytesMut>,
    },
    /// Also what is left of a simple query that failed: ReadyForQuery.
    Sync {
        ours: bool,
    },
    /// A statement of ours that fails, in place of a refused one: its error becomes this report.
    Fail {
        report: Report,
        simple: bool,
    },
    /// A PREPARE of the client's, sent again by us: Parse, Bind, Execute, Close, Close. `simple`: a simple query
    /// follows it, and tells the client what is wrong.
    Prepare {
        change: Change,
        prepared: Arc<Prepared>,
        closed: u8,
        simple: bool,
    },
    /// Parse, Bind, Execute, Close, Close of our own.
    Own {
        asks: Asks,
        value: Option<String>,
        closed: u8,
    },
}

/// Why the proxy runs a statement of its own in a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asks {
    /// Which search_path.
    SearchPath,
    /// To apply the startup settings again.
    Settings,
}

impl Pending {
    /// Bytes that waiting for the answer takes, about.
    fn bytes(&self) -> usize {
        match self {
            Self::Parse { prepared, .. }
            | Self::Query { prepared, .. }
            | Self::Prepare { prepared, .. } => prepared.bytes(),
            Self::Local(bytes) => bytes.len(),
            Self::Bind { .. }
            | Self::Done { .. }
            | Self::Placeholder { .. }
            | Self::Evict(_)
            | Self::Close { .. }
            | Self::DescribeStatement(_)
            | Self::DescribePortal(_)
            | Self::Execute(_)
            | Self::Sync { .. }
            | Self::Fail { .. }
            | Self::Own { .. } => 0,
        }
    }

    /// The statement that it is about, where it is known.
    pub(super) fn prepared(&self) -> Option<&Arc<Prepared>> {
        match self {
            Self::Parse { prepared, .. }
            | Self::Query { prepared, .. }
            | Self::Prepare { prepared, .. } => Some(prepared),
            Self::Bind { prepared, .. }
            | Self::DescribeStatement(prepared)
            | Self::DescribePortal(prepared)
            | Self::Execute(prepared) => prepared.as_ref(),
            Self::Local(_)
            | Self::Done { .. }
            | Self::Placeholder { .. }
            | Self::Evict(_)
            | Self::Close { .. }
            | Self::Sync { .. }
            | Self::Fail { .. }
            | Self::Own { .. } => None,
        }
    }

    /// Whether later messages can only be judged once this one is answered. `acts`: of a session that acts for others.
    fn is_barrier(&self, stakes: Stakes, acts: bool) -> bool {
        let statements = match self {
            Self::Own { .. } => return true,
            Self::Query { .. } | Self::Sync { .. } if acts => return true,
            Self::Execute(Some(prepared)) | Self::Query { prepared, .. } => {
                prepared.cleared.statements()
            }
            Self::Local(_)
            | Self::Done { .. }
            | Self::Placeholder { .. }
            | Self::Evict(_)
            | Self::Parse { .. }
            | Self::Prepare { .. }
            | Self::Bind { .. }
            | Self::Close { .. }
            | Self::DescribeStatement(_)
            | Self::DescribePortal(_)
            | Self::Execute(None)
            | Self::Sync { .. }
            | Self::Fail { .. } => return false,
        };
        statements.iter().any(|statement| {
            statement.effect != Effect::None
                || changes_catalog(statement.kind)
                || (stakes == Stakes::High && statement.kind == StatementKind::Transaction)
        })
    }
}

fn changes_catalog(kind: StatementKind) -> bool {
    [StatementKind::Create, StatementKind::Temporary, StatementKind::Discard].contains(&kind)
}

/// Whether the end of a transaction, or a rollback to a savepoint, changes what later statements mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stakes {
    Low,
    High,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The session acts for others: one transaction after the other.
    acts: bool,
    entries: VecDeque<(Pending, bool)>,
    barriers: usize,
    bytes: usize,
}

impl Queue {
    /// `acts`: of a session that acts for others.
    pub(super) fn new(acts: bool) -> Self {
        Self { acts, ..Self::default() }
    }

    /// `counted`: later messages wait until it is answered, whatever it is.
    pub(super) fn push(&mut self, pending: Pending, stakes: Stakes, counted: bool) {
        let barrier = counted || pending.is_barrier(stakes, self.acts);
        self.barriers += usize::from(barrier);
        self.bytes += pending.bytes();
        self.entries.push_back((pending, barrier));
    }

    /// Puts something in front, in place of what was taken.
    pub(super) fn put_back(&mut self, pending: Pending) {
        let barrier = pending.is_barrier(Stakes::High, self.acts);
        self.barriers += usize::from(barrier);
        self.bytes += pending.bytes();
        self.entries.push_front((pending, barrier));
    }

    pub(super) fn pop(&mut self) -> Option<Pending> {
        let (pending, barrier) = self.entries.pop_front()?;
        self.barriers -= usize::from(barrier);
        self.bytes -= pending.bytes();
        Some(pending)
    }

    pub(super) fn front(&self) -> Option<&Pending> {
        self.entries.front().map(|(pending, _)| pending)
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Pending> {
        self.entries.front_mut().map(|(pending, _)| pending)
    }

    /// Whether the client has to wait until PostgreSQL has answered some of it.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= MAX_PENDING || self.bytes >= MAX_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether PostgreSQL may yet ask for rows of COPY FROM STDIN.
    pub(super) fn has_copy(&self) -> bool {
        self.entries.iter().any(|(pending, _)| match pending {
            Pending::Execute(Some(prepared)) | Pending::Query { prepared, .. } => {
                let mut statements = prepared.cleared.statements().iter();
                statements.any(|one| one.kind == StatementKind::CopyIn)
            }
            Pending::Local(_)
            | Pending::Done { .. }
            | Pending::Placeholder { .. }
            | Pending::Evict(_)
            | Pending::Parse { .. }
            | Pending::Bind { .. }
            | Pending::Close { .. }
            | Pending::DescribeStatement(_)
            | Pending::DescribePortal(_)
            | Pending::Execute(None)
            | Pending::Sync { .. }
            | Pending::Fail { .. }
            | Pending::Prepare { .. }
            | Pending::Own { .. } => false,
        })
    }

    /// Whether an answer of PostgreSQL's is due behind what is our own at the front.
    pub(super) fn awaits_upstream(&self) -> bool {
        let local = |pending: &Pending| matches!(pending, Pending::Local(_) | Pending::Done { .. });
        self.entries.iter().any(|(pending, _)| !local(pending))
    }

    pub(super) fn has_barrier(&self) -> bool {
        self.barriers > 0
    }

    /// Takes what PostgreSQL skips after an error: everything up to the next Sync. The flag says that one was found.
    pub(super) fn skip_to_sync(&mut self) -> (Vec<Pending>, bool) {
        let mut skipped = Vec::new();
        while let Some(front) = self.front() {
            match front {
                Pending::Sync { .. } => return (skipped, true),
                // Its own Sync is what is left of it.
                Pending::Query { shared: true, .. } => {
                    self.pop();
                    self.put_back(Pending::Sync { ours: false });
                    return (skipped, true);
                }
                Pending::Query { shared: false, .. }
                | Pending::Local(_)
                | Pending::Done { .. }
                | Pending::Parse { .. }
                | Pending::Placeholder { .. }
                | Pending::Evict(_)
                | Pending::Bind { .. }
                | Pending::Close { .. }
                | Pending::DescribeStatement(_)
                | Pending::DescribePortal(_)
                | Pending::Execute(_)
                | Pending::Fail { .. }
                | Pending::Prepare { .. }
                | Pending::Own { .. } => skipped.extend(self.pop()),
            }
        }
        (skipped, false)
    }

    /// COPY FROM STDIN in the extended protocol ignores a Sync that follows its Execute (chapter 55.2.6).
    pub(super) fn drop_syncs_behind_front(&mut self) {
        while matches!(self.entries.get(1), Some((Pending::Sync { .. }, _))) {
            self.entries.remove(1);
        }
    }
}
