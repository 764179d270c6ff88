//! The real binary, serving.
//!
//! In:  the upstream's port and a policy's text.
//! Out: a [`Proxy`] that accepts connections.
//!
//! Invariants:
//! - Started as an operator starts it: a configuration file, a policy file, `pgcordon serve`.
//! - Stopped by process id on drop; its folder goes with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::OnceLock;

use postgres_protocol::password::scram_sha_256;

use crate::process::{Child, PATIENCE, free_port, poll, tied};
use crate::wire::Client;

/// A running pgcordon.
#[derive(Debug)]
pub struct Proxy {
    process: Child,
    port: u16,
    folder: Files,
}

/// A configuration and a policy on disk, removed on drop.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
}

/// What the configuration file says.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// Port to listen on.
    pub port: u16,
    /// Port of PostgreSQL.
    pub upstream_port: u16,
    /// More top-level sections, as YAML.
    pub more: &'a str,
}

/// The configuration file's text.
#[must_use]
pub fn configuration(settings: &Settings<'_>) -> String {
    let Settings { port, upstream_port, more } = settings;
    format!(
        "listen: 127.0.0.1:{port}\n\
         upstreams:\n  main: {{ host: 127.0.0.1, port: {upstream_port}, user: pgcordon, password: pgcordon_pw, sslmode: disable }}\n\
         policy: [policy.yaml]\n{more}"
    )
}

/// A SCRAM verifier for a policy file.
#[must_use]
pub fn verifier(password: &str) -> String {
    scram_sha_256(password.as_bytes())
}

impl Files {
    /// Writes both files into a new folder.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn write(configuration: &str, policy: &str) -> Self {
        let output = Command::new("mktemp").args(["-d", "-t", "pgcordon-e2e-XXXXXX"]).output();
        let output = output.expect("mktemp runs");
        let path = String::from_utf8(output.stdout).expect("a path in UTF-8");
        let folder = PathBuf::from(path.trim());
        std::fs::write(folder.join("pgcordon.yaml"), configuration)
            .expect("the folder is writable");
        std::fs::write(folder.join("policy.yaml"), policy).expect("the folder is writable");
        Self { folder }
    }

    /// The configuration's path.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("pgcordon.yaml")
    }

    /// The policy's path.
    #[must_use]
    pub fn policy(&self) -> PathBuf {
        self.folder.join("policy.yaml")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The policy with a pool mode on every database. `PGCORDON_POOL_MODE` names one for all tests.
#[must_use]
pub fn pooled(policy: &str, mode: &str) -> String {
    let lines = policy.lines().map(|line| match line.split_once("connect:") {
        Some((before, after)) if before.trim().is_empty() => {
            format!("{before}pool_mode: {mode}\n{before}connect:{after}\n")
        }
        Some((before, after)) => format!("{before}pool_mode: {mode}, connect:{after}\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

impl Proxy {
    /// Starts `pgcordon serve` and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not; its log is in the message.
    #[must_use]
    pub fn start(upstream_port: u16, policy: &str, more: &str) -> Self {
        let port = free_port();
        let settings = Settings { port, upstream_port, more };
        let mode = std::env::var("PGCORDON_POOL_MODE");
        let policy = mode.map_or_else(|_| policy.to_owned(), |mode| pooled(policy, &mode));
        Self::launch(port, &configuration(&settings), &policy)
    }

    /// As [`Proxy::start`], in transaction mode with so many upstream connections.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_pooled(upstream_port: u16, policy: &str, more: &str, pool_size: usize) -> Self {
        let keys = format!("pool_size: {pool_size}");
        Self::start_with(upstream_port, &pooled(policy, "transaction"), more, &keys)
    }

    /// As [`Proxy::start`], with more keys of the upstream, as YAML. The pool mode is the policy's.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with(upstream_port: u16, policy: &str, more: &str, upstream_keys: &str) -> Self {
        let port = free_port();
        let configuration = configuration(&Settings { port, upstream_port, more });
        let keys = format!("sslmode: disable, {upstream_keys}");
        let configuration = configuration.replace("sslmode: disable", &keys);
        Self::launch(port, &configuration, policy)
    }

    fn launch(port: u16, configuration: &str, policy: &str) -> Self {
        let folder = Files::write(configuration, policy);
        let log = File::create(folder.folder.join("log")).expect("the folder is writable");
        let mut command = tied(binary());
        command.arg("serve").arg("--config").arg(folder.configuration());
        command.stdout(log.try_clone().expect("a file handle")).stderr(log);
        let mut process = Child::start(&mut command, "TERM");
        let ready = poll(PATIENCE, || {
            let answers = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            if process.ended().is_some() { Some(false) } else { answers.then_some(true) }
        });
        assert!(ready == Some(true), "pgcordon did not start:\n{}", folder.log());
        Self { process, port, folder }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.folder.log()
    }

    /// Replaces the policy as an operator does: writes the file, sends SIGHUP.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn reload(&self, policy: &str) {
        std::fs::write(self.folder.policy(), policy).expect("the folder is writable");
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", "HUP", &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -HUP");
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.process.resident_bytes()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Asks it to stop as an operator does, and tells how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.stop()
    }

    /// A connection through it.
    ///
    /// # Panics
    /// When it is refused; the proxy's log is in the message.
    #[must_use]
    pub fn client(&self, user: &str, password: &str, database: &str) -> Client {
        Client::login(self.port, user, password, database)
            .unwrap_or_else(|error| panic!("{user} on {database}: {error:?}\n{}", self.log()))
    }
}

/// Runs a subcommand to its end.
///
/// # Panics
/// When the binary does not start.
#[must_use]
pub fn pgcordon(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("the binary starts")
}

/// The binary: `PGCORDON_BIN`, or built now for the profile and target folder that this test was built in.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("PGCORDON_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // <target>/<profile>/deps/<test>
    let profile_folder = test.ancestors().nth(2).expect("cargo puts tests into deps");
    let target = profile_folder.parent().expect("a profile's folder is in the target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace as in run.sh: another set of packages would build the dependencies again.
    cargo.args(["build", "--quiet", "--workspace", "--all-targets", "--target-dir"]).arg(target);
    if profile_folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(crate::repository()).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "`cargo build --workspace` failed; build it first or set PGCORDON_BIN"
    );
    profile_folder.join("pgcordon")
}
