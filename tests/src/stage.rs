//! One database behind pgcordon and its twin guarded by native row security, with the same people and rows.
//!
//! In:  `tests/cases/*.sql` and `tests/cases/policy.yaml`.
//! Out: a [`Stage`], from which every suite takes its connections.

use crate::cluster::Cluster;
use crate::proxy::Proxy;
use crate::test_file;
use crate::wire::Client;

/// The plain database, behind pgcordon under the same name.
pub const PLAIN: &str = "shop";
/// The twin with CREATE POLICY.
pub const NATIVE: &str = "shop_native";

/// A cluster with both databases, and pgcordon in front of the plain one.
#[derive(Debug)]
pub struct Stage {
    /// The proxy.
    pub proxy: Proxy,
    /// The server.
    pub cluster: Cluster,
}

/// `<name>_pw`: everybody's password.
#[must_use]
pub fn password(user: &str) -> String {
    format!("{user}_pw")
}

/// `tests/cases/policy.yaml` with everybody's verifier put in.
#[must_use]
pub fn policy() -> String {
    let mut text = test_file("cases/policy.yaml");
    for user in ["rita", "ralf", "max"] {
        let placeholder = format!("<{user}>");
        text = text.replace(&placeholder, &crate::proxy::verifier(&password(user)));
    }
    text
}

/// The cluster with both databases, without pgcordon.
///
/// # Panics
/// When anything of it fails.
#[must_use]
pub fn databases() -> Cluster {
    let cluster = Cluster::start();
    cluster.admin("postgres").run(&test_file("cases/roles.sql"));
    let (schema, seed) = (test_file("cases/schema.sql"), test_file("cases/seed.sql"));
    cluster.load(PLAIN, &[&schema, &seed, &test_file("cases/grants.sql")]);
    cluster.load(NATIVE, &[&schema, &seed, &test_file("cases/native.sql")]);
    cluster
}

impl Stage {
    /// Sets everything up.
    ///
    /// # Panics
    /// When anything of it fails.
    #[must_use]
    pub fn new() -> Self {
        Self::with("")
    }

    /// As [`Stage::new`], with more sections in the configuration file.
    ///
    /// # Panics
    /// When anything of it fails.
    #[must_use]
    pub fn with(more_configuration: &str) -> Self {
        let cluster = databases();
        let proxy = Proxy::start(cluster.port(), &policy(), more_configuration);
        Self { proxy, cluster }
    }

    /// A connection through pgcordon.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn client(&self, user: &str) -> Client {
        self.proxy.client(user, &password(user), PLAIN)
    }

    /// A connection of the native role to the guarded twin.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn native(&self, user: &str) -> Client {
        self.cluster.client(user, &password(user), NATIVE)
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}
