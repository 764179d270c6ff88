//! A session's prepared statements and portals, by the client's names.
//!
//! In:  Parse, Bind and Close as they are sent; word of what failed or was skipped.
//! Out: the cleared statement behind a name.
//!
//! Invariants:
//! - The tables say what will be once everything pending has succeeded; each change carries what it replaced, so
//!   that a failure puts it back.
//! - Their size is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use pgcordon_rewrite::{Cleared, ClearedStatement};
use pgcordon_sql::catalog::Epoch;

use crate::answer::Texts;

/// Most names of one kind in one session.
const MAX_NAMES: usize = 10_000;

/// A statement that was cleared, and under which circumstances.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) text: Arc<str>,
    pub(super) cleared: Cleared,
    /// Declared parameter types with their count, as sent; empty in the simple protocol.
    pub(super) types: Bytes,
    pub(super) epoch: Epoch,
    /// Generation of the search_path.
    pub(super) path: u64,
}

impl Prepared {
    pub(super) fn texts(&self) -> Texts<'_> {
        Texts { original: &self.text, cleared: &self.cleared }
    }

    /// The statement of the extended protocol; `None` for an empty one.
    pub(super) fn single(&self) -> Option<&ClearedStatement> {
        self.cleared.statements().first()
    }
}

/// Which table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Statement,
    Portal,
}

/// One change of a table, with the way back.
#[derive(Debug)]
pub(super) struct Change {
    kind: Kind,
    name: Bytes,
    before: Option<Arc<Prepared>>,
}

/// Both tables.
#[derive(Debug, Default)]
pub(super) struct Names {
    statements: HashMap<Bytes, Arc<Prepared>>,
    portals: HashMap<Bytes, Arc<Prepared>>,
}

impl Names {
    fn table(&mut self, kind: Kind) -> &mut HashMap<Bytes, Arc<Prepared>> {
        match kind {
            Kind::Statement => &mut self.statements,
            Kind::Portal => &mut self.portals,
        }
    }

    pub(super) fn find(&mut self, kind: Kind, name: &[u8]) -> Option<Arc<Prepared>> {
        self.table(kind).get(name).cloned()
    }

    /// Whether one more name would be too many.
    pub(super) fn is_full(&mut self, kind: Kind, name: &[u8]) -> bool {
        let table = self.table(kind);
        table.len() >= MAX_NAMES && !table.contains_key(name)
    }

    /// Sets or, with `None`, removes a name.
    pub(super) fn set(
        &mut self,
        kind: Kind,
        name: &[u8],
        prepared: Option<Arc<Prepared>>,
    ) -> Change {
        let name = Bytes::copy_from_slice(name);
        let table = self.table(kind);
        let before = match prepared {
            Some(prepared) => table.insert(name.clone(), prepared),
            None => table.remove(&name),
        };
        Change { kind, name, before }
    }

    /// The message never ran.
    pub(super) fn undo(&mut self, change: Change) {
        let Change { kind, name, before } = change;
        match before {
            Some(before) => self.table(kind).insert(name, before),
            None => self.table(kind).remove(&name),
        };
    }

    /// The message failed. PostgreSQL drops an unnamed statement or portal before it makes the new one; a named one
    /// stays as it was.
    pub(super) fn failed(&mut self, change: Change) {
        if change.name.is_empty() {
            self.table(change.kind).remove(&change.name);
        } else {
            self.undo(change);
        }
    }

    /// A simple query drops the unnamed ones.
    pub(super) fn drop_unnamed(&mut self) {
        self.statements.remove(&b""[..]);
        self.portals.remove(&b""[..]);
    }

    /// The transaction has ended, and its portals with it.
    pub(super) fn drop_portals(&mut self) {
        self.portals.clear();
    }

    /// DEALLOCATE; all with `None`.
    pub(super) fn deallocate(&mut self, name: Option<&str>) {
        match name {
            Some(name) => {
                self.statements.remove(name.as_bytes());
            }
            None => self.statements.clear(),
        }
    }
}
