//! The policy language through the running proxy: what is not about rows alone.
//!
//! In:  the policy of the cases with a few lines more.
//! Out: what people are told, and what `check` says.

use e2e::process::{PATIENCE, poll};
use e2e::proxy::{Files, Proxy, Settings, configuration, pgcordon};
use e2e::stage::{PLAIN, databases, password, policy};
use e2e::wire::{Client, startup};

/// Exit code and text of `pgcordon check --offline`.
fn check(policy: &str) -> (Option<i32>, String) {
    let files =
        Files::write(&configuration(&Settings { port: 1, upstream_port: 1, more: "" }), policy);
    let path = files.configuration();
    let output = pgcordon(&["check", "--offline", "--config", path.to_str().expect("UTF-8")]);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), format!("{out}{err}"))
}

#[test]
fn a_password_in_clear_text_is_answered_with_its_verifier() {
    let people = policy();
    let line = people.lines().find(|line| line.trim_start().starts_with("rita:")).expect("rita");
    let clear = people.replace(line, "  rita: { password: 'correct horse', groups: [north] }");
    let (code, said) = check(&clear);
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("correct horse"), "{said}");
    let verifier =
        said.split('"').find(|part| part.starts_with("SCRAM-SHA-256$")).expect("a verifier");
    let mended = clear.replace("'correct horse'", &format!("\"{verifier}\""));
    assert_eq!(check(&mended).0, Some(0), "{mended}");
    let cluster = databases();
    let proxy = Proxy::start(cluster.port(), &mended, "");
    let mut rita = proxy.client("rita", "correct horse", PLAIN);
    assert_eq!(rita.simple("SELECT count(*) FROM customers").table(), "3");
}

#[test]
fn check_notes_what_a_ceiling_takes_away() {
    let capped = policy().replace("groups: [south] }", "groups: [south], ceiling: viewer }");
    let (code, said) = check(&capped);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("note: ") && said.contains("`ralf`: role `sales_rep`"), "{said}");
    assert!(!check(&policy()).1.contains("note: "));
}

/// A rule ends while its people are connected, for prepared statements too; what others have stays.
#[test]
fn a_rule_ends_at_its_moment() {
    let cluster = databases();
    let soon = "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '8 s', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    let soon = cluster.admin("postgres").simple(soon).table();
    let manager = "to: [manager]\n      allow: [select, insert, update, delete]\n      rows: all\n  public.orders";
    assert!(policy().contains(manager));
    let ending = manager.replace("rows: all", &format!("rows: all\n      until: {soon}"));
    let proxy = Proxy::start(cluster.port(), &policy().replace(manager, &ending), "");
    let mut max = proxy.client("max", &password("max"), PLAIN);
    let mut rita = proxy.client("rita", &password("rita"), PLAIN);
    let all = "SELECT count(*) FROM customers";
    assert_eq!(max.simple(all).table(), "7", "the rule had ended before it could be looked at");
    max.simple("PREPARE kept AS SELECT count(*) FROM customers");
    let ended = poll(PATIENCE, || {
        let sqlstate = max.simple(all).sqlstate().to_owned();
        (sqlstate == "42P01").then_some(())
    });
    assert!(ended.is_some(), "the rule goes on");
    assert_eq!(max.simple("EXECUTE kept").sqlstate(), "42P01");
    assert_eq!(max.extended(all, &[]).sqlstate(), "42P01");
    assert_eq!(rita.simple(all).table(), "3");
    assert_ne!(max.simple("SELECT count(*) FROM orders").table(), "0");
}

const QUERIES: &str = "
queries:
  - name: order by number
    sql: SELECT id, note FROM orders WHERE id = $1
    to: [manager]
    message: orders are fetched one by one by the app
  - name: no blind writes
    code: where
    match: { command: [update, delete], without_where: true }
    deny: everyone
    message: add a WHERE clause
";

/// A rule by fingerprint: no constant, parameter, comment, carrier or cached plan gets past it.
#[test]
fn a_statement_is_refused_however_it_comes() {
    let cluster = databases();
    let proxy = Proxy::start(cluster.port(), &format!("{}{QUERIES}", policy()), "");
    let mut rita = proxy.client("rita", &password("rita"), PLAIN);
    let mut max = proxy.client("max", &password("max"), PLAIN);
    let message = "orders are fetched one by one by the app";
    // Often enough that texts of one skeleton come to share a plan; the neighbour does.
    for id in 1..8 {
        let text = format!("SELECT id, note FROM orders WHERE id = {id}");
        let refused = rita.simple(&text).error.expect("refused");
        assert_eq!((refused.sqlstate(), refused.message()), ("42501", message), "{text}");
        assert!(refused.fields[&'D'].starts_with("Query rule: order_by_number. Refusal "));
        assert_eq!(max.simple(&text).sqlstate(), "", "{text}");
        let neighbour = format!("SELECT note, id FROM orders WHERE id = {id}");
        assert_eq!(rita.simple(&neighbour).sqlstate(), "", "{neighbour}");
    }
    for text in [
        "select id,note from orders where id=$1",
        "SELECT id, note FROM \"orders\" /* all */ WHERE id = $1::int -- of them",
    ] {
        assert_eq!(rita.extended(text, &[Some("4")]).sqlstate(), "42501", "{text}");
        assert_eq!(max.extended(text, &[Some("4")]).sqlstate(), "", "{text}");
    }
    for text in [
        "PREPARE kept AS SELECT id, note FROM orders WHERE id = 4",
        "COPY (SELECT id, note FROM orders WHERE id = 4) TO STDOUT",
        "WITH x AS (SELECT id, note FROM orders WHERE id = 4) SELECT count(*) FROM x",
        "BEGIN; DECLARE c CURSOR FOR SELECT id, note FROM orders WHERE id = 4; FETCH c; COMMIT",
        "UPDATE orders SET note = 'x'",
        "WITH gone AS (DELETE FROM orders WHERE true RETURNING id) SELECT count(*) FROM gone",
    ] {
        assert_eq!(rita.simple(text).sqlstate(), "42501", "{text}");
        rita.simple("ROLLBACK");
    }
    assert_eq!(rita.simple("EXECUTE kept").sqlstate(), "26000");
    assert_eq!(rita.simple("SELECT count(*) FROM orders WHERE note = 'x'").table(), "0");
}

/// A rule that comes with a reload meets what was prepared before it.
#[test]
fn a_new_rule_meets_prepared_statements() {
    let cluster = databases();
    let proxy = Proxy::start(cluster.port(), &policy(), "");
    let mut rita = proxy.client("rita", &password("rita"), PLAIN);
    rita.simple("PREPARE kept (int) AS SELECT id, note FROM orders WHERE id = $1");
    assert_eq!(rita.simple("EXECUTE kept (4)").sqlstate(), "");
    proxy.reload(&format!("{}{QUERIES}", policy()));
    let met = poll(PATIENCE, || {
        let answer = rita.simple("EXECUTE kept (4)");
        (answer.sqlstate() == "42501").then_some(())
    });
    assert!(met.is_some(), "the prepared statement goes on");
    let (code, said) = explain(cluster.port(), "DELETE FROM orders");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("query    refused: query rule `no blind writes`"), "{said}");
    let (code, said) = explain(cluster.port(), "DELETE FROM orders WHERE id = 1");
    assert!(code == Some(0) && said.contains("query    allowed"), "{said}");
}

fn explain(upstream_port: u16, sql: &str) -> (Option<i32>, String) {
    let settings = Settings { port: 1, upstream_port, more: "" };
    let files = Files::write(&configuration(&settings), &format!("{}{QUERIES}", policy()));
    let path = files.configuration();
    let path = path.to_str().expect("UTF-8");
    let output = pgcordon(&["explain", "--config", path, "--as", "rita", sql]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// Databases as apps: `<gallery>` is open to visitors, `<desk>` sends people there whom it does not admit.
fn apps() -> String {
    let apps = "databases:
  gallery: { upstream: main, dbname: shop, public: true, tables: [regions, customers, orders] }
  desk: { upstream: main, dbname: shop, connect: [manager], otherwise: gallery }
  vault: { upstream: main, dbname: shop, connect: [manager] }
";
    let open = "  public.regions:
    - { name: for visitors, to: public, rows: \"name = 'South'\" }
    - { name: for everyone, to: everyone, rows: \"name = 'East'\" }
";
    policy().replace("databases:\n", apps).replace("  public.regions:\n", open)
}

#[test]
fn visitors_see_what_is_public_without_a_password() {
    let cluster = databases();
    let proxy = Proxy::start(cluster.port(), &apps(), "");
    let port = proxy.port();
    let mut visitor = Client::login(port, "public", "", "gallery").expect("it is open");
    assert_eq!(visitor.simple("SELECT name FROM regions").table(), "South");
    for closed in ["SELECT * FROM customers", "SELECT * FROM orders", "DELETE FROM regions"] {
        assert!(["42P01", "42501"].contains(&visitor.simple(closed).sqlstate()), "{closed}");
    }
    // Who logs in sees what is for everyone too; the others keep their password.
    let mut rita = proxy.client("rita", &password("rita"), "gallery");
    assert_eq!(rita.simple("SELECT count(*) FROM regions").table(), "4");
    let refused = |user: &str, database: &str| {
        let error = Client::login(port, user, "", database).expect_err("it is closed");
        (error.sqlstate().to_owned(), error.message().to_owned())
    };
    let failed = |user: &str| {
        ("28P01".to_owned(), format!("password authentication failed for user \"{user}\""))
    };
    assert_eq!(refused("public", "shop"), failed("public"));
    assert_eq!(refused("public", "vault"), failed("public"));
    assert_eq!(refused("rita", "gallery"), failed("rita"));
    assert_eq!(refused("Public", "gallery"), failed("Public"));
}

/// What the rules of `auth` say of a database holds for those, too, who would land there.
#[test]
fn the_rules_of_auth_hold_where_people_land() {
    let cluster = databases();
    let rules =
        "auth:\n  rules:\n    - { database: gallery, method: reject }\n    - { method: scram }\n";
    let proxy = Proxy::start(cluster.port(), &apps(), rules);
    let refused = |user: &str, password: &str, database: &str| {
        let error = Client::login(proxy.port(), user, password, database).expect_err("closed");
        error.sqlstate().to_owned()
    };
    assert_eq!(refused("public", "", "gallery"), "28P01");
    assert_eq!(refused("public", "", "desk"), "42501");
    assert_eq!(refused("rita", &password("rita"), "desk"), "42501");
    assert_eq!(proxy.client("rita", &password("rita"), PLAIN).simple("SELECT 1").table(), "1");
}

#[test]
fn people_without_access_land_elsewhere_and_are_told() {
    let cluster = databases();
    let proxy = Proxy::start(cluster.port(), &apps(), "");
    let mut max = proxy.client("max", &password("max"), "desk");
    assert_ne!(max.simple("SELECT count(*) FROM items").table(), "0");
    let mut rita = proxy.client("rita", &password("rita"), "desk");
    // The gallery does not show it.
    assert_eq!(rita.simple("SELECT count(*) FROM items").sqlstate(), "42P01");
    assert_eq!(rita.simple("SELECT count(*) FROM customers").table(), "3");
    let mut visitor = Client::login(proxy.port(), "public", "", "desk").expect("it lands");
    assert_eq!(visitor.simple("SELECT name FROM regions").table(), "South");
    let refused =
        Client::login(proxy.port(), "rita", &password("rita"), "vault").expect_err("closed");
    assert_eq!(
        (refused.sqlstate(), refused.message()),
        ("42501", "permission denied for database \"vault\"")
    );
    assert_eq!(refused.fields[&'H'], "You may use: gallery, shop.");
    let mut told = Client::open(proxy.port());
    told.send_bytes(&startup(&[("user", "public"), ("database", "desk")])).expect("sent");
    let notices: Vec<String> = told
        .until_ready()
        .iter()
        .filter(|message| message.kind == b'N')
        .map(|message| String::from_utf8_lossy(&message.body).into_owned())
        .collect();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].contains("connected to \"gallery\" instead"), "{notices:?}");
}
