//! What one person may see of one database, or everybody: the values that `enforce` needs, without a session.
//!
//! In:  a configuration, a user, a database name.
//! Out: a [`Sight`], from which `explain` and the tour ask the real enforcement path.
//!
//! Invariants:
//! - The same policy, catalog loader and `enforce` as a session's; nothing is decided here.

use std::path::Path;
use std::sync::Arc;

use pgcordon_policy::{BoundPolicy, ConnectDenial, Identity, Principal};
use pgcordon_proxy::{Config, UpstreamConfig, describe, load_snapshot, now};
use pgcordon_rewrite::{Context, Mark};
use pgcordon_sql::catalog::Snapshot;

use crate::failure::Failure;

/// Everything that a verdict depends on besides the text.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) principal: Principal,
    /// Where the database really is: `shop on upstream warehouse`.
    pub(crate) target: String,
    snapshot: Snapshot,
    policy: BoundPolicy,
    search_path: Vec<String>,
    mark: Mark,
    max_statement_bytes: usize,
}

impl Sight {
    /// Asks the connect layer, reads the catalog and binds the policy to it.
    pub(crate) async fn open(config: &Config, user: &str, database: &str) -> Result<Self, Failure> {
        let identity = Identity::named(user);
        let database = config.policy.landing(&identity, database);
        let principal = config
            .policy
            .principal(&identity, database)
            .map_err(|denial| Failure::Told(connect_denial(config, user, database, &denial)))?;
        let entry = config.policy.database(database).expect("the principal was made for it");
        let upstream = upstream(config, &entry.upstream)?;
        let loaded = load_snapshot(upstream, &entry.dbname).await.map_err(|error| {
            let (place, why) = (&upstream.name, describe(&error));
            Failure::Told(format!("catalog of `{}` on upstream `{place}`: {why}", entry.dbname))
        })?;
        // Rules that do not fit are in the bound policy as broken ones, and refuse.
        let (policy, _) = config.policy.bind(&loaded.snapshot, &[database], now());
        Ok(Self {
            principal,
            target: format!("{} on upstream {}", entry.dbname, entry.upstream),
            snapshot: loaded.snapshot,
            policy,
            search_path: vec!["public".to_owned()],
            // Only a running proxy needs a secret one: nothing made here is sent.
            mark: Mark::new([0; 16]),
            max_statement_bytes: config.limits.max_statement_bytes,
        })
    }

    /// For `enforce` and `explain`.
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            snapshot: &self.snapshot,
            policy: &self.policy,
            principal: &self.principal,
            search_path: &self.search_path,
            database: &self.principal.database,
            mark: &self.mark,
            parameter_types: &[],
            max_statement_bytes: self.max_statement_bytes,
        }
    }
}

/// A policy and one of its databases, without anybody's eyes.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) config: Config,
    pub(crate) upstream: Arc<UpstreamConfig>,
    pub(crate) snapshot: Snapshot,
    pub(crate) bound: BoundPolicy,
}

impl Whole {
    /// Reads the catalog and binds the policy to it; a rule that does not fit is a failure.
    pub(crate) async fn open(path: &Path, database: &str) -> Result<Self, Failure> {
        let config = Config::load(path)?;
        let entry = config
            .policy
            .database(database)
            .ok_or_else(|| Failure::Told(format!("no database `{database}` in the policy")))?;
        let upstream = upstream(&config, &entry.upstream)?.clone();
        let loaded = load_snapshot(&upstream, &entry.dbname).await.map_err(|error| {
            let (place, why) = (&upstream.name, describe(&error));
            Failure::Told(format!("catalog of `{}` on upstream `{place}`: {why}", entry.dbname))
        })?;
        let (bound, mistakes) = config.policy.bind(&loaded.snapshot, &[database], now());
        if !mistakes.is_empty() {
            return Err(Failure::from(mistakes));
        }
        Ok(Self { upstream, snapshot: loaded.snapshot, bound, config })
    }
}

/// The upstream of that name.
pub(crate) fn upstream<'c>(
    config: &'c Config,
    name: &str,
) -> Result<&'c Arc<UpstreamConfig>, Failure> {
    config.upstreams.get(name).ok_or_else(|| Failure::Told(format!("no upstream `{name}`")))
}

/// Whether the policy names that user, or it is a visitor.
pub(crate) fn knows(config: &Config, user: &str) -> bool {
    Identity::named(user).is_anonymous() || config.policy.users().any(|known| known == user)
}

/// The only database that somebody may use.
pub(crate) fn only_database(config: &Config, user: &str) -> Result<String, Failure> {
    let usable = config.policy.usable(&Identity::named(user));
    match usable.as_slice() {
        [] if !knows(config, user) => {
            Err(Failure::Told(format!("connect: no user `{user}` in the policy")))
        }
        [] => Err(Failure::Told(format!("connect: `{user}` may use no database"))),
        [only] => Ok(only.clone()),
        [..] => Err(Failure::Told(format!(
            "`{user}` may use several databases: say --database with one of {}",
            usable.join(", ")
        ))),
    }
}

/// The operator who asks may know which users and databases there are; a client is told less.
pub(crate) fn connect_denial(
    config: &Config,
    user: &str,
    database: &str,
    denial: &ConnectDenial,
) -> String {
    if !knows(config, user) {
        return format!("connect: no user `{user}` in the policy");
    }
    let usable = config.policy.usable(&Identity::named(user));
    let hint = if usable.is_empty() { "none".to_owned() } else { usable.join(", ") };
    match denial {
        ConnectDenial::UnknownDatabase => {
            format!("connect: no database `{database}` in the policy; `{user}` may use: {hint}")
        }
        ConnectDenial::NotAllowed { .. } => {
            format!("connect: `{user}` may not use `{database}`; may use: {hint}")
        }
        ConnectDenial::BadAttribute { .. } => format!("connect: {denial}"),
    }
}
