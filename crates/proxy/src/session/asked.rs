//! Requests to pgcordon itself in both protocols: a message of the client's in, its answer in its turn out.
//!
//! In:  a text, or a message of the extended protocol, that holds a request.
//! Out: what `session::act` answers; what follows a request in its text goes to PostgreSQL, judged behind it.
//!
//! Invariants:
//! - A request is done once everything before it has been answered, so that it is known in which transaction it stands.

use std::sync::Arc;

use bytes::BytesMut;
use pgcordon_sql::analyze::Part;

use super::act::Done;
use super::names::{Form, Kind, Prepared, Slot};
use super::pending::Pending;
use super::request::{self, Ours};
use super::{Batch, End, Session};
use crate::frame::Frame;
use crate::message::{self, Bind, Parse, Report, Status};

impl Session {
    /// A text of the simple protocol that holds requests, once everything before it has been answered.
    pub(super) async fn on_requests(&mut self, text: &str, parts: &[Part]) -> Result<(), End> {
        match self.request_message(text, parts).await? {
            Ok(()) => {}
            Err(report) => self.refuse_simple(report),
        }
        Ok(())
    }

    async fn request_message(&mut self, text: &str, parts: &[Part]) -> Done<()> {
        let Some(message) = request::message(text, parts) else {
            return Ok(Err(self.misplaced("behind other statements of one message")));
        };
        if self.status == Status::Failed {
            return Ok(Err(Report::aborted()));
        }
        if self.batch != Batch::Closed {
            return Ok(Err(self.misplaced("behind messages without Sync")));
        }
        let alone = parts.len() == 1;
        let block = self.status == Status::Transaction || !alone;
        let before = self.behalf.clone();
        let mut answer = BytesMut::new();
        for request in message.requests {
            let done = match request::act(request, &[]) {
                Ok(act) => self.perform(&act, block).await?.map(|rows| (act, rows)),
                Err(report) => Err(report),
            };
            match done {
                Ok((act, rows)) => {
                    let columns = act.columns();
                    if !columns.is_empty() {
                        message::put_columns(&mut answer, &columns, 0);
                    }
                    answer.unsplit(rows);
                }
                Err(report) => {
                    self.take_back(before)?;
                    return Ok(Err(report));
                }
            }
        }
        match message.rest {
            None => {
                self.status.put(&mut answer);
                self.push(Pending::Local(answer));
                if self.status == Status::Idle {
                    self.behalf.commit();
                    self.settle()?;
                }
                Ok(Ok(()))
            }
            Some(rest) => {
                let sent = self.send_rest(&rest, answer, message.begins).await?;
                if sent.is_err() && self.status == Status::Idle {
                    self.take_back(before)?;
                }
                Ok(sent)
            }
        }
    }

    /// What follows the requests of a text, judged as the person whom they name.
    async fn send_rest(&mut self, rest: &str, answer: BytesMut, begins: bool) -> Done<()> {
        let verdict = self.clear(rest.as_bytes(), &[]).await?;
        self.end_renewal(Batch::Closed);
        let prepared = match verdict {
            Ok(prepared) => prepared,
            Err(report) => return Ok(Err(report)),
        };
        if let Err(report) = self.admit_for(&prepared) {
            return Ok(Err(report));
        }
        let interlude = if begins {
            Some(answer)
        } else {
            self.push(Pending::Local(answer));
            None
        };
        self.send_query(Arc::new(prepared), interlude);
        Ok(Ok(()))
    }

    /// A Parse of one request; `None` where it is none.
    pub(super) async fn parse_request(&mut self, parse: &Parse<'_>) -> Done<Option<()>> {
        let text = std::str::from_utf8(parse.text).unwrap_or_default();
        let parts = request::read(text, self.who.max_statement_bytes);
        let asked = match parts.as_deref() {
            Some([only]) => request::request(only),
            Some(_) => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Ok(Err(Report::error("42601", message)));
            }
            None => None,
        };
        let Some(asked) = asked else { return Ok(Ok(None)) };
        if self.status == Status::Failed {
            return Ok(Err(Report::aborted()));
        }
        if !parse.name.is_empty() && self.names.find(Kind::Statement, parse.name).is_some() {
            return Ok(Err(super::extended::exists(parse.name)));
        }
        let ours = match Ours::new(asked, &message::type_oids(parse.types)) {
            Ok(ours) => ours,
            Err(report) => return Ok(Err(report)),
        };
        // Upstream it is nothing: an empty text.
        let nothing = match self.judge("", &[], Form::Text).await? {
            Ok(nothing) => nothing,
            Err(report) => return Ok(Err(report)),
        };
        let prepared = Prepared { ours: Some(Arc::new(ours)), slot: Slot::Shared, ..nothing };
        let change = self.names.set(Kind::Statement, parse.name, Some(Arc::new(prepared)));
        self.sent(Pending::Done { tag: b'1', change });
        Ok(Ok(Some(())))
    }

    /// Binds a request, if the statement is one.
    pub(super) fn bind_request(&mut self, bind: &Bind<'_>) -> Result<Option<()>, Report> {
        let Some(prepared) = self.names.find(Kind::Statement, bind.statement) else {
            return Ok(None);
        };
        let Some(ours) = &prepared.ours else { return Ok(None) };
        let malformed = |_| Report::error("08P01", "invalid message format");
        let given = message::arguments(bind.parameters).map_err(malformed)?;
        let ours = Some(Arc::new(ours.bound(&given, bind.formats)?));
        // A portal is its person's.
        let principal = self.who.principal.clone();
        let portal = Arc::new(Prepared { ours, principal, ..Prepared::clone(&prepared) });
        let change = self.names.set(Kind::Portal, bind.portal, Some(portal));
        self.sent(Pending::Done { tag: b'2', change });
        Ok(Some(()))
    }

    /// Describes a request. `parameters`: of a statement, not of a portal.
    pub(super) fn describe_request(&mut self, ours: &Ours, parameters: bool) {
        let mut answer = BytesMut::new();
        if parameters {
            message::put_parameter_types(&mut answer, &ours.types);
        }
        let columns = ours.columns();
        if columns.is_empty() {
            crate::frame::put(&mut answer, b'n', |_| {});
        } else {
            message::put_columns(&mut answer, &columns, ours.format);
        }
        self.sent(Pending::Local(answer));
    }

    /// Does a request whose portal is executed, once everything before it has been answered.
    pub(super) async fn execute_request(&mut self, ours: &Ours, frame: &Frame) -> Done<()> {
        if !self.queue.is_empty() {
            self.stash = Some(frame.clone());
            return Ok(Ok(()));
        }
        let Some(act) = &ours.act else { return Ok(Err(Report::error("34000", "no portal"))) };
        if self.status == Status::Failed {
            return Ok(Err(Report::aborted()));
        }
        let block = self.status == Status::Transaction || self.behalf.is_explicit();
        match self.perform(act, block).await? {
            Ok(answer) => {
                self.sent(Pending::Local(answer));
                Ok(Ok(()))
            }
            Err(report) => Ok(Err(report)),
        }
    }
}
