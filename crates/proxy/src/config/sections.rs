//! Reads the sections `listen`, `tls`, `auth`, `upstreams`, `policy` and `limits`.
//!
//! In:  the tree of the configuration file.
//! Out: a [`Draft`], complete when no mistake was reported.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pgcordon_policy::Policy;
use pgcordon_policy::mistake::{MistakeKind, Place, Report};
use pgcordon_policy::yaml::{Entry, Fields, Node, Value};

use super::auth;
use super::read::{Reading, texts};
use super::{
    Config, LimitsConfig, POLICY_SECTIONS, PoolConfig, SECTIONS, Secret, TlsConfig, UpstreamConfig,
};
use crate::auth::AuthConfig;
use crate::tls::SslMode;

const SSLMODES: &[(&str, SslMode)] = &[
    ("disable", SslMode::Disable),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];
/// Most connections that a pool can be told to open.
const MAX_POOL: usize = 10_000;
const UPSTREAM_KEYS: &[&str] = &[
    "host",
    "port",
    "user",
    "password",
    "password_file",
    "password_env",
    "sslmode",
    "ca",
    "pool_size",
    "pool_sizes",
    "user_pool_size",
    "user_pool_sizes",
    "idle_timeout",
    "max_age",
    "check_after",
    "connect_timeout",
];
const LIMIT_KEYS: &[&str] = &[
    "workers",
    "max_connections",
    "max_connections_per_user",
    "max_connections_per_address",
    "max_prepared_statements",
    "max_statement_bytes",
    "max_message_bytes",
    "authentication_timeout",
    "queue_timeout",
    "idle_in_transaction_timeout",
    "idle_session_timeout",
    "drain_timeout",
    "catalog_interval",
];

/// The configuration without its policy.
pub(super) struct Draft {
    listen: Vec<String>,
    tls: Option<TlsConfig>,
    pub(super) upstreams: BTreeMap<String, Arc<UpstreamConfig>>,
    limits: LimitsConfig,
    pub(super) auth: AuthConfig,
    pub(super) policy_files: Vec<(PathBuf, Place)>,
}

impl Draft {
    pub(super) fn finish(self, policy: Policy, path: &Path) -> Config {
        Config {
            listen: self.listen,
            tls: self.tls,
            upstreams: self.upstreams,
            limits: self.limits,
            auth: self.auth,
            policy: Arc::new(policy),
            path: path.to_owned(),
        }
    }
}

/// Reads our sections; those of the policy are left to it.
pub(super) fn read(root: &Node, base: &Path, report: &mut Report) -> Draft {
    let known = [SECTIONS, POLICY_SECTIONS].concat();
    let fields = Fields::read(root, "the configuration", &known, report);
    let section = |key: &str| fields.as_ref().and_then(|fields| fields.optional(key));
    let listen = match section("listen") {
        Some(node) => read_listen(node, report),
        None => vec!["127.0.0.1:6432".to_owned()],
    };
    let tls = section("tls").and_then(|node| read_tls(node, base, report));
    let upstreams = match section("upstreams") {
        Some(node) => read_upstreams(node, base, report),
        None => {
            let hint = "upstreams: { warehouse: { host: 127.0.0.1, user: pgcordon } }";
            report.add(&root.place, MistakeKind::Structure, "`upstreams` is missing", hint);
            BTreeMap::new()
        }
    };
    // A list is the policy's: limits by role.
    let limits = section("limits").filter(|node| !matches!(node.value, Value::List(_)));
    let limits = limits.map(|node| read_limits(node, base, report)).unwrap_or_default();
    let auth = section("auth").map(|node| {
        let around = auth::Around { base, tls: tls.as_ref(), upstreams: &upstreams };
        let auth = auth::read(node, around, report);
        auth::check_delay(&auth, node, limits.authentication_timeout, report);
        auth
    });
    let auth = auth.unwrap_or_default();
    let policy_files = section("policy").map_or_else(Vec::new, |node| {
        let files = texts(node, "`policy`", report);
        files.into_iter().map(|(file, place)| (base.join(file), place)).collect()
    });
    Draft { listen, tls, upstreams, limits, auth, policy_files }
}

fn read_listen(node: &Node, report: &mut Report) -> Vec<String> {
    let addresses = texts(node, "`listen`", report);
    for (address, place) in &addresses {
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() {
            let message = format!("`{address}` is not an address with a port");
            report.add(place, MistakeKind::Value, message, "for example 127.0.0.1:6432");
        }
    }
    if addresses.is_empty() {
        let message = "`listen` names no address";
        report.add(&node.place, MistakeKind::Structure, message, "for example 127.0.0.1:6432");
    }
    addresses.into_iter().map(|(address, _)| address).collect()
}

fn read_tls(node: &Node, base: &Path, report: &mut Report) -> Option<TlsConfig> {
    let keys = ["certificate", "key", "require", "client_ca", "client_crl"];
    let fields = Fields::read(node, "`tls`", &keys, report)?;
    let mut reading = Reading { fields, report, base };
    reading.required("certificate", "a PEM file");
    reading.required("key", "a PEM file");
    let (certificate, key) = (reading.path("certificate")?, reading.path("key")?);
    let require = reading.boolean("require").unwrap_or(false);
    let client_ca = reading.path("client_ca");
    let crls = reading.fields.optional("client_crl");
    let crls = crls.map(|node| texts(node, "`client_crl`", reading.report)).unwrap_or_default();
    if client_ca.is_none() && !crls.is_empty() {
        let message = "`client_crl` without `client_ca` revokes nothing".to_owned();
        reading.mistake("client_crl", message, "name the CA that signs the clients' certificates");
    }
    let client_crl = crls.iter().map(|(file, _)| base.join(file)).collect();
    let config = TlsConfig { certificate, key, require, client_ca, client_crl };
    if let Err(error) = crate::tls::server(&config) {
        reading.mistake("certificate", error.to_string(), "");
    }
    Some(config)
}

fn read_upstreams(
    node: &Node,
    base: &Path,
    report: &mut Report,
) -> BTreeMap<String, Arc<UpstreamConfig>> {
    let entries = node.map("`upstreams`", report).unwrap_or_default();
    let read = |entry: &Entry| {
        let name = entry.key.text.clone();
        let upstream = read_upstream(&name, &entry.node, base, report)?;
        Some((name, Arc::new(upstream)))
    };
    entries.iter().filter_map(read).collect()
}

fn read_upstream(
    name: &str,
    node: &Node,
    base: &Path,
    report: &mut Report,
) -> Option<UpstreamConfig> {
    let fields = Fields::read(node, &format!("upstream `{name}`"), UPSTREAM_KEYS, report)?;
    let mut reading = Reading { fields, report, base };
    let host = reading.required("host", "a host name, an address, or a socket's folder");
    let user = reading.required("user", "the role that pgcordon uses");
    let sslmode = reading.word("sslmode", SSLMODES).unwrap_or_default();
    let ca = reading.path("ca");
    if let Err(error) = crate::tls::client(sslmode, ca.as_deref()) {
        reading.mistake(if ca.is_some() { "ca" } else { "sslmode" }, error.to_string(), "");
    }
    let port = reading.number("port", 1, 65_535).unwrap_or(5432);
    Some(UpstreamConfig {
        name: name.to_owned(),
        host: host?,
        port: u16::try_from(port).expect("in range"),
        user: user?,
        password: read_password(&mut reading).unwrap_or_default(),
        sslmode,
        ca,
        pool: read_pool(&mut reading),
        connect_timeout: reading.duration("connect_timeout").unwrap_or(Duration::from_secs(10)),
    })
}

fn read_pool(reading: &mut Reading<'_, '_>) -> PoolConfig {
    let default = PoolConfig::default();
    let mut wait = |key, default| reading.duration(key).unwrap_or(default);
    let (idle_timeout, max_age) =
        (wait("idle_timeout", default.idle_timeout), wait("max_age", default.max_age));
    let check_after = wait("check_after", default.check_after);
    PoolConfig {
        size: reading.number("pool_size", 1, MAX_POOL).unwrap_or(default.size),
        sizes: reading.numbers("pool_sizes", 1, MAX_POOL),
        user_size: reading.number("user_pool_size", 1, MAX_POOL),
        user_sizes: reading.numbers("user_pool_sizes", 1, MAX_POOL),
        idle_timeout,
        max_age,
        check_after,
    }
}

/// At most one of the three ways; none for trust and peer authentication.
fn read_password(reading: &mut Reading<'_, '_>) -> Option<Secret> {
    let keys = ["password", "password_file", "password_env"];
    let mut given = keys.iter().filter(|key| reading.fields.optional(key).is_some());
    let key = *given.next()?;
    if let Some(second) = given.next() {
        let message = format!("`{key}` and `{second}` exclude each other");
        reading.mistake(second, message, "keep one of them");
        return None;
    }
    match key {
        "password" => reading.text(key).map(Secret::new),
        "password_file" => {
            let path = reading.path(key)?;
            match std::fs::read_to_string(&path) {
                Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
                Err(error) => {
                    reading.mistake(key, format!("cannot read `{}`: {error}", path.display()), "");
                    None
                }
            }
        }
        _ => {
            let variable = reading.text(key)?;
            let value = std::env::var(&variable).ok();
            if value.is_none() {
                reading.mistake(key, format!("environment variable `{variable}` is not set"), "");
            }
            value.map(Secret::new)
        }
    }
}

fn read_limits(node: &Node, base: &Path, report: &mut Report) -> LimitsConfig {
    let default = LimitsConfig::default();
    let Some(fields) = Fields::read(node, "`limits`", LIMIT_KEYS, report) else {
        return default;
    };
    let mut reading = Reading { fields, report, base };
    let mut number = |key, low, high, default| reading.number(key, low, high).unwrap_or(default);
    let workers = number("workers", 1, 256, default.workers);
    let max_connections = number("max_connections", 1, 100_000, default.max_connections);
    let statement = number("max_statement_bytes", 1024, 64 << 20, default.max_statement_bytes);
    let message = number("max_message_bytes", 64 << 10, 256 << 20, default.max_message_bytes);
    let prepared = number("max_prepared_statements", 1, 100_000, default.max_prepared_statements);
    let per_user = reading.number("max_connections_per_user", 1, 100_000);
    let per_address = reading.number("max_connections_per_address", 1, 100_000);
    let idle_in_transaction_timeout = reading.duration("idle_in_transaction_timeout");
    let idle_session_timeout = reading.duration("idle_session_timeout");
    let mut wait = |key, default| reading.duration(key).unwrap_or(default);
    LimitsConfig {
        workers,
        max_connections,
        max_connections_per_user: per_user,
        max_connections_per_address: per_address,
        max_prepared_statements: prepared,
        idle_in_transaction_timeout,
        idle_session_timeout,
        max_statement_bytes: statement,
        max_message_bytes: message,
        authentication_timeout: wait("authentication_timeout", default.authentication_timeout),
        queue_timeout: wait("queue_timeout", default.queue_timeout),
        drain_timeout: wait("drain_timeout", default.drain_timeout),
        catalog_interval: wait("catalog_interval", default.catalog_interval),
    }
}

#[cfg(test)]
mod tests {
    use pgcordon_policy::mistake::Source;
    use pgcordon_policy::yaml;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let source = Source { name: "c.yaml".to_owned(), text: text.to_owned() };
        let mut report = Report::default();
        read(&yaml::parse(&source).expect("valid YAML"), Path::new("."), &mut report);
        let mistakes: Vec<String> = report.finish().iter().map(ToString::to_string).collect();
        assert_eq!(mistakes, expected, "{text}");
    }

    const UPSTREAM: &str = "upstreams: { w: { host: h, user: u } }\n";

    #[test]
    fn a_small_file_is_enough() {
        check(UPSTREAM, &[]);
        check(&format!("{UPSTREAM}listen: [127.0.0.1:1, '[::1]:2']\n"), &[]);
        check(&format!("{UPSTREAM}limits: {{ queue_timeout: 5s }}\n"), &[]);
    }

    #[test]
    fn mistakes_have_their_place() {
        check(
            &format!("{UPSTREAM}listne: x\n"),
            &[
                "c.yaml:2:1: unknown key `listne` in the configuration (hint: did you mean `listen`?)",
            ],
        );
        check(
            &format!("{UPSTREAM}listen: localhost\n"),
            &[
                "c.yaml:2:9: `localhost` is not an address with a port (hint: for example 127.0.0.1:6432)",
            ],
        );
        check(
            "upstreams: { w: { host: h, user: u, sslmode: verify-full } }\n",
            &["c.yaml:1:46: sslmode verify-ca and verify-full need `ca`"],
        );
        check(
            "upstreams: { w: { host: h, user: u, pool_size: 0 } }\n",
            &["c.yaml:1:48: `pool_size` must be a whole number from 1 to 10000"],
        );
        check(
            "upstreams: { w: { host: h, user: u, user_pool_sizes: { rita: 3, max: many } } }\n",
            &["c.yaml:1:70: `max` of `user_pool_sizes` must be a whole number from 1 to 10000"],
        );
        check(
            "upstreams: { w: { host: h, user: u, password: x, password_env: Y } }\n",
            &[
                "c.yaml:1:64: `password` and `password_env` exclude each other (hint: keep one of them)",
            ],
        );
    }
}
