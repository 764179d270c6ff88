//! The example policies: each one's tests pass on a real server, and fail once any of its conditions is gone.
//!
//! In:  `config/examples/*.sql` and `*.yaml`.
//! Out: exit codes of `pgcordon check` and `pgcordon test`.

use std::path::PathBuf;

use e2e::Cluster;
use e2e::proxy::{Files, pgcordon};

/// One for each pattern; a file more in the folder is a test less here.
const EXAMPLES: [&str; 7] =
    ["client-portal", "hierarchy", "manager", "own-records", "team", "team-lookup", "tenant-wall"];

fn folder() -> PathBuf {
    e2e::repository().join("config/examples")
}

fn read(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The example's database, and its policy with the places of this server.
fn set_up(cluster: &Cluster, example: &str) -> String {
    let policy = read(&format!("{example}.yaml"));
    let database = policy
        .lines()
        .skip_while(|line| *line != "databases:")
        .nth(1)
        .and_then(|line| line.trim().split(':').next())
        .expect("a database");
    cluster.load(database, &[&read(&format!("{example}.sql"))]);
    let port = format!("port: {}", cluster.port());
    for part in ["port: 5432", "password_env: PGCORDON_UPSTREAM_PASSWORD"] {
        assert_eq!(policy.matches(part).count(), 1, "{example}: {part}");
    }
    let policy = policy.replace("port: 5432", &port);
    policy.replace("password_env: PGCORDON_UPSTREAM_PASSWORD", "password: pgcordon_pw")
}

fn run(command: &str, policy: &str) -> (Option<i32>, String) {
    let files = Files::write(policy, "");
    let path = files.configuration();
    let output = pgcordon(&[command, "--config", path.to_str().expect("UTF-8")]);
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    (output.status.code(), said.concat())
}

/// The policy once for each condition, with that condition gone.
fn weakened(policy: &str) -> Vec<String> {
    let lines: Vec<&str> = policy.lines().collect();
    let end = lines.iter().position(|line| *line == "tests:").expect("tests");
    let mut all = Vec::new();
    for (index, line) in lines[..end].iter().enumerate() {
        let Some(condition) = line.trim_start().strip_prefix("rows: ") else { continue };
        if condition.starts_with("all") {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        // A block of text goes with its head.
        let deeper = |next: &&&str| next.len() - next.trim_start().len() > indent;
        let block = if condition == "|" { &lines[index + 1..] } else { &[] };
        let after = index + 1 + block.iter().take_while(deeper).count();
        let all_rows = format!("{:indent$}rows: all", "");
        let text = [&lines[..index], &[all_rows.as_str()], &lines[after..]].concat();
        all.push(text.join("\n"));
    }
    all
}

fn check(example: &str) {
    let cluster = Cluster::start();
    cluster.admin("postgres").run("CREATE ROLE pgcordon LOGIN PASSWORD 'pgcordon_pw'");
    let policy = set_up(&cluster, example);
    let (code, said) = run("check", &policy);
    assert_eq!(code, Some(0), "{example}: {said}");
    let (code, said) = run("test", &policy);
    assert_eq!(code, Some(0), "{example}: {said}");
    let weakened = weakened(&policy);
    assert!(!weakened.is_empty(), "{example} has no condition");
    for policy in weakened {
        let (code, said) = run("test", &policy);
        assert_eq!(code, Some(1), "{example}, without a condition: {said}\n{policy}");
    }
}

#[test]
fn every_file_of_the_folder_is_tested() {
    let names = std::fs::read_dir(folder()).expect("the folder").map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.to_str().expect("UTF-8").to_owned()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    let pair = |name: &&str| [format!("{name}.sql"), format!("{name}.yaml")];
    let mut expected: Vec<String> = EXAMPLES.iter().flat_map(pair).collect();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn own_records() {
    check("own-records");
}

#[test]
fn team_by_attribute() {
    check("team");
}

#[test]
fn team_by_lookup() {
    check("team-lookup");
}

#[test]
fn hierarchy() {
    check("hierarchy");
}

#[test]
fn client_portal() {
    check("client-portal");
}

#[test]
fn tenant_wall() {
    check("tenant-wall");
}

#[test]
fn manager_sees_all() {
    check("manager");
}
