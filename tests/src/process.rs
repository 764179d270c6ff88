//! Child processes that never outlive their test.
//!
//! In:  a program, and the user it must run as.
//! Out: a [`Child`] that is stopped by its process id on drop.
//!
//! Invariants:
//! - The kernel stops the child when the thread that started it ends, where `setpriv` exists; drop does it everywhere.

use std::ffi::OsStr;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take to start or to stop.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running process, stopped on drop.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    signal: &'static str,
}

/// A command that runs as the user `postgres` when we are root, as ourselves otherwise.
#[must_use]
pub fn unprivileged(program: impl AsRef<OsStr>) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
        command.args(["--pdeathsig=INT", "--"]).arg(program);
        command
    } else {
        tied(program)
    }
}

/// A command that ends with the thread that runs it, where the system has a way to say so.
#[must_use]
pub fn tied(program: impl AsRef<OsStr>) -> Command {
    if Command::new("setpriv").arg("--version").output().is_err() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig=INT", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("`id` is part of every system");
    output.stdout.trim_ascii() == b"0"
}

impl Child {
    /// Starts the command; `signal` is the name of the one that stops it, as `kill` knows it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(command: &mut Command, signal: &'static str) -> Self {
        let process = command.stdin(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { process, signal }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("the child is ours")
    }

    /// Sends its signal and waits for the end; kills it after [`PATIENCE`].
    ///
    /// # Panics
    /// When the system cannot tell how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        let id = self.id().to_string();
        let _ = Command::new("kill").args(["-s", self.signal, &id]).status();
        if let Some(status) = poll(PATIENCE, || self.ended()) {
            return status;
        }
        let _ = self.process.kill();
        self.process.wait().expect("the child is ours")
    }

    /// Resident memory in bytes, from /proc.
    ///
    /// # Panics
    /// Where there is no /proc, or the process is gone.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(path).expect("the process runs, on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kibibytes.and_then(|number| number.parse::<u64>().ok()).expect("VmRSS in kB") * 1024
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks until there is an answer or the time is up.
pub fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A loopback port that nothing listens on at this moment.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
    listener.local_addr().expect("a bound socket has an address").port()
}
