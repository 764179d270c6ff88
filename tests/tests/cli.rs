//! The subcommands as a person runs them.
//!
//! In:  a configuration and a policy on disk.
//! Out: exit code and text.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use e2e::proxy::{Files, Proxy, Settings, binary, configuration, pgcordon};
use e2e::stage::{NATIVE, PLAIN, Stage, databases, policy};

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

fn run(command: &str, upstream_port: u16, policy: &str, more: &[&str]) -> (Option<i32>, String) {
    let settings = Settings { port: 1, upstream_port, more: "" };
    let files = Files::write(&configuration(&settings), policy);
    let path = files.configuration();
    let mut arguments = vec![command, "--config", path.to_str().expect("UTF-8")];
    arguments.extend(more);
    let output = pgcordon(&arguments);
    (output.status.code(), said(&output))
}

/// The policy with three mistakes of different kinds, and the place of each.
fn mistaken() -> (String, Vec<String>) {
    let text = policy()
        .replace("to: [manager]\n      allow: [select, insert, update, delete]\n      rows: all\n  public.orders", "to: [manger]\n      rows: all\n  public.orders")
        .replace("public.payroll: []", "public.payroll: []\ntabels: {}")
        .replace("attributes: { region: South }", "attributes: { regoin: South }");
    let place = |part: &str| {
        let line = text.lines().position(|line| line.contains(part)).expect("the mistake is there");
        let column = text.lines().nth(line).and_then(|line| line.find(part)).expect("on that line");
        format!("policy.yaml:{}:{}", line + 1, column + 1)
    };
    let places = vec![place("manger"), place("tabels"), place("regoin")];
    (text, places)
}

#[test]
fn check_reports_every_mistake_with_its_place() {
    let (text, places) = mistaken();
    let (code, said) = run("check", 1, &text, &["--offline"]);
    assert_eq!(code, Some(1), "{said}");
    for place in places {
        assert!(said.contains(&place), "{place} is missing:\n{said}");
    }
}

#[test]
fn check_accepts_the_policy_without_mistakes() {
    let (code, said) = run("check", 1, &policy(), &["--offline"]);
    assert_eq!(code, Some(0), "{said}");
    let red_team = e2e::test_file("redteam/policy.yaml");
    let (code, said) = run("check", 1, &red_team, &["--offline"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn check_asks_the_catalog() {
    let cluster = databases();
    let (code, said) = run("check", cluster.port(), &policy(), &[]);
    assert_eq!(code, Some(0), "{said}");
    let wrong = policy().replace("rows: region = {user.region}", "rows: regoin = {user.region}");
    let (code, said) = run("check", cluster.port(), &wrong, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("regoin") && said.contains("policy.yaml:"), "{said}");
}

#[test]
fn check_and_serve_refuse_what_they_do_not_know() {
    let text = format!("{}quotas: []\n", policy());
    for command in ["check", "serve"] {
        let (code, said) = run(command, 1, &text, &[]);
        assert_eq!(code, Some(1), "{command}: {said}");
        assert!(said.contains("quotas"), "{command}: {said}");
    }
}

#[test]
fn explain_prints_layers_and_sql() {
    let cluster = databases();
    let sql = "SELECT id, name FROM customers WHERE id = 1";
    let (code, said) = run("explain", cluster.port(), &policy(), &["--as", "rita", sql]);
    assert_eq!(code, Some(0), "{said}");
    for part in ["connect", "dataset", "own region", "'North'", "customers"] {
        assert!(said.contains(part), "`{part}` is missing:\n{said}");
    }
    let denied = "SELECT * FROM payroll";
    let (code, said) = run("explain", cluster.port(), &policy(), &["--as", "rita", denied]);
    assert_ne!(code, Some(0), "{said}");
    assert!(said.contains("42P01") || said.contains("does not exist"), "{said}");
}

/// `explain` of one statement of rita's on one database, without the lines behind the layers.
fn layers(
    port: u16,
    policy: &str,
    database: &str,
    sql: &str,
) -> (Option<i32>, Vec<String>, String) {
    let more = ["--as", "rita", "--database", database, sql];
    let (code, said) = run("explain", port, policy, &more);
    let layers = said.lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect();
    (code, layers, said)
}

/// Each layer refuses in its turn, and those behind it are not asked.
#[test]
fn explain_says_which_layer_refuses() {
    let cluster = databases();
    let policy = policy()
        .replace(
            "databases:\n",
            "databases:\n  managers: { upstream: main, dbname: shop, connect: [manager] }\n",
        )
        .replace(
            "public.employees:\n    - { name: own region, to: [sales_rep], allow: [select], rows: \"region = {user.region}\" }",
            "public.employees:\n    - { name: own region, to: [sales_rep], allow: [select], rows: \"region = {user.region}\", \
             columns: { deny: [salary], hide: [boss_id] } }",
        );
    let check = |database: &str, sql: &str, expected: &[&str], told: &str| {
        let (code, layers, said) = layers(cluster.port(), &policy, database, sql);
        assert_eq!(code, Some(1), "{said}");
        assert_eq!(layers, expected, "{said}");
        assert!(said.contains(&format!("The client is told: {told}")), "{said}");
    };
    let connected = "connect  rita may use shop (shop on upstream main)";
    check(
        "managers",
        "SELECT 1",
        &[
            "connect  refused: the user may not connect to the database",
            "dataset  not asked",
            "query    not asked",
            "row      not asked",
        ],
        "42501 permission denied for database \"managers\"",
    );
    check(
        "shop",
        "DELETE FROM employees",
        &[
            connected,
            "dataset  select on public.employees: granted by own region",
            "dataset  delete on public.employees: the command is not granted",
            "dataset  refused: permission denied for table `employees`",
            "query    not asked",
            "row      not asked",
        ],
        "42501 permission denied for table employees",
    );
    check(
        "shop",
        "SELECT * FROM payroll",
        &[
            connected,
            "dataset  select on public.payroll: no rule, so it does not exist",
            "dataset  refused: relation `payroll` does not exist for the principal",
            "query    not asked",
            "row      not asked",
        ],
        "42P01 relation \"payroll\" does not exist",
    );
    check(
        "shop",
        "EXPLAIN SELECT id FROM orders",
        &[
            connected,
            "dataset  select on public.orders: granted by own region",
            "query    refused: EXPLAIN is not granted",
            "row      not asked",
        ],
        "42501 permission denied: EXPLAIN is not granted to you",
    );
    check(
        "shop",
        "SELECT salary FROM employees",
        &[
            connected,
            "dataset  select on public.employees: granted by own region",
            "query    allowed",
            "row      select on public.employees: rows (\"pgcordon_scan\".\"region\" =  ('North'::pg_catalog.text))",
            "row      select on public.employees: columns boss_id hidden, salary denied",
            "row      refused: permission denied for column `salary`",
        ],
        "42501 permission denied for column salary",
    );
    let (code, layers, said) = layers(cluster.port(), &policy, "shop", "SELECT id FROM employees");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(layers.len(), 5, "{said}");
    assert!(layers.iter().all(|line| !line.contains("refused")), "{said}");
}

/// The matrix of the demo on a real server is the reviewed one, to the letter.
#[test]
fn matrix_prints_what_was_reviewed() {
    let cluster = databases();
    let root = e2e::repository();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    cluster.load("demo", &[&read("config/demo/shop.sql")]);
    let policy = read("config/demo/policy.yaml").replace("upstream: warehouse", "upstream: main");
    let policy = policy.replace("dbname: shop", "dbname: demo");
    let (code, said) = run("matrix", cluster.port(), &policy, &["--database", "shop"]);
    assert_eq!(code, Some(0), "{said}");
    let snapshot = read("crates/rewrite/tests/snapshots/matrix__matrix_of_demo.snap");
    let reviewed = snapshot.splitn(3, "---\n").nth(2).expect("a head between two rules");
    assert_eq!(said.trim_end(), reviewed.trim_end());
    let (code, said) = run("matrix", cluster.port(), &policy, &["--database", "nowhere"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no database `nowhere`"), "{said}");
}

#[test]
fn a_verifier_made_by_password_logs_in() {
    let mut child = Command::new(binary())
        .arg("password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // Given twice in case it asks again.
    let input = b"correct horse\ncorrect horse\n";
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    let verifier = text.lines().find(|line| line.contains("SCRAM-SHA-256$"));
    let verifier = verifier.unwrap_or_else(|| panic!("no verifier: {}", said(&output))).trim();
    assert!(!said(&output).contains("correct horse"));
    let cluster = databases();
    let rita = policy();
    let old = rita.lines().find(|line| line.trim_start().starts_with("rita:")).expect("rita");
    let new = format!("  rita: {{ password: \"{verifier}\", groups: [north] }}");
    let proxy = Proxy::start(cluster.port(), &rita.replace(old, &new), "");
    let mut client = proxy.client("rita", "correct horse", PLAIN);
    assert_eq!(client.simple("SELECT count(*) FROM customers").table(), "3");
    let old = e2e::Client::login(proxy.port(), "rita", "rita_pw", PLAIN);
    assert_eq!(old.expect_err("the old password").sqlstate(), "28P01");
}

#[test]
fn serve_stops_cleanly() {
    let mut stage = Stage::with("limits: { drain_timeout: 25s }\n");
    drop(stage.client("rita"));
    let mut idle = stage.client("ralf");
    let started = std::time::Instant::now();
    let status = stage.proxy.stop();
    assert!(status.success(), "{status}");
    // A session at rest ends at once: nothing of it has to be waited for.
    assert!(started.elapsed() < std::time::Duration::from_secs(12), "{:?}", started.elapsed());
    let last = idle.receive().expect("the last word").text();
    assert!(last.contains("terminating connection due to administrator command"), "{last}");
    assert_eq!(stage.cluster.admin(NATIVE).simple("SELECT 1").table(), "1");
}
