//! The same statements through pgcordon and through what `pgcordon export-sql` printed for the same policy.
//!
//! In:  the shop's cases, the 22 TPC-H queries, BI statements and writes under two policies.
//! Out: a list of differences; empty but for `cases/known-refusals.txt`.
//!
//! Invariants:
//! - Rows, column names and types, tags and SQLSTATEs count.
//! - Each statement runs in a transaction that is rolled back: writes of one case are not seen by the next.
//! - A line of the list of known refusals that is not met any more fails: the list only shrinks.

use std::collections::{BTreeMap, BTreeSet};

use e2e::compare::{Case, cases, difference};
use e2e::{Client, Twin, test_file};

const TPCH_PEOPLE: [&str; 3] = ["emma", "asif", "kim"];
const SHOP_PEOPLE: [&str; 3] = ["rita", "ralf", "max"];

fn tpch(rules: &str) -> Twin {
    let policy = test_file("cases/tpch/people.yaml") + &test_file(rules);
    let sql = [test_file("cases/tpch/schema.sql"), test_file("cases/tpch/data.sql")];
    Twin::new("tpch", &[&sql[0], &sql[1]], &policy, &TPCH_PEOPLE)
}

fn shop() -> Twin {
    let sql = [test_file("cases/schema.sql"), test_file("cases/seed.sql")];
    Twin::new("shop", &[&sql[0], &sql[1]], &test_file("cases/policy.yaml"), &SHOP_PEOPLE)
}

/// Names of cases that are known to differ, by suite.
fn known_refusals(suite: &str) -> BTreeSet<String> {
    let text = test_file("cases/known-refusals.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let of_suite = lines.filter_map(|line| line.strip_prefix(suite)?.strip_prefix(": "));
    of_suite.map(|line| line.split(" -- ").next().unwrap_or(line).to_owned()).collect()
}

/// Runs cases on two doors: what differs, by name.
fn run(
    cases: &[Case],
    people: &[&str],
    mut ours: impl FnMut(&str) -> Client,
    mut native: impl FnMut(&str) -> Client,
    mut after: impl FnMut(),
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for user in people {
        let (mut left, mut right) = (ours(user), native(user));
        for case in cases {
            if !case.sql.contains(';') {
                left.run("BEGIN");
                right.run("BEGIN");
            }
            let (got, expected) = (left.simple(&case.sql), right.simple(&case.sql));
            if let Some(difference) = difference(&got, &expected, case.ordered) {
                found.entry(case.name.clone()).or_insert(format!("{user}: {difference}"));
            }
            left.simple("ROLLBACK");
            right.simple("ROLLBACK");
            after();
        }
    }
    found
}

fn check(suite: &str, twin: &Twin, files: &[&str], people: &[&str]) {
    let cases: Vec<Case> = files.iter().flat_map(|file| cases(&test_file(file))).collect();
    let mut admins = [twin.cluster.admin(&twin.plain), twin.cluster.admin(&twin.native)];
    // A refused statement may or may not have drawn a number, which no rollback gives back.
    let after = || {
        for admin in &mut admins {
            if suite == "shop" {
                admin.run("SELECT setval('visits_id_seq', 2)");
            }
        }
    };
    let mut found = run(&cases, people, |user| twin.client(user), |user| twin.native(user), after);
    let known = known_refusals(suite);
    let mended: Vec<&String> = known.iter().filter(|name| !found.contains_key(*name)).collect();
    assert!(mended.is_empty(), "{suite}: equal now, take them off the list: {mended:#?}");
    found.retain(|name, _| !known.contains(name));
    assert!(found.is_empty(), "{suite}: {} new differences: {found:#?}", found.len());
}

#[test]
fn shop_cases() {
    check("shop", &shop(), &["cases/reads.sql", "cases/writes.sql"], &SHOP_PEOPLE);
}

#[test]
fn tpch_by_relationship() {
    let files = ["cases/tpch/queries.sql", "cases/tpch/reports.sql", "cases/tpch/writes.sql"];
    check("relationship", &tpch("cases/tpch/relationship.yaml"), &files, &TPCH_PEOPLE);
}

#[test]
fn tpch_by_columns() {
    let files = ["cases/tpch/queries.sql", "cases/tpch/reports.sql", "cases/tpch/writes.sql"];
    check("columns", &tpch("cases/tpch/columns.yaml"), &files, &TPCH_PEOPLE);
}

/// Straight to the unguarded database most statements differ: the comparison can fail.
#[test]
fn the_unprotected_path_differs() {
    for rules in ["cases/tpch/relationship.yaml", "cases/tpch/columns.yaml"] {
        let twin = tpch(rules);
        let all = cases(&test_file("cases/tpch/queries.sql"));
        let plain = |_: &str| twin.cluster.client("pgcordon", "pgcordon_pw", &twin.plain);
        let found = run(&all, &["emma"], plain, |user| twin.native(user), || {});
        assert!(found.len() * 2 > all.len(), "{rules}: only {} of {}", found.len(), all.len());
    }
}

/// The views of whole tables, the tables under a view, roles of one's own: none is a way around.
#[test]
fn nobody_reaches_around_the_export() {
    let relationship = [
        "SELECT * FROM pgcordon_all_public.customer",
        "CREATE TABLE public.mine (a int)",
        "SET SESSION AUTHORIZATION postgres",
    ];
    let columns = [
        "SELECT c_phone FROM public.customer",
        "SET ROLE pgcordon_emma",
        "SELECT * FROM pgcordon_asif.customer",
        "CREATE VIEW pgcordon_emma.mine AS SELECT 1",
    ];
    for (rules, closed) in [("relationship", &relationship[..]), ("columns", &columns[..])] {
        let rules = test_file(&format!("cases/tpch/{rules}.yaml"));
        let policy = test_file("cases/tpch/people.yaml") + &rules;
        let schema = test_file("cases/tpch/schema.sql");
        let twin = Twin::new("tpch", &[&schema], &policy, &TPCH_PEOPLE);
        let mut emma = twin.native("emma");
        for statement in closed {
            assert_eq!(emma.simple(statement).sqlstate(), "42501", "{statement}");
        }
        assert_eq!(emma.simple("SELECT count(*) FROM customer").sqlstate(), "", "the way in");
    }
}

/// Where it could not hold, the script stops and changes nothing.
#[test]
fn the_script_stops_where_it_could_not_hold() {
    let policy = test_file("cases/tpch/people.yaml") + &test_file("cases/tpch/columns.yaml");
    let twin = Twin::new("tpch", &[&test_file("cases/tpch/schema.sql")], &policy, &TPCH_PEOPLE);
    let script = &twin.exported.0;
    for (trouble, cure) in [
        ("ALTER ROLE emma SUPERUSER", "ALTER ROLE emma NOSUPERUSER"),
        ("GRANT pgcordon TO emma", "REVOKE pgcordon FROM emma"),
        ("ALTER TABLE part OWNER TO emma", "ALTER TABLE part OWNER TO postgres"),
        ("CREATE POLICY wide ON part USING (true)", "DROP POLICY wide ON part"),
    ] {
        let mut admin = twin.cluster.admin(&twin.native);
        admin.run(trouble);
        assert_eq!(admin.simple(script).sqlstate(), "P0001", "{trouble}");
        admin.run("ROLLBACK");
        admin.run(cure);
        admin.run(script);
    }
}
