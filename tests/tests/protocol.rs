//! The protocol through pgcordon, byte for byte what PostgreSQL would say.
//!
//! In:  a script of frames, sent in one write (`e2e::script`).
//! Out: the transcript. The oracle is the native twin: it must say the same to the same person.

use e2e::script::converse;
use e2e::stage::{PLAIN, Stage, password};
use e2e::{Answer, Client};

/// Both servers must say the same, and it must hold `expected`.
fn check(stage: &Stage, script: &str, expected: &[&str]) {
    let through = converse(&mut stage.client("rita"), script);
    let native = converse(&mut stage.native("rita"), script);
    assert_eq!(through, native, "{script}");
    for line in expected {
        assert!(through.lines().any(|said| said == *line), "`{line}` is missing:\n{through}");
    }
}

#[test]
fn named_statements_portals_and_pipelining() {
    let stage = Stage::new();
    check(
        &stage,
        "parse s1: SELECT id, name FROM customers WHERE region = $1 ORDER BY id
         describe statement s1
         bind p1 s1 (North)
         describe portal p1
         execute p1
         bind p2 s1 (South)
         execute p2
         sync
         bind - s1 (North)
         execute -
         close statement s1
         sync
         bind - s1 (North)
         sync",
        &["T id name", "D 1 Nora", "C SELECT 3", "C SELECT 0", "t 1", "3", "E 26000"],
    );
}

#[test]
fn row_limits_suspend_a_portal() {
    let stage = Stage::new();
    check(
        &stage,
        "parse -: SELECT id FROM customers ORDER BY id
         bind c -
         execute c 2
         execute c 2
         sync",
        &["D 1", "D 2", "s", "D 3", "C SELECT 1"],
    );
    check(
        &stage,
        "parse -: UPDATE customers SET credit = credit + 0
         bind - -
         execute - 1
         sync",
        &["C UPDATE 3"],
    );
}

#[test]
fn describe_shows_no_column_of_ours() {
    let stage = Stage::new();
    let insert = "INSERT INTO orders (id, region, customer_id) VALUES ($1, 'North', 1)";
    check(
        &stage,
        &format!(
            "parse i: {insert}
             describe statement i
             bind p i (70)
             describe portal p
             execute p
             sync"
        ),
        &["n", "t 1", "C INSERT 0 1"],
    );
    check(
        &stage,
        &format!(
            "parse i: {insert} RETURNING id, region
             describe statement i
             bind p i (71)
             describe portal p
             execute p
             sync"
        ),
        &["T id region", "D 71 North", "C INSERT 0 1"],
    );
    check(
        &stage,
        "parse -: UPDATE orders SET note = 'x' WHERE id = 4 RETURNING *
         describe statement -
         bind - -
         execute -
         sync",
        &["T id region customer_id placed amount note"],
    );
    check(&stage, "query DELETE FROM visits", &["C DELETE 1"]);
    check(
        &stage,
        "query INSERT INTO visits (what) VALUES ('x') RETURNING what",
        &["T what", "D x"],
    );
}

#[test]
fn a_foreign_row_is_the_native_error_in_both_protocols() {
    let stage = Stage::new();
    let insert = "INSERT INTO visits (region, what) VALUES ('West', 'x')";
    check(&stage, &format!("query {insert}"), &["E 42501", "Z I"]);
    check(&stage, &format!("parse -: {insert}\nbind - -\nexecute -\nsync"), &["E 42501", "Z I"]);
    let mut client = stage.client("rita");
    let error = client.simple(insert).error.expect("refused");
    assert_eq!(error.message(), "new row violates row-level security policy for table \"visits\"");
    assert_eq!(error.fields.get(&'D'), None, "DETAIL could hold somebody's row");
}

#[test]
fn an_error_skips_until_sync() {
    let stage = Stage::new();
    check(
        &stage,
        "parse a: SELECT id FROM customers ORDER BY id
         bind - a
         execute -
         parse b: SELECT 1 / 0
         bind - b
         execute -
         bind - a
         execute -
         sync
         bind - a
         execute -
         sync",
        &["E 22012", "Z I"],
    );
    // What pgcordon refuses itself skips in the same way.
    check(
        &stage,
        "parse a: SELECT id FROM customers ORDER BY id
         parse b: SELECT nothing FROM customers
         bind - a
         execute -
         sync
         bind - a
         execute -
         sync",
        &["E 42703", "C SELECT 3"],
    );
}

#[test]
fn a_refusal_fails_the_transaction() {
    let stage = Stage::new();
    check(
        &stage,
        "query BEGIN
         query UPDATE customers SET credit = 77 WHERE id = 1
         query SELECT nothing FROM customers
         query SELECT 1
         query COMMIT
         query SELECT count(*) FROM customers WHERE credit = 77",
        &["Z T", "E 42703", "Z E", "E 25P02", "C ROLLBACK", "D 0"],
    );
}

#[test]
fn several_statements_are_one_transaction() {
    let stage = Stage::new();
    check(
        &stage,
        "query UPDATE customers SET credit = 55 WHERE id = 1; SELECT 1 / (id - id) FROM customers
         query SELECT count(*) FROM customers WHERE credit = 55
         query UPDATE customers SET credit = 56 WHERE id = 1; SELECT credit FROM customers WHERE id = 1
         query ",
        &["E 22012", "D 0", "D 56.00", "I"],
    );
}

#[test]
fn copy_out_is_filtered() {
    let stage = Stage::new();
    check(
        &stage,
        "query COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT",
        &["d 1\tNora", "d 3\tNina", "C COPY 3"],
    );
    let through =
        converse(&mut stage.client("rita"), "query COPY (SELECT * FROM payroll) TO STDOUT");
    assert!(through.starts_with("E 42"), "{through}");
}

#[test]
fn settings_and_transactions_answer_as_natively() {
    let stage = Stage::new();
    check(
        &stage,
        "query SET search_path = archive
         query SELECT note FROM orders
         query SHOW search_path
         query RESET search_path
         query SELECT count(*) FROM orders
         query SET DateStyle = 'German'
         query SELECT since FROM customers WHERE id = 1
         query BEGIN; SET LOCAL search_path = archive; SELECT count(*) FROM orders; ROLLBACK
         query SELECT count(*) FROM orders",
        &["D old north", "D 01.01.2020", "D 1"],
    );
}

fn text(answer: &Answer) -> String {
    format!("{}{}", answer.table(), answer.sqlstate())
}

/// With one upstream connection the next person gets the one that the last person had.
#[test]
fn the_pool_carries_nothing_from_one_person_to_the_next() {
    let stage = Stage::with("limits: { queue_timeout: 20s }\n");
    for round in 0..4 {
        let mut rita = stage.client("rita");
        rita.run("SET statement_timeout = '12345ms'");
        rita.run("SET search_path = archive");
        converse(&mut rita, "parse secret: SELECT name FROM public.customers\nsync");
        rita.run("BEGIN");
        drop(rita);
        let mut ralf = stage.client("ralf");
        assert_eq!(text(&ralf.simple("SHOW statement_timeout")), "0", "round {round}");
        assert_eq!(text(&ralf.simple("SELECT count(*) FROM orders")), "6", "round {round}");
        let said = converse(&mut ralf, "bind - secret\nexecute -\nsync");
        assert_eq!(said, "E 26000\nZ I", "round {round}");
        assert_eq!(text(&ralf.simple("SELECT min(name) FROM customers")), "Sara");
    }
}

#[test]
fn discard_all_forgets_the_own_session() {
    let stage = Stage::new();
    check(
        &stage,
        "parse s: SELECT 1
         sync
         query SET search_path = archive
         query DISCARD ALL
         query SELECT count(*) FROM customers
         bind - s
         sync",
        &["C DISCARD ALL", "D 3", "E 26000"],
    );
}

/// A query that runs for as long as nobody stops it, without a function that restricted people may not call.
const LONG: &str =
    "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 1000) b";

#[test]
fn cancel_needs_the_right_key() {
    let stage = Stage::new();
    let mut client = stage.client("rita");
    let key = client.key.clone();
    assert!(key.len() >= 8, "BackendKeyData was sent");
    let mut wrong = key.clone();
    *wrong.last_mut().expect("not empty") ^= 0xff;
    client.send(b'Q', format!("{LONG}\0").as_bytes());
    Client::cancel(stage.proxy.port(), &wrong);
    // Somebody else is served while it runs: the wrong key has stopped nothing of theirs either.
    assert_eq!(stage.client("ralf").simple("SELECT count(*) FROM customers").table(), "2");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'pgcordon' AND query LIKE '%100000000%'";
    let mut admin = stage.cluster.admin(PLAIN);
    let started = e2e::process::poll(e2e::process::PATIENCE, || {
        (admin.run(running).table() == "1").then_some(())
    });
    assert!(started.is_some(), "the wrong key stopped the query, or it never ran");
    Client::cancel(stage.proxy.port(), &key);
    let messages = client.until_ready();
    let codes: Vec<u8> = messages.iter().map(|message| message.kind).collect();
    assert!(codes.ends_with(b"EZ"), "{codes:?}");
    assert_eq!(text(&client.simple("SELECT 1")), "1");
}

#[test]
fn wrong_password_and_unknown_user_are_told_apart_by_nothing() {
    let stage = Stage::new();
    let port = stage.proxy.port();
    let wrong = Client::login(port, "rita", "nonsense", PLAIN).expect_err("refused");
    let unknown = Client::login(port, "nobody", "nonsense", PLAIN).expect_err("refused");
    let said = |user: &str| format!("password authentication failed for user \"{user}\"");
    assert_eq!((wrong.sqlstate(), wrong.message()), ("28P01", said("rita").as_str()));
    assert_eq!((unknown.sqlstate(), unknown.message()), ("28P01", said("nobody").as_str()));
    let fields = |error: &e2e::ServerError| error.fields.keys().copied().collect::<Vec<char>>();
    assert_eq!(fields(&wrong), fields(&unknown));
    assert!(Client::login(port, "rita", &password("rita"), PLAIN).is_ok());
}

#[test]
fn an_unknown_database_is_refused_as_a_forbidden_one() {
    let stage = Stage::new();
    let refused = Client::login(stage.proxy.port(), "rita", "rita_pw", "shop_native");
    assert_eq!(refused.expect_err("refused").sqlstate(), "42501");
}
