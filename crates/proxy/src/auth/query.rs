//! Asks the database about people: their verifier (`auth_query`), their attributes (`attributes_query`).
//!
//! In:  a user's name, as the one parameter of a query of the configuration.
//! Out: a [`Verifier`], or [`Claims`]; anything unexpected is an error, and an error is a refusal.
//!
//! Invariants:
//! - Nothing of the client's reaches these connections but the name, as a parameter: they are the control plane's own,
//!   with an empty search_path (`pg_catalog` alone is looked in), reset between uses.
//! - A verifier counts only while its VALID UNTIL lies ahead by the database's clock. The query must say when that is
//!   (PgBouncer's CVE-2025-2291 came of queries that could leave it out).
//! - No row means no such user; two rows, an error or a silence longer than [`TIMEOUT`] mean a refusal.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pgcordon_policy::mistake::{Mistake, MistakeKind, Place, Report};
use pgcordon_policy::{Claims, Policy, Witness};
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::json;
use super::scram::Verifier;
use crate::catalog::{self, CatalogError, ControlPool};
use crate::config::{Config, UpstreamConfig};
use crate::event::{Event, emit};
use crate::server::describe;

/// For a connection and the answer together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// People whose attributes are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// Where to ask, and what.
#[derive(Clone, Debug)]
pub(crate) struct LookupConfig {
    pub(crate) upstream: Arc<UpstreamConfig>,
    pub(crate) dbname: String,
    /// With `$1` for the user's name.
    pub(crate) sql: String,
    /// Where that stands.
    pub(crate) place: Place,
    /// How long an answer is remembered; not for verifiers.
    pub(crate) cache: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("the query failed: {0}")]
    Query(#[from] tokio_postgres::Error),
    #[error("the query took too long")]
    Timeout,
    #[error("the query gave more than one row")]
    Ambiguous,
    #[error("the query answered for another user")]
    OtherUser,
    #[error("column `{0}` is not an attribute of the policy")]
    Undeclared(String),
    #[error("column `{0}` holds what no attribute can hold")]
    Unfit(String),
    #[error("the answer cannot be read")]
    Unreadable,
}

/// A query and its connections.
#[derive(Debug)]
struct Lookup {
    pool: ControlPool,
    statement: String,
}

impl Lookup {
    /// Has the database look at the statement, without running it.
    async fn prepare(&self) -> Result<(), LookupError> {
        let preparing = async {
            let client = self.pool.get().await.map_err(CatalogError::from)?;
            client.prepare_typed(&self.statement, &[Type::TEXT]).await?;
            Ok(())
        };
        tokio::time::timeout(TIMEOUT, preparing).await.unwrap_or(Err(LookupError::Timeout))
    }

    async fn ask(&self, user: &str) -> Result<Option<Row>, LookupError> {
        let asking = async {
            let client = self.pool.get().await.map_err(CatalogError::from)?;
            let statement = client.prepare_typed(&self.statement, &[Type::TEXT]).await?;
            let rows: Vec<Row> = client.query(&statement, &[&user]).await?;
            Ok::<_, LookupError>(rows)
        };
        let mut rows = match tokio::time::timeout(TIMEOUT, asking).await {
            Ok(answer) => answer?,
            Err(_elapsed) => return Err(LookupError::Timeout),
        };
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            _ => Err(LookupError::Ambiguous),
        }
    }
}

/// Has the databases look at `auth_query` and `attributes_query`, for `check`. What is wrong with them would show at the
/// first login only.
pub async fn check_lookups(config: &Config) -> Vec<Mistake> {
    let mut report = Report::default();
    let auth = &config.auth;
    if let Some(lookup) = &auth.auth_query {
        let outcome = match AuthQuery::open(lookup) {
            Ok(query) => query.0.prepare().await,
            Err(error) => Err(error.into()),
        };
        note(lookup, "auth_query", outcome, &mut report);
    }
    if let Some(lookup) = &auth.attributes_query {
        let outcome = match AttributesQuery::open(lookup) {
            Ok(query) => query.check(&config.policy).await,
            Err(error) => Err(error.into()),
        };
        note(lookup, "attributes_query", outcome, &mut report);
    }
    report.finish()
}

fn note(lookup: &LookupConfig, what: &str, outcome: Result<(), LookupError>, report: &mut Report) {
    if let Err(error) = outcome {
        let hint = match what {
            "auth_query" => "three columns: name, verifier, end of validity (timestamptz or NULL)",
            _ => "each column is an attribute that the policy declares",
        };
        let message = format!("{what}: {}", describe(&error));
        report.add(&lookup.place, MistakeKind::Catalog, message, hint);
    }
}

/// `auth_query`.
#[derive(Debug)]
pub(crate) struct AuthQuery(Lookup);

/// What the database knows of a user's password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Stored {
    /// One that SCRAM can use.
    Verifier(Verifier),
    /// None; why, for the log.
    None(&'static str),
}

impl AuthQuery {
    pub(crate) fn open(config: &LookupConfig) -> Result<Self, CatalogError> {
        let pool = catalog::control_pool(&config.upstream, &config.dbname)?;
        // Three columns, by their places: name, verifier, end of validity.
        let statement = format!(
            "SELECT asked.name::pg_catalog.text, asked.verifier::pg_catalog.text, \
             asked.valid_until IS NULL OR asked.valid_until OPERATOR(pg_catalog.>) pg_catalog.now() \
             FROM (\n{}\n) AS asked(name, verifier, valid_until) LIMIT 2",
            config.sql
        );
        Ok(Self(Lookup { pool, statement }))
    }

    /// A user's verifier by now.
    pub(crate) async fn stored(&self, user: &str) -> Result<Stored, LookupError> {
        let Some(row) = self.0.ask(user).await? else {
            return Ok(Stored::None("the database knows no such user"));
        };
        let name: Option<&str> = row.try_get(0)?;
        if name != Some(user) {
            return Err(LookupError::OtherUser);
        }
        let (text, valid): (Option<&str>, bool) = (row.try_get(1)?, row.try_get(2)?);
        Ok(match text {
            _ if !valid => Stored::None("the password in the database has expired"),
            None => Stored::None("the user has no password in the database"),
            Some(md5) if md5.starts_with("md5") => {
                Stored::None("the password in the database is hashed by md5, which is not accepted")
            }
            Some(text) => Verifier::read(text)
                .map_or(Stored::None("not a SCRAM-SHA-256 verifier"), Stored::Verifier),
        })
    }
}

/// `attributes_query`.
#[derive(Debug)]
pub(crate) struct AttributesQuery {
    lookup: Lookup,
    sql: String,
    cache: Duration,
    remembered: Mutex<HashMap<String, (Instant, Option<Claims>)>>,
}

impl AttributesQuery {
    pub(crate) fn open(config: &LookupConfig) -> Result<Self, CatalogError> {
        let pool = catalog::control_pool(&config.upstream, &config.dbname)?;
        let statement = format!(
            "SELECT pg_catalog.to_jsonb(asked)::pg_catalog.text FROM (\n{}\n) AS asked LIMIT 2",
            config.sql
        );
        let lookup = Lookup { pool, statement };
        let (sql, cache) = (config.sql.clone(), config.cache);
        Ok(Self { lookup, sql, cache, remembered: Mutex::default() })
    }

    /// Whether the query fits the database, and its columns the policy.
    async fn check(&self, policy: &Policy) -> Result<(), LookupError> {
        self.lookup.prepare().await?;
        let client = self.lookup.pool.get().await.map_err(CatalogError::from)?;
        let statement = client.prepare_typed(&self.sql, &[Type::TEXT]).await?;
        let undeclared = statement
            .columns()
            .iter()
            .find(|column| !policy.attributes().any(|known| known == column.name()));
        undeclared.map_or(Ok(()), |column| Err(LookupError::Undeclared(column.name().to_owned())))
    }

    /// What the database says of a user; nothing where it has no row for them.
    pub(crate) async fn claims(
        &self,
        user: &str,
        policy: &Policy,
    ) -> Result<Option<Claims>, LookupError> {
        if let Some((at, claims)) = self.remembered().get(user)
            && at.elapsed() < self.cache
        {
            return Ok(claims.clone());
        }
        let claims = match self.lookup.ask(user).await? {
            Some(row) => Some(read(row.try_get(0)?, policy)?),
            None => None,
        };
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(user.to_owned(), (Instant::now(), claims.clone()));
        Ok(claims)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Option<Claims>)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One JSON object, a column each.
fn read(text: &str, policy: &Policy) -> Result<Claims, LookupError> {
    let columns: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(text).map_err(|_| LookupError::Unreadable)?;
    let mut attributes = Vec::new();
    for (name, raw) in columns {
        if !policy.attributes().any(|known| known == name) {
            let what =
                format!("attributes_query: column `{name}` is not an attribute of the policy");
            emit(&Event::Alarm { what: &what, user: "" });
            return Err(LookupError::Undeclared(name));
        }
        match json::plain(&raw) {
            Ok(Some(value)) => attributes.push((name, value)),
            Ok(None) => {}
            Err(json::Unfit) => return Err(LookupError::Unfit(name)),
        }
    }
    let witness = Witness::Lookup;
    Ok(Claims { witness, roles: Vec::new(), groups: Vec::new(), attributes })
}
