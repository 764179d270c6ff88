//! What PostgreSQL says in errors and notices, as it reaches a person who may not see everything.
//!
//! In:  statements whose errors or notices quote hidden rows, columns and relations.
//! Out: PostgreSQL's message without them. The oracle is a canary: the database itself shows it to pgcordon's own role
//!      in the same statement, pgcordon's client never gets it, in no field of no message.

use e2e::stage::PLAIN;
use e2e::wire::{Message, bind, execute, frame, parse, terminated};
use e2e::{Client, Cluster, Proxy, test_file};

/// Starts every hidden value; hidden names hold `hush`.
const CANARY: &str = "CANARY";

struct Stage {
    proxy: Proxy,
    cluster: Cluster,
}

impl Stage {
    fn new() -> Self {
        let cluster = Cluster::start();
        cluster.admin("postgres").run(&test_file("cases/roles.sql"));
        cluster.load(PLAIN, &[&test_file("cases/errors.sql")]);
        let verifier = e2e::proxy::verifier("rita_pw");
        let policy = test_file("cases/errors.yaml").replace("<rita>", &verifier);
        let proxy = Proxy::start(cluster.port(), &policy, "");
        Self { proxy, cluster }
    }

    fn rita(&self) -> Client {
        self.proxy.client("rita", "rita_pw", PLAIN)
    }

    /// Past pgcordon: whatever its role gets to see.
    fn unprotected(&self) -> Client {
        self.cluster.client("pgcordon", "pgcordon_pw", PLAIN)
    }
}

/// Every byte of every answer but rows: codes and texts of errors and notices, tags.
fn all_said(messages: &[Message]) -> String {
    let said = messages.iter().filter(|message| message.kind != b'D');
    said.map(|message| String::from_utf8_lossy(&message.body).replace('\0', "|") + "\n").collect()
}

fn ask(client: &mut Client, sql: &str) -> String {
    client.send(b'Q', &terminated(sql));
    all_said(&client.until_ready())
}

/// The word reaches the unprotected client and not ours, who is told `expected` instead.
fn check(stage: &Stage, sql: &str, word: &str, expected: &str) {
    let leaked = ask(&mut stage.unprotected(), sql);
    assert!(leaked.contains(word), "nothing to hide in {sql}: {leaked}");
    let told = ask(&mut stage.rita(), sql);
    assert!(!told.contains(word), "{sql}: {told}");
    assert!(told.contains(expected), "{sql}: `{expected}` is not in {told}");
    assert!(!told.contains("pgcordon_"), "{sql}: {told}");
}

#[test]
fn values_of_hidden_rows_and_columns_never_reach_the_client() {
    let stage = Stage::new();
    // A mask and a row predicate of the data owner that fail.
    let leaked = ask(&mut stage.unprotected(), "SELECT code::int FROM masked");
    assert!(leaked.contains(CANARY), "the mask's own words: {leaked}");
    let told = ask(&mut stage.rita(), "SELECT code FROM masked");
    assert!(told.contains("C22P02|Minvalid input syntax for type integer: \"…\"|"), "{told}");
    check(
        &stage,
        "SELECT * FROM judged",
        CANARY,
        "C22P02|Minvalid input syntax for type integer: \"…\"|",
    );
    // A duplicate of a row that is hidden: DETAIL names it.
    check(
        &stage,
        "INSERT INTO people (id, region, name, code) VALUES (2, 'North', 'x', 'y')",
        "Key (id)",
        "C23505|Mduplicate key value violates unique constraint \"people_pkey\"|",
    );
    // DETAIL shows the whole failing row, with the hidden column's default.
    check(
        &stage,
        "INSERT INTO people (id, region, name, code) VALUES (8, 'North', NULL, 'y')",
        CANARY,
        "C23502|Mnull value in column \"name\" of relation \"people\" violates not-null constraint|",
    );
    // Triggers and functions that say what they see.
    check(
        &stage,
        "UPDATE people SET code = 'notify' WHERE id = 1",
        CANARY,
        "NOTICE|C00000|Mmoved … to notify|",
    );
    check(
        &stage,
        "UPDATE people SET code = 'refuse' WHERE id = 1",
        CANARY,
        "CP0001|Mno change for … (…): \"…\"|",
    );
    check(
        &stage,
        "UPDATE people SET code = 'cast' WHERE id = 1",
        CANARY,
        "C22P02|Minvalid input syntax for type integer: \"…\"|",
    );
    check(&stage, "SELECT tell(1)", CANARY, "WARNING|C01000|Mtells …|");
}

#[test]
fn hidden_names_never_reach_the_client() {
    let stage = Stage::new();
    check(
        &stage,
        "DELETE FROM people WHERE id = 1",
        "hush_vault",
        "C23503|Mupdate or delete on table \"people\" violates foreign key constraint \"…\" on table \"…\"|",
    );
    check(
        &stage,
        "UPDATE people SET code = 'bad' WHERE id = 1",
        "hush",
        "C23514|Mnew row for relation \"people\" violates check constraint \"…\"|",
    );
    check(
        &stage,
        "INSERT INTO needy (id) VALUES (1)",
        "hush_needed",
        "C23502|Mnull value in column \"…\" of relation \"needy\" violates not-null constraint|",
    );
    check(&stage, "SELECT reach()", "hush_denied", "C42501|Mpermission denied for table …|");
}

#[test]
fn what_the_client_sent_stays_readable() {
    let stage = Stage::new();
    for (sql, expected) in [
        ("SELECT 'abc'::int", "C22P02|Minvalid input syntax for type integer: \"abc\"|P8|"),
        (
            "SELECT name FROM people WHERE id = 'abc'",
            "C22P02|Minvalid input syntax for type integer: \"abc\"|P36|",
        ),
        ("SELECT E'it\\'s'::date", "C22007|Minvalid input syntax for type date: \"it's\"|P8|"),
        ("SELECT 1/0", "C22012|Mdivision by zero|"),
        ("SELECT 'ä', 'abc'::int FROM people", "\"abc\"|P13|"),
        (
            "INSERT INTO people (id, region, name, code) VALUES (9, 'South', 'x', 'y')",
            "C42501|Mnew row violates row-level security policy for table \"people\"|",
        ),
    ] {
        let told = ask(&mut stage.rita(), sql);
        assert!(told.contains(expected), "{sql}: {told}");
    }
    let mut rita = stage.rita();
    let mut bytes =
        frame(b'P', &parse("", "SELECT name FROM people WHERE id = $1 + $2::text::int"));
    bytes.extend(frame(b'B', &bind("", "", &[Some("4"), Some("abc")])));
    bytes.extend(frame(b'E', &execute("", 0)));
    bytes.extend(frame(b'S', b""));
    rita.send_bytes(&bytes).expect("the proxy reads");
    let told = all_said(&rita.until_ready());
    assert!(told.contains("C22P02|Minvalid input syntax for type integer: \"abc\"|"), "{told}");
    // The value of another transaction's Bind is no longer what this statement's client sent.
    let told = ask(&mut rita, "SELECT code FROM masked");
    assert!(told.contains("integer: \"…\"|"), "{told}");
}

/// `log_statement` with `client_min_messages = log` would show the rewritten statement.
#[test]
fn log_messages_are_not_for_the_client() {
    let stage = Stage::new();
    stage.cluster.admin(PLAIN).run("ALTER ROLE pgcordon SET log_statement = 'all'");
    let sql = "SET client_min_messages = log; SELECT count(*) FROM people";
    let leaked = ask(&mut stage.unprotected(), sql);
    // The statement is logged before the first SET takes effect, so it shows from the second message on.
    let mut client = stage.unprotected();
    let (_, second) = (ask(&mut client, sql), ask(&mut client, sql));
    assert!(leaked.contains("SELECT 1") && second.contains("LOG|C00000|Mstatement: "), "{second}");
    let mut rita = stage.rita();
    for _ in 0..2 {
        let told = ask(&mut rita, sql);
        assert!(told.contains("SELECT 1") && !told.contains("LOG|"), "{told}");
    }
}

#[test]
fn only_listed_parameters_are_reported() {
    let stage = Stage::new();
    let names: Vec<String> = stage.rita().parameters.iter().map(|(name, _)| name.clone()).collect();
    for name in ["server_version", "client_encoding", "TimeZone", "is_superuser"] {
        assert!(names.iter().any(|known| known == name), "{name} of {names:?}");
    }
    assert!(!names.is_empty() && names.len() <= 15, "{names:?}");
}
