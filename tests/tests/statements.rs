//! Cursors, prepared statements in SQL, EXPLAIN: through pgcordon what PostgreSQL would say to the same person.
//!
//! In:  scripts of frames (`e2e::script`); policies with one thing changed.
//! Out: transcripts. The native twin is the oracle where it has the same right; else the words of the refusal.

use e2e::script::converse;
use e2e::stage::{Stage, policy};
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

/// What is refused, with its SQLSTATE and a part of its message; nothing of it may answer rows.
fn refused(client: &mut Client, sql: &str, sqlstate: &str, words: &str) {
    let answer = client.simple(sql);
    let error = answer.error.clone().unwrap_or_default();
    assert_eq!(error.sqlstate(), sqlstate, "{sql}: {}", error.message());
    assert!(error.message().contains(words), "{sql}: {}", error.message());
    assert_eq!(answer.table(), "", "{sql}");
}

fn said(answer: &Answer) -> String {
    format!("{}{}", answer.table(), answer.sqlstate())
}

#[test]
fn cursors_give_what_the_person_may_see() {
    let stage = Stage::new();
    check(
        &stage,
        "query BEGIN
         query DECLARE c SCROLL CURSOR FOR SELECT id, name FROM customers ORDER BY id
         query FETCH c
         query FETCH FORWARD 1 FROM c
         query FETCH LAST c
         query FETCH PRIOR FROM c
         query FETCH ABSOLUTE 1 IN c
         query FETCH RELATIVE 1 c
         query MOVE BACKWARD ALL IN c
         query FETCH ALL c
         query CLOSE c
         query FETCH c
         query ROLLBACK",
        &["D 1 Nora", "D 3 Nina", "C FETCH 3", "C CLOSE CURSOR", "E 34000"],
    );
    check(
        &stage,
        "query BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT id FROM customers ORDER BY id; COMMIT
         query FETCH 2 FROM c
         query BEGIN
         query DECLARE d NO SCROLL CURSOR FOR SELECT count(*) FROM orders
         query FETCH d
         query COMMIT
         query FETCH d
         query FETCH c
         query CLOSE ALL
         query FETCH c",
        &["D 1", "D 2", "C FETCH 2", "E 34000"],
    );
    check(
        &stage,
        "query BEGIN
         query DECLARE c BINARY CURSOR FOR SELECT name FROM customers ORDER BY id
         query FETCH c
         query SAVEPOINT s
         query DECLARE d CURSOR FOR SELECT id FROM customers WHERE id = 1 FOR UPDATE
         query FETCH d
         query ROLLBACK TO s
         query FETCH d
         query ROLLBACK
         query DECLARE c CURSOR FOR SELECT 1
         query CLOSE c",
        &["D Nora", "E 34000", "E 25P01"],
    );
}

#[test]
fn cursors_in_the_extended_protocol() {
    let stage = Stage::new();
    check(
        &stage,
        "query BEGIN
         parse d: DECLARE c CURSOR FOR SELECT id FROM customers WHERE region = $1 ORDER BY id
         describe statement d
         bind - d (North)
         execute -
         parse f: FETCH 1 FROM c
         describe statement f
         bind - f
         execute -
         bind - f
         execute -
         describe portal c
         execute c 1
         sync
         query CLOSE c
         bind - f
         execute -
         sync
         query ROLLBACK",
        &["C DECLARE CURSOR", "D 1", "D 2", "D 3", "E 34000"],
    );
    // A portal of the protocol is a cursor too; one whose rows hold a check of ours is not.
    check(
        &stage,
        "query BEGIN
         parse s: SELECT id FROM customers ORDER BY id
         bind p s
         sync
         query FETCH 1 FROM p
         query CLOSE p
         query FETCH 1 FROM p
         query ROLLBACK",
        &["D 1", "E 34000"],
    );
    let mut client = stage.client("rita");
    let said = converse(
        &mut client,
        "query BEGIN
         parse s: UPDATE orders SET note = 'x' RETURNING id
         bind p s
         sync
         query FETCH 1 FROM p
         query ROLLBACK",
    );
    assert!(said.contains("E 0A000"), "{said}");
}

#[test]
fn a_cursor_over_what_is_not_granted_is_refused() {
    let stage = Stage::new();
    let mut rita = stage.client("rita");
    rita.run("BEGIN");
    refused(&mut rita, "DECLARE c CURSOR FOR SELECT * FROM payroll", "42P01", "payroll");
    rita.run("ROLLBACK");
    refused(&mut rita, "FETCH c", "34000", "cursor \"c\" does not exist");
    refused(&mut rita, "FETCH \"pgcordon own\"", "0A000", "begins with pgcordon");
    refused(&mut rita, "DECLARE \"pgcordon own\" CURSOR FOR SELECT 1", "0A000", "pgcordon");
}

#[test]
fn prepared_statements_in_sql() {
    let stage = Stage::new();
    check(
        &stage,
        "query PREPARE p (text) AS SELECT id, name FROM customers WHERE region = $1 ORDER BY id
         query EXECUTE p('North')
         query EXECUTE p('So' || 'uth')
         query EXECUTE p(1, 2)
         query PREPARE p AS SELECT 1
         query DEALLOCATE p
         query EXECUTE p('North')
         query PREPARE a AS SELECT 1; EXECUTE a; DEALLOCATE a; PREPARE a AS SELECT count(*) FROM orders; EXECUTE a
         query DEALLOCATE ALL
         query EXECUTE a",
        &["D 1 Nora", "C SELECT 3", "C SELECT 0", "E 42601", "E 42P05", "E 26000"],
    );
}

#[test]
fn prepared_writes_hide_the_check() {
    let stage = Stage::new();
    check(
        &stage,
        "query PREPARE w (int, text) AS INSERT INTO orders (id, region, customer_id) VALUES ($1, $2, 1)
         query EXECUTE w(80, 'North')
         query EXECUTE w(81, 'South')
         query PREPARE r AS UPDATE orders SET note = 'y' WHERE id = 80 RETURNING id, note
         query EXECUTE r
         query SELECT id FROM orders WHERE id IN (80, 81)
         parse e: EXECUTE w(82, 'North')
         describe statement e
         bind - e
         execute - 1
         parse f: EXECUTE r
         describe statement f
         bind - f
         execute -
         sync
         query DEALLOCATE w
         bind - e
         execute -
         sync",
        &["C INSERT 0 1", "E 42501", "T id note", "D 80 y", "D 80", "n", "E 26000"],
    );
}

/// SQL and the protocol share one namespace.
#[test]
fn names_are_shared_with_the_protocol() {
    let stage = Stage::new();
    check(
        &stage,
        "parse p: SELECT id FROM customers WHERE region = $1 ORDER BY id
         sync
         query EXECUTE p('North')
         query DEALLOCATE p
         bind - p (North)
         sync
         query PREPARE q (text) AS UPDATE orders SET note = 'z' WHERE region = $1 AND id = 8
         describe statement q
         bind - q (North)
         execute - 1
         close statement q
         sync
         query EXECUTE q('North')",
        &["D 1", "D 3", "C UPDATE 1", "E 26000"],
    );
    let mut rita = stage.client("rita");
    converse(&mut rita, "parse s: SET search_path = archive\nsync");
    refused(&mut rita, "EXECUTE s", "0A000", "no query");
    refused(&mut rita, "EXECUTE nothing", "26000", "nothing");
    refused(&mut rita, "PREPARE p AS SELECT * FROM payroll", "42P01", "payroll");
    refused(&mut rita, "EXECUTE p((SELECT max(id) FROM customers))", "0A000", "sub-select");
}

#[test]
fn a_name_that_changes_behind_a_portal_is_not_run() {
    let stage = Stage::new();
    let mut rita = stage.client("rita");
    let said = converse(
        &mut rita,
        "parse p: SELECT id FROM orders
         parse e: EXECUTE p
         bind e e
         close statement p
         parse p: UPDATE orders SET note = 'x' RETURNING id
         execute e
         sync",
    );
    assert!(said.contains("E 55000") && !said.contains("D "), "{said}");
}

/// The names in a prepared statement mean what they mean when it runs.
#[test]
fn a_prepared_statement_follows_the_search_path() {
    let stage = Stage::new();
    check(
        &stage,
        "query PREPARE p AS SELECT count(*) FROM orders
         query EXECUTE p
         query SET search_path = archive
         query EXECUTE p
         query BEGIN; SET LOCAL search_path = public
         query EXECUTE p
         query ROLLBACK
         query EXECUTE p
         parse e: EXECUTE p
         bind - e
         execute -
         sync",
        &["D 1"],
    );
}

/// Waits until new sessions meet the new policy.
fn reload(stage: &Stage, policy: &str, shows: &str) {
    stage.proxy.reload(policy);
    let arrived = e2e::process::poll(e2e::process::PATIENCE, || {
        (said(&stage.client("rita").simple("SELECT count(*) FROM orders")) == shows).then_some(())
    });
    assert!(arrived.is_some(), "{}", stage.proxy.log());
}

/// The right to `orders` as it stands in the policy of the tests.
const OWN_ORDERS: &str = "  public.orders:\n    - name: own region\n      to: [sales_rep]\n      allow: [select, insert, update, delete]\n      rows: region = {user.region}\n";

#[test]
fn a_reload_reaches_what_was_prepared_and_opened_before() {
    let stage = Stage::new();
    let mut rita = stage.client("rita");
    rita.run("PREPARE p AS SELECT count(*) FROM orders");
    rita.run("PREPARE c AS SELECT count(*) FROM customers");
    converse(&mut rita, "parse e: EXECUTE p\nparse w: UPDATE orders SET note = note\nsync");
    rita.run("BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT id FROM orders ORDER BY id; COMMIT");
    rita.run("BEGIN; DECLARE k CURSOR WITH HOLD FOR SELECT id FROM customers ORDER BY id; COMMIT");
    let before = said(&rita.simple("EXECUTE p"));
    assert_eq!(said(&rita.simple("FETCH k")), "1");

    assert!(policy().contains(OWN_ORDERS));
    let fewer = OWN_ORDERS.replace("rows: region = {user.region}", "rows: id = 1");
    reload(&stage, &policy().replace(OWN_ORDERS, &fewer), "1");
    assert_ne!(before, "1");
    // Prepared again: in the simple protocol, in a transaction, behind a protocol statement.
    assert_eq!(said(&rita.simple("EXECUTE p")), "1");
    assert!(converse(&mut rita, "bind - e\nexecute -\nsync").contains("D 1"), "the old plan ran");
    assert_eq!(said(&rita.simple("EXECUTE c")), "3");
    refused(&mut rita, "FETCH h", "42501", "opened under another policy");
    assert_eq!(said(&rita.simple("FETCH k")), "2");

    let none = policy().replace(OWN_ORDERS, "  public.orders:\n");
    reload(&stage, &none, "42P01");
    refused(&mut rita, "EXECUTE p", "42P01", "orders");
    assert!(converse(&mut rita, "bind - e\nexecute -\nsync").starts_with("E 42P01"));
    assert!(converse(&mut rita, "bind - w\nexecute -\nsync").starts_with("E 42P01"));
    rita.run("CLOSE h");
    rita.run("DEALLOCATE p");
    refused(&mut rita, "EXECUTE p", "26000", "p");

    reload(&stage, &policy(), &before);
    rita.run("BEGIN");
    assert_eq!(said(&rita.simple("EXECUTE c")), "3");
    rita.run("COMMIT");
}

#[test]
fn names_end_with_the_session() {
    let stage = Stage::new();
    for _ in 0..3 {
        let mut rita = stage.client("rita");
        rita.run("PREPARE p AS SELECT id FROM customers");
        rita.run("BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT id FROM customers; COMMIT");
        drop(rita);
        let mut ralf = stage.client("ralf");
        refused(&mut ralf, "EXECUTE p", "26000", "p");
        refused(&mut ralf, "FETCH h", "34000", "h");
        ralf.run("PREPARE p AS SELECT id FROM customers");
        assert_eq!(said(&ralf.simple("EXECUTE p")), "4\n5");
    }
}

#[test]
fn explain_needs_a_grant() {
    let stage = Stage::new();
    refused(
        &mut stage.client("rita"),
        "EXPLAIN SELECT * FROM orders",
        "42501",
        "EXPLAIN is not granted",
    );
    let granted = policy().replace(
        "manager: { includes: [viewer] }",
        "manager: { includes: [viewer], statements: [explain] }",
    );
    stage.proxy.reload(&granted);
    let arrived = e2e::process::poll(e2e::process::PATIENCE, || {
        stage.client("max").simple("EXPLAIN SELECT 1").error.is_none().then_some(())
    });
    assert!(arrived.is_some(), "{}", stage.proxy.log());
    let mut max = stage.client("max");
    let plan = |max: &mut Client, sql: &str| max.run(sql).table();
    assert!(
        plan(&mut max, "EXPLAIN (COSTS off) SELECT * FROM orders").contains("Seq Scan on orders")
    );
    assert!(plan(&mut max, "EXPLAIN (ANALYZE, FORMAT json) SELECT 1").contains("Actual Rows"));
    assert!(
        plan(&mut max, "EXPLAIN VERBOSE DELETE FROM orders WHERE id = 1").contains("Delete on")
    );
    refused(&mut max, "EXPLAIN SELECT * FROM payroll", "42P01", "payroll");
    refused(&mut max, "EXPLAIN ANALYZE EXECUTE p", "0A000", "EXECUTE");
    refused(&mut stage.client("rita"), "EXPLAIN SELECT 1", "42501", "EXPLAIN is not granted");
}

#[test]
fn tables_are_locked_by_whom_may_write_them() {
    let stage = Stage::new();
    check(
        &stage,
        "query BEGIN
         query LOCK TABLE orders, ONLY customers IN ROW EXCLUSIVE MODE
         query LOCK regions IN ACCESS SHARE MODE
         query ROLLBACK
         query BEGIN
         query LOCK regions IN ROW SHARE MODE
         query ROLLBACK
         query LOCK orders IN ROW SHARE MODE",
        &["C LOCK TABLE", "E 42501", "E 25P01"],
    );
    let mut rita = stage.client("rita");
    refused(&mut rita, "LOCK TABLE payroll IN ACCESS SHARE MODE", "42P01", "payroll");
    refused(&mut rita, "LOCK TABLE big_orders IN ROW SHARE MODE", "0A000", "anything but a table");
    refused(&mut rita, "LOCK TABLE orders", "0A000", "shuts out other writers");
    refused(&mut rita, "LOCK TABLE orders IN SHARE MODE", "0A000", "shuts out other writers");
}

#[test]
fn truncate_takes_every_row_or_none() {
    let stage = Stage::new();
    stage.cluster.admin(e2e::stage::PLAIN).run("GRANT TRUNCATE ON visits, orders TO pgcordon");
    let visits = policy().replace(
        "  public.visits:\n    - name: own region\n      to: [sales_rep]\n      allow: [select, insert, update, delete]",
        "  public.visits:\n    - name: own region\n      to: [sales_rep]\n      allow: [select, insert, update, delete, truncate]",
    );
    let visits = visits.replace(
        "  public.measures:\n",
        "    - { name: emptied, to: [manager], allow: [truncate], rows: all }\n  public.measures:\n",
    );
    assert_ne!(visits, policy());
    stage.proxy.reload(&visits);
    let arrived = e2e::process::poll(e2e::process::PATIENCE, || {
        let mut max = stage.client("max");
        max.run("BEGIN");
        max.simple("TRUNCATE visits").error.is_none().then_some(())
    });
    assert!(arrived.is_some(), "{}", stage.proxy.log());
    let mut rita = stage.client("rita");
    refused(&mut rita, "TRUNCATE visits", "42501", "permission denied for table visits");
    refused(&mut rita, "TRUNCATE orders", "42501", "permission denied for table orders");
    refused(&mut rita, "TRUNCATE payroll", "42P01", "payroll");
    let mut max = stage.client("max");
    refused(&mut max, "TRUNCATE visits CASCADE", "0A000", "CASCADE");
    refused(&mut max, "TRUNCATE visits, orders", "42501", "permission denied for table orders");
    assert_eq!(said(&max.simple("SELECT count(*) FROM visits")), "2");
    max.run("TRUNCATE ONLY visits");
    assert_eq!(said(&max.simple("SELECT count(*) FROM visits")), "0");
}

#[test]
fn what_a_query_makes_holds_what_its_maker_may_see() {
    let stage = Stage::new();
    stage.cluster.admin(e2e::stage::PLAIN).run("GRANT CREATE ON SCHEMA public TO pgcordon");
    refused(&mut stage.client("rita"), "CREATE TABLE mine AS SELECT 1", "42501", "not granted");
    refused(&mut stage.client("rita"), "SELECT 1 INTO mine", "42501", "not granted");
    let rules = "  public.made:\n    - { name: all, to: [viewer], rows: all }\n  public.items:\n";
    let granted = policy()
        .replace(
            "sales_rep: { includes: [viewer] }",
            "sales_rep: { includes: [viewer], statements: [create] }",
        )
        .replace("  public.items:\n", rules);
    // A rule for a relation that nowhere exists would be a mistake.
    let mut admin = stage.cluster.admin(e2e::stage::PLAIN);
    admin.run("CREATE TABLE made (id int, region text); GRANT SELECT ON made TO pgcordon");
    // An unknown name has the catalog looked at.
    refused(&mut stage.client("rita"), "SELECT * FROM made", "42P01", "made");
    stage.proxy.reload(&granted);
    let arrived = e2e::process::poll(e2e::process::PATIENCE, || {
        stage.client("rita").simple("SELECT * FROM made").error.is_none().then_some(())
    });
    assert!(arrived.is_some(), "{}", stage.proxy.log());
    admin.run("DROP TABLE made");
    stage.client("rita").run("CREATE TABLE made AS SELECT id, region FROM orders");
    let mut rita = stage.client("rita");
    let own = said(&rita.simple("SELECT count(*) FROM orders"));
    assert_eq!(said(&rita.simple("SELECT count(*) FROM made")), own);
    assert_eq!(said(&rita.simple("SELECT count(*) FROM made WHERE region <> 'North'")), "0");
    refused(&mut rita, "CREATE TABLE leak AS SELECT * FROM payroll", "42P01", "payroll");
    refused(&mut rita, "CREATE TEMP TABLE t AS SELECT 1", "42501", "TEMPORARY");
    rita.run("SELECT id INTO public.unruled FROM orders");
    refused(&mut rita, "SELECT * FROM unruled", "42P01", "unruled");
    // A view is read as its definition, by the reader's rules; what its maker may not see stays out.
    rita.run("CREATE VIEW seen AS SELECT o.id, o.region FROM orders o");
    assert_eq!(said(&rita.simple("SELECT count(*) FROM seen")), own);
    assert_eq!(said(&stage.client("ralf").simple("SELECT count(*) FROM seen")), "0");
    assert_eq!(said(&stage.client("max").simple("SELECT count(*) FROM seen")), own);
    refused(
        &mut rita,
        "CREATE OR REPLACE VIEW seen AS SELECT 1 AS id, 'x' AS region",
        "0A000",
        "exists",
    );
    rita.run("CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM orders");
    refused(&mut rita, "SELECT * FROM counted", "42P01", "counted");
}

#[test]
fn where_current_of_a_cursor() {
    let stage = Stage::new();
    let delete = "query BEGIN
         query DECLARE c CURSOR FOR SELECT id FROM visits ORDER BY id FOR UPDATE
         query FETCH c
         query DELETE FROM visits WHERE CURRENT OF c
         query SELECT count(*) FROM visits
         query DELETE FROM visits WHERE CURRENT OF nothing
         query ROLLBACK
         query BEGIN
         query DECLARE c CURSOR FOR SELECT id FROM orders
         query FETCH c
         query DELETE FROM orders WHERE CURRENT OF c
         query ROLLBACK";
    check(&stage, delete, &["C DELETE 1", "D 0", "E 34000"]);
    let mut max = stage.client("max");
    max.run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM orders WHERE id = 5");
    max.run("FETCH c");
    max.run("UPDATE orders SET note = 'current' WHERE CURRENT OF c");
    assert_eq!(said(&max.simple("SELECT id FROM orders WHERE note = 'current'")), "5");
    max.run("ROLLBACK");
    let mut rita = stage.client("rita");
    rita.run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM orders WHERE id = 8");
    rita.run("FETCH c");
    rita.run("UPDATE orders SET note = 'current', (amount, placed) = (amount + 1, DEFAULT) WHERE CURRENT OF c");
    assert_eq!(
        said(&rita.simple("SELECT id FROM orders WHERE note = 'current' AND amount = 101")),
        "8"
    );
    refused(
        &mut rita,
        "UPDATE orders SET region = 'West' WHERE CURRENT OF c",
        "42501",
        "row-level",
    );
    rita.run("ROLLBACK");
    let query = "UPDATE orders SET (note) = (SELECT 'x') WHERE CURRENT OF c";
    refused(&mut rita, query, "0A000", "CURRENT OF");
    refused(&mut rita, "DELETE FROM orders WHERE CURRENT OF c RETURNING 1", "0A000", "CURRENT OF");
    // A row that has left the person's reach since the cursor was opened is not deleted: it raises.
    let mut rita = stage.client("rita");
    rita.run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM visits");
    rita.run("FETCH c");
    stage.cluster.admin(e2e::stage::PLAIN).run("UPDATE visits SET region = 'South' WHERE id = 1");
    // Nor do values of SET see it.
    rita.run("SAVEPOINT s");
    let update =
        "UPDATE visits SET region = 'North', what = (1 / (id - id))::text WHERE CURRENT OF c";
    refused(&mut rita, update, "42501", "row-level");
    rita.run("ROLLBACK TO s");
    let answer = rita.simple("DELETE FROM visits WHERE CURRENT OF c");
    assert_ne!(answer.error.map(|error| error.sqlstate().to_owned()), None);
    rita.run("ROLLBACK");
    assert_eq!(said(&stage.client("max").simple("SELECT count(*) FROM visits")), "2");
}
