//! The policy language through the running proxy: what is not about rows alone.
//!
//! In:  the policy of the cases with a few lines more.
//! Out: what people are told, and what `check` says.

use e2e::process::{PATIENCE, poll};
use e2e::proxy::{Files, Proxy, Settings, configuration, pgcordon};
use e2e::stage::{PLAIN, databases, password, policy};

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
