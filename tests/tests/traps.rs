//! The traps that the design knows of, each with the test that fails without its cure.
//!
//! In:  statements that walk into a trap, and what a rewriting without the cure would send, run by the owner.
//! Out: through pgcordon the answer of native row security; by the other way what the trap does.
//!
//! | trap | test |
//! |---|---|
//! | 1 derived columns carry leaks | `derived_columns_carry_no_leak`; `order.sql` of rewrite's cases, `redteam/hunt.json`, `calm.rs` |
//! | 2 the inline form shows raw columns | `the_inline_form_shows_no_raw_column`, `outer_and_merged_joins_hide_rows`; `exported.rs` (`tpch_by_columns`) |
//! | 3 OFFSET 0 under FOR UPDATE | `two_workers_find_different_rows`; `order.sql` of rewrite's cases |
//! | 4 RETURNING is the last net | `a_hidden_key_is_the_native_error`, `an_unread_write_is_checked_and_finished`; `cases/writes.sql` |
//! | 5 COPY FROM and MERGE have no RETURNING | `copy.rs`: `own_rows_are_stored_and_foreign_rows_undo_the_statement`, `what_cannot_be_checked_is_refused` |
//! | 6 prepared statements freeze literals | `pooling.rs`: `literals_are_read_by_the_settings_of_the_session` |
//! | 7 function identity | `a_function_of_a_built_in_name_is_not_called`, `a_rule_does_not_call_an_operator_of_a_built_in_name` |
//! | 8 DISCARD ALL deallocates | `protocol.rs`: `the_pool_carries_nothing_from_one_person_to_the_next`, `discard_all_forgets_the_own_session`; `pooling.rs`: `prepared_statements_follow_their_session`, `traces_of_a_function_do_not_reach_the_next_person` |
//! | 9 appended binds | nothing is appended to a client's binds; constants as parameters: `constants.rs` |
//! | 10 catalog race | `a_rule_that_lost_its_column_gives_no_row`; `copy.rs` (a trigger made later counts) |
//! | 11 cancel | `protocol.rs`: `cancel_needs_the_right_key`; `pooling.rs`: `a_cancel_reaches_the_transaction_of_its_session_only`; `proxy::cancel` |

use std::time::Duration;

use e2e::process::poll;
use e2e::script::converse;
use e2e::stage::{self, PLAIN, Stage};
use e2e::{Answer, Client, Proxy};

/// `1/0` of whoever reads a hidden row: its text is no number.
const NUMBERS: &str = "
    UPDATE orders SET note = CASE region WHEN 'North' THEN '1' ELSE 'hidden' END;
    UPDATE items SET sku = CASE WHEN order_id % 4 = 0 THEN '1' ELSE 'hidden' END;";

fn owner(stage: &Stage) -> Client {
    stage.cluster.admin(PLAIN)
}

/// The rows, or the SQLSTATE.
fn said(answer: &Answer) -> String {
    if answer.error.is_some() { answer.sqlstate().to_owned() } else { answer.table() }
}

/// Both databases, with rows of other regions that cannot be cast.
fn numbers() -> Stage {
    let stage = Stage::new();
    owner(&stage).run(NUMBERS);
    stage.cluster.admin(stage::NATIVE).run(NUMBERS);
    stage
}

#[test]
fn derived_columns_carry_no_leak() {
    let stage = numbers();
    let visible = "(SELECT * FROM items WHERE order_id IN (SELECT o.id FROM orders o WHERE o.region = 'North'))";
    for sql in [
        "SELECT count(*) FROM (SELECT sku::int AS s FROM items) x WHERE s > 0",
        "SELECT sku FROM items GROUP BY sku HAVING sku::int > 0",
        "WITH x AS (SELECT sku::int AS s FROM items) SELECT count(*) FROM x WHERE s > 0",
        "SELECT count(*) FROM (SELECT sku::int AS s FROM items UNION ALL SELECT 1) x WHERE s > 0",
    ] {
        // Pulled up, the cast runs before the rule does.
        let naive = sql.replace("items", &format!("{visible} AS i"));
        assert_eq!(said(&owner(&stage).simple(&naive)), "22P02", "{naive}");
        let native = said(&stage.native("rita").simple(sql));
        assert_eq!(said(&stage.client("rita").simple(sql)), native, "{sql}");
        assert!(!native.is_empty() && native != "22P02", "{sql}: {native}");
    }
}

/// `customers` with a masked and a hidden column for Rita.
fn masked() -> Stage {
    let cluster = stage::databases();
    let rule = "allow: [select, insert, update, delete]\n      rows: region = {user.region}\n";
    let columns = format!("{rule}      columns: {{ mask: {{ email: star }}, hide: [credit] }}\n");
    let policy = stage::policy().replacen(rule, &columns, 1);
    let policy = policy.replacen("tables:\n", "masks: { star: \"'***'::text\" }\ntables:\n", 1);
    Stage { proxy: Proxy::start(cluster.port(), &policy, ""), cluster }
}

#[test]
fn the_inline_form_shows_no_raw_column() {
    let stage = masked();
    let mut rita = stage.client("rita");
    for sql in [
        "UPDATE customers SET level = 'gold' WHERE id = 1 RETURNING email",
        "UPDATE customers c SET level = 'gold' WHERE c.id = 1 RETURNING c.*",
        "UPDATE customers SET name = email WHERE id = 2 RETURNING name",
        "UPDATE customers SET level = 'gold' WHERE email LIKE 'nora%' RETURNING id",
        "DELETE FROM customers WHERE id = 3 RETURNING *",
        "DELETE FROM customers WHERE id = 3 RETURNING customers",
        "INSERT INTO customers (id, region, name, email) VALUES (9, 'North', 'n', 'nina@x') RETURNING *",
        "UPDATE customers SET level = 'gold' RETURNING credit",
        "UPDATE customers SET level = 'gold' WHERE credit > 0",
    ] {
        let raw = owner(&stage).simple(&format!("BEGIN; {sql}; ROLLBACK"));
        let answer = rita.simple(sql);
        for word in ["nora@", "nils@", "nina@", "100.00", "50.50"] {
            assert!(!format!("{answer:?}").contains(word), "{sql}: {answer:?}");
        }
        assert!(raw.error.is_none() && !answer.fingerprint(true).is_empty(), "{sql}: {raw:?}");
    }
    let stored = "SELECT name FROM customers WHERE id = 2";
    assert_ne!(owner(&stage).run(stored).table(), "nils@example.com");
}

#[test]
fn outer_and_merged_joins_hide_rows() {
    let stage = Stage::new();
    for (sql, naive) in [
        (
            "SELECT count(*) FROM customers c FULL JOIN orders o ON o.customer_id = c.id AND o.amount > 100",
            "SELECT count(*) FROM customers c FULL JOIN orders o ON o.customer_id = c.id AND o.amount > 100
                AND c.region = 'North' AND o.region = 'North'",
        ),
        (
            "SELECT count(*) FROM regions r LEFT JOIN customers c ON c.region = r.name",
            "SELECT count(*) FROM regions r LEFT JOIN customers c ON c.region = r.name WHERE c.region = 'North'",
        ),
        (
            "SELECT count(*) FROM customers NATURAL JOIN employees",
            "SELECT count(*) FROM customers NATURAL JOIN employees WHERE true",
        ),
    ] {
        let native = said(&stage.native("rita").simple(sql));
        assert_eq!(said(&stage.client("rita").simple(sql)), native, "{sql}");
        let inline = said(&owner(&stage).simple(naive));
        assert!(inline != native || sql.contains("NATURAL"), "{naive}: {inline}");
    }
    let sql = "SELECT public.orders.id, orders.note FROM public.orders JOIN customers USING (region) ORDER BY 1, 2 LIMIT 5";
    assert_eq!(said(&stage.client("rita").simple(sql)), said(&stage.native("rita").simple(sql)));
}

#[test]
fn two_workers_find_different_rows() {
    let stage = numbers();
    let next =
        "SELECT id FROM orders WHERE note::int > 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED";
    let fenced = "SELECT id FROM (SELECT * FROM orders WHERE region = 'North' OFFSET 0) AS orders
        WHERE note::int > 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED";
    for (sql, expected, mut workers) in [
        (next, "8", [stage.client("rita"), stage.client("rita")]),
        (fenced, "", [owner(&stage), owner(&stage)]),
    ] {
        workers.iter_mut().for_each(|worker| drop(worker.run("BEGIN")));
        let [first, second] = &mut workers;
        assert_eq!(said(&first.simple(sql)), "4");
        assert_eq!(said(&second.simple(sql)), expected, "{sql}");
        // Their locks must be gone before the next two begin.
        workers.iter_mut().for_each(|worker| drop(worker.run("ROLLBACK")));
    }
}

#[test]
fn a_hidden_key_is_the_native_error() {
    let stage = Stage::new();
    let row = "INSERT INTO customers (id, region, name, email) VALUES";
    for (sql, without) in [
        (format!("{row} (4, 'South', 'x', 'x@x')"), "23505"),
        (format!("{row} (4, 'South', 'x', 'x@x') ON CONFLICT DO NOTHING"), ""),
        (format!("{row} (4, 'North', 'x', 'x@x') ON CONFLICT (id) DO UPDATE SET name = 'x'"), ""),
        (format!("{row} (1, 'South', 'x', 'x@x') ON CONFLICT (id) DO UPDATE SET name = 'x'"), ""),
        ("UPDATE customers SET region = 'South' WHERE id = 1".to_owned(), ""),
        ("UPDATE customers SET region = 'South', id = 4 WHERE id = 1".to_owned(), "23505"),
    ] {
        let bare = owner(&stage).simple(&format!("BEGIN; {sql}; ROLLBACK"));
        assert_eq!(bare.sqlstate(), without, "{sql}");
        assert_eq!(stage.native("rita").simple(&sql).sqlstate(), "42501", "{sql}");
        assert_eq!(stage.client("rita").simple(&sql).sqlstate(), "42501", "{sql}");
    }
    let own = format!(
        "{row} (1, 'North', 'y', 'x@x') ON CONFLICT (id) DO UPDATE SET name = 'y' RETURNING *"
    );
    let columns = |answer: &Answer| answer.results.first().map(|result| result.columns.clone());
    let (ours, native) = (stage.client("rita").simple(&own), stage.native("rita").simple(&own));
    assert_eq!(said(&ours), said(&native));
    assert_eq!(columns(&ours), columns(&native));
}

#[test]
fn an_unread_write_is_checked_and_finished() {
    let stage = Stage::new();
    let mut rita = stage.client("rita");
    let unread =
        "WITH w AS (INSERT INTO visits (region, what) VALUES ('South', 'x') RETURNING id) SELECT 2";
    assert_eq!(said(&owner(&stage).simple(&format!("BEGIN; {unread}; ROLLBACK"))), "2");
    assert_eq!(rita.simple(unread).sqlstate(), "42501");
    assert_eq!(said(&rita.simple(&unread.replace("South", "North"))), "2");
    let all = "WITH w AS (INSERT INTO visits (region, what) VALUES ('North', 'y') RETURNING region, what) SELECT * FROM w";
    assert_eq!(said(&rita.simple(all)), "North|y");
    // The check's rows must not suspend a write that returns none: Execute asks for one row, three are stored.
    let write = "INSERT INTO visits (what) VALUES ('z'), ('z'), ('z')";
    let script = format!("parse -: {write}\nbind - - ()\nexecute - 1\nsync");
    let said_all = converse(&mut rita, &script);
    assert_eq!(said_all.lines().collect::<Vec<_>>(), ["1", "2", "C INSERT 0 3", "Z I"]);
    assert_eq!(said(&rita.simple("SELECT count(*) FROM visits WHERE what = 'z'")), "3");
}

#[test]
fn a_function_of_a_built_in_name_is_not_called() {
    let cluster = stage::databases();
    cluster.admin(PLAIN).run(
        "CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS $$SELECT 'stolen'$$;
         CREATE FUNCTION public.same(varchar, varchar) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;
         CREATE FUNCTION public.mixed(varchar, text) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;
         CREATE OPERATOR public.= (FUNCTION = public.same, LEFTARG = varchar, RIGHTARG = varchar);
         CREATE OPERATOR public.= (FUNCTION = public.mixed, LEFTARG = varchar, RIGHTARG = text)",
    );
    let stage = Stage { proxy: Proxy::start(cluster.port(), &stage::policy(), ""), cluster };
    let call = "SELECT lower(name::varchar) FROM customers WHERE id = 1";
    let compare = "SELECT count(*) FROM customers WHERE name::varchar = 'Nora'::varchar";
    assert_eq!(said(&owner(&stage).simple(call)), "stolen");
    assert_eq!(said(&owner(&stage).simple(compare)), "7");
    let mut rita = stage.client("rita");
    assert_eq!(said(&rita.simple(call)), "nora");
    assert_eq!(said(&rita.simple(compare)), "42501");
    assert_eq!(said(&rita.simple("SELECT count(*) FROM customers WHERE id = 1")), "1");
    assert_eq!(said(&rita.simple("SELECT count(*) FROM customers WHERE name = 'Nora'")), "1");
    assert_eq!(said(&stage.client("rita").simple(&call.replace("lower", "public.lower"))), "42501");
}

#[test]
fn a_rule_does_not_call_an_operator_of_a_built_in_name() {
    let stage = Stage::with("limits: { catalog_interval: 500ms }\n");
    let (sql, bare) =
        ("SELECT what FROM visits", "SELECT what FROM visits WHERE region = 'North'::text");
    owner(&stage).run("ALTER TABLE visits ALTER region TYPE varchar");
    assert_eq!(said(&stage.client("rita").simple(sql)), "fair");
    owner(&stage).run(
        "CREATE FUNCTION public.mixed(varchar, text) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;
         CREATE OPERATOR public.= (FUNCTION = public.mixed, LEFTARG = varchar, RIGHTARG = text)",
    );
    assert_eq!(said(&owner(&stage).simple(bare)), "fair\ntalk");
    // The rule could mean that operator: once the catalog has been read again its table is refused, others are not.
    let mut rita = stage.client("rita");
    let refused = poll(Duration::from_secs(30), || rita.simple(sql).error.map(|_| ()));
    assert!(refused.is_some(), "the operator is called by the rule");
    assert_eq!(said(&rita.simple("SELECT count(*) FROM orders")), "6");
}

#[test]
fn a_rule_that_lost_its_column_gives_no_row() {
    let stage = Stage::with("limits: { catalog_interval: 500ms }\n");
    let mut rita = stage.client("rita");
    let sql = "SELECT what FROM visits";
    assert_eq!(said(&rita.simple(sql)), "fair");
    owner(&stage).run("ALTER TABLE visits RENAME COLUMN region TO area");
    // At first the database itself does not know the column; then pgcordon refuses; never a row.
    let refused = poll(Duration::from_secs(30), || {
        let answer = rita.simple(sql);
        assert!(answer.error.is_some(), "{answer:?}");
        (answer.sqlstate() != "42703").then(|| said(&answer))
    });
    assert!(refused.is_some(), "the change is never seen");
    owner(&stage).run("ALTER TABLE visits RENAME COLUMN area TO region");
    let mended = poll(Duration::from_secs(30), || {
        let answer = rita.simple(sql);
        answer.error.is_none().then(|| said(&answer))
    });
    assert_eq!(mended.as_deref(), Some("fair"));
}
