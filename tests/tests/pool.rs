//! The pool of upstream connections: who waits for whom, what is closed, what happens while PostgreSQL is away.
//!
//! In:  real sessions; backends that are killed, a server that is stopped and started.
//! Out: answers, errors, and what PostgreSQL knows of the proxy's connections. The order of those who wait and the
//!      number of those who dial are tested beside the code (`proxy::pool`).

use std::thread;
use std::time::{Duration, Instant};

use e2e::Client;
use e2e::process::{PATIENCE, poll};
use e2e::proxy::{Proxy, pooled};
use e2e::stage::{PLAIN, Stage, databases, policy};

fn stage(queue_timeout: &str, upstream_keys: &str) -> Stage {
    let cluster = databases();
    let more = format!("limits: {{ queue_timeout: {queue_timeout} }}\n");
    let policy = pooled(&policy(), "transaction");
    let proxy = Proxy::start_with(cluster.port(), &policy, &more, upstream_keys);
    Stage { proxy, cluster }
}

/// The one row of a query, or its error.
fn ask(client: &mut Client, sql: &str) -> String {
    let answer = client.simple(sql);
    if answer.error.is_some() {
        return answer.sqlstate().to_owned();
    }
    answer.table().trim().to_owned()
}

const REGION: &str = "SELECT DISTINCT region FROM customers";

/// Backends of the pool, not those that read the catalog.
const BACKENDS: &str =
    "FROM pg_stat_activity WHERE application_name = 'pgcordon' AND pid <> pg_backend_pid()";

fn until(client: &mut Client, sql: &str, expected: &str) {
    let seen = poll(PATIENCE, || (ask(client, sql) == expected).then_some(()));
    assert!(seen.is_some(), "{sql}: {}", ask(client, sql));
}

#[test]
fn a_user_at_their_limit_waits_for_themselves_only() {
    let keys = "pool_size: 4, user_pool_size: 2, user_pool_sizes: { rita: 1 }";
    let stage = stage("2s", keys);
    let (mut rita, mut second) = (stage.client("rita"), stage.client("rita"));
    let (mut ralf, mut other) = (stage.client("ralf"), stage.client("ralf"));
    assert_eq!(ask(&mut rita, "BEGIN; SELECT 1"), "1");
    let waiting = thread::spawn(move || {
        let answer = second.simple(REGION);
        (answer.sqlstate().to_owned(), answer.error)
    });
    // While she waits for herself, others have what is theirs.
    for client in [&mut ralf, &mut other] {
        assert_eq!(ask(client, "BEGIN"), "");
        assert_eq!(ask(client, REGION), "South");
    }
    let (sqlstate, error) = waiting.join().expect("no panic");
    assert_eq!(sqlstate, "53300");
    let hint = error.and_then(|error| error.fields.get(&'H').cloned()).unwrap_or_default();
    assert!(hint.contains("user_pool_size"), "{hint}");
    // One of hers that comes free in time is hers.
    let mut third = stage.client("rita");
    let waiting = thread::spawn(move || ask(&mut third, REGION));
    assert_eq!(ask(&mut rita, "COMMIT"), "");
    assert_eq!(waiting.join().expect("no panic"), "North");
}

#[test]
fn a_database_has_its_own_size() {
    let stage = stage("1s", "pool_size: 4, pool_sizes: { shop: 1 }");
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    assert_eq!(ask(&mut rita, "BEGIN; SELECT 1"), "1");
    let answer = ralf.simple(REGION);
    let hint = answer.error.as_ref().and_then(|error| error.fields.get(&'H').cloned());
    assert_eq!(answer.sqlstate(), "53300");
    assert!(hint.is_some_and(|hint| hint.contains("pool_size") && !hint.contains("user_")));
}

#[test]
fn idle_connections_are_closed_while_nobody_asks() {
    let stage = stage("5s", "idle_timeout: 200ms");
    let mut admin = stage.cluster.admin(PLAIN);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    assert_eq!(ask(&mut rita, "BEGIN; SELECT 1"), "1");
    assert_eq!(ask(&mut ralf, REGION), "South");
    // The one in use stays, however long it is silent.
    until(&mut admin, &format!("SELECT count(*), min(state) {BACKENDS}"), "1|idle in transaction");
    assert_eq!(ask(&mut rita, "COMMIT"), "");
    until(&mut admin, &format!("SELECT count(*) {BACKENDS}"), "0");
    assert_eq!(ask(&mut rita, REGION), "North");
}

#[test]
fn old_connections_are_closed_once_nobody_uses_them() {
    let stage = stage("5s", "max_age: 300ms");
    let mut admin = stage.cluster.admin(PLAIN);
    let (mut rita, mut ralf) = (stage.client("rita"), stage.client("ralf"));
    assert_eq!(ask(&mut ralf, "BEGIN; SELECT 1"), "1");
    let old = ask(&mut admin, &format!("SELECT pid {BACKENDS} AND state LIKE 'idle in%'"));
    // Used all the time, and replaced all the same.
    let gone = format!("SELECT count(*) {BACKENDS} AND pid = {old}");
    assert_eq!(ask(&mut admin, &gone), "1");
    assert_eq!(ask(&mut ralf, REGION), "South");
    assert_eq!(ask(&mut ralf, "COMMIT"), "");
    let replaced = poll(PATIENCE, || {
        assert_eq!(ask(&mut rita, REGION), "North");
        (ask(&mut admin, &gone) == "0").then_some(())
    });
    assert!(replaced.is_some(), "{}", stage.proxy.log());
}

#[test]
fn a_killed_backend_is_replaced() {
    let stage = stage("5s", "pool_size: 2");
    let mut admin = stage.cluster.admin(PLAIN);
    let mut rita = stage.client("rita");
    for _ in 0..3 {
        assert_eq!(ask(&mut rita, REGION), "North");
        admin.run(&format!("SELECT pg_terminate_backend(pid) {BACKENDS}"));
        until(&mut admin, &format!("SELECT count(*) {BACKENDS}"), "0");
    }
    assert_eq!(ask(&mut rita, REGION), "North");
    // In a transaction the client hears of it: what it did is undone.
    assert_eq!(ask(&mut rita, "BEGIN; SELECT 1"), "1");
    admin.run(&format!("SELECT pg_terminate_backend(pid) {BACKENDS}"));
    assert_eq!(ask(&mut rita, REGION), "57P01");
}

#[test]
fn clients_wait_out_a_restart() {
    let mut stage = stage("30s", "pool_size: 3");
    let mut clients: Vec<Client> = (0..8).map(|_| stage.client("rita")).collect();
    for client in &mut clients {
        assert_eq!(ask(client, REGION), "North");
    }
    stage.cluster.stop();
    let waiting: Vec<_> = clients
        .into_iter()
        .map(|mut client| thread::spawn(move || ask(&mut client, REGION)))
        .collect();
    let lost = poll(PATIENCE, || stage.proxy.log().contains("upstream lost").then_some(()));
    assert!(lost.is_some(), "{}", stage.proxy.log());
    assert!(waiting.iter().all(|client| !client.is_finished()), "nobody is turned away");
    stage.cluster.start_again();
    for client in waiting {
        assert_eq!(client.join().expect("no panic"), "North");
    }
    assert!(stage.proxy.log().contains("upstream is back"));
}

#[test]
fn a_database_that_stays_away_is_told_of_at_once() {
    let mut stage = stage("3s", "pool_size: 3");
    let (mut first, mut second) = (stage.client("rita"), stage.client("rita"));
    let mut third = stage.client("ralf");
    assert_eq!(ask(&mut first, REGION), "North");
    stage.cluster.stop();
    let before = Instant::now();
    assert_eq!(ask(&mut first, REGION), "08006");
    assert!(before.elapsed() >= Duration::from_secs(3), "it could have come back");
    let before = Instant::now();
    assert_eq!(ask(&mut second, REGION), "08006");
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    stage.cluster.start_again();
    let back = poll(PATIENCE, || stage.proxy.log().contains("upstream is back").then_some(()));
    assert!(back.is_some(), "{}", stage.proxy.log());
    assert_eq!(ask(&mut third, REGION), "South");
}
