//! What verdicts are made from: policy and catalog of one real database, always replaced together.
//!
//! In:  a policy, a catalog snapshot.
//! Out: an immutable [`State`]; a statement uses one of them from its start to its end.
//!
//! Invariants:
//! - One task per database writes its state ([`Keeper`]); everybody else reads.
//! - A catalog that cannot be read leaves the old state. A rule that no longer fits is refused by the bound policy.
//! - Epochs grow over the whole process: no two states share one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use pgcordon_policy::mistake::Mistake;
use pgcordon_policy::{BoundPolicy, ConnectDenial, Identity, Moment, Policy, Principal};
use pgcordon_sql::catalog::{Epoch, Snapshot};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use crate::catalog::{self, CatalogError, ControlPool};
use crate::clock;
use crate::config::{LimitsConfig, UpstreamConfig};
use crate::event::{Event, emit};
use crate::greeting::Greetings;
use crate::plans::Plans;
use crate::pool::{Tender, UpstreamPool};

static EPOCH: AtomicU64 = AtomicU64::new(1);

/// Requests that wait for a look at the catalog; more are turned away.
const MAX_REQUESTS: usize = 1024;
/// Least time between two looks that sessions ask for.
const MIN_GAP: Duration = Duration::from_millis(50);
/// Longest look.
const LOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// The next epoch.
pub(crate) fn next_epoch() -> Epoch {
    Epoch(EPOCH.fetch_add(1, Ordering::Relaxed))
}

/// Most principals that a state keeps.
const MAX_PRINCIPALS: usize = 10_000;

/// Policy and catalog of one real database at one moment.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) epoch: Epoch,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) bound: BoundPolicy,
    /// When the next rule expires.
    until: Option<Moment>,
    principals: Mutex<HashMap<(Identity, String), Arc<Principal>>>,
}

impl State {
    /// Binds the policy to the catalog; the mistakes are rules that do not fit.
    pub(crate) fn bind(
        policy: &Arc<Policy>,
        snapshot: &Arc<Snapshot>,
        names: &[&str],
    ) -> (Self, Vec<Mistake>) {
        let now = clock::now();
        let (bound, mistakes) = policy.bind(snapshot, names, now);
        let state = Self {
            epoch: next_epoch(),
            snapshot: snapshot.clone(),
            policy: policy.clone(),
            bound,
            until: policy.next_until(now),
            principals: Mutex::default(),
        };
        (state, mistakes)
    }

    /// As [`Policy::principal`]; sessions of one identity share one, as long as they use this state.
    pub(crate) fn principal(
        &self,
        identity: &Identity,
        database: &str,
    ) -> Result<Arc<Principal>, ConnectDenial> {
        let key = (identity.clone(), database.to_owned());
        let known = |principals: &HashMap<_, Arc<Principal>>| principals.get(&key).cloned();
        if let Some(principal) = known(&self.principals()) {
            return Ok(principal);
        }
        let principal = Arc::new(self.policy.principal(identity, database)?);
        let mut principals = self.principals();
        if principals.len() >= MAX_PRINCIPALS {
            principals.clear();
        }
        Ok(principals.entry(key).or_insert(principal).clone())
    }

    fn principals(&self) -> MutexGuard<'_, HashMap<(Identity, String), Arc<Principal>>> {
        // Nothing is half done in it: a value is made before it is put in.
        self.principals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names under which clients reach a real database.
pub(crate) fn client_names<'p>(policy: &'p Policy, upstream: &str, dbname: &str) -> Vec<&'p str> {
    policy
        .databases()
        .filter(|database| database.upstream == upstream && database.dbname == dbname)
        .map(|database| database.name.as_str())
        .collect()
}

/// One real database: its pools and its state.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) upstream: Arc<UpstreamConfig>,
    pub(crate) pool: UpstreamPool,
    pub(crate) plans: Plans,
    pub(crate) greetings: Greetings,
    state: Arc<ArcSwap<State>>,
    requests: mpsc::Sender<Request>,
}

/// What the keeper is asked.
#[derive(Debug)]
enum Request {
    /// Look at the catalog; the answer says that it was looked at.
    Refresh(oneshot::Sender<()>),
    /// Another policy from now on.
    Adopt(Arc<Policy>),
}

/// The task of a database: writes its state, and looks after its pool.
#[derive(Debug)]
pub(crate) struct Keeper {
    writer: Writer,
    tender: Tender,
}

/// Writes a database's state.
#[derive(Debug)]
struct Writer {
    upstream: Arc<UpstreamConfig>,
    dbname: String,
    control: ControlPool,
    state: Arc<ArcSwap<State>>,
    requests: mpsc::Receiver<Request>,
    fingerprint: String,
    interval: Duration,
}

impl Database {
    /// Reads the catalog and binds the policy. The keeper must be run by the caller.
    pub(crate) async fn open(
        upstream: &Arc<UpstreamConfig>,
        dbname: &str,
        policy: &Arc<Policy>,
        limits: &LimitsConfig,
    ) -> Result<(Self, Keeper, Vec<Mistake>), CatalogError> {
        let control = catalog::control_pool(upstream, dbname)?;
        let loaded = catalog::load(&control).await?;
        let names = client_names(policy, &upstream.name, dbname);
        let (state, mistakes) = State::bind(policy, &Arc::new(loaded.snapshot), &names);
        let state = Arc::new(ArcSwap::from_pointee(state));
        let (sender, requests) = mpsc::channel(MAX_REQUESTS);
        let (pool, tender) = UpstreamPool::new(upstream, dbname, limits.queue_timeout);
        let database = Self {
            upstream: upstream.clone(),
            pool,
            plans: Plans::default(),
            greetings: Greetings::default(),
            state: state.clone(),
            requests: sender,
        };
        let writer = Writer {
            upstream: upstream.clone(),
            dbname: dbname.to_owned(),
            control,
            state,
            requests,
            fingerprint: loaded.fingerprint,
            interval: limits.catalog_interval,
        };
        Ok((database, Keeper { writer, tender }, mistakes))
    }

    /// The state for one statement.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Whether that is the state of now.
    pub(crate) fn is_newest(&self, state: &Arc<State>) -> bool {
        Arc::ptr_eq(&self.state.load(), state)
    }

    /// Has the catalog looked at, at most once per [`MIN_GAP`], and waits for it.
    pub(crate) async fn refresh(&self) {
        let (answer, looked) = oneshot::channel();
        if self.requests.try_send(Request::Refresh(answer)).is_ok() {
            let _ended = looked.await;
        }
    }

    /// Has the catalog looked at soon.
    pub(crate) fn refresh_soon(&self) {
        let (answer, _) = oneshot::channel();
        // A full queue means that a look is about to come anyway.
        let _full = self.requests.try_send(Request::Refresh(answer));
    }

    /// Replaces the policy.
    pub(crate) async fn adopt(&self, policy: Arc<Policy>) {
        let _stopped = self.requests.send(Request::Adopt(policy)).await;
    }
}

impl Keeper {
    /// Runs until every [`Database`] handle is gone.
    pub(crate) async fn run(self) {
        tokio::join!(self.writer.run(), self.tender.run());
    }
}

impl Writer {
    async fn run(mut self) {
        let mut tick = tokio::time::interval(self.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        let mut waiting = Vec::new();
        let mut last = Instant::now();
        loop {
            let due = last + MIN_GAP;
            let until = self.state.load().until;
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(Request::Refresh(answer)) => waiting.push(answer),
                    Some(Request::Adopt(policy)) => self.adopt(&policy),
                    None => return,
                },
                () = tokio::time::sleep_until(due), if !waiting.is_empty() => {
                    self.look().await;
                    last = Instant::now();
                    for answer in waiting.drain(..) {
                        // The session may have ended meanwhile.
                        let _gone = answer.send(());
                    }
                }
                _ = tick.tick() => self.look().await,
                () = tokio::time::sleep(until.map_or(Duration::MAX, clock::wait_for)), if until.is_some() => {
                    self.expire();
                }
            }
        }
    }

    /// The same policy without what has expired, if its moment has come.
    fn expire(&mut self) {
        let state = self.state.load_full();
        if state.until.is_some_and(|until| until <= clock::now()) {
            self.adopt(&state.policy);
        }
    }

    fn adopt(&mut self, policy: &Arc<Policy>) {
        let names = client_names(policy, &self.upstream.name, &self.dbname);
        let (state, mistakes) = State::bind(policy, &self.state.load().snapshot, &names);
        self.state.store(Arc::new(state));
        report(&mistakes);
    }

    /// Compares the fingerprint, and reads the catalog if it changed.
    async fn look(&mut self) {
        let outcome = tokio::time::timeout(LOAD_TIMEOUT, self.load_if_changed()).await;
        let reason = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "took too long".to_owned(),
        };
        let (upstream, database) = (self.upstream.name.as_str(), self.dbname.as_str());
        emit(&Event::CatalogFailed { upstream, database, reason: &reason });
    }

    async fn load_if_changed(&mut self) -> Result<(), CatalogError> {
        if catalog::fingerprint(&self.control).await? == self.fingerprint {
            return Ok(());
        }
        let loaded = catalog::load(&self.control).await?;
        let policy = self.state.load().policy.clone();
        let relations = loaded.snapshot.relations().count();
        let names = client_names(&policy, &self.upstream.name, &self.dbname);
        let (state, mistakes) = State::bind(&policy, &Arc::new(loaded.snapshot), &names);
        self.state.store(Arc::new(state));
        self.fingerprint = loaded.fingerprint;
        let (upstream, database) = (self.upstream.name.as_str(), self.dbname.as_str());
        emit(&Event::CatalogLoaded { upstream, database, relations });
        report(&mistakes);
        Ok(())
    }
}

fn report(mistakes: &[Mistake]) {
    for mistake in mistakes {
        emit(&Event::RuleBroken { mistake: &mistake.to_string() });
    }
}
