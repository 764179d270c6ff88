//! How many rows a statement may give, and how long it may run.
//!
//! In:  what `limits` of the policy leaves the person; rows on their way to the client.
//! Out: the rows up to the limit, then 54000; or 57014. The statement is cancelled, and its transaction fails as with any
//!      error.
//!
//! | at the row after the last that may pass                | the transaction fails by                                  |
//! |--------------------------------------------------------|-----------------------------------------------------------|
//! | PostgreSQL is still at it                              | the cancel                                                |
//! | it has finished; Sync is not sent                      | a statement of ours that fails, in place of the client's  |
//! | it has finished and is ready, in a transaction         | the same, once it is ready                                |
//! | it has finished and is ready, in no transaction        | nothing: it has only read                                 |
//!
//! So that the last line is true, nothing that could make a write last goes upstream before the rows of its transaction
//! are counted: the next message waits, Sync waits where the batch has written, a lone `INSERT … RETURNING` of the simple
//! protocol runs with its Sync behind it, and a text of several statements that both gives rows and writes is refused.
//!
//! Rows are those of one statement, or of all statements that read from one portal or cursor. Each line of COPY TO counts,
//! a CSV header too.
//!
//! Invariants:
//! - At most one statement whose rows are counted is outstanding.
//! - Where no limit applies, rows pass in runs, as they are; a limit is looked for once a run.
//! - Nothing of a statement passes after it has met its limit.

use std::collections::HashMap;

use bytes::Bytes;
use pgcordon_rewrite::{StatementKind, Use};
use tokio::time::timeout;

use super::names::{Kind, Prepared};
use super::pending::Pending;
use super::relay::{Relaying, fault};
use super::{Batch, END_TIMEOUT, End, Session};
use crate::answer;
use crate::frame::HEADER;
use crate::message::{Report, Severity, Status};
use crate::upstream;
use crate::wire::Own;

/// PostgreSQL's end of a statement that was cancelled.
const CANCELLED: &[u8; 5] = b"57014";

/// What is counted in one session.
#[derive(Debug, Default)]
pub(super) struct Quota {
    /// Rows of the statement that is outstanding, with those that its portal gave before.
    given: u64,
    /// The portal or cursor that it reads from.
    portal: Option<Bytes>,
    /// Rows of portals and cursors that may give more.
    fetched: HashMap<Bytes, u64>,
    cut: Option<Cut>,
    /// A statement of the simple protocol runs without its Sync.
    holds_sync: bool,
    /// The batch has sent something that may write.
    batch_writes: bool,
    /// COPY TO is in binary format, whose last message is no row.
    binary: bool,
    /// A cancel was sent because of `statement_timeout`.
    timed_out: bool,
    /// What stands for the error that comes of it.
    reworded: Option<Report>,
}

/// A statement that gives more rows than it may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cut {
    Found,
    Cancelled,
    /// It has finished nevertheless.
    Finished,
}

impl Quota {
    /// Whether a statement has met its limit, and PostgreSQL does not know yet.
    pub(super) fn wants_cancel(&self) -> bool {
        self.cut == Some(Cut::Found)
    }

    /// Whether what comes belongs to a statement that has met its limit.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// A portal or cursor of that name is a new one.
    pub(super) fn forget(&mut self, name: &[u8]) {
        if !self.fetched.is_empty() {
            self.fetched.remove(name);
        }
    }

    pub(super) fn is_binary(&mut self, binary: bool) {
        self.binary = binary;
    }
}

impl Session {
    /// Whether later messages have to wait until its rows are counted.
    pub(super) fn is_counted(&self, pending: &Pending) -> bool {
        self.who.principal.limits.max_rows.is_some()
            && match pending {
                Pending::Execute(Some(prepared)) | Pending::Query { prepared, .. } => {
                    prepared.gives_rows
                }
                Pending::Execute(None)
                | Pending::Local(_)
                | Pending::Done { .. }
                | Pending::Parse { .. }
                | Pending::Placeholder { .. }
                | Pending::Bind { .. }
                | Pending::Close { .. }
                | Pending::Evict(_)
                | Pending::DescribeStatement(_)
                | Pending::DescribePortal(_)
                | Pending::Sync { .. }
                | Pending::Fail { .. }
                | Pending::Prepare { .. }
                | Pending::Own { .. } => false,
            }
    }

    /// Whether the Sync of a simple query must wait until its rows are counted.
    pub(super) fn is_held(&self, prepared: &Prepared) -> bool {
        self.who.principal.limits.max_rows.is_some() && prepared.gives_rows && prepared.may_write
    }

    /// Whether the client's Sync must wait: it would make last what was written before the rows are counted.
    pub(super) fn holds_back_sync(&self) -> bool {
        (self.quota.batch_writes || self.quota.holds_sync) && self.queue.has_barrier()
    }

    /// A text of the simple protocol whose writes could last though its rows are too many is refused.
    pub(super) fn admit_counted(&self, prepared: Prepared) -> Result<Prepared, Report> {
        if self.who.principal.limits.max_rows.is_none() || !prepared.gives_rows {
            return Ok(prepared);
        }
        let statements = prepared.cleared.statements();
        if statements.len() == 1 && self.batch == Batch::Closed {
            return Ok(prepared);
        }
        let ends = statements.iter().any(|one| one.kind == StatementKind::Transaction);
        let in_none = self.is_at_boundary() && self.status == Status::Idle;
        if !prepared.may_write && !self.quota.batch_writes && (in_none || !ends) {
            return Ok(prepared);
        }
        let message = "pgcordon does not support rows beside writes in one message where max_rows limits rows";
        let report = Report::error("0A000", message).hint("Send its statements one by one.");
        Err(self.who.refused("max_rows_batch", "", report))
    }

    /// A portal is executed: its rows add up.
    pub(super) fn count_portal(&mut self, portal: &[u8], prepared: Option<&Prepared>) {
        if self.who.principal.limits.max_rows.is_none() {
            return;
        }
        let cursor = prepared.and_then(|prepared| cursor(prepared, 0)).map(str::as_bytes);
        self.count_from(Some(cursor.unwrap_or(portal)));
        self.quota.batch_writes |= prepared.is_none_or(|prepared| prepared.may_write);
    }

    /// A statement of a text in the simple protocol is the next to be answered.
    pub(super) fn count_statement(&mut self, prepared: &Prepared, index: usize) {
        self.batch_ends();
        if self.who.principal.limits.max_rows.is_some() {
            self.count_from(cursor(prepared, index).map(str::as_bytes));
        }
    }

    fn count_from(&mut self, portal: Option<&[u8]>) {
        let known = portal.and_then(|portal| self.quota.fetched.get(portal));
        self.quota.given = known.copied().unwrap_or(0);
        self.quota.portal = portal.map(Bytes::copy_from_slice);
    }

    /// The batch ends.
    pub(super) fn batch_ends(&mut self) {
        self.quota.batch_writes = false;
    }

    /// The transaction has ended, and with it its portals.
    pub(super) fn forget_portals(&mut self) {
        if !self.quota.fetched.is_empty() {
            let names = &mut self.names;
            self.quota.fetched.retain(|name, _| names.find(Kind::Portal, name).is_some());
        }
    }

    /// The Sync of this simple query is sent when its rows are counted.
    pub(super) fn hold_sync(&mut self) {
        self.quota.holds_sync = true;
    }

    fn release_sync(&mut self) {
        if std::mem::take(&mut self.quota.holds_sync) {
            self.wire().sync();
        }
    }

    /// Rows that may still pass; `None` for any number.
    pub(super) fn rows_left(&self) -> Option<u64> {
        if self.quota.is_cut() {
            return Some(0);
        }
        let limit = self.who.principal.limits.max_rows?;
        Some(limit.saturating_sub(self.quota.given))
    }

    /// Rows at the front, as many as may pass.
    pub(super) fn pass_counted(&mut self, tag: u8, length: usize, left: u64) -> Relaying {
        let is_trailer = tag == b'd' && self.quota.binary && length == 2 && !self.quota.is_cut();
        if left == 0 && !is_trailer {
            return self.cut(length);
        }
        let (bytes, rows) = self.run_length(tag, left.max(1));
        self.quota.given += rows;
        Relaying::Pass(bytes)
    }

    /// The row at the front, of that length, does not pass, nor does any behind it.
    pub(super) fn cut(&mut self, length: usize) -> Relaying {
        self.quota.cut.get_or_insert(Cut::Found);
        Relaying::Drop(HEADER + length)
    }

    /// A row has passed by itself.
    pub(super) fn count_row(&mut self) {
        self.quota.given += 1;
    }

    /// PostgreSQL has finished a statement, or a portal is suspended.
    pub(super) fn counted(&mut self, prepared: Option<&Prepared>, at: usize) -> Result<(), End> {
        // One that gives no rows may have been sent ahead of the one that is counted.
        let Some(prepared) = prepared.filter(|prepared| prepared.gives_rows) else { return Ok(()) };
        if let Some(portal) = self.quota.portal.take() {
            self.quota.fetched.insert(portal, self.quota.given);
        }
        if let Some(Pending::Query { .. }) = self.queue.front() {
            self.count_statement(prepared, at + 1);
        }
        if self.quota.is_cut() {
            return self.fail_finished();
        }
        self.release_sync();
        Ok(())
    }

    /// The statement that was to be cancelled has finished: its transaction fails all the same.
    fn fail_finished(&mut self) -> Result<(), End> {
        match self.queue.front() {
            Some(Pending::Query { .. }) if self.quota.holds_sync => {
                self.queue.pop();
                self.quota.holds_sync = false;
                let report = self.too_many_rows();
                self.fail_and_sync(report);
            }
            // It will be ready by itself.
            Some(Pending::Query { .. } | Pending::Sync { .. }) => {
                self.quota.cut = Some(Cut::Finished);
            }
            None => {
                let report = self.too_many_rows();
                let mut wire = self.wire();
                wire.own_parse(Own::Fail);
                wire.flush();
                self.flushed = true;
                self.queue.put_back(Pending::Fail { report, simple: false });
                self.batch = Batch::Failed { upstream: true };
            }
            Some(_) => return Err(fault("a message behind rows that are counted", b'C')),
        }
        Ok(())
    }

    fn fail_and_sync(&mut self, report: Report) {
        let mut wire = self.wire();
        wire.own_parse(Own::Fail);
        wire.sync();
        self.queue.put_back(Pending::Fail { report, simple: true });
    }

    /// ReadyForQuery. Whether it must wait until the transaction has failed.
    pub(super) fn fail_when_ready(&mut self) -> bool {
        if !self.quota.is_cut() {
            return false;
        }
        let report = self.too_many_rows();
        match self.status {
            Status::Transaction => {
                self.fail_and_sync(report);
                true
            }
            Status::Idle | Status::Failed => {
                report.put(&mut self.client.outbound);
                false
            }
        }
    }

    /// PostgreSQL's error ends a statement that has met its limit: the client hears of the limit. Whether it was so.
    pub(super) fn on_cut_error(&mut self) -> Result<bool, End> {
        self.release_sync();
        if !self.quota.is_cut() {
            return Ok(false);
        }
        let report = self.too_many_rows();
        match self.queue.pop() {
            Some(Pending::Query { .. }) => self.queue.put_back(Pending::Sync { ours: false }),
            Some(sync @ Pending::Sync { .. }) => self.queue.put_back(sync),
            Some(Pending::Execute(_)) => {
                self.skip_batch();
            }
            _ => return Err(fault("an error behind rows that are counted", b'E')),
        }
        report.put(&mut self.client.outbound);
        Ok(true)
    }

    fn too_many_rows(&mut self) -> Report {
        self.quota.cut = None;
        let limit = self.who.principal.limits.max_rows.unwrap_or_default();
        let report = Report::error("54000", format!("statement gives more than {limit} rows"));
        self.who.refused("max_rows", "", report.hint("The limit is max_rows."))
    }

    /// Tells PostgreSQL that the statement has met its limit.
    pub(super) async fn cancel_cut(&mut self) -> Result<(), End> {
        let report = Report::fatal("54000", "statement gives more rows than the limit max_rows");
        self.cancel_running(report).await?;
        self.quota.cut = Some(Cut::Cancelled);
        Ok(())
    }

    /// The statement's time is over; or it has not ended when it was told so.
    pub(super) async fn end_running(&mut self) -> Result<(), End> {
        let report = Report { severity: Severity::Fatal, ..took_too_long() };
        if std::mem::replace(&mut self.quota.timed_out, true) {
            return Err(End::Fatal(report));
        }
        if std::mem::take(&mut self.copy_in) {
            // PostgreSQL hears of no cancel while it waits for rows of COPY. This error is as good.
            self.wire().copy(b'f', b"timeout\0");
        } else {
            self.cancel_running(report).await?;
        }
        self.clock.end_statement();
        self.clock.start_statement(END_TIMEOUT);
        Ok(())
    }

    /// While the cancel is on its way nothing else is sent, so that it ends this statement and no other.
    async fn cancel_running(&mut self, otherwise: Report) -> Result<(), End> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let (config, key) = (self.who.database.upstream.clone(), lease.key.clone());
        let cancelling = upstream::cancel(&config, &key);
        match timeout(END_TIMEOUT, cancelling).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Fatal(otherwise)),
        }
    }

    /// A statement has ended, in whatever way: the next has its own time.
    pub(super) fn statement_ended(&mut self) {
        self.quota.timed_out = false;
        self.clock.end_statement();
    }

    /// An error comes: one that PostgreSQL gives for our own cancel is told in words that name the limit.
    pub(super) fn reword(&mut self, body: &[u8]) {
        let is_ours =
            self.quota.timed_out && answer::sqlstate(body).is_ok_and(|code| code == *CANCELLED);
        self.quota.reworded = is_ours.then(took_too_long);
    }

    /// What stands for PostgreSQL's error, if something does.
    pub(super) fn reworded(&mut self) -> Option<Report> {
        self.quota.reworded.take()
    }
}

fn took_too_long() -> Report {
    let report = Report::error("57014", "canceling statement due to statement timeout");
    report.hint("The limit is statement_timeout.")
}

/// The cursor that a statement reads from.
fn cursor(prepared: &Prepared, index: usize) -> Option<&str> {
    match &prepared.statement(index)?.uses {
        Use::Cursor(name) => Some(name),
        Use::Nothing | Use::Prepared(_) => None,
    }
}
