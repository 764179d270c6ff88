//! A client's messages, in order: the simple protocol, COPY data, batches.
//!
//! In:  frames from the decoder.
//! Out: messages upstream with what their answers mean, or a refusal in its turn.
//!
//! Invariants:
//! - A statement is judged only once every earlier statement that may change its meaning has been answered.
//! - A refusal leaves the transaction as an error of PostgreSQL's would: failed, if one was open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pgcordon_policy::ConnectDenial;
use pgcordon_rewrite::{ClearedStatement, StatementKind};

use super::extended::owned;
use super::names::{Form, Prepared, Slot};
use super::pending::{Asks, Pending, Stakes};
use super::request;
use super::{Batch, End, HIGH_WATER, Session};
use crate::catalog;
use crate::frame::{Frame, Step};
use crate::message::{self, Report, Status};
use crate::upstream::UpstreamError;
use crate::wire::Own;

/// Longest look at the catalog within a transaction.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What the next message has to wait for.
///
/// | buffers or queue full | type of the message       | state                            | outcome       |
/// |-----------------------|---------------------------|----------------------------------|---------------|
/// | yes                   | any                       | -                                | `Wait`        |
/// | no                    | any                       | a statement is at its row limit  | `Wait`        |
/// | no                    | Sync                      | rows to be counted first         | `WaitFlushed` |
/// | no                    | Sync, Flush, Terminate    | -                                | `Take`        |
/// | no                    | COPY data                 | answers due, COPY not started    | `Wait`        |
/// | no                    | any other                 | batch failed                     | `Take`        |
/// | no                    | any other, not all there  | no upstream connection           | `Take`        |
/// | no                    | any other                 | no upstream connection           | `Hold`        |
/// | no                    | any other                 | answers due that change meanings | `WaitFlushed` |
/// | no                    | any other                 | path or settings unknown         | `Ask`         |
/// | no                    | any other                 | catalog changed                  | `Learn`       |
/// | no                    | any other                 | none of these                    | `Take`        |
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gate {
    Take,
    Wait,
    /// As `Wait`, and PostgreSQL must be made to answer.
    WaitFlushed,
    /// A connection must be taken first.
    Hold,
    Ask(Asks),
    /// The catalog must be read: it has changed, within the open transaction or by one of this session's that has ended.
    Learn,
}

impl Session {
    /// Takes messages until one has to wait. Whether any was taken.
    pub(super) async fn take_messages(&mut self) -> Result<bool, End> {
        let mut taken = false;
        loop {
            match self.gate() {
                Gate::Take => {}
                Gate::Wait => return Ok(taken),
                Gate::WaitFlushed => {
                    self.flush_upstream();
                    return Ok(taken);
                }
                Gate::Hold => {
                    let held = Box::pin(self.take_upstream()).await;
                    held.map_err(|error| End::Fatal(error.report()))?;
                    continue;
                }
                Gate::Ask(asks) => {
                    self.ask(asks);
                    return Ok(taken);
                }
                Gate::Learn => {
                    Box::pin(self.learn_catalog()).await?;
                    // Without temporary tables the connection may go back first, with what they have left.
                    return Ok(true);
                }
            }
            let next = match self.stash.take() {
                Some(frame) => Step::Message(frame),
                None => self.decoder.next(&mut self.client.inbound)?,
            };
            match next {
                Step::NeedMore => return Ok(taken),
                Step::TooLong(tag) => self.too_long(tag)?,
                Step::Message(frame) => self.on_frame(&frame).await?,
            }
            taken = true;
        }
    }

    fn gate(&mut self) -> Gate {
        if self.quota.is_cut() {
            return Gate::Wait;
        }
        let upstream = self.lease.as_ref().map_or(0, |lease| lease.link.outbound.len());
        if upstream >= HIGH_WATER || self.client.outbound.len() >= HIGH_WATER {
            return Gate::Wait;
        }
        if self.queue.is_full() {
            return Gate::WaitFlushed;
        }
        let next = match &self.stash {
            Some(_) if !self.queue.is_empty() => return Gate::WaitFlushed,
            Some(frame) => Some(frame.tag),
            None => self.decoder.peek(&mut self.client.inbound),
        };
        match next {
            Some(b'S') if self.holds_back_sync() => Gate::WaitFlushed,
            None | Some(b'S' | b'H' | b'X') => Gate::Take,
            Some(b'd' | b'c' | b'f') => {
                let may_copy = || self.who.is_bypass() || self.queue.has_copy();
                let due = !self.copy_in && !self.queue.is_empty() && may_copy();
                if due { Gate::Wait } else { Gate::Take }
            }
            Some(_) if matches!(self.batch, Batch::Failed { .. }) => Gate::Take,
            // A client that is slow with its message keeps nobody else waiting.
            Some(_)
                if self.stash.is_none()
                    && self.lease.is_none()
                    && self.decoder.wants(&self.client.inbound) =>
            {
                Gate::Take
            }
            Some(_) if self.lease.is_none() => Gate::Hold,
            Some(_) if self.queue.has_barrier() => Gate::WaitFlushed,
            Some(_) => self.gate_of_statements(),
        }
    }

    fn gate_of_statements(&self) -> Gate {
        let restricted = !self.who.is_bypass();
        let next = if self.reapply {
            Gate::Ask(Asks::Settings)
        } else if self.path.is_uncertain() && restricted {
            Gate::Ask(Asks::SearchPath)
        } else if restricted && (self.catalog_touched || self.who.is_outdated()) {
            Gate::Learn
        } else {
            return Gate::Take;
        };
        // Only an empty queue tells the transaction's state; a failed transaction answers nothing, and takes only
        // statements that name no relation.
        match (self.queue.is_empty(), self.status) {
            (false, _) => Gate::WaitFlushed,
            (true, Status::Failed) => Gate::Take,
            (true, Status::Idle | Status::Transaction) => next,
        }
    }

    /// Within a transaction PostgreSQL is asked on the session's own connection: nobody else sees its changes yet.
    async fn learn_catalog(&mut self) -> Result<(), End> {
        self.catalog_touched = false;
        let idle = self.status == Status::Idle && self.batch == Batch::Closed;
        if idle && !self.temporary {
            self.who.database.refresh().await;
            return self.refresh_who();
        }
        let path = self.path.shown().to_owned();
        let reading =
            tokio::time::timeout(READ_TIMEOUT, self.upstream().catalog(&path, idle)).await;
        let answers = match reading {
            Ok(Ok(answers)) => answers,
            Ok(Err(UpstreamError::Server { message, .. })) => {
                return Err(End::Fault(format!("the catalog could not be read: {message}")));
            }
            Ok(Err(_)) | Err(_) => return Err(End::UpstreamGone),
        };
        let loaded = catalog::of_answers(answers)
            .map_err(|error| End::Fault(format!("the catalog could not be read: {error}")))?;
        self.temporary &= !idle || loaded.snapshot.has_temporary();
        if idle && !self.temporary {
            self.who.private = None;
            self.who.database.refresh().await;
            return self.refresh_who();
        }
        self.who.adopt(loaded.snapshot);
        let user = &self.who.database.upstream.user;
        self.path.resolve(&self.who.state.snapshot, user);
        Ok(())
    }

    /// Makes PostgreSQL answer everything pending, without ending the batch.
    fn flush_upstream(&mut self) {
        if !self.flushed && self.lease.is_some() {
            self.wire().flush();
            self.flushed = true;
        }
    }

    async fn on_frame(&mut self, frame: &Frame) -> Result<(), End> {
        match frame.tag {
            b'X' => Err(End::Terminated),
            b'S' => self.on_sync(),
            b'd' | b'c' | b'f' => {
                self.on_copy_data(frame);
                Ok(())
            }
            _ if matches!(self.batch, Batch::Failed { .. }) => Ok(()),
            _ if self.who.is_over() => Err(End::Fatal(Report::fatal(
                "57P01",
                "terminating connection because the token has expired",
            ))),
            b'H' => {
                self.flush_upstream();
                Ok(())
            }
            _ if self.copy_in => Err(End::Fatal(Report::fatal(
                "08P01",
                "unexpected message type during COPY from stdin",
            ))),
            b'Q' => self.on_query(frame).await,
            b'F' => {
                let report =
                    Report::error("0A000", "pgcordon does not support the function call protocol");
                self.refuse_simple(self.who.refused("function_call", "", report));
                Ok(())
            }
            b'P' | b'B' | b'D' | b'E' | b'C' => {
                match self.on_extended(frame).await? {
                    Ok(()) => {}
                    Err(report) => self.refuse_extended(report),
                }
                Ok(())
            }
            other => Err(End::Fatal(Report::fatal(
                "08P01",
                format!("unexpected frontend message type {other}"),
            ))),
        }
    }

    /// A message over its limit was skipped.
    fn too_long(&mut self, tag: u8) -> Result<(), End> {
        let limit = match tag {
            b'Q' | b'P' => "The limit is max_statement_bytes.",
            _ => "The limit is max_message_bytes.",
        };
        let message = "message is longer than pgcordon's limit";
        let report = || {
            let report = Report::error("54000", message).hint(limit);
            self.who.refused("message_length", "", report)
        };
        match tag {
            _ if matches!(self.batch, Batch::Failed { .. }) => {}
            b'Q' | b'F' if !self.copy_in => {
                let report = report();
                self.refuse_simple(report);
            }
            b'P' | b'B' | b'D' | b'E' | b'C' if !self.copy_in => {
                let report = report();
                self.refuse_extended(report);
            }
            _ => {
                return Err(End::Fatal(Report::fatal("54000", message).hint(limit)));
            }
        }
        Ok(())
    }

    async fn on_query(&mut self, frame: &Frame) -> Result<(), End> {
        let verdict = match message::read_query(&frame.body) {
            Ok(_) if self.behalf.is_spent() => Err(super::act::spent()),
            Ok(text) => {
                self.refresh_who()?;
                if let Ok(text) = std::str::from_utf8(text) {
                    if let Some(parts) = request::read(text, self.who.max_statement_bytes) {
                        // It changes what later statements mean: everything before it is answered first.
                        if !self.queue.is_empty() {
                            self.stash = Some(frame.clone());
                            return Ok(());
                        }
                        return Box::pin(self.on_requests(text, &parts)).await;
                    }
                    if self.run_alike(text) {
                        return Ok(());
                    }
                }
                let before = self.batch;
                let verdict = self.clear(text, &[]).await?;
                self.end_renewal(before);
                verdict
                    .and_then(|prepared| self.admit_in_failed(prepared))
                    .and_then(|prepared| self.admit_counted(prepared))
                    .and_then(|prepared| {
                        self.admit_for(&prepared)?;
                        Ok(prepared)
                    })
            }
            Err(malformed) => Err(Report::error("08P01", malformed.to_string())),
        };
        match verdict {
            Ok(prepared) => self.send_query(Arc::new(prepared), None),
            Err(report) => self.refuse_simple(report),
        }
        Ok(())
    }

    /// A text that was sent before runs as a prepared statement: PostgreSQL has parsed and planned it already.
    /// `interlude` goes to the client behind the first statement's answer.
    pub(super) fn send_query(&mut self, prepared: Arc<Prepared>, interlude: Option<BytesMut>) {
        let alone =
            self.batch == Batch::Closed && interlude.is_none() && self.status != Status::Failed;
        let shared = alone && self.is_shareable(&prepared) && prepared.judged.is_asked_again();
        if shared {
            return self.run_shared(prepared, &[0; 4]);
        }
        if alone && self.is_held(&prepared) {
            let judged = owned(prepared.judged.clone());
            return self
                .run_shared(Arc::new(Prepared { judged, ..Prepared::clone(&prepared) }), &[0; 4]);
        }
        let before = self.batch;
        self.place_holders(&prepared);
        self.end_renewal(before);
        self.names.drop_unnamed();
        self.upstream().statements.unnamed = None;
        self.wire().query(&prepared.cleared);
        self.batch = Batch::Closed;
        self.flushed = true;
        self.count_statement(&prepared, 0);
        self.push(Pending::Query { prepared, index: 0, shared: false, interlude });
    }

    /// In a failed transaction the search_path cannot be asked for. Once it has changed there, a text may end the
    /// transaction, but not go on after that: what its names mean is not known.
    fn admit_in_failed(&self, prepared: Prepared) -> Result<Prepared, Report> {
        let unknown = self.status == Status::Failed && self.path.is_uncertain();
        let ends = |statement: &ClearedStatement| statement.kind == StatementKind::Transaction;
        if self.who.is_bypass() || !unknown || prepared.cleared.statements().iter().all(ends) {
            return Ok(prepared);
        }
        Err(self.who.refused("failed_transaction", "", Report::aborted()))
    }

    pub(super) fn push(&mut self, pending: Pending) {
        if let Some(prepared) = pending.prepared() {
            // Also of a statement that fails: a session's advisory lock outlives the transaction that took it.
            self.traces |= prepared.leaves_traces;
            self.has_set |= prepared.sets;
            self.unsettled |= self.has_set && prepared.may_set();
        }
        self.behalf.sent(&pending);
        let touched =
            self.path.is_touched() || self.who.private.is_some() || self.behalf.is_touched();
        let counted = self.is_counted(&pending);
        self.queue.push(pending, if touched { Stakes::High } else { Stakes::Low }, counted);
    }

    /// Judges a text with the newest policy and catalog.
    pub(super) async fn clear(
        &mut self,
        text: &[u8],
        types: &[u8],
    ) -> Result<Result<Prepared, Report>, End> {
        self.refresh_who()?;
        let Ok(text) = std::str::from_utf8(text) else {
            let report = Report::error("22021", "invalid byte sequence for encoding \"UTF8\"");
            return Ok(Err(self.who.refused("encoding", "", report)));
        };
        match self.judge(text, types, Form::Text).await? {
            Ok(prepared) => self.link(prepared).await,
            Err(report) => Ok(Err(report)),
        }
    }

    /// Judges a text alone, without what its names stand for.
    pub(super) async fn judge(
        &mut self,
        text: &str,
        types: &[u8],
        form: Form,
    ) -> Result<Result<Prepared, Report>, End> {
        self.refresh_who()?;
        Ok(self.who.judge(&mut self.path, text, types).await.map(|judged| Prepared {
            judged,
            principal: self.who.principal.clone(),
            path: self.path.generation(),
            form,
            slot: Slot::Own,
            links: HashMap::new(),
            sent: None,
            ours: None,
        }))
    }

    /// Somebody who may not connect any more does not go on.
    pub(super) fn refresh_who(&mut self) -> Result<(), End> {
        match self.who.refresh() {
            Ok(true) => {
                let user = &self.who.database.upstream.user;
                self.path.resolve(&self.who.state.snapshot, user);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(
                ConnectDenial::UnknownDatabase
                | ConnectDenial::NotAllowed { .. }
                | ConnectDenial::BadAttribute { .. },
            ) => Err(End::Fatal(Report::fatal(
                "57P01",
                "terminating connection because the policy no longer permits it",
            ))),
        }
    }

    /// Nothing is open upstream: a refusal needs no word to PostgreSQL.
    fn is_quiet(&self) -> bool {
        let open =
            !self.queue.is_empty() || self.batch != Batch::Closed || self.status != Status::Idle;
        self.lease.is_none() || !open
    }

    pub(super) fn refuse_simple(&mut self, report: Report) {
        if self.is_quiet() {
            let mut bytes = BytesMut::new();
            report.put(&mut bytes);
            Status::Idle.put(&mut bytes);
            self.push(Pending::Local(bytes));
            return;
        }
        self.wire().own_query(Own::Fail);
        self.upstream().statements.unnamed = None;
        self.names.drop_unnamed();
        self.batch = Batch::Closed;
        self.flushed = true;
        self.push(Pending::Fail { report, simple: true });
    }

    /// Everything up to Sync is discarded, as after an error of PostgreSQL's.
    fn refuse_extended(&mut self, report: Report) {
        if self.is_quiet() {
            let mut bytes = BytesMut::new();
            report.put(&mut bytes);
            self.push(Pending::Local(bytes));
            self.behalf.failed();
            self.batch = Batch::Failed { upstream: false };
            return;
        }
        let mut wire = self.wire();
        wire.own_parse(Own::Fail);
        wire.flush();
        self.flushed = true;
        self.push(Pending::Fail { report, simple: false });
        self.batch = Batch::Failed { upstream: true };
    }

    fn on_sync(&mut self) -> Result<(), End> {
        if self.batch == (Batch::Failed { upstream: false }) || self.lease.is_none() {
            let mut bytes = BytesMut::new();
            self.status.put(&mut bytes);
            self.push(Pending::Local(bytes));
            self.transaction_over()?;
        } else {
            self.wire().sync();
            // PostgreSQL ignores it while it waits for rows.
            if !self.copy_in {
                self.push(Pending::Sync { ours: false });
            }
            self.flushed = true;
        }
        if !self.copy_in {
            self.batch = Batch::Closed;
            self.batch_ends();
        }
        Ok(())
    }

    /// Outside of COPY FROM STDIN it is ignored, as by PostgreSQL.
    fn on_copy_data(&mut self, frame: &Frame) {
        if !self.copy_in {
            return;
        }
        self.wire().copy(frame.tag, &frame.body);
        if frame.tag != b'd' {
            self.copy_in = false;
        }
    }
}
