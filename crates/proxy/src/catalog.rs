//! Reads `pg_catalog` over the control plane: deadpool-postgres, a few ordinary connections per database.
//!
//! In:  an upstream and a database name.
//! Out: a [`Snapshot`] and the fingerprint of what it was read from.
//!
//! Invariants:
//! - Every name in every query is qualified, and `search_path` is empty: nobody's objects are called.
//! - A server version that is not known is refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use pgcordon_sql::catalog::{
    CheckOption, Column, ColumnId, Dependent, Function, FunctionKind, Oid, Operator, Relation,
    RelationKind, Snapshot, SnapshotParts, Type, TypeKind, Writing,
};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, GenericClient, NoTls, SimpleQueryMessage};

use crate::config::UpstreamConfig;
use crate::link::Stream;
use crate::state::next_epoch;
use crate::upstream::{self, UpstreamError};

mod queries;
mod rows;

pub(crate) use rows::{Row, Rows};

/// Control connections per database.
const CONTROL_CONNECTIONS: usize = 2;
/// Servers that the catalog queries and the grammar are known to fit.
const VERSIONS: std::ops::Range<u32> = 130_000..190_000;

/// A small pool for catalog queries.
pub(crate) type ControlPool = Pool;

/// Why the catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No connection.
    #[error("no control connection: {0}")]
    Connection(#[from] PoolError),
    /// A catalog query failed.
    #[error("catalog query failed: {0}")]
    Query(#[from] tokio_postgres::Error),
    /// PostgreSQL 13 to 18 are known.
    #[error("server version {0} is not supported")]
    Version(u32),
    /// The pool cannot be made.
    #[error("control pool: {0}")]
    Pool(String),
    /// Something that no version of PostgreSQL answers.
    #[error("the catalog holds something unexpected: {0}")]
    Unexpected(String),
}

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// The catalog.
    pub snapshot: Snapshot,
    /// Changes when the catalog does.
    pub(crate) fingerprint: String,
    /// The upstream role is a superuser: row security, permissions and files are open to it.
    pub superuser: bool,
}

/// Reads the catalog of one database once: for `check` and `explain`.
///
/// # Errors
/// [`CatalogError`].
pub async fn load_snapshot(
    upstream: &Arc<UpstreamConfig>,
    dbname: &str,
) -> Result<Loaded, CatalogError> {
    load(&control_pool(upstream, dbname)?).await
}

/// Opens connections the way the data plane does, TLS included.
struct Dialer(Arc<UpstreamConfig>);

impl Connect for Dialer {
    fn connect(
        &self,
        config: &tokio_postgres::Config,
    ) -> std::pin::Pin<
        Box<
            dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>>
                + Send
                + '_,
        >,
    > {
        let config = config.clone();
        Box::pin(async move {
            let dialing = tokio::time::timeout(self.0.connect_timeout, upstream::dial(&self.0));
            let stream = match dialing.await {
                Ok(Ok((link, _binding))) => link.into_stream(),
                Ok(Err(error)) => closed(&error),
                Err(_elapsed) => closed(&UpstreamError::Timeout),
            };
            // TLS, if any, is already spoken on this stream.
            let (client, connection) = config.connect_raw(stream, NoTls).await?;
            let task = tokio::spawn(async move {
                // Every error reaches the client handle as well.
                let _ended = connection.await;
            });
            Ok((client, task))
        })
    }
}

/// tokio-postgres has no error that could carry ours: it meets a closed stream, and the cause goes to the log.
fn closed(error: &UpstreamError) -> Stream {
    tracing::warn!(%error, "control connection failed");
    Stream::Closed
}

/// Makes the pool; connects to nothing yet.
pub(crate) fn control_pool(
    upstream: &Arc<UpstreamConfig>,
    dbname: &str,
) -> Result<ControlPool, CatalogError> {
    let mut config = tokio_postgres::Config::new();
    config
        .user(&upstream.user)
        .password(upstream.password.expose())
        .dbname(dbname)
        .application_name("pgcordon control")
        .ssl_mode(tokio_postgres::config::SslMode::Disable)
        .options("-c search_path= -c statement_timeout=60s -c standard_conforming_strings=on");
    let recycling_method = RecyclingMethod::Custom("DISCARD ALL".to_owned());
    let manager =
        Manager::from_connect(config, Dialer(upstream.clone()), ManagerConfig { recycling_method });
    let wait = Some(Duration::from_secs(10));
    Pool::builder(manager)
        .max_size(CONTROL_CONNECTIONS)
        .timeouts(Timeouts { wait, create: Some(upstream.connect_timeout), recycle: wait })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| CatalogError::Pool(error.to_string()))
}

/// A word that changes when something in the catalog does.
pub(crate) async fn fingerprint(control: &ControlPool) -> Result<String, CatalogError> {
    let client = control.get().await?;
    Ok(client.query_one(queries::FINGERPRINT, &[]).await?.try_get(0)?)
}

/// Reads everything in one transaction.
pub(crate) async fn load(control: &ControlPool) -> Result<Loaded, CatalogError> {
    let mut client = control.get().await?;
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let loaded = read_snapshot(&*transaction).await?;
    transaction.commit().await?;
    Ok(loaded)
}

/// Reads everything on a connection of the caller's, within whatever transaction it is: uncommitted changes of its
/// own are seen. Its `search_path` must be empty.
///
/// # Errors
/// [`CatalogError`].
pub async fn read_snapshot(client: &impl GenericClient) -> Result<Loaded, CatalogError> {
    let mut answers = Vec::with_capacity(queries::ALL.len());
    for query in queries::ALL {
        answers.push(text_rows(client.simple_query(query).await?));
    }
    of_answers(answers)
}

fn text_rows(messages: Vec<SimpleQueryMessage>) -> Rows {
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let cells = (0..row.len()).map(|index| row.get(index).map(str::to_owned));
            Some(rows::Row(cells.collect()))
        }
        _ => None,
    });
    rows.collect()
}

/// The queries whose answers, in this order, make a catalog.
pub(crate) const QUERIES: &[&str] = &queries::ALL;

/// Makes a catalog of the answers to [`QUERIES`].
pub(crate) fn of_answers(answers: Vec<Rows>) -> Result<Loaded, CatalogError> {
    let Ok(
        [
            server,
            fingerprint,
            schemas,
            raised,
            columns,
            relations,
            functions,
            operators,
            types,
            barriers,
            writing,
            groupable,
            field_calls,
            dependents,
        ],
    ) = <[Rows; 14]>::try_from(answers)
    else {
        return Err(CatalogError::Unexpected("too few answers".to_owned()));
    };
    let (server, fingerprint) = (only(&server)?, only(&fingerprint)?);
    let version = server.number(0)?;
    if !VERSIONS.contains(&version) {
        return Err(CatalogError::Version(version));
    }
    let parts = SnapshotParts {
        epoch: next_epoch(),
        server_version: version,
        database: server.owned(1)?,
        temporary: server.optional(3)?.map(str::to_owned),
        schemas: schemas.iter().map(|row| row.owned(0)).collect::<Result<_, _>>()?,
        relations: relations_of(&relations, columns_of(&columns)?)?,
        functions: each(&functions, function)?,
        operators: each(&operators, operator)?,
        types: each(&types, user_type)?,
        barriers: oids(&barriers)?,
        writing: writing_of(&writing)?,
        groupable: oids(&groupable)?,
        field_calls: names(&field_calls)?,
        raised: names(&raised)?,
        dependents: each(&dependents, dependent)?,
    };
    Ok(Loaded {
        snapshot: Snapshot::new(parts),
        fingerprint: fingerprint.owned(0)?,
        superuser: server.truth(2)?,
    })
}

/// The row of a query that gives one.
fn only(rows: &Rows) -> Result<&Row, CatalogError> {
    match rows.as_slice() {
        [row] => Ok(row),
        _ => Err(CatalogError::Unexpected("more or less than one row".to_owned())),
    }
}

fn each<T>(
    rows: &[Row],
    read: fn(&Row) -> Result<T, CatalogError>,
) -> Result<Vec<T>, CatalogError> {
    rows.iter().map(read).collect()
}

fn oids(rows: &[Row]) -> Result<HashSet<Oid>, CatalogError> {
    rows.iter().map(|row| row.oid(0)).collect()
}

fn names(rows: &[Row]) -> Result<HashSet<String>, CatalogError> {
    rows.iter().map(|row| row.owned(0)).collect()
}

fn writing_of(rows: &[Row]) -> Result<HashMap<Oid, Writing>, CatalogError> {
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let check = match row.text(4)? {
            "" => CheckOption::None,
            "local" => CheckOption::Local,
            "cascaded" => CheckOption::Cascaded,
            other => return Err(CatalogError::Unexpected(format!("check_option {other}"))),
        };
        let rules = row.words(1)?.concat();
        let (instead_of, updatable) = (row.truth(2)?, row.number(3)?);
        found.insert(row.oid(0)?, Writing { rules, instead_of, updatable, check });
    }
    Ok(found)
}

fn columns_of(rows: &[Row]) -> Result<HashMap<Oid, Vec<Column>>, CatalogError> {
    let mut columns: HashMap<Oid, Vec<Column>> = HashMap::new();
    for row in rows {
        let identity = row.text(6)?;
        let column = Column {
            name: row.owned(1)?,
            type_oid: row.oid(2)?,
            type_sql: row.owned(3)?,
            not_null: row.truth(4)?,
            generated: row.truth(5)?,
            identity_always: (!identity.is_empty()).then_some(identity == "a"),
            has_default: row.truth(7)?,
            number: row.number(8)?,
            collation: row.oid(9)?,
            type_modifier: row.number(10)?,
        };
        columns.entry(row.oid(0)?).or_default().push(column);
    }
    Ok(columns)
}

fn relations_of(
    rows: &[Row],
    mut columns: HashMap<Oid, Vec<Column>>,
) -> Result<Vec<Relation>, CatalogError> {
    let mut relations = Vec::with_capacity(rows.len());
    for row in rows {
        let oid = row.oid(0)?;
        let columns = columns.remove(&oid).unwrap_or_default();
        let key: Vec<i16> = row.numbers(5)?;
        let position = |number: &i16| {
            let index = columns.iter().position(|column| column.number == *number)?;
            u16::try_from(index).ok().map(ColumnId)
        };
        let primary_key = key.iter().filter_map(position).collect();
        relations.push(Relation {
            oid,
            schema: row.owned(1)?,
            name: row.owned(2)?,
            kind: relation_kind(row.text(3)?)?,
            parents: row.numbers(4)?.into_iter().map(Oid).collect(),
            primary_key,
            columns,
            definition: row.optional(6)?.map(str::to_owned),
            rewrites_rows: row.truth(7)?,
        });
    }
    spread_to_parents(&mut relations);
    Ok(relations)
}

/// A row that goes into a parent may land in a child whose trigger alters it.
fn spread_to_parents(relations: &mut [Relation]) {
    let index: HashMap<Oid, usize> =
        relations.iter().enumerate().map(|(index, relation)| (relation.oid, index)).collect();
    let mut work: Vec<usize> =
        (0..relations.len()).filter(|index| relations[*index].rewrites_rows).collect();
    while let Some(child) = work.pop() {
        let parents = relations[child].parents.clone();
        for parent in parents.iter().filter_map(|oid| index.get(oid)) {
            if !std::mem::replace(&mut relations[*parent].rewrites_rows, true) {
                work.push(*parent);
            }
        }
    }
}

fn relation_kind(kind: &str) -> Result<RelationKind, CatalogError> {
    match kind {
        "r" => Ok(RelationKind::Table),
        "p" => Ok(RelationKind::PartitionedTable),
        "v" => Ok(RelationKind::View),
        "m" => Ok(RelationKind::MaterializedView),
        "f" => Ok(RelationKind::ForeignTable),
        "S" => Ok(RelationKind::Sequence),
        "t" => Ok(RelationKind::Toast),
        "c" => Ok(RelationKind::CompositeType),
        "i" | "I" => Ok(RelationKind::Index),
        other => Err(CatalogError::Unexpected(format!("relkind {other}"))),
    }
}

fn function(row: &Row) -> Result<Function, CatalogError> {
    let kind = match row.text(2)? {
        "f" => FunctionKind::Function,
        "p" => FunctionKind::Procedure,
        "a" => FunctionKind::Aggregate,
        "w" => FunctionKind::Window,
        other => return Err(CatalogError::Unexpected(format!("prokind {other}"))),
    };
    Ok(Function {
        oid: row.oid(6)?,
        schema: row.owned(0)?,
        name: row.owned(1)?,
        kind,
        arguments: row.numbers(3)?.into_iter().map(Oid).collect(),
        result: row.oid(4)?,
        returns_set: row.truth(5)?,
    })
}

fn operator(row: &Row) -> Result<Operator, CatalogError> {
    Ok(Operator {
        schema: row.owned(0)?,
        name: row.owned(1)?,
        left: row.oid(2)?,
        right: row.oid(3)?,
    })
}

fn user_type(row: &Row) -> Result<Type, CatalogError> {
    let kind = match row.text(4)? {
        "b" => TypeKind::Base,
        "c" => TypeKind::Composite,
        "d" => TypeKind::Domain,
        "e" => TypeKind::Enum,
        "r" => TypeKind::Range,
        "m" => TypeKind::Multirange,
        "p" => TypeKind::Pseudo,
        other => return Err(CatalogError::Unexpected(format!("typtype {other}"))),
    };
    Ok(Type {
        oid: row.oid(0)?,
        array_oid: row.oid(1)?,
        schema: row.owned(2)?,
        name: row.owned(3)?,
        kind,
        relation: row.oid(5)?,
    })
}

fn dependent(row: &Row) -> Result<Dependent, CatalogError> {
    Ok(Dependent {
        oid: row.oid(0)?,
        sequence: row.truth(1)?,
        relation: row.oid(2)?,
        columns: row.numbers(3)?,
    })
}
