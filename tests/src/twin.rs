//! One database behind pgcordon, and its twin guarded by what `pgcordon export-sql` prints for the same policy.
//!
//! In:  SQL that fills the database, and a policy in which `<name>` stands for that user's verifier.
//! Out: a [`Twin`]: connections of the same people to both.
//!
//! Invariants:
//! - The twin is a copy of the plain database: types have the same OIDs in both.
//! - The twin's roles log in with the policy's passwords; nothing was written by hand.

use std::process::Output;

use crate::cluster::Cluster;
use crate::proxy::{Files, Proxy, Settings, configuration, pgcordon, verifier};
use crate::stage::password;
use crate::wire::Client;

/// What pgcordon's own role may do: the data and nothing else.
const GRANTS: &str = "DO $$ DECLARE s text; BEGIN
    FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO pgcordon', s);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO pgcordon', s);
    END LOOP; END $$";

/// Both databases and the proxy.
#[derive(Debug)]
pub struct Twin {
    /// The proxy in front of the plain database.
    pub proxy: Proxy,
    /// The server of both.
    pub cluster: Cluster,
    /// The plain database's name, also the one in the policy.
    pub plain: String,
    /// The guarded copy's name.
    pub native: String,
    /// What `export-sql` printed: script and notes.
    pub exported: (String, String),
}

/// A policy with everybody's verifier put in.
#[must_use]
pub fn with_verifiers(policy: &str, people: &[&str]) -> String {
    people.iter().fold(policy.to_owned(), |text, user| {
        text.replace(&format!("<{user}>"), &verifier(&password(user)))
    })
}

/// Runs `pgcordon export-sql` against a server.
#[must_use]
pub fn export(upstream_port: u16, policy: &str, database: &str) -> Output {
    let settings = Settings { port: 1, upstream_port, more: "" };
    let files = Files::write(&configuration(&settings), policy);
    let path = files.configuration();
    let path = path.to_str().expect("UTF-8");
    pgcordon(&["export-sql", "--config", path, "--database", database, "--passwords"])
}

impl Twin {
    /// Makes both databases and starts the proxy.
    ///
    /// # Panics
    /// When anything of it fails.
    #[must_use]
    pub fn new(database: &str, sql: &[&str], policy: &str, people: &[&str]) -> Self {
        let cluster = Cluster::start();
        cluster.admin("postgres").run("CREATE ROLE pgcordon LOGIN PASSWORD 'pgcordon_pw'");
        cluster.load(database, sql);
        cluster.admin(database).run(GRANTS);
        let native = format!("{database}_native");
        let copy = format!("CREATE DATABASE {native} TEMPLATE {database}");
        cluster.admin("postgres").run(&copy);
        let policy = with_verifiers(policy, people);
        let output = export(cluster.port(), &policy, database);
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "export-sql: {notes}");
        // Twice: it may be run again.
        for _ in 0..2 {
            cluster.admin(&native).run(&script);
        }
        let proxy = Proxy::start(cluster.port(), &policy, "");
        Self { proxy, cluster, plain: database.to_owned(), native, exported: (script, notes) }
    }

    /// A connection through pgcordon.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn client(&self, user: &str) -> Client {
        self.proxy.client(user, &password(user), &self.plain)
    }

    /// A connection of the role of that name to the guarded copy.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn native(&self, user: &str) -> Client {
        self.cluster.client(user, &password(user), &self.native)
    }
}
