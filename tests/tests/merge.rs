//! MERGE through pgcordon and through the exported policy: the same tags, the same errors, the same rows afterwards.
//!
//! In:  `cases/merge`: a schema, a policy with another rule for each command, and statements.
//! Out: a list of differences; empty.
//!
//! Invariants:
//! - After each case both databases are compared row by row as the superuser, then filled anew.
//! - A case whose name ends with `; refused` is one that pgcordon refuses by name to those whom a rule binds, whatever
//!   PostgreSQL says; with an SQLSTATE behind it, one for which pgcordon has another error than PostgreSQL.

use e2e::compare::{Case, cases, difference};
use e2e::{Answer, Client, Twin, test_file};

const PEOPLE: [&str; 3] = ["rita", "ralf", "max"];

/// Every row of every table, as one text.
const STATE: &str = "SELECT 'docs', t::text FROM docs t UNION ALL SELECT 'members', t::text FROM members t
    UNION ALL SELECT 'blind', t::text FROM blind t UNION ALL SELECT tableoid::regclass::text, t::text FROM logs t
    UNION ALL SELECT tableoid::regclass::text, t::text FROM things t UNION ALL SELECT 'stamped', t::text FROM stamped t
    UNION ALL SELECT 'kinds', t::text FROM kinds t UNION ALL SELECT 'feed', t::text FROM feed t
    UNION ALL SELECT 'drafts', t::text FROM drafts t UNION ALL SELECT 'codes', t::text FROM codes t ORDER BY 1, 2";

fn twin() -> Twin {
    let sql = [test_file("cases/merge/schema.sql"), test_file("cases/merge/seed.sql")];
    Twin::new("merging", &[&sql[0], &sql[1]], &test_file("cases/merge/policy.yaml"), &PEOPLE)
}

fn all() -> Vec<Case> {
    cases(&test_file("cases/merge/cases.sql"))
}

fn extended(client: &mut Client, sql: &str) -> Answer {
    client.extended(sql, &[])
}

/// The SQLSTATE with which pgcordon refuses the case to that person.
fn refusal<'c>(case: &'c Case, user: &str) -> Option<&'c str> {
    let (_, code) = case.name.split_once("; refused").filter(|_| user != "max")?;
    Some(if code.is_empty() { "0A000" } else { code.trim() })
}

/// What differs between the answers; a refusal by name has to be one.
fn compare(case: &Case, user: &str, got: &Answer, expected: &Answer) -> Option<String> {
    let Some(wanted) = refusal(case, user) else {
        return difference(got, expected, case.ordered);
    };
    (got.sqlstate() != wanted).then(|| format!("{:?} for {wanted}", got.sqlstate()))
}

/// Runs all cases on two doors: what differs.
fn differences(
    twin: &Twin,
    ask: fn(&mut Client, &str) -> Answer,
    cases: &[Case],
    ours: impl Fn(&str) -> Client,
) -> Vec<String> {
    let seed = test_file("cases/merge/seed.sql");
    let mut admins = [twin.cluster.admin(&twin.plain), twin.cluster.admin(&twin.native)];
    let mut found = Vec::new();
    for user in PEOPLE {
        let (mut left, mut right) = (ours(user), twin.native(user));
        for case in cases {
            let (got, expected) = (ask(&mut left, &case.sql), ask(&mut right, &case.sql));
            if let Some(difference) = compare(case, user, &got, &expected) {
                found.push(format!("{user}: {}: {difference}", case.name));
            }
            let [plain, native] = admins.each_mut().map(|admin| {
                let state = admin.run(STATE).table();
                admin.run(&seed);
                state
            });
            if plain != native && refusal(case, user).is_none() {
                found.push(format!("{user}: {}: rows\n{plain}\n{native}", case.name));
            }
            left.simple("DEALLOCATE ALL");
            right.simple("DEALLOCATE ALL");
        }
    }
    found
}

fn check(ask: fn(&mut Client, &str) -> Answer, cases: &[Case]) {
    let twin = twin();
    let found = differences(&twin, ask, cases, |user| twin.client(user));
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn simple_protocol() {
    check(Client::simple, &all());
}

#[test]
fn extended_protocol() {
    let mut cases = all();
    cases.retain(|case| !case.sql.contains(';') && !case.sql.contains("--"));
    check(extended, &cases);
}

/// Straight to the unguarded database most cases differ for a person with rules: the comparison can fail.
#[test]
fn the_unprotected_path_differs() {
    let twin = twin();
    let ours = |_: &str| twin.cluster.client("pgcordon", "pgcordon_pw", &twin.plain);
    let found = differences(&twin, Client::simple, &all(), ours);
    let ritas = found.iter().filter(|difference| difference.starts_with("rita: ")).count();
    assert!(ritas > 40, "only {ritas} tell the paths apart");
}

/// Every case that means to succeed does so natively for somebody: a typing mistake would compare two syntax errors.
#[test]
fn the_cases_run_natively() {
    let twin = twin();
    let mut failing = Vec::new();
    for case in all() {
        let mut errors = Vec::new();
        for user in PEOPLE {
            let mut client = twin.native(user);
            client.simple("BEGIN");
            errors.push(client.simple(&case.sql).sqlstate().to_owned());
        }
        if errors.iter().all(|error| !error.is_empty()) {
            failing.push(format!("{} {}", errors.join(" "), case.name));
        }
    }
    assert_eq!(failing.join("\n"), test_file("cases/merge/failing.txt").trim_end());
}
