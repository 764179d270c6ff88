//! The crates of the workspace and the only edges allowed between them, and to the outside.
//!
//! In:  every member's manifest, and Cargo.lock.
//! Out: one line per forbidden edge.

use std::collections::{BTreeMap, BTreeSet};

/// Member, and the members that it may name.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("pgcordon-sql", &[]),
    ("pgcordon-policy", &["pgcordon-sql"]),
    ("pgcordon-rewrite", &["pgcordon-policy", "pgcordon-sql"]),
    ("pgcordon-proxy", &["pgcordon-rewrite", "pgcordon-policy", "pgcordon-sql"]),
    ("pgcordon-cli", &["pgcordon-proxy", "pgcordon-rewrite", "pgcordon-policy", "pgcordon-sql"]),
    ("e2e", &["pgcordon-proxy", "pgcordon-rewrite", "pgcordon-policy", "pgcordon-sql"]),
];

/// Crates without waiting, files and sockets.
const PURE: [&str; 3] = ["pgcordon-sql", "pgcordon-policy", "pgcordon-rewrite"];

/// What a pure crate must not reach, directly or through others.
const WAITING: [&str; 13] = [
    "tokio",
    "tokio-postgres",
    "tokio-rustls",
    "async-std",
    "smol",
    "futures",
    "mio",
    "socket2",
    "hyper",
    "rustls",
    "postgres-protocol",
    "pgwire",
    "deadpool",
];

/// Outside crates that only one member may name.
const RESERVED: [(&str, &str); 3] = [
    ("pg_raw_parse", "pgcordon-sql"),
    ("sqlparser", "pgcordon-sql"),
    ("serde_yaml", "pgcordon-policy"),
];

/// Names of the dependencies of one kind, wherever the manifest says them.
fn dependencies(manifest: &toml::Table, kinds: &[&str]) -> BTreeSet<String> {
    let mut tables = vec![manifest];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    tables.extend(
        targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table),
    );
    let mut names = BTreeSet::new();
    for table in tables {
        for kind in kinds {
            let found = table.get(*kind).and_then(toml::Value::as_table);
            names.extend(found.into_iter().flatten().map(|(key, value)| {
                // `alias = { package = "name" }` is an edge to `name`.
                let renamed = value.get("package").and_then(toml::Value::as_str);
                renamed.unwrap_or(key).to_owned()
            }));
        }
    }
    names
}

/// One line per forbidden edge of one manifest.
fn forbidden(manifest: &str, lock: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
    let Some((_, allowed)) = ALLOWED.iter().find(|(member, _)| *member == name) else {
        return vec![format!("{name}: not a member that this test knows")];
    };
    let all = dependencies(&manifest, &["dependencies", "dev-dependencies", "build-dependencies"]);
    let program = dependencies(&manifest, &["dependencies", "build-dependencies"]);
    let mut lines = Vec::new();
    for dependency in &all {
        let ours = ALLOWED.iter().any(|(member, _)| member == dependency);
        if ours && !allowed.contains(&dependency.as_str()) {
            lines.push(format!("{name} -> {dependency}: not an edge of the design"));
        }
        for (reserved, owner) in RESERVED {
            // An oracle of the tests has to read by itself what it judges.
            let tests_only = !program.contains(dependency);
            if dependency == reserved && name != owner && !tests_only {
                lines.push(format!("{name} -> {dependency}: only {owner} may name it"));
            }
        }
    }
    if PURE.contains(&name.as_str()) {
        // Development dependencies (a benchmark, say) may do what they like.
        let built = dependencies(&manifest, &["dependencies"]);
        for waiting in reached(&built, lock).intersection(&WAITING.map(str::to_owned).into()) {
            lines.push(format!("{name} -> {waiting}: a pure crate waits for nothing"));
        }
    }
    lines
}

/// Everything that is built for these dependencies.
fn reached(
    start: &BTreeSet<String>,
    lock: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = start.iter().collect();
    while let Some(name) = open.pop() {
        // The lock file mixes in what only a test or a build script needs: members are judged by their own
        // manifests, and the grammar compiles C with tools that are not part of the program.
        let mixed = ALLOWED.iter().any(|(member, _)| member == name) || name == "pg_raw_parse";
        if seen.insert(name.clone()) && !mixed {
            open.extend(lock.get(name).into_iter().flatten());
        }
    }
    seen
}

fn lock() -> BTreeMap<String, BTreeSet<String>> {
    let path = e2e::repository().join("Cargo.lock");
    let lock: toml::Table = std::fs::read_to_string(path)
        .expect("Cargo.lock is committed")
        .parse()
        .expect("it is TOML");
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock["package"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name").to_owned();
        let needs = package.get("dependencies").and_then(toml::Value::as_array);
        let needs = needs.into_iter().flatten().filter_map(toml::Value::as_str);
        // "name version" where a name alone would be ambiguous.
        let needs = needs.filter_map(|text| text.split(' ').next()).map(str::to_owned);
        edges.entry(name).or_default().extend(needs);
    }
    edges
}

fn check(manifest: &str, expected: &[&str]) {
    assert_eq!(forbidden(manifest, &lock()), expected, "{manifest}");
}

#[test]
fn the_workspace_has_only_the_allowed_edges() {
    let root = e2e::repository();
    let workspace: toml::Table = std::fs::read_to_string(root.join("Cargo.toml"))
        .expect("a manifest")
        .parse()
        .expect("TOML");
    let members = workspace["workspace"]["members"].as_array().expect("members");
    assert_eq!(members.len(), ALLOWED.len(), "a new member needs its line in this test");
    for member in members.iter().filter_map(toml::Value::as_str) {
        let manifest = std::fs::read_to_string(root.join(member).join("Cargo.toml"));
        check(&manifest.expect("a member has a manifest"), &[]);
    }
}

#[test]
fn an_edge_between_members_against_the_direction_is_found() {
    check(
        "[package]\nname = 'pgcordon-sql'\n[dependencies]\npgcordon-policy.workspace = true",
        &["pgcordon-sql -> pgcordon-policy: not an edge of the design"],
    );
    check(
        "[package]\nname = 'pgcordon-cli'\n[dev-dependencies]\ne2e = { path = '../../tests' }",
        &["pgcordon-cli -> e2e: not an edge of the design"],
    );
    check("[package]\nname = 'pgcordon-cli'\n[dependencies]\npgcordon-proxy.workspace = true", &[]);
}

#[test]
fn a_parser_outside_sql_is_found_under_any_name() {
    check(
        "[package]\nname = 'pgcordon-rewrite'\n[dependencies]\ngrammar = { package = 'pg_raw_parse', version = '1' }",
        &["pgcordon-rewrite -> pg_raw_parse: only pgcordon-sql may name it"],
    );
    check(
        "[package]\nname = 'pgcordon-proxy'\n[target.'cfg(unix)'.dependencies]\nserde_yaml = '1'",
        &["pgcordon-proxy -> serde_yaml: only pgcordon-policy may name it"],
    );
}

#[test]
fn waiting_in_a_pure_crate_is_found_through_others() {
    let lines = forbidden(
        "[package]\nname = 'pgcordon-policy'\n[dependencies]\ntokio-postgres = '1'",
        &lock(),
    );
    assert!(lines.iter().any(|line| line.starts_with("pgcordon-policy -> socket2:")), "{lines:?}");
    check("[package]\nname = 'pgcordon-policy'\n[dev-dependencies]\ntokio = '1'", &[]);
}
