//! A throw-away PostgreSQL server.
//!
//! In:  the folder of its programs.
//! Out: a [`Cluster`] on a free loopback port, with the demo's data in the database `shop`.
//!
//! Invariants:
//! - Listens on the loopback interface only, with passwords that were made for this run.
//! - Dropping it stops the server by its process id, waits for it, and removes the folder.

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::account::Account;
use crate::failure::Failure;

/// How long the server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a server that starts or stops.
const LOOK: Duration = Duration::from_millis(50);
/// The role that the proxy connects as.
const UPSTREAM_ROLE: &str = "pgcordon";
/// The data set.
const SHOP: &str = include_str!("../../../../config/demo/shop.sql");

/// A running server.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) port: u16,
    /// Of the role `pgcordon`.
    pub(super) upstream_password: String,
    superuser_password: String,
    server: Server,
    // After the server: it must be gone before its folder goes.
    folder: TempDir,
}

/// The server's process.
#[derive(Debug)]
struct Server(Child);

impl Cluster {
    /// Makes and starts a server; what was begun is undone when this fails.
    pub(super) async fn start(programs: &Path) -> Result<Self, Failure> {
        let account = Account::choose()?;
        let folder = tempfile::Builder::new()
            .prefix("pgcordon-demo-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(Failure::io("making a temporary folder"))?;
        account.own(folder.path())?;
        let superuser_password = new_password();
        initialise(programs, account, folder.path(), &superuser_password)?;
        let port = free_port()?;
        let server = launch(programs, account, folder.path(), port)?;
        let upstream_password = new_password();
        let mut cluster = Self { port, upstream_password, superuser_password, server, folder };
        cluster.await_start().await?;
        cluster.load().await?;
        Ok(cluster)
    }

    /// The folder that goes with the server.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A superuser's connection past the proxy: the truth that the tour compares with.
    pub(super) async fn superuser(&self, database: &str) -> Result<Client, Failure> {
        let account = ("postgres", self.superuser_password.as_str());
        connect(self.port, account, database).await
    }

    async fn await_start(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.server.0.try_wait().map_err(Failure::io("waiting for the server"))?;
            let Err(failure) = self.superuser("postgres").await else { return Ok(()) };
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder().join("server.log"));
                let log = log.unwrap_or_default();
                return Err(Failure::Told(format!("the server did not start: {failure}\n{log}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn load(&self) -> Result<(), Failure> {
        let postgres = self.superuser("postgres").await?;
        let role = format!(
            "CREATE ROLE {UPSTREAM_ROLE} LOGIN NOSUPERUSER PASSWORD '{}'",
            self.upstream_password
        );
        for statement in [role.as_str(), "CREATE DATABASE shop"] {
            postgres
                .batch_execute(statement)
                .await
                .map_err(Failure::client("preparing the data"))?;
        }
        let shop = self.superuser("shop").await?;
        shop.batch_execute(SHOP).await.map_err(Failure::client("loading the data"))
    }
}

/// A plain connection to the loopback interface.
pub(super) async fn connect(
    port: u16,
    (user, password): (&str, &str),
    database: &str,
) -> Result<Client, Failure> {
    let connecting = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(port)
        .user(user)
        .password(password)
        .dbname(database)
        .connect_timeout(PATIENCE)
        .connect(NoTls)
        .await;
    let (client, connection) =
        connecting.map_err(Failure::client(format!("connecting to port {port} as {user}")))?;
    // Ends with its client.
    tokio::spawn(connection);
    Ok(client)
}

fn initialise(
    programs: &Path,
    account: Account,
    folder: &Path,
    password: &str,
) -> Result<(), Failure> {
    let password_file = folder.join("superuser_password");
    write_secret(&password_file, password)?;
    account.own(&password_file)?;
    let mut command = account.command(&programs.join("initdb"));
    command
        .current_dir(folder)
        .arg("--pgdata")
        .arg(folder.join("data"))
        .arg("--pwfile")
        .arg(&password_file)
        .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"])
        .args(["--locale=C", "--no-sync"])
        .stdin(Stdio::null());
    let output = command.output().map_err(Failure::io("running initdb"))?;
    std::fs::remove_file(&password_file).map_err(Failure::io("removing a password file"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::Told(format!("initdb failed ({}): {said}", output.status)))
}

fn launch(programs: &Path, account: Account, folder: &Path, port: u16) -> Result<Server, Failure> {
    let log = File::create(folder.join("server.log")).map_err(Failure::io("making a log file"))?;
    let errors = log.try_clone().map_err(Failure::io("making a log file"))?;
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", folder.display()),
        "max_connections=150".to_owned(),
        // Nobody will miss this data.
        "fsync=off".to_owned(),
        "full_page_writes=off".to_owned(),
        "synchronous_commit=off".to_owned(),
    ];
    let mut command = account.command(&programs.join("postgres"));
    command.current_dir(folder).arg("-D").arg(folder.join("data"));
    for setting in &settings {
        command.args(["-c", setting]);
    }
    // A group of its own: Ctrl-C is for us, and we stop the server when we have left it.
    command.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map(Server).map_err(Failure::io("starting the server"))
}

impl Server {
    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Gone already is as good.
            let _ = kill_process(pid, signal);
        }
    }

    fn ended(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: a fast shutdown; SIGQUIT: an immediate one. Both remove the shared memory, SIGKILL does not.
        for signal in [Signal::INT, Signal::QUIT] {
            self.send(signal);
            if self.ended(PATIENCE) {
                return;
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a file that only its owner can read.
pub(super) fn write_secret(path: &PathBuf, text: &str) -> Result<(), Failure> {
    let doing = format!("writing `{}`", path.display());
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Failure::io(doing.clone()))?;
    file.write_all(text.as_bytes()).map_err(Failure::io(doing))
}

fn new_password() -> String {
    let random: [u8; 16] = rand::random();
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A port that nobody listens on just now.
pub(super) fn free_port() -> Result<u16, Failure> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("finding a port"))?;
    Ok(listener.local_addr().map_err(Failure::io("finding a port"))?.port())
}
