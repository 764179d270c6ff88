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

fn queries() -> Vec<String> {
    let text = test_file("cases/catalog/queries.sql");
    let all = text.split("\n\n").map(str::trim);
    all.filter(|query| !query.is_empty() && !query.starts_with("--")).map(str::to_owned).collect()
}

/// Every query runs, in both protocols, and its answer holds no canary.
#[test]
fn queries_run_and_name_no_canary() {
    let stage = stage();
    let mut problems = Vec::new();
    for user in ["rita", "max"] {
        let mut client = stage.proxy.client(user, &password(user), PLAIN);
        for query in queries() {
            for answer in [client.simple(&query), client.extended(&query, &[])] {
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
        "SELECT * FROM pg_stat_user_tables",
        "SELECT * FROM pg_locks",
        "SELECT pg_advisory_lock(1)",
        "SELECT lastval()",
        "SELECT current_setting('data_directory')",
        "SELECT set_config('search_path', 'x', false)",
        "SELECT set_config('role', 'x', false)",
    ] {
        assert!(client.simple(query).error.is_some(), "{query}");
    }
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
