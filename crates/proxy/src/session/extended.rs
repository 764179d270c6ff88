//! Parse, Bind, Describe, Execute and Close.
//!
//! In:  one message of the extended protocol.
//! Out: the message upstream, changed where the rewritten statement needs it, or a report.
//!
//! Invariants:
//! - A statement that was cleared under another policy, catalog or search_path is judged again before it is bound
//!   or described, and parsed again upstream if its text comes out different.
//! - A restricted principal reaches only names that went through here.

use std::sync::Arc;

use pgcordon_policy::PoolMode;
use pgcordon_rewrite::{ClearedStatement, Effect, RowShape, StatementKind};

use super::names::{Change, Form, Kind, Prepared, Slot};
use super::pending::Pending;
use super::{Batch, End, Session};
use crate::frame::{Frame, Malformed};
use crate::judged::{Judged, Sharing};
use crate::message::{Bind, Execute, Parse, Report, Status, Target};
use crate::plans::is_same;
use crate::statements::{NameBuffer, Reading, Shared};
use crate::wire::is_reserved;

/// Done, or what the client gets instead.
type Outcome = Result<(), Report>;

fn malformed(_: Malformed) -> Report {
    Report::error("08P01", "invalid message format")
}

pub(super) fn unknown(kind: Kind, name: &[u8]) -> Report {
    let name = String::from_utf8_lossy(name);
    match (kind, name.is_empty()) {
        (Kind::Statement, true) => {
            Report::error("26000", "unnamed prepared statement does not exist")
        }
        (Kind::Statement, false) => {
            Report::error("26000", format!("prepared statement \"{name}\" does not exist"))
        }
        (Kind::Portal, _) => Report::error("34000", format!("portal \"{name}\" does not exist")),
    }
}

pub(super) fn exists(name: &[u8]) -> Report {
    let name = String::from_utf8_lossy(name);
    Report::error("42P05", format!("prepared statement \"{name}\" already exists"))
}

/// The same for this session alone, where it cannot be shared.
pub(super) fn owned(judged: Arc<Judged>) -> Arc<Judged> {
    match judged.sharing {
        Sharing::Everybody | Sharing::SameSettings => judged,
        Sharing::Nobody => Arc::new(judged.alone()),
    }
}

impl Session {
    pub(super) async fn on_extended(&mut self, frame: &Frame) -> Result<Outcome, End> {
        if self.behalf.is_spent() && frame.tag != b'C' {
            return Ok(Err(super::act::spent()));
        }
        match frame.tag {
            b'P' => match Parse::read(&frame.body) {
                Ok(parse) => self.on_parse(parse).await,
                Err(error) => Ok(Err(malformed(error))),
            },
            b'B' => match Bind::read(&frame.body) {
                Ok(bind) => self.on_bind(bind).await,
                Err(error) => Ok(Err(malformed(error))),
            },
            b'D' => match Target::read(&frame.body) {
                Ok(target) => self.on_describe(target).await,
                Err(error) => Ok(Err(malformed(error))),
            },
            b'E' => match Execute::read(&frame.body) {
                Ok(execute) => self.on_execute(execute, frame).await,
                Err(error) => Ok(Err(malformed(error))),
            },
            _ => {
                Ok(Target::read(&frame.body).map_err(malformed).map(|target| self.on_close(target)))
            }
        }
    }

    /// A message of a batch goes upstream.
    pub(super) fn sent(&mut self, pending: Pending) {
        self.batch = Batch::Open;
        self.flushed = false;
        self.push(pending);
    }

    async fn on_parse(&mut self, parse: Parse<'_>) -> Result<Outcome, End> {
        if let Err(report) = self.admit(parse.name) {
            return Ok(Err(report));
        }
        match Box::pin(self.parse_request(&parse)).await? {
            Ok(Some(())) => return Ok(Ok(())),
            Ok(None) => {}
            Err(report) => return Ok(Err(report)),
        }
        let mut prepared = match self.clear(parse.text, parse.types).await? {
            Ok(prepared) => prepared,
            Err(report) => return Ok(Err(report)),
        };
        prepared.slot = self.slot(parse.name, &prepared);
        if prepared.slot == Slot::Shared {
            if !parse.name.is_empty() && self.names.find(Kind::Statement, parse.name).is_some() {
                return Ok(Err(exists(parse.name)));
            }
            prepared.judged = owned(prepared.judged);
            // It may be there already, and is not to be prepared again to hear that.
            let ends = |one: &ClearedStatement| one.kind == StatementKind::Transaction;
            if self.status == Status::Failed && !prepared.cleared.statements().iter().all(ends) {
                return Ok(Err(Report::aborted()));
            }
        }
        self.send_parse(parse.name, Arc::new(prepared), false);
        Ok(Ok(()))
    }

    /// | pool mode   | name  | text               | slot      |
    /// |-------------|-------|--------------------|-----------|
    /// | any         | none  | sent before, plain | `Shared`  |
    /// | any         | none  | any other          | `Unnamed` |
    /// | session     | given | any                | `Own`     |
    /// | transaction | given | any                | `Shared`  |
    fn slot(&self, name: &[u8], prepared: &Prepared) -> Slot {
        match (self.mode(), name.is_empty()) {
            (_, true) if self.is_shareable(prepared) && prepared.judged.is_asked_again() => {
                Slot::Shared
            }
            (_, true) => Slot::Unnamed,
            (PoolMode::Session, false) => Slot::Own,
            (PoolMode::Transaction, false) => Slot::Shared,
        }
    }

    pub(super) fn send_parse(&mut self, name: &[u8], prepared: Arc<Prepared>, ours: bool) {
        let change = self.names.set(Kind::Statement, name, Some(prepared.clone()));
        if prepared.slot == Slot::Shared {
            let statement = self.shared(&prepared);
            if self.upstream().statements.has(statement) {
                self.sent(Pending::Done { tag: b'1', change });
            } else {
                self.parse_shared(statement, &prepared, Some(change), ours);
            }
            return;
        }
        if prepared.slot == Slot::Unnamed {
            self.upstream().statements.unnamed = Some(prepared.id);
        }
        self.wire().parse(name, &prepared.cleared, &prepared.types);
        self.sent(Pending::Parse { change: Some(change), prepared, ours, shared: None });
    }

    /// Whether it is known how literals are read at this moment.
    fn is_settled(&self) -> bool {
        !self.unsettled && !self.xmloption
    }

    /// Whether an unnamed statement may run as a prepared statement of ours, unseen by the client.
    pub(super) fn is_shareable(&self, judged: &Judged) -> bool {
        judged.is_promotable() && (judged.sharing == Sharing::Everybody || self.is_settled())
    }

    /// The name of a statement that is shared. Where it is not known how literals are read, nobody shares it.
    fn shared(&mut self, prepared: &Prepared) -> Shared {
        let reading = match (prepared.sharing, self.is_settled()) {
            (Sharing::Everybody | Sharing::Nobody, _) => Reading::default(),
            (Sharing::SameSettings, true) => self.upstream().reading,
            (Sharing::SameSettings, false) => Reading::once(),
        };
        Shared { id: prepared.id, reading }
    }

    fn parse_shared(
        &mut self,
        statement: Shared,
        prepared: &Arc<Prepared>,
        change: Option<Change>,
        ours: bool,
    ) {
        let mut name = NameBuffer::default();
        if let Some(oldest) = self.upstream().statements.add(statement) {
            self.wire().close(b'S', oldest.name(&mut name));
            self.sent(Pending::Evict(oldest));
        }
        let name = statement.name(&mut name);
        self.wire().parse(name, &prepared.cleared, &prepared.types);
        let (prepared, shared) = (prepared.clone(), Some(statement));
        self.sent(Pending::Parse { change, prepared, ours, shared });
    }

    /// Has this connection prepare a shared statement, if it has not yet; under which name.
    pub(super) fn ensure_shared(&mut self, prepared: &Arc<Prepared>) -> Shared {
        let statement = self.shared(prepared);
        if !self.upstream().statements.has(statement) {
            self.parse_shared(statement, prepared, None, true);
        }
        statement
    }

    /// The name under which this connection has a statement, after having it prepare it if need be.
    fn upstream_name<'n>(
        &mut self,
        name: &'n [u8],
        prepared: Option<&Arc<Prepared>>,
        buffer: &'n mut NameBuffer,
    ) -> &'n [u8] {
        match prepared.map(|prepared| (prepared.slot, prepared)) {
            None | Some((Slot::Own, _)) => name,
            Some((Slot::Shared, prepared)) => self.ensure_shared(prepared).name(buffer),
            Some((Slot::Unnamed, prepared)) => {
                if self.upstream().statements.unnamed != Some(prepared.id) {
                    self.upstream().statements.unnamed = Some(prepared.id);
                    self.wire().parse(b"", &prepared.cleared, &prepared.types);
                    let prepared = prepared.clone();
                    self.sent(Pending::Parse { change: None, prepared, ours: true, shared: None });
                }
                b""
            }
        }
    }

    /// What was to be prepared is not: it failed, or was skipped.
    pub(super) fn unprepared(&mut self, prepared: &Prepared, shared: Option<Shared>) {
        let Some(lease) = &mut self.lease else { return };
        match (shared, prepared.slot) {
            (Some(shared), _) => lease.statements.forget(shared),
            (None, Slot::Unnamed) => lease.statements.unnamed = None,
            (None, Slot::Own | Slot::Shared) => {}
        }
    }

    /// EXECUTE names a statement that PostgreSQL has under another name: it is prepared under the client's as well, and
    /// keeps the connection until the client gives it up.
    pub(super) fn make_own(&mut self, name: &[u8], prepared: &Prepared) -> Arc<Prepared> {
        let own = Arc::new(Prepared { slot: Slot::Own, ..prepared.clone() });
        self.wire().close(b'S', name);
        self.wire().parse(name, &own.cleared, &own.types);
        let change = Some(self.names.set(Kind::Statement, name, Some(own.clone())));
        self.sent(Pending::Placeholder { change, closed: false });
        own
    }

    /// DEALLOCATE names a statement that PostgreSQL has under another name: one of the client's name is made for it.
    pub(super) fn place_holders(&mut self, prepared: &Prepared) {
        if self.mode() == PoolMode::Session {
            return;
        }
        for statement in prepared.cleared.statements() {
            let Effect::Deallocate(Some(name)) = &statement.effect else { continue };
            let known = self.names.find(Kind::Statement, name.as_bytes());
            if known.is_some_and(|known| known.slot == Slot::Shared) {
                self.wire().placeholder(name.as_bytes());
                self.sent(Pending::Placeholder { change: None, closed: false });
            }
        }
    }

    /// Names that we use ourselves, or one too many.
    fn admit(&mut self, name: &[u8]) -> Outcome {
        if is_reserved(name) {
            return Err(Report::error("42939", "that name is reserved"));
        }
        if name.is_empty() { Ok(()) } else { self.names.room() }
    }

    /// The statement behind a name, judged by what holds now; `None` for one that only PostgreSQL knows.
    async fn fresh(&mut self, name: &[u8]) -> Result<Result<Option<Arc<Prepared>>, Report>, End> {
        let Some(old) = self.names.find(Kind::Statement, name) else {
            let bypass = self.who.is_bypass();
            return Ok(if bypass { Ok(None) } else { Err(unknown(Kind::Statement, name)) });
        };
        let found = match self.renew(name, old).await? {
            Ok(found) => found,
            Err(report) => return Ok(Err(report)),
        };
        let statements = found.cleared.statements();
        if found.form == Form::Kept || !statements.iter().any(super::kept::names_something) {
            return Ok(Ok(Some(found)));
        }
        let linked = match self.link(Prepared::clone(&found)).await? {
            Ok(linked) => linked,
            Err(report) => return Ok(Err(report)),
        };
        if linked.same_links(&found) {
            return Ok(Ok(Some(found)));
        }
        let linked = Arc::new(linked);
        self.names.set(Kind::Statement, name, Some(linked.clone()));
        Ok(Ok(Some(linked)))
    }

    async fn on_bind(&mut self, bind: Bind<'_>) -> Result<Outcome, End> {
        if let Err(report) = self.admit(bind.portal) {
            return Ok(Err(report));
        }
        match self.bind_request(&bind) {
            Ok(Some(())) => return Ok(Ok(())),
            Ok(None) => {}
            Err(report) => return Ok(Err(report)),
        }
        let prepared = match self.fresh(bind.statement).await? {
            Ok(prepared) => prepared,
            Err(report) => return Ok(Err(report)),
        };
        self.said.push(bind.parameters);
        let formats = result_formats(bind.formats, prepared.as_deref());
        if let Some(prepared) = &prepared {
            self.place_holders(prepared);
        }
        let mut buffer = NameBuffer::default();
        let name = self.upstream_name(bind.statement, prepared.as_ref(), &mut buffer);
        self.wire().bind(&bind, name, &formats);
        self.quota.forget(bind.portal);
        let change = self.names.set(Kind::Portal, bind.portal, prepared.clone());
        self.sent(Pending::Bind { change: Some(change), prepared });
        Ok(Ok(()))
    }

    async fn on_describe(&mut self, target: Target<'_>) -> Result<Outcome, End> {
        let (kind, name) = match target {
            Target::Statement(name) => (Kind::Statement, name),
            Target::Portal(name) => (Kind::Portal, name),
        };
        if let Some(ours) = self.names.find(kind, name).and_then(|known| known.ours.clone()) {
            self.describe_request(&ours, kind == Kind::Statement);
            return Ok(Ok(()));
        }
        match target {
            Target::Statement(name) => match self.fresh(name).await? {
                Ok(prepared) => {
                    let mut buffer = NameBuffer::default();
                    let name = self.upstream_name(name, prepared.as_ref(), &mut buffer);
                    self.wire().describe(b'S', name);
                    self.sent(Pending::DescribeStatement(prepared));
                    Ok(Ok(()))
                }
                Err(report) => Ok(Err(report)),
            },
            Target::Portal(name) => Ok(self.portal(name).map(|prepared| {
                self.wire().describe(b'P', name);
                self.sent(Pending::DescribePortal(prepared));
            })),
        }
    }

    /// The statement behind a portal; `None` for one that only PostgreSQL knows.
    fn portal(&mut self, name: &[u8]) -> Result<Option<Arc<Prepared>>, Report> {
        match self.names.find(Kind::Portal, name) {
            None if !self.who.is_bypass() || is_reserved(name) => Err(unknown(Kind::Portal, name)),
            // It was closed when the session began to act for somebody else.
            Some(prepared) if !is_same(&prepared.principal, &self.who.principal) => {
                Err(unknown(Kind::Portal, name))
            }
            prepared => Ok(prepared),
        }
    }

    async fn on_execute(&mut self, execute: Execute<'_>, frame: &Frame) -> Result<Outcome, End> {
        let prepared = match self.portal(execute.portal) {
            Ok(prepared) => prepared,
            Err(report) => return Ok(Err(report)),
        };
        if let Some(ours) = prepared.as_ref().and_then(|prepared| prepared.ours.clone()) {
            return Box::pin(self.execute_request(&ours, frame)).await;
        }
        Ok(self.send_execute(execute, prepared))
    }

    fn send_execute(&mut self, execute: Execute<'_>, prepared: Option<Arc<Prepared>>) -> Outcome {
        if let Some(prepared) = &prepared {
            self.still_linked(prepared)?;
            self.admit_for(prepared)?;
        }
        let shape = prepared.as_deref().and_then(|one| one.rows(0)).map(|(rows, _)| rows);
        // PostgreSQL does not count rows that a statement without RETURNING makes, but it would count ours.
        let max_rows = match shape {
            Some(RowShape::DropRows) => 0,
            Some(RowShape::AsIs | RowShape::DropLastColumn) | None => execute.max_rows,
        };
        self.count_portal(execute.portal, prepared.as_deref());
        self.wire().execute(execute.portal, max_rows);
        self.sent(Pending::Execute(prepared));
        Ok(())
    }

    fn on_close(&mut self, target: Target<'_>) {
        let (kind, code, name) = match target {
            Target::Statement(name) => (Kind::Statement, b'S', name),
            Target::Portal(name) => (Kind::Portal, b'P', name),
        };
        let known = self.names.find(kind, name);
        let change = self.names.set(kind, name, None);
        // What is shared stays for the others. What the session does not know is none of its own: PostgreSQL could have
        // a statement of ours under that name. Its answer is the same where there is nothing to close.
        let ours = match (kind, known.as_deref()) {
            (Kind::Statement, Some(known)) => known.slot == Slot::Shared,
            (Kind::Statement, None) => !self.who.is_bypass() || is_reserved(name),
            (Kind::Portal, Some(known)) if known.ours.is_some() => true,
            (Kind::Portal, _) => is_reserved(name),
        };
        if ours {
            self.sent(Pending::Done { tag: b'3', change });
            return;
        }
        self.wire().close(code, name);
        if kind == Kind::Statement && name.is_empty() {
            self.upstream().statements.unnamed = None;
        }
        self.sent(Pending::Close { change, ours: false });
    }
}

/// | rows             | formats sent by the client | formats sent upstream |
/// |------------------|----------------------------|-----------------------|
/// | `AsIs`           | any                        | the same              |
/// | `DropRows`       | any                        | none                  |
/// | `DropLastColumn` | none, or one for all       | the same              |
/// | `DropLastColumn` | one per column             | and text for ours     |
fn result_formats<'f>(
    formats: &'f [u8],
    prepared: Option<&Prepared>,
) -> std::borrow::Cow<'f, [u8]> {
    match prepared.and_then(|prepared| prepared.rows(0)).map(|(rows, _)| rows) {
        Some(RowShape::AsIs) | None => formats.into(),
        Some(RowShape::DropRows) => Vec::new().into(),
        Some(RowShape::DropLastColumn) if formats.len() <= 2 => formats.into(),
        Some(RowShape::DropLastColumn) => [formats, &[0, 0]].concat().into(),
    }
}
