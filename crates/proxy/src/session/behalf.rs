//! For whom a session runs statements: `SET` and `SET LOCAL pgcordon.user`, scoped as PostgreSQL scopes settings.
//!
//! In:  what was asked for and is permitted; word of statements that are sent and of transactions that end.
//! Out: for whom statements are judged now, and whether that may change at this moment.
//!
//! | said in a transaction | until it ends | after COMMIT | after ROLLBACK, or an error without BEGIN |
//! |-----------------------|---------------|--------------|-------------------------------------------|
//! | SET, RESET            | that          | that         | as before                                 |
//! | SET LOCAL             | that          | as before    | as before                                 |
//!
//! Invariants:
//! - Within a transaction it changes only before the first statement that does something, and before any savepoint: so
//!   ROLLBACK TO never changes it, and no transaction holds the doings of two people.
//! - Where it is not certain how a transaction has ended, the session ends.

use std::sync::Arc;
use std::time::SystemTime;

use pgcordon_policy::Identity;
use pgcordon_rewrite::{ClearedStatement, StatementKind, Step};

use super::pending::Pending;

/// For whom.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Whom {
    /// Whoever logged in, for themselves.
    #[default]
    Login,
    /// Somebody else.
    Person(Person),
}

/// Somebody for whom a session runs statements.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Person {
    /// `by` in it is whoever logged in.
    pub(super) identity: Arc<Identity>,
    /// When the token ends that names them.
    pub(super) until: Option<SystemTime>,
}

/// What is known of the transaction that is open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Transaction {
    /// Something went upstream since PostgreSQL was last ready outside of a transaction.
    open: bool,
    /// By BEGIN.
    explicit: bool,
    /// Something that is more than BEGIN, SET or SHOW.
    used: bool,
    /// It cannot commit any more, unless it goes back to a savepoint.
    failed: bool,
}

/// How a transaction ended, as the client will see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// What was SET stays.
    Committed,
    /// It does not.
    RolledBack,
}

/// For whom a session runs statements.
#[derive(Clone, Debug, Default)]
pub(super) struct Behalf {
    /// Whoever logged in may act for others.
    able: bool,
    /// Of the startup packet: what RESET goes back to.
    start: Whom,
    session: Whom,
    /// SET in the transaction that is open.
    set: Option<Whom>,
    /// SET LOCAL.
    local: Option<Whom>,
    transaction: Transaction,
    /// A transaction that was for somebody has ended, and PostgreSQL was not ready since: what it may have left in the
    /// connection is still there.
    spent: bool,
}

impl Behalf {
    pub(super) fn new(able: bool) -> Self {
        Self { able, ..Self::default() }
    }

    /// Whether whoever logged in may act for others.
    pub(super) fn is_able(&self) -> bool {
        self.able
    }

    /// For whom statements are judged now.
    pub(super) fn whom(&self) -> &Whom {
        self.local.as_ref().unwrap_or_else(|| self.lasting())
    }

    /// For whom they will be once the transaction has committed.
    pub(super) fn lasting(&self) -> &Whom {
        self.set.as_ref().unwrap_or(&self.session)
    }

    /// What RESET goes back to.
    pub(super) fn start(&self) -> &Whom {
        &self.start
    }

    /// Whether the end of the transaction may change it.
    pub(super) fn is_touched(&self) -> bool {
        self.local.is_some() || self.set.is_some()
    }

    /// Whether the next statement is the first of its transaction that does something.
    pub(super) fn is_fresh(&self) -> bool {
        !self.transaction.used && !self.spent
    }

    /// Whether PostgreSQL knows of no transaction of this session.
    pub(super) fn is_outside(&self) -> bool {
        !self.transaction.open
    }

    /// Whether BEGIN has succeeded.
    pub(super) fn is_explicit(&self) -> bool {
        self.transaction.explicit
    }

    /// Whether nothing but the end of the batch may come.
    pub(super) fn is_spent(&self) -> bool {
        self.spent
    }

    /// The startup packet asks for it.
    pub(super) fn start_for(&mut self, whom: Whom) {
        self.start.clone_from(&whom);
        self.session = whom;
    }

    /// SET, or SET LOCAL.
    pub(super) fn change(&mut self, whom: Whom, local: bool) {
        if local {
            self.local = Some(whom);
        } else {
            (self.set, self.local) = (Some(whom), None);
        }
    }

    /// Something is sent upstream.
    pub(super) fn sent(&mut self, pending: &Pending) {
        if !self.able {
            return;
        }
        let used = match pending {
            Pending::Local(_)
            | Pending::Done { .. }
            | Pending::Own { .. }
            | Pending::Sync { .. }
            | Pending::Fail { .. } => return,
            Pending::Parse { .. }
            | Pending::Placeholder { .. }
            | Pending::Close { .. }
            | Pending::Evict(_)
            | Pending::DescribeStatement(_)
            | Pending::DescribePortal(_) => false,
            Pending::Prepare { .. } => true,
            Pending::Query { prepared, .. } => !prepared.cleared.statements().iter().all(is_idle),
            Pending::Bind { prepared, .. } | Pending::Execute(prepared) => prepared
                .as_ref()
                .is_none_or(|prepared| !prepared.cleared.statements().iter().all(is_idle)),
        };
        self.transaction.open = true;
        self.transaction.used |= used;
    }

    /// BEGIN has succeeded.
    pub(super) fn began(&mut self) {
        self.transaction.explicit = true;
    }

    /// A statement failed.
    pub(super) fn failed(&mut self) {
        self.transaction.failed = true;
    }

    /// ROLLBACK TO has succeeded.
    pub(super) fn recovered(&mut self) {
        self.transaction.failed = false;
    }

    /// COMMIT or ROLLBACK has succeeded. Whether it may be for somebody else now. `batch`: more messages may follow before
    /// PostgreSQL is ready.
    pub(super) fn ended(&mut self, outcome: Outcome, batch: bool) -> bool {
        let touched = self.is_touched();
        (self.transaction.explicit, self.transaction.failed) = (false, false);
        self.end(outcome);
        self.spent |= touched && batch;
        touched
    }

    fn end(&mut self, outcome: Outcome) {
        let set = self.set.take();
        self.local = None;
        if let (Some(set), Outcome::Committed) = (set, outcome) {
            self.session = set;
        }
    }

    /// A message of this session's own has run through without PostgreSQL, outside of a transaction.
    pub(super) fn commit(&mut self) {
        self.end(Outcome::Committed);
    }

    /// PostgreSQL is ready outside of a transaction. Whether it may be for somebody else now; an error where it was not
    /// heard how a transaction has ended.
    ///
    /// | touched | BEGIN | failed | outcome      |
    /// |---------|-------|--------|--------------|
    /// | no      | -     | -      | nothing      |
    /// | yes     | -     | yes    | rolled back  |
    /// | yes     | no    | no     | committed    |
    /// | yes     | yes   | no     | an error     |
    pub(super) fn is_over(&mut self) -> Result<bool, &'static str> {
        let Transaction { explicit, failed, .. } = std::mem::take(&mut self.transaction);
        self.spent = false;
        let touched = self.is_touched();
        match (touched, explicit, failed) {
            (false, _, _) => {}
            (true, _, true) => self.end(Outcome::RolledBack),
            (true, false, false) => self.end(Outcome::Committed),
            (true, true, false) => return Err("a transaction ended unheard"),
        }
        Ok(touched)
    }
}

/// Whether a statement does nothing that another person could notice.
fn is_idle(statement: &ClearedStatement) -> bool {
    match (statement.kind, statement.step) {
        (StatementKind::Set | StatementKind::Show, _)
        | (StatementKind::Transaction, None | Some(Step::Begin | Step::End { .. })) => true,
        (StatementKind::Transaction, Some(Step::Inside)) => false,
        (
            StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Merge
            | StatementKind::CopyIn
            | StatementKind::CopyOut
            | StatementKind::Deallocate
            | StatementKind::Discard
            | StatementKind::Declare
            | StatementKind::Fetch
            | StatementKind::Close
            | StatementKind::Prepare
            | StatementKind::Execute
            | StatementKind::Explain
            | StatementKind::Object
            | StatementKind::Create
            | StatementKind::Temporary
            | StatementKind::Other,
            _,
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Whom {
        Whom::Person(Person { identity: Arc::new(Identity::named(name)), until: None })
    }

    fn name(whom: &Whom) -> &str {
        match whom {
            Whom::Login => "login",
            Whom::Person(person) => &person.identity.user,
        }
    }

    /// One word a step: `set:x`, `local:x`, `begin`, `commit`, `rollback`, `error`, `to` (ROLLBACK TO), `idle`
    /// (ReadyForQuery). What counts after each.
    fn check(script: &str, expected: &str) {
        let mut behalf = Behalf::new(true);
        let mut said = Vec::new();
        for step in script.split_whitespace() {
            match step.split_once(':').unwrap_or((step, "")) {
                ("set", name) => behalf.change(person(name), false),
                ("local", name) => behalf.change(person(name), true),
                ("begin", _) => behalf.began(),
                ("commit", _) => drop(behalf.ended(Outcome::Committed, false)),
                ("rollback", _) => drop(behalf.ended(Outcome::RolledBack, false)),
                ("error", _) => behalf.failed(),
                ("to", _) => behalf.recovered(),
                _ => match behalf.is_over() {
                    Ok(_) => {}
                    Err(_) => said.push("unheard".to_owned()),
                },
            }
            said.push(name(behalf.whom()).to_owned());
        }
        assert_eq!(said.join(" "), expected, "{script}");
    }

    #[test]
    fn set_and_set_local_are_scoped_as_settings_are() {
        check("set:a idle", "a a");
        check("local:a idle", "a login");
        check("begin set:a commit idle", "login a a a");
        check("begin set:a rollback idle", "login a login login");
        check("begin local:a commit idle", "login a login login");
        check("set:a idle begin local:b commit idle", "a a a b a a");
        check("set:a idle begin set:b local:c commit idle", "a a a b c b b");
        check("set:a idle begin local:c set:b commit idle", "a a a c b b b");
        check("set:a idle begin set:b local:c rollback idle", "a a a b c a a");
    }

    #[test]
    fn errors_take_back_what_was_set() {
        // Without BEGIN the batch is the transaction.
        check("set:a error idle", "a a login");
        // COMMIT itself fails: there is no tag.
        check("begin set:a error idle", "login a a login");
        check("begin set:a error to commit idle", "login a a a a a");
        check("begin set:a idle", "login a unheard a");
    }

    #[test]
    fn after_its_end_a_transaction_leaves_nothing_but_the_end_of_its_batch() {
        let mut behalf = Behalf::new(true);
        behalf.change(person("a"), true);
        assert!(behalf.is_fresh());
        assert!(behalf.ended(Outcome::Committed, true));
        assert!(behalf.is_spent() && !behalf.is_fresh());
        assert_eq!(behalf.is_over(), Ok(false));
        assert!(behalf.is_fresh() && !behalf.is_spent());
        assert!(!behalf.ended(Outcome::Committed, true), "nothing was set");
        assert!(!behalf.is_spent());
    }
}
