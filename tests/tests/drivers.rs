//! Programs over real drivers and ORMs: through pgcordon each gives what native row security gives.
//!
//! In:  the programs in `tests/clients`, which print `name: answer` lines; `tests/cases/clients`.
//! Out: the same lines in session mode, in transaction mode and from the guarded twin; nothing of what is denied.
//!
//! Invariants:
//! - A line that begins with `~` may differ: pgcordon lists what the person may use, PostgreSQL everything.
//! - A program whose driver is missing is left out with a word; in CI, where run.sh installs them all, that is a failure.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use e2e::proxy::Proxy;
use e2e::stage::{NATIVE, PLAIN, databases, password, policy};
use e2e::{Cluster, repository, test_file};

/// Both databases with the table of all types, and pgcordon in front of the plain one in both pool modes.
struct Stage {
    session: Proxy,
    transaction: Proxy,
    cluster: Cluster,
}

/// A way to a database, as the programs take it.
struct Door<'a> {
    port: u16,
    database: &'a str,
    user: &'a str,
}

/// Rows that nobody but the manager may see, and a table that nobody may know of.
const HIDDEN: [&str; 3] = ["payroll", "Sara", "Edda"];

fn stage() -> Stage {
    let cluster = databases();
    let schema = test_file("cases/clients/schema.sql");
    for (database, rights) in [(PLAIN, "grants"), (NATIVE, "native")] {
        let mut admin = cluster.admin(database);
        admin.run(&schema);
        admin.run(&test_file(&format!("cases/clients/{rights}.sql")));
    }
    let policy = policy() + &test_file("cases/clients/policy.yaml");
    let session = Proxy::start(cluster.port(), &policy, "");
    let transaction = Proxy::start_pooled(cluster.port(), &policy, "", 5);
    Stage { session, transaction, cluster }
}

impl Door<'_> {
    fn url(&self) -> String {
        let Door { port, database, user } = self;
        format!("postgresql://{user}:{}@127.0.0.1:{port}/{database}", password(user))
    }

    fn region(&self) -> &'static str {
        match self.user {
            "rita" => "North",
            "ralf" => "South",
            _ => "East",
        }
    }
}

fn clients() -> PathBuf {
    repository().join("tests/clients")
}

/// Whether a driver is there. In CI it must be.
fn present(what: &str, probe: &mut Command) -> bool {
    let found = probe.output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "{what} is missing: {probe:?}");
    if !found {
        // To where a passing test is read, too.
        let word = format!("LEFT OUT: {what} is missing; tests/run.sh installs it\n");
        std::io::stderr().write_all(word.as_bytes()).expect("standard error is open");
    }
    found
}

fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}\n{text}");
    text.lines().map(str::to_owned).collect()
}

/// Runs a program as both people, and compares.
fn check(stage: &Stage, program: impl Fn(&Door<'_>) -> Command) {
    check_as(&["rita", "max"], stage, program);
}

fn check_as(users: &[&str], stage: &Stage, program: impl Fn(&Door<'_>) -> Command) {
    let mut problems = Vec::new();
    for &user in users {
        let run = |port, database| lines(&mut program(&Door { port, database, user }));
        let native = run(stage.cluster.port(), NATIVE);
        assert!(native.len() > 10, "{native:?}");
        for (mode, proxy) in [("session", &stage.session), ("transaction", &stage.transaction)] {
            let through = run(proxy.port(), PLAIN);
            let names = |lines: &[String]| {
                lines.iter().map(|line| name(line).to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(names(&through), names(&native), "{user}, {mode}: other steps");
            for (ours, theirs) in through.iter().zip(&native) {
                if !ours.starts_with('~') && ours != theirs {
                    problems.push(format!("{user}, {mode}:\n  {ours}\n  natively {theirs}"));
                }
                let answer = &ours[name(ours).len()..];
                if user != "max" && HIDDEN.iter().any(|word| answer.contains(word)) {
                    problems.push(format!("{user}, {mode}, hidden: {ours}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), stage.session.log());
}

/// The step's name.
fn name(line: &str) -> &str {
    line.split_once(": ").map_or(line, |(name, _)| name)
}

fn python(script: &str, door: &Door<'_>, more: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(clients().join(script)).args([&door.url(), door.region()]).args(more);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
    command
}

fn has_python(module: &str) -> bool {
    present(module, Command::new("python3").args(["-c", &format!("import {module}")]))
}

/// Node with the packages that run.sh has installed.
fn node(arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    let installed = repository().join("target/node/node_modules");
    let packages = std::env::var_os("NODE_PATH").unwrap_or_else(|| installed.into_os_string());
    command.env("NODE_PATH", packages).env("NODE_NO_WARNINGS", "1").args(arguments);
    command
}

#[test]
fn psycopg2() {
    if has_python("psycopg2") {
        check(&stage(), |door| python("psycopg2_session.py", door, &[]));
    }
}

#[test]
fn psycopg3() {
    if has_python("psycopg_pool") {
        check(&stage(), |door| python("psycopg3_session.py", door, &[]));
    }
}

#[test]
fn asyncpg() {
    if has_python("asyncpg") {
        check(&stage(), |door| python("asyncpg_session.py", door, &[]));
    }
}

#[test]
fn sqlalchemy() {
    if has_python("sqlalchemy") && has_python("asyncpg") {
        let stage = stage();
        for driver in ["psycopg", "asyncpg"] {
            // Long programs run as the restricted person only.
            check_as(&["rita"], &stage, |door| python("sqlalchemy_orm.py", door, &[driver]));
        }
    }
}

#[test]
fn django() {
    if has_python("django") {
        check(&stage(), |door| python("django_orm.py", door, &["binding"]));
    }
}

#[test]
fn node_postgres() {
    if present("node-postgres", &mut node(&["-e", "require('pg-cursor'); require('postgres')"])) {
        check(&stage(), |door| {
            let script = clients().join("node_postgres.js");
            let mut command = node(&[]);
            command.arg(script).args([&door.url(), door.region()]);
            command
        });
    }
}

#[test]
fn node_orms() {
    if present("Sequelize, TypeORM …", &mut node(&["-e", "require('typeorm'); require('knex')"]))
    {
        check(&stage(), |door| {
            let mut command = node(&[]);
            command.arg(clients().join("node_orms.js")).args([&door.url(), door.region()]);
            command
        });
    }
}

#[test]
fn jdbc() {
    let jar = "/usr/share/java/postgresql.jar";
    let driver = present("the JDBC driver", Command::new("test").args(["-e", jar]));
    if driver && present("a Java compiler", Command::new("javac").arg("-version")) {
        check_as(&["rita"], &stage(), |door| {
            let mut command = Command::new("java");
            command.args(["-cp", jar]).arg(clients().join("JdbcSession.java"));
            let place = format!("127.0.0.1:{}/{}", door.port, door.database);
            command.args([&place, door.user, &password(door.user), door.region()]);
            command
        });
    }
}

#[test]
fn psql() {
    check(&stage(), |door| {
        let mut command = Command::new(e2e::cluster::binaries().join("psql"));
        command.arg("-X").arg("-f").arg(clients().join("psql_session.sql")).arg(door.url());
        command
    });
}

/// Without pgcordon a program shows other people's rows: the comparison can fail.
#[test]
fn the_unprotected_path_shows_what_is_hidden() {
    let stage = stage();
    let open = Door { port: stage.cluster.port(), database: PLAIN, user: "pgcordon" };
    let mut command = Command::new(e2e::cluster::binaries().join("psql"));
    command.arg("-X").arg("-f").arg(clients().join("psql_session.sql")).arg(open.url());
    let shown = lines(&mut command).join("\n");
    assert!(HIDDEN.iter().skip(1).all(|word| shown.contains(word)), "{shown}");
}
