//! The same statements through pgcordon and through native row security: the same rows, tags and errors.
//!
//! In:  `cases/reads.sql` and `cases/writes.sql`: a line `-- name`, then the statement. `; ordered` after the name
//!      means that the rows' order counts.
//! Out: a list of differences; empty.
//!
//! Invariants:
//! - After each write both databases are compared row by row as the superuser, then filled anew.
//! - Of an error its SQLSTATE class counts: pgcordon says 42P01 where PostgreSQL says 42501.

use e2e::stage::{NATIVE, PLAIN, Stage, databases, password};
use e2e::{Answer, Client, Cluster, test_file};

/// Everybody who asks.
const PEOPLE: [&str; 3] = ["rita", "ralf", "max"];

/// Every row of every table, as one text.
const STATE: &str = "SELECT 'customers', t::text FROM customers t UNION ALL SELECT 'orders', t::text FROM orders t
    UNION ALL SELECT 'items', t::text FROM items t UNION ALL SELECT 'visits', t::text FROM visits t
    UNION ALL SELECT 'measures', t::text FROM measures t UNION ALL SELECT 'employees', t::text FROM employees t
    UNION ALL SELECT 'payroll', t::text FROM payroll t ORDER BY 1, 2";

/// What both databases hold before each write.
struct Seed {
    sql: String,
    state: String,
}

struct Case {
    name: String,
    ordered: bool,
    sql: String,
}

#[derive(Clone, Copy)]
enum Protocol {
    Simple,
    Extended,
}

fn cases(file: &str) -> Vec<Case> {
    let text = format!("\n{}", test_file(file));
    let cases = text.split("\n-- ").skip(1).map(|case| {
        let (title, sql) = case.split_once('\n').expect("a title and a statement");
        let (name, ordered) = match title.strip_suffix("; ordered") {
            Some(name) => (name, true),
            None => (title, false),
        };
        Case { name: name.to_owned(), ordered, sql: sql.trim().trim_end_matches(';').to_owned() }
    });
    cases.collect()
}

fn ask(client: &mut Client, sql: &str, protocol: Protocol) -> Answer {
    match protocol {
        Protocol::Simple => client.simple(sql),
        Protocol::Extended => client.extended(sql, &[]),
    }
}

/// Runs the cases on two doors and describes each difference.
fn differences(
    cases: &[Case],
    protocol: Protocol,
    mut ours: impl FnMut(&str) -> Client,
    mut native: impl FnMut(&str) -> Client,
    mut after: impl FnMut() -> Option<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for user in PEOPLE {
        let (mut left, mut right) = (ours(user), native(user));
        for case in cases {
            let got = ask(&mut left, &case.sql, protocol);
            let expected = ask(&mut right, &case.sql, protocol);
            let said = got.error.as_ref().map(|error| error.message().to_owned());
            let (got, status) = (got.fingerprint(case.ordered), got.status);
            let wanted = expected.fingerprint(case.ordered);
            if got != wanted || status != expected.status {
                let said = said.unwrap_or_default();
                found.push(format!("{user}: {}\n got: {got} {said}\n native: {wanted}", case.name));
            }
            if let Some(difference) = after() {
                found.push(format!("{user}: {}: {difference}", case.name));
            }
            if status == ' ' {
                left = ours(user);
            }
        }
    }
    found
}

/// Compares both databases and fills them anew.
fn compare_and_reset(plain: &mut Client, native: &mut Client, seed: &Seed) -> Option<String> {
    let (left, right) = (plain.run(STATE).table(), native.run(STATE).table());
    for (client, state) in [(plain, &left), (native, &right)] {
        // A refused statement may or may not have drawn a number.
        client.run(if *state == seed.state {
            "ALTER SEQUENCE visits_id_seq RESTART WITH 3"
        } else {
            &seed.sql
        });
    }
    if left == right {
        return None;
    }
    let only = |a: &str, b: &str| -> Vec<String> {
        a.lines().filter(|line| !b.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    Some(format!(
        "only through pgcordon {:?}, only native {:?}",
        only(&left, &right),
        only(&right, &left)
    ))
}

fn check(file: &str, protocol: Protocol) {
    let stage = Stage::new();
    let (mut plain, mut native) = (stage.cluster.admin(PLAIN), stage.cluster.admin(NATIVE));
    let seed = Seed { sql: test_file("cases/seed.sql"), state: plain.run(STATE).table() };
    let mut cases = cases(file);
    if matches!(protocol, Protocol::Extended) {
        // One statement a Parse; these cases are about several.
        cases.retain(|case| !case.sql.contains(';'));
    }
    let writes = file.contains("writes");
    let after = || writes.then(|| compare_and_reset(&mut plain, &mut native, &seed)).flatten();
    let found =
        differences(&cases, protocol, |user| stage.client(user), |user| stage.native(user), after);
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn reads_simple() {
    check("cases/reads.sql", Protocol::Simple);
}

#[test]
fn reads_extended() {
    check("cases/reads.sql", Protocol::Extended);
}

#[test]
fn writes_simple() {
    check("cases/writes.sql", Protocol::Simple);
}

#[test]
fn writes_extended() {
    check("cases/writes.sql", Protocol::Extended);
}

fn unprotected(cluster: &Cluster, file: &str) -> Vec<String> {
    let (mut plain, mut native) = (cluster.admin(PLAIN), cluster.admin(NATIVE));
    let seed = Seed { sql: test_file("cases/seed.sql"), state: plain.run(STATE).table() };
    let ours = |_: &str| cluster.client("pgcordon", "pgcordon_pw", PLAIN);
    let theirs = |user: &str| cluster.client(user, &password(user), NATIVE);
    let after = || compare_and_reset(&mut plain, &mut native, &seed);
    differences(&cases(file), Protocol::Simple, ours, theirs, after)
}

/// Without pgcordon most cases differ for a sales rep: the comparison can fail, and the cases bite.
#[test]
fn the_unprotected_path_differs() {
    let cluster = databases();
    for (file, all) in [("cases/reads.sql", 90), ("cases/writes.sql", 70)] {
        assert!(cases(file).len() >= all, "{file}");
        let found = unprotected(&cluster, file);
        let ritas = found.iter().filter(|difference| difference.starts_with("rita: ")).count();
        assert!(ritas * 2 > all, "{file}: only {ritas} of {all} cases tell the paths apart");
    }
}

/// Every case that means to succeed does so natively, for the manager at least: a typing mistake would compare
/// one syntax error with another.
#[test]
fn the_cases_run_natively() {
    let cluster = databases();
    let mut failing = Vec::new();
    for file in ["cases/reads.sql", "cases/writes.sql"] {
        for case in cases(file) {
            let mut client = cluster.client("max", &password("max"), NATIVE);
            client.run("BEGIN");
            if let Some(error) = client.simple(&case.sql).error {
                failing.push(format!("{} {}", error.sqlstate(), case.name));
            }
        }
    }
    let expected = test_file("cases/failing.txt");
    assert_eq!(failing.join("\n"), expected.trim_end());
}
