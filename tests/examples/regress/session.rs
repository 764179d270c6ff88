//! A superuser's connection that runs a script's statements, and tries rewritten ones beside them.
//!
//! In:  statements.
//! Out: an [`Outcome`] of each.
//!
//! Invariants:
//! - What is tried is rolled back.
//! - The catalog is read within the session's own transaction: what it has just created is there.

use pgcordon_proxy::{Loaded, read_snapshot};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// What a statement gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Rows as text with the names of their columns, and how many rows the last command touched.
    Rows { columns: Vec<String>, rows: Vec<Vec<Option<String>>>, touched: u64 },
    /// SQLSTATE and message.
    Failed(String, String),
}

/// What the session's names mean now.
pub(crate) struct Names {
    pub(crate) search_path: Vec<String>,
    /// `schema.name` of every function and operator outside the system's schemas.
    pub(crate) functions: Vec<String>,
}

pub(crate) struct Session {
    client: Client,
}

impl Session {
    /// Connects; the task ends with the client.
    pub(crate) async fn open(port: u16, user: Option<&str>) -> Result<Self, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user("postgres").password("postgres_pw");
        // As pg_regress sets them.
        config.dbname("regression").options(
            "-c timezone=PST8PDT -c datestyle=postgres,mdy -c intervalstyle=postgres_verbose \
             -c statement_timeout=60s",
        );
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            let _ended = connection.await;
        });
        let session = Self { client };
        if let Some(user) = user {
            session.run(&format!("SET SESSION AUTHORIZATION {user}")).await;
        }
        Ok(session)
    }

    /// Runs a statement.
    pub(crate) async fn run(&self, sql: &str) -> Outcome {
        match self.client.simple_query(sql).await {
            Ok(messages) => read(messages),
            Err(error) => failed(&error),
        }
    }

    /// Runs COPY … FROM STDIN; whether it took the data.
    pub(crate) async fn copy(&self, sql: &str, data: impl FnOnce() -> String) {
        use futures_util::SinkExt;
        let Ok(sink) = self.client.copy_in::<_, bytes::Bytes>(sql).await else { return };
        let data = data();
        let mut sink = std::pin::pin!(sink);
        if sink.send(bytes::Bytes::from(data)).await.is_ok() {
            let _refused = sink.finish().await;
        }
    }

    /// The current user; `None` in a failed transaction.
    pub(crate) async fn user(&self) -> Option<String> {
        column(self.run("SELECT CURRENT_USER").await)?.into_iter().next()
    }

    /// Runs a statement and takes it back.
    pub(crate) async fn attempt(&self, sql: &str) -> Outcome {
        let inside = self.client.simple_query("SAVEPOINT pgcordon_attempt").await.is_ok();
        if !inside && self.client.simple_query("BEGIN").await.is_err() {
            return Outcome::Failed("XX000".to_owned(), "no transaction".to_owned());
        }
        let outcome = self.run(sql).await;
        let end = match inside {
            true => "ROLLBACK TO pgcordon_attempt; RELEASE pgcordon_attempt",
            false => "ROLLBACK",
        };
        self.run(end).await;
        outcome
    }

    /// What unqualified names mean, and every function that a policy could name.
    pub(crate) async fn names(&self) -> Option<Names> {
        let path = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))";
        let schemas = column(self.run(path).await)?;
        let functions = "SELECT DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || \
             CASE WHEN o.isop THEN o.name ELSE pg_catalog.quote_ident(o.name) END FROM \
             (SELECT pronamespace, proname, false FROM pg_catalog.pg_proc UNION ALL \
              SELECT oprnamespace, oprname, true FROM pg_catalog.pg_operator) AS o (space, name, isop) \
             JOIN pg_catalog.pg_namespace n ON n.oid = o.space \
             WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";
        let functions = column(self.run(functions).await)?;
        let search_path = schemas.into_iter().filter(|name| name != "pg_catalog").collect();
        Some(Names { search_path, functions })
    }

    /// The schemas of the search_path alone.
    pub(crate) async fn search_path(&self) -> Option<Vec<String>> {
        let path = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))";
        let schemas = column(self.run(path).await)?;
        Some(schemas.into_iter().filter(|name| name != "pg_catalog").collect())
    }

    /// Reads the catalog with pgcordon's own loader.
    pub(crate) async fn catalog(&self) -> Result<Loaded, String> {
        let path = "SELECT pg_catalog.current_setting('search_path'), \
                    pg_catalog.set_config('search_path', '', false)";
        let Outcome::Rows { rows, .. } = self.run(path).await else {
            return Err("no search_path".to_owned());
        };
        let loaded = read_snapshot(&self.client).await.map_err(|error| format!("{error:?}"));
        let old = rows.first().and_then(|row| row.first().cloned().flatten()).unwrap_or_default();
        let old = old.replace('\'', "''");
        self.run(&format!("SELECT pg_catalog.set_config('search_path', '{old}', false)")).await;
        loaded
    }
}

fn column(outcome: Outcome) -> Option<Vec<String>> {
    let Outcome::Rows { rows, .. } = outcome else { return None };
    Some(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

fn failed(error: &tokio_postgres::Error) -> Outcome {
    match error.as_db_error() {
        Some(error) => Outcome::Failed(error.code().code().to_owned(), error.message().to_owned()),
        None => Outcome::Failed("08000".to_owned(), error.to_string()),
    }
}

fn read(messages: Vec<SimpleQueryMessage>) -> Outcome {
    let (mut columns, mut rows, mut touched) = (Vec::new(), Vec::new(), 0);
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(described) => {
                columns = described.iter().map(|column| column.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => rows.push(
                (0..row.len())
                    .map(|index| row.try_get(index).ok().flatten().map(str::to_owned))
                    .collect(),
            ),
            SimpleQueryMessage::CommandComplete(count) => touched = count,
            _ => {}
        }
    }
    Outcome::Rows { columns, rows, touched }
}
