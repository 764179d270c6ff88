//! Limits of the configuration file: what one client may take from the others.
//!
//! In:  sessions that take too much, or keep too long, and their neighbours that do not.
//! Out: the error that names the limit; a session that goes on, or has ended with its connection clean.

use std::time::{Duration, Instant};

use e2e::process::{PATIENCE, poll};
use e2e::proxy::{Proxy, pooled};
use e2e::script::converse;
use e2e::stage::{PLAIN, Stage, databases, password, policy};
use e2e::wire::{bind, frame};
use e2e::{Client, ServerError};

fn stage(limits: &str, mode: &str) -> Stage {
    let cluster = databases();
    let more = format!("limits: {{ {limits} }}\n");
    let policy = pooled(&policy(), mode);
    let proxy = Proxy::start_with(cluster.port(), &policy, &more, "pool_size: 1");
    Stage { proxy, cluster }
}

/// SQLSTATE and hint: where a limit has its name.
fn told(error: &ServerError) -> (&str, &str) {
    (error.sqlstate(), error.fields.get(&'H').map_or("", String::as_str))
}

fn login(stage: &Stage, user: &str) -> Result<Client, ServerError> {
    Client::login(stage.proxy.port(), user, &password(user), PLAIN)
}

fn refused(stage: &Stage, user: &str, limit: &str) {
    let error = login(stage, user).expect_err("one too many");
    let (sqlstate, hint) = told(&error);
    assert!(sqlstate == "53300" && hint.contains(limit), "{sqlstate} {hint}");
}

/// What the server says without being asked, and that it closes the connection then.
fn ended(client: &mut Client) -> String {
    let messages = client.until_ready();
    let [error] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(error.kind, b'E');
    let text = String::from_utf8_lossy(&error.body);
    let code = text.split('\0').find_map(|field| field.strip_prefix('C'));
    code.expect("a SQLSTATE").to_owned()
}

const REGION: &str = "SELECT DISTINCT region FROM customers";

#[test]
fn connections_of_one_user() {
    let stage = stage("max_connections_per_user: 2", "transaction");
    let _first = login(&stage, "rita").expect("one");
    let second = login(&stage, "rita").expect("two");
    refused(&stage, "rita", "max_connections_per_user");
    // With a wrong password nobody learns how many there are.
    let wrong = Client::login(stage.proxy.port(), "rita", "nonsense", PLAIN).expect_err("wrong");
    assert_eq!(wrong.sqlstate(), "28P01");
    assert_eq!(login(&stage, "ralf").expect("somebody else").run(REGION).table(), "South");
    drop(second);
    let again = poll(PATIENCE, || login(&stage, "rita").ok());
    assert!(again.is_some(), "one has left");
}

#[test]
fn connections_of_one_address() {
    let stage = stage("max_connections_per_address: 2", "session");
    let mut rita = poll(PATIENCE, || login(&stage, "rita").ok()).expect("one");
    // Counted as soon as it is there, before it says who it is.
    let silent = Client::open(stage.proxy.port());
    let full = poll(PATIENCE, || login(&stage, "ralf").err());
    assert_eq!(
        told(&full.expect("one too many")),
        ("53300", "The limit is max_connections_per_address.")
    );
    // A cancel request is none too many.
    rita.send(
        b'Q',
        b"SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 1000) b\0",
    );
    let mut admin = stage.cluster.admin(PLAIN);
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%100000000%' AND usename = 'pgcordon'";
    assert!(poll(PATIENCE, || (admin.run(running).table() == "1").then_some(())).is_some());
    Client::cancel(stage.proxy.port(), &rita.key);
    assert!(rita.until_ready().iter().any(|message| message.kind == b'E'));
    // Many too many are not even read from.
    let mut crowd: Vec<Client> = (0..12).map(|_| Client::open(stage.proxy.port())).collect();
    let last = crowd.last_mut().expect("some");
    assert_eq!(ended(last), "53300");
    drop((silent, crowd));
    assert_eq!(rita.run(REGION).table(), "North");
}

#[test]
fn prepared_statements_of_one_session() {
    for mode in ["session", "transaction"] {
        let stage = stage("max_prepared_statements: 2", mode);
        let mut rita = login(&stage, "rita").expect("a session");
        let say = |client: &mut Client, script: &str| converse(client, script);
        assert_eq!(say(&mut rita, "parse a: SELECT 1\nparse b: SELECT 2\nsync"), "1\n1\nZ I");
        assert_eq!(say(&mut rita, "parse c: SELECT 3\nsync"), "E 54000\nZ I");
        let error = rita.simple("PREPARE d AS SELECT 4").error.expect("one too many");
        assert_eq!(told(&error), ("54000", "The limit is max_prepared_statements."));
        // The unnamed one is always free, and another takes the place of one that goes.
        assert_eq!(rita.extended("SELECT 5", &[]).table(), "5");
        assert_eq!(say(&mut rita, "close statement a\nparse c: SELECT 3\nsync"), "3\n1\nZ I");
    }
}

#[test]
fn messages_and_statements_too_long() {
    let stage = stage("max_statement_bytes: 2000, max_message_bytes: 65536", "session");
    let mut rita = login(&stage, "rita").expect("a session");
    let padded = |bytes: usize| format!("{REGION} -- {}", "x".repeat(bytes - REGION.len() - 4));
    assert_eq!(rita.simple(&padded(2000)).table(), "North");
    let error = rita.simple(&padded(2001)).error.expect("too long");
    assert_eq!(told(&error), ("54000", "The limit is max_statement_bytes."));
    assert_eq!(converse(&mut rita, "parse v: SELECT $1::text\nsync"), "1\nZ I");
    for (bytes, expected) in [(60_000, ""), (70_000, "54000")] {
        let value = "x".repeat(bytes);
        let mut message = frame(b'B', &bind("", "v", &[Some(&value)]));
        message.extend(frame(b'S', b""));
        rita.send_bytes(&message).expect("sent");
        let messages = rita.until_ready();
        let error = messages.iter().find(|message| message.kind == b'E');
        let text = error.map(|error| String::from_utf8_lossy(&error.body).into_owned());
        let text = text.unwrap_or_default();
        assert!(text.contains(expected), "{bytes}: {text}");
        assert_eq!(expected.is_empty(), error.is_none());
        assert!(expected.is_empty() || text.contains("max_message_bytes"), "{text}");
    }
}

#[test]
fn idle_in_a_transaction() {
    for mode in ["session", "transaction"] {
        let stage = stage("idle_in_transaction_timeout: 400ms, queue_timeout: 20s", mode);
        let mut admin = stage.cluster.admin(PLAIN);
        let mut rita = login(&stage, "rita").expect("a session");
        // Silence outside of a transaction is nobody's business, nor is a statement that takes its time.
        let before = Instant::now();
        let busy = "SELECT count(*) FROM generate_series(1, 3000000)";
        while before.elapsed() < Duration::from_millis(900) {
            assert_eq!(rita.run(&format!("BEGIN; {busy}; COMMIT")).table(), "3000000");
        }
        rita.run("BEGIN");
        rita.run("UPDATE customers SET credit = 4711 WHERE id = 1");
        assert_eq!(ended(&mut rita), "25P03", "{mode}");
        // Undone, and the only connection is clean for the next person.
        let mut ralf = login(&stage, "ralf").expect("a session");
        assert_eq!(ralf.run(REGION).table(), "South");
        assert_eq!(admin.run("SELECT count(*) FROM customers WHERE credit = 4711").table(), "0");
        let kept = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgcordon'";
        assert_eq!(admin.run(kept).table(), "1", "{mode}: given back, not closed");
    }
}

#[test]
fn idle_within_a_batch_or_a_failed_transaction() {
    let stage = stage("idle_in_transaction_timeout: 300ms, queue_timeout: 20s", "transaction");
    let mut rita = login(&stage, "rita").expect("a session");
    // A batch without its end holds a connection as well.
    let mut message =
        frame(b'P', &e2e::wire::parse("", "UPDATE customers SET credit = 4711 WHERE id = 1"));
    message.extend(frame(b'B', &bind("", "", &[])));
    message.extend(frame(b'E', &e2e::wire::execute("", 0)));
    message.extend(frame(b'H', b""));
    rita.send_bytes(&message).expect("sent");
    for kind in [b'1', b'2', b'C'] {
        assert_eq!(rita.receive().map(|message| message.kind), Some(kind));
    }
    assert_eq!(ended(&mut rita), "25P03");
    let mut ralf = login(&stage, "ralf").expect("a session");
    assert_eq!(ralf.simple("BEGIN; SELECT 1/0").sqlstate(), "22012");
    assert_eq!(ended(&mut ralf), "25P03");
    let mut admin = stage.cluster.admin(PLAIN);
    assert_eq!(admin.run("SELECT count(*) FROM customers WHERE credit = 4711").table(), "0");
}

#[test]
fn idle_sessions() {
    for mode in ["session", "transaction"] {
        let stage = stage("idle_session_timeout: 400ms, queue_timeout: 20s", mode);
        let mut rita = login(&stage, "rita").expect("a session");
        // Whoever says something in time stays.
        let before = Instant::now();
        while before.elapsed() < Duration::from_millis(900) {
            assert_eq!(rita.run(REGION).table(), "North");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        // In a transaction another limit counts, which is not set.
        rita.run("BEGIN");
        std::thread::park_timeout(Duration::from_millis(900));
        assert_eq!(rita.run(REGION).table(), "North");
        rita.run("COMMIT");
        assert_eq!(ended(&mut rita), "57P05", "{mode}");
        assert_eq!(login(&stage, "ralf").expect("a session").run(REGION).table(), "South");
    }
}
