//! What a policy and a catalog of a certain size cost. `tests/bench/scale.py` runs it for its table.
//!
//! In:  `scale RULES USERS RELATIONS [PHASE TIMES]`; rules and users are spread over fifty roles, rules over the relations.
//! Out: a line a phase: its name, microseconds, and how much memory it has left behind in kB. With a phase, that phase
//!      alone is repeated: the difference between two runs under a profiler is what it costs.
//!
//! Invariants:
//! - Before it is measured, a statement is shown to be filtered: a refusal would be fast as well.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use pgcordon_policy::{BoundPolicy, Identity, Moment, Policy, Principal, Source, load};
use pgcordon_rewrite::{Context, Mark, enforce};
use pgcordon_sql::catalog::{Column, Oid, Relation, RelationKind, Snapshot, SnapshotParts};

const ROLES: usize = 50;
/// Tables of one policy file: a file has a largest size.
const PER_FILE: usize = 1000;
/// Statements of one run; a short one is not one reading of the clock.
const REPEATED: usize = 200;

const POINT: &str = "SELECT id, value FROM t0 WHERE id = 1";
const JOIN: &str = "SELECT a.id, sum(b.value) FROM t0 a JOIN t1 b ON b.id = a.id WHERE a.value > 5 GROUP BY a.id ORDER BY 2 LIMIT 10";
const UPDATE: &str = "UPDATE t0 SET value = value + 1 WHERE id = 1 RETURNING id";
const CATALOG: &str = "SELECT relname FROM pg_catalog.pg_class WHERE relkind = 'r' ORDER BY 1";

/// No rule expires.
const NOW: i64 = 0;

/// How large.
#[derive(Clone, Copy)]
struct Size {
    rules: usize,
    users: usize,
    relations: usize,
}

fn sources(size: Size) -> Vec<Source> {
    let mut head = "attributes: { region: text }\nroles:\n".to_owned();
    for role in 0..ROLES {
        let _ = writeln!(head, "  r{role}: {{}}");
    }
    head.push_str("databases: { shop: { upstream: main, dbname: shop, connect: everyone } }\n");
    let mut texts = vec![head];
    let users: Vec<usize> = (0..size.users).collect();
    for part in users.chunks(PER_FILE) {
        let mut text = "users:\n".to_owned();
        for user in part {
            let role = user % ROLES;
            let _ = writeln!(
                text,
                "  u{user}: {{ roles: [r{role}], attributes: {{ region: North }} }}"
            );
        }
        texts.push(text);
    }
    let tables: Vec<usize> = (0..size.relations.min(size.rules)).collect();
    for part in tables.chunks(PER_FILE) {
        let mut text = "tables:\n".to_owned();
        for table in part {
            let _ = writeln!(text, "  public.t{table}:");
            for rule in (*table..size.rules).step_by(size.relations) {
                let role = rule / size.relations % ROLES;
                let _ = writeln!(
                    text,
                    "    - {{ name: rule {rule}, to: [r{role}], allow: [select, update], rows: \"region = {{user.region}} AND value <> {rule}\" }}"
                );
            }
        }
        texts.push(text);
    }
    let named = texts.into_iter().enumerate();
    named.map(|(index, text)| Source { name: format!("{index}.yaml"), text }).collect()
}

fn column((index, (name, type_oid, type_sql)): (usize, (&str, u32, &str))) -> Column {
    Column {
        name: name.to_owned(),
        type_oid: Oid(type_oid),
        type_sql: type_sql.to_owned(),
        collation: Oid(100),
        type_modifier: -1,
        not_null: false,
        generated: false,
        identity_always: None,
        has_default: false,
        number: i16::try_from(index + 1).expect("few columns"),
    }
}

fn relation(oid: u32, schema: &str, name: String, columns: &[(&str, u32, &str)]) -> Relation {
    Relation {
        oid: Oid(oid),
        schema: schema.to_owned(),
        name,
        kind: RelationKind::Table,
        columns: columns.iter().copied().enumerate().map(column).collect(),
        parents: Vec::new(),
        primary_key: Vec::new(),
        definition: None,
        rewrites_rows: false,
    }
}

fn parts(size: Size) -> SnapshotParts {
    let columns = [
        ("id", 20, "pg_catalog.int8"),
        ("region", 25, "pg_catalog.text"),
        ("owner", 25, "pg_catalog.text"),
        ("value", 20, "pg_catalog.int8"),
    ];
    let class = [
        ("oid", 26, "pg_catalog.oid"),
        ("relname", 19, "pg_catalog.name"),
        ("relkind", 18, "pg_catalog.\"char\""),
    ];
    let numbers = (0..size.relations).map(|number| u32::try_from(number).expect("few relations"));
    let mut relations: Vec<Relation> = numbers
        .map(|number| relation(20_000 + number, "public", format!("t{number}"), &columns))
        .collect();
    relations.push(relation(1259, "pg_catalog", "pg_class".to_owned(), &class));
    SnapshotParts {
        server_version: 150_018,
        database: "shop".to_owned(),
        schemas: vec!["public".to_owned(), "pg_catalog".to_owned()],
        relations,
        ..SnapshotParts::default()
    }
}

fn resident_kb() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What it gives, and a line about what it took.
fn measured<T>(phase: &str, run: impl FnOnce() -> T) -> T {
    let (before, start) = (resident_kb(), Instant::now());
    let result = run();
    let micros = start.elapsed().as_micros();
    say(&format!("{phase} {micros} {}", resident_kb() - before));
    result
}

fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}");
}

struct Stage {
    snapshot: Snapshot,
    bound: BoundPolicy,
    principal: Principal,
    search_path: [String; 1],
    mark: Mark,
}

impl Stage {
    fn context(&self) -> Context<'_> {
        Context {
            snapshot: &self.snapshot,
            policy: &self.bound,
            principal: &self.principal,
            search_path: &self.search_path,
            database: "shop",
            mark: &self.mark,
            parameter_types: &[],
            max_statement_bytes: 1 << 20,
        }
    }

    fn run(&self, text: &str, times: usize) {
        let cleared = enforce(text, self.context()).expect("allowed");
        assert!(cleared.sql().len() > text.len(), "not filtered: {}", cleared.sql());
        for _ in 0..times {
            let _ = black_box(enforce(black_box(text), black_box(self.context())));
        }
    }
}

fn statement(phase: &str) -> Option<&'static str> {
    match phase {
        "point" => Some(POINT),
        "join" => Some(JOIN),
        "update" => Some(UPDATE),
        "catalog" => Some(CATALOG),
        _ => None,
    }
}

fn policy(sources: &[Source]) -> Policy {
    load(sources, &[]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse::<usize>().ok());
    let (Some(rules), Some(users), Some(relations)) = (number(0), number(1), number(2)) else {
        return say("usage: scale RULES USERS RELATIONS [PHASE TIMES]");
    };
    let size = Size { rules, users, relations };
    let only = arguments.get(3).map(String::as_str).zip(number(4));
    let again = |phase: &str| only.filter(|(only, _)| *only == phase).map_or(0, |(_, times)| times);
    let texts = sources(size);
    let policy = measured("load", || policy(&texts));
    for _ in 0..again("load") {
        black_box(self::policy(black_box(&texts)));
    }
    let parts = parts(size);
    let snapshot = measured("snapshot", || Snapshot::new(parts));
    let (bound, mistakes) =
        measured("bind", || policy.bind(&snapshot, &["shop"], Moment::from_unix_seconds(NOW)));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    for _ in 0..again("bind") {
        black_box(policy.bind(black_box(&snapshot), &["shop"], Moment::from_unix_seconds(NOW)));
    }
    let principal = measured("principal", || principal(&policy));
    for _ in 0..again("principal") {
        black_box(self::principal(black_box(&policy)));
    }
    let search_path = ["public".to_owned()];
    let stage = Stage { snapshot, bound, principal, search_path, mark: Mark::new([7; 16]) };
    for phase in ["point", "join", "update", "catalog"] {
        let text = statement(phase).expect("one of them");
        match only {
            None => measured(phase, || stage.run(text, REPEATED)),
            Some((only, times)) if only == phase => stage.run(text, times),
            Some(_) => {}
        }
    }
}

/// The first user has the first role, whose rules are on the first tables.
fn principal(policy: &Policy) -> Principal {
    policy.principal(&Identity::named("u0"), "shop").expect("everyone may connect")
}
