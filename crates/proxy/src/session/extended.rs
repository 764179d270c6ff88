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

use bytes::Bytes;
use pgcordon_rewrite::RowShape;

use super::names::{Form, Kind, Prepared};
use super::pending::Pending;
use super::{Batch, End, Session};
use crate::frame::{Frame, Malformed};
use crate::message::{Bind, Execute, Parse, Report, Target};
use crate::wire::{Wire, is_reserved};

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

impl Session {
    pub(super) async fn on_extended(&mut self, frame: &Frame) -> Result<Outcome, End> {
        match frame.tag {
            b'P' => match Parse::read(&frame.body) {
                Ok(parse) => self.on_parse(&frame.body, parse).await,
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
            b'E' => Ok(Execute::read(&frame.body)
                .map_err(malformed)
                .and_then(|execute| self.on_execute(execute))),
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

    async fn on_parse(&mut self, body: &Bytes, parse: Parse<'_>) -> Result<Outcome, End> {
        if let Err(report) = self.admit(parse.name) {
            return Ok(Err(report));
        }
        let types = body.slice_ref(parse.types);
        let types = Bytes::copy_from_slice(&types);
        let prepared = match self.clear(parse.text, types).await? {
            Ok(prepared) => Arc::new(prepared),
            Err(report) => return Ok(Err(report)),
        };
        self.send_parse(parse.name, prepared, false);
        Ok(Ok(()))
    }

    pub(super) fn send_parse(&mut self, name: &[u8], prepared: Arc<Prepared>, ours: bool) {
        Wire(&mut self.lease.link.outbound).parse(name, &prepared.cleared, &prepared.types);
        let change = self.names.set(Kind::Statement, name, Some(prepared.clone()));
        self.sent(Pending::Parse { change, prepared, ours });
    }

    /// Names that we use ourselves, or one too many.
    fn admit(&mut self, name: &[u8]) -> Outcome {
        if is_reserved(name) {
            return Err(Report::error("42939", "that name is reserved"));
        }
        if !name.is_empty() && self.names.is_full() {
            return Err(Report::error("54000", "too many prepared statements or portals"));
        }
        Ok(())
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
        let prepared = match self.fresh(bind.statement).await? {
            Ok(prepared) => prepared,
            Err(report) => return Ok(Err(report)),
        };
        self.said.push(bind.parameters);
        let formats = result_formats(bind.formats, prepared.as_deref());
        Wire(&mut self.lease.link.outbound).bind(&bind, &formats);
        let change = self.names.set(Kind::Portal, bind.portal, prepared.clone());
        self.sent(Pending::Bind { change: Some(change), prepared });
        Ok(Ok(()))
    }

    async fn on_describe(&mut self, target: Target<'_>) -> Result<Outcome, End> {
        match target {
            Target::Statement(name) => match self.fresh(name).await? {
                Ok(prepared) => {
                    Wire(&mut self.lease.link.outbound).describe(b'S', name);
                    self.sent(Pending::DescribeStatement(prepared));
                    Ok(Ok(()))
                }
                Err(report) => Ok(Err(report)),
            },
            Target::Portal(name) => Ok(self.portal(name).map(|prepared| {
                Wire(&mut self.lease.link.outbound).describe(b'P', name);
                self.sent(Pending::DescribePortal(prepared));
            })),
        }
    }

    /// The statement behind a portal; `None` for one that only PostgreSQL knows.
    fn portal(&mut self, name: &[u8]) -> Result<Option<Arc<Prepared>>, Report> {
        match self.names.find(Kind::Portal, name) {
            None if !self.who.is_bypass() || is_reserved(name) => Err(unknown(Kind::Portal, name)),
            prepared => Ok(prepared),
        }
    }

    fn on_execute(&mut self, execute: Execute<'_>) -> Outcome {
        let prepared = self.portal(execute.portal)?;
        if let Some(prepared) = &prepared {
            self.still_linked(prepared)?;
        }
        let shape = prepared.as_deref().and_then(|one| one.rows(0)).map(|(rows, _)| rows);
        // PostgreSQL does not count rows that a statement without RETURNING makes, but it would count ours.
        let max_rows = match shape {
            Some(RowShape::DropRows) => 0,
            Some(RowShape::AsIs | RowShape::DropLastColumn) | None => execute.max_rows,
        };
        Wire(&mut self.lease.link.outbound).execute(execute.portal, max_rows);
        self.sent(Pending::Execute(prepared));
        Ok(())
    }

    fn on_close(&mut self, target: Target<'_>) {
        let (kind, code, name) = match target {
            Target::Statement(name) => (Kind::Statement, b'S', name),
            Target::Portal(name) => (Kind::Portal, b'P', name),
        };
        Wire(&mut self.lease.link.outbound).close(code, name);
        let change = self.names.set(kind, name, None);
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
