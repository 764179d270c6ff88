//! The configuration file: how the proxy runs, and which files hold the policy.
//!
//! In:  the path of a YAML file.
//! Out: a [`Config`] with the policy read, or every mistake at once, each with its place.
//!
//! Invariants:
//! - An unknown key is a mistake; nothing is read and ignored.
//! - Relative paths are relative to the configuration file.
//! - Passwords have a blank `Debug` and no `Display`.

mod auth;
mod read;
mod sections;
mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pgcordon_policy::mistake::{Mistake, MistakeKind, Place, Report, Source};
use pgcordon_policy::yaml::{self, Node, Value};
use pgcordon_policy::{Policy, mistake::did_you_mean};

use crate::auth::AuthConfig;
use crate::tls::SslMode;

/// Sections of the configuration file that are ours; the others hold policy.
pub(crate) const SECTIONS: &[&str] = &["listen", "tls", "auth", "upstreams", "policy", "limits"];

/// Sections that the policy crate reads, from any file.
const POLICY_SECTIONS: &[&str] = &[
    "attributes",
    "roles",
    "groups",
    "users",
    "databases",
    "masks",
    "tables",
    "functions",
    "queries",
    "tests",
];

/// A password of ours. Never shown.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Only for the authentication exchange.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// Servers by name.
pub(crate) type Upstreams = BTreeMap<String, Arc<UpstreamConfig>>;

/// One PostgreSQL server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamConfig {
    /// Its name in the configuration.
    pub name: String,
    /// Host name, address, or the folder of a Unix socket.
    pub host: String,
    /// TCP port, or the number of the socket.
    pub port: u16,
    /// The least-privileged role that the proxy uses.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// As libpq's.
    pub sslmode: SslMode,
    /// Whom to believe.
    pub ca: Option<PathBuf>,
    /// Its connections that sessions share.
    pub pool: PoolConfig,
    /// For connecting, TLS and authentication together.
    pub connect_timeout: Duration,
}

/// Bounds on the connections to one server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PoolConfig {
    /// Most connections per database.
    pub size: usize,
    /// The same for certain databases, by their real names.
    pub sizes: BTreeMap<String, usize>,
    /// Most connections of one user to one database.
    pub user_size: Option<usize>,
    /// The same for certain users.
    pub user_sizes: BTreeMap<String, usize>,
    /// A connection that nobody has used for so long is closed.
    pub idle_timeout: Duration,
    /// An older connection is closed as soon as nobody uses it.
    pub max_age: Duration,
    /// A connection that nobody has used for so long is tried before it is lent.
    pub check_after: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            size: 50,
            sizes: BTreeMap::new(),
            user_size: None,
            user_sizes: BTreeMap::new(),
            idle_timeout: Duration::from_secs(600),
            max_age: Duration::from_secs(3600),
            check_after: Duration::from_secs(30),
        }
    }
}

impl PoolConfig {
    /// Most connections to that database.
    pub(crate) fn size_of(&self, database: &str) -> usize {
        self.sizes.get(database).copied().unwrap_or(self.size)
    }

    /// Most connections of that user to one database; `None`: as many as there are.
    pub(crate) fn user_size_of(&self, user: &str) -> Option<usize> {
        self.user_sizes.get(user).copied().or(self.user_size)
    }
}

/// Certificate of the listening side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsConfig {
    /// PEM, the chain with the server's own certificate first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// Refuse unencrypted sessions.
    pub require: bool,
    /// PEM: whose certificates clients may show. Absent: clients are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// PEM: which of them are revoked.
    pub client_crl: Vec<PathBuf>,
}

/// Bounds on what clients may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LimitsConfig {
    /// Threads that run sessions.
    pub workers: usize,
    /// Connections at once, those that are not authenticated yet too.
    pub max_connections: usize,
    /// Sessions of one user at once.
    pub max_connections_per_user: Option<usize>,
    /// Connections from one address at once.
    pub max_connections_per_address: Option<usize>,
    /// Prepared statements and portals of one session.
    pub max_prepared_statements: usize,
    /// Longest statement text in bytes.
    pub max_statement_bytes: usize,
    /// Longest other message in bytes.
    pub max_message_bytes: usize,
    /// From connecting to the end of authentication.
    pub authentication_timeout: Duration,
    /// How long a client waits for an upstream connection.
    pub queue_timeout: Duration,
    /// How long a client may be silent within a transaction.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// How long a client may be silent outside of one.
    pub idle_session_timeout: Option<Duration>,
    /// How long sessions may finish after a request to stop.
    pub drain_timeout: Duration,
    /// How often the catalog's fingerprint is compared.
    pub catalog_interval: Duration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism()
                .map_or(1, |cores| (cores.get() / 2).max(1)),
            max_connections: 1000,
            max_connections_per_user: None,
            max_connections_per_address: None,
            max_prepared_statements: 10_000,
            max_statement_bytes: 1 << 20,
            max_message_bytes: 16 << 20,
            authentication_timeout: Duration::from_secs(10),
            queue_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: None,
            idle_session_timeout: None,
            drain_timeout: Duration::from_secs(30),
            catalog_interval: Duration::from_secs(10),
        }
    }
}

/// Everything that `serve` needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses, `host:port`.
    pub listen: Vec<String>,
    /// Absent: unencrypted only.
    pub tls: Option<TlsConfig>,
    /// By name.
    pub upstreams: BTreeMap<String, Arc<UpstreamConfig>>,
    /// Bounds.
    pub limits: LimitsConfig,
    /// The ways in.
    pub(crate) auth: AuthConfig,
    /// Read from the configuration file and the files that it lists.
    pub policy: Arc<Policy>,
    /// Where to read them again.
    pub path: PathBuf,
}

impl Config {
    /// Reads the configuration file and every policy file that it lists.
    ///
    /// # Errors
    /// Every mistake of every file at once.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Vec<Mistake>> {
        let path = path.as_ref();
        let source = read_source(path).map_err(|mistake| vec![mistake])?;
        let root = yaml::parse(&source)?;
        let mut report = Report::default();
        let base = path.parent().unwrap_or(Path::new("."));
        let draft = sections::read(&root, base, &mut report);
        let sources = policy_sources(source, &draft.policy_files, &mut report);
        let policy = match pgcordon_policy::load(&sources, SECTIONS) {
            Ok(policy) => Some(policy),
            Err(mistakes) => {
                report.extend(mistakes);
                None
            }
        };
        if let Some(policy) = &policy {
            check_upstreams(policy, &draft.upstreams, &mut report);
            auth::check_names(&draft.auth, policy, &mut report);
        }
        match policy {
            Some(policy) if report.is_empty() => Ok(draft.finish(policy, path)),
            Some(_) | None => Err(report.finish()),
        }
    }
}

fn read_source(path: &Path) -> Result<Source, Mistake> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Source { name, text }),
        Err(error) => Err(Mistake {
            file: name,
            line: 1,
            column: 1,
            message: format!("cannot be read: {error}"),
            hint: String::new(),
            kind: MistakeKind::Value,
        }),
    }
}

/// The configuration file itself comes first: it may hold policy sections too.
fn policy_sources(config: Source, files: &[(PathBuf, Place)], report: &mut Report) -> Vec<Source> {
    let mut sources = vec![config];
    for (file, place) in files {
        match read_source(file) {
            Ok(source) => {
                no_configuration(&source, report);
                sources.push(source);
            }
            Err(mistake) => {
                let message = format!("policy file `{}` {}", mistake.file, mistake.message);
                report.add(place, MistakeKind::Value, message, "");
            }
        }
    }
    sources
}

/// A policy file with `limits` or `listen` would be read and ignored otherwise.
fn no_configuration(source: &Source, report: &mut Report) {
    // A file that does not parse is reported by the policy crate.
    let Ok(Node { value: Value::Map(entries), .. }) = yaml::parse(source) else {
        return;
    };
    for entry in entries {
        // A list of limits is the policy's.
        let by_role = matches!(entry.node.value, Value::List(_)) && entry.key.text == "limits";
        if !by_role && SECTIONS.contains(&entry.key.text.as_str()) {
            let message = format!("`{}` is not supported in a policy file", entry.key.text);
            let hint = "sections that say how the proxy runs stand in the configuration file";
            report.add(&entry.key.place, MistakeKind::Unsupported, message, hint);
        }
    }
}

/// Every database of the policy must stand on an upstream that exists.
fn check_upstreams(
    policy: &Policy,
    upstreams: &BTreeMap<String, Arc<UpstreamConfig>>,
    report: &mut Report,
) {
    for database in policy.databases() {
        let upstream = &database.upstream;
        if !upstreams.contains_key(upstream) {
            let message = format!("upstream `{upstream}` is not defined");
            let near = did_you_mean(upstream, upstreams.keys().map(String::as_str));
            let hint =
                if near.is_empty() { "define it under `upstreams`".to_owned() } else { near };
            report.add(&database.upstream_place, MistakeKind::Reference, message, hint);
        }
    }
}
