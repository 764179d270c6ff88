//! What a text means by the names of prepared statements and cursors.
//!
//! In:  a text that was cleared.
//! Out: the same with a link for each statement that keeps or uses a name; or a report.
//!
//! Invariants:
//! - SQL and the protocol share their names: PREPARE and Parse, DECLARE and Bind.
//! - EXECUTE runs a statement that was cleared under the policy, catalog and search_path of now: one that was not is
//!   judged again, and prepared again upstream if its text comes out different.
//! - A cursor that was opened under another policy gives rows only if it would be opened in the same words today.
//! - What the session does not know does not exist.

use std::collections::HashMap;
use std::sync::Arc;

use pgcordon_rewrite::{ClearedStatement, Effect, Kept, Life, RowShape, StatementKind, Use};

use super::names::{Form, Kind, Prepared, Slot};
use super::pending::Pending;
use super::{Batch, End, Session};
use crate::message::{Report, Status};
use crate::plans::is_same;
use crate::wire::is_reserved;

/// Done, or what the client gets instead.
type Outcome<T> = Result<Result<T, Report>, End>;

/// Names that earlier statements of the same text keep or give up.
#[derive(Default)]
struct Overlay {
    names: HashMap<(Kind, String), Option<Arc<Prepared>>>,
    /// DEALLOCATE ALL, CLOSE ALL, DISCARD ALL.
    dropped: Vec<Kind>,
}

impl Overlay {
    /// `None` when this text has not said anything of the name; `Some(None)` when it has given it up.
    fn find(&self, kind: Kind, name: &str) -> Option<Option<Arc<Prepared>>> {
        let said = self.names.get(&(kind, name.to_owned())).cloned();
        said.or_else(|| self.dropped.contains(&kind).then_some(None))
    }

    fn set(&mut self, kind: Kind, name: &str, kept: Option<Arc<Prepared>>) {
        self.names.insert((kind, name.to_owned()), kept);
    }

    fn drop_all(&mut self, kind: Kind) {
        self.names.retain(|(known, _), _| *known != kind);
        self.dropped.push(kind);
    }
}

/// In which table a kept statement stands.
fn table(life: Life) -> Kind {
    match life {
        Life::Prepared => Kind::Statement,
        Life::HeldCursor | Life::Cursor => Kind::Portal,
    }
}

impl Session {
    /// Finds what each statement of a text keeps or uses.
    pub(super) async fn link(&mut self, mut prepared: Prepared) -> Outcome<Prepared> {
        prepared.links.clear();
        if !self.who.is_bypass() && prepared.cleared.statements().iter().any(names_ours) {
            let report = Report::error("42939", "that name is reserved");
            return Ok(Err(self.who.refused("reserved_name", "", report)));
        }
        if self.who.is_bypass() || !prepared.cleared.statements().iter().any(names_something) {
            return Ok(Ok(prepared));
        }
        let mut overlay = Overlay::default();
        for index in 0..prepared.cleared.statements().len() {
            let statement = prepared.cleared.statements()[index].clone();
            match self.link_one(&statement, &prepared, &mut overlay).await? {
                Ok(Some(link)) => {
                    prepared.links.insert(index, link);
                }
                Ok(None) => {}
                Err(report) => return Ok(Err(report)),
            }
        }
        Ok(Ok(prepared))
    }

    async fn link_one(
        &mut self,
        statement: &ClearedStatement,
        whole: &Prepared,
        overlay: &mut Overlay,
    ) -> Outcome<Option<Arc<Prepared>>> {
        match &statement.uses {
            Use::Nothing => {}
            Use::Prepared(name) => return self.link_execute(name, whole, overlay).await,
            Use::Cursor(name) => return self.link_cursor(name, whole, overlay).await,
        }
        match &statement.effect {
            Effect::Keep(kept) => return self.keep(kept, whole, overlay).await,
            Effect::Deallocate(Some(name)) => overlay.set(Kind::Statement, name, None),
            Effect::Deallocate(None) => overlay.drop_all(Kind::Statement),
            Effect::Close(Some(name)) => overlay.set(Kind::Portal, name, None),
            Effect::Close(None) => overlay.drop_all(Kind::Portal),
            Effect::DiscardAll => {
                overlay.drop_all(Kind::Statement);
                overlay.drop_all(Kind::Portal);
            }
            Effect::None
            | Effect::SearchPath { .. }
            | Effect::ResetSearchPath
            | Effect::ResetAll => {}
        }
        Ok(Ok(None))
    }

    /// PREPARE or DECLARE: the statement as it will stand in the table, judged by its own text.
    async fn keep(
        &mut self,
        kept: &Kept,
        whole: &Prepared,
        overlay: &mut Overlay,
    ) -> Outcome<Option<Arc<Prepared>>> {
        if let Err(report) = self.names.room() {
            return Ok(Err(report));
        }
        let lasting = match kept.life {
            Life::Prepared | Life::HeldCursor => self.admit_lasting(),
            Life::Cursor => Ok(()),
        };
        if let Err(report) = lasting {
            return Ok(Err(report));
        }
        // PostgreSQL has it under another name, and would not mind.
        let known = match overlay.find(table(kept.life), &kept.name) {
            Some(known) => known,
            None => self.names.find(table(kept.life), kept.name.as_bytes()),
        };
        if known.is_some_and(|known| known.slot == Slot::Shared) && kept.life == Life::Prepared {
            return Ok(Err(super::extended::exists(kept.name.as_bytes())));
        }
        let alone = if whole.cleared.statements().len() == 1 {
            Prepared { form: Form::Kept, links: HashMap::new(), ..whole.clone() }
        } else {
            match self.judge(&kept.text, &whole.types, Form::Kept).await? {
                Ok(alone) => alone,
                Err(report) => return Ok(Err(report)),
            }
        };
        let alone = Arc::new(alone);
        overlay.set(table(kept.life), &kept.name, Some(alone.clone()));
        Ok(Ok(Some(alone)))
    }

    async fn link_execute(
        &mut self,
        name: &str,
        whole: &Prepared,
        overlay: &Overlay,
    ) -> Outcome<Option<Arc<Prepared>>> {
        let known = match overlay.find(Kind::Statement, name) {
            // PostgreSQL says that it does not exist.
            Some(None) => return Ok(Ok(None)),
            Some(Some(kept)) => kept,
            None => {
                let Some(old) = self.names.find(Kind::Statement, name.as_bytes()) else {
                    return Ok(missing(Kind::Statement, name, whole));
                };
                match self.renew(name.as_bytes(), old).await? {
                    Ok(fresh) => fresh,
                    Err(report) => return Ok(Err(report)),
                }
            }
        };
        if known.ours.is_some() {
            return Ok(Err(self.unsupported("EXECUTE of a statement that is for pgcordon itself")));
        }
        let known = match known.slot {
            Slot::Shared if self.status == Status::Failed => {
                return Ok(Err(Report::aborted()));
            }
            // It would keep its connection.
            Slot::Shared if self.behalf.is_touched() => {
                return Ok(self.admit_lasting().map(|()| None));
            }
            Slot::Shared => self.make_own(name.as_bytes(), &known),
            Slot::Own | Slot::Unnamed => known,
        };
        // A prepared SET, or another EXECUTE, would take effect unseen.
        if known.single().is_some_and(|statement| is_query(statement.kind)) {
            return Ok(Ok(Some(known)));
        }
        Ok(Err(self.unsupported("EXECUTE of a statement that is no query")))
    }

    async fn link_cursor(
        &mut self,
        name: &str,
        whole: &Prepared,
        overlay: &Overlay,
    ) -> Outcome<Option<Arc<Prepared>>> {
        let known = match overlay.find(Kind::Portal, name) {
            Some(None) => return Ok(Ok(None)),
            Some(Some(kept)) => kept,
            None => match self.names.find(Kind::Portal, name.as_bytes()) {
                Some(known) => known,
                None => return Ok(missing(Kind::Portal, name, whole)),
            },
        };
        let plain = known.single().is_some_and(|statement| {
            statement.kind == StatementKind::Select && statement.rows == RowShape::AsIs
        });
        if !plain {
            return Ok(Err(self.unsupported("FETCH from a portal that is no SELECT")));
        }
        if !is_same(&known.principal, &self.who.principal) {
            let message = format!("cursor \"{name}\" was opened as another person");
            let report = Report::error("42501", message);
            return Ok(Err(self.who.refused("stale_cursor", "", report)));
        }
        if known.epoch == self.who.state.epoch {
            return Ok(Ok(Some(known)));
        }
        let again = self.judge(&known.text, &known.types, known.form).await?;
        match again {
            Ok(again) if again.cleared.sql() == known.cleared.sql() => Ok(Ok(Some(known))),
            Ok(_) | Err(_) => {
                let message = format!("cursor \"{name}\" was opened under another policy");
                let report = Report::error("42501", message).hint("Close it and declare it again.");
                Ok(Err(self.who.refused("stale_cursor", "", report)))
            }
        }
    }

    fn unsupported(&self, what: &str) -> Report {
        let report = Report::error("0A000", format!("pgcordon does not support {what}"));
        self.who.refused("unsupported", what, report)
    }

    /// The statement behind a name, judged by what holds now, and prepared again upstream where that differs.
    pub(super) async fn renew(
        &mut self,
        name: &[u8],
        old: Arc<Prepared>,
    ) -> Outcome<Arc<Prepared>> {
        self.refresh_who()?;
        if old.ours.is_some() {
            return Ok(Ok(old));
        }
        if old.epoch == self.who.state.epoch
            && old.path == self.path.generation()
            && is_same(&old.principal, &self.who.principal)
        {
            return Ok(Ok(old));
        }
        let new = match self.judge(&old.text, &old.types, old.form).await? {
            Ok(new) => Arc::new(Prepared { slot: old.slot, ..new }),
            Err(report) => return Ok(Err(report)),
        };
        // Where it is not under the client's name, it is prepared before it is used.
        if new.cleared.sql() == old.cleared.sql() || old.slot != Slot::Own {
            self.names.set(Kind::Statement, name, Some(new.clone()));
            return Ok(Ok(new));
        }
        if self.status == Status::Failed {
            return Ok(Err(Report::aborted()));
        }
        let closed = self.batch == Batch::Closed;
        if !name.is_empty() {
            self.wire().close(b'S', name);
            let change = self.names.set(Kind::Statement, name, None);
            self.sent(Pending::Close { change, ours: true });
        }
        match new.form {
            Form::Text => self.send_parse(name, new.clone(), true),
            Form::Kept => {
                self.wire().cleared_sequence(&new.cleared);
                let change = self.names.set(Kind::Statement, name, Some(new.clone()));
                let prepared = new.clone();
                self.sent(Pending::Prepare { change, prepared, closed: 0, simple: closed });
            }
        }
        Ok(Ok(new))
    }

    /// A simple query ends what `renew` has sent before it: an error in it must not swallow the query.
    pub(super) fn end_renewal(&mut self, before: Batch) {
        if before == Batch::Closed && self.batch == Batch::Open {
            self.wire().sync();
            self.push(Pending::Sync { ours: true });
            self.batch = Batch::Closed;
            self.flushed = true;
        }
    }

    /// PREPARE or DECLARE has succeeded.
    pub(super) fn kept(&mut self, kept: &Kept, link: Option<Arc<Prepared>>) {
        self.quota.forget(kept.name.as_bytes());
        // A bypass principal's names are PostgreSQL's business.
        if let Some(link) = link {
            self.names.set(table(kept.life), kept.name.as_bytes(), Some(link));
        }
    }

    /// What a portal uses may have changed since it was bound.
    pub(super) fn still_linked(&mut self, prepared: &Prepared) -> Result<(), Report> {
        let Some(statement) = prepared.cleared.statements().first() else { return Ok(()) };
        let (kind, name) = match &statement.uses {
            Use::Nothing => return Ok(()),
            Use::Prepared(name) => (Kind::Statement, name),
            Use::Cursor(name) => (Kind::Portal, name),
        };
        let now = self.names.find(kind, name.as_bytes());
        let same = match (prepared.links.get(&0), &now) {
            (Some(link), Some(now)) => Arc::ptr_eq(link, now),
            (None, None) if !self.who.is_bypass() => return Err(unknown(kind, name)),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same || self.who.is_bypass() {
            return Ok(());
        }
        let message = format!("\"{name}\" has changed since this portal was bound");
        Err(self.who.refused("changed_name", "", Report::error("55000", message)))
    }
}

fn unknown(kind: Kind, name: &str) -> Report {
    match kind {
        Kind::Statement => super::extended::unknown(kind, name.as_bytes()),
        Kind::Portal => Report::error("34000", format!("cursor \"{name}\" does not exist")),
    }
}

/// A name that the session does not know: refused before the simple protocol runs it, and when a portal is executed.
fn missing(kind: Kind, name: &str, whole: &Prepared) -> Result<Option<Arc<Prepared>>, Report> {
    let simple = whole.types.is_empty();
    if simple { Err(unknown(kind, name)) } else { Ok(None) }
}

/// Whether a statement keeps, uses or gives up a name.
pub(super) fn names_something(statement: &ClearedStatement) -> bool {
    let uses = match &statement.uses {
        Use::Nothing => false,
        Use::Prepared(_) | Use::Cursor(_) => true,
    };
    let keeps = match &statement.effect {
        Effect::Keep(_) => true,
        Effect::None
        | Effect::SearchPath { .. }
        | Effect::ResetSearchPath
        | Effect::ResetAll
        | Effect::DiscardAll
        | Effect::Deallocate(_)
        | Effect::Close(_) => false,
    };
    uses || keeps
}

/// Whether a statement names a prepared statement or portal of the proxy's own: those of other sessions are among them.
fn names_ours(statement: &ClearedStatement) -> bool {
    let used = match &statement.uses {
        Use::Nothing => None,
        Use::Prepared(name) | Use::Cursor(name) => Some(name),
    };
    let changed = match &statement.effect {
        Effect::Keep(kept) => Some(&kept.name),
        Effect::Deallocate(name) | Effect::Close(name) => name.as_ref(),
        Effect::None
        | Effect::SearchPath { .. }
        | Effect::ResetSearchPath
        | Effect::ResetAll
        | Effect::DiscardAll => None,
    };
    used.into_iter().chain(changed).any(|name| is_reserved(name.as_bytes()))
}

/// What PREPARE takes.
fn is_query(kind: StatementKind) -> bool {
    kind.is_plain_query() || kind == StatementKind::Merge
}
