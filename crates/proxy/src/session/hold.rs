//! The session's upstream connection: taken, made to fit the session, given back.
//!
//! In:  the pool; what the session has set.
//! Out: a connection with exactly this session's settings and nothing of anybody else's.
//!
//! | what belongs to the session       | transaction mode                                                          |
//! |-----------------------------------|---------------------------------------------------------------------------|
//! | settings (SET, `set_config`)      | asked for after the transaction, applied to the next connection           |
//! | prepared statements (protocol)    | prepared again where a connection does not have them ([`Statements`])     |
//! | portals, cursors                  | end with the transaction                                                  |
//! | cursors WITH HOLD, SQL PREPARE    | keep the connection until they are closed                                 |
//! | temporary tables                  | keep the connection until they are gone                                   |
//! | LISTEN, advisory locks            | refused by the policy; bypass principals use session mode                 |
//! | what a trigger or a function of users may leave | removed before another person's first statement             |
//!
//! Invariants:
//! - A connection goes back only at a message boundary, in no transaction, with no cancel on its way.
//! - Between two people nothing carries over: where that is not certain, it is removed.

use std::sync::Arc;

use pgcordon_policy::PoolMode;

use super::{END_TIMEOUT, End, Session};
use crate::event::{Event, emit};
use crate::greeting::Greeting;
use crate::message::{Report, Status};
use crate::plans::is_same;
use crate::pool::{Full, Lease, LeaseError};
use crate::upstream::{Outage, Upstream, UpstreamError};
use crate::wire::Own;

/// Why a session has no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldError {
    /// None came free, or none could be opened.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// PostgreSQL does not take a setting, or is gone.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl HoldError {
    /// What the client is told; the connection ends.
    pub(crate) fn report(&self) -> Report {
        match self {
            Self::Lease(LeaseError::Busy(full)) => {
                let limit = match full {
                    Full::Database => "pool_size",
                    Full::User => "user_pool_size",
                };
                let report = Report::fatal("53300", "no upstream connection came free in time");
                report.hint(format!("The limit is {limit}; the wait is limited by queue_timeout."))
            }
            Self::Lease(LeaseError::Away(Outage::Starting)) => {
                Report::fatal("57P03", "the upstream database is not accepting connections")
            }
            Self::Lease(LeaseError::Away(Outage::Unreachable) | LeaseError::Upstream(_)) => {
                Report::fatal("08006", "the upstream database cannot be reached")
            }
            // A setting's value that PostgreSQL does not accept.
            Self::Upstream(UpstreamError::Server { message, .. }) => {
                Report::fatal("22023", message.clone())
            }
            Self::Upstream(
                UpstreamError::Io(_)
                | UpstreamError::Tls(_)
                | UpstreamError::NoTls
                | UpstreamError::Authentication(_)
                | UpstreamError::Protocol
                | UpstreamError::Timeout,
            ) => Report::fatal("08006", "the upstream connection was lost"),
        }
    }
}

impl Session {
    /// The mode of this person; those whose statements are not analysed keep their connection.
    pub(super) fn mode(&self) -> PoolMode {
        match (self.who.is_bypass(), self.behalf.is_able()) {
            (true, _) => PoolMode::Session,
            // Between two people a connection goes through the pool.
            (false, true) => PoolMode::Transaction,
            (false, false) => self.who.principal.pool_mode,
        }
    }

    /// Takes a connection and makes it fit.
    pub(super) async fn take_upstream(&mut self) -> Result<(), HoldError> {
        let lease = self.fitting().await?;
        if !self.settings.has("search_path") && *lease.path != *self.path.shown() {
            let user = &self.who.database.upstream.user;
            self.path.show(&lease.path, &self.who.state.snapshot, user);
        }
        self.ticket.attach(&lease.key);
        self.lease = Some(lease);
        Ok(())
    }

    /// One that somebody has had and that cannot be made to fit (its server was restarted, its last statement timeout
    /// is too short for it) is closed, and the next is tried; what a new one refuses is this session's own fault.
    async fn fitting(&mut self) -> Result<Lease, HoldError> {
        let deadline = self.who.database.pool.deadline();
        loop {
            let mut lease = self.who.database.pool.lease(&self.places, deadline).await?;
            lease.clean = false;
            let used = lease.owner.is_some();
            let fits = tokio::time::timeout(self.adopt_timeout, self.adopt(&mut lease)).await;
            match fits.unwrap_or(Err(UpstreamError::Timeout)) {
                Ok(()) => return Ok(lease),
                Err(error) => {
                    drop(lease.take());
                    if !used {
                        return Err(error.into());
                    }
                }
            }
        }
    }

    /// Settings and traces. A connection that this person had last, with the same settings, needs nothing.
    async fn adopt(&mut self, lease: &mut Upstream) -> Result<(), UpstreamError> {
        // Who acts for others may be somebody else before the transaction has done anything.
        let owned = !self.behalf.is_able()
            && lease.owner.as_ref().is_some_and(|owner| is_same(owner, &self.who.principal));
        let traces = lease.traces && !owned;
        let same = lease.settings.as_ref().is_some_and(|settings| {
            Arc::ptr_eq(settings, &self.settings_text) || *settings == self.settings_text
        });
        if traces || !same {
            lease.settings = None;
            lease.run(Own::Adopt { settings: &self.settings, traces }).await?;
            lease.settings = Some(self.settings_text.clone());
            lease.traces &= owned;
        }
        if !lease.owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, &self.who.principal)) {
            lease.owner = Some(self.who.principal.clone());
        }
        Ok(())
    }

    /// What clients with these settings are greeted with; takes a connection only for the first of them.
    pub(super) async fn greeting(&mut self) -> Result<Arc<Greeting>, HoldError> {
        let known = self.who.database.greetings.find(&self.settings_text);
        if let (Some(known), PoolMode::Transaction) = (&known, self.mode()) {
            return Ok(known.clone());
        }
        self.take_upstream().await?;
        let lease = self.lease.as_mut().expect("just taken");
        if let Some(known) = known.filter(|known| known.parameters == lease.parameters) {
            return Ok(known);
        }
        let path = match self.settings.has("search_path") {
            true => lease.run(Own::Show("search_path")).await?.unwrap_or_default().into(),
            false => lease.path.clone(),
        };
        let greeting = Greeting { parameters: lease.parameters.clone(), path };
        Ok(self.who.database.greetings.note(&self.settings_text, greeting))
    }

    /// Whether something of the session's lives in its connection.
    fn is_bound(&self) -> bool {
        self.mode() == PoolMode::Session || self.names.has_session_bound() || self.temporary
    }

    /// Gives the connection back between transactions, where nothing of the session's is in it.
    pub(super) async fn rest(&mut self) -> Result<(), End> {
        if self.status != Status::Idle || !self.is_at_boundary() {
            return Ok(());
        }
        self.client.shrink();
        if self.lease.is_none() || self.is_bound() {
            return Ok(());
        }
        if !self.touched.is_empty() {
            Box::pin(self.learn_settings()).await?;
        }
        if !self.ticket.detach(END_TIMEOUT).await {
            return Err(End::Fault("a cancel request did not arrive".to_owned()));
        }
        let Some(mut lease) = self.lease.take() else { return Ok(()) };
        // The next connection gets them before its first statement.
        self.reapply = false;
        lease.traces |= std::mem::take(&mut self.traces);
        lease.clean = true;
        lease.link.shrink();
        Ok(())
    }

    /// After a transaction that may have set something: what it is now.
    async fn learn_settings(&mut self) -> Result<(), End> {
        let touched = std::mem::take(&mut self.touched);
        let Some(lease) = self.lease.as_mut() else { return Ok(()) };
        for name in touched {
            let showing = tokio::time::timeout(END_TIMEOUT, lease.run(Own::Show(name))).await;
            match showing {
                Ok(Ok(value)) => self.settings.remember(name, value.unwrap_or_default()),
                Ok(Err(_)) | Err(_) => return Err(End::UpstreamGone),
            }
        }
        self.settings_changed();
        // After RESET ALL the connection has lost what the startup packet asked for.
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.settings.is_some()) {
            lease.settings = Some(self.settings_text.clone());
        }
        Ok(())
    }

    /// The text that follows from the settings.
    pub(super) fn settings_changed(&mut self) {
        self.settings_text = self.settings.statement().unwrap_or_default().into();
    }

    /// At the end of the session: as clean as new, or closed.
    pub(super) async fn give_back(status: Status, mut lease: Lease) {
        if status != Status::Idle {
            let rolled_back = tokio::time::timeout(END_TIMEOUT, lease.run(Own::Rollback)).await;
            if !matches!(rolled_back, Ok(Ok(_))) {
                drop(lease.take());
                return;
            }
        }
        if let Err(error) = lease.give_back(END_TIMEOUT).await {
            emit(&Event::UpstreamDropped { reason: &error.to_string() });
        }
    }
}
