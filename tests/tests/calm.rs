//! Conditions that the analysis takes for unable to raise: PostgreSQL evaluates them for every pair of odd values.
//!
//! In:  `cases/calm.sql`, a table with the odd values of each type; `cases/calm.txt` and `cases/loud.txt`, conditions.
//! Out: which are wrongly fenced, or not fenced and raise; none.
//!
//! Invariants:
//! - What is not fenced is run over every pair of rows, in a time zone far from UTC in either direction.
//! - What is fenced does raise for some pair, so that the list of conditions is not merely cautious.

use e2e::proxy::{Files, Settings, configuration, pgcordon, verifier};
use e2e::{Client, Cluster, test_file};

const RULES: &str = "
attributes: { region: text }
roles: { viewer: {} }
users: { rita: { password: \"<rita>\", roles: [viewer], attributes: { region: North } } }
databases: { oddities: { upstream: main, dbname: oddities, connect: { roles: [viewer] } } }
tables:
  public.odd:
    - { name: own region, to: [viewer], allow: [select], rows: \"region = {user.region}\" }
";

struct Stage {
    cluster: Cluster,
    files: Files,
}

impl Stage {
    fn new() -> Self {
        let cluster = Cluster::start();
        cluster.admin("postgres").run(&test_file("cases/roles.sql"));
        let sql = test_file("cases/calm.sql");
        // A label can be used only when the transaction that added it has ended.
        let (types, data) = sql.split_once("CREATE TABLE").expect("types, then the table");
        cluster.load("oddities", &[types, &format!("CREATE TABLE{data}")]);
        let settings = Settings { port: 1, upstream_port: cluster.port(), more: "" };
        let policy = RULES.replace("<rita>", &verifier("rita_pw"));
        let files = Files::write(&configuration(&settings), &policy);
        Self { cluster, files }
    }

    /// Whether the scans that a condition reads are fenced.
    fn fenced(&self, condition: &str) -> bool {
        let path = self.files.configuration();
        let path = path.to_str().expect("a path in UTF-8");
        let sql = statement(condition);
        let common = ["explain", "--config", path, "--as", "rita", "--database", "oddities", &sql];
        let output = pgcordon(&common);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("pgcordon_scan"), "{condition}\n{said}");
        said.contains("OFFSET 0")
    }
}

fn statement(condition: &str) -> String {
    format!("SELECT count(*) FROM odd a, odd b WHERE {condition}")
}

/// The error of a condition evaluated for every pair of rows, if any.
fn raised(client: &mut Client, condition: &str) -> Option<String> {
    let sql = format!("SELECT count(({condition})::text) FROM odd a CROSS JOIN odd b");
    client.simple(&sql).error.map(|error| format!("{} {}", error.sqlstate(), error.message()))
}

fn conditions(file: &str) -> Vec<String> {
    let text = test_file(file);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[test]
fn what_is_not_fenced_raises_for_no_value() {
    let stage = Stage::new();
    let mut found = Vec::new();
    for zone in ["Etc/GMT-14", "Etc/GMT+12"] {
        let mut client = stage.cluster.admin("oddities");
        client.run(&format!("SET TimeZone = '{zone}'"));
        for condition in conditions("cases/calm.txt") {
            if let Some(error) = raised(&mut client, &condition) {
                found.push(format!("{zone}: {condition}: {error}"));
            }
        }
    }
    for condition in conditions("cases/calm.txt") {
        if stage.fenced(&condition) {
            found.push(format!("fenced: {condition}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_raises_for_some_value_is_fenced() {
    let stage = Stage::new();
    let mut client = stage.cluster.admin("oddities");
    let mut found = Vec::new();
    for condition in conditions("cases/loud.txt") {
        if !stage.fenced(&condition) {
            found.push(format!("not fenced: {condition}"));
        }
        if raised(&mut client, &condition).is_none() {
            found.push(format!("does not raise: {condition}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
