//! `pgcordon test`: what passes, what fails and how that is told, what cannot be run, and what stays behind.
//!
//! In:  the stage's databases and policy, with tests of its own below it.
//! Out: exit code, text and JUnit XML.

use std::path::Path;

use e2e::Cluster;
use e2e::proxy::{Files, Settings, configuration, pgcordon};
use e2e::stage::{PLAIN, databases, policy};

/// Runs the tests of a policy.
struct Run {
    code: Option<i32>,
    said: String,
    junit: String,
}

fn run(upstream_port: u16, policy: &str, more: &[&str]) -> Run {
    let settings = Settings { port: 1, upstream_port, more: "" };
    let files = Files::write(&configuration(&settings), policy);
    let (path, junit) = (files.configuration(), files.configuration().with_extension("xml"));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (path, junit_path) = (text(&path), text(&junit));
    let mut arguments = vec!["test", "--config", &path, "--junit", &junit_path];
    arguments.extend(more);
    let output = pgcordon(&arguments);
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let said = said.concat();
    let junit = std::fs::read_to_string(&junit).unwrap_or_default();
    Run { code: output.status.code(), said, junit }
}

/// The stage's policy, and tests in it.
fn with(tests: &str) -> String {
    format!("{}tests:\n{tests}", policy())
}

fn check(cluster: &Cluster, tests: &str, code: i32, parts: &[&str]) {
    let run = run(cluster.port(), &with(tests), &[]);
    assert_eq!(run.code, Some(code), "{}", run.said);
    for part in parts {
        assert!(run.said.contains(part), "`{part}` is missing:\n{}", run.said);
    }
}

/// Every kind of expectation, each of them true.
const PASSING: &str = r#"
  - { as: rita, sql: "select distinct region from customers", rows: [[North]] }
  - name: null, numbers and truth values
    as: rita
    sql: "select id, id = 1, null, amount from orders where id in (4, 8) order by id"
    rows: [[4, false, ~, 50.00], [8, false, null, 100.00]]
  - { as: max, sql: "select name from regions", unordered: true, rows: [[West], [East], [South], [North]] }
  - { as: rita, sql: "select * from customers", count: 3, columns: [id, region, name, email, level, credit, tags, profile, since] }
  - { as: rita, sql: "select * from payroll", error: 42P01, message: does not exist }
  - { as: rita, sql: "update customers set credit = 0", count: 3 }
  - name: a new row for another region
    as: rita
    sql: "insert into visits (region, what) values ('South', 'x')"
    error: "42501"
    message: new row violates row-level security policy
  - name: a parameter
    as: rita
    sql: "select name from customers where id = $1 or region = $2"
    parameters: [1, South]
    rows: [[Nora]]
  - { as: rita, sql: "select $1::text is null, $2::bool", parameters: [~, true], rows: [[true, true]] }
  - name: a list runs in one transaction
    as: rita
    sql:
      - "insert into visits (region, what) values ('North', 'new')"
      - "select what from visits order by id"
    rows: [[fair], [new]]
  - { as: rita, sql: "select tags from customers order by id", rows: [["{vip,old}"], ["{new}"], ["{}"]] }
  - { as: rita, sql: "show timezone", rows: [[UTC]] }
"#;

#[test]
fn tests_that_hold_pass() {
    let cluster = databases();
    let run = run(cluster.port(), &with(PASSING), &[]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert!(run.said.contains("12 tests: 12 passed, 0 failed"), "{}", run.said);
    assert!(run.said.contains("ok    null, numbers and truth values"), "{}", run.said);
    assert!(run.junit.contains("tests=\"12\" failures=\"0\" errors=\"0\""), "{}", run.junit);
}

/// The neighbours of those that pass: each of them fails, and says what came instead.
#[test]
fn tests_that_do_not_hold_fail_with_a_difference() {
    let cluster = databases();
    let differs = |test: &str, lines: &[&str]| check(&cluster, test, 1, lines);
    differs(
        "  - { as: max, sql: \"select distinct region from customers order by 1\", rows: [[North]] }",
        &["FAIL  ", "      + East", "        North", "      + South", "1 of 1 tests failed"],
    );
    differs("  - { as: rita, sql: select 1, rows: [['1 ']] }", &["- \"1 \"", "+ 1"]);
    differs("  - { as: rita, sql: \"select null\", rows: [['NULL']] }", &["- \"NULL\"", "+ NULL"]);
    differs("  - { as: rita, sql: select 1 as b, columns: [a] }", &["- columns a", "+ columns b"]);
    differs("  - { as: rita, sql: table customers, count: 7 }", &["- 7 rows", "+ 3 rows"]);
    differs(
        "  - { as: rita, sql: table payroll, count: 0 }",
        &["- 0 rows", "+ error 42P01: relation \"payroll\" does not exist"],
    );
    differs(
        "  - { as: max, sql: \"select 1 from customers where id = 4\", error: 42P01 }",
        &["- error 42P01", "+ 1 row"],
    );
    differs(
        "  - { as: rita, sql: [table payroll, select 1], count: 1 }",
        &["statement 1 of 2 failed before the last one", "+ error 42P01"],
    );
    differs(
        "  - { as: rita, sql: \"select id from customers order by id\", rows: [[2], [1], [3]] }",
        &["- 2", "  1", "+ 2"],
    );
}

#[test]
fn one_that_fails_does_not_keep_the_others_from_running() {
    let cluster = databases();
    let tests = "  - { name: first, as: rita, sql: table customers, count: 7 }
  - { name: second, as: rita, sql: table customers, count: 3 }
  - { name: 'a<b & \"c\"', as: rita, sql: \"select '<&>'\", rows: [[x]] }";
    let run = run(cluster.port(), &with(tests), &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.contains("3 tests: 1 passed, 2 failed"), "{}", run.said);
    assert!(run.junit.contains("tests=\"3\" failures=\"2\" errors=\"0\""), "{}", run.junit);
    assert!(run.junit.contains("name=\"a&lt;b &amp; &quot;c&quot;\""), "{}", run.junit);
    assert!(run.junit.contains("- x&#10;+ &lt;&amp;&gt;</failure>"), "{}", run.junit);
    assert!(run.junit.contains("<testcase name=\"second\""), "{}", run.junit);
}

/// What a test does is undone, and the next one of the same person meets nothing of it.
#[test]
fn nothing_stays_behind() {
    let cluster = databases();
    let tests = "  - { as: max, sql: [\"update customers set name = 'changed'\", \"delete from orders\"], count: 24 }
  - { as: max, sql: [\"prepare mine as select 1\", \"execute mine\"], rows: [[1]] }
  - { as: max, sql: execute mine, error: '26000' }
  - { as: max, sql: [\"set timezone = 'Asia/Tokyo'\", show timezone], rows: [[Asia/Tokyo]] }
  - { as: max, sql: show timezone, rows: [[UTC]] }
  - { as: max, sql: \"select count(*) from customers where name = 'changed'\", rows: [[0]] }";
    check(&cluster, tests, 0, &["6 tests: 6 passed"]);
    let mut admin = cluster.admin(PLAIN);
    let left = admin.simple("SELECT count(*) FROM customers WHERE name = 'changed'").table();
    assert_eq!(left, "0");
    assert_eq!(admin.simple("SELECT count(*) FROM orders").table(), "24");
    let ends = "  - { as: max, sql: [\"delete from orders\", commit], count: 0 }";
    check(&cluster, ends, 2, &["policy.yaml:", "a test cannot begin, end or divide a transaction"]);
    assert_eq!(admin.simple("SELECT count(*) FROM orders").table(), "24");
}

/// An error is the one that a client would see: without the values of other people's rows.
#[test]
fn errors_are_those_that_a_client_sees() {
    let cluster = databases();
    // A trigger tells of a row that rita may not see.
    cluster.admin(PLAIN).run(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'the first one is %', (SELECT quote_literal(name) FROM customers WHERE id = 4)
                USING ERRCODE = '45000'; END $$;
         CREATE TRIGGER tell BEFORE DELETE ON customers FOR EACH ROW EXECUTE FUNCTION tell();",
    );
    let tests = "  - { as: rita, sql: delete from customers, error: '45000', message: the first one is '…' }";
    check(&cluster, &tests.replace("is '…'", "is"), 0, &["1 passed"]);
    let run = run(cluster.port(), &with(&tests.replace("the first one is '…'", "Sara")), &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.matches("Sara").count() == 1, "only where it was expected:\n{}", run.said);
}

#[test]
fn which_tests_are_run() {
    let cluster = databases();
    let policy = with(
        "  - { name: of rita, as: rita, sql: table customers, count: 3 }
  - { name: of max, as: max, sql: table customers, count: 7 }",
    );
    let port = cluster.port();
    let only = |more: &[&str], code: i32, part: &str| {
        let run = run(port, &policy, more);
        assert_eq!(run.code, Some(code), "{more:?}: {}", run.said);
        assert!(run.said.contains(part), "{more:?}: {}", run.said);
    };
    only(&[], 0, "2 tests: 2 passed");
    only(&["--as", "max"], 0, "1 test: 1 passed");
    only(&["--filter", "of rita"], 0, "1 test: 1 passed");
    only(&["--filter", "of rita", "--as", "max"], 2, "none of the 2 tests");
    only(&["--as", "nobody"], 2, "none of the 2 tests");
    let more = Files::write("tests:\n  - { as: ralf, sql: table customers, count: 2 }", "");
    let file = more.configuration();
    let file = file.to_str().expect("UTF-8");
    only(&[file], 0, "3 tests: 3 passed");
    only(&["no/such/file.yaml"], 2, "no/such/file.yaml");
    let wrong = Files::write("tests:\n  - { as: ralff, sql: table customers }\nrows: []", "");
    let file = wrong.configuration();
    let file = file.to_str().expect("UTF-8");
    only(&[file], 2, "unknown user `ralff` (hint: did you mean `ralf`?)");
    only(&[file], 2, "pgcordon.yaml:2:5: the test expects nothing");
    only(&[file], 2, "unknown key `rows` in a file of tests");
    let none = run(port, &self::policy(), &[]);
    assert_eq!(none.code, Some(2), "{}", none.said);
    assert!(none.said.contains("no tests"), "{}", none.said);
}

/// A person who may use several databases, and one who may use none.
#[test]
fn which_database_a_test_asks() {
    let cluster = databases();
    let policy = policy()
        .replace(
            "databases:\n",
            "databases:\n  orders_only: { upstream: main, dbname: shop, connect: [manager], tables: [orders] }\n",
        )
        .replace("connect: { roles: [viewer] }", "connect: { users: [rita, max] }");
    let port = cluster.port();
    let check = |test: &str, more: &[&str], code: i32, part: &str| {
        let run = run(port, &format!("{policy}tests:\n  - {test}\n"), more);
        assert_eq!(run.code, Some(code), "{test}: {}", run.said);
        assert!(run.said.contains(part), "{test}: {}", run.said);
    };
    let unsaid = "{ as: max, sql: table customers, count: 7 }";
    check(unsaid, &[], 2, "`max` may use several databases (hint: say `database`: one of");
    check(unsaid, &["--database", "shop"], 0, "1 passed");
    check(unsaid, &["--database", "orders_only"], 1, "+ error 42P01");
    let said = "{ as: max, database: orders_only, sql: table customers, error: 42P01 }";
    check(said, &["--database", "shop"], 0, "1 passed");
    check("{ as: ralf, sql: select 1, count: 1 }", &[], 2, "`ralf` may use no database");
    // The connect layer's answer is one that a test can expect.
    let denied =
        "{ as: ralf, database: shop, sql: select 1, error: '42501', message: for database }";
    check(denied, &[], 0, "1 passed");
    check("{ as: rita, database: shop, sql: select 1, error: '42501' }", &[], 1, "- error 42501");
}

#[test]
fn what_cannot_be_run_is_no_failure_of_a_test() {
    let tests = with("  - { as: rita, sql: table customers, count: 3 }");
    let down = run(1, &tests, &[]);
    assert_eq!(down.code, Some(2), "{}", down.said);
    let cluster = databases();
    let mistaken = tests.replace("rows: region = {user.region}", "rows: regoin = {user.region}");
    let broken = run(cluster.port(), &mistaken, &[]);
    assert_eq!(broken.code, Some(2), "{}", broken.said);
    assert!(broken.said.contains("regoin"), "{}", broken.said);
    let nowhere = run(cluster.port(), &tests, &["--junit", "/no/such/folder/out.xml"]);
    assert_eq!(nowhere.code, Some(2), "{}", nowhere.said);
}

/// A policy that has lost its condition: its tests are what notices.
#[test]
fn a_rule_that_admits_too_much_is_noticed() {
    let cluster = databases();
    let wide = with(PASSING).replace("rows: region = {user.region}", "rows: all");
    let run = run(cluster.port(), &wide, &[]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.contains("+ South"), "{}", run.said);
}
