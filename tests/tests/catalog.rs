//! What tools ask of the catalog: it runs, and it names nothing that the person may not know of.
//!
//! In:  `tests/cases/catalog`: a schema with canaries in its names, the rules, queries of psql, drivers and ORMs.
//! Out: no error for anybody, no canary in any byte of Rita's answers, the same canaries for the manager.

use std::process::Command;

use e2e::cluster::{Cluster, binaries};
use e2e::proxy::Proxy;
use e2e::stage::{PLAIN, databases, password, policy};
use e2e::test_file;

const CANARY: &str = "canary";

struct Catalog {
    cluster: Cluster,
    proxy: Proxy,
}

fn stage() -> Catalog {
    let cluster = databases();
    let answer = cluster.admin(PLAIN).simple(&test_file("cases/catalog/schema.sql"));
    assert_eq!(answer.error, None);
    let policy = policy() + &test_file("cases/catalog/policy.yaml");
    let proxy = Proxy::start(cluster.port(), &policy, "");
    Catalog { cluster, proxy }
}

/// Texts between blank lines, without the comments above them. Some of the tools' hold several statements.
fn queries() -> Vec<String> {
    let files = ["cases/catalog/queries.sql", "cases/catalog/tools.sql"].map(test_file);
    let texts = files.iter().flat_map(|file| file.split("\n\n")).map(|text| {
        let lines = text.trim().lines().filter(|line| !line.starts_with("-- "));
        lines.collect::<Vec<_>>().join("\n")
    });
    texts.filter(|text| !text.is_empty()).collect()
}

/// Every query runs, in both protocols if it is one statement, and its answer holds no canary.
#[test]
fn queries_run_and_name_no_canary() {
    let stage = stage();
    let mut problems = Vec::new();
    for user in ["rita", "max"] {
        let mut client = stage.proxy.client(user, &password(user), PLAIN);
        for query in queries() {
            let mut answers = vec![client.simple(&query)];
            if !query.contains(';') {
                answers.push(client.extended(&query, &[]));
            }
            for answer in answers {
                if let Some(error) = &answer.error {
                    problems.push(format!("{user}: {query}\n  {error:?}"));
                }
                let text = format!("{answer:?}");
                if user == "rita" && text.contains(CANARY) {
                    let at = text.find(CANARY).unwrap_or_default();
                    let near: String = text.chars().skip(at.saturating_sub(60)).take(160).collect();
                    problems.push(format!("CANARY for {user}: {query}\n  {near}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), stage.proxy.log());
}

/// Without pgcordon the same queries show every canary, and the manager sees them: the check above can fail.
#[test]
fn the_unprotected_path_names_canaries() {
    let stage = stage();
    let mut open = stage.cluster.client("pgcordon", "pgcordon_pw", PLAIN);
    let shown = queries()
        .iter()
        .filter(|query| format!("{:?}", open.simple(query)).contains(CANARY))
        .count();
    assert!(shown > 15, "{shown}");
    let mut manager = stage.proxy.client("max", &password("max"), PLAIN);
    let answer = manager.simple("SELECT 'canary_table'::regclass, pg_get_viewdef('canary_view')");
    assert!(answer.table().starts_with("canary_table|"), "{answer:?}");
}

/// What is invisible fails or is NULL exactly as what is absent.
#[test]
fn invisible_is_as_absent() {
    let stage = stage();
    let mut client = stage.proxy.client("rita", &password("rita"), PLAIN);
    for (query, sqlstate) in [
        ("SELECT 'NAME'::regclass", "42P01"),
        ("SELECT ('NAM' || 'E')::regclass", "42P01"),
        ("SELECT pg_get_viewdef('NAME')", "42P01"),
        ("SELECT nextval('NAME_canary_id_seq')", "42P01"),
        ("SELECT 'NAME'::regtype", "42704"),
        (
            "SELECT to_regclass('NAME'), to_regtype('NAME'), has_table_privilege('NAME', 'select')",
            "",
        ),
        ("SELECT NULL::NAME", "42704"),
    ] {
        let mut ask = |name: &str| {
            let answer = client.simple(&query.replace("NAM' || 'E", name).replace("NAME", name));
            let message = answer.error.as_ref().map_or("", |error| error.message());
            (answer.sqlstate().to_owned(), message.replace(name, "NAME"), answer.table())
        };
        let hidden = ask("canary_table");
        assert_eq!(hidden, ask("nowhere"), "{query}");
        assert_eq!(hidden.0, sqlstate, "{query}");
    }
    for query in [
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_stats",
        "SELECT * FROM pg_statistic",
        "SELECT * FROM pg_stat_statements",
        "SELECT * FROM pg_show_all_file_settings()",
        "SELECT * FROM pg_show_all_settings('x')",
        "SELECT pg_show_all_settings()",
        "SELECT 'english'::regconfig",
        "SELECT coalesce('english'::regconfig, '16384')::text",
        "SELECT ts_lexize('english'::regdictionary, 'a')",
        "RESET SESSION AUTHORIZATION",
        "SET SESSION AUTHORIZATION max",
        "RESET ALL; SELECT * FROM staff",
        "RESET ALL; SELECT 'staff'::regclass",
        "SELECT set_config(name, 'x', false) FROM pg_settings",
        "SELECT pg_advisory_lock(1)",
        "SELECT lastval()",
        "SELECT current_setting('data_directory')",
        "SELECT set_config('search_path', 'x', false)",
        "SELECT set_config('role', 'x', false)",
    ] {
        assert!(client.simple(query).error.is_some(), "{query}");
    }
}

/// What is looked up anew for each row, or of each element, is guarded as what is named once.
#[test]
fn names_that_are_no_constants() {
    let stage = stage();
    let mut client = stage.proxy.client("rita", &password("rita"), PLAIN);
    for (query, expected) in [
        ("SELECT current_setting(n) = 'UTF8' FROM (VALUES ('Server_Encoding')) v (n)", "t"),
        ("SELECT current_setting(n, true) FROM (VALUES ('data_directory')) v (n)", "NULL"),
        ("SELECT current_setting(NULL) IS NULL", "t"),
        ("SELECT ARRAY['staff', 'orders']::regclass[]", "{staff,orders}"),
        ("SELECT '{}'::regtype[]::text[] || 'x'::text", "{x}"),
        ("SELECT array_length('{text,staff}'::regtype[]::oid[], 1)", "2"),
        ("SELECT 'staff'::regclass = ANY (ARRAY['orders', 'staff']::regclass[])", "t"),
        ("SELECT CAST(NULL AS regclass[]) IS NULL", "t"),
        (
            "SELECT to_tsvector('english'::regconfig, 'two cats') @@ to_tsquery('pg_catalog.english'::regconfig, 'cat')",
            "t",
        ),
        ("RESET ALL; SELECT pg_advisory_unlock_all()", ""),
        ("SET SESSION AUTHORIZATION DEFAULT", ""),
    ] {
        let answer = client.simple(query);
        assert_eq!(answer.error, None, "{query}");
        assert_eq!(answer.table(), expected, "{query}");
    }
    for (query, sqlstate) in [
        ("SELECT current_setting(n) FROM (VALUES ('data_directory')) v (n)", "42704"),
        ("SELECT current_setting('data' || '_directory')", "42704"),
        ("SELECT ARRAY['staff', 'canary_table']::regclass[]", "42P01"),
        ("SELECT ARRAY['staff', 'nowhere']::regclass[]", "42P01"),
        ("SELECT '{canary_enum}'::regtype[]::text[]", "42704"),
    ] {
        assert_eq!(client.simple(query).sqlstate(), sqlstate, "{query}");
    }
    let answer = client.extended("SELECT current_setting($1::varchar)", &[Some("server_encoding")]);
    assert_eq!(answer.table(), "UTF8");
    let answer = client.extended("SELECT current_setting($1)", &[Some("data_directory")]);
    assert_eq!(answer.sqlstate(), "42704", "{answer:?}");
}

/// Counts of a relation, and locks: nothing of what is filtered for the reader, of the session what is its own.
#[test]
fn counts_and_locks_tell_of_nothing_filtered() {
    let stage = stage();
    let counted = "SELECT count(*), count(n_live_tup), count(seq_scan) FROM pg_stat_user_tables WHERE relname = 'customers'";
    let scans = "SELECT count(*), count(idx_scan), count(pg_stat_get_numscans(indexrelid)) FROM pg_stat_user_indexes WHERE relname = 'customers'";
    let blocks = "SELECT count(*), count(heap_blks_read) FROM pg_statio_all_tables WHERE relname = 'customers'";
    for (user, expected) in
        [("rita", ["1|0|0", "2|0|0", "1|0"]), ("max", ["1|1|1", "2|2|2", "1|1"])]
    {
        let mut client = stage.proxy.client(user, &password(user), PLAIN);
        for (query, expected) in [counted, scans, blocks].iter().zip(expected) {
            assert_eq!(client.simple(query).table(), expected, "{user}: {query}");
        }
        // Its rule reads `orders`.
        client.simple("BEGIN; SELECT count(*) FROM items; SAVEPOINT a");
        let locks = client
            .simple("SELECT count(relation), count(*) > 0, count(DISTINCT pid) FROM pg_locks");
        assert_eq!(locks.table(), "0|t|1");
        client.simple("ROLLBACK");
    }
    let mut open = stage.cluster.client("pgcordon", "pgcordon_pw", PLAIN);
    assert_eq!(open.simple(counted).table(), "1|1|1");
    assert_ne!(open.simple("SELECT count(relation) FROM pg_locks").table(), "0");
}

/// psql's own commands, from the program itself.
#[test]
fn psql_describes() {
    let stage = stage();
    let commands = [
        "\\d",
        "\\d staff",
        "\\d+ staff",
        "\\dt+",
        "\\di+",
        "\\dv",
        "\\ds",
        "\\df",
        "\\dn+",
        "\\du",
        "\\dp",
        "\\l",
        "\\dT+",
        "\\dx",
        "\\dd",
        "\\det",
        "\\dRp",
        "\\dC",
        "\\dO",
        "\\db",
        "\\d staff_id_seq",
        "\\d+ staff_regions",
        "\\d regions",
        "\\d measures",
        "\\dP",
        "\\sv staff_regions",
        "\\dD",
        "\\dg",
        "\\do",
        "\\dF",
        "\\dRs",
        "\\deu",
        "\\dAo btree int4_ops",
        "\\dconfig jit",
    ];
    let mut problems = Vec::new();
    for user in ["rita", "max"] {
        for command in commands {
            let url = format!(
                "postgresql://{user}:{}@127.0.0.1:{}/{PLAIN}",
                password(user),
                stage.proxy.port()
            );
            let mut psql = Command::new(binaries().join("psql"));
            let output = psql.args(["-X", "-A", "-c", command, &url]).output().expect("psql runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            if !output.status.success() || (user == "rita" && text.contains(CANARY)) {
                problems.push(format!("{user}: {command}\n{text}"));
            }
            if command == "\\d staff" {
                for word in ["region", "staff_pkey", "staff_region_filled", "nextval"] {
                    if !text.contains(word) {
                        problems.push(format!("{user}: {command} lacks {word}\n{text}"));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), stage.proxy.log());
}
