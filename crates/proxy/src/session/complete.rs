//! What follows from a statement that has succeeded, and answers to statements of our own.
//!
//! In:  CommandComplete and its kin; everything that answers a statement of ours.
//! Out: the session's state: search_path, names, settings, COPY.
//!
//! Invariants:
//! - State changes when PostgreSQL says so, never when a statement is sent.

use std::sync::Arc;

use pgcordon_rewrite::{ClearedStatement, Effect, StatementKind, Use};

use super::names::Prepared;
use super::pending::{Asks, Pending};
use super::relay::fault;
use super::{End, Session};
use crate::answer;
use crate::frame::Frame;
use crate::message::Status;

impl Session {
    /// CommandComplete, EmptyQueryResponse, PortalSuspended.
    pub(super) fn on_complete(&mut self, frame: &Frame) -> Result<(), End> {
        let (prepared, at, interlude) = match self.queue.front_mut() {
            Some(Pending::Query { prepared, index, interlude, .. }) if frame.tag != b's' => {
                let at = *index;
                *index += 1;
                (Some(prepared.clone()), at, interlude.take())
            }
            Some(Pending::Execute(prepared)) => {
                let prepared = prepared.clone();
                self.queue.pop();
                (prepared, 0, None)
            }
            _ => return Err(fault("unexpected message", frame.tag)),
        };
        self.statement_ended();
        if !self.quota.is_cut() {
            self.forward(frame);
        }
        if let Some(interlude) = interlude {
            self.client.outbound.extend_from_slice(&interlude);
        }
        if frame.tag != b's' {
            self.copy_in = false;
            match prepared.as_deref().and_then(|one| one.statement(at)) {
                Some(statement) => {
                    let link = prepared.as_deref().and_then(|one| one.links.get(&at).cloned());
                    self.completed(&statement.clone(), link, &frame.body)?;
                }
                None => self.catalog_touched |= self.who.is_bypass(),
            }
        }
        self.counted(prepared.as_deref(), at)
    }

    fn completed(
        &mut self,
        statement: &ClearedStatement,
        link: Option<Arc<Prepared>>,
        tag: &[u8],
    ) -> Result<(), End> {
        // EXECUTE sets what the statement sets that it runs.
        let run = match &statement.uses {
            Use::Prepared(_) => link.as_deref().map_or(&[][..], |run| run.cleared.statements()),
            Use::Nothing | Use::Cursor(_) => &[],
        };
        let all = run.iter().chain([statement]).flat_map(|one| &one.settings);
        for name in all.filter_map(|name| pgcordon_rewrite::lasting(name)) {
            self.xmloption |= name == "xmloption";
            if !self.touched.contains(&name) {
                self.touched.push(name);
            }
        }
        match &statement.effect {
            Effect::None => {}
            Effect::SearchPath { .. } | Effect::ResetSearchPath => self.path.changed(),
            Effect::ResetAll => {
                self.settings_lost();
                self.reset_person()?;
            }
            Effect::DiscardAll => {
                self.settings_lost();
                self.upstream().statements.clear();
                self.names.deallocate(None);
                self.names.close(None);
                self.reset_person()?;
            }
            Effect::Deallocate(name) => {
                self.names.deallocate(name.as_deref());
                if name.is_none() {
                    self.upstream().statements.clear();
                }
            }
            Effect::Close(name) => self.names.close(name.as_deref()),
            Effect::Keep(kept) => self.kept(kept, link),
        }
        if let Some(step) = statement.step {
            self.stepped(step, tag)?;
        }
        match statement.kind {
            StatementKind::Transaction if tag.starts_with(b"ROLLBACK") => {
                self.path.rolled_back();
                // What the transaction has changed of the catalog may be undone.
                self.catalog_touched |= self.who.private.is_some();
                // After ROLLBACK TO the transaction lives again.
                if self.status == Status::Failed {
                    self.status = Status::Transaction;
                }
            }
            StatementKind::Other | StatementKind::Create => self.catalog_changed(),
            StatementKind::Temporary => {
                self.temporary = true;
                self.catalog_changed();
            }
            // Temporary tables go with it.
            StatementKind::Discard if self.temporary => self.catalog_changed(),
            StatementKind::Transaction
            | StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Merge
            | StatementKind::CopyIn
            | StatementKind::CopyOut
            | StatementKind::Set
            | StatementKind::Show
            | StatementKind::Deallocate
            | StatementKind::Discard
            | StatementKind::Declare
            | StatementKind::Fetch
            | StatementKind::Close
            | StatementKind::Prepare
            | StatementKind::Execute
            | StatementKind::Explain
            | StatementKind::Object => {}
        }
        Ok(())
    }

    fn catalog_changed(&mut self) {
        (self.catalog_touched, self.defined) = (true, true);
    }

    fn settings_lost(&mut self) {
        self.path.changed();
        self.upstream().settings = None;
        self.settings = self.startup.clone();
        self.settings_changed();
        self.reapply = self.settings.statement().is_some();
    }

    /// CopyInResponse, CopyOutResponse, CopyDone.
    pub(super) fn on_copy(&mut self, frame: &Frame) -> Result<(), End> {
        let statement = match self.queue.front() {
            Some(Pending::Query { prepared, index, .. }) => {
                prepared.cleared.statements().get(*index)
            }
            Some(Pending::Execute(prepared)) => prepared.as_deref().and_then(Prepared::single),
            _ => return Err(fault("unexpected message", frame.tag)),
        };
        if frame.tag == b'G' {
            let copies = statement.is_some_and(|one| one.kind == StatementKind::CopyIn);
            if !copies && !self.who.is_bypass() {
                return Err(fault("COPY FROM of a restricted principal", frame.tag));
            }
            self.copy_in = true;
            if matches!(self.queue.front(), Some(Pending::Execute(_))) {
                self.queue.drop_syncs_behind_front();
            }
        }
        if frame.tag == b'H' {
            self.quota.is_binary(frame.body.first() == Some(&1));
        }
        if !self.quota.is_cut() {
            self.forward(frame);
        }
        Ok(())
    }

    /// Answers to a statement of ours: swallowed.
    pub(super) fn on_own(&mut self, frame: &Frame) -> Result<(), End> {
        if let Some(Pending::Prepare { closed, .. }) = self.queue.front_mut() {
            match frame.tag {
                b'1' | b'2' | b'C' => {}
                b'3' if *closed == 0 => *closed = 1,
                b'3' => {
                    self.queue.pop();
                }
                tag => return Err(fault("unexpected message", tag)),
            }
            return Ok(());
        }
        if let Some(Pending::Placeholder { closed, .. }) = self.queue.front_mut() {
            match frame.tag {
                b'3' if !*closed => *closed = true,
                b'1' => {
                    self.queue.pop();
                }
                tag => return Err(fault("unexpected message", tag)),
            }
            return Ok(());
        }
        let Some(Pending::Own { value, closed, .. }) = self.queue.front_mut() else {
            return Err(fault("unexpected message", frame.tag));
        };
        match frame.tag {
            b'1' | b'2' | b'C' => Ok(()),
            b'D' => {
                *value = crate::upstream::first_column(&frame.body)?;
                Ok(())
            }
            b'3' if *closed == 0 => {
                *closed = 1;
                Ok(())
            }
            b'3' => self.own_done(),
            tag => Err(fault("unexpected message", tag)),
        }
    }

    fn own_done(&mut self) -> Result<(), End> {
        self.own_failures = 0;
        match self.queue.pop() {
            Some(Pending::Own { asks: Asks::SearchPath, value, .. }) => {
                let user = &self.who.database.upstream.user;
                self.path.show(&value.unwrap_or_default(), &self.who.state.snapshot, user);
                Ok(())
            }
            Some(Pending::Own { asks: Asks::Settings, .. }) => {
                self.reapply = false;
                self.path.changed();
                let settings = self.settings_text.clone();
                self.upstream().settings = Some(settings);
                Ok(())
            }
            _ => Err(fault("unexpected message", b'3')),
        }
    }

    /// Asked again at the next chance, unless the client's batch is in the way or it keeps failing.
    pub(super) fn on_own_error(&mut self, asks: Asks, body: &[u8]) -> Result<(), End> {
        self.own_failures += 1;
        let (_, synced) = self.queue.skip_to_sync();
        if synced && self.own_failures < 3 {
            return Ok(());
        }
        Err(End::Fault(format!("{asks:?} failed: {}", answer::primary_message(body))))
    }
}
