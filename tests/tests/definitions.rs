//! CREATE, ALTER, DROP by grant: on what is one's own, what PostgreSQL would do; on anything else, nothing.
//!
//! In:  scripts of frames (`e2e::script`) of somebody with `statements: [create, ddl]` and a schema of their own.
//! Out: transcripts. The native twin, where the same person owns the same schema, is the oracle.

use e2e::cluster::Cluster;
use e2e::proxy::Proxy;
use e2e::script::converse;
use e2e::stage::{self, Stage, policy};
use e2e::{Answer, Client};

const WORK: &str = "
CREATE TABLE work.first (id int PRIMARY KEY, body text);
INSERT INTO work.first VALUES (1, 'one'), (2, 'two');
CREATE TABLE work.walled (id int, tenant_id int);
CREATE TABLE work.members (region text, name text);
CREATE TABLE work.named (id int);
CREATE VIEW work.seen AS SELECT id FROM work.first;
CREATE VIEW work.report AS SELECT id FROM work.named;
";

const RULES: &str = "
  \"work.*\":
    - name: makers
      to: [maker]
      allow: [select, insert, update, delete, truncate]
      rows: all
    - { name: wall, when_columns: [tenant_id], to: everyone, restrict: true, rows: tenant_id = 1 }
  work.named:
    - { name: makers, to: [maker], allow: [select, insert, update, delete], rows: all }
  work.report:
    - { name: makers, to: [maker], rows: all }
  public.regions:
    - name: by member
      to: [maker]
      rows: regions.name IN (SELECT m.region FROM work.members m)
";

/// Rita makes and changes; Ralf may read and write there, and define nothing.
fn makers() -> String {
    policy()
        .replace("  viewer: {}\n", "  viewer: {}\n  maker: {}\n  scratcher: { statements: [temporary] }\n  definer: { includes: [maker], statements: [create, ddl, temporary] }\n")
        .replace("north: { roles: [sales_rep]", "north: { roles: [sales_rep, definer]")
        .replace("south: { roles: [sales_rep]", "south: { roles: [sales_rep, maker, scratcher]")
        .replace("\ntables:\n  public.regions:\n", &format!("\ntables:{RULES}"))
}

fn owned(cluster: &Cluster, database: &str, owner: &str) {
    let mut admin = cluster.admin(database);
    admin.run(&format!(
        "CREATE SCHEMA work AUTHORIZATION {owner}; GRANT CREATE ON DATABASE {database} TO {owner}"
    ));
    admin.run(&format!("SET ROLE {owner}; {WORK}"));
}

fn prepared() -> Stage {
    let cluster = stage::databases();
    owned(&cluster, stage::PLAIN, "pgcordon");
    owned(&cluster, stage::NATIVE, "rita");
    let proxy = Proxy::start(cluster.port(), &makers(), "");
    Stage { proxy, cluster }
}

/// Both servers must say the same, and it must hold `expected`.
fn check(stage: &Stage, script: &str, expected: &[&str]) {
    let through = converse(&mut stage.client("rita"), script);
    let native = converse(&mut stage.native("rita"), script);
    assert_eq!(through, native, "{script}");
    for line in expected {
        assert!(through.lines().any(|said| said == *line), "`{line}` is missing:\n{through}");
    }
}

/// What is refused, with its SQLSTATE and a part of its message.
fn refused(client: &mut Client, sql: &str, sqlstate: &str, words: &str) {
    let answer = client.simple(sql);
    let error = answer.error.clone().unwrap_or_default();
    assert_eq!(error.sqlstate(), sqlstate, "{sql}: {}", error.message());
    assert!(error.message().contains(words), "{sql}: {}", error.message());
}

fn said(answer: &Answer) -> String {
    format!("{}{}", answer.table(), answer.sqlstate())
}

#[test]
fn what_is_defined_is_there_for_the_next_statement() {
    let stage = prepared();
    check(
        &stage,
        "query CREATE TABLE work.t (id serial PRIMARY KEY, body text DEFAULT 'x' CHECK (length(body) < 5), at date DEFAULT current_date)
         query INSERT INTO work.t (body) VALUES ('a') RETURNING id
         query ALTER TABLE work.t ADD COLUMN n int, ADD CONSTRAINT positive CHECK (n > 0)
         query UPDATE work.t SET n = 5
         query SELECT id, body, n FROM work.t
         query INSERT INTO work.t (body) VALUES ('too long')
         query UPDATE work.t SET n = -1
         query CREATE UNIQUE INDEX t_n ON work.t (n)
         query INSERT INTO work.t (n) VALUES (5)
         query ALTER TABLE work.t DROP CONSTRAINT positive CASCADE
         query ALTER TABLE work.t ALTER COLUMN n TYPE text USING (n + 1)::text
         query SELECT n || 'x' FROM work.t
         query ALTER TABLE work.t RENAME COLUMN n TO m
         query SELECT m FROM work.t
         query SELECT n FROM work.t
         query ALTER TABLE work.t RENAME TO u
         query SELECT m FROM work.u
         query SELECT m FROM work.t
         query DROP INDEX work.t_n
         query DROP TABLE work.u, work.first RESTRICT
         query DROP VIEW work.seen
         query DROP TABLE IF EXISTS work.u, work.first CASCADE
         query SELECT 1 FROM work.first",
        &["D 1", "D 1 a 5", "E 23514", "E 23505", "D 6x", "D 6", "E 42703", "E 42P01", "E 2BP01"],
    );
    check(
        &stage,
        "query CREATE TYPE work.mood AS ENUM ('sad', 'ok')
         query CREATE DOMAIN work.short AS text CHECK (length(value) < 3)
         query CREATE SEQUENCE work.numbers START 7
         query CREATE TABLE work.p (id int DEFAULT nextval('work.numbers'), m work.mood, s work.short) PARTITION BY LIST (m)
         query CREATE TABLE work.p_sad PARTITION OF work.p FOR VALUES IN ('sad')
         query INSERT INTO work.p (m, s) VALUES ('sad', 'ab') RETURNING *
         query INSERT INTO work.p (m) VALUES ('ok')
         query INSERT INTO work.p (m, s) VALUES ('sad', 'abc')
         query SELECT count(*) FROM work.p_sad
         query CREATE TABLE work.c (LIKE work.p INCLUDING ALL, parent int REFERENCES work.named)
         query ALTER TABLE work.named ADD PRIMARY KEY (id)
         query CREATE TABLE work.c (LIKE work.p INCLUDING ALL, parent int REFERENCES work.named)
         query INSERT INTO work.c (parent) VALUES (9)
         query INSERT INTO work.c (m) VALUES ('ok') RETURNING id
         query COMMENT ON COLUMN work.c.parent IS 'above'
         query ALTER TYPE work.mood ADD VALUE 'fine'
         query INSERT INTO work.c (m) VALUES ('fine') RETURNING m
         query DROP TYPE work.mood
         query DROP TABLE work.c
         query DROP TABLE work.p
         query DROP TYPE work.mood
         query DROP DOMAIN work.short
         query CREATE SCHEMA more
         query CREATE TABLE more.t (id int)
         query DROP SCHEMA more
         query VACUUM (ANALYZE) work.named
         query ANALYZE work.named (id)",
        &["D 7 sad ab", "E 42704", "E 23514", "E 23503", "D fine", "E 2BP01", "C CREATE SCHEMA", "C VACUUM"],
    );
}

#[test]
fn a_transaction_sees_what_it_has_defined_and_nobody_else_does() {
    let stage = prepared();
    check(
        &stage,
        "query BEGIN
         query CREATE TABLE work.t (id int)
         query INSERT INTO work.t VALUES (1)
         query SAVEPOINT s
         query ALTER TABLE work.t ADD COLUMN body text DEFAULT 'b'
         query SELECT * FROM work.t
         query ROLLBACK TO s
         query SELECT * FROM work.t
         query CREATE INDEX ON work.t (id)
         query ALTER TABLE work.t ADD CONSTRAINT k PRIMARY KEY (id)
         query ALTER TABLE work.t RENAME TO u
         query SELECT id FROM work.u
         query COMMIT
         query SELECT id FROM work.u
         query BEGIN
         query DROP TABLE work.u
         query CREATE TABLE work.u (other text)
         query INSERT INTO work.u VALUES ('new') RETURNING other
         query ROLLBACK
         query SELECT * FROM work.u
         query SET search_path = work, public
         query BEGIN
         query CREATE VIEW v AS SELECT id + 1 AS next FROM u
         query SELECT next FROM v
         query SHOW search_path
         query COMMIT
         query SHOW search_path
         query DROP TABLE u
         query DROP VIEW v
         query DROP TABLE u",
        &["D 1 b", "D 1", "D new", "D 2", "D work, public", "E 2BP01"],
    );
    // In the extended protocol too, with and without a transaction block, all of it sent at once.
    check(
        &stage,
        "parse -: CREATE TABLE work.t (id int)
         bind - -
         execute -
         parse -: INSERT INTO work.t VALUES (1), (2)
         bind - -
         execute -
         parse a: SELECT count(*) FROM work.t
         describe statement a
         bind - a
         execute -
         sync
         query SELECT count(*) FROM work.t
         query BEGIN
         parse -: ALTER TABLE work.t ADD COLUMN n int DEFAULT 3
         bind - -
         execute -
         parse -: SELECT sum(n) FROM work.t
         bind - -
         execute -
         sync
         query ROLLBACK
         parse -: SELECT n FROM work.t
         sync
         parse -: DROP TABLE work.t
         bind - -
         execute -
         sync",
        &["D 2", "D 6", "E 42703"],
    );
    let (mut rita, mut other) = (stage.client("rita"), stage.client("rita"));
    rita.run("BEGIN");
    rita.run("CREATE TABLE work.t (id int)");
    assert_eq!(said(&rita.simple("SELECT count(*) FROM work.t")), "0");
    refused(&mut other, "SELECT count(*) FROM work.t", "42P01", "work.t");
    rita.run("COMMIT");
    assert_eq!(said(&other.simple("SELECT count(*) FROM work.t")), "0");
    // The one that failed is gone; so is what it had defined.
    rita.run("BEGIN");
    rita.run("CREATE TABLE work.gone (id int)");
    refused(&mut rita, "SELECT 1 FROM payroll", "42P01", "payroll");
    refused(&mut rita, "SELECT 1 FROM work.gone", "25P02", "aborted");
    rita.run("ROLLBACK");
    refused(&mut rita, "SELECT 1 FROM work.gone", "42P01", "gone");
}

#[test]
fn nothing_is_defined_that_is_not_ones_own() {
    let stage = prepared();
    let mut ralf = stage.client("ralf");
    refused(&mut ralf, "CREATE TABLE work.t (id int)", "42501", "CREATE TABLE is not granted");
    refused(&mut ralf, "DROP TABLE work.first", "42501", "DROP is not granted");
    assert_eq!(said(&ralf.simple("SELECT count(*) FROM work.first")), "2");
    let mut rita = stage.client("rita");
    for sql in [
        "ALTER TABLE orders ADD COLUMN x int",
        "DROP TABLE orders",
        "CREATE UNIQUE INDEX ON orders (id)",
        "CREATE TABLE work.t (LIKE customers)",
        "CREATE TABLE work.t (id int REFERENCES customers (id))",
        "CREATE TABLE work.t () INHERITS (orders)",
        "COMMENT ON TABLE orders IS 'x'",
        "ANALYZE orders",
        "ALTER TABLE orders DISABLE TRIGGER ALL",
    ] {
        refused(&mut rita, sql, "42501", "permission denied for table");
    }
    for sql in [
        "ALTER TABLE payroll ADD COLUMN x int",
        "DROP TABLE payroll",
        "CREATE INDEX ON payroll (id)",
        "CREATE TABLE work.t (LIKE payroll)",
        "CREATE TABLE work.t (id int REFERENCES payroll)",
        "ALTER TABLE pg_class ADD COLUMN x int",
    ] {
        refused(&mut rita, sql, "42P01", "does not exist");
    }
    // Absent for her, and so for IF EXISTS; it is still there.
    rita.run("DROP TABLE IF EXISTS payroll");
    let mut admin = stage.cluster.admin(stage::PLAIN);
    assert!(admin.simple("SELECT 1 FROM payroll").error.is_none());
    for sql in [
        "ALTER TABLE work.first DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE work.first OWNER TO rita",
        "CREATE FUNCTION work.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE work.t (id int DEFAULT length(pg_read_file('x')))",
        "CREATE TABLE work.t (id int CHECK (id > (SELECT 1)))",
        "GRANT SELECT ON work.first TO rita",
        "DO 'BEGIN END'",
    ] {
        let answer = rita.simple(sql);
        let sqlstate = answer.sqlstate();
        assert!(["0A000", "42501"].contains(&sqlstate), "{sql}: {}", said(&answer));
    }
    assert_eq!(said(&rita.simple("SELECT count(*) FROM work.first")), "2");
}

/// Rows may not come under other rules than those that were made for them.
#[test]
fn the_policys_rules_stay_about_the_rows_that_they_are_about() {
    let stage = prepared();
    let mut rita = stage.client("rita");
    for sql in [
        // A key of its own, and none.
        "ALTER TABLE work.named RENAME TO other",
        "ALTER TABLE work.first SET SCHEMA public",
        // The wall that a column makes.
        "ALTER TABLE work.first ADD COLUMN tenant_id int",
        "ALTER TABLE work.first RENAME COLUMN body TO tenant_id",
        // Another view under its name would show other rows.
        "DROP VIEW work.report",
        "ALTER VIEW work.report RENAME TO r",
        // What a rule about another table reads.
        "DROP TABLE work.members",
        "ALTER TABLE work.members RENAME TO m",
        "ALTER TABLE work.members DROP COLUMN region",
    ] {
        refused(&mut rita, sql, "42501", "the policy's rules speak of");
    }
    refused(&mut rita, "ALTER TABLE work.walled DROP COLUMN tenant_id", "42501", "walled");
    refused(&mut rita, "ALTER TABLE work.first RENAME TO named", "42501", "speak of \"first\"");
    rita.run("ALTER TABLE work.members ADD COLUMN note text");
    rita.run("ALTER TABLE work.first RENAME TO second");
    assert_eq!(said(&rita.simple("SELECT count(*) FROM work.second")), "2");
}

/// What stands behind a definition in one message was judged by the catalog before it.
#[test]
fn one_message_does_not_use_what_it_defines() {
    let stage = prepared();
    let mut rita = stage.client("rita");
    rita.run(
        "CREATE TABLE work.a (id int); CREATE TABLE work.b (id int); SELECT 1 FROM work.first",
    );
    let words = "in one message with an earlier statement";
    refused(&mut rita, "CREATE TABLE work.c (id int); SELECT 1 FROM work.c", "0A000", words);
    refused(&mut rita, "ALTER TABLE work.a RENAME TO d; SELECT 1 FROM work.a", "0A000", words);
    refused(&mut rita, "DROP TABLE work.a; SELECT 1 FROM work.a", "0A000", words);
    rita.run("DROP TABLE work.a; CREATE TABLE work.a (other text)");
    assert_eq!(said(&rita.simple("SELECT count(other) FROM work.a")), "0");
}

#[test]
fn temporary_tables_are_the_sessions_own() {
    let stage = prepared();
    check(
        &stage,
        "query CREATE TEMP TABLE t (id serial PRIMARY KEY, body text)
         query INSERT INTO t (body) VALUES ('a'), ('b') RETURNING id
         query SELECT * FROM t ORDER BY id
         query UPDATE pg_temp.t SET body = 'c' WHERE id = 1
         query SELECT t.body FROM pg_temp.t JOIN customers c USING (id) ORDER BY 1
         query CREATE INDEX ON t (body)
         query ALTER TABLE t ADD COLUMN n int DEFAULT 4
         query SELECT sum(n) FROM t
         query CREATE TEMP TABLE u AS SELECT id, region FROM orders
         query SELECT count(*), count(*) FILTER (WHERE region = 'North') FROM u
         query SELECT id INTO TEMP v FROM u
         query TRUNCATE v
         query SELECT count(*) FROM v
         query DROP TABLE u, v
         query SELECT 1 FROM u
         query BEGIN
         query CREATE TEMP TABLE w ON COMMIT DROP AS SELECT 1 AS a
         query SELECT a FROM w
         query COMMIT
         query SELECT a FROM w
         query BEGIN
         query CREATE TEMP TABLE w (a int)
         query SAVEPOINT s
         query INSERT INTO w VALUES (1)
         query DROP TABLE t
         query ROLLBACK TO s
         query SELECT count(*) FROM w
         query SELECT count(*) FROM t
         query ROLLBACK
         query SELECT 1 FROM w
         query SELECT count(*) FROM t
         query CREATE TABLE work.t (x int)
         query SELECT x FROM work.t
         query DISCARD TEMP
         query SELECT 1 FROM t
         query SELECT x FROM work.t",
        &["D 1 a", "D 8", "D 0", "D 1", "E 42P01"],
    );
    check(
        &stage,
        "parse -: CREATE TEMP TABLE t (id int)
         bind - -
         execute -
         parse a: INSERT INTO t VALUES ($1)
         bind - a (7)
         execute -
         parse b: SELECT id FROM t
         bind - b
         execute -
         sync
         bind - b
         execute -
         sync
         query DISCARD ALL
         parse -: SELECT id FROM t
         sync",
        &["D 7", "E 42P01"],
    );
}

/// A temporary table of a protected name is found first, as by PostgreSQL; what is behind the name stays what it is.
#[test]
fn a_temporary_table_hides_others_and_opens_none() {
    let stage = prepared();
    check(
        &stage,
        "query CREATE TEMP TABLE customers AS SELECT 1 AS id, 'mine'::text AS name
         query SELECT name FROM customers
         query SELECT count(*) FROM public.customers
         query WITH customers AS (SELECT 'cte' AS name) SELECT name FROM customers
         query DELETE FROM customers
         query SELECT count(*) FROM customers
         query DROP TABLE customers
         query SELECT count(*) FROM customers
         query CREATE TEMP TABLE text (a int)
         query SELECT 'x'::text
         query SELECT 'x'::pg_catalog.text",
        &["D mine", "D cte", "D 0", "D x", "E 22P02"],
    );
    let mut rita = stage.client("rita");
    rita.run("CREATE TEMP TABLE payroll (id int, salary numeric)");
    assert_eq!(said(&rita.simple("SELECT count(*) FROM payroll")), "0");
    refused(&mut rita, "SELECT * FROM public.payroll", "42P01", "payroll");
    // A rule's own sub-select reads what the policy means.
    let before = said(&rita.simple("SELECT count(*) FROM items"));
    rita.run("CREATE TEMP TABLE orders (id int, region text)");
    assert_eq!(said(&rita.simple("SELECT count(*) FROM items")), before);
    let mut ralf = stage.client("ralf");
    refused(&mut ralf, "SELECT * FROM pg_temp.payroll", "42P01", "payroll");
    ralf.run("CREATE TEMP TABLE own AS SELECT * FROM orders");
    assert_eq!(said(&ralf.simple("SELECT count(*) FROM own WHERE region <> 'South'")), "0");
    ralf.run("ALTER TABLE own ADD COLUMN x int");
    ralf.run("DROP TABLE own");
    for sql in [
        "CREATE TABLE work.t (id int)",
        "ALTER TABLE work.first ADD COLUMN x int",
        "DROP TABLE work.first",
    ] {
        refused(&mut ralf, sql, "42501", "is not granted");
    }
    refused(&mut ralf, "CREATE TABLE work.t AS SELECT 1", "42501", "is not granted");
    refused(&mut stage.client("max"), "CREATE TEMP TABLE t (id int)", "42501", "is not granted");
}

/// A type of a built-in one's name, in a schema that is searched first: a cast to it can raise, for rows that stay hidden.
#[test]
fn a_type_of_ones_own_is_no_built_in_one() {
    let stage = prepared();
    check(
        &stage,
        "query CREATE DOMAIN work.text AS pg_catalog.text CHECK (value <> 'South')
         query CREATE TABLE work.uses (x work.text)
         query SET search_path = work, pg_catalog, public
         query SELECT 'South'::text
         query SELECT count(*) FROM orders WHERE region::text <> 'x'
         query SELECT 'South'::pg_catalog.text
         query SET search_path = work, public
         query SELECT 'South'::text",
        &["E 23514", "D 6", "D South"],
    );
}

/// Two people, one upstream connection: what is temporary goes before it is lent.
#[test]
fn nobody_finds_anothers_temporary_tables() {
    let stage = prepared();
    let mut rita = stage.client("rita");
    rita.run("CREATE TEMP TABLE secret AS SELECT 'north' AS body");
    assert_eq!(said(&rita.simple("SELECT body FROM secret")), "north");
    let mut ralf = stage.client("ralf");
    refused(&mut ralf, "SELECT body FROM secret", "42P01", "secret");
    drop(rita);
    for _ in 0..5 {
        let mut ralf = stage.client("ralf");
        refused(&mut ralf, "SELECT body FROM secret", "42P01", "secret");
        ralf.run("CREATE TEMP TABLE secret AS SELECT 'south' AS body");
        assert_eq!(said(&ralf.simple("SELECT body FROM secret")), "south");
    }
}
