//! PostgreSQL's answers on their way to the client.
//!
//! In:  backend bytes.
//! Out: the same bytes, but for columns of ours, fields of errors, and answers to messages of ours.
//!
//! Invariants:
//! - An answer that does not belong to the oldest outstanding message ends the session: nothing is passed on whose
//!   statement is not known.
//! - Rows of a statement whose shape is `AsIs` are copied as they came, in pieces as they come.

use bytes::{Buf as _, Bytes};
use pgcordon_rewrite::{Names, RowShape};

use super::alike::Sent;
use super::names::Prepared;
use super::pending::Pending;
use super::{Batch, End, HIGH_WATER, Session};
use crate::answer::{self, Texts};
use crate::frame::{self, Frame, HEADER};
use crate::greeting;
use crate::message::{Report, Status};
use crate::redact::Redactor;

/// Longest answer that is held in memory: a row to be trimmed, an error, a description.
const MAX_HELD: usize = 64 << 20;

/// Fewer bytes are copied: the buffers that change places are large ones.
const SWAPPED: usize = 4 * 1024;

/// A message that is passed through, or thrown away, in pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Relaying {
    Nothing,
    /// So many bytes still go to the client.
    Pass(usize),
    /// So many bytes are still thrown away.
    Drop(usize),
}

pub(super) fn fault(what: &str, tag: u8) -> End {
    End::Fault(format!("{what} `{}`", tag.escape_ascii()))
}

impl Session {
    /// Passes on what is there, as far as the client's buffer allows. Whether anything moved.
    pub(super) fn relay(&mut self) -> Result<bool, End> {
        let mut moved = false;
        loop {
            moved |= self.emit_local();
            if self.client.outbound.len() >= HIGH_WATER || !self.relay_step()? {
                return Ok(moved);
            }
            moved = true;
        }
    }

    /// Messages of our own whose turn it is. Where an answer of PostgreSQL's follows them, they go out with it: one
    /// write for both.
    fn emit_local(&mut self) -> bool {
        let mut moved = false;
        let answered = self.lease.as_ref().is_none_or(|lease| !lease.link.inbound.is_empty());
        if !answered && self.queue.awaits_upstream() {
            return false;
        }
        while matches!(self.queue.front(), Some(Pending::Local(_) | Pending::Done { .. })) {
            match self.queue.pop() {
                Some(Pending::Local(bytes)) => self.client.outbound.extend_from_slice(&bytes),
                Some(Pending::Done { tag, .. }) => {
                    frame::put(&mut self.client.outbound, tag, |_| {});
                }
                Some(_) | None => {}
            }
            moved = true;
        }
        moved
    }

    fn relay_step(&mut self) -> Result<bool, End> {
        match self.relaying {
            Relaying::Nothing => {}
            Relaying::Pass(left) => return Ok(self.move_bytes(left, true)),
            Relaying::Drop(left) => return Ok(self.move_bytes(left, false)),
        }
        let Some(lease) = &mut self.lease else { return Ok(false) };
        let inbound = &mut lease.link.inbound;
        let header = frame::header(inbound).map_err(|error| End::Fault(error.to_string()))?;
        let Some((tag, length)) = header else {
            return Ok(false);
        };
        if let Some(shape) = self.streamed(tag)? {
            self.relaying = match (shape, self.rows_left()) {
                (RowShape::AsIs, None) => Relaying::Pass(self.run_length(tag, u64::MAX).0),
                (RowShape::AsIs, Some(left)) => self.pass_counted(tag, length, left),
                (RowShape::DropRows, _) => Relaying::Drop(HEADER + length),
                (RowShape::DropLastColumn, Some(0)) => self.cut(length),
                (RowShape::DropLastColumn, _) => return self.answer_when_whole(tag, length),
            };
            return Ok(true);
        }
        self.answer_when_whole(tag, length)
    }

    fn move_bytes(&mut self, left: usize, pass: bool) -> bool {
        let Some(lease) = &mut self.lease else { return false };
        let inbound = &mut lease.link.inbound;
        let now = left.min(inbound.len());
        if pass && now == inbound.len() && now >= SWAPPED && self.client.outbound.is_empty() {
            // All of it goes out: the buffers change places, and nothing is copied.
            std::mem::swap(inbound, &mut self.client.outbound);
            inbound.clear();
            self.relaying = left_over(left - now, true);
            return true;
        }
        if pass {
            self.client.outbound.extend_from_slice(&inbound[..now]);
        }
        inbound.advance(now);
        self.relaying = left_over(left - now, pass);
        now > 0
    }

    /// Bytes and number of all messages of that type from the front on, but no more than `most`; the last one is perhaps
    /// not all there.
    pub(super) fn run_length(&self, tag: u8, most: u64) -> (usize, u64) {
        let Some(lease) = &self.lease else { return (0, 0) };
        let inbound = &lease.link.inbound;
        let (mut end, mut count) = (0, 0);
        while let Some(Ok(Some((next, length)))) = inbound.get(end..).map(frame::header) {
            if next != tag || count == most {
                break;
            }
            end += HEADER + length;
            count += 1;
        }
        (end, count)
    }

    /// The shape of rows that need not be held whole; `None` for every other message.
    fn streamed(&self, tag: u8) -> Result<Option<RowShape>, End> {
        match (tag, self.queue.front()) {
            (b'D', Some(Pending::Execute(prepared))) => {
                self.shape(prepared.as_deref(), 0).map(Some)
            }
            (b'D', Some(Pending::Query { prepared, index, .. })) => {
                self.shape(Some(prepared), *index).map(Some)
            }
            (b'd', Some(Pending::Execute(_) | Pending::Query { .. })) => Ok(Some(RowShape::AsIs)),
            (b'D', Some(Pending::Own { .. })) => Ok(None),
            (b'D' | b'd', _) => Err(fault("rows that nobody asked for", tag)),
            (_, _) => Ok(None),
        }
    }

    /// Only a bypass principal's statement can be unknown, and it is never changed.
    fn shape(&self, prepared: Option<&Prepared>, index: usize) -> Result<RowShape, End> {
        match prepared.and_then(|prepared| prepared.rows(index)) {
            Some((rows, _)) => Ok(rows),
            None if self.who.is_bypass() => Ok(RowShape::AsIs),
            None => Err(End::Fault("rows of a statement that was not cleared".to_owned())),
        }
    }

    fn answer_when_whole(&mut self, tag: u8, length: usize) -> Result<bool, End> {
        if length > MAX_HELD {
            return Err(fault("too long a message", tag));
        }
        let Some(lease) = &mut self.lease else { return Ok(false) };
        let inbound = &mut lease.link.inbound;
        if inbound.len() < HEADER + length {
            return Ok(false);
        }
        inbound.advance(HEADER);
        let body = inbound.split_to(length).freeze();
        self.answer(&Frame { tag, body })?;
        Ok(true)
    }

    fn answer(&mut self, frame: &Frame) -> Result<(), End> {
        let own = matches!(
            self.queue.front(),
            Some(Pending::Own { .. } | Pending::Prepare { .. } | Pending::Placeholder { .. })
        );
        match frame.tag {
            b'S' => self.on_parameter(&frame.body),
            b'N' => {
                let asked = self.queue.front().and_then(Pending::prepared).cloned();
                self.put_report(b'N', &frame.body, asked.as_deref())
            }
            b'A' if self.who.is_bypass() => {
                self.forward(frame);
                Ok(())
            }
            b'A' => Ok(()),
            b'E' => self.on_error(&frame.body),
            b'Z' => self.on_ready(&frame.body),
            _ if own => self.on_own(frame),
            b'1' | b'2' | b'3' => self.on_done(frame),
            b't' => self.on_parameters(frame),
            b'T' | b'n' => self.on_description(frame),
            b'D' => self.on_row(frame),
            b'C' | b'I' | b's' => self.on_complete(frame),
            b'G' | b'H' | b'c' => self.on_copy(frame),
            tag => Err(fault("unexpected message", tag)),
        }
    }

    pub(super) fn forward(&mut self, frame: &Frame) {
        frame::put(&mut self.client.outbound, frame.tag, |out| out.extend_from_slice(&frame.body));
    }

    fn on_parameter(&mut self, body: &Bytes) -> Result<(), End> {
        self.upstream().parameter(body)?;
        let mut reader = frame::Reader::new(body);
        let (name, value) = (reader.text()?, reader.text()?);
        // Statements are judged as read under these two.
        let pinned = match name {
            b"standard_conforming_strings" => value == b"on",
            // The one other name of it that PostgreSQL keeps as it was given (`check_client_encoding`).
            b"client_encoding" => value == b"UTF8" || value == b"UNICODE",
            _ => true,
        };
        if !pinned && !self.who.is_bypass() {
            return Err(End::Fault("a pinned setting has changed".to_owned()));
        }
        if let Some(value) = greeting::reported(name, value, &self.who) {
            crate::message::put_parameter(&mut self.client.outbound, name, value);
        }
        Ok(())
    }

    /// Errors and notices, edited for those without bypass.
    fn put_report(&mut self, tag: u8, body: &[u8], prepared: Option<&Prepared>) -> Result<(), End> {
        if tag == b'E'
            && let Some(report) = self.reworded()
        {
            report.put(&mut self.client.outbound);
            return Ok(());
        }
        let out = &mut self.client.outbound;
        if self.who.is_bypass() {
            frame::put(out, tag, |out| out.extend_from_slice(body));
            return Ok(());
        }
        let names = Names::new(self.who.context(self.path.schemas(), &[]));
        let sent = prepared.and_then(|prepared| prepared.sent.as_ref()).and_then(Sent::texts);
        let own =
            prepared.map(|prepared| Texts { original: &prepared.text, cleared: &prepared.cleared });
        let texts = match &sent {
            Some((original, cleared)) => Some(Texts { original, cleared }),
            None => own,
        };
        let text = texts.as_ref().map(|texts| texts.original);
        let redactor = Redactor::new(names, text, self.said.iter());
        Ok(answer::put_restricted(out, tag, body, &self.who.mark, texts, &redactor)?)
    }

    fn on_error(&mut self, body: &[u8]) -> Result<(), End> {
        self.behalf.failed();
        self.reword(body);
        self.statement_ended();
        if self.on_cut_error()? {
            return Ok(());
        }
        match self.queue.pop() {
            None => self.put_report(b'E', body, None),
            Some(Pending::Query { prepared, .. }) => {
                self.copy_in = false;
                self.put_report(b'E', body, Some(&prepared))?;
                self.queue.put_back(Pending::Sync { ours: false });
                Ok(())
            }
            Some(sync @ Pending::Sync { .. }) => {
                self.queue.put_back(sync);
                self.put_report(b'E', body, None)
            }
            Some(Pending::Fail { report, simple }) => self.on_refusal(body, &report, simple),
            Some(Pending::Own { asks, .. }) => self.on_own_error(asks, body),
            Some(Pending::Prepare { change, prepared, simple, .. }) => {
                if !simple {
                    self.put_report(b'E', body, Some(&prepared))?;
                }
                self.names.failed(change);
                self.skip_batch();
                Ok(())
            }
            Some(Pending::Local(_) | Pending::Done { .. }) => {
                Err(fault("an error before our own message", b'E'))
            }
            Some(Pending::Parse { change, prepared, shared, .. }) => {
                self.put_report(b'E', body, Some(&prepared))?;
                self.unprepared(&prepared, shared);
                if let Some(change) = change {
                    self.names.failed(change);
                }
                self.skip_batch();
                Ok(())
            }
            // In a failed transaction; the DEALLOCATE that it is for fails likewise.
            Some(Pending::Placeholder { change, .. }) => {
                if let Some(change) = change {
                    self.names.undo(change);
                }
                // A simple query follows the Sync, and its own error tells the client.
                if self.skip_batch() {
                    return Ok(());
                }
                self.put_report(b'E', body, None)
            }
            Some(Pending::Evict(shared)) => {
                self.upstream().statements.restore(shared);
                self.skip_batch();
                self.put_report(b'E', body, None)
            }
            Some(Pending::Bind { change, prepared }) => {
                self.put_report(b'E', body, prepared.as_deref())?;
                if let Some(change) = change {
                    self.names.failed(change);
                }
                self.skip_batch();
                Ok(())
            }
            Some(Pending::Close { change, .. }) => {
                self.names.undo(change);
                self.skip_batch();
                self.put_report(b'E', body, None)
            }
            Some(
                Pending::DescribeStatement(prepared)
                | Pending::DescribePortal(prepared)
                | Pending::Execute(prepared),
            ) => {
                self.copy_in = false;
                self.skip_batch();
                self.put_report(b'E', body, prepared.as_deref())
            }
        }
    }

    /// Our failing statement has failed: the client gets the refusal, or, in a transaction that had failed before,
    /// what PostgreSQL says to everything there.
    fn on_refusal(&mut self, body: &[u8], report: &Report, simple: bool) -> Result<(), End> {
        if &answer::sqlstate(body)? == b"25P02" {
            self.put_report(b'E', body, None)?;
        } else {
            report.put(&mut self.client.outbound);
        }
        if simple {
            self.queue.put_back(Pending::Sync { ours: false });
        } else {
            self.skip_batch();
        }
        Ok(())
    }

    /// PostgreSQL skips up to the next Sync, which may not have been sent yet. Whether it has.
    pub(super) fn skip_batch(&mut self) -> bool {
        let (skipped, found) = self.queue.skip_to_sync();
        for pending in skipped.into_iter().rev() {
            match pending {
                Pending::Parse { change, prepared, shared, .. } => {
                    self.unprepared(&prepared, shared);
                    if let Some(change) = change {
                        self.names.undo(change);
                    }
                }
                Pending::Prepare { change, .. }
                | Pending::Done { change, .. }
                | Pending::Close { change, .. }
                | Pending::Placeholder { change: Some(change), .. }
                | Pending::Bind { change: Some(change), .. } => self.names.undo(change),
                Pending::Evict(shared) => self.upstream().statements.restore(shared),
                Pending::Bind { change: None, .. }
                | Pending::Placeholder { change: None, .. }
                | Pending::Local(_)
                | Pending::DescribeStatement(_)
                | Pending::DescribePortal(_)
                | Pending::Execute(_)
                | Pending::Query { .. }
                | Pending::Sync { .. }
                | Pending::Fail { .. }
                | Pending::Own { .. } => {}
            }
        }
        if !found {
            self.batch = Batch::Failed { upstream: true };
        }
        found
    }

    fn on_ready(&mut self, body: &[u8]) -> Result<(), End> {
        let ours = match self.queue.pop() {
            Some(Pending::Sync { ours }) => ours,
            Some(Pending::Query { prepared, index, .. })
                if index >= prepared.cleared.statements().len() || self.who.is_bypass() =>
            {
                false
            }
            _ => return Err(fault("unexpected message", b'Z')),
        };
        self.status = Status::read(body)?;
        self.statement_ended();
        if self.fail_when_ready() {
            return Ok(());
        }
        // What has changed was reported before this; what is pending may change it again.
        if self.queue.is_empty() {
            self.unsettled = false;
            self.has_set &= self.status != Status::Idle;
        }
        if self.status == Status::Idle {
            // Behind a Sync of ours the client's own message is still to come.
            if !ours {
                self.transaction_over()?;
            }
            self.path.idle();
            // Later messages may have made portals of the next transaction already.
            if self.queue.is_empty() && self.batch == Batch::Closed {
                self.names.drop_portals();
                self.forget_portals();
                self.said.clear();
            }
            // Others may see now what only this session saw.
            let defined = std::mem::take(&mut self.defined);
            if self.temporary {
                // The session goes on with its own look at the catalog; its transaction's end may have changed it.
                self.catalog_touched |= defined;
            } else {
                self.catalog_touched |= self.who.private.take().is_some();
            }
            if self.catalog_touched {
                self.who.database.refresh_soon();
                // Others wait for the look before their next statement.
                self.catalog_touched = !self.who.is_bypass();
            }
        }
        if !ours {
            self.status.put(&mut self.client.outbound);
        }
        Ok(())
    }

    /// ParseComplete, BindComplete, CloseComplete.
    fn on_done(&mut self, frame: &Frame) -> Result<(), End> {
        // BindComplete of a simple query that runs as a prepared statement.
        if frame.tag == b'2'
            && matches!(self.queue.front(), Some(Pending::Query { shared: true, .. }))
        {
            return Ok(());
        }
        let ours = match (frame.tag, self.queue.pop()) {
            (b'1', Some(Pending::Parse { ours, .. })) => ours,
            (b'2', Some(Pending::Bind { .. })) => false,
            (b'3', Some(Pending::Close { ours, .. })) => ours,
            (b'3', Some(Pending::Evict(_))) => true,
            (tag, _) => return Err(fault("unexpected message", tag)),
        };
        if !ours {
            self.forward(frame);
        }
        Ok(())
    }

    /// ParameterDescription, which RowDescription or NoData follows.
    fn on_parameters(&mut self, frame: &Frame) -> Result<(), End> {
        match self.queue.front() {
            Some(Pending::DescribeStatement(_)) => {
                self.forward(frame);
                Ok(())
            }
            _ => Err(fault("unexpected message", frame.tag)),
        }
    }

    fn on_description(&mut self, frame: &Frame) -> Result<(), End> {
        let (prepared, index) = match self.queue.front() {
            Some(Pending::DescribeStatement(prepared) | Pending::DescribePortal(prepared)) => {
                (prepared.clone(), None)
            }
            // The simple protocol has no NoData.
            Some(Pending::Query { shared: true, .. }) if frame.tag == b'n' => return Ok(()),
            Some(Pending::Query { prepared, index, .. }) if frame.tag == b'T' => {
                (Some(prepared.clone()), Some(*index))
            }
            _ => return Err(fault("unexpected message", frame.tag)),
        };
        if index.is_none() {
            self.queue.pop();
        }
        if self.quota.is_cut() {
            return Ok(());
        }
        if frame.tag == b'n' {
            self.forward(frame);
            return Ok(());
        }
        match self.shape(prepared.as_deref(), index.unwrap_or(0))? {
            RowShape::AsIs => self.forward(frame),
            // The simple protocol has no NoData.
            RowShape::DropRows if index.is_some() => {}
            RowShape::DropRows => frame::put(&mut self.client.outbound, b'n', |_| {}),
            RowShape::DropLastColumn => {
                let visible = visible(prepared.as_deref(), index.unwrap_or(0));
                let out = &mut self.client.outbound;
                answer::put_description_without_last(out, &frame.body, visible)?;
            }
        }
        Ok(())
    }

    /// A row that loses its last column; all others are streamed.
    fn on_row(&mut self, frame: &Frame) -> Result<(), End> {
        self.count_row();
        let visible = match self.queue.front() {
            Some(Pending::Execute(prepared)) => visible(prepared.as_deref(), 0),
            Some(Pending::Query { prepared, index, .. }) => visible(Some(prepared), *index),
            _ => return Err(fault("unexpected message", frame.tag)),
        };
        Ok(answer::put_row_without_last(&mut self.client.outbound, &frame.body, visible)?)
    }
}

fn left_over(left: usize, pass: bool) -> Relaying {
    match (left, pass) {
        (0, _) => Relaying::Nothing,
        (left, true) => Relaying::Pass(left),
        (left, false) => Relaying::Drop(left),
    }
}

fn visible(prepared: Option<&Prepared>, index: usize) -> usize {
    prepared.and_then(|prepared| prepared.rows(index)).map_or(0, |(_, visible)| visible)
}
