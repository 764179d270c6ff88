//! The fuzz target of `enforce` on its seeds and on whatever it has found; and its oracle on texts that are wrong.

#[path = "../../../tests/fuzz/src/enforce.rs"]
mod enforce;
#[path = "../../../tests/fuzz/src/oracle.rs"]
mod oracle;
#[path = "../../../tests/fuzz/src/tree.rs"]
mod tree;
#[path = "../../../tests/fuzz/src/world.rs"]
mod world;

use std::path::Path;

use world::World;

/// Every file under a folder, cut at blank lines.
fn texts(folder: &str) -> Vec<String> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)];
    let mut texts = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a readable folder");
            open.extend(entries.map(|entry| entry.expect("a readable folder").path()));
        } else if path.extension().is_some_and(|end| end == "sql") {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            texts.extend(text.split("\n\n").map(str::to_owned));
        }
    }
    texts
}

#[test]
fn seeds_of_enforce() {
    let world = World::new();
    let folders = ["tests/cases", "crates/rewrite/tests/cases", "tests/fuzz/found/enforce"];
    let mut sent = 0;
    for text in folders.iter().flat_map(|folder| texts(folder)) {
        sent += enforce::check(&world, &text).iter().flatten().count();
    }
    // The seeds' columns are the catalog's: most statements are judged, not refused.
    assert!(sent > 300, "{sent} sent");
}

/// What would be sent for `eve`.
fn sent(world: &World, text: &str) -> String {
    let sent = enforce::check(world, text).into_iter().next().flatten();
    sent.unwrap_or_else(|| panic!("{text} is refused"))
}

/// One change to what would be sent must be found.
#[track_caller]
fn caught(text: &str, from: &str, to: &str, fault: &str) {
    let world = World::new();
    let right = sent(&world, text);
    assert!(right.contains(from), "{right}");
    let faults = oracle::faults(&world, text, &right.replace(from, to), true);
    assert!(
        faults.iter().any(|found| found.contains(fault)),
        "{faults:?} of {}",
        right.replace(from, to)
    );
}

#[test]
fn a_scan_without_its_condition() {
    caught("SELECT * FROM orders", "= 770902", "= 770903", "public.orders without its guard");
    caught("SELECT * FROM orders", "= 770902", "<> 770902", "public.orders without its guard");
    caught(
        "SELECT * FROM orders",
        "= 770902)",
        "= 770902 OR true)",
        "public.orders without its guard",
    );
    caught("SELECT id FROM v_orders", "770902", "0", "public.orders without its guard");
    caught("SELECT * FROM orders_2025", "770902", "0", "public.orders_2025 without its guard");
    caught("SELECT * FROM v_ruled", "770924", "0", "public.v_ruled without its guard");
    caught("EXPLAIN SELECT * FROM visits", "770906", "0", "public.visits without its guard");
    caught("PREPARE p AS SELECT * FROM visits", "770906", "0", "public.visits without its guard");
    caught(
        "CREATE VIEW v AS SELECT * FROM visits",
        "770906",
        "0",
        "public.visits without its guard",
    );
    caught("COPY visits TO STDOUT", "770906", "0", "public.visits without its guard");
}

#[test]
fn a_scan_beside_another_relation() {
    let from = r#"FROM "public"."orders" AS "pgcordon_scan""#;
    let to = r#"FROM "public"."orders" AS "pgcordon_scan", "public"."payroll""#;
    caught("SELECT id FROM orders", from, to, "public.payroll without its guard");
    caught("SELECT id FROM orders", from, to, "public.orders without its guard");
}

#[test]
fn a_write_without_its_condition_or_check() {
    let update = "UPDATE orders SET note = 'x' WHERE id = 1";
    caught(update, "= 770902) AND (id = 1)", "= 770902) OR (id = 1)", "public.orders without");
    caught(update, "THEN 0 ELSE", "THEN 0 WHEN true THEN 0 ELSE", "public.orders without");
    caught(update, "'pgcordon-", "'", "public.orders without");
    caught("DELETE FROM visits", "770906", "0", "public.visits without its guard");
    let insert = "INSERT INTO visits (region) VALUES ('x')";
    caught(insert, "\"pgcordon_check\"", "\"other\"", "public.visits without its guard");
    caught("COPY visits FROM STDIN", "770906", "0", "public.visits without its guard");
    let upsert =
        "INSERT INTO visits (id, tenant) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET what = 'x'";
    caught(upsert, "END RETURNING", "END IS NOT NULL RETURNING", "public.visits without its guard");
}

#[test]
fn a_name_that_is_no_table_expression() {
    let text = "WITH orders AS (SELECT 1) SELECT * FROM orders";
    caught(text, "AS (SELECT 1)", "AS (SELECT 1 FROM orders)", "orders without its schema");
    caught(text, "WITH orders", "WITH other", "orders without its schema");
}

#[test]
fn columns_that_rules_change() {
    let text = "SELECT name FROM customers";
    let column = r#""pgcordon_scan"."name""#;
    caught(text, column, r#""pgcordon_scan"."credit_limit""#, "a raw column in a scan");
    caught(text, column, r#""pgcordon_scan"."email""#, "a raw column in a scan");
    caught(text, column, r#""pgcordon_scan".*"#, "a raw column in a scan");
    caught(text, "SELECT name", "SELECT credit_limit", "column credit_limit");
    caught(
        "SELECT name FROM employees",
        r#""pgcordon_scan"."name""#,
        r#""pgcordon_scan"."ssn""#,
        "column ssn",
    );
    caught(
        "DELETE FROM customers RETURNING id",
        "RETURNING id",
        "RETURNING *",
        "RETURNING * of raw",
    );
}

#[test]
fn functions_settings_and_statements() {
    caught(
        "SELECT 1",
        "1",
        "pg_catalog.query_to_xml('SELECT 1', true, true, '')",
        "query_to_xml()",
    );
    caught("SELECT 1", "1", "pg_sleep(1)", "pg_sleep()");
    caught("SELECT 1", "1", "set_config('role', 'x', false)", "set_config of what is not known");
    caught(
        "SELECT 1",
        "1",
        "set_config(lower('ROLE'), 'x', false)",
        "set_config of what is not known",
    );
    caught("SELECT 1", "1", "public.name_up(1)", "public.name_up()");
    caught("SELECT 1", "SELECT 1", "SELECT 1; SELECT 2", "2 statements of 1");
    caught("SELECT 1", "SELECT 1", "SET row_security = off", "SET row_security");
    let became = "SET SESSION AUTHORIZATION max";
    caught("SELECT 1", "SELECT 1", became, "SET session_authorization");
    let became = "SELECT pg_catalog.current_setting(lower('X'))";
    caught("SELECT 1", "SELECT 1", became, "current_setting of what is not known");
    caught("SELECT 1", "SELECT 1", "CALL p()", "a CallStmt");
    caught("COPY visits FROM STDIN", "STDIN", "'/etc/passwd'", "COPY of a file");
}
