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

/// Most names in one session.
const MAX_NAMES: usize = 10_000;

/// Most bytes of statement text that one session keeps.
const MAX_BYTES: usize = 64 << 20;

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

    /// Bytes that keeping it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.cleared.sql().len() + self.types.len()
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
    /// Of all texts behind both; one that both name counts twice.
    bytes: usize,
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

    /// Whether one more name would be too many, or the texts behind them too long.
    pub(super) fn is_full(&self) -> bool {
        let names = self.statements.len() + self.portals.len();
        names >= MAX_NAMES || self.bytes >= MAX_BYTES
    }

    fn insert(
        &mut self,
        kind: Kind,
        name: Bytes,
        prepared: Arc<Prepared>,
    ) -> Option<Arc<Prepared>> {
        self.bytes += prepared.bytes();
        let before = self.table(kind).insert(name, prepared);
        self.bytes -= before.as_ref().map_or(0, |before| before.bytes());
        before
    }

    fn remove(&mut self, kind: Kind, name: &[u8]) -> Option<Arc<Prepared>> {
        let before = self.table(kind).remove(name);
        self.bytes -= before.as_ref().map_or(0, |before| before.bytes());
        before
    }

    fn clear(&mut self, kind: Kind) {
        let kept: usize = self.table(kind).values().map(|prepared| prepared.bytes()).sum();
        self.table(kind).clear();
        self.bytes -= kept;
    }

    /// Sets or, with `None`, removes a name.
    pub(super) fn set(
        &mut self,
        kind: Kind,
        name: &[u8],
        prepared: Option<Arc<Prepared>>,
    ) -> Change {
        let name = Bytes::copy_from_slice(name);
        let before = match prepared {
            Some(prepared) => self.insert(kind, name.clone(), prepared),
            None => self.remove(kind, &name),
        };
        Change { kind, name, before }
    }

    /// The message never ran.
    pub(super) fn undo(&mut self, change: Change) {
        let Change { kind, name, before } = change;
        match before {
            Some(before) => self.insert(kind, name, before),
            None => self.remove(kind, &name),
        };
    }

    /// The message failed. PostgreSQL drops an unnamed statement or portal before it makes the new one; a named one
    /// stays as it was.
    pub(super) fn failed(&mut self, change: Change) {
        if change.name.is_empty() {
            self.remove(change.kind, &change.name);
        } else {
            self.undo(change);
        }
    }

    /// A simple query drops the unnamed ones.
    pub(super) fn drop_unnamed(&mut self) {
        self.remove(Kind::Statement, b"");
        self.remove(Kind::Portal, b"");
    }

    /// The transaction has ended, and its portals with it.
    pub(super) fn drop_portals(&mut self) {
        self.clear(Kind::Portal);
    }

    /// DEALLOCATE; all with `None`.
    pub(super) fn deallocate(&mut self, name: Option<&str>) {
        match name {
            Some(name) => {
                self.remove(Kind::Statement, name.as_bytes());
            }
            None => self.clear(Kind::Statement),
        }
    }
}

#[cfg(test)]
mod tests {
    use pgcordon_policy::{BoundPolicy, Principal};
    use pgcordon_rewrite::{Context, Mark, enforce};
    use pgcordon_sql::catalog::Snapshot;

    use super::*;

    fn prepared(text: &str) -> Arc<Prepared> {
        let context = Context {
            snapshot: &Snapshot::default(),
            policy: &BoundPolicy::default(),
            principal: &Principal { bypass: true, ..Principal::default() },
            search_path: &[],
            database: "shop",
            mark: &Mark::new([0; 16]),
            parameter_types: &[],
            max_statement_bytes: 1000,
        };
        let cleared = enforce(text, context).expect("a bypass principal's statement");
        let (types, epoch) = (Bytes::new(), Epoch(1));
        Arc::new(Prepared { text: text.into(), cleared, types, epoch, path: 1 })
    }

    fn check(names: &mut Names, name: &str, expected: Option<&str>) {
        let found = names.find(Kind::Statement, name.as_bytes());
        assert_eq!(found.as_ref().map(|found| &*found.text), expected, "`{name}`");
    }

    #[test]
    fn what_fails_or_is_skipped_is_put_back() {
        let mut names = Names::default();
        for name in ["a", ""] {
            names.set(Kind::Statement, name.as_bytes(), Some(prepared("SELECT 1")));
            let change = names.set(Kind::Statement, name.as_bytes(), Some(prepared("SELECT 2")));
            check(&mut names, name, Some("SELECT 2"));
            names.undo(change);
            check(&mut names, name, Some("SELECT 1"));
            let change = names.set(Kind::Statement, name.as_bytes(), Some(prepared("SELECT 2")));
            names.failed(change);
        }
        check(&mut names, "a", Some("SELECT 1"));
        check(&mut names, "", None);
        let closed = names.set(Kind::Statement, b"a", None);
        check(&mut names, "a", None);
        names.undo(closed);
        check(&mut names, "a", Some("SELECT 1"));
    }

    #[test]
    fn bytes_come_back_when_names_go() {
        let mut names = Names::default();
        names.set(Kind::Statement, b"a", Some(prepared("SELECT 1")));
        names.set(Kind::Portal, b"", Some(prepared("SELECT 1")));
        assert!(names.bytes > 0);
        names.deallocate(Some("a"));
        names.drop_portals();
        assert_eq!(names.bytes, 0);
        assert!(!names.is_full());
    }
}
