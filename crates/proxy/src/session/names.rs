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
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use pgcordon_policy::Principal;
use pgcordon_rewrite::{ClearedStatement, Effect, Life, RowShape, Use};

use super::alike::Sent;
use super::request::Ours;
use crate::judged::Judged;
use crate::message::Report;

/// Most bytes of statement text that one session keeps.
const MAX_BYTES: usize = 64 << 20;

/// What a name stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// The text itself: Parse.
    Text,
    /// The statement inside the text: PREPARE or DECLARE in SQL.
    Kept,
}

/// Where PostgreSQL has a statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Slot {
    /// Under the client's name; or nowhere, in the simple protocol.
    Own,
    /// As the unnamed statement, unless something else is there by now.
    Unnamed,
    /// Under a name of ours, in every connection that was asked for it.
    Shared,
}

/// A statement that was cleared, as one session has it.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) judged: Arc<Judged>,
    /// Whose statement it is.
    pub(super) principal: Arc<Principal>,
    /// Generation of the search_path.
    pub(super) path: u64,
    pub(super) form: Form,
    pub(super) slot: Slot,
    /// By the index of a statement that keeps or uses a name: what the name stands for.
    pub(super) links: HashMap<usize, Arc<Prepared>>,
    /// The text for which it runs, if that is not its own.
    pub(super) sent: Option<Sent>,
    /// It is for pgcordon itself, and nothing upstream.
    pub(super) ours: Option<Arc<Ours>>,
}

impl Deref for Prepared {
    type Target = Judged;

    fn deref(&self) -> &Judged {
        &self.judged
    }
}

impl Prepared {
    /// The statement of the extended protocol; `None` for an empty one.
    pub(super) fn single(&self) -> Option<&ClearedStatement> {
        self.statement(0)
    }

    /// One statement of the text, or the one that is kept.
    pub(super) fn statement(&self, index: usize) -> Option<&ClearedStatement> {
        let statement = self.cleared.statements().get(index)?;
        match (self.form, &statement.effect) {
            (Form::Kept, Effect::Keep(kept)) => Some(&kept.statement),
            (Form::Kept | Form::Text, _) => Some(statement),
        }
    }

    /// The shape of a statement's rows, and how many columns the client sees; those of EXECUTE are of what it runs.
    pub(super) fn rows(&self, index: usize) -> Option<(RowShape, usize)> {
        let statement = self.statement(index)?;
        let run = self.links.get(&index).filter(|_| self.form == Form::Text);
        let run = match &statement.uses {
            Use::Prepared(_) => run.and_then(|run| run.statement(0)),
            Use::Nothing | Use::Cursor(_) => None,
        };
        let statement = run.unwrap_or(statement);
        Some((statement.rows, statement.visible_columns))
    }

    /// Whether both use the same things.
    pub(super) fn same_links(&self, other: &Self) -> bool {
        let same = |(index, link): (&usize, &Arc<Self>)| {
            other.links.get(index).is_some_and(|other| Arc::ptr_eq(link, other))
        };
        self.links.len() == other.links.len() && self.links.iter().all(same)
    }

    /// What only the connection in which it was made has: SQL's own, and what stands under the client's name.
    fn is_session_bound(&self) -> bool {
        self.form == Form::Kept || self.slot == Slot::Own
    }

    /// A cursor WITH HOLD.
    fn outlives_transaction(&self) -> bool {
        match (self.form, self.cleared.statements().first().map(|statement| &statement.effect)) {
            (Form::Kept, Some(Effect::Keep(kept))) => kept.life == Life::HeldCursor,
            (Form::Kept | Form::Text, _) => false,
        }
    }
}

/// Which table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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
#[derive(Debug)]
pub(super) struct Names {
    /// Most names in both.
    limit: usize,
    statements: HashMap<Bytes, Arc<Prepared>>,
    portals: HashMap<Bytes, Arc<Prepared>>,
    /// Of all texts behind both; one that both name counts twice.
    bytes: usize,
    /// How many of both live in the connection.
    session_bound: usize,
}

impl Names {
    /// Empty tables for so many names.
    pub(super) fn new(limit: usize) -> Self {
        let (statements, portals) = (HashMap::new(), HashMap::new());
        Self { limit, statements, portals, bytes: 0, session_bound: 0 }
    }

    /// Empty tables for as many.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.limit)
    }

    fn table(&mut self, kind: Kind) -> &mut HashMap<Bytes, Arc<Prepared>> {
        match kind {
            Kind::Statement => &mut self.statements,
            Kind::Portal => &mut self.portals,
        }
    }

    pub(super) fn find(&mut self, kind: Kind, name: &[u8]) -> Option<Arc<Prepared>> {
        self.table(kind).get(name).cloned()
    }

    /// What the client hears for one name too many, or when the texts behind them are too long.
    pub(super) fn room(&self) -> Result<(), Report> {
        let unnamed = |table: &HashMap<Bytes, _>| usize::from(table.contains_key(&b""[..]));
        let names = self.statements.len() + self.portals.len();
        let is_full = names >= self.limit
            && names - unnamed(&self.statements) - unnamed(&self.portals) >= self.limit;
        let limit = match (is_full, self.bytes >= MAX_BYTES) {
            (false, false) => return Ok(()),
            (true, _) => "The limit is max_prepared_statements.",
            (false, true) => "The limit is 64 MB of statement text.",
        };
        Err(Report::error("54000", "too many prepared statements or portals").hint(limit))
    }

    /// SQL PREPARE, cursors: they keep the session's connection.
    pub(super) fn has_session_bound(&self) -> bool {
        self.session_bound > 0
    }

    fn insert(
        &mut self,
        kind: Kind,
        name: Bytes,
        prepared: Arc<Prepared>,
    ) -> Option<Arc<Prepared>> {
        self.bytes += prepared.bytes();
        self.session_bound += usize::from(prepared.is_session_bound());
        let before = self.table(kind).insert(name, prepared);
        self.gone(before.as_deref());
        before
    }

    fn remove(&mut self, kind: Kind, name: &[u8]) -> Option<Arc<Prepared>> {
        let before = self.table(kind).remove(name);
        self.gone(before.as_deref());
        before
    }

    fn gone(&mut self, before: Option<&Prepared>) {
        self.bytes -= before.map_or(0, |before| before.bytes());
        self.session_bound -= usize::from(before.is_some_and(Prepared::is_session_bound));
    }

    fn clear(&mut self, kind: Kind, stays: impl Fn(&Prepared) -> bool) {
        let mut gone = Vec::new();
        self.table(kind).retain(|_, prepared| {
            let stays = stays(prepared);
            if !stays {
                gone.push(prepared.clone());
            }
            stays
        });
        for prepared in gone {
            self.gone(Some(&prepared));
        }
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
        self.clear(Kind::Portal, Prepared::outlives_transaction);
    }

    /// CLOSE; all with `None`.
    pub(super) fn close(&mut self, name: Option<&str>) {
        match name {
            Some(name) => {
                self.remove(Kind::Portal, name.as_bytes());
            }
            None => self.clear(Kind::Portal, |_| false),
        }
    }

    /// DEALLOCATE; all with `None`.
    pub(super) fn deallocate(&mut self, name: Option<&str>) {
        match name {
            Some(name) => {
                self.remove(Kind::Statement, name.as_bytes());
            }
            None => self.clear(Kind::Statement, |_| false),
        }
    }
}

#[cfg(test)]
mod tests {
    use pgcordon_sql::catalog::Epoch;

    use super::*;
    use crate::judged::cleared;

    fn prepared(text: &str) -> Arc<Prepared> {
        let judged = Arc::new(Judged::new(text.into(), cleared(text), Bytes::new(), Epoch(1)));
        let (form, slot, links) = (Form::Text, Slot::Own, HashMap::new());
        let (principal, sent, ours) = (Arc::default(), None, None);
        Arc::new(Prepared { judged, principal, path: 1, form, slot, links, sent, ours })
    }

    fn check(names: &mut Names, name: &str, expected: Option<&str>) {
        let found = names.find(Kind::Statement, name.as_bytes());
        assert_eq!(found.as_ref().map(|found| &*found.text), expected, "`{name}`");
    }

    #[test]
    fn what_fails_or_is_skipped_is_put_back() {
        let mut names = Names::new(10);
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
    fn one_name_too_many_is_refused_until_another_goes() {
        let mut names = Names::new(2);
        names.set(Kind::Statement, b"a", Some(prepared("SELECT 1")));
        assert!(names.room().is_ok());
        names.set(Kind::Portal, b"b", Some(prepared("SELECT 1")));
        assert!(names.room().is_err_and(|report| report.hint.contains("max_prepared_statements")));
        names.deallocate(Some("a"));
        names.set(Kind::Statement, b"", Some(prepared("SELECT 1")));
        assert!(names.room().is_ok(), "the unnamed one does not count");
    }

    #[test]
    fn bytes_come_back_when_names_go() {
        let mut names = Names::new(10);
        names.set(Kind::Statement, b"a", Some(prepared("SELECT 1")));
        names.set(Kind::Portal, b"", Some(prepared("SELECT 1")));
        assert!(names.bytes > 0);
        names.deallocate(Some("a"));
        names.drop_portals();
        assert_eq!(names.bytes, 0);
        assert!(names.room().is_ok());
    }
}
