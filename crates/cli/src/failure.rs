//! Why a command did not do what was asked.
//!
//! Invariants:
//! - A message never holds a password.

use std::process::ExitCode;

use pgcordon_policy::Mistake;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The operating system did not do something.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Configuration or policy, every mistake in a line of its own.
    #[error("{}", listed(.0))]
    Mistakes(Vec<String>),
    /// Anything that a person can act on, told whole.
    #[error("{0}")]
    Told(String),
    /// No PostgreSQL server for the demo.
    #[error(
        "no PostgreSQL server found: install one (Debian: `apt-get install postgresql`, macOS: \
         `brew install postgresql@18`) or set PGCORDON_PG_BIN to the folder that holds `initdb`"
    )]
    NoServer,
    /// The demo's own connection failed.
    #[error("{doing}: {}", told(.source))]
    Client {
        /// What was tried.
        doing: String,
        /// What the server or the connection said.
        source: tokio_postgres::Error,
    },
    /// Tests that cannot be run: neither passed nor failed.
    #[error("{0}")]
    Unable(Box<Self>),
    /// Ctrl-C or SIGTERM before the work was done.
    #[error("stopped")]
    Stopped,
}

impl Failure {
    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unable(_) => ExitCode::from(2),
            Self::Io { .. }
            | Self::Mistakes(_)
            | Self::Told(_)
            | Self::NoServer
            | Self::Client { .. }
            | Self::Stopped => ExitCode::FAILURE,
        }
    }

    /// For `map_err`.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// For `map_err`.
    pub(crate) fn client(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Client { doing, source }
    }
}

impl From<Vec<Mistake>> for Failure {
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self::Mistakes(mistakes.iter().map(ToString::to_string).collect())
    }
}

fn listed(mistakes: &[String]) -> String {
    let count = mistakes.len();
    let title = if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") };
    format!("{title}\n{}", mistakes.join("\n"))
}

/// The server's own words; the driver's `Display` says only "db error".
pub(crate) fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => format!("{} {}", answer.code().code(), answer.message()),
        None => std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}
