//! Who a session runs as, and how a statement of theirs is judged.
//!
//! In:  a statement's text.
//! Out: a [`Cleared`], or the [`Report`] that the client gets instead.
//!
//! Invariants:
//! - One [`State`] per statement.
//! - A panic while judging is a refusal and an alarm; the session goes on.
//! - A long text is judged on a thread of its own, so that other sessions go on.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use bytes::Bytes;
use pgcordon_policy::{Acting, ConnectDenial, Identity, Policy, Principal};
use pgcordon_rewrite::{Cleared, Context, Layer, Mark, Refusal, enforce};
use pgcordon_sql::catalog::Snapshot;
use tokio::sync::Semaphore;

use super::behalf::{Person, Whom};
use super::path::SearchPath;
use crate::auth::Ways;
use crate::event::{Event, RefusalId, emit};
use crate::facts::{Fact, facts};
use crate::judged::Judged;
use crate::message::{Report, Severity};
use crate::plans::Key;
use crate::state::{Database, State, client_names};

/// Longer texts are judged on a thread of their own: a session's thread serves others, who would wait.
pub(super) const LONG: usize = 8 * 1024;

/// A person connected to a database.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// As whom statements are judged.
    pub(crate) principal: Arc<Principal>,
    /// Whoever logged in.
    pub(crate) login: Arc<Principal>,
    /// How `login` runs statements as `principal`; `None` for themselves.
    pub(crate) acting: Option<Acting>,
    /// When the token ends that names the person.
    pub(crate) until: Option<SystemTime>,
    /// Whom a token is for, and what the database says of people.
    pub(crate) ways: Arc<ArcSwap<Ways>>,
    pub(crate) database: Arc<Database>,
    pub(crate) state: Arc<State>,
    /// The state is this session's own: its open transaction has changed the catalog, which nobody else sees yet. Holds
    /// what everybody else had by then.
    pub(crate) private: Option<Arc<State>>,
    pub(crate) mark: Arc<Mark>,
    pub(crate) max_statement_bytes: usize,
    /// Places for judging long texts, shared by all sessions.
    pub(crate) long_texts: Arc<Semaphore>,
}

/// As whom statements are judged.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) principal: Arc<Principal>,
    pub(super) acting: Option<Acting>,
    pub(super) until: Option<SystemTime>,
}

/// Why there is no verdict but a refusal.
#[derive(Debug)]
enum Refused {
    Refusal(Refusal),
    Panic,
}

impl Who {
    pub(crate) fn user(&self) -> &str {
        &self.principal.name
    }

    pub(crate) fn is_bypass(&self) -> bool {
        self.principal.bypass
    }

    /// Whether whoever logged in looks at what the person would see, and changes nothing.
    pub(super) fn is_viewing(&self) -> bool {
        self.acting == Some(Acting::Viewing)
    }

    /// Whoever logged in, where that is somebody else.
    pub(crate) fn by(&self) -> Option<&str> {
        self.acting.map(|_| self.login.name.as_str())
    }

    /// Takes the newest state. The person may have other roles in it, or none at all; and whoever logged in may act for
    /// them no more.
    pub(super) fn refresh(&mut self) -> Result<bool, ConnectDenial> {
        if self.database.is_newest(&self.state) {
            return Ok(false);
        }
        let mut state = self.database.state();
        if self.private.is_some() {
            if Arc::ptr_eq(&state.policy, &self.state.policy) {
                return Ok(false);
            }
            state = self.bound(&state.policy, &self.state.snapshot);
        }
        self.login = state.principal(&self.login.identity, &self.login.database)?;
        self.principal = match self.acting {
            None => self.login.clone(),
            Some(_) => {
                let person = &self.principal.identity;
                let acting = state.policy.may_act_as(&self.login.identity, person);
                let denied = |_| ConnectDenial::NotAllowed { usable: Vec::new() };
                self.acting = Some(acting.map_err(denied)?);
                state.principal(person, &self.login.database)?
            }
        };
        self.state = state;
        Ok(true)
    }

    fn bound(&self, policy: &Arc<Policy>, snapshot: &Arc<Snapshot>) -> Arc<State> {
        let names = client_names(policy, &self.database.upstream.name, snapshot.database());
        // Mistakes were reported when the policy was loaded; rules that do not fit refuse.
        Arc::new(State::bind(policy, snapshot, &names).0)
    }

    /// Goes on with the catalog as the session's open transaction sees it.
    pub(super) fn adopt(&mut self, snapshot: Snapshot) {
        self.private = Some(self.database.state());
        self.state = self.bound(&self.state.policy, &Arc::new(snapshot));
    }

    /// Whether somebody else has changed the catalog since the session's own look at it.
    pub(super) fn is_outdated(&self) -> bool {
        self.private.as_ref().is_some_and(|shared| !self.database.is_newest(shared))
    }

    /// Whether the token has ended that names the person.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= SystemTime::now())
    }

    /// As whom statements for that person are judged; or why whoever logged in may not act for them on this database.
    pub(super) fn standing_for(&self, whom: &Whom) -> Result<Standing, String> {
        let Person { identity, until } = match whom {
            Whom::Login => {
                let principal = self.login.clone();
                return Ok(Standing { principal, acting: None, until: None });
            }
            Whom::Person(person) => person,
        };
        let acting = self.may_act_as(identity)?;
        let principal = self.state.principal(identity, &self.login.database);
        let principal = principal.map_err(|denial| denial.to_string())?;
        Ok(Standing { principal, acting: Some(acting), until: *until })
    }

    /// Whether whoever logged in may act for a person, whatever the database.
    pub(super) fn may_act_as(&self, person: &Identity) -> Result<Acting, String> {
        let acting = self.state.policy.may_act_as(&self.login.identity, person);
        acting.map_err(|denial| denial.to_string())
    }

    /// Statements are judged so from now on.
    pub(super) fn stand(&mut self, standing: Standing) {
        let Standing { principal, acting, until } = standing;
        (self.principal, self.acting, self.until) = (principal, acting, until);
    }

    /// Who the person is, and where that comes from.
    pub(super) fn facts(&self) -> Vec<Fact> {
        facts(&self.state.policy, &self.principal, self.acting)
    }

    /// Judges a text; a relation or column that nobody knows may be newer than the snapshot.
    pub(super) async fn judge(
        &mut self,
        path: &mut SearchPath,
        text: &str,
        types: &[u8],
    ) -> Result<Arc<Judged>, Report> {
        if let Some(known) = self.database.plans.find(&self.key(path, text, types)) {
            return Ok(known);
        }
        if types.is_empty()
            && !self.is_bypass()
            && let Some(made) = self.made_of_alike(path, text)
        {
            return Ok(made);
        }
        // On the heap: a session whose texts are known does not carry it along.
        Box::pin(self.judge_anew(path, text, types)).await
    }

    async fn judge_anew(
        &mut self,
        path: &mut SearchPath,
        text: &str,
        types: &[u8],
    ) -> Result<Arc<Judged>, Report> {
        let text: Arc<str> = text.into();
        let oids = crate::message::type_oids(types);
        let mut outcome = self.decide(path.schemas(), &text, &oids).await;
        if let Err(Refused::Refusal(
            Refusal::UnknownRelation { .. } | Refusal::UnknownColumn { .. },
        )) = &outcome
            && self.private.is_none()
        {
            self.database.refresh().await;
            // A person who may not connect any more is met at their next statement.
            if let Ok(true) = self.refresh() {
                path.resolve(&self.state.snapshot, &self.database.upstream.user);
                outcome = self.decide(path.schemas(), &text, &oids).await;
            }
        }
        match outcome {
            Ok(cleared) => {
                self.audit_bypass(&cleared, &text);
                let types = Bytes::copy_from_slice(types);
                let judged = Judged::new(text.clone(), cleared, types, self.state.epoch);
                let judged = Arc::new(judged);
                // What can be made of its like need not be remembered by itself.
                let alike =
                    judged.types.is_empty() && !self.is_bypass() && self.note_alike(path, &judged);
                if !alike {
                    self.database.plans.insert(&self.key(path, &text, &judged.types), &judged);
                }
                Ok(judged)
            }
            Err(refused) => Err(self.refuse(&refused, &text)),
        }
    }

    pub(super) fn key<'a>(
        &'a self,
        path: &'a SearchPath,
        text: &'a str,
        types: &'a [u8],
    ) -> Key<'a> {
        let (epoch, principal) = (self.state.epoch, &self.principal);
        Key { epoch, principal, path: path.schemas(), types, text }
    }

    async fn decide(
        &self,
        path: &[String],
        text: &Arc<str>,
        types: &[u32],
    ) -> Result<Cleared, Refused> {
        if text.len() <= LONG {
            return self.enforce(path, text, types);
        }
        let (who, path, text) = (self.clone(), path.to_vec(), text.clone());
        let types = types.to_vec();
        // A tree is many times its text: only as many at once as there are processors.
        let Ok(_permit) = self.long_texts.acquire().await else {
            return Err(Refused::Panic);
        };
        let judging = move || who.enforce(&path, &text, &types);
        tokio::task::spawn_blocking(judging).await.unwrap_or(Err(Refused::Panic))
    }

    /// What this person's statements and answers are judged by.
    pub(super) fn context<'a>(&'a self, path: &'a [String], types: &'a [u32]) -> Context<'a> {
        Context {
            snapshot: &self.state.snapshot,
            policy: &self.state.bound,
            principal: &self.principal,
            search_path: path,
            database: &self.principal.database,
            mark: &self.mark,
            parameter_types: types,
            max_statement_bytes: self.max_statement_bytes,
        }
    }

    fn enforce(&self, path: &[String], text: &str, types: &[u32]) -> Result<Cleared, Refused> {
        let context = self.context(path, types);
        // Everything in the context is only read, so that a panic leaves nothing half done.
        match catch_unwind(AssertUnwindSafe(|| enforce(text, context))) {
            Ok(outcome) => outcome.map_err(Refused::Refusal),
            Err(_panic) => Err(Refused::Panic),
        }
    }

    fn refuse(&self, refused: &Refused, text: &str) -> Report {
        let report = match refused {
            Refused::Refusal(refusal) => {
                let client = refusal.client_message(text);
                if let Refusal::Verification(problem) = refusal {
                    emit(&Event::Alarm { what: problem, user: self.user() });
                }
                Report {
                    severity: Severity::Error,
                    sqlstate: client.sqlstate,
                    message: client.message,
                    detail: client.detail,
                    hint: client.hint,
                    position: client.position,
                }
            }
            Refused::Panic => {
                emit(&Event::Alarm { what: "panic while judging a statement", user: self.user() });
                Report::error("XX000", "pgcordon failed while it read the statement").hint(
                    "This is a fault of pgcordon's. The statement was not sent to the database.",
                )
            }
        };
        let (layer, code, reason) = match refused {
            Refused::Refusal(refusal) => (refusal.layer(), refusal.code(), reason(refusal)),
            Refused::Panic => (Layer::Query, "panic", String::new()),
        };
        self.refused_by(layer, code, &reason, report)
    }

    /// A refusal that no decision on relations is behind.
    pub(super) fn refused(&self, code: &'static str, reason: &str, report: Report) -> Report {
        self.refused_by(Layer::Query, code, reason, report)
    }

    /// Gives a refusal its id, for the client and for the audit trail.
    fn refused_by(
        &self,
        layer: Layer,
        code: &'static str,
        reason: &str,
        mut report: Report,
    ) -> Report {
        let id = RefusalId::new();
        let (user, by, database) = (self.user(), self.by(), self.principal.database.as_str());
        let layer = layer.name();
        emit(&Event::Refused { id, user, by, database, layer, code, reason });
        if !report.detail.is_empty() {
            report.detail.push(' ');
        }
        report.detail.push_str(&format!("Refusal {id}."));
        report
    }

    fn audit_bypass(&self, cleared: &Cleared, text: &str) {
        if !self.is_bypass() {
            return;
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let kinds: Vec<String> =
            cleared.statements().iter().map(|one| format!("{:?}", one.kind)).collect();
        emit(&Event::Bypassed {
            user: self.user(),
            by: self.by(),
            database: &self.principal.database,
            kinds: &kinds.join(","),
            text_hash: hasher.finish(),
        });
    }
}

/// What was refused, without a literal: a syntax error quotes the text, so it is left out.
fn reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Syntax { .. } => "syntax error".to_owned(),
        other => other.to_string(),
    }
}
