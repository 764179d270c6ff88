//! The README's examples of acting for others, run as they stand there.
//!
//! In:  SQLAlchemy, Django, node-postgres, as `tests/run.sh` installs them; in CI they must be there.
//! Out: each person's own region; nobody's for nobody.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use e2e::proxy::{Proxy, verifier};
use e2e::stage::{PLAIN, Stage, databases, password, policy};
use e2e::test_file;

fn stage() -> Stage {
    let cluster = databases();
    let app = format!(
        "users:\n  app: {{ password: \"{}\", roles: [viewer], may_act_as: {{ roles: [sales_rep] }} }}\n",
        verifier(&password("app"))
    );
    let policy = policy().replacen("users:\n", &app, 1);
    let proxy = Proxy::start_pooled(cluster.port(), &policy, "limits: { queue_timeout: 20s }\n", 1);
    Stage { proxy, cluster }
}

/// Whether the program finds its libraries. Without them the example is left out, but in CI.
fn is_there(command: &mut Command, what: &str) -> bool {
    let found = command.output().is_ok_and(|output| output.status.success());
    let required = std::env::var_os("CI").is_some();
    assert!(found || !required, "{what} is not installed");
    if !found {
        let said = format!("LEFT OUT: {what} is not installed (tests/run.sh does it)\n");
        std::io::stderr().write_all(said.as_bytes()).expect("stderr takes a line");
    }
    found
}

/// The part of a program that the README shows stands there word for word.
fn is_shown(file: &str, comment: &str) {
    let program = test_file(&format!("clients/{file}"));
    let (begin, end) = (format!("{comment} README: begin\n"), format!("{comment} README: end"));
    let (_, rest) = program.split_once(&begin).expect("a beginning");
    let (shown, _) = rest.split_once(&end).expect("an end");
    let readme = test_file("../README.md");
    assert!(readme.contains(shown.trim_end()), "README.md shows another {file}");
}

fn check(command: &mut Command, file: &str, scheme: &str) {
    let stage = stage();
    let script = e2e::repository().join("tests/clients").join(file);
    let url =
        format!("{scheme}://app:{}@127.0.0.1:{}/{PLAIN}", password("app"), stage.proxy.port());
    let output = command.arg(script).args([&url, "rita", "ralf"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.trim(),
        "ralf: South\nrita: North\nnobody: 42501",
        "{problem}\n{}",
        stage.proxy.log()
    );
}

#[test]
fn sqlalchemy() {
    is_shown("acting_sqlalchemy.py", "#");
    if is_there(Command::new("python3").args(["-c", "import sqlalchemy, psycopg"]), "SQLAlchemy") {
        check(&mut Command::new("python3"), "acting_sqlalchemy.py", "postgresql+psycopg");
    }
}

#[test]
fn django() {
    is_shown("acting_django.py", "#");
    if is_there(Command::new("python3").args(["-c", "import django, psycopg"]), "Django") {
        check(&mut Command::new("python3"), "acting_django.py", "postgresql");
    }
}

#[test]
fn node_postgres() {
    is_shown("acting_node.js", "//");
    let node = || {
        let mut node = Command::new("node");
        let modules = std::env::var_os("NODE_PATH")
            .map_or_else(|| e2e::repository().join("target/node/node_modules"), PathBuf::from);
        node.env("NODE_PATH", modules);
        node
    };
    if is_there(node().args(["-e", "require('pg')"]), "node-postgres") {
        check(&mut node(), "acting_node.js", "postgresql");
    }
}
