//! Limits of roles: how many rows a statement may give, how long it may run, how long a transaction may be silent.
//!
//! In:  two people with a limit and one without, in both pool modes.
//! Out: transcripts. Each statement at its limit has a neighbour one row over it, once so small that PostgreSQL has
//!      finished before it can be stopped, and once so large that it has not.

use std::time::{Duration, Instant};

use e2e::Client;
use e2e::process::{PATIENCE, poll};
use e2e::proxy::{Proxy, pooled};
use e2e::script::converse;
use e2e::stage::{PLAIN, Stage, databases, password, policy};

const MODES: [&str; 2] = ["session", "transaction"];

fn stage(limits: &str, mode: &str) -> Stage {
    let cluster = databases();
    let policy = format!("{}limits: [{{ to: [sales_rep], {limits} }}]\n", policy());
    let more = "limits: { queue_timeout: 20s }\n";
    let policy = pooled(&policy, mode);
    let proxy = Proxy::start_with(cluster.port(), &policy, more, "pool_size: 2");
    Stage { proxy, cluster }
}

fn series(rows: usize) -> String {
    format!("SELECT g FROM generate_series(1, {rows}) g")
}

/// So few that all is finished when they are counted, and so many that PostgreSQL cannot send them all.
const TOO_MANY: [usize; 2] = [6, 2_000_000];
const FIVE: &str = "D 1\nD 2\nD 3\nD 4\nD 5";

fn check(client: &mut Client, script: &str, expected: &str) {
    let said = converse(client, script);
    let said: Vec<&str> = said.lines().filter(|line| !line.starts_with("T ")).collect();
    assert_eq!(said.join("\n"), expected, "{script}");
}

/// The oldest connection of the pool.
fn oldest(admin: &mut Client) -> String {
    let sql = "SELECT min(backend_start) FROM pg_stat_activity WHERE application_name = 'pgcordon'";
    admin.run(sql).table()
}

/// For both modes and both sizes; the connection is given back clean every time, and not replaced.
fn with_five(test: impl Fn(&Stage, &mut Client, usize)) {
    for mode in MODES {
        let stage = stage("max_rows: 5", mode);
        let mut admin = stage.cluster.admin(PLAIN);
        let mut rita = stage.client("rita");
        check(&mut rita, &format!("query {}", series(1)), "D 1\nC SELECT 1\nZ I");
        let before = oldest(&mut admin);
        for rows in TOO_MANY {
            test(&stage, &mut rita, rows);
            check(&mut rita, &format!("query {}", series(1)), "D 1\nC SELECT 1\nZ I");
        }
        assert_eq!(oldest(&mut admin), before, "{mode}");
    }
}

#[test]
fn rows_of_a_query() {
    with_five(|stage, rita, rows| {
        // Three times: judged, prepared, found prepared.
        for _ in 0..3 {
            check(rita, &format!("query {}", series(5)), &format!("{FIVE}\nC SELECT 5\nZ I"));
            let over = format!("query {}", series(rows));
            check(rita, &over, &format!("{FIVE}\nE 54000\nZ I"));
        }
        let error = rita.simple(&series(rows)).error.expect("one too many");
        assert_eq!(error.message(), "statement gives more than 5 rows");
        assert_eq!(error.fields.get(&'H').map(String::as_str), Some("The limit is max_rows."));
        // Where another statement tells the two apart by name.
        let named = format!("parse n: {}\nbind - n\nexecute -\nsync", series(rows));
        check(rita, &named, &format!("1\n2\n{FIVE}\nE 54000\nZ I"));
        check(rita, "close statement n\nsync", "3\nZ I");
        // Nobody else's limit.
        if rows == 6 {
            let mut max = stage.proxy.client("max", &password("max"), PLAIN);
            check(
                &mut max,
                &format!("query {}", series(6)),
                &format!("{FIVE}\nD 6\nC SELECT 6\nZ I"),
            );
        }
    });
}

#[test]
fn rows_of_a_portal_and_of_a_cursor_add_up() {
    with_five(|_, rita, rows| {
        let parse = format!("query BEGIN\nparse s: {}\nbind p s", series(rows));
        let script = format!(
            "{parse}\nexecute p 3\nexecute p 2\nsync\nexecute p 0\nsync\nquery ROLLBACK\nclose statement s\nsync"
        );
        let expected = "C BEGIN\nZ T\n1\n2\nD 1\nD 2\nD 3\ns\nD 4\nD 5\ns\nZ T\nE 54000\nZ E\nC ROLLBACK\nZ I\n3\nZ I";
        check(rita, &script, expected);
        // In one batch, whose other statements are skipped.
        let script = format!(
            "{parse}\nexecute p 4\nexecute p 4\nbind q s\nexecute q 1\nsync\nquery ROLLBACK\nclose statement s\nsync"
        );
        let expected =
            "C BEGIN\nZ T\n1\n2\nD 1\nD 2\nD 3\nD 4\ns\nD 5\nE 54000\nZ E\nC ROLLBACK\nZ I\n3\nZ I";
        check(rita, &script, expected);
        let declare = format!("query BEGIN\nquery DECLARE c CURSOR FOR {}", series(rows));
        let script = format!(
            "{declare}\nquery FETCH 3 FROM c\nquery FETCH 2 FROM c\nquery FETCH ALL FROM c\nquery ROLLBACK"
        );
        let expected = "C BEGIN\nZ T\nC DECLARE CURSOR\nZ T\nD 1\nD 2\nD 3\nC FETCH 3\nZ T\nD 4\nD 5\nC FETCH 2\nZ T\nE 54000\nZ E\nC ROLLBACK\nZ I";
        check(rita, &script, expected);
        // What is skipped is not given, and a cursor of the same name is another.
        let script = format!(
            "{declare}\nquery MOVE 5 FROM c\nquery FETCH 1 FROM c\nquery CLOSE c\nquery DECLARE c CURSOR FOR {}\n\
             query FETCH 5 FROM c; FETCH 1 FROM c\nquery COMMIT",
            series(5)
        );
        let expected = format!(
            "C BEGIN\nZ T\nC DECLARE CURSOR\nZ T\nC MOVE 5\nZ T\nD 6\nC FETCH 1\nZ T\nC CLOSE CURSOR\nZ T\nC DECLARE CURSOR\nZ T\n\
             {FIVE}\nC FETCH 5\nC FETCH 0\nZ T\nC COMMIT\nZ I"
        );
        check(rita, &script, &expected);
    });
}

#[test]
fn lines_of_copy() {
    with_five(|_, rita, rows| {
        let lines = "d 1\nd 2\nd 3\nd 4\nd 5";
        let copy = |rows, options| format!("query COPY ({}) TO STDOUT{options}", series(rows));
        check(rita, &copy(5, ""), &format!("H\n{lines}\nc\nC COPY 5\nZ I"));
        check(rita, &copy(rows, ""), &format!("H\n{lines}\nE 54000\nZ I"));
        check(
            rita,
            &copy(rows, " (FORMAT csv, HEADER)"),
            "H\nd g\nd 1\nd 2\nd 3\nd 4\nE 54000\nZ I",
        );
        let tags = |client: &mut Client, rows| {
            let said = converse(client, &copy(rows, " (FORMAT binary)"));
            let end = said.lines().rev().take(2).collect::<Vec<_>>().join(" ");
            (said.lines().filter(|line| line.starts_with('d')).count(), end)
        };
        // The last message of five rows is their end.
        assert_eq!(tags(rita, 5), (6, "Z I C COPY 5".to_owned()));
        assert_eq!(tags(rita, rows), (5, "Z I E 54000".to_owned()));
    });
}

const WRITTEN: &str = "query SELECT count(*) FROM visits WHERE what = 'x'";

fn insert(rows: usize) -> String {
    format!("INSERT INTO visits (what) SELECT 'x' FROM generate_series(1, {rows}) RETURNING what")
}

/// Nothing of what a client is told has failed was done.
fn nothing_is_written(rita: &mut Client) {
    check(rita, WRITTEN, "D 0\nC SELECT 1\nZ I");
}

#[test]
fn a_write_that_returns_too_much_is_undone() {
    let five = "D x\nD x\nD x\nD x\nD x";
    with_five(|_, rita, rows| {
        let rows = rows.min(100_000);
        let over = format!("{five}\nE 54000\nZ I");
        // In the simple protocol it would commit by itself. Three times, as it is known by then.
        for _ in 0..3 {
            check(rita, &format!("query {}", insert(rows)), &over);
            nothing_is_written(rita);
        }
        let script = format!("parse -: {}\nbind - -\nexecute -\nsync", insert(rows));
        check(rita, &script, &format!("1\n2\n{over}"));
        let within = format!("WITH w AS ({}) SELECT what FROM w", insert(rows));
        check(rita, &format!("query {within}"), &over);
        // What it depends on when it is read is read each time.
        let today = format!(
            "INSERT INTO visits (what, at) SELECT 'x', date 'today' FROM generate_series(1, {rows}) RETURNING what"
        );
        check(rita, &format!("query {today}"), &over);
        nothing_is_written(rita);
        // Up to the limit it is there; without RETURNING nothing is given.
        check(rita, &format!("query {}", insert(5)), &format!("{five}\nC INSERT 0 5\nZ I"));
        check(rita, WRITTEN, "D 5\nC SELECT 1\nZ I");
        let silent = insert(6).replace(" RETURNING what", "");
        check(rita, &format!("query {silent}"), "C INSERT 0 6\nZ I");
        let script = format!("parse -: {}\nbind - -\nexecute -\nsync", insert(5));
        check(rita, &script, &format!("1\n2\n{five}\nC INSERT 0 5\nZ I"));
        check(rita, "query DELETE FROM visits WHERE what = 'x'", "C DELETE 16\nZ I");
        // An error of PostgreSQL's is still its own.
        check(
            rita,
            "query INSERT INTO visits (what, region) VALUES ('x', 'South') RETURNING what",
            "E 42501\nZ I",
        );
        check(rita, "query UPDATE visits SET what = 1/(id-id) RETURNING what", "E 22012\nZ I");
    });
}

#[test]
fn what_came_before_in_the_transaction_is_undone() {
    with_five(|_, rita, rows| {
        let over = series(rows);
        // All sent at once: nothing of it may overtake the rows.
        let script = format!("query BEGIN\nquery {}\nquery {over}\nquery COMMIT", insert(1));
        check(
            rita,
            &script,
            &format!("C BEGIN\nZ T\nD x\nC INSERT 0 1\nZ T\n{FIVE}\nE 54000\nZ E\nC ROLLBACK\nZ I"),
        );
        nothing_is_written(rita);
        let silent = insert(1).replace(" RETURNING what", "");
        let script = format!(
            "parse -: {silent}\nbind - -\nexecute -\nparse -: {over}\nbind - -\nexecute -\nparse -: {silent}\nbind - -\nexecute -\nsync"
        );
        check(rita, &script, &format!("1\n2\nC INSERT 0 1\n1\n2\n{FIVE}\nE 54000\nZ I"));
        nothing_is_written(rita);
        let script = format!(
            "query BEGIN\nquery {silent}\nquery SAVEPOINT s\nquery {over}\nquery ROLLBACK TO s\nquery COMMIT"
        );
        let expected = format!(
            "C BEGIN\nZ T\nC INSERT 0 1\nZ T\nC SAVEPOINT\nZ T\n{FIVE}\nE 54000\nZ E\nC ROLLBACK\nZ T\nC COMMIT\nZ I"
        );
        check(rita, &script, &expected);
        check(rita, "query DELETE FROM visits WHERE what = 'x'", "C DELETE 1\nZ I");
    });
}

#[test]
fn texts_of_several_statements() {
    with_five(|_, rita, rows| {
        let (five, over) = (series(5), series(rows));
        check(
            rita,
            &format!("query {five}; {five}"),
            &format!("{FIVE}\nC SELECT 5\n{FIVE}\nC SELECT 5\nZ I"),
        );
        check(
            rita,
            &format!("query {five}; {over}; SELECT 7"),
            &format!("{FIVE}\nC SELECT 5\n{FIVE}\nE 54000\nZ I"),
        );
        check(
            rita,
            &format!("query BEGIN; {five}; COMMIT"),
            &format!("C BEGIN\n{FIVE}\nC SELECT 5\nC COMMIT\nZ I"),
        );
        check(rita, &format!("query BEGIN; {over}"), &format!("C BEGIN\n{FIVE}\nE 54000\nZ E"));
        check(rita, "query ROLLBACK", "C ROLLBACK\nZ I");
        // Once it has finished there is nothing to undo; as long as it runs, PostgreSQL skips the rest.
        let status = if rows == 6 { "I" } else { "E" };
        check(
            rita,
            &format!("query BEGIN; {over}; COMMIT"),
            &format!("C BEGIN\n{FIVE}\nE 54000\nZ {status}"),
        );
        check(rita, "query ROLLBACK", "C ROLLBACK\nZ I");
        // PostgreSQL would have committed these before the rows are counted.
        let silent = insert(1).replace(" RETURNING what", "");
        check(rita, &format!("query {silent}; SELECT 1"), "E 0A000\nZ I");
        check(
            rita,
            &format!("query BEGIN\nquery {silent}\nquery {over}; COMMIT\nquery COMMIT"),
            "C BEGIN\nZ T\nC INSERT 0 1\nZ T\nE 0A000\nZ E\nC ROLLBACK\nZ I",
        );
        nothing_is_written(rita);
        check(
            rita,
            &format!("query {silent}; DELETE FROM visits WHERE what = 'x'"),
            "C INSERT 0 1\nC DELETE 1\nZ I",
        );
    });
}

#[test]
fn prepared_statements_of_sql() {
    with_five(|_, rita, rows| {
        let script =
            format!("query PREPARE q AS {}\nquery EXECUTE q\nquery DEALLOCATE q", series(rows));
        check(rita, &script, &format!("C PREPARE\nZ I\n{FIVE}\nE 54000\nZ I\nC DEALLOCATE\nZ I"));
        let script = format!(
            "query PREPARE q AS {}\nquery EXECUTE q\nquery DEALLOCATE q",
            insert(rows.min(1000))
        );
        check(
            rita,
            &script,
            "C PREPARE\nZ I\nD x\nD x\nD x\nD x\nD x\nE 54000\nZ I\nC DEALLOCATE\nZ I",
        );
        nothing_is_written(rita);
    });
}

/// A query that runs for as long as nobody stops it.
const LONG: &str =
    "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 1000) b";

#[test]
fn a_statement_that_takes_too_long() {
    for mode in MODES {
        let stage = stage("statement_timeout: 700ms", mode);
        let mut admin = stage.cluster.admin(PLAIN);
        let mut rita = stage.client("rita");
        let quick = "query SELECT 1";
        check(&mut rita, quick, "D 1\nC SELECT 1\nZ I");
        let before = oldest(&mut admin);
        let error = rita.simple(LONG).error.expect("too long");
        assert_eq!(
            (error.sqlstate(), error.message()),
            ("57014", "canceling statement due to statement timeout")
        );
        assert_eq!(
            error.fields.get(&'H').map(String::as_str),
            Some("The limit is statement_timeout.")
        );
        check(&mut rita, quick, "D 1\nC SELECT 1\nZ I");
        check(
            &mut rita,
            &format!("query BEGIN\nquery {LONG}\nquery COMMIT"),
            "C BEGIN\nZ T\nE 57014\nZ E\nC ROLLBACK\nZ I",
        );
        check(
            &mut rita,
            &format!("parse -: {LONG}\nbind - -\nexecute -\nsync"),
            "1\n2\nE 57014\nZ I",
        );
        // Nobody lifts it for themselves, but may have less.
        let lifted = format!("query SET statement_timeout = 0\nquery {LONG}");
        check(&mut rita, &lifted, "C SET\nZ I\nE 57014\nZ I");
        rita.run("SET statement_timeout = '50ms'");
        let error = rita.simple(LONG).error.expect("too long for PostgreSQL");
        assert_eq!((error.sqlstate(), error.fields.get(&'H')), ("57014", None));
        rita.run("RESET statement_timeout");
        // A statement's time is its own: many short ones, and silence between them, are no long one.
        let started = Instant::now();
        rita.run("BEGIN");
        while started.elapsed() < Duration::from_millis(1500) {
            check(
                &mut rita,
                "query SELECT count(*) FROM generate_series(1, 300000)",
                "D 300000\nC SELECT 1\nZ T",
            );
            std::thread::park_timeout(Duration::from_millis(100));
        }
        rita.run("COMMIT");
        assert_eq!(oldest(&mut admin), before, "{mode}: cancelled, not closed");
        // Somebody else takes as long as they like.
        let mut max = stage.client("max");
        let slow = "SELECT count(*) FROM generate_series(1, 3000000) a, generate_series(1, 5) b";
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(900) {
            assert_eq!(max.run(slow).table(), "15000000");
        }
    }
}

#[test]
fn a_copy_that_never_comes() {
    let stage = stage("statement_timeout: 400ms", "session");
    let mut rita = stage.client("rita");
    rita.send(b'Q', b"COPY customers FROM STDIN\0");
    let kinds: Vec<u8> = rita.until_ready().iter().map(|message| message.kind).collect();
    assert_eq!(kinds, b"GEZ");
}

#[test]
fn a_transaction_that_is_silent_and_one_connection_too_many() {
    for mode in MODES {
        let stage = stage("idle_in_transaction_timeout: 400ms, max_connections: 1", mode);
        let (mut rita, mut max) = (stage.client("rita"), stage.client("max"));
        let second = Client::login(stage.proxy.port(), "rita", &password("rita"), PLAIN);
        assert_eq!(second.expect_err("one too many").sqlstate(), "53300");
        max.run("BEGIN");
        rita.run("BEGIN");
        let said = rita.until_ready();
        assert!(said.len() == 1 && said[0].kind == b'E', "{said:?}");
        assert!(String::from_utf8_lossy(&said[0].body).contains("25P03"));
        assert_eq!(max.run("COMMIT").status, 'I', "no limit of theirs");
        let again = Client::login(stage.proxy.port(), "max", &password("max"), PLAIN);
        assert!(again.is_ok());
        drop(again);
        let again = poll(PATIENCE, || {
            Client::login(stage.proxy.port(), "rita", &password("rita"), PLAIN).ok()
        });
        assert!(again.is_some(), "one has left");
    }
}
