//! What a session does about requests to pgcordon itself: it acts for somebody else, and tells who that is.
//!
//! In:  an [`Act`], in its turn: everything before it has been answered.
//! Out: its answer; from then on statements are judged as that person's.
//!
//! | old or new person has bypass | transaction           | ran statements | outcome                             |
//! |------------------------------|-----------------------|----------------|-------------------------------------|
//! | no                           | any                   | no             | changes                             |
//! | no                           | any                   | yes            | 25001                               |
//! | yes                          | none                  | no             | changes, with a fresh connection    |
//! | yes                          | open, or more behind  | -              | 25001                               |
//! | -                            | failed                | -              | 25P02                               |
//!
//! Invariants:
//! - Whoever may not be acted for and whoever does not exist give one error.
//! - Nothing of one person's is left for the next: no portal or cursor, no connection with traces. Prepared statements are
//!   judged anew before they run ([`Session::renew`]).

use std::sync::Arc;
use std::time::SystemTime;

use bytes::BytesMut;
use pgcordon_policy::{Acting, Identity, Principal};
use pgcordon_rewrite::{Effect, StatementKind, Step};
use pgcordon_sql::analyze::Variable;

use super::behalf::{Behalf, Outcome, Person, Whom};
use super::names::Prepared;
use super::request::{Act, Form};
use super::verdict::{Standing, Who};
use super::{Batch, END_TIMEOUT, End, Session};
use crate::auth::Verified;
use crate::event::{Event, emit};
use crate::message::{self, Report, Status};

/// Done, or what the client gets instead.
pub(super) type Done<T> = Result<Result<T, Report>, End>;

/// The person whom a session would act for.
struct Target {
    whom: Whom,
    standing: Standing,
}

fn changed_too_late() -> Report {
    let message = "pgcordon.user cannot change in a transaction that has run statements";
    Report::error("25001", message).hint("Set it first, right behind BEGIN.")
}

/// What the last person's transaction may have left is in the connection until PostgreSQL is ready.
pub(super) fn spent() -> Report {
    let message = "a transaction that was for another person has ended in this batch";
    Report::error("25001", message).hint("Send Sync first.")
}

/// Whom a value means, if whoever logged in may act for them on this database.
async fn target(
    who: &Who,
    behalf: &Behalf,
    variable: Variable,
    value: Option<&str>,
) -> Result<Target, Report> {
    let denied = |reason: &str| denied(who, variable, reason);
    if !behalf.is_able() {
        return Err(denied("neither `may_act_as` nor `view_as`"));
    }
    let login = &who.login.identity;
    let whom = match (variable, value) {
        (Variable::User | Variable::Token, None) => behalf.start().clone(),
        (Variable::User, Some(user)) if user == login.user => Whom::Login,
        (Variable::User, Some(user)) => person(who, variable, Identity::named(user), None).await?,
        (Variable::Token, Some(token)) => {
            let verified = who.ways.load_full().verify_token(token).await;
            let Verified { identity, until } =
                verified.map_err(|error| denied(&error.to_string()))?;
            person(who, variable, identity, until).await?
        }
        (Variable::Identity, _) => return Err(denied("it is for reading")),
    };
    let standing = who.standing_for(&whom).map_err(|reason| denied(&reason))?;
    Ok(Target { whom, standing })
}

/// Somebody with what the database says of them; nothing is asked of whom one may not act for.
async fn person(
    who: &Who,
    variable: Variable,
    mut identity: Identity,
    until: Option<SystemTime>,
) -> Result<Whom, Report> {
    let may = who.may_act_as(&identity);
    may.map_err(|reason| denied(who, variable, &reason))?;
    let ways = who.ways.load_full();
    if let Err(error) = ways.look_up(&mut identity, &who.state.policy).await {
        let message =
            format!("the attributes of user \"{}\" could not be looked up", identity.user);
        let report = Report::error("58000", message);
        return Err(who.refused("attributes", &error.to_string(), report));
    }
    identity.by = Some(Box::new(Identity::clone(&who.login.identity)));
    Ok(Whom::Person(Person { identity: Arc::new(identity), until }))
}

fn denied(who: &Who, variable: Variable, reason: &str) -> Report {
    let message = format!("permission denied to set parameter \"{}\"", variable.name());
    who.refused("acting_denied", reason, Report::error("42501", message))
}

impl Session {
    /// The startup packet says for whom.
    pub(super) async fn act_from_start(&mut self) -> Result<(), Report> {
        let Some((variable, value)) = self.settings.take_request() else { return Ok(()) };
        self.startup.take_request();
        let target = target(&self.who, &self.behalf, variable, Some(&value)).await?;
        self.behalf.start_for(target.whom.clone());
        self.become_person(target);
        Ok(())
    }

    pub(super) fn misplaced(&self, place: &str) -> Report {
        let message = format!("pgcordon does not support pgcordon.user {place}");
        let report = Report::error("0A000", message);
        let hint = "Send it in a message of its own, or first, or right behind BEGIN.";
        self.who.refused("acting_misplaced", place, report.hint(hint))
    }

    /// Does what is asked; the rows and the tag of its answer.
    pub(super) async fn perform(&mut self, act: &Act, block: bool) -> Done<BytesMut> {
        self.refresh_who()?;
        let mut answer = BytesMut::new();
        match act {
            Act::Show { variable, label } => {
                if let Err(report) = self.show(*variable, label.as_deref(), &mut answer) {
                    return Ok(Err(report));
                }
            }
            Act::Change { variable, value, local, form } => {
                let target =
                    match target(&self.who, &self.behalf, *variable, value.as_deref()).await {
                        Ok(target) => target,
                        Err(report) => return Ok(Err(report)),
                    };
                if let Err(report) = self.change(target, *local, block).await? {
                    return Ok(Err(report));
                }
                match form {
                    Form::Set | Form::Reset => {}
                    Form::Select(_) => message::put_row(&mut answer, &[self.who.user()]),
                }
                if *local && !block && *form == Form::Set {
                    let warning = "SET LOCAL can only be used in transaction blocks";
                    message::put_warning(&mut answer, "25P01", warning);
                }
            }
        }
        message::put_complete(&mut answer, act.tag());
        Ok(Ok(answer))
    }

    fn show(
        &self,
        variable: Variable,
        label: Option<&str>,
        answer: &mut BytesMut,
    ) -> Result<(), Report> {
        match (variable, label) {
            (Variable::User, _) => message::put_row(answer, &[self.who.user()]),
            (Variable::Token, _) => {
                let message = "permission denied to examine \"pgcordon.token\"";
                return Err(self.who.refused(
                    "setting_denied",
                    "",
                    Report::error("42501", message),
                ));
            }
            (Variable::Identity, Some(_)) => {
                let lines: Vec<String> = self
                    .who
                    .facts()
                    .iter()
                    .map(|fact| fact.join(" ").trim_end().to_owned())
                    .collect();
                message::put_row(answer, &[&lines.join("\n")]);
            }
            (Variable::Identity, None) => {
                for fact in self.who.facts() {
                    message::put_row(answer, &fact.each_ref().map(String::as_str));
                }
            }
        }
        Ok(())
    }

    /// | the same person now | and when the transaction has ended, or SET LOCAL | outcome                  |
    /// |---------------------|--------------------------------------------------|--------------------------|
    /// | yes                 | yes                                              | noted                    |
    /// | yes                 | no                                               | noted, if not too late   |
    /// | no                  | -                                                | changes, if not too late |
    async fn change(&mut self, target: Target, local: bool, block: bool) -> Done<()> {
        let same = target.whom == *self.behalf.whom();
        let noted = same && (local || target.whom == *self.behalf.lasting());
        if !noted && let Err(report) = self.may_change(target.standing.principal.bypass, block) {
            return Ok(Err(report));
        }
        self.behalf.change(target.whom.clone(), local);
        if !same {
            if self.who.is_bypass() {
                self.shed().await?;
            }
            self.pass_on(&target.standing.principal);
            self.become_person(target);
        }
        Ok(Ok(()))
    }

    /// Whether nothing of the person of now stands in the way of the next.
    fn may_change(&self, to_bypass: bool, block: bool) -> Result<(), Report> {
        let bypass = self.who.is_bypass() || to_bypass;
        if bypass && (block || !self.behalf.is_outside()) {
            let message = "pgcordon.user cannot change between these two inside of a transaction";
            let hint = "Send it in a message of its own, outside of a transaction.";
            return Err(Report::error("25001", message).hint(hint));
        }
        if !self.behalf.is_fresh() {
            return Err(changed_too_late());
        }
        // All of these go with the connection.
        if self.who.is_bypass() {
            return Ok(());
        }
        if self.names.has_session_bound() || self.temporary {
            let message = "pgcordon.user cannot change while the session has cursors WITH HOLD, SQL prepared statements or temporary tables";
            let hint = "CLOSE ALL, DEALLOCATE ALL and DISCARD TEMP first.";
            return Err(Report::error("55006", message).hint(hint));
        }
        if self.traces || self.lease.as_ref().is_some_and(|lease| lease.traces) {
            return Err(changed_too_late());
        }
        Ok(())
    }

    /// What a person with bypass may have left goes with the connection, as by DISCARD ALL.
    async fn shed(&mut self) -> Result<(), End> {
        self.names = self.names.emptied();
        if let Some(lease) = self.lease.take() {
            if !self.ticket.detach(END_TIMEOUT).await {
                drop(lease.take());
                return Err(End::Fault("a cancel request did not arrive".to_owned()));
            }
            Self::give_back(Status::Idle, lease).await;
        }
        self.touched.clear();
        (self.traces, self.has_set, self.unsettled, self.xmloption) = (false, false, false, false);
        self.settings = self.startup.clone();
        self.settings_changed();
        self.reapply = false;
        self.path.changed();
        Ok(())
    }

    /// The connection, clean, is the next person's, and no portal of the last one's is known any more.
    fn pass_on(&mut self, principal: &Arc<Principal>) {
        if let Some(lease) = &mut self.lease {
            lease.owner = Some(principal.clone());
        }
        self.names.close(None);
        self.said.clear();
    }

    fn become_person(&mut self, target: Target) {
        self.who.stand(target.standing);
        if let Some(acting) = self.who.acting {
            emit(&Event::ActsAs {
                user: self.who.user(),
                by: &self.who.login.name,
                database: &self.who.login.database,
                viewing: acting == Acting::Viewing,
            });
        }
    }

    /// Statements are judged for whoever counts now.
    pub(super) fn settle(&mut self) -> Result<(), End> {
        let Ok(standing) = self.who.standing_for(self.behalf.whom()) else {
            return Err(End::Fatal(Report::fatal(
                "57P01",
                "terminating connection because the policy no longer permits it",
            )));
        };
        self.who.stand(standing);
        Ok(())
    }

    pub(super) fn take_back(&mut self, before: Behalf) -> Result<(), End> {
        self.behalf = before;
        self.settle()
    }

    /// COMMIT, ROLLBACK, or a savepoint's end has succeeded.
    pub(super) fn stepped(&mut self, step: Step, tag: &[u8]) -> Result<(), End> {
        let rolls_back = tag.starts_with(b"ROLLBACK");
        match step {
            Step::Begin => self.behalf.began(),
            Step::Inside if rolls_back => self.behalf.recovered(),
            Step::Inside => {}
            Step::End { .. } => {
                let outcome = if rolls_back { Outcome::RolledBack } else { Outcome::Committed };
                let batch = self.batch != Batch::Closed;
                if self.behalf.ended(outcome, batch) {
                    self.settle()?;
                }
            }
        }
        Ok(())
    }

    /// RESET ALL or DISCARD ALL has succeeded.
    pub(super) fn reset_person(&mut self) -> Result<(), End> {
        if self.is_at_start() {
            return Ok(());
        }
        let start = self.behalf.start().clone();
        self.behalf.change(start, false);
        self.settle()?;
        let principal = self.who.principal.clone();
        self.pass_on(&principal);
        Ok(())
    }

    /// Whether RESET would change nothing.
    fn is_at_start(&self) -> bool {
        let start = self.behalf.start();
        self.behalf.whom() == start && self.behalf.lasting() == start
    }

    /// PostgreSQL is ready outside of a transaction.
    pub(super) fn transaction_over(&mut self) -> Result<(), End> {
        match self.behalf.is_over() {
            Ok(true) => self.settle(),
            Ok(false) => Ok(()),
            Err(problem) => Err(End::Fault(problem.to_owned())),
        }
    }

    /// Whether a text may run for whoever counts now: what changes that is its last statement, and who only looks writes
    /// nothing.
    pub(super) fn admit_for(&self, prepared: &Prepared) -> Result<(), Report> {
        if !self.behalf.is_able() {
            return Ok(());
        }
        self.admit_view(prepared)?;
        let statements = prepared.cleared.statements();
        for (index, statement) in statements.iter().enumerate() {
            let last = index + 1 == statements.len();
            let touched = self.behalf.is_touched();
            // It would be there for whoever counts once the transaction has ended.
            if statement.kind == StatementKind::Temporary {
                self.admit_lasting()?;
            }
            let (ends, chain) = match statement.step {
                Some(Step::End { chain }) if touched => (true, chain),
                Some(Step::End { .. } | Step::Begin | Step::Inside) | None => (false, false),
            };
            let resets = match statement.effect {
                Effect::ResetAll | Effect::DiscardAll => !self.is_at_start(),
                Effect::None
                | Effect::SearchPath { .. }
                | Effect::ResetSearchPath
                | Effect::Deallocate(_)
                | Effect::Keep(_)
                | Effect::Close(_) => false,
            };
            if chain {
                return Err(self.misplaced("together with AND CHAIN"));
            }
            if (ends || resets) && !last {
                return Err(self.misplaced("given up before the last statement of a message"));
            }
            if resets && statement.effect == Effect::ResetAll {
                let to_bypass = *self.behalf.start() == Whom::Login && self.who.login.bypass;
                self.may_change(to_bypass, self.status == Status::Transaction || !last)?;
            }
        }
        Ok(())
    }

    /// An operator who looks at what somebody would see changes nothing.
    pub(super) fn admit_view(&self, prepared: &Prepared) -> Result<(), Report> {
        if !self.who.is_viewing() {
            return Ok(());
        }
        let linked = prepared.links.values().any(|link| link.judged.changes_data);
        if prepared.judged.changes_data || linked {
            let message = "cannot change data while viewing as another person";
            return Err(self.who.refused("viewing", "", Report::error("25006", message)));
        }
        Ok(())
    }

    /// A statement that would outlive a transaction for one person only.
    pub(super) fn admit_lasting(&self) -> Result<(), Report> {
        if !self.behalf.is_touched() {
            return Ok(());
        }
        Err(self.misplaced(
            "in a transaction with PREPARE, EXECUTE, a temporary table or a cursor WITH HOLD",
        ))
    }
}
