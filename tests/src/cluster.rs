//! A throw-away PostgreSQL cluster on loopback.
//!
//! In:  nothing but PostgreSQL's binaries.
//! Out: a [`Cluster`], reached through [`Cluster::admin`].
//!
//! Invariants:
//! - Lives in a folder of its own; stopped by process id and removed on drop.
//! - Passwords are checked with SCRAM over TCP, as in production.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::process::{Child, PATIENCE, free_port, poll, unprivileged};
use crate::wire::Client;

/// Password of the superuser `postgres`.
const SUPERUSER_PASSWORD: &str = "postgres_pw";

/// Settings that make it fast and forgetful.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=250",
    "shared_buffers=32MB",
    "autovacuum=off",
    "log_min_messages=warning",
];

/// A running server.
#[derive(Debug)]
pub struct Cluster {
    // Order matters: the server stops before its folder goes.
    server: Child,
    port: u16,
    folder: Folder,
}

#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Cluster {
    /// Makes a cluster and waits until it answers.
    ///
    /// # Panics
    /// When PostgreSQL is missing or does not start; the server's log is in the message.
    #[must_use]
    pub fn start() -> Self {
        let binaries = binaries();
        let folder = temporary_folder();
        initialise(&binaries, &folder.0);
        // Somebody else may take the port between our look and the server's bind.
        let started = (0..5).find_map(|_| start_server(&binaries, &folder.0));
        let Some((server, port)) = started else {
            panic!("PostgreSQL did not start:\n{}", log(&folder.0));
        };
        Self { server, port, folder }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server as an operator does who wants it stopped now.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Starts it again, on the same port.
    ///
    /// # Panics
    /// When it does not start; its log is in the message.
    pub fn start_again(&mut self) {
        self.server = launch(&binaries(), &self.folder.0, self.port);
        assert!(answers(&mut self.server, self.port), "PostgreSQL did not start:\n{}", self.log());
    }

    /// The server's process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.server.id()
    }

    /// The server's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        log(&self.folder.0)
    }

    /// A connection as the superuser, straight to the server.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn admin(&self, database: &str) -> Client {
        self.client("postgres", SUPERUSER_PASSWORD, database)
    }

    /// A connection as that role, straight to the server.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn client(&self, user: &str, password: &str, database: &str) -> Client {
        Client::login(self.port, user, password, database)
            .unwrap_or_else(|error| panic!("{user} on {database}: {error:?}"))
    }

    /// Makes a database and loads SQL into it as the superuser.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn load(&self, database: &str, files: &[&str]) {
        self.admin("postgres").run(&format!("CREATE DATABASE {database} TEMPLATE template0"));
        let mut admin = self.admin(database);
        for file in files {
            admin.run(file);
        }
    }
}

fn initialise(binaries: &Path, folder: &Path) {
    let password_file = folder.join("password");
    std::fs::write(&password_file, SUPERUSER_PASSWORD).expect("the folder is writable");
    let output = unprivileged(binaries.join("initdb"))
        .arg("--pgdata")
        .arg(folder.join("data"))
        .arg("--pwfile")
        .arg(&password_file)
        .args(["--username=postgres", "--auth-host=scram-sha-256", "--auth-local=trust"])
        .args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
        .output()
        .expect("initdb runs");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
}

fn start_server(binaries: &Path, folder: &Path) -> Option<(Child, u16)> {
    let port = free_port();
    let mut server = launch(binaries, folder, port);
    answers(&mut server, port).then_some((server, port))
}

fn launch(binaries: &Path, folder: &Path, port: u16) -> Child {
    let log = File::create(folder.join("log")).expect("the folder is writable");
    let mut command = unprivileged(binaries.join("postgres"));
    command.arg("-D").arg(folder.join("data")).arg("-p").arg(port.to_string());
    command.arg("-k").arg(folder);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.stdout(log.try_clone().expect("a file handle")).stderr(log);
    Child::start(&mut command, "INT")
}

/// Whether it takes clients before it ends.
fn answers(server: &mut Child, port: u16) -> bool {
    let ready = poll(PATIENCE, || {
        if server.ended().is_some() {
            return Some(false);
        }
        let client = Client::login(port, "postgres", SUPERUSER_PASSWORD, "postgres");
        client.is_ok().then_some(true)
    });
    ready == Some(true)
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn temporary_folder() -> Folder {
    let output = unprivileged("mktemp").args(["-d", "-t", "pgcordon-e2e-XXXXXX"]).output();
    let output = output.expect("mktemp runs");
    let path = String::from_utf8(output.stdout).expect("a path in UTF-8");
    assert!(output.status.success(), "mktemp: {}", String::from_utf8_lossy(&output.stderr));
    Folder(PathBuf::from(path.trim()))
}

/// Where PostgreSQL's programs are: `PGCORDON_PG_BIN`, Debian's folders (15 first), Homebrew's, PATH.
///
/// # Panics
/// When they are nowhere.
#[must_use]
pub fn binaries() -> PathBuf {
    let mut places: Vec<PathBuf> =
        std::env::var_os("PGCORDON_PG_BIN").into_iter().map(PathBuf::from).collect();
    places.extend(
        [15, 16, 17, 18, 14, 13].map(|major| format!("/usr/lib/postgresql/{major}/bin").into()),
    );
    places.push("/opt/homebrew/opt/postgresql@15/bin".into());
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = places.into_iter().find(|place| place.join("initdb").exists());
    found.expect(
        "PostgreSQL's server is installed (Debian: postgresql), or PGCORDON_PG_BIN says where",
    )
}
